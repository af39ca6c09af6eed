"""The converted files are never less strict than authentik.

A note says what was loosened or tightened.
"""

import re
from pathlib import Path

import pytest

from tests.blueprints.convert.converting import APPLICATION, SECRET_SAUCE, SIGN_IN, converted, written

STAFF = '"staff" in person.groups'
NAMED = "group: !Find [authentik_core.group, [name, staff]]"
DEVICES = """
- {model: authentik_flows.flow, id: device, identifiers: {slug: device}, attrs: {name: D, designation: stage_configuration}}
- {model: authentik_brands.brand, identifiers: {domain: a.test}, attrs: {default: true, flow_device_code: !KeyOf device}}
"""  # noqa: E501


def bound(target: str, what: str = NAMED, more: str = "") -> str:
    """Return a policy binding."""
    return (
        f"- {{model: authentik_policies.policybinding, identifiers: {{target: !KeyOf {target}, {what}, "
        f"order: 0}}, attrs: {{{more}}}}}"
    )


def mfa(flags: str = "") -> str:
    """Return a second factor that is asked for as the flags say."""
    return f"""
- model: authentik_stages_authenticator_validate.authenticatorvalidatestage
  id: mfa
  identifiers: {{name: mfa}}
  attrs: {{not_configured_action: deny, device_classes: [totp]}}
- model: authentik_flows.flowstagebinding
  id: b-mfa
  identifiers: {{target: !KeyOf flow, stage: !KeyOf mfa, order: 30}}
  attrs: {{{flags}}}
"""


def login(attrs: str) -> str:
    """Return the sign-in flow, with these attributes of its login."""
    return SIGN_IN.replace(
        "id: login, identifiers: {name: login}",
        f"id: login, identifiers: {{name: login}}, attrs: {{{attrs}}}",
    )


# --- when policies are evaluated ----------------------------------------------------------------------------

NEVER = "evaluate_on_plan: false, re_evaluate_policies: false"
ONCE = "evaluate_on_plan: true, re_evaluate_policies: false"
TWICE = "evaluate_on_plan: true, re_evaluate_policies: true"


@pytest.mark.parametrize(
    ("flags", "negate", "step"),
    [
        ("", False, f"totp when {STAFF}"),
        ("", True, f"totp when !({STAFF})"),
        (NEVER, False, "totp"),
        (NEVER, True, "totp"),
        (ONCE, False, f"totp when {STAFF}"),  # authentik: no one is in a group yet, so no one is asked
        (ONCE, True, "totp"),  # authentik: everyone is in no group yet, so everyone is asked
        (TWICE, False, f"totp when {STAFF}"),
        (TWICE, True, f"totp when !({STAFF})"),
        ("evaluate_on_plan: !Env X", True, "totp"),
        ("re_evaluate_policies: !Env X", False, "totp"),
    ],
)
def test_a_guard_is_asked_for_wherever_authentik_asks(
    tmp_path: Path, flags: str, negate: bool, step: str
) -> None:
    """A stage that protects never applies less often, whenever its policies are asked.

    A note says so where that is unusual.
    """
    outcome = converted(
        [written(tmp_path, SIGN_IN, mfa(flags), bound("b-mfa", more="negate: true" if negate else ""))]
    )
    assert outcome.steps() == ["identification", "password", step, "login"]
    assert outcome.noted("flowstagebinding b-mfa", "policies") is bool(flags)


@pytest.mark.parametrize(
    ("flags", "negate", "steps"),
    [
        ("", False, [f"login when {STAFF}"]),
        (NEVER, False, ["login"]),
        (ONCE, False, ["deny", "login"]),  # authentik: no one is in a group yet, so no one is let in
        (ONCE, True, [f"login when !({STAFF})"]),
        (TWICE, False, ["deny", "login"]),
        (TWICE, True, [f"login when !({STAFF})"]),
        ("evaluate_on_plan: !Env X", False, ["deny", "login"]),
    ],
)
def test_a_way_in_is_open_only_where_authentik_opens_it(
    tmp_path: Path, flags: str, negate: bool, steps: list[str]
) -> None:
    """A stage that lets in never applies more often.

    Where authentik never asks its policies it applies, there and here.
    """
    flow = SIGN_IN.replace(
        "stage: !KeyOf login, order: 90}", f"stage: !KeyOf login, order: 90}}, attrs: {{{flags}}}"
    )
    outcome = converted([written(tmp_path, flow, bound("b-login", more="negate: true" if negate else ""))])
    assert outcome.steps() == ["identification", "password", *steps]
    assert outcome.noted("flowstagebinding b-login") is bool(flags)


