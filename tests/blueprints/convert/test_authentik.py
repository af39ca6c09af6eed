"""Converted authentik files make a tenant that works and opens nothing that was closed before."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from blueprints.convert.authentik import convert
from blueprints.files.apply import apply
from blueprints.files.plan import make_plan
from idp.oauth.models import Application
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.blueprints.convert.converting import (
    ALL,
    APPLICATION,
    SAMPLES,
    SECRET_SAUCE,
    SIGN_IN,
    converted,
    written,
)
from tests.support.client import Door, Doors, Write
from tests.support.credentials import code, give_totp

HOST = "acme-converted.test"
PASSWORDS = """
tenant: acme-converted-test
---
person: alice
password: alice-password-1
---
person: bob
password: bob-password-22
---
person: clerk
password: clerk-password-3
"""
MFA = """
- model: authentik_stages_authenticator_validate.authenticatorvalidatestage
  id: mfa
  identifiers: {name: mfa}
  attrs: {not_configured_action: ACTION, device_classes: CLASSES, configuration_stages: [!KeyOf app, !KeyOf codes]}
- {model: authentik_stages_authenticator_totp.authenticatortotpstage, id: app, identifiers: {name: app}}
- {model: authentik_stages_authenticator_static.authenticatorstaticstage, id: codes, identifiers: {name: codes}}
- {model: authentik_flows.flowstagebinding, id: b-mfa, identifiers: {target: !KeyOf flow, stage: !KeyOf mfa, order: 30}}
"""  # noqa: E501


@pytest.fixture
def moved(tenants: dict[str, Tenant], write_blueprint: Write) -> Tenant:
    """Return the tenant of the samples beside acme and other, with passwords.

    It is finished as an administrator would finish it.
    """
    apply([write_blueprint(convert(ALL).text, "converted.yaml")])
    apply([write_blueprint(PASSWORDS, "passwords.yaml")])
    return Tenant.objects.get(name="acme-converted-test")


# --- the tenant works ---------------------------------------------------------------------------------------


def test_a_device_is_connected(moved: Tenant) -> None:
    """D5, D17: the converted tenant signs a device in, by the flow of its brand.

    It grants the scopes that it granted before.
    """
    device, person = Door(HOST), Door(HOST)
    started = device.start("acme-tv", "openid profile offline_access acme:channels")
    assert device.poll(started).json()["error"] == "authorization_pending"
    seen = person.page("/device").submit(name="alice@acme.test").submit(password="alice-password-1")
    assert seen.step == "device_code", seen.text
    seen = seen.submit(user_code=started.user_code)
    assert "Acme Television" in seen.text
    assert "See your channels" in seen.text
    assert device.poll(started).json()["error"] in ("authorization_pending", "slow_down")
    assert seen.submit(decision="approve").title in ("Approved – return to your device", "Connected")


def test_the_tokens_are_those_of_the_application(moved: Tenant) -> None:
    """D29: they have the scopes that were asked for, and the lifetime that the provider had."""
    device = Door(HOST)
    started = device.start("acme-tv", "openid acme:channels offline_access")
    Door(HOST).approve(started)
    token = device.poll(started).json()
    assert set(token["scope"].split()) == {"openid", "acme:channels", "offline_access"}
    assert 590 <= token["expires_in"] <= 600
    assert token["refresh_token"]


def test_a_second_factor_is_asked_of_those_who_have_one(moved: Tenant) -> None:
    """``not_configured_action: skip``: a person with an app must use it, in the device's flow too."""
    with tenant_scope(moved):
        give_totp("alice")
    seen = Door(HOST).page("/device").submit(name="alice").submit(password="alice-password-1")
    assert seen.step == "totp"
    assert seen.submit(code="000000").step == "totp"
    assert seen.submit(code=code()).step == "device_code"


def test_only_those_who_could_may_use_it(moved: Tenant) -> None:
    """CVE-2024-38371: the policies of the application hold on the device path.

    alice is in a group below, clerk in none.
    """
    started = Door(HOST).start("acme-tv", "openid")
    seen = (
        Door(HOST)
        .page("/device")
        .submit(name="clerk")
        .submit(password="clerk-password-3")
        .submit(user_code=started.user_code)
    )
    assert seen.title == "Access denied"
    assert "have access to" in seen.text


