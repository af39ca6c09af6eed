"""redirect: leads where the administrator said, and to no URL that a browser reads differently from us."""

from typing import Any

import pytest
from pydantic import ValidationError

from flows.documents.lint import lint
from idp.tenancy.models import Tenant
from stages.redirect import Redirect
from tests.support.client import Doors
from tests.support.flows import draw, drawing

GOOD = [
    "/",
    "/device",
    "/device?user_code=BCDF-GHJK#top",
    "/go?next=https://acme.example//x",
    "/%2F%2Fevil.example",
    "https://acme.example",
    "https://acme.example:8443/a/b?c=d&e=https://x.example//y#f",
    "https://xn--bcher-kva.example/",
    "https://[2001:db8::1]/",
    "https://203.0.113.9/",
    "http://localhost:3000/callback",
    "http://127.0.0.1/",
    "http://[::1]:8080/",
]
LOOK_ALIKES = [
    "",
    " /",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/a//evil.example",
    "/a/..//evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\nLocation: https://evil.example",
    "/\0",
    "/ü",
    "evil.example",
    "device",
    "?next=/",
    "#top",
    "./device",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "java\tscript:alert(1)",
    "javascript://acme.example/%0aalert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "ftp://acme.example/",
    "blob:https://acme.example/x",
    "about:blank",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https://",
    "https://:443/",
    "https:\\\\evil.example",
    "https://acme.example\\@evil.example",
    "https://acme.example@evil.example",
    "https://user:password@acme.example/",
    "https://@acme.example/",
    "https://acme.example%2eevil.example/",
    "https://acme.example%00.evil.example/",
    "https://acme.example .evil.example/",
    "https://acme.example。evil.example/",
    "https://аcme.example/",
    "https://ACME.example/",
    "HTTPS://acme.example/",
    "https://acme..example/",
    "https://-acme.example/",
    "https://acme.example-/",
    "https://acme_.example/",
    "https://acme.example:99999/",
    "https://acme.example:0/",
    "https://acme.example:/",
    "https://acme.example:80:80/",
    "https://acme.example:x/",
    "https://acme.example//evil.example",
    "https://[2001:db8::1",
    "https://[evil.example]/",
    "https://[::1%25eth0]/",
    "https://[:::::]/",
    "http://acme.example/",
    "http://localhost.evil.example/",
    "http://127.0.0.1.evil.example/",
    "http://127.1/",
    "http://2130706433/",
    "http://localhost@evil.example/",
    "http://localhost:80@evil.example/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::]/",
    "//localhost/",
    "https://acme.example/\u202e",
    "https://acme.example/ ",
    "https://acme.example/\x7f",
    "https://acme.example/" + "a" * 2000,
    "/" + "a" * 2000,
]


@pytest.mark.parametrize("target", GOOD)
def test_what_may_be_written(target: str) -> None:
    """An https URL, http on this machine, or a path of this server is accepted."""
    assert Redirect.Settings(to=target).to == target


@pytest.mark.parametrize("target", LOOK_ALIKES)
def test_look_alikes_are_refused(target: str) -> None:
    """CVE-2024-52289, CVE-2024-21637: nothing that a browser might read as another host or as a script.

    It is refused when it is saved.
    """
    with pytest.raises(ValidationError):
        Redirect.Settings(to=target)


def test_lint_says_where_and_why(acme: Tenant) -> None:
    """The administrator sees the message at the setting."""
    found = lint(drawing({"stage": "redirect", "settings": {"to": "http://acme.example"}}, {"stage": "deny"}))
    assert [
        (finding.path[-2:], "https://" in finding.message) for finding in found if "settings" in finding.path
    ] == [(("settings", "to"), True)]


@pytest.mark.parametrize("target", ["/application/o/nothing/?a=b#c", "https://acme.example/welcome?a=b"])
def test_the_browser_is_sent_there_and_the_run_is_over(acme: Tenant, door: Doors, target: str) -> None:
    """People to whom the condition applies are redirected; the others go on.

    Within this server a redirect posts nothing again (303).
    """
    steps: list[str | dict[str, Any]] = [
        "identification",
        "password",
        {"stage": "redirect", "when": 'person.username == "bob"', "settings": {"to": target}},
    ]
    draw(*steps, "login", "device_code", "consent")
    seen = door().page().submit(name="bob")
    left = seen.door.http.post(seen.path, {**seen.hidden, "password": "bob-password-22"})
    again = seen.door.http.get(seen.path)
    for response in (left, again):
        if target.startswith("/"):
            assert (response.status_code, response["Location"]) == (303, target)
        else:
            assert f'<meta http-equiv="refresh" content="0; url={target}">' in response.content.decode()
    assert door().sign_in().step == "device_code"


def test_a_program_gets_the_address(acme: Tenant, door: Doors) -> None:
    """JSON has the address, and nothing is followed."""
    draw({"stage": "redirect", "settings": {"to": "https://acme.example/app"}})
    answer = door().post("/api/runs/", '{"for": "device_code"}', content_type="application/json").json()
    assert (answer["kind"], answer["url"]) == ("leave", "https://acme.example/app")