@pytest.mark.parametrize("what", [NAMED, "user: !Find [authentik_core.user, [username, alice]]"])
def test_policies_of_a_flow_are_asked_of_strangers(tmp_path: Path, what: str) -> None:
    """In authentik they are evaluated before a person is named, so a group lets no one in.

    A negated one lets everyone in there, and the people it means here.
    """
    closed = converted([written(tmp_path, SIGN_IN, bound("flow", what))])
    assert closed.steps() == ["deny", "identification", "password", "login"]
    assert closed.noted("before it knows who is there")
    negated = converted([written(tmp_path, SIGN_IN, bound("flow", what, "negate: true"))])
    assert [step.split(" when ")[0] for step in negated.steps()] == [
        "identification",
        "password",
        "deny",
        "login",
    ]
    assert negated.noted("before it knows who is there")
    inside = SIGN_IN + DEVICES + bound("device", what)
    steps = converted([written(tmp_path, inside)]).steps("connect-a-device")
    assert [step.split(" when ")[0] for step in steps][:4] == ["identification", "password", "login", "deny"]
    assert steps[3] != "deny"  # the person is already known


def test_policies_that_are_never_evaluated_are_noted(tmp_path: Path) -> None:
    """A source that authentik never runs stands in the comment and changes nothing.

    Without policies the flags mean nothing.
    """
    never = converted(
        [written(tmp_path, SIGN_IN, SECRET_SAUCE, mfa(NEVER), bound("b-mfa", "policy: !KeyOf sauce"))]
    )
    assert never.steps() == ["identification", "password", "totp", "login"]
    assert never.noted("authentik never asks its policies")
    assert "# return True  # the whole company" in never.text
    for flags, key in ((NEVER, "re_evaluate_policies"), (ONCE, "evaluate_on_plan")):
        assert converted([written(tmp_path, SIGN_IN, mfa(flags))]).noted(
            f"{key} says nothing: no policy is bound to it"
        )
    assert not converted(
        [written(tmp_path, SIGN_IN, mfa("evaluate_on_plan: false, re_evaluate_policies: true"))]
    ).noted("says nothing")


@pytest.mark.parametrize(
    ("mode", "expected"), [("any", "||"), ("all", "&&"), ("!Env MODE", "&&"), ("most", "&&")]
)
def test_a_mode_that_is_not_known_is_the_stricter_one(tmp_path: Path, mode: str, expected: str) -> None:
    """Two groups on the way in: both are needed where it is not known that one is enough.

    On a guard it is the other way round.
    """
    flow = SIGN_IN.replace(
        "stage: !KeyOf login, order: 90}",
        f"stage: !KeyOf login, order: 90}}, attrs: {{policy_engine_mode: {mode}}}",
    )
    guests = NAMED.replace("staff", "guests")
    outcome = converted([written(tmp_path, flow, bound("b-login"), bound("b-login", guests))])
    assert outcome.steps()[-1] == f'login when {STAFF} {expected} "guests" in person.groups'
    outcome = converted(
        [
            written(
                tmp_path, SIGN_IN, mfa(f"policy_engine_mode: {mode}"), bound("b-mfa"), bound("b-mfa", guests)
            )
        ]
    )
    assert ("&&" in outcome.steps()[2]) is (mode == "all")


GEO = (
    "- {model: authentik_policies_geoip.geoippolicy, id: geo, identifiers: {name: geo}, attrs: {countries: "
    "[DE]}}"
)


