"""Every malformed input is an error of the right kind: no 5xx and no stack trace.

At the protocol's endpoints it is the protocol's JSON.
"""

import itertools
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from idp.devices.models import DeviceCode
from idp.tenancy.models import Tenant
from tests.support.client import DEVICE_CODE, Doors, Started
from tests.support.oauth import DEVICE, TOKEN, USERINFO, basic, connect, outcome

FORM = "application/x-www-form-urlencoded"
RUNS = "/api/runs/"
JWKS = "/application/o/jwks/"
DOCUMENTS = ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
ALLOWED = {
    DEVICE: "POST",
    TOKEN: "POST",
    USERINFO: "GET, POST",
    JWKS: "GET, HEAD",
    **dict.fromkeys(DOCUMENTS, "GET, HEAD"),
    RUNS: "POST",
}
PAGES = {
    "/": "GET, HEAD",
    "/device": "GET, HEAD, POST",
    "/sign-out": "GET, HEAD, POST",
    "/flow/x/": "GET, HEAD, POST",
    "/recover/x": "GET, HEAD, POST",
}
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]


def wrong_methods(addresses: Any) -> Any:
    """Yield each address with each method that it does not accept."""
    return [
        (path, method)
        for path, allowed in addresses.items()
        for method in METHODS
        if method not in allowed.split(", ")
    ]


def clean(response: Any) -> Any:
    """Return the response after checking that it is no internal error and reveals nothing internal."""
    text = response.content.decode(errors="replace")
    assert response.status_code < 500, text
    for inside in ("Traceback", "File &quot;", 'File "', "Exception", "django.", "/idp/", "sqlite"):
        assert inside not in text
    return response


# --- methods, types, sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "method"), wrong_methods(ALLOWED))
def test_wrong_method_of_an_endpoint(door: Doors, path: str, method: str) -> None:
    """B25: a wrong method is a 405 with Allow and a JSON error.

    The token and device endpoints accept POST only.
    """
    response = clean(door().http.generic(method, path))
    assert (response.status_code, response["Allow"]) == (405, ALLOWED[path])
    if method != "HEAD":
        assert response.json()["error"] == "invalid_request"


@pytest.mark.parametrize(("path", "method"), wrong_methods(PAGES))
def test_wrong_method_of_a_page(door: Doors, path: str, method: str) -> None:
    """A wrong method of a page is a 405 with Allow, as a page."""
    response = clean(door().http.generic(method, path))
    assert (response.status_code, response["Allow"]) == (405, PAGES[path])


@pytest.mark.parametrize("path", [DEVICE, TOKEN])
@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/x-www-form-urlencoded2; charset=utf-8",
        "x",
        "/;;;",
        "é",
    ],
)
def test_wrong_content_type(door: Doors, path: str, content_type: Any) -> None:
    """D1: a wrong content type is a 415 with invalid_request."""
    response = clean(door().post(path, "client_id=tv", content_type=content_type))
    assert outcome(response) == (415, "invalid_request")
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("content_type", [FORM, "text/plain", "application/json+x"])
def test_wrong_content_type_of_the_api(door: Doors, content_type: Any) -> None:
    """Another content type is a 415 and never read as JSON; cross-site forms can send text/plain."""
    response = clean(door().http.post(RUNS, b'{"for": "device_code"}', content_type=content_type))
    assert outcome(response) == (415, "invalid_request")


def test_oversized_body(door: Doors) -> None:
    """An oversized body is a 413 everywhere."""
    large = b"client_id=tv&x=" + b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    for path in (DEVICE, TOKEN):
        assert outcome(clean(door().post(path, large))) == (413, "invalid_request")
    body = b'{"for": "' + b"x" * settings.DATA_UPLOAD_MAX_MEMORY_SIZE + b'"}'
    assert outcome(clean(door().http.post(RUNS, body, content_type="application/json"))) == (
        413,
        "invalid_request",
    )
    seen = door().page()
    assert clean(door().http.post(seen.path, large, content_type=FORM)).status_code == 413


