"""Applications by recipe: the questions, the result, the secret shown once, and working programs."""

import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import playwright
import pytest
import time_machine
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from blueprints.objects.recipes import RECIPES, application_name
from idp.accounts.models import Person, Role
from idp.events.models import Event
from idp.foundation.sealing import digest, new_token, seal
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from idp.tenancy.tenants import set_domains
from tests.support.applications import save_application
from tests.support.client import DEVICE_CODE, Door, Doors, LiveServer
from tests.support.oauth import DEVICE, TOKEN, USERINFO, basic, begun, outcome, tokens_of

NEW = "/console/applications/new"
_PROGRAM = re.compile(r'<pre id="(\w+)-(\w+)-text"[^>]*data-suffix="(\w+)">(.*?)</pre>', re.DOTALL)
_SECRET = re.compile(r'<code id="secret"[^>]*>([^<]+)</code>')
_CLIENT_ID = re.compile(r'<code id="client-id">([^<]+)</code>')
PLAYWRIGHTS_NODE = Path(playwright.__file__).parent / "driver" / "node"
RUN = {"sh": "sh", "py": "python3", "mjs": "node"}


@pytest.fixture
def clerk(tenants: dict[str, Tenant], door: Doors) -> Door:
    """An administrator of acme, signed in."""
    return administrator(door)


def administrator(door: Doors, host: str = "acme.test", role: str = Role.ADMIN) -> Door:
    """Return a door signed in as alice at this host, with a role there."""
    opened = door(host)
    name = {"acme.test": "acme", "other.test": "other"}.get(host) or Tenant.objects.get(
        domains__name=host.partition(":")[0]
    ).name
    with tenant_scope(Tenant.objects.get(name=name)):
        Person.objects.filter(username="alice").update(role=role)
    opened.sign_in()
    return opened


def made(clerk: Door, kind: str, **answers: Any) -> str:
    """Return the page of the application that a recipe created."""
    response = clerk.http.post(f"{NEW}/{kind}", answers, follow=True)
    assert response.status_code == 200, response.content.decode()[:3000]
    page = response.content.decode()
    assert "Copy a program below" in page, page
    return str(page)


def programs(page: str) -> dict[tuple[str, str], tuple[str, str]]:
    """Return suffix and text of each program on a page, by purpose and language."""
    return {
        (kind, language): (suffix, html.unescape(text))
        for kind, language, suffix, text in _PROGRAM.findall(page)
    }


def test_four_recipes_are_offered(clerk: Door) -> None:
    """Each recipe has a sentence, its own address and at most three questions."""
    page = clerk.get(NEW).content.decode()
    for recipe in RECIPES.values():
        assert f'href="{NEW}/{recipe.name}"' in page
        form = clerk.get(f"{NEW}/{recipe.name}").content.decode()
        assert (
            len(
                set(re.findall(r'<(?:input|select|textarea)[^>]* name="(\w+)"', form))
                - {"csrfmiddlewaretoken"}
            )
            <= 3
        )
    assert clerk.get(f"{NEW}/mainframe").status_code == 404


@pytest.mark.parametrize("kind", ["tv", "cli", "kiosk"])
def test_what_people_use_is_public_and_comes_by_device_code(
    clerk: Door, door: Doors, acme: Tenant, kind: str
) -> None:
    """D20, D28: the application has no secret and only the device grant and refresh.

    It works from the first request to the refresh.
    """
    page = made(clerk, kind, title="Living room", scopes=["profile", "acme:read"])
    row = Application.objects.get(name="living-room")
    assert (row.confidential, row.secret_hash, row.grants) == (False, "", [DEVICE_CODE, "refresh_token"])
    assert row.scopes == ["openid", "offline_access", "profile", "acme:read"]
    assert _CLIENT_ID.findall(page) == [row.client_id]
    assert not _SECRET.search(page)
    device = door()
    started = begun(
        device.post(DEVICE, {"client_id": row.client_id, "scope": " ".join(row.scopes)}), row.client_id
    )
    door().approve(started)
    tokens = tokens_of(device.poll(started))
    again = {
        "grant_type": "refresh_token",
        "refresh_token": tokens["refresh_token"],
        "client_id": row.client_id,
    }
    assert outcome(device.post(TOKEN, again)) == (200, "")


