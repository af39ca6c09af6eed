def test_journey(door):
    device, person = door(), door()
    started = device.start(scope="openid profile offline_access")
    assert device.poll(started).json()["error"] == "authorization_pending"
    person.approve(started)
    assert "access_token" in device.poll(started).json()