@pytest.mark.parametrize(
    "charset", ["ISO-8859-1", "latin-1", '"us-ascii"', "utf-8", "UTF8", "utf-16", "x", ""]
)
def test_the_label_of_a_form_does_not_decide(door: Doors, charset: Any) -> None:
    """D1, K3: a form in UTF-8 is read with any charset label, and other bytes are refused with any label."""
    bodies = {
        b"client_id=tv&device_name=T%C3%A9": 200,
        "client_id=tv&device_name=Té".encode(): 200,
        b"client_id=tv&x=\xe9": 400,
    }
    for body, status in bodies.items():
        # post() would encode it again
        answer = clean(door().http.generic("POST", DEVICE, body, content_type=f"{FORM}; charset={charset}"))
        assert answer.status_code == status
    assert set(DeviceCode.unscoped.values_list("label", flat=True)) == {"Té"}


READ = {
    DEVICE: ["client_id", "client_secret", "scope", "nonce", "code_challenge", "device_name"],
    TOKEN: ["client_id", "client_secret", "grant_type", "device_code", "code_verifier"],
}


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in READ.items() for name in names])
@pytest.mark.parametrize("values", [("", ""), ("x", "x"), ("x", ""), ("x", "y")])
def test_what_is_read_comes_once(door: Doors, path: str, name: str, values: dict[str, str]) -> None:
    """D1, B25: a repeated parameter is refused for all values (RFC 6749 section 3.2).

    No one has to guess which one counts.
    """
    started = door().start()
    form = (
        {"client_id": "tv", "grant_type": DEVICE_CODE, "device_code": started.device_code}
        if path == TOKEN
        else {"client_id": "tv"}
    )
    body = urlencode(
        [(key, value) for key, value in form.items() if key != name] + [(name, value) for value in values]
    )
    refused = clean(door().post(path, body))
    assert outcome(refused) == (400, "invalid_request")
    assert f"{name} is repeated" in refused.json()["error_description"]
    assert outcome(door().poll(started)) == (400, "authorization_pending")


@pytest.mark.parametrize("name", ["resource", "audience", "unknown", "é", "user_code"])
def test_unread_parameters_may_repeat(door: Doors, name: str) -> None:
    """D1, D42: unknown parameters are ignored, even repeated, at both endpoints and with Basic.

    RFC 8707 section 2 allows several resource parameters.
    """
    more = urlencode([(name, "https://a.example"), (name, "https://b.example"), (name, "")])
    started = Started(door().post(DEVICE, f"client_id=tv&scope=openid&{more}").json())
    assert outcome(door().post(DEVICE, more, **basic("tv", ""))) == (200, "")
    door().approve(started)
    form = urlencode({"grant_type": DEVICE_CODE, "client_id": "tv", "device_code": started.device_code})
    assert outcome(clean(door().post(TOKEN, f"{more}&{form}"))) == (200, "")


# --- forms --------------------------------------------------------------------------------------------------

BODIES = {
    "empty": b"",
    "no client": b"scope=openid",
    "repeated": b"client_id=tv&client_id=tv",
    "repeated with another case of escaping": b"client_id=tv&client%5Fid=tv",
    "not UTF-8": b"client_id=tv&scope=\xff\xfe",
    "escaped, not UTF-8": b"client_id=tv&scope=%ff%fe",
    "a surrogate": b"client_id=tv&scope=%ed%a0%80",
    "NUL": b"client_id=tv&scope=openid%00",
    "NUL in a name": b"client_id=tv&a%00b=1",
    "NUL in the client": b"client_id=t%00v",
    "NUL in an unknown parameter": b"client_id=tv&unknown=%00",
    "thousands of parameters": b"client_id=tv&" + b"&".join(b"p%d=1" % n for n in range(5000)),
    "thousands of equal signs": b"=" * 5000,
}


@pytest.mark.parametrize("path", [DEVICE, TOKEN])
@pytest.mark.parametrize("body", BODIES)
def test_malformed_forms(door: Doors, path: str, body: Any) -> None:
    """D1: a malformed form is a 400 with invalid_request at both endpoints."""
    assert outcome(clean(door().post(path, BODIES[body]))) == (400, "invalid_request")