@pytest.mark.parametrize("negate", ["", ", negate: true"])
def test_a_policy_that_passes_where_it_fails_is_not_a_condition(tmp_path: Path, negate: str) -> None:
    """With ``failure_result`` an address without a country passes in authentik.

    The condition would leave the guard out, so the guard always applies.
    """
    outcome = converted(
        [
            written(
                tmp_path,
                SIGN_IN,
                GEO,
                mfa(),
                bound("b-mfa", "policy: !KeyOf geo", f"failure_result: true{negate}"),
            )
        ]
    )
    assert outcome.steps()[2] == "totp"
    outcome = converted(
        [written(tmp_path, SIGN_IN, mfa(), bound("b-mfa", more="failure_result: true, timeout: 5"))]
    )
    assert outcome.noted("failure_result: a policy that fails passes there")
    assert outcome.noted("timeout is not converted")


@pytest.mark.parametrize("order", ["!Env X", "first", "[1]", "true", "!KeyOf flow"])
def test_a_place_that_is_not_known_refuses(tmp_path: Path, order: str) -> None:
    """A refusal for some groups that stood before the identification would refuse no one."""
    deny = f"""
    - {{model: authentik_stages_deny.denystage, id: no, identifiers: {{name: out}}}}
    - {{model: authentik_flows.flowstagebinding, id: b-out, identifiers: {{target: !KeyOf flow, stage: !KeyOf no, order: {order}}}}}
    """  # noqa: E501
    outcome = converted([written(tmp_path, SIGN_IN, deny, bound("b-out"))])
    assert outcome.steps() == ["deny"]
    assert outcome.noted("its order is not known")


def test_a_brand_never_takes_the_name_of_the_default_one(tmp_path: Path) -> None:
    """Only the first default brand becomes the default tenant, with any name of another one."""
    brand = (
        "- {model: authentik_brands.brand, identifiers: {domain: DOMAIN}, attrs: {default: IS, "
        "flow_authentication: !KeyOf flow}}"
    )
    named = brand.replace("DOMAIN", "default").replace("IS", "false")
    assert converted([written(tmp_path, SIGN_IN, named)]).one("tenant")["tenant"] == "default-2"
    both = [brand.replace("DOMAIN", domain).replace("IS", "true") for domain in ("a.test", "b.test")]
    names = [
        each["tenant"]
        for each in converted([written(tmp_path, SIGN_IN, *both)]).documents
        if "tenant" in each
    ]
    assert names == ["default", "b-test"]


def test_a_flow_only_for_those_who_are_signed_in_signs_no_one_in(tmp_path: Path) -> None:
    """``require_authenticated`` on a flow for signing in: no one from outside can use it in authentik."""
    outcome = converted(
        [
            written(
                tmp_path,
                SIGN_IN.replace("name: Sign in", "name: Sign in, authentication: require_authenticated"),
            )
        ]
    )
    assert outcome.steps()[0] == "deny"
    assert outcome.noted("require_authenticated is not converted; it refuses everyone")


STAFF_OR_NIGHT = f'({STAFF} || "night" in person.groups)'
GROUPS = "- {model: authentik_core.group, id: staff, identifiers: {name: staff}, attrs: {ATTRS}}"
ALICE = "- {model: authentik_core.user, id: alice, identifiers: {username: alice}, attrs: {ATTRS}}"


@pytest.mark.parametrize(
    ("entries", "may", "surely"),
    [
        ([], STAFF, STAFF),
        ([ALICE.replace("ATTRS", "groups: [!Find [authentik_core.group, [name, staff]]]")], STAFF, STAFF),
        ([GROUPS.replace("ATTRS", "users: [!KeyOf alice]"), ALICE.replace("ATTRS", "")], STAFF, STAFF),
        (
            [ALICE.replace("ATTRS", "groups: [!Find [authentik_core.group, [name, night]]]")],
            f'({STAFF} || "night" in person.groups)',
            STAFF,
        ),
        ([GROUPS.replace("staff", "night").replace("ATTRS", "parent: 7d4c3a10")], STAFF_OR_NIGHT, STAFF),
        ([GROUPS.replace("staff", "night").replace("ATTRS", "parents: [!Env X]")], STAFF_OR_NIGHT, STAFF),
        ([GROUPS.replace("ATTRS", "users: [7d4c3a10]")], "", STAFF),
    ],
)
def test_who_is_in_a_group_as_far_as_the_files_show(
    tmp_path: Path, entries: list[str], may: str, surely: str
) -> None:
    """A possible member that the files do not show is asked by a guard, and not let in by an opening.

    A negated policy works the other way round.
    """
    for negate, guard, opened in (
        ("", may, surely),
        ("negate: true", f"!({surely.strip('()')})", f"!({may.strip('()')})" if may else ""),
    ):
        outcome = converted(
            [
                written(
                    tmp_path,
                    SIGN_IN,
                    mfa(),
                    *entries,
                    bound("b-mfa", more=negate),
                    bound("b-login", more=negate),
                )
            ]
        )
        expected = ["identification", "password", f"totp when {guard}" if guard else "totp"]
        assert outcome.steps() == [*expected, *([f"login when {opened}"] if opened else ["deny", "login"])]
        assert outcome.noted("in the files: what guards counts it as the case") is (may != surely)


