"""Blueprints customize the texts of a tenant's mails and name its sender."""

import pytest

from blueprints.files.apply import apply
from blueprints.files.problems import BadBlueprint
from idp.events.models import Event
from idp.outbox.models import MailTemplate
from idp.tenancy.models import Tenant
from idp.tenancy.scope import tenant_scope
from tests.support.client import Write

MAIL = """
tenant: {name}
mail_from: login@{name}.example
---
mail: recovery
subject: >
  Your way back into {{{{ tenant }}}}
text: |
  {{{{ name }}}}: {{{{ link }}}}, {{{{ minutes }}}} minutes.
html: <p>{{{{ name }}}}</p>
"""


def test_two_tenants_word_their_mails(tenants: dict[str, Tenant], write_blueprint: Write) -> None:
    """Each has its own texts, and applying them again changes and reports nothing."""
    files = [write_blueprint(MAIL.format(name=name), f"{name}.yaml") for name in tenants]
    for _ in range(2):
        apply(files)
    for name, tenant in tenants.items():
        with tenant_scope(tenant):
            row = MailTemplate.objects.get()
            assert (row.name, row.subject, row.html) == (
                "recovery",
                "Your way back into {{ tenant }}",
                "<p>{{ name }}</p>",
            )
            assert list(Event.objects.filter(kind="mail.changed").values_list("actor", "target")) == [
                ("blueprint", "recovery")
            ]
        assert Tenant.objects.get(name=name).mail_from == f"login@{name}.example"


def test_only_what_is_said_changes(acme: Tenant, write_blueprint: Write) -> None:
    """A key that is left out keeps its value."""
    apply([write_blueprint(MAIL.format(name="acme"))])
    apply([write_blueprint("tenant: acme\n---\nmail: recovery\nsubject: Back\n")])
    row = MailTemplate.objects.get()
    assert (row.subject, row.html) == ("Back", "<p>{{ name }}</p>")
    assert Tenant.objects.get(name="acme").mail_from == "login@acme.example"


@pytest.mark.parametrize(
    ("text", "where", "said"),
    [
        ("mail: recovery\nsubject: S\ntext: '{{ nam }}'\n", "5:1: text", "Unknown variable nam. Did you mean name?"),  # noqa: E501
        ("mail: recovery\nsubject: S\ntext: 'T {{ link }}'\nhtml: '{% load x %}'\n", "6:1: html", "no tags, no filters"),  # noqa: E501
        ("mail: recovery\nsubject: \"S\\nBcc: evaluator@evil.test\"\ntext: 'T {{ link }}'\n", "4:1: subject", "U+000A (LINE FEED)"),  # noqa: E501
        ("mail: recovery\nsubject: S\n", "3:1: text", "blank"),
        ("mail: recovry\nsubject: S\ntext: 'T {{ link }}'\n", "3:1: mail", "Unknown email template recovry. Available: recovery."),  # noqa: E501
        ("mail: recovery\nsubjct: S\n", "4:1: subjct", "Did you mean subject?"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    tenants: dict[str, Tenant], write_blueprint: Write, text: str, where: str, said: str
) -> None:
    """The problem has line, column and key, and nothing is applied."""
    with pytest.raises(BadBlueprint) as bad:
        apply([write_blueprint(f"tenant: acme\n---\n{text}")])
    found = [str(problem).rpartition("blueprint.yaml:")[2] for problem in bad.value.problems]
    assert any(problem.startswith(where) and said in problem for problem in found), found
    assert not MailTemplate.unscoped.exists()


@pytest.mark.parametrize(
    "address",
    ["acme", "Acme <login@acme.example>", "a@b.example, c@d.example", '"a@b.example\\nBcc: c@d.example"'],
)
def test_what_is_no_sender(tenants: dict[str, Tenant], write_blueprint: Write, address: str) -> None:
    """A sender is one bare address, and the name beside it is the tenant's title."""
    with pytest.raises(BadBlueprint, match=r"2:1: mail_from: .*(valid email|is no domain|U\+000A)"):
        apply([write_blueprint(f"tenant: acme\nmail_from: {address}\n")])
