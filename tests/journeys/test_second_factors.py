"""A person sets up an app and recovery codes, and signs in with them: with scripts and without."""

from pathlib import Path

from idp.tenancy.models import Tenant
from tests.journeys.browser import Person
from tests.support.credentials import code
from tests.support.flows import draw

SIGN_IN = ("identification", "password", "login")


def test_from_a_password_to_two_factors(acme: Tenant, person: Person) -> None:
    """The secret is typed off the page, and the codes are saved as a file.

    Both let the person in, and the front page says what is left.
    """
    draw(*SIGN_IN, "totp_setup", "recovery_code_setup", "deny")
    person.open()
    person.sign_in()
    person.sees("Set up your authenticator app")
    picture = person.page.get_by_role("img", name="QR code for your authenticator app")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 0")
    secret = person.page.locator(".key").inner_text().replace(" ", "")
    person.fill("Code", code(0, secret))
    person.press("Continue")
    person.sees("Save your recovery codes")
    with person.page.expect_download() as waiting:
        person.page.get_by_role("link", name="Download as a text file").click()
    saved = Path(waiting.value.path()).read_text().split()
    assert saved == person.page.locator(".codes li").all_inner_texts()
    person.press("I've saved my codes")
    person.open("/")
    person.reads("Authenticator app", "Recovery codes", "10 left")
    draw("identification", "password", "recovery_code", "login", "deny")
    person.context.clear_cookies()
    person.open()
    person.sign_in()
    person.fill("Recovery code", saved[0].upper().replace("-", " "))
    person.press("Continue")
    person.sees("Access denied")
    person.context.clear_cookies()
    person.open()
    person.sign_in()
    person.reads("You have 9 codes left.")