# --- sessions, devices, lifetimes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected", "note"),
    [
        ("minutes=15", {"session_lifetime": "15m"}, ""),
        ("hours=1;minutes=30.5", {"session_lifetime": "5430s"}, ""),
        ("milliseconds=90999", {"session_lifetime": "90s"}, ""),
        ("hours=12", None, "a session ends after 12h at the latest"),
        ("days=30", None, "a session ends after 12h at the latest"),
        ("seconds=0", None, "whether the browser was closed before or not"),
        ('""', None, "whether the browser was closed before or not"),
    ],
)
def test_a_session_never_lasts_longer(tmp_path: Path, said: str, expected: object, note: str) -> None:
    """A shorter lifetime than ours is carried over.

    A longer one, or one that lasts as long as the browser, is noted.
    """
    outcome = converted([written(tmp_path, login(f"session_duration: {said}"))])
    assert outcome.one("flow")["steps"][-1] == {
        "stage": "login",
        **({"settings": expected} if expected else {}),
    }
    assert outcome.noted("userloginstage login", note) is bool(note)


@pytest.mark.parametrize(
    "attrs",
    [
        "session_duration: seconds=20",
        "session_duration: hours=-1",
        "session_duration: soon",
        "session_duration: !Env HOW_LONG",
        "network_binding: bind_asn",
        "network_binding: !Context nothing",
        "geoip_binding: bind_continent_country_city",
        "terminate_other_sessions: true",
        "terminate_other_sessions: !Env ON",
    ],
)
def test_a_session_that_would_be_looser_does_not_begin(tmp_path: Path, attrs: str) -> None:
    """A deny step replaces a session that is bound to a network or a place, alone, or too short.

    The note says why.
    """
    outcome = converted([written(tmp_path, login(attrs))])
    assert outcome.steps() == ["identification", "password", "deny"]
    assert outcome.noted("login", attrs.split(":")[0], "a denying step replaces it")
    usual = (
        "network_binding: no_binding, geoip_binding: no_binding, terminate_other_sessions: false, "
        "remember_me_offset: days=30"
    )
    outcome = converted([written(tmp_path, login(usual))])
    assert outcome.steps() == ["identification", "password", "login"]
    assert outcome.noted("remember_me_offset")


@pytest.mark.parametrize(
    ("brand", "grant_types", "grants"),
    [
        ("", "", []),
        ("", ", grant_types: ['urn:ietf:params:oauth:grant-type:device_code']", []),
        (DEVICES, "", ["device_code"]),
        (
            DEVICES,
            ", grant_types: ['urn:ietf:params:oauth:grant-type:device_code', implicit]",
            ["device_code"],
        ),
        (DEVICES, ", grant_types: [authorization_code]", []),
        (DEVICES, ", grant_types: []", []),
        (DEVICES.replace("flow_device_code: !KeyOf device", "flow_recovery: !KeyOf device"), "", []),
        (DEVICES.replace("default: true", "default: !Env X"), "", ["device_code"]),
    ],
)
def test_devices_are_let_in_only_where_they_were(
    tmp_path: Path, brand: str, grant_types: str, grants: list[str]
) -> None:
    """Without a brand that has a flow for devices the grant was closed.

    Where the provider names grants, the others were closed.
    """
    app = APPLICATION.replace(
        "    client_type: public", f"    client_type: public{grant_types.replace(', ', chr(10) + '    ', 1)}"
    )
    outcome = converted([written(tmp_path, SIGN_IN, brand, app)])
    assert outcome.one("application")["grants"] == grants
    assert outcome.noted("the device grant is omitted") is (not grants)