@pytest.mark.parametrize("body", [b"&&&&client_id=tv&&", b"client_id=tv&", b"client_id=tv&%=%zz&+=+"])
def test_sloppy_forms_are_read(door: Doors, body: Any) -> None:
    """D1: a form that can be understood is read."""
    assert outcome(clean(door().post(DEVICE, body))) == (200, "")


@pytest.mark.parametrize(
    "name",
    [
        "client_id",
        "scope",
        "nonce",
        "code_challenge",
        "device_name",
        "client_secret",
        "device_code",
        "refresh_token",
    ],
)
def test_long_and_strange_values(door: Doors, name: str) -> None:
    """A value of any length and script results in a response of the protocol."""
    for value in (
        "x" * 60_000,
        "é" * 5000,
        "\u202egnp.exe",
        "' OR 1=1 --",
        "<script>alert(1)</script>",
        "\r\nSet-Cookie: a=b",
        "{}",
        "-1",
    ):
        for path, grant in ((DEVICE, ""), (TOKEN, DEVICE_CODE), (TOKEN, "refresh_token")):
            form = {
                "client_id": "tv",
                "grant_type": grant,
                "device_code": "x",
                "refresh_token": "x",
                name: value,
            }
            response = clean(door().post(path, form))
            assert response.status_code in (200, 400, 401)
            assert "Set-Cookie" not in response.headers


def test_strange_device_name_stays_text(door: Doors, acme: Tenant) -> None:
    """CVE-2026-42849: the name that a device sends is escaped on the approval page and truncated."""
    started = door(agent="<img src=x onerror=alert(1)>").start(
        device_name="<script>alert(1)</script>" + "x" * 500
    )
    text = door().sign_in().submit(user_code=started.user_code).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "<script>alert" not in text
    assert "<img" not in text
    assert "x" * 101 not in text


# --- headers ------------------------------------------------------------------------------------------------

AUTHORIZATIONS = [
    "",
    " ",
    "Bearer",
    "Bearer ",
    "Bearer  ",
    "Basic",
    "Digest x",
    "Run x",
    "é",
    "Bearer é",
    "Bearer \x00",
    "Bearer a.b.c",
    "Bearer ...",
    "Bearer .",
    "Bearer " + "a" * 60_000,
    "Bearer " + ".".join(["eyJhbGciOiJub25lIn0"] * 3),
    "Bearer e30.e30.",
    "Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6W119.e30.x",
]


@pytest.mark.parametrize("header", AUTHORIZATIONS)
def test_strange_authorization_at_userinfo(door: Doors, header: str) -> None:
    """RFC 6750: a malformed Authorization header is a 401 with the scheme."""
    response = clean(door().get(USERINFO, HTTP_AUTHORIZATION=header))
    assert outcome(response) == (401, "invalid_token")
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    [
        '["a"]',
        "[" * 40_000,
        '{"alg": "RS256", "kid": "\\u0000"}',
        '{"alg": "RS256", "kid": "\\ud800"}',
        '{"alg": 1, "typ": []}',
        '{"alg": "RS256", "kid": 7}',
    ],
)
def test_strange_token_headers(door: Doors, header: str) -> None:
    """A token with a malformed header, endless nesting or an unknown key is refused."""
    token = ".".join(urlsafe_b64encode(part.encode()).rstrip(b"=").decode() for part in (header, "{}", "x"))
    assert outcome(clean(door().get(USERINFO, HTTP_AUTHORIZATION=f"Bearer {token}"))) == (
        401,
        "invalid_token",
    )


@pytest.mark.parametrize("header", AUTHORIZATIONS)
def test_strange_authorization_at_the_token_endpoint(door: Doors, header: str) -> None:
    """B25: an Authorization header of another scheme than Basic is ignored without a failure."""
    form = {"grant_type": "refresh_token", "refresh_token": "x", "client_id": "tv"}
    assert outcome(clean(door().post(TOKEN, form, HTTP_AUTHORIZATION=header)))[0] in (400, 401)