def test_a_kiosk_is_kept_short(clerk: Door, acme: Tenant) -> None:
    """X7, X14: all lifetimes of a kiosk are shorter than those of a television at home."""
    made(clerk, "tv", title="tv at home")
    made(clerk, "kiosk", title="Check-in desk")
    home, kiosk = Application.objects.get(name="tv-at-home"), Application.objects.get(name="check-in-desk")
    for column in (
        "device_code_lifetime",
        "access_token_lifetime",
        "refresh_token_lifetime",
        "device_pending_limit_per_address",
    ):
        assert getattr(kiosk, column) < getattr(home, column), column


def test_only_these_groups(clerk: Door, door: Doors, acme: Tenant) -> None:
    """CVE-2024-38371: only members of the chosen groups may use the application."""
    made(clerk, "cli", title="Deploy tool", groups=["staff"])
    client_id = Application.objects.get(name="deploy-tool").client_id
    started = door().start(client_id, scope="openid")
    refused = door().sign_in("bob", "bob-password-22").submit(user_code=started.user_code)
    assert "have access to" in refused.text
    door().approve(started)


def test_a_service_gets_its_secret_this_once(clerk: Door, door: Doors, acme: Tenant) -> None:
    """B17, B25: a service is confidential, has only client credentials, and its secret is shown once.

    The secret is in this one response, and nowhere afterwards.
    """
    page = made(clerk, "service", title="Nightly backup", scopes=["acme:read"])
    row = Application.objects.get(name="nightly-backup")
    assert (row.confidential, row.grants, row.scopes) == (True, ["client_credentials"], ["acme:read"])
    (secret,) = _SECRET.findall(page)
    answer = tokens_of(
        door().post(TOKEN, {"grant_type": "client_credentials"}, **basic(row.client_id, secret))
    )
    assert answer["scope"] == "acme:read"
    exported = StringIO()
    call_command("blueprint", "export", "--tenant", "acme", stdout=exported)
    seen = [
        clerk.get(path).content.decode()
        for path in ("/console/applications/setup/nightly-backup", "/console/applications/one/nightly-backup")
    ]
    assert not [
        text
        for text in [*seen, exported.getvalue(), *(str(vars(event)) for event in Event.objects.all())]
        if secret in text
    ]
    assert "YOUR-CLIENT-SECRET" in seen[0]


def test_a_service_is_no_person(clerk: Door, acme: Tenant) -> None:
    """B18: a service is offered no scopes about people, and a manually crafted form grants none."""
    page = clerk.get(f"{NEW}/service").content.decode()
    assert 'value="acme:read"' in page
    assert 'value="openid"' not in page
    assert 'name="groups"' not in page
    refused = clerk.http.post(f"{NEW}/service", {"title": "Sly", "scopes": ["email"]})
    assert (refused.status_code, Application.objects.filter(name="sly").exists()) == (400, False)


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"title": ""}, "Fix the errors below"),
        ({"title": "x" * 101}, "Fix the errors below"),
        ({"title": "TV"}, "An application with this name already exists"),
        ({"title": "Sly", "scopes": ["acme:nothing"]}, "Scope acme:nothing isn"),
        ({"title": "Sly", "groups": ["nobodys"]}, "nobodys"),
        ({"title": "<script>alert(1)</script>", "scopes": ["\"'><script>"]}, "&lt;script&gt;"),
    ],
)
def test_what_cannot_be_is_said_at_its_question(
    clerk: Door, acme: Tenant, answers: dict[str, Any], message: str
) -> None:
    """An invalid answer is a 400 at its question; nothing is written, and the typed values stay."""
    before = Application.objects.count()
    response = clerk.http.post(f"{NEW}/tv", answers)
    page = response.content.decode()
    assert (response.status_code, Application.objects.count()) == (400, before)
    assert message in page
    assert "<script>alert" not in page
    assert html.escape(str(answers["title"])) in page


@pytest.mark.parametrize(
    ("kind", "offered"), [("tv", False), ("kiosk", False), ("cli", True), ("service", False)]
)
@pytest.mark.parametrize("role", [Role.OWNER, Role.ADMIN])
def test_an_administrators_rights_are_for_no_shared_device(
    door: Doors, acme: Tenant, role: str, kind: str, offered: bool
) -> None:
    """X13: a shared device is offered no administration scopes, and a manually crafted form grants none.

    For any application only an owner approves them.
    """
    clerk, offered = administrator(door, role=role), offered and role == Role.OWNER
    assert ('value="foyer:write"' in clerk.get(f"{NEW}/{kind}").content.decode()) is offered
    refused = clerk.http.post(f"{NEW}/{kind}", {"title": "Sly", "scopes": ["foyer:write"]})
    assert (refused.status_code == 303, Application.objects.filter(name="sly").exists()) == (offered, offered)


