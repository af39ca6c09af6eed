"""prompt: asks what the administrator declared, takes nothing else, and saves it on the proved person."""

import time
from typing import Any

import pytest
from pydantic import ValidationError

from flows.documents.lint import lint
from idp.accounts.models import Person
from idp.events.models import Event
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from stages.prompt import Prompt
from tests.support.client import Doors, Seen
from tests.support.flows import draw, drawing, row_of

FIELDS: list[dict[str, Any]] = [
    {"name": "team", "label": "Team", "required": True, "max_length": 20, "help": "As in <the directory>."},
    {"name": "about", "label": "About you", "type": "long_text"},
    {"name": "second_email", "label": "Second email", "type": "email"},
    {"name": "floor", "label": "Floor", "type": "number", "minimum": -2, "maximum": 40},
    {"name": "terms", "label": "I agree to the terms", "type": "checkbox", "required": True},
    {"name": "born", "label": "Born", "type": "date"},
    {"name": "country", "label": "Country", "type": "select", "choices": ["Austria", "Germany"]},
    {"name": "phone", "label": "Phone", "type": "phone"},
    {"name": "badge", "label": "Badge", "pattern": "[A-Z]{2}[0-9]{4}"},
]
GOOD = {
    "team": "sales",
    "about": "I like\nlong walks.",
    "second_email": "alice@example.org",
    "floor": "3",
    "terms": "on",
    "born": "1990-02-28",
    "country": "Austria",
    "phone": "+49 (30) 901-820",
    "badge": "AB1234",
}
KEPT = {**GOOD, "about": "I like\r\nlong walks.", "floor": 3, "terms": True, "phone": "+4930901820"}
REST = ("login", "device_code", "consent", "finish")


def asking(*more: Any, **settings: Any) -> None:
    """Publish a flow that asks after the password."""
    prompt = {
        "id": "about-you",
        "stage": "prompt",
        "settings": {"title": "About you", "text": "So that we know.", "fields": FIELDS, **settings},
    }
    draw("identification", "password", prompt, *more, *REST)


def arrived(
    door: Doors, name: str = "alice", password: str = "alice-password-1", host: str = "acme.test"
) -> Seen:
    """The page with the question."""
    return door(host).sign_in(name, password)


def attributes(name: str = "alice") -> Any:
    """What is saved on a person of the tenant in scope."""
    return Person.objects.get(username=name).attributes


def test_the_answers_are_saved_and_recorded(acme: Tenant, door: Doors) -> None:
    """They are saved on the person who was proved, each in its type, and later conditions read them.

    The event has names, never values.
    """
    asking(
        {
            "stage": "deny",
            "when": 'steps.about_you.floor != 3 || !steps.about_you.terms || steps.about_you.team != "sales"',
        }
    )
    seen = arrived(door)
    assert (seen.step, seen.title) == ("about-you", "About you")
    assert "As in &lt;the directory&gt;." in seen.text
    assert seen.submit(**GOOD).step == "device_code"
    assert attributes() == {**KEPT, "about": attributes()["about"]}
    assert attributes()["about"].split() == GOOD["about"].split()
    assert attributes("bob") == {}
    recorded = Event.objects.get(kind="person.attributes_changed")
    assert recorded.data["keys"] == sorted(GOOD)
    assert "sales" not in str(recorded.data)


def test_what_is_typed_has_one_form(acme: Tenant, other: Tenant, door: Doors) -> None:
    """Invisible characters that were pasted are removed, on the person and in conditions.

    The tenants' answers stay separate.
    """
    for tenant in (acme, other):
        with tenant_scope(tenant):
            asking({"stage": "deny", "when": 'steps.about_you.team == "Ärzte"'})
            said = {
                **GOOD,
                "team": "\u200bA\u0308rz\u00adte\u202e \x1b",
                "about": " one\r\n\ttwo\u2028\x07three\n",
            }
            assert arrived(door, host=f"{tenant.name}.test").submit(**said).title == "Access denied"
            kept = attributes()
            assert (kept["team"], kept["about"]) == ("Ärzte", "one\n\ttwo three")