@pytest.mark.parametrize(
    ("attr", "key", "expected"),
    [
        ("access_token_validity: minutes=5", "access_token_lifetime", "5m"),
        ("access_token_validity: weeks=9", "access_token_lifetime", "1d"),
        ("access_token_validity: seconds=90.9", "access_token_lifetime", "90s"),
        ("access_token_validity: seconds=59", "application", None),
        ("access_token_validity: !Env X", "application", None),
        ("refresh_token_validity: seconds=5", "refresh_token_lifetime", "5s"),
        ("refresh_token_validity: days=1", "refresh_token_lifetime", "1d"),
        ("access_code_validity: minutes=5", "device", {"code_lifetime": "5m"}),
        ("access_code_validity: days=5", "device", {"code_lifetime": "1h"}),
        ("access_code_validity: seconds=10", "grants", []),
        ("client_type: public", "device", {"code_lifetime": "1m"}),
        ("client_type: hidden", "application", None),
    ],
)
def test_nothing_lives_longer_than_it_did(tmp_path: Path, attr: str, key: str, expected: object) -> None:
    """Tokens and device codes live as long as before or shorter, or the application is left out.

    All of it is noted.
    """
    app = APPLICATION.replace(
        "client_type: public", attr if attr.startswith("client_type") else f"client_type: public\n    {attr}"
    )
    outcome = converted([written(tmp_path, SIGN_IN, DEVICES, app)])
    found = [each for each in outcome.documents if "application" in each]
    assert (found[0][key] if found else None) == expected
    assert found or outcome.noted("authentik_core.application TV is omitted")


def test_no_one_gets_the_administration(tmp_path: Path) -> None:
    """A scope mapping with a name of ours gives neither a scope nor a way to ask for it."""
    for name in ("foyer:write", "Foyer:read", "foyer:anything", "two words", "."):
        mapping = (
            f"- {{model: authentik_providers_oauth2.scopemapping, id: m, identifiers: {{name: m}}, attrs: "
            f"{{scope_name: '{name}'}}}}"
        )
        app = APPLICATION.replace("property_mappings: [", "property_mappings: [!KeyOf m, ")
        outcome = converted([written(tmp_path, mapping, app)])
        assert outcome.one("application")["scopes"] == ["openid"]
        assert not [each for each in outcome.documents if "scope" in each]
        assert outcome.noted("scopemapping m", "it is omitted")


# --- entries that may not exist -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "second",
    [
        "state: absent, identifiers: {slug: tv}",
        "state: !Env STATE, identifiers: {slug: tv}",
        "conditions: [!Env X], identifiers: {slug: tv}, attrs: {name: Other}",
        "identifiers: {slug: tv}, attrs: [odd]",
    ],
)
@pytest.mark.parametrize("first", [True, False])
def test_what_another_entry_may_delete_opens_nothing(tmp_path: Path, second: str, first: bool) -> None:
    """An application that one entry creates and another may delete is left out.

    The order of the entries does not matter.
    """
    entries = [APPLICATION, f"- {{model: authentik_core.application, {second}}}"]
    outcome = converted([written(tmp_path, *(reversed(entries) if first else entries))])
    assert not [each for each in outcome.documents if "application" in each]
    assert outcome.noted("application TV is also defined in", "the stricter side does")


def test_what_is_surely_not_deleted_stays(tmp_path: Path) -> None:
    """An entry whose conditions are false deletes nothing, and neither does one of another object."""
    for gone in (
        "state: absent, conditions: [false], identifiers: {slug: tv}",
        "state: absent, identifiers: {slug: elsewhere}",
    ):
        outcome = converted(
            [written(tmp_path, APPLICATION, f"- {{model: authentik_core.application, {gone}}}")]
        )
        assert outcome.one("application", "tv")


