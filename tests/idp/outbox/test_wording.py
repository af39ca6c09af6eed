"""The language of mails: words and nothing else, and every mistake is found when it is saved."""

import pytest
from django.core.exceptions import ValidationError

from idp.outbox import mail
from idp.outbox.models import MailTemplate
from idp.outbox.wording import FACE, Template, shipped
from idp.tenancy.models import Tenant


def test_what_is_shipped_is_whole() -> None:
    """Every mail has a subject, a text and HTML that say the same words, and keeps its own rules."""
    assert "recovery" in shipped()
    for template in shipped().values():
        assert template.problems(template.words) == {}
        said = {part: Template("", "", getattr(template, part)).words - FACE for part in ("text", "html")}
        assert said["text"] == said["html"]
        assert "tenant" in Template(template.subject, "").words
        assert not set("<>") & set(template.subject + template.text)


@pytest.mark.parametrize(
    ("part", "wording", "said"),
    [
        ("text", "{{ nam }}", "There is no word nam. Did you mean name?"),
        ("html", "{{ password }}", "There is no word password. There are: accent, accent_text, link, minutes, name, tenant."),
        ("text", "{{ name|upper }}", "no filters"),
        ("text", "{{ name.password }}", "no tags, no filters"),
        ("text", "{{ name", "has a meaning"),
        ("html", "{% include 'base.html' %}", "no tags"),
        ("html", "{% autoescape off %}{{ name }}{% endautoescape %}", "no tags"),
        ("subject", "{% debug %}", "no tags"),
        ("subject", "Hello\r\nBcc: evaluator@evil.test", "one line"),
        ("subject", "Hello\x00", "one line"),
        ("subject", "", "blank"),
        ("subject", "x" * 201, "200"),
        ("text", "", "blank"),
    ],
)
def test_what_is_refused(acme: Tenant, part: str, wording: str, said: str) -> None:
    """CVE-2026-25227: whoever words a mail can run nothing. Named with the part in which it stands; and nothing is saved."""
    with pytest.raises(ValidationError) as refused:
        mail.save_template("recovery", **{"subject": "S", "text": "T", part: wording})
    assert list(refused.value.message_dict) == [part]
    assert said in " ".join(refused.value.message_dict[part])
    assert not MailTemplate.objects.exists()


def test_there_is_no_such_mail(acme: Tenant) -> None:
    """Only what the product sends can be worded anew."""
    with pytest.raises(ValidationError, match="There are: recovery"):
        mail.save_template("welcome", subject="S", text="T")


def test_what_is_said_is_not_read_again() -> None:
    """A value that looks like a word stays as it is."""
    filled = Template("{{ name }}", "{{name}} {{  link  }}", "<b>{{ name }}</b>").filled({"name": "{{ link }}&", "link": "L"})
    assert filled == Template("{{ link }}&", "{{ link }}& L", "<b>{{ link }}&amp;</b>")


def test_braces_of_style_sheets_mean_nothing() -> None:
    """Plain CSS stays possible."""
    assert Template("S", "T", "<style>#a{color:red}@media{#b{x:y}}</style>").problems(set()) == {}