def test_people_of_another_tenant_keep_their_own(acme: Tenant, other: Tenant, door: Doors) -> None:
    """With the same username and the same flow name, the tenants' answers stay separate."""
    asking()
    arrived(door).submit(**GOOD)
    assert Person.unscoped.get(tenant=other, username="alice").attributes == {}
    assert door("other.test").sign_in().step == "device_code"


def test_what_is_not_saved_is_still_known_to_conditions(acme: Tenant, door: Doors) -> None:
    """``keep: false``: the answer is for conditions of this run only.

    Nothing of it is in the fields the next time.
    """
    asking({"stage": "deny", "when": 'steps.about_you.country == "Austria"'}, keep=False)
    assert arrived(door).submit(**GOOD).title == "Access denied"
    assert attributes() == {}
    assert "sales" not in arrived(door).text


def test_what_is_known_stands_in_the_fields(acme: Tenant, door: Doors) -> None:
    """The next time the fields are filled in; a value of another type or another person's is not."""
    asking()
    arrived(door).submit(**GOOD)
    Person.objects.filter(username="alice").update(
        attributes={**attributes(), "badge": {"no": "text"}, "secret": "of another stage"}
    )
    page = arrived(door).text
    for value in ("sales", "1990-02-28", "+4930901820", "alice@example.org"):
        assert f'value="{value}"' in page
    assert '<option value="Austria" selected' in page
    assert "of another stage" not in page
    assert "no" not in page.split('name="badge"')[1][:40]
    assert "sales" not in arrived(door, "bob", "bob-password-22").text


def test_a_field_that_is_emptied_is_forgotten(acme: Tenant, door: Doors) -> None:
    """An optional answer can be removed; what the prompt does not ask for stays."""
    asking()
    Person.objects.filter(username="alice").update(
        attributes={"floor": 3, "country": "Austria", "else": "stays"}
    )
    arrived(door).submit(team="sales", terms="on")
    assert {name: attributes()[name] for name in ("floor", "country", "else")} == {
        "floor": None,
        "country": "",
        "else": "stays",
    }


WRONG = [
    ("team", ""),
    ("team", "   "),
    ("team", "x" * 21),
    ("terms", ""),
    ("terms", "false"),
    ("second_email", "alice"),
    ("second_email", "a@b@c"),
    ("floor", "-3"),
    ("floor", "41"),
    ("floor", "3.5"),
    ("floor", "9" * 5000),
    ("floor", "NaN"),
    ("born", "1990-02-30"),
    ("born", "28.02.1990"),
    ("born", "99999-01-01"),
    ("country", "Atlantis"),
    ("country", "austria"),
    ("phone", "call me"),
    ("phone", "12"),
    ("phone", "1" * 31),
    ("phone", "+49 30 <script>"),
    ("badge", "AB12345"),
    ("badge", "xAB1234"),
    ("badge", "AB1234\nAB1234"),
]


def test_a_wrong_answer_is_an_error_at_its_field_and_nothing_is_saved(acme: Tenant, door: Doors) -> None:
    """The other inputs stay in their fields, and nothing of the answer is stored."""
    asking()
    seen = arrived(door)
    for name, value in WRONG:
        answered = seen.submit(**{**GOOD, name: value})
        assert answered.step == "about-you", (name, value)
        assert answered.text.count('class="errors"') == 1, (name, value)
        assert f'id="id_{name}_error"' in answered.text
        assert 'value="sales"' in answered.text or name == "team"
    assert attributes() == {}
    assert "about-you" not in row_of(seen).state["decided"]


def test_only_declared_fields_are_taken(acme: Tenant, door: Doors) -> None:
    """No one becomes an administrator by one field more."""
    asking()
    arrived(door).submit(
        **GOOD, role="owner", groups="admins", password="new", email="evil@acme.test", attributes="{}"
    )
    person = Person.objects.get(username="alice")
    assert (person.role, person.email, set(person.attributes)) == ("", "alice@acme.test", set(GOOD))