def test_the_page_of_an_application_leads_to_its_setup(clerk: Door) -> None:
    """The settings link to the programs, and for a confidential application to a new secret."""
    page = clerk.get("/console/applications/one/kiosk").content.decode()
    for path in (
        "/console/applications/setup/kiosk",
        "/console/applications/secret/kiosk",
        "/console/playground/?application=kiosk",
    ):
        assert f'href="{path}"' in page
    assert "/console/applications/secret/tv" not in clerk.get("/console/applications/one/tv").content.decode()


def test_names_are_made_of_titles() -> None:
    """The name fits an address and a blueprint for every title; non-Latin titles get a generated name."""
    assert application_name("Bob’s Übertragung – 2. Stock!") == "bobs-ubertragung-2-stock"
    assert len(application_name("a very " * 20)) <= 50
    assert application_name("客厅电视") != application_name("客厅电视")


def test_the_trail_names_the_administrator(clerk: Door, acme: Tenant) -> None:
    """Every change has its event with the person who made it."""
    made(clerk, "tv", title="Living room")
    assert Event.objects.get(kind="application.created", target="living-room").actor == "alice"


def test_a_new_secret(clerk: Door, door: Doors, acme: Tenant) -> None:
    """B17: creating a new secret asks first and shows it once.

    From then on the old one and the tokens issued with it are refused.
    """
    page = made(clerk, "service", title="Nightly backup", scopes=["acme:read"])
    (old,), (client_id,) = _SECRET.findall(page), _CLIENT_ID.findall(page)
    token = tokens_of(door().post(TOKEN, {"grant_type": "client_credentials"}, **basic(client_id, old)))[
        "access_token"
    ]
    asked = clerk.get("/console/applications/secret/nightly-backup").content.decode()
    assert "The old secret stops working immediately" in asked
    tokens_of(door().post(TOKEN, {"grant_type": "client_credentials"}, **basic(client_id, old)))
    (new,) = _SECRET.findall(
        clerk.http.post("/console/applications/secret/nightly-backup", follow=True).content.decode()
    )
    assert outcome(door().post(TOKEN, {"grant_type": "client_credentials"}, **basic(client_id, old))) == (
        401,
        "invalid_client",
    )
    assert outcome(door().get(USERINFO, HTTP_AUTHORIZATION=f"Bearer {token}")) == (401, "invalid_token")
    tokens_of(door().post(TOKEN, {"grant_type": "client_credentials"}, **basic(client_id, new)))
    assert new not in clerk.get("/console/applications/setup/nightly-backup").content.decode()
    for name in ("tv", "nobody"):  # public, unknown
        assert clerk.http.post(f"/console/applications/secret/{name}").status_code == 404


def test_roles(tenants: dict[str, Tenant], door: Doors) -> None:
    """An auditor reads how an application is set up; only a permitted role creates one or a new secret."""
    auditor = administrator(door, role=Role.AUDITOR)
    page = auditor.get("/console/applications/setup/kiosk")
    assert page.status_code == 200
    assert "/console/applications/secret/" not in page.content.decode()
    with tenant_scope(tenants["acme"]):
        before = Application.objects.get(name="kiosk").secret_hash
        for path in (NEW, f"{NEW}/tv", "/console/applications/secret/kiosk"):
            assert auditor.get(path).status_code == 403
            assert auditor.http.post(path, {"title": "Sly"}).status_code in (403, 405)
        assert Application.objects.get(name="kiosk").secret_hash == before
        assert not Application.objects.filter(name="sly").exists()


def test_another_tenants_application_is_not_there(clerk: Door, other: Tenant) -> None:
    """Another tenant's application is a 404 and gets no new secret.

    An application that is created here does not exist there.
    """
    with tenant_scope(other):
        save_application("theirs", by="test", confidential=True, secret_hash=digest("theirs"))
    for path in ("setup", "secret"):
        assert clerk.get(f"/console/applications/{path}/theirs").status_code == 404
    assert clerk.http.post("/console/applications/secret/theirs").status_code == 404
    made(clerk, "tv", title="Living room")
    with tenant_scope(other):
        assert Application.objects.get(name="theirs").secret_hash == digest("theirs")
        assert not Application.objects.filter(name="living-room").exists()