def test_who_was_inactive_stays_so(moved: Tenant) -> None:
    """CVE-2025-53942: bob's account was closed there and is closed here."""
    assert Door(HOST).page("/device").submit(name="bob").submit(password="bob-password-22").step == "password"


def test_neighbours_are_left_alone(moved: Tenant, door: Doors) -> None:
    """The converted application is unknown to other tenants, and theirs work as before."""
    for host in ("acme.test", "other.test"):
        refused = door(host).post("/application/o/device/", {"client_id": "acme-tv", "scope": "openid"})
        assert refused.status_code in (400, 401)
        door(host).approve(door(host).start("tv"))
    assert Door(HOST).post("/application/o/device/", {"client_id": "tv", "scope": "openid"}).status_code in (
        400,
        401,
    )


@pytest.mark.django_db
def test_the_default_tenant_takes_it_over(tmp_path: Path) -> None:
    """The default brand's flows replace the shipped ones, and an expression keeps everyone out."""
    brand = (
        (SAMPLES / "brand.yaml")
        .read_text()
        .replace("      branding_title", "      default: true\n      branding_title")
    )
    files = [SAMPLES / "sign-in.yaml", SAMPLES / "tv.yaml", put(tmp_path / "brand.yaml", brand)]
    ours = put(tmp_path / "ours.yaml", convert(files).text)
    apply([Path("blueprints/default")])
    apply([ours])
    apply([put(tmp_path / "passwords.yaml", PASSWORDS.replace("acme-converted-test", "default"))])
    device = Door("localhost")
    started = device.start("acme-tv", "openid")
    Door("localhost").approve(started)
    assert device.poll(started).status_code == 200
    files[0] = written(
        tmp_path, SIGN_IN.replace("slug: sign-in", "slug: acme-authentication"), SECRET_SAUCE, bound("flow")
    )
    put(ours, convert(files).text)
    apply([ours])
    for path in ("/device", "/sign-in"):
        assert Door("localhost").page(path).title == "Access denied"


def put(file: Path, text: str) -> Path:
    """Write a file with this text and return its path."""
    file.write_text(text)
    return file


@pytest.mark.django_db
def test_it_applies_once(write_blueprint: Write) -> None:
    """The text is stable, and applying it again changes nothing."""
    text = convert(ALL).text
    assert convert(ALL).text == text
    file = write_blueprint(text)
    apply([file])
    assert not make_plan([file]).effective


# --- what each entry becomes --------------------------------------------------------------------------------


def test_the_flow_reads_like_one_that_was_written_here() -> None:
    """Bindings come in their order, the inline password is a step, and the same password is asked once."""
    outcome = converted(ALL)
    kinds = [each.split(" when ")[0] for each in outcome.steps("acme-authentication")]
    assert kinds == ["identification", "password", "choice", "totp", "recovery_code", "login"]
    kinds = [each.split(" when ")[0] for each in outcome.steps("acme-device-code")]
    assert kinds == [
        "identification",
        "password",
        "choice",
        "totp",
        "recovery_code",
        "login",
        "device_code",
        "consent",
        "finish",
    ]
    assert outcome.one("flow", "acme-authentication")["steps"][0]["settings"] == {
        "fields": ["email", "username"]
    }
    assert outcome.one("flow", "acme-authentication")["steps"][1] == {
        "stage": "password",
        "settings": {"free": 5},
    }


@pytest.mark.parametrize(
    ("classes", "action", "expected"),
    [
        ("[totp]", "deny", {"stage": "totp", "settings": {"missing": "refuse"}}),
        ("[totp, duo]", "skip", {"stage": "totp", "settings": {"missing": "skip"}}),
        (
            "[static]",
            "configure",
            {"id": "recovery_code", "stage": "recovery_code", "settings": {"missing": "set_up"}},
        ),
        ("[totp, static]", "configure", "set_up"),
        ("[static, totp]", "deny", "refuse"),
    ],
)
def test_second_factors(tmp_path: Path, classes: str, action: str, expected: object) -> None:
    """The classes that exist here are converted.

    A person who has none is treated as authentik treats them.
    """
    outcome = converted(
        [written(tmp_path, SIGN_IN, MFA.replace("ACTION", action).replace("CLASSES", classes))]
    )
    step = outcome.one("flow")["steps"][2]
    if isinstance(expected, dict):
        expected.pop("id", None)
        assert step == expected
    else:
        assert step["group"] == "mfa"
        assert step["steps"][1]["settings"]["missing"] == expected