def test_an_empty_answer_passes_nothing_that_is_required(acme: Tenant, door: Doors) -> None:
    """CVE-2026-49448: neither the fields of the flow nor those that a bare stage begins with."""
    asking()
    assert arrived(door).submit().step == "about-you"
    draw("identification", "password", "prompt", *REST)
    assert arrived(door).submit().step == "prompt"


def test_it_needs_a_proof(acme: Tenant) -> None:
    """No one fills in another person's attributes by their name alone."""
    found = [
        finding.message
        for finding in lint(drawing("identification", "prompt", "password", *REST))
        if finding.level == "error"
    ]
    assert len(found) == 1
    assert "requires a verified password" in found[0]


def test_a_person_deactivated_meanwhile_saves_nothing(acme: Tenant, door: Doors) -> None:
    """CVE-2025-53942: the domain function checks again, in its own transaction."""
    asking()
    seen = arrived(door)
    Person.objects.filter(username="alice").update(is_active=False)
    assert seen.submit(**GOOD).title == "This request has expired"
    assert attributes() == {}


def test_a_program_may_send_anything(acme: Tenant, door: Doors) -> None:
    """As JSON, values of other types are answers or errors, never a failure of the server."""
    asking()
    client = door()
    begun = client.post("/api/runs/", '{"for": "device_code"}', content_type="application/json").json()
    extra = {"content_type": "application/json", "HTTP_AUTHORIZATION": f"Run {begun['secret']}"}
    client.post(begun["url"], '{"step": "identification", "answer": {"name": "alice"}}', **extra)
    asked = client.post(
        begun["url"], '{"step": "password", "answer": {"password": "alice-password-1"}}', **extra
    ).json()
    assert [field["name"] for field in asked["fields"]] == [field["name"] for field in FIELDS]
    for junk in ("5", "-1.5", "true", "[]", "[1]", "{}", '{"a": 1}', "null", '"\\u0000"', '"\\ud83d\\ude00"'):
        answer = ", ".join(f'"{field["name"]}": {junk}' for field in FIELDS)
        refused = client.post(begun["url"], f'{{"step": "about-you", "answer": {{{answer}}}}}', **extra)
        assert (refused.status_code, refused.json()["step"]) == (200, "about-you"), junk
    endless = client.post(
        begun["url"], f'{{"step": "about-you", "answer": {{"{FIELDS[0]["name"]}": 1e400}}}}', **extra
    )
    assert (endless.status_code, endless.json()["error_description"]) == (400, "A number is too large.")
    assert attributes() == {}


@pytest.mark.parametrize("pattern", ["(a+)+", "(a|a)*b", "(.*)*x", "([a-z]+)*[0-9]"])
def test_no_pattern_runs_for_ever(acme: Tenant, door: Doors, pattern: str) -> None:
    """ReDoS: no pattern takes a measurable time.

    A backtracking matcher would take longer than the universe lasts.
    """
    asking(fields=[{"name": "word", "label": "Word", "pattern": pattern, "max_length": 4000}])
    seen, begun = arrived(door), time.monotonic()
    seen.submit(word="a" * 3999 + "!")
    assert time.monotonic() - begun < 2


