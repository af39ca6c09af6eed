"""The HTML that a mail may contain: plain markup that loads nothing and does not leak the link.

The allowed elements and attributes are listed, and nothing else may occur: each email program reads HTML in
its own way. A recovery link may be in no address but its own.
"""

import re
from collections.abc import Collection, Iterator
from html import unescape
from html.parser import HTMLParser

LINK = "link"
VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
# The link must be isolated: text before it could otherwise be an address that includes it. Only plain spaces
# end an address in every email program; some continue at a no-break space, an ideographic one, or U+2028.
_ISOLATED_LINK = re.compile(
    r"(?:(?<![^ \t\r\n])|(?<=(?<![^ \t\r\n])[<(\[\"'«“]))\{\{\s*link\s*\}\}(?=[>)\]\"'»”.,;:!?\s]|\Z)"
)
_LINK = re.compile(r"\{\{\s*link\s*\}\}")
# fmt: off
_INLINE = {
    "a", "abbr", "b", "code", "em", "font", "i", "kbd", "s", "small", "span", "strong", "sub", "sup", "u",
}
_BLOCKS = {
    "address", "article", "blockquote", "body", "br", "caption", "center", "col", "colgroup", "dd", "div",
    "dl", "dt", "footer", "h1", "h2",
    "h3", "h4", "h5", "h6", "head", "header", "hr", "html", "img", "li", "main", "meta", "ol", "p", "pre",
    "section", "style", "table",
    "tbody", "td", "tfoot", "th", "thead", "title", "tr", "ul",
}
_ATTRIBUTES = {
    "align", "alt", "background", "bgcolor", "border", "cellpadding", "cellspacing", "charset", "class",
    "color", "colspan", "content",
    "dir", "face", "height", "href", "id", "lang", "name", "rel", "role", "rowspan", "scope", "size", "span",
    "src", "start", "style",
    "target", "title", "type", "valign", "width",
}
# fmt: on
_COLORS = {"accent", "accent_text"}
_CSS = re.compile(
    r"url\s*\(|image-set|image\s*\(|imageloader|src\s*\(|import|expression|behavior|binding|\\|/\*|<",
    re.IGNORECASE,
)
_PICTURE = re.compile(r"\A(data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*|cid:[\w.@+-]+)\Z")
_ADDRESS = re.compile(r"\A((https?://|mailto:)[^\s{}]*|#[^\s{}]*)\Z")
_UNQUOTED = re.compile(r"=\s*[^\s\"'>]*\{\{")


def has_isolated_links(text: str) -> bool:
    """Return whether each ``{{ link }}`` of a plain text is an address of its own."""
    return len(_LINK.findall(text)) == len(_ISOLATED_LINK.findall(text))


def problems(html: str) -> list[str]:
    """Return what is wrong with the HTML of a mail, without duplicates."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    text = "".join(reader.text)
    if len(_LINK.findall(html)) != reader.links + len(_LINK.findall(text)) or not has_isolated_links(text):
        reader.found.append(
            '{{ link }} stands by itself: as text, or as the whole of a href, like <a href="{{ link }}">.'
        )
    return list(dict.fromkeys(reader.found))


class _Reader(HTMLParser):
    """Collects problems, the text as people read it, and how often the link is a whole address."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)
        self.found: list[str] = []
        self.text: list[str] = []
        self.links = 0
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _INLINE:
            self.text.append("\n")
        self._style = tag == "style"
        if tag not in _INLINE | _BLOCKS:
            self.found.append(f"The element {tag[:30]} isn't allowed in emails.")
        if _UNQUOTED.search(self.get_starttag_text() or ""):
            self.found.append("Put variables in attributes in quotes.")
        if len({name for name, _value in attrs}) != len(attrs):
            self.found.append(f"{tag[:30]} has a duplicate attribute.")
        for name, value in attrs:
            self.found += self._attribute(tag, name, value or "")

    def _attribute(self, tag: str, name: str, value: str) -> Iterator[str]:
        variables = VARIABLE.findall(value)
        if name not in _ATTRIBUTES and not name.startswith("aria-"):
            yield f"The attribute {name[:30]} isn't allowed in emails."
        elif name == "href" and tag == "a" and _LINK.fullmatch(value.strip()):
            self.links += 1
        elif name == "href" and (tag != "a" or not _ADDRESS.match(value.strip())):
            yield (
                "A href is {{ link }} and nothing else, or an https: or mailto: address without variables, "
                "of an element a."
            )
        elif name in ("src", "background") and not _PICTURE.match(value.strip()):
            yield f"{name} is a picture inside the mail (data: or cid:); nothing is loaded from elsewhere."
        elif name == "style":
            yield from _css(value, variables)
        elif LINK in variables and name != "href":
            yield "{{ link }} stands in a href or as text, in no other attribute."

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._style = False

    def handle_endtag(self, tag: str) -> None:
        self._style = False
        if tag not in _INLINE:
            self.text.append("\n")

    def handle_data(self, data: str) -> None:
        if self._style:
            self.found += _css(data, VARIABLE.findall(data))
        elif "<" in data:
            self.found.append("Write &lt; for a < that doesn't start an element.")
        else:
            self.text.append(data)

    def handle_entityref(self, name: str) -> None:
        self.text.append(unescape(f"&{name};"))

    def handle_charref(self, name: str) -> None:
        self.text.append(unescape(f"&#{name};"))

    def handle_comment(self, data: str) -> None:
        self.found.append("Comments aren't allowed in emails: some email programs interpret them.")

    def handle_decl(self, decl: str) -> None:
        if decl.strip().lower() != "doctype html":
            self.found.append("Only <!doctype html> is allowed before the content.")

    def unknown_decl(self, data: str) -> None:
        self.found.append("Only <!doctype html> is allowed before the content.")

    def handle_pi(self, data: str) -> None:
        self.found.append("Only <!doctype html> is allowed before the content.")


def _css(text: str, variables: Collection[str]) -> Iterator[str]:
    if _CSS.search(text):
        yield "Styles must not load anything: no url(), no @import, no comments and no backslashes."
    if {*variables} - _COLORS:
        yield "Only the variables accent and accent_text are allowed in styles."
