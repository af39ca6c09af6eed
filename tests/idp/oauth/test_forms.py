"""Reading a request of the protocol: what is absent, what is malformed, and how clients authenticate."""

from base64 import b64encode

import pytest

from idp.oauth.errors import InvalidRequest, InvalidScope, WrongContentType
from idp.oauth.forms import Form, parse_credentials, parse_form, parse_scopes
from tests.support.oauth import KIOSK_SECRET, basic

FORM = "application/x-www-form-urlencoded"


def test_empty_is_absent() -> None:
    """D1: a parameter without a value counts as not sent.

    An unknown one is parsed and never read (RFC 6749 section 3.2).
    """
    form = parse_form(FORM, b"a=&b=1&c")
    assert form.values == {"b": "1"}
    with pytest.raises(InvalidRequest, match="The parameter a is missing"):
        form.require("a")


def test_no_body_is_an_empty_form() -> None:
    """D2: a client that says everything in its Authorization header sends neither body nor type."""
    assert parse_form("", b"") == Form({})
    with pytest.raises(WrongContentType):
        parse_form("", b"a=1")


def test_a_repeated_parameter_cannot_be_read() -> None:
    """D1: a repeated parameter is an error only where it is read."""
    form = parse_form(FORM, b"a=1&a=1&b=2")
    assert form.get("b") == "2"
    for read in (form.get, form.require):
        with pytest.raises(InvalidRequest, match="a is repeated"):
            read("a")


def test_plus_and_percent() -> None:
    """RFC 6749 appendix B: a plus is a space, escapes are UTF-8."""
    assert parse_form(FORM, b"a=1+2%2B3&b=%C3%A9").values == {"a": "1 2+3", "b": "é"}


def test_fifty_parameters_at_most() -> None:
    """Beyond fifty an error, before any of them is looked at."""
    assert len(parse_form(FORM, b"&".join(b"p%d=1" % n for n in range(50))).values) == 50
    with pytest.raises(InvalidRequest, match="too many"):
        parse_form(FORM, b"&".join(b"p%d=1" % n for n in range(51)))


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("my-client", "s"),
        ("my client", "a b"),
        ("kiosk", KIOSK_SECRET),
        ("é", "ü:ö"),
        ("a:b", "c%20d"),
        ("a", "1+1=2&x"),
    ],
)
def test_basic_is_form_encoded(name: str, secret: str) -> None:
    """K1: with any characters in them, id and secret come out as they were registered."""
    found = parse_credentials(basic(name, secret)["HTTP_AUTHORIZATION"], Form({}))
    assert (found.client_id, found.secret, found.basic) == (name, secret, True)


def test_basic_with_escapes_that_were_not_needed() -> None:
    """K1: several libraries send my%2Dclient."""
    header = "bAsIc " + b64encode(b"my%2Dclient:s%65cret").decode()
    found = parse_credentials(header, Form({}))
    assert (found.client_id, found.secret) == ("my-client", "secret")


@pytest.mark.parametrize(
    "header",
    [
        "Basic é",
        "Basic \xff",
        "Basic =",
        "Basic a",
        "Basic OnNlY3JldA==",
        "Basic dHY=",
        "Basic " + b64encode(b"\xff:x").decode(),
    ],
)
def test_malformed_basic(header: str) -> None:
    """B25: not ASCII, not base64, not UTF-8, no colon, no name: one error for all."""
    with pytest.raises(InvalidRequest, match="not valid HTTP Basic"):
        parse_credentials(header, Form({"client_id": "tv"}))


def test_scopes_keep_their_order_and_come_once() -> None:
    """RFC 6749 section 3.3: separated by spaces, however many."""
    assert parse_scopes("  b a  b ") == ("b", "a")
    assert parse_scopes(None) == parse_scopes("") == ()
    for bad in ('"', "\\", "a\tb", "a\nb", "é", "a\x7f"):
        with pytest.raises(InvalidScope):
            parse_scopes(bad)