@pytest.mark.parametrize(
    "parts", [("t\0v", "x"), ("", ""), ("é", "é"), ("x" * 20_000, "y" * 20_000), ("a:b", "c"), ("tv", "\0")]
)
def test_strange_basic(door: Doors, parts: list[str]) -> None:
    """B25: malformed Basic credentials are an error with a code."""
    for encoded in (True, False):
        header = basic(*parts, encoded=encoded)
        assert outcome(
            clean(door().post(TOKEN, {"grant_type": "refresh_token", "refresh_token": "x"}, **header))
        )[0] in (400, 401)


def test_strange_cookies_and_agents(door: Doors) -> None:
    """A browser with malformed cookies is a new browser."""
    for junk in ("x", "é" * 64, "\x01" * 64, "a" * 64, '"' * 64, "x" * 4000):
        browser = door(agent=junk)
        browser.http.cookies["foyer_session"] = browser.http.cookies["foyer_browser"] = junk
        assert clean(browser.get("/device")).status_code == 303


@pytest.mark.parametrize(
    "host",
    [
        "unknown.test",
        "",
        "acme.test.evil.test",
        "evil-acme.test",
        "acme.test:x",
        "acme.test:123456",
        "acme test",
        "acme.test/x",
        "acme.test@evil",
        "é.test",
        "a..acme.test",
        ".acme.test",
        "-.test",
        "under_score.acme.test",
        "[::1",
        "[acme]",
        "acme.test, other.test",
        "acme.test\\",
        "*.acme.test",
        "x" * 300,
    ],
)
@pytest.mark.parametrize("path", [DEVICE, "/device", "/.well-known/openid-configuration", "/nothing"])
def test_unknown_and_malformed_hosts(door: Doors, host: str, path: str) -> None:
    """K4: an unknown or malformed Host is a 404 at every address, in JSON for the protocol, else plain."""
    client = door().http
    for response in (
        client.get(path, HTTP_HOST=host),
        client.post(path, "x=1", content_type=FORM, HTTP_HOST=host),
    ):
        clean(response)
        form = "application/json" if path in (DEVICE, *DOCUMENTS) else "text/plain"
        assert (response.status_code, response["Content-Type"], response["Cache-Control"]) == (
            404,
            form,
            "no-store",
        )


@pytest.mark.parametrize("host", ["acme.test", "ACME.TEST", "acme.test:8000", "deep.er.acme.test"])
def test_hosts_of_a_tenant(door: Doors, host: str) -> None:
    """O19: a host matches exactly or by wildcard, in any case, at any port."""
    assert door(host).get("/.well-known/openid-configuration").json()["issuer"] == f"http://{host.lower()}"


# --- pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        "user_code=%00",
        "user_code=%ff",
        "user_code=%ed%a0%80",
        "user_code=" + "B" * 5000,
        "user_code=<script>",
        "user_code=BCDF&user_code=GHJK",
        "%",
        "switch",
    ],
)
def test_strange_complete_links(door: Doors, query: str) -> None:
    """D5: a malformed link leads to the page that asks for the code, and nothing in it is executed."""
    seen = door().page(f"/device?{query}")
    clean(seen.response)
    assert seen.status == 200
    code = seen.submit(name="alice").submit(password="alice-password-1")
    assert code.step == "device_code"
    assert "<script>" not in code.text


def test_too_many_parameters_at_a_page(door: Doors) -> None:
    """Too many parameters are a 400 or ignored, never a failure."""
    many = "&".join(f"p{n}=1" for n in range(5000))
    assert clean(door().get(f"/device?{many}")).status_code in (303, 400)
    seen = door().page()
    assert clean(seen.door.http.post(seen.path, many, content_type=FORM)).status_code == 400
    assert (
        clean(
            seen.door.http.post(
                seen.path, b"--x\r\n", content_type="multipart/form-data; boundary=" + "é" * 9
            )
        ).status_code
        < 500
    )


@pytest.mark.parametrize(
    "value", ["\0", "alice\0", "\ud7ff", "é" * 254, "x" * 300, " ", "\u202e", "'\"<>&", "alice@acme.test\n"]
)
def test_strange_answers(door: Doors, value: str) -> None:
    """A malformed name, password or code is asked for again or checked, and the page is intact."""
    seen = door().page().submit(name=value)
    clean(seen.response)
    assert seen.step in ("identification", "password")
    judged = door().page().submit(name="bob").submit(password=value)
    assert clean(judged.response).status_code == 200
    code = door().sign_in().submit(user_code=value)
    assert clean(code.response).status_code == 200
    assert code.step == "device_code"