@pytest.mark.parametrize(
    "attrs",
    [
        "{device_classes: [webauthn], not_configured_action: skip}",
        "{device_classes: [totp], not_configured_action: !Env ACTION}",
        "{device_classes: !Env CLASSES}",
        "{device_classes: [totp], not_configured_action: hope}",
    ],
)
def test_a_second_factor_that_is_not_known_refuses(tmp_path: Path, attrs: str) -> None:
    """A guard of an account never disappears."""
    mfa = re.sub(r"attrs: \{not_conf.*", lambda found: f"attrs: {attrs}", MFA)
    outcome = converted([written(tmp_path, SIGN_IN, mfa)])
    assert outcome.steps() == ["identification", "password", "deny", "login"]
    assert outcome.noted("mfa", "a denying step replaces it")


def test_configure_without_a_stage_that_exists_refuses(tmp_path: Path) -> None:
    """A person who had to set up a security key is refused rather than let through."""
    key = (
        "- {model: authentik_stages_authenticator_webauthn.authenticatorwebauthnstage, id: key, "
        "identifiers: {name: key}}"
    )
    mfa = MFA.replace("CLASSES", "[totp]").replace("ACTION", "configure")
    for stages in ("[!KeyOf key]", "[!KeyOf codes]", "[!KeyOf nowhere]", "[]"):
        outcome = converted(
            [written(tmp_path, SIGN_IN, key, mfa.replace("[!KeyOf app, !KeyOf codes]", stages))]
        )
        assert outcome.one("flow")["steps"][2] == {"stage": "totp", "settings": {"missing": "refuse"}}
        assert outcome.noted("configuration_stages")


@pytest.mark.parametrize(
    "model",
    [
        "authentik_stages_captcha.captchastage",
        "authentik_stages_email.emailstage",
        "authentik_stages_invitation.invitationstage",
        "authentik_stages_user_write.userwritestage",
        "authentik_stages_user_delete.userdeletestage",
        "authentik_stages_authenticator_webauthn.authenticatorwebauthnstage",
        "authentik_stages_dummy.dummystage",
        "authentik_stages_source.sourcestage",
        "authentik_stages_nobody_knows.this",
    ],
)
def test_a_stage_that_does_not_exist_here_refuses(tmp_path: Path, model: str) -> None:
    """Fail closed: a deny step with a comment replaces it, and the note names file and line."""
    stage = f"- {{model: {model}, id: odd, identifiers: {{name: odd}}}}"
    binding = (
        "- {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf flow, stage: !KeyOf odd, "
        "order: 40}}"
    )
    outcome = converted([written(tmp_path, SIGN_IN, stage, binding)])
    assert outcome.steps() == ["identification", "password", "deny", "login"]
    assert outcome.noted("10: ", model, "a denying step replaces it")
    assert f"# authentik: {model} odd is not converted" in outcome.text


def test_setting_up_comes_after_signing_in(tmp_path: Path) -> None:
    """A stage configuration flow begins with the steps for signing in, because here a flow stands alone."""
    more = """
    - {model: authentik_flows.flow, id: own, identifiers: {slug: totp-setup}, attrs: {name: App, designation: stage_configuration}}
    - {model: authentik_stages_authenticator_totp.authenticatortotpstage, id: totp, identifiers: {name: totp}, attrs: {digits: 6}}
    - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf own, stage: !KeyOf totp, order: 0}}
    - {model: authentik_flows.flow, id: out, identifiers: {slug: bye}, attrs: {name: Bye, designation: invalidation}}
    - {model: authentik_stages_user_logout.userlogoutstage, id: logout, identifiers: {name: logout}}
    - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf out, stage: !KeyOf logout, order: 0}}
    - {model: authentik_flows.flow, identifiers: {slug: gone}, attrs: {name: Gone, designation: unenrollment}}
    """  # noqa: E501
    outcome = converted([written(tmp_path, SIGN_IN, more)])
    assert outcome.steps("set-up-credentials") == ["identification", "password", "login", "totp_setup"]
    assert outcome.steps("sign-out") == ["logout"]
    assert (outcome.one("flow", "set-up-credentials")["for"], outcome.one("flow", "sign-out")["for"]) == (
        "credential_setup",
        "logout",
    )
    assert outcome.noted("its ID is sign-out here, not bye")
    assert outcome.noted("a flow for unenrollment is not converted")
    assert outcome.noted("not converted: digits")