def test_an_application_with_which_nothing_begins(clerk: Door) -> None:
    """The page says which grant to enable."""
    assert "No quickstart available" in clerk.get("/console/applications/setup/no-devices").content.decode()


# --- the programs run ---------------------------------------------------------------------------------------


@pytest.fixture
def here(live: LiveServer, settings: Any, tenants: dict[str, Tenant]) -> dict[str, str]:
    """Assign acme to localhost and other to 127.0.0.1, and return the hosts with their ports.

    Every program can resolve these names.
    """
    settings.DEFAULT_HOSTS = []
    for name, host in (("acme", "localhost"), ("other", "127.0.0.1")):
        set_domains(tenants[name], [f"{name}.test", host], approved=True)
    return {"acme": f"localhost:{live.port}", "other": f"127.0.0.1:{live.port}"}


def written(program: tuple[str, str], folder: Path) -> list[str]:
    """Save a program as a reader would and return its command; fail where the language is missing."""
    suffix, text = program
    path = folder / f"program.{suffix}"
    path.write_text(text)
    runner = shutil.which(RUN[suffix]) or (
        RUN[suffix] == "node" and PLAYWRIGHTS_NODE.exists() and str(PLAYWRIGHTS_NODE)
    )
    assert runner, f"{RUN[suffix]} is not installed, so its program cannot be tested: install it"
    return [runner, str(path)]


@contextmanager
def running(command: list[str]) -> Iterator["subprocess.Popen[str]"]:
    """Run a program beside the test, and end it with the test."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("language", "tenant"), [("curl", "acme"), ("python", "other"), ("javascript", "acme")]
)
def test_the_device_programs_connect(
    here: dict[str, str],
    door: Doors,
    tmp_path: Path,
    tenants: dict[str, Tenant],
    language: str,
    tenant: str,
) -> None:
    """D3, D11, D12: a copied program shows the code, waits, and says who approved, without any change."""
    host = here[tenant]
    page = made(administrator(door, host), "tv", title="Living room", scopes=["profile"])
    with tenant_scope(tenants[tenant]):
        save_application("living-room", by="test", device_interval=1)
    with running(written(programs(page)["device", language], tmp_path)) as process:
        assert process.stdout
        shown = process.stdout.readline()
        found = re.fullmatch(
            rf"Open http://{re.escape(host)}/device and enter ([A-Z]{{4}}-[A-Z]{{4}})\n", shown
        )
        assert found, (shown, process.stderr and process.stderr.read() if process.poll() else "")
        person = door(host)
        person.sign_in().submit(user_code=found[1]).submit(decision="approve")
        said, wrong = process.communicate(timeout=30)
    assert (process.returncode, wrong) == (0, "")
    assert said.startswith("Connected:")
    assert "alice" in said


HOSTILE = """it's"$(id)`id`\\{x}%s&amp;"""