@pytest.mark.parametrize("doubt", ["state: absent", "conditions: [!Env X]", "state: !Env X"])
def test_a_binding_that_may_not_be_there(tmp_path: Path, doubt: str) -> None:
    """A guard stays and a way in is closed, because it is not known which of both entries counts."""
    for stage, steps in (
        ("password", ["identification", "password", "login"]),
        ("login", ["identification", "password", "deny", "login"]),
    ):
        again = (
            f"- {{model: authentik_flows.flowstagebinding, {doubt}, identifiers: {{target: !KeyOf flow, "
            f"stage: !KeyOf {stage}}}}}"
        )
        assert converted([written(tmp_path, SIGN_IN, again)]).steps() == steps
    policy = (
        f"- {{model: authentik_policies.policybinding, {doubt}, identifiers: {{target: !KeyOf app, "
        f"{NAMED}}}}}"
    )
    plain = bound("app").replace(", order: 0", "")
    outcome = converted([written(tmp_path, APPLICATION, plain, policy)])
    assert outcome.one("application")["active"] is False


def test_created_changes_nothing_that_is_there(tmp_path: Path) -> None:
    """``state: created`` is for missing objects and never replaces what already exists."""
    later = (
        mfa()
        .replace("deny", "skip")
        .replace("- model: authentik_stages", "- state: created\n  model: authentik_stages")
    )
    outcome = converted(
        [
            written(
                tmp_path,
                SIGN_IN,
                mfa(),
                later.split("- model: authentik_flows")[0].replace("id: mfa", "id: again"),
            )
        ]
    )
    assert outcome.one("flow")["steps"][2] == {"stage": "totp", "settings": {"missing": "refuse"}}
    assert outcome.noted("with state created that one counts")


@pytest.mark.parametrize(
    "group", ["!KeyOf nowhere", "!Env GROUP", "[a]", '!Find [authentik_core.group, [name, "a\\tb"]]']
)
def test_a_person_whose_groups_are_not_all_known_is_shut_out(tmp_path: Path, group: str) -> None:
    """They are deactivated or left out.

    A policy may keep out one of the groups, or ask a second factor of it.
    """
    entry = (
        f"- {{model: authentik_core.user, identifiers: {{username: alice}}, attrs: {{groups: [{group}]}}}}"
    )
    outcome = converted([written(tmp_path, entry)])
    assert not [each for each in outcome.documents if "person" in each and each.get("active", True)]
    assert outcome.noted("user alice", "deactivated") or outcome.noted("user alice is omitted")


def test_a_person_called_as_the_first_administrator(tmp_path: Path) -> None:
    """Applying it would change that administrator, with the address to which recovery links are sent."""
    entry = "- {model: authentik_core.user, identifiers: {username: %s}, attrs: {email: a@acme.test}}"
    assert converted([written(tmp_path, entry % "Admin")]).noted(
        "the first administrator is named admin here"
    )
    assert not converted([written(tmp_path, entry % "akadmin")]).noted("first administrator")
    brand = "- {model: authentik_brands.brand, identifiers: {domain: a.test}, attrs: {default: false}}"
    assert not converted([written(tmp_path, brand, entry % "admin")]).noted("first administrator")


@pytest.mark.parametrize(
    "entry",
    [
        f"- {{model: authentik_core.user, identifiers: {{username: {'x' * 300}}}}}",
        '- {model: authentik_core.user, identifiers: {username: "a b\\tc"}}',
        (
            f"- {{model: authentik_core.user, identifiers: {{username: alice}}, attrs: {{email: "
            f"{'a' * 60}@{'b.' * 120}test}}}}"
        ),
        APPLICATION.replace("client_id: tv", f"client_id: {'x' * 300}"),
        SIGN_IN + f"- {{model: authentik_core.group, identifiers: {{name: {'x' * 300}}}}}\n",
        SIGN_IN.replace("Sign in", "x" * 300),
    ],
)
def test_what_our_validator_refuses_is_described_in_words(tmp_path: Path, entry: str) -> None:
    """It is not described in those of a library: no types, no patterns."""
    outcome = converted([written(tmp_path, entry)])
    notes = " ".join(str(note) for note in outcome.notes)
    assert not re.search(r"should|Value error|\.\.|pattern", notes), notes