def test_prompts(tmp_path: Path) -> None:
    """Fields keep their order and the types that exist.

    A type that does not exist refuses, and so does a validation that is lost.
    """
    more = """
    - {model: authentik_stages_prompt.prompt, id: a, identifiers: {name: a},
       attrs: {field_key: attributes.phone, label: Phone, type: text, required: true, order: 2}}
    - {model: authentik_stages_prompt.prompt, id: b, identifiers: {name: b}, attrs: {field_key: Born!, type: date, order: 1}}
    - {model: authentik_stages_prompt.prompt, id: c, identifiers: {name: c}, attrs: {field_key: hint, type: static, order: 0}}
    - {model: authentik_stages_prompt.prompt, id: d, identifiers: {name: d}, attrs: {field_key: pass, type: password, order: 0}}
    - {model: authentik_policies_password.passwordpolicy, id: long, identifiers: {name: long}, attrs: {length_min: 12}}
    - {model: authentik_stages_prompt.promptstage, id: ask, identifiers: {name: ask},
       attrs: {fields: [!KeyOf a, !KeyOf b, !KeyOf c], validation_policies: [!KeyOf long]}}
    - {model: authentik_stages_prompt.promptstage, id: ask2, identifiers: {name: ask2}, attrs: {fields: [!KeyOf d]}}
    - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf flow, stage: !KeyOf ask, order: 30}}
    - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf flow, stage: !KeyOf ask2, order: 31}}
    """  # noqa: E501
    outcome = converted([written(tmp_path, SIGN_IN, more)])
    assert outcome.steps() == ["identification", "password", "prompt", "deny", "deny", "login"]
    asked = outcome.one("flow")["steps"][2]["settings"]
    assert asked["fields"] == [
        {"name": "born", "type": "date"},
        {"name": "phone", "label": "Phone", "type": "text", "required": True},
    ]
    assert asked["keep"] is False
    assert outcome.noted("the field Born! is named born here")
    assert outcome.noted("static", "omitted")
    assert outcome.noted("pass", "type password")


def test_a_confidential_client_names_its_secret_and_never_shows_it(tmp_path: Path) -> None:
    """CVE-2026-40166: the secret of the file is in neither the text nor the notes."""
    app = APPLICATION.replace(
        "client_type: public", "client_type: confidential\n    client_secret: do-not-tell-0123456789"
    )
    made = convert([written(tmp_path, app)])
    assert "client_secret: !secret tv-client-secret" in made.text
    assert "do-not-tell" not in made.text + "".join(map(str, made.notes))
    assert any("save it as the secret tv-client-secret" in note.text for note in made.notes)


@pytest.mark.django_db
def test_a_missing_secret_is_made_when_asked(tmp_path: Path, write_blueprint: Write) -> None:
    """What the text names is what apply looks for."""
    app = APPLICATION.replace("client_type: public", "client_type: confidential")
    made: list[str] = []
    apply(
        [write_blueprint(convert([written(tmp_path, app)]).text)],
        show_generated=lambda plan, generated: made.extend(f"{owner} {name}" for owner, name, _ in generated),
    )
    assert made == ["default tv-client-secret"]
    with tenant_scope(Tenant.objects.get(name="default")):
        assert Application.objects.get(name="tv").confidential