def test_hostile_labels_are_only_text(acme: Tenant, door: Doors) -> None:
    """CVE-2026-42849: labels, helps, choices and what was typed are escaped."""
    evil = '"><script>alert(1)</script>'
    fields = [
        {"name": "a", "label": evil, "help": evil},
        {"name": "b", "label": "B", "type": "select", "choices": [evil, "good"], "required": True},
    ]
    asking(fields=fields, title=evil, text=evil)
    seen = arrived(door)
    for page in (seen.text, seen.submit(a=evil, b=evil).text):
        assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"name": "Team"}, "pattern"),
        ({"name": "1st"}, "pattern"),
        ({"name": "a-b"}, "pattern"),
        ({"name": ""}, "pattern"),
        ({"name": "token"}, "another one"),
        ({"name": "step"}, "another one"),
        ({"name": "in"}, "another one"),
        ({"name": "decision"}, "another one"),
        ({"type": "password"}, "Input should be"),
        ({"type": "select"}, "a select needs options"),
        ({"type": "text", "choices": ["a"]}, "only a select can have them"),
        ({"type": "select", "choices": ["a", "a"]}, "must be unique"),
        ({"type": "select", "choices": [""]}, "at least 1"),
        ({"type": "number", "minimum": 2, "maximum": 1}, "must not exceed the maximum"),
        ({"type": "text", "minimum": 2}, "only a number can have"),
        ({"type": "number", "pattern": "a"}, "only a text can have a pattern"),
        ({"type": "number", "maximum": 2**63}, "less than"),
        ({"max_length": 0}, "greater than"),
        ({"max_length": 5000}, "less than"),
        ({"pattern": "("}, "valid regular expression"),
        ({"pattern": "a)|(?:b"}, "valid regular expression"),
        ({"pattern": "(?=a)b"}, "valid regular expression"),
        ({"pattern": r"(a)\1"}, "valid regular expression"),
        ({"pattern": "((a{100}){100}){100}"}, "valid regular expression"),
        ({"colour": "red"}, "not permitted"),
    ],
)
def test_the_fields_are_checked_when_saved(field: dict[str, Any], said: str) -> None:
    """A message says what to fix."""
    with pytest.raises(ValidationError, match=said):
        Prompt.Settings.model_validate({"fields": [{"name": "answer", **field}]})


def test_there_are_one_to_twenty_fields_of_different_names() -> None:
    """Neither none nor two of one name."""
    for fields in ([], [{"name": f"a{n}"} for n in range(21)], [{"name": "a"}, {"name": "a"}]):
        with pytest.raises(ValidationError):
            Prompt.Settings.model_validate({"fields": fields})
    assert (
        len(Prompt.Settings.model_validate({"fields": [{"name": f"a{n}"} for n in range(20)]}).fields) == 20
    )


def test_every_kind_of_field_survives_being_stored() -> None:
    """What is written today is read tomorrow, also the bounds that were not set."""
    settings = Prompt.Settings.model_validate({"fields": FIELDS})
    assert Prompt.Settings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize(
    "field",
    [
        {"name": "again", "label": "Password"},
        {"name": "password", "label": "Again"},
        {"name": "again", "label": "Pass-word"},
        {"name": "again", "label": "pass\u200bword"},
        {"name": "again", "label": "ＰＡＳＳＷＯＲＤ"},
        {"name": "again", "label": "Ihr Passwort"},
        {"name": "again", "label": "Mot de passe"},
        {"name": "again", "label": "Six", "help": "The code that your app shows"},
        {"name": "again", "label": "PIN", "type": "number"},
        {"name": "api_token", "label": "For us"},
    ],
)
def test_no_secret_is_asked_for(field: dict[str, object]) -> None:
    """What is typed here is available to conditions and saved on the person.

    Passwords, codes, PINs and tokens have stages that check them.
    """
    step = {"stage": "prompt", "settings": {"fields": [field]}}
    found = [
        each.message
        for each in lint(drawing("identification", "password", "login", step, *REST))
        if each.level == "error"
    ]
    assert any("a prompt can't ask for a" in message for message in found), found


@pytest.mark.parametrize(
    "label", ["Postal code", "ZIP code", "Country code", "Pinboard", "Shipping", "Tandem partner", "Compass"]
)
def test_ordinary_questions_are_no_secrets(label: str) -> None:
    """Fragments of longer words are accepted, and so are codes that everyone knows."""
    step = {"stage": "prompt", "settings": {"fields": [{"name": "answer", "label": label}]}}
    assert not [
        each.message
        for each in lint(drawing("identification", "password", "login", step, *REST))
        if "can't ask for a" in each.message
    ]