@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
def test_the_service_programs_get_a_token(
    here: dict[str, str], door: Doors, tmp_path: Path, acme: Tenant, language: str
) -> None:
    """B25: the programs work with the secret of the one response.

    A client id and a scope full of quotes and commands stay text in each language.
    """
    clerk = administrator(door, here["acme"])
    made(clerk, "service", title="Nightly backup", scopes=["acme:read"])
    scope = "it's:$(id)`id`&{x}%s"
    save_application("nightly-backup", by="test", client_id=HOSTILE, scopes=["acme:read", scope])
    page = clerk.http.post("/console/applications/secret/nightly-backup", follow=True).content.decode()
    ran = subprocess.run(
        written(programs(page)["service", language], tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    token = re.search(r"ey[\w-]+\.[\w-]+\.[\w-]+", ran.stdout)
    assert token, ran.stdout
    userinfo = door(here["acme"]).get(USERINFO, HTTP_AUTHORIZATION=f"Bearer {token[0]}")
    assert outcome(userinfo) == (403, "insufficient_scope")  # a valid token of a service
    issued = Event.objects.get(kind="tokens.issued")
    assert (issued.actor, issued.data["scope"]) == ("Service account nightly-backup", f"acme:read {scope}")


@pytest.mark.parametrize("language", ["curl", "python", "javascript"])
@pytest.mark.parametrize("kind", ["device", "service"])
def test_the_programs_say_what_is_wrong(
    here: dict[str, str], door: Doors, tmp_path: Path, acme: Tenant, kind: str, language: str
) -> None:
    """A refusal ends the program with an error and the server's description."""
    values = {"confidential": True, "secret_hash": digest(new_token()), "scopes": ["acme:read"]}
    save_application("box", by="test", grants=[DEVICE_CODE, "client_credentials"], **values)
    page = administrator(door, here["acme"]).get("/console/applications/setup/box").content.decode()
    command = written(programs(page)[kind, language], tmp_path)
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ran.returncode != 0
    assert "Client authentication failed" in ran.stderr + ran.stdout


def test_a_reload_makes_nothing_twice_and_shows_no_secret(clerk: Door, door: Doors, acme: Tenant) -> None:
    """B17, B25: the POST redirects to a page that shows the secret to this session once within a minute.

    No address, event or log line has it, and no cache stores the page.
    """
    answer = clerk.http.post(f"{NEW}/service", {"title": "Nightly backup"})
    assert (answer.status_code, answer["Location"]) == (303, "/console/applications/setup/nightly-backup")
    assert answer["Cache-Control"] == "no-store"
    sealed = _handed_over(clerk)
    assert (sealed["httponly"], sealed["max-age"]) == (True, 60)
    someone = administrator(door)
    someone.http.cookies[sealed.key] = sealed.value
    other_page = clerk.get("/console/applications/setup/kiosk").content.decode()
    assert not _SECRET.search(someone.get(answer["Location"]).content.decode() + other_page)
    shown = clerk.get(answer["Location"])
    (secret,) = _SECRET.findall(shown.content.decode())
    assert shown["Cache-Control"] == "no-store"
    assert secret not in sealed.value + answer["Location"] + str(list(Event.objects.values()))
    again = clerk.get(answer["Location"]).content.decode()
    assert "Nightly backup" in again
    assert secret not in again
    clerk.http.cookies[sealed.key] = sealed.value
    with time_machine.travel(timezone.now() + timedelta(minutes=2)):
        assert secret not in clerk.get(answer["Location"]).content.decode()


def _handed_over(who: Door) -> Any:
    """Return the newest cookie that holds what a page shows once."""
    return [
        cookie for name, cookie in who.http.cookies.items() if name.startswith("foyer_once") and cookie.value
    ][-1]


def test_two_tabs_show_what_each_made(clerk: Door, door: Doors, acme: Tenant) -> None:
    """Two secrets created before either page was loaded are each shown once, on their own page.

    Neither is shown after signing out.
    """
    made = [clerk.http.post(f"{NEW}/service", {"title": title})["Location"] for title in ("One", "Two")]
    pages = [clerk.get(page).content.decode() for page in made]
    assert len({_SECRET.findall(page)[0] for page in pages}) == 2
    assert not any(_SECRET.search(clerk.get(page).content.decode()) for page in made)
    lost = clerk.http.post(f"{NEW}/service", {"title": "Three"})["Location"]
    kept = _handed_over(clerk)
    clerk.http.post(reverse("logout"))
    assert clerk.get(lost).status_code == 303
    again = administrator(door)
    again.http.cookies[kept.key] = kept.value
    assert not _SECRET.search(again.get(lost).content.decode())


def test_long_names_fit_where_something_is_shown_once(clerk: Door, acme: Tenant) -> None:
    """A browser drops a cookie of more than 4096 bytes, and the secret with it."""
    for letter in ("\N{CJK UNIFIED IDEOGRAPH-5B57}", "\N{DROMEDARY CAMEL}", "'"):
        clerk.http.post(f"{NEW}/service", {"title": letter * 80})
        assert len(_handed_over(clerk).OutputString()) < 4096


def test_what_no_page_of_ours_handed_over_is_nothing(clerk: Door, acme: Tenant) -> None:
    """A forged cookie is ignored, and so is any other sealed value of the product."""
    clerk.http.post("/console/applications/secret/kiosk")
    name = _handed_over(clerk).key
    for cookie in ("", "nonsense", "gAAAAA==", seal("{}"), seal("no JSON"), seal("[]")):
        clerk.http.cookies[name] = cookie
        page = clerk.get("/console/applications/setup/kiosk")
        assert page.status_code == 200
        assert not _SECRET.search(page.content.decode())