def test_names_are_ours_and_never_twice(tmp_path: Path) -> None:
    """Slugs that become equal are numbered and noted."""
    apps = APPLICATION + APPLICATION.replace("id: provider", "id: other").replace(
        "{slug: tv}", "{slug: T_V!}"
    ).replace("KeyOf provider", "KeyOf other").replace("id: app", "id: app2").replace(
        "client_id: tv", "client_id: tv2"
    ).replace("name: TV}", "name: TV 2}")
    third = apps + APPLICATION.replace("id: provider", "id: third").replace(
        "{slug: tv}", "{slug: t-v}"
    ).replace("KeyOf provider", "KeyOf third").replace("id: app", "id: app3").replace(
        "client_id: tv", "client_id: tv3"
    ).replace("name: TV}", "name: TV 3}")
    outcome = converted([written(tmp_path, third)])
    assert [each["application"] for each in outcome.documents if "application" in each] == [
        "tv",
        "t-v",
        "t-v-2",
    ]
    assert outcome.noted("its ID is t-v-2 here")


def test_brands_become_tenants(tmp_path: Path) -> None:
    """The default brand is the default tenant and has people and applications.

    Another one has only its flows, and a note says so.
    """
    brands = """
    - {model: authentik_brands.brand, identifiers: {domain: authentik-default},
       attrs: {default: true, flow_authentication: !KeyOf flow, branding_title: !Env [TITLE, Home]}}
    - {model: authentik_tenants.tenant, identifiers: {domain: other-brand.test}, attrs: {flow_authentication: !KeyOf flow}}
    - {model: authentik_core.group, identifiers: {name: staff}}
    """  # noqa: E501
    outcome = converted([written(tmp_path, SIGN_IN, brands)])
    kinds = [(next(iter(each)), next(iter(each.values()))) for each in outcome.documents]
    expected = [
        ("tenant", "default"),
        ("group", "staff"),
        ("flow", "sign-in"),
        ("tenant", "other-brand-test"),
        ("flow", "sign-in"),
    ]
    assert kinds == expected
    assert "title: !env [TITLE, Home]" in outcome.text
    assert outcome.one("tenant", "other-brand-test")["domains"] == ["other-brand.test", "*.other-brand.test"]
    assert outcome.noted("belong to a single tenant")


def test_a_brand_without_a_flow_for_devices_has_none(tmp_path: Path) -> None:
    """The device grant was off in authentik, and stays off."""
    brand = "- {model: authentik_brands.brand, identifiers: {domain: a.test}, attrs: {default: true}}"
    outcome = converted([written(tmp_path, SIGN_IN, APPLICATION, brand)])
    assert outcome.one("application")["grants"] == []
    assert outcome.noted("the device grant is omitted")


def test_a_provider_with_more_than_consent_gets_a_flow_of_its_own(tmp_path: Path) -> None:
    """What the authorization flow asked in addition is asked on the device path too."""
    more = """
    - {model: authentik_flows.flow, id: device, identifiers: {slug: device}, attrs: {name: Device, designation: stage_configuration}}
    - {model: authentik_brands.brand, identifiers: {domain: a.test}, attrs: {default: true, flow_device_code: !KeyOf device}}
    - {model: authentik_flows.flow, id: strict, identifiers: {slug: strict}, attrs: {name: Strict, designation: authorization}}
    - {model: authentik_stages_deny.denystage, id: no, identifiers: {name: "no"}, attrs: {deny_message: Not today.}}
    - {model: authentik_stages_consent.consentstage, id: yes, identifiers: {name: "yes"}, attrs: {mode: permanent}}
    - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf strict, stage: !KeyOf yes, order: 1}}
    - {model: authentik_flows.flowstagebinding, identifiers: {target: !KeyOf strict, stage: !KeyOf no, order: 0}}
    """  # noqa: E501
    app = APPLICATION.replace(
        "!Find [authentik_flows.flow, [slug, default-provider-authorization-implicit-consent]]",
        "!KeyOf strict",
    )
    outcome = converted([written(tmp_path, SIGN_IN, more, app)])
    name = outcome.one("application")["flows"]["device_code"]
    assert outcome.steps(name) == [
        "identification",
        "password",
        "login",
        "device_code",
        "deny",
        "consent",
        "finish",
    ]
    assert outcome.one("flow", name)["default"] is False
    assert outcome.steps("connect-a-device") == [
        "identification",
        "password",
        "login",
        "device_code",
        "consent",
        "finish",
    ]
    assert outcome.noted("consent is asked every time")