def test_a_run_that_does_not_exist(door: Doors) -> None:
    """An unknown run is a 404, for names of any kind."""
    for run in ("x", "0" * 32, "%00", "%ff", "é", "..", "x" * 3000, "' OR 1=1 --"):
        assert clean(door().get(f"/flow/{run}/")).status_code == 404
        assert clean(door().get(f"/recover/{run}")).status_code == 404
        response = clean(door().get(f"/api/runs/{run}/", HTTP_AUTHORIZATION="Run x"))
        assert response.status_code == 404


# --- the JSON API of runs -----------------------------------------------------------------------------------

OBJECTS = [
    b" ",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"1",
    b"{}",
    b'{"for": 1}',
    b'{"for": "x"}',
    b'{"for": ["device_code"]}',
    b'{"for": "device_code", "x": 1}',
    b'{"for": "device_code", "user_code": 1}',
    b'{"for": "device_code", "user_code": "\\ud800"}',
    b"\xff\xfe",
    b'{"for": "\xff"}',
    b"[" * 60_000,
    b'{"for": ' + b"9" * 5000 + b"}",
    b'{"\\ud800": 1}',
    b'{"a": NaN}',
]


@pytest.mark.parametrize("body", OBJECTS, ids=lambda body: body[:30].decode("latin-1"))
def test_malformed_objects(door: Doors, body: Any) -> None:
    """Half of a surrogate pair, endless nesting and unknown members are a 400 with invalid_request."""
    assert outcome(clean(door().http.post(RUNS, body, content_type="application/json"))) == (
        400,
        "invalid_request",
    )


def test_surrogates_and_strange_answers_as_json(door: Doors) -> None:
    """Answers of any type are asked for again or refused and never fail; no cookie is read or set."""
    browser = door()
    begun = browser.http.post(
        RUNS, {"for": "device_code", "user_code": "a\0b"}, content_type="application/json"
    ).json()
    secret = {"Authorization": f"Run {begun['secret']}"}

    def answer(body: object) -> Any:
        return browser.http.post(
            begun["url"], json.dumps(body), content_type="application/json", headers=secret
        )

    for value in ("\ud800", ["\ud800"], {"a": 1}, [1, 2], 10**400, True, None, 1.5, "", "x\0", "x" * 5000):
        for name in ("name", "\ud800", "password"):
            response = clean(answer({"step": "identification", "answer": {name: value}}))
            assert response.status_code in (200, 400)
            assert not response.cookies
    bodies: tuple[object, ...] = (
        {"step": 1},
        {"step": "x", "answer": []},
        {"step": "\ud800", "answer": {}},
        {"answer": {}},
        {},
        [],
    )
    for body in bodies:
        assert clean(answer(body)).status_code in (200, 400)


def test_a_run_answers_only_its_secret(door: Doors) -> None:
    """No secret, a wrong one, another run's one and a cookie give no access."""
    browser = door()
    first, second = (
        browser.http.post(RUNS, {"for": "device_code"}, content_type="application/json").json()
        for _ in range(2)
    )
    assert clean(browser.get(first["url"])).status_code == 401
    for secret in ("x", second["secret"], "é", first["secret"].upper()):
        assert clean(browser.get(first["url"], HTTP_AUTHORIZATION=f"Run {secret}")).status_code == 404
    assert (
        clean(door("other.test").get(first["url"], HTTP_AUTHORIZATION=f"Run {first['secret']}")).status_code
        == 404
    )
    assert browser.get(first["url"], HTTP_AUTHORIZATION=f"Run {first['secret']}").status_code == 200


# --- fuzzing ------------------------------------------------------------------------------------------------

