"""The template language of mails: ``{{ variable }}`` and nothing else.

So the author of a tenant's mails can run nothing and leak nothing. The shipped mails are in
``templates/mail``. The variables that one of them uses are those that a tenant's own template may use.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

from idp.foundation.text import did_you_mean
from idp.outbox import markup

FOLDER = Path(__file__).parent / "templates" / "mail"
BRANDING_VARIABLES = frozenset(
    {"tenant", "accent", "accent_text"}
)  # in every mail: the tenant's title and colors
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True)
class MailContent:
    """A mail before or after its variables are filled in."""

    subject: str
    text: str
    html: str = ""

    @property
    def variables(self) -> frozenset[str]:
        """Return the variables of the caller and of the tenant's branding."""
        return BRANDING_VARIABLES.union(markup.VARIABLE.findall(f"{self.subject}\n{self.text}\n{self.html}"))

    def problems(self, words: Collection[str]) -> dict[str, list[str]]:
        """Return what is wrong with the text, by field, where only these variables exist."""
        found = {part: _problems(getattr(self, part), words) for part in ("subject", "text", "html")}
        if _BREAKS.search(self.subject):
            found["subject"].append("The subject must be a single line.")
        used = {part: markup.VARIABLE.findall(getattr(self, part)) for part in found}
        if markup.LINK in used["subject"]:
            found["subject"].append("{{ link }} can not be in a subject: lists of emails show it.")
        if markup.LINK in words and markup.LINK not in used["text"]:
            found["text"].append("Include {{ link }} in the text.")
        if not markup.has_isolated_links(self.text):
            found["text"].append("{{ link }} stands by itself, with a space or a line before it.")
        found["html"] += markup.problems(self.html)
        return {part: messages for part, messages in found.items() if messages}

    def render(self, values: Mapping[str, str]) -> "MailContent":
        """Return the mail with the values in place of the variables, each on one line, escaped in HTML.

        A variable without a value is empty.
        """
        plain = {name: one_line(value) for name, value in values.items()}
        escaped = {name: escape(value) for name, value in plain.items()}
        return MailContent(
            one_line(_fill(self.subject, plain)), _fill(self.text, plain), _fill(self.html, escaped)
        )


@lru_cache(maxsize=1)
def shipped_templates() -> dict[str, MailContent]:
    """Return the shipped mails by name."""
    names = sorted(path.stem for path in FOLDER.glob("*.subject"))
    return {
        name: MailContent(_read(name, "subject").strip(), _read(name, "txt"), _read(name, "html"))
        for name in names
    }


def one_line(text: str) -> str:
    """Return the text without line breaks and control characters.

    So the name of a person or tenant never begins a new line or header.
    """
    return _BREAKS.sub(" ", text).strip()


def _problems(text: str, variables: Collection[str]) -> list[str]:
    messages = []
    for variable in sorted({*markup.VARIABLE.findall(text)} - {*variables}):
        messages.append(
            f"Unknown variable {variable}."
            + did_you_mean(variable, variables, f" Available: {', '.join(sorted(variables))}.")
        )
    if re.search(r"\{\{|\{%", markup.VARIABLE.sub("", text)):
        messages.append("Only {{ variable }} is supported: no tags, no filters.")
    return messages


def _fill(text: str, values: Mapping[str, str]) -> str:
    return markup.VARIABLE.sub(lambda match: values.get(match[1], ""), text)


def _read(name: str, ending: str) -> str:
    return (FOLDER / f"{name}.{ending}").read_text(encoding="utf-8")