@pytest.mark.parametrize("missing", ["flow_authentication", "flow_device_code", "authorization_flow"])
def test_a_flow_that_is_not_among_the_files_refuses(tmp_path: Path, missing: str) -> None:
    """Devices are refused until the missing file is given too."""
    attrs = {"flow_authentication": "!KeyOf flow", "flow_device_code": "!KeyOf device"}
    attrs |= {missing: "!Find [authentik_flows.flow, [slug, elsewhere]]"} if missing in attrs else {}
    brand = f"""
    - {{model: authentik_flows.flow, id: device, identifiers: {{slug: device}}, attrs: {{name: D, designation: stage_configuration}}}}
    - model: authentik_brands.brand
      identifiers: {{domain: a.test}}
      attrs: {{default: true, flow_authentication: {attrs["flow_authentication"]}, flow_device_code: {attrs["flow_device_code"]}}}
    """  # noqa: E501
    app = (
        APPLICATION.replace("default-provider-authorization-implicit-consent", "elsewhere")
        if missing == "authorization_flow"
        else APPLICATION
    )
    outcome = converted([written(tmp_path, SIGN_IN, brand, app)])
    own = outcome.one("application").get("flows", {}).get("device_code")
    devices = [
        each for each in outcome.documents if each.get("for") == "device_code" and own in (None, each["flow"])
    ]
    assert [[step["stage"] for step in each["steps"]] for each in devices] == [["deny"]]
    assert outcome.noted("elsewhere")


def test_everything_unknown_is_noted(tmp_path: Path) -> None:
    """Each model and policy that has no counterpart here is named with its line.

    Keys that no converter read are named too.
    """
    models = """
    - {model: authentik_core.token, identifiers: {identifier: t}}
    - {model: authentik_providers_saml.samlprovider, id: saml, identifiers: {name: saml}}
    - {model: authentik_core.application, identifiers: {slug: saml}, attrs: {provider: !KeyOf saml}}
    - {model: authentik_sources_oauth.oauthsource, identifiers: {slug: s}}
    - {model: authentik_rbac.role, identifiers: {name: r}}
    - {model: authentik_policies_reputation.reputationpolicy, id: rep, identifiers: {name: rep}}
    - {model: authentik_policies_event_matcher.eventmatcherpolicy, identifiers: {name: event}}
    - {model: authentik_policies.policybinding, identifiers: {target: !KeyOf saml, policy: !KeyOf rep, order: 0}}
    - {model: authentik_core.user, identifiers: {username: a}, attrs: {path: users, attributes: {x: 1}}, permissions: [{permission: x}]}
    - {model: authentik_core.group, state: absent, identifiers: {name: gone}}
    - {model: authentik_core.group, identifiers: {name: admins}, attrs: {is_superuser: true}}
    """  # noqa: E501
    outcome = converted([written(tmp_path, models)])
    for text in (
        "authentik_core.token",
        "samlprovider",
        "no OAuth2 provider",
        "oauthsource",
        "rbac.role",
        "rep",
        "event",
        "path, attributes",
    ):
        assert outcome.noted(text), (text, outcome.notes)
    for text in ("policybinding", "permissions", "state absent", "is_superuser"):
        assert outcome.noted(text), (text, outcome.notes)
    assert [
        each
        for each in outcome.documents
        if "application" in each or each.get("group") == "gone" or each.get("admin")
    ] == []


# --- policies never open anything ---------------------------------------------------------------------------


def bound(target: str, what: str = "policy: !KeyOf sauce", more: str = "") -> str:
    """Return a policy binding."""
    return (
        f"- {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf {target}, {what}, "
        f"order: 0}}, attrs: {{{more}}}}}"
    )


GROUP = "group: !Find [authentik_core.group, [name, staff]]"
STAFF = '"staff" in person.groups'