PARAMETERS = [
    "client_id",
    "client_secret",
    "grant_type",
    "device_code",
    "refresh_token",
    "scope",
    "scopes",
    "nonce",
    "code_challenge",
    "code_verifier",
    "code_challenge_method",
    "device_name",
    "step",
    "token",
    "name",
    "password",
    "user_code",
    "decision",
]
VALUES = st.one_of(
    st.sampled_from(
        [
            "tv",
            "kiosk",
            "openid",
            DEVICE_CODE,
            "refresh_token",
            "S256",
            "approve",
            "deny",
            "alice",
            "identification",
            "consent",
            "",
        ]
    ),
    st.text(max_size=80),
)


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).decode()


def fresh_browser(door: Doors) -> Any:
    """Return a browser from a network of its own, so that no limit affects the fuzz test."""
    return door(address=f"2001:db8:{next(NETWORKS):x}::1")


NETWORKS = itertools.count(1)
HEADERS = st.one_of(
    st.just(""),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60),
    st.binary(max_size=40).map(lambda data: f"Basic {_encoded(data)}"),
    st.lists(st.binary(max_size=30), min_size=1, max_size=4).map(
        lambda parts: "Bearer " + ".".join(map(_encoded, parts))
    ),
)
MEMBERS = st.sampled_from(["for", "user_code", "step", "answer", "name", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=8,
)
FUZZ = hypothesis_settings(
    max_examples=1200,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.slow
@pytest.mark.timeout(300)
@FUZZ
@given(
    path=st.sampled_from([DEVICE, TOKEN, USERINFO, "/device", "/sign-out", "/recover/x"]),
    body=st.one_of(
        st.lists(st.tuples(st.sampled_from(PARAMETERS), VALUES), max_size=8),
        st.binary(max_size=200),
        st.text(st.characters(codec="utf-8"), max_size=100).map(str.encode),
    ),
    header=HEADERS,
    content_type=st.sampled_from(
        [FORM, f"{FORM}; charset=utf-8", "application/json", "multipart/form-data; boundary=x", ""]
    ),
)
def test_fuzz_forms(door: Doors, path: str, body: Any, header: str, content_type: Any) -> None:
    """The protocol's endpoints and the pages return no 5xx and no stack trace for any body and header.

    The protocol's endpoints return JSON.
    """
    browser = fresh_browser(door)
    if isinstance(body, list):
        body = urlencode(body, errors="surrogatepass")
    response = clean(browser.http.post(path, body, content_type=content_type, HTTP_AUTHORIZATION=header))
    if path in (DEVICE, TOKEN, USERINFO):
        assert response["Content-Type"] == "application/json"
        assert response.status_code == 200 or response.json()["error"]


@pytest.mark.slow
@pytest.mark.timeout(300)
@FUZZ
@given(
    body=st.one_of(JSON.map(json.dumps).map(str.encode), st.binary(max_size=100)),
    answer=st.booleans(),
    header=HEADERS,
)
def test_fuzz_objects(door: Doors, body: Any, answer: Mapping[str, Any], header: str) -> None:
    """The JSON API of runs accepts or refuses any value, for the start and for an answer."""
    browser = fresh_browser(door)
    path = RUNS
    if answer:
        begun = browser.http.post(RUNS, {"for": "device_code"}, content_type="application/json")
        assert begun.status_code == 201
        path, header = begun.json()["url"], f"Run {begun.json()['secret']}"
    response = clean(
        browser.http.post(path, body, content_type="application/json", HTTP_AUTHORIZATION=header)
    )
    assert response["Content-Type"] == "application/json"


@pytest.mark.slow
@pytest.mark.timeout(300)
@FUZZ
@given(
    host=st.one_of(
        st.text(st.characters(max_codepoint=255), max_size=40), st.text("acme.test:[]_-0", max_size=20)
    ),
    path=st.text(st.characters(codec="utf-8"), max_size=30),
)
def test_fuzz_hosts_and_paths(door: Doors, host: str, path: str) -> None:
    """Any Host and any path result in no internal error."""
    clean(door().http.get("/" + path, HTTP_HOST=host))
    clean(door().http.get("/" + path))


def test_fuzz_knows_the_way(door: Doors) -> None:
    """The fuzz test above reaches the inner code: the right combination of its values connects a device."""
    assert connect(door)["token_type"] == "Bearer"
    assert {"client_id", "grant_type", "device_code", "scope"} <= set(PARAMETERS)