@pytest.mark.parametrize("more", ["", "negate: true", "enabled: !Env ON", "negate: !Context nothing"])
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("b-who", ["identification", "password", "totp", "login"]),
        ("b-password", ["identification", "password", "totp", "login"]),
        ("b-mfa", ["identification", "password", "totp", "login"]),
        ("b-login", ["identification", "password", "totp", "deny", "login"]),
        ("flow", ["deny", "identification", "password", "totp", "login"]),
    ],
)
def test_an_expression_never_opens_a_flow(
    tmp_path: Path, target: str, expected: list[str], more: str
) -> None:
    """A stage that asks always asks.

    Where it lets in, or guards the flow, a deny step stands before it, with its source above.
    """
    mfa = MFA.replace("ACTION", "deny").replace("CLASSES", "[totp]")
    outcome = converted([written(tmp_path, SIGN_IN, mfa, SECRET_SAUCE, bound(target, more=more))])
    assert outcome.steps() == expected
    assert "# return True  # the whole company" in outcome.text
    assert outcome.noted("policy")


@pytest.mark.parametrize(
    "model",
    [
        "authentik_policies_reputation.reputationpolicy",
        "authentik_policies_event_matcher.eventmatcherpolicy",
        "authentik_policies_dummy.dummypolicy",
        "authentik_policies_expiry.passwordexpirypolicy",
        "authentik_policies_password.passwordpolicy",
        "authentik_policies_unique_password.uniquepasswordpolicy",
    ],
)
def test_no_other_policy_opens_an_application(tmp_path: Path, model: str) -> None:
    """A policy that groups cannot express switches the application off."""
    policy = f"- {{model: {model}, id: sauce, identifiers: {{name: sauce}}}}"
    outcome = converted([written(tmp_path, APPLICATION, policy, bound("app"))])
    assert outcome.one("application")["active"] is False
    assert outcome.noted(model.rpartition(".")[2])
    assert outcome.noted("it is deactivated")


@pytest.mark.parametrize(
    ("mode", "bindings", "groups", "active"),
    [
        ("any", [bound("app", GROUP)], ["staff"], True),
        ("any", [bound("app", GROUP), bound("app")], ["staff"], True),
        (
            "any",
            [bound("app", GROUP), bound("app", GROUP.replace("staff", "guests"))],
            ["staff", "guests"],
            True,
        ),
        ("all", [bound("app", GROUP)], ["staff"], True),
        ("all", [bound("app", GROUP), bound("app")], None, False),
        ("all", [bound("app", GROUP), bound("app", GROUP.replace("staff", "guests"))], None, False),
        ("any", [bound("app", GROUP, "negate: true")], None, False),
        ("any", [bound("app", "user: !Find [authentik_core.user, [username, alice]]")], None, False),
        ("any", [bound("app", "policy: !KeyOf nowhere")], None, False),
        ("any", [bound("app", more="enabled: false")], None, True),
        ("any", [bound("provider")], None, False),
        ("!Env MODE", [bound("app", GROUP)], ["staff"], True),
    ],
)
def test_who_may_use_an_application(
    tmp_path: Path, mode: str, bindings: list[str], groups: list[str] | None, active: bool
) -> None:
    """CVE-2024-38371: it is never more people than before: one of several groups, or no one."""
    app = APPLICATION.replace("{name: TV, provider", f"{{policy_engine_mode: {mode}, name: TV, provider")
    outcome = converted([written(tmp_path, SECRET_SAUCE, app, *bindings)])
    assert outcome.one("application").get("groups") == groups
    assert outcome.one("application").get("active", True) is active


@pytest.mark.parametrize(
    ("target", "bindings", "expected"),
    [
        ("b-mfa", [GROUP], ["identification", "password", f"totp when {STAFF}", "login"]),
        ("b-mfa", [GROUP, "policy: !KeyOf sauce"], ["identification", "password", "totp", "login"]),
        (
            "b-login",
            [GROUP, "policy: !KeyOf sauce"],
            ["identification", "password", "totp", f"login when {STAFF}"],
        ),
        ("flow", [GROUP], ["deny", "identification", "password", "totp", "login"]),
        (
            "b-mfa",
            ["user: !Find [authentik_core.user, [username, Bob]]"],
            [*["identification", "password"], 'totp when person.username == "bob"', "login"],
        ),
    ],
)
def test_groups_and_people_become_conditions(
    tmp_path: Path, target: str, bindings: list[str], expected: list[str]
) -> None:
    """Everyone who was asked is asked, and everyone who was let in is let in."""
    mfa = MFA.replace("ACTION", "deny").replace("CLASSES", "[totp]")
    outcome = converted(
        [written(tmp_path, SIGN_IN, mfa, SECRET_SAUCE, *(bound(target, each) for each in bindings))]
    )
    assert outcome.steps() == expected


def test_a_group_counts_those_below_it(tmp_path: Path) -> None:
    """Nested groups, even in a circle, are named one by one."""
    groups = """
    - {model: authentik_core.group, id: staff, identifiers: {name: staff}, attrs: {parent: !KeyOf night}}
    - {model: authentik_core.group, id: night, identifiers: {name: night}, attrs: {parents: [!KeyOf staff]}}
    """
    outcome = converted([written(tmp_path, SIGN_IN, groups, bound("b-password", "group: !KeyOf staff"))])
    assert outcome.steps()[1] == f'password when ({STAFF} || "night" in person.groups)'


def test_countries(tmp_path: Path) -> None:
    """Without a GeoIP file the condition could not be evaluated, so the whole flow refuses.

    The note says why.
    """
    policy = (
        "- {model: authentik_policies_geoip.geoippolicy, id: geo, identifiers: {name: geo}, attrs: "
        "{countries: [DE, fr]}}"
    )
    outcome = converted([written(tmp_path, SIGN_IN, policy, bound("b-password", "policy: !KeyOf geo"))])
    assert outcome.steps() == ["deny"]
    assert outcome.noted("request.country needs FOYER_GEOIP")


def test_a_flow_that_would_not_be_sound_refuses(tmp_path: Path) -> None:
    """A login that nothing proves is never published: the flow refuses, with lint's findings above."""
    outcome = converted([written(tmp_path, SIGN_IN.replace("id: b-password,", "state: absent,"))])
    assert outcome.steps() == ["deny"]
    assert "requires a verified password" in outcome.text
    flows = (
        "- {model: authentik_flows.flow, identifiers: {slug: x}, attrs: {designation: authentication, "
        "authentication: require_outpost}}"
    )
    assert converted([written(tmp_path, flows)]).steps() == ["deny"]


# --- the command --------------------------------------------------------------------------------------------


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The text goes to standard output or a file, notes to standard error.

    An unreadable file is an error with its place.
    """
    call_command("blueprint", "convert", "authentik", *map(str, ALL))
    printed = capsys.readouterr()
    assert printed.out == convert(ALL).text
    assert f"{SAMPLES / 'tv.yaml'}:17: authentik_core.group family: parent" in printed.err
    call_command("blueprint", "convert", "authentik", str(ALL[0]), "--out", str(tmp_path / "ours.yaml"))
    assert (tmp_path / "ours.yaml").read_text() == convert(ALL[:1]).text
    (tmp_path / "bad.yaml").write_text("version: 1\nentries: 7\n")
    with pytest.raises(CommandError, match=r"bad\.yaml:1:1: This isn't an authentik blueprint"):
        call_command("blueprint", "convert", "authentik", str(tmp_path / "bad.yaml"))


def test_its_exit_code(tmp_path: Path) -> None:
    """It is 0 with notes, also about an odd entry, and 1 where a file can't be read.

    In that case nothing of the other files is written.
    """
    odd = written(
        tmp_path,
        "- {model: authentik_core.user, id: !Env WHO, identifiers: {username: alice}}",
        "- [odd]",
        name="odd.yaml",
    )
    ran = converting(odd)
    assert (ran.returncode, "person: alice" in ran.stdout) == (0, True)
    assert "odd.yaml:3: authentik_core.user: its id isn't plain text" in ran.stderr
    assert "odd.yaml:4: An entry must be a mapping with a model; this one is omitted." in ran.stderr
    broken = put(tmp_path / "broken.yaml", "version: 1\nentries:\n  - model: [\n")
    ran = converting(odd, broken, SAMPLES / "missing.yaml")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert "missing.yaml:1:1: No such file" in ran.stderr
    assert "broken.yaml:4:1: " in ran.stderr


def converting(*files: Path) -> subprocess.CompletedProcess[str]:
    """Run the command as it is typed."""
    command = [sys.executable, "manage.py", "blueprint", "convert", "authentik", *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
