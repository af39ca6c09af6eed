"""One form for text: what people type, what machines send and what is compared are written alike (Unicode
NFC, UAX 15).
"""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

_JOINED = r"\u0590-\u109f\u1780-\u18af\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_JOINERS = re.compile(f"(?<=[{_JOINED}])[\u200c\u200d](?=[{_JOINED}])")
"""Two invisible characters that mean something where they stand: in Persian and Indic words and within an
emoji.
"""
# letters by their category, and nothing to be seen
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f")
_MARKS = 30
_COMPARED = 50
_ODD = re.compile(r"[^\n\t\x20-\x7e]")
_UNSEEN = "\ufffd"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_BETWEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp", "Pd"})
# minus, bullet, the long vowel of a Japanese keyboard: no dashes by category
_DASHES = frozenset("\u2212\u2043\u30fc\uff70\u02d7")


def nfc(text: str) -> str:
    """Return the composed form: the same letters are the same code points, however a keyboard or a file
    system wrote them.
    """
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    return unicodedata.normalize("NFC", _few_marks(text))


def nfkc(text: str) -> str:
    """Return the same with letters that are only drawn otherwise, as in full width, replaced by the ordinary
    ones.
    """
    return text if text.isascii() else unicodedata.normalize("NFKC", _few_marks(text))


def _few_marks(text: str) -> str:
    """Return the text with thirty combining marks in a row at most (UAX 15 section 13): the cost of sorting
    them grows as their square.
    """
    found, marks = list[str](), 0
    for letter in text:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks <= _MARKS:
            found.append(letter)
    return "".join(found)


def code_point(letter: str) -> str:
    """Return the name of one character, as in ``U+200B (ZERO WIDTH SPACE)``."""
    name = (
        unicodedata.name(letter, "")
        or _CONTROLS.get(letter, "")
        or _UNNAMED.get(unicodedata.category(letter), "unassigned")
    )
    return f"U+{ord(letter):04X} ({name})"


_CONTROLS = {
    "\0": "NULL",
    "\a": "BELL",
    "\b": "BACKSPACE",
    "\t": "TAB",
    "\n": "LINE FEED",
    "\r": "CARRIAGE RETURN",
    "\x1b": "ESCAPE",
}
_UNNAMED = {"Cc": "control character", "Cs": "surrogate", "Co": "private use"}


def line(text: str) -> str:
    """Return a name, title or label in its one form; raise ValueError for what nobody can see, and for white
    space around it.

    One line break at its end is that of a file, or of a block in YAML, and no part of it.
    """
    text = _checked(text.removesuffix("\n"), allowed="")
    for edge in (text[:1], text[-1:]):
        if edge.isspace():
            raise ValueError(f"it must not begin or end with {code_point(edge)}")
    return text


def lines(text: str) -> str:
    """Return a longer text in its one form, with LF for each kind of line break; it may hold line breaks and
    tabs. Raise ValueError.
    """
    return _checked(text.replace("\r\n", "\n"), allowed="\n\t")


def every(value: Any, read: Callable[[str], str], key: Callable[[str], str] | None = None) -> Any:
    """Return JSON with ``read`` applied to each text in it, and ``key``, or ``read`` too, to the keys of
    mappings.
    """
    if isinstance(value, str):
        return read(value)
    if isinstance(value, dict):
        return {every(name, key or read): every(each, read, key) for name, each in value.items()}
    return type(value)(every(each, read, key) for each in value) if type(value) in (list, tuple) else value


def printable(text: str) -> str:
    """Return what may be written to a terminal: what nobody sees, or what moves a cursor, is U+FFFD; line
    breaks and tabs stay.
    """
    return _ODD.sub(_or_unseen, text)


def on_one_line(text: str) -> str:
    """Return the same of a name or message that stands within a line: its line breaks are U+FFFD too, so that
    it forges no other line.
    """
    return printable(text).replace("\n", _UNSEEN)


def did_you_mean(name: str, names: Iterable[str], otherwise: str = "") -> str:
    """Return the right name that is most like this one, in any case, as a sentence after another one;
    ``otherwise`` where none is.
    """
    folded = {each.casefold(): each for each in names if each}
    # comparing takes longer than in proportion
    near = difflib.get_close_matches(name[:_COMPARED].casefold(), folded, n=1)
    return f" Did you mean {on_one_line(folded[near[0]])}?" if near else otherwise


def cleaned(text: str, longest: int) -> str:
    """Return what a machine or a stranger sent, on one line: what nobody can see is dropped, white space is
    one blank, the rest is cut.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(_seen(each) for each in _parts(nfc(text[: longest * 8])))
    return " ".join(text.split())[:longest].rstrip()


def cleaned_lines(text: str, longest: int) -> str:
    """Return the same of a text that may have several lines: those and tabs stay."""
    split = text[: longest * 8].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("\t".join(cleaned(part, longest) for part in each.split("\t")) for each in split)[
        :longest
    ].strip()


def fold(name: str) -> str:
    """Return the one spelling of names that people type as the same: NFKC, no case, no format characters, no
    white space around.
    """
    if name.isascii():
        return name.lower().strip()
    plain = "".join(letter for letter in nfkc(name) if unicodedata.category(letter) != "Cf")
    return nfkc(plain.casefold()).strip()


def caseless(text: str) -> str:
    """Return the form in which texts are searched: composed, without case, an i with its dot or
    without one.
    """
    return "".join(map(_caseless, nfc(text)))


def _caseless(letter: str) -> str:
    return "i" if letter in "\u0130\u0131" else letter.casefold()


def caseless_pattern(text: str) -> str:
    """Return a regular expression that finds each composed text whose caseless form contains that of this
    one.

    Python and PostgreSQL read it alike, and neither asks a locale for it: every letter stands there in all of
    its forms. What one letter becomes as several (a sharp s) is found by a part of them too, at both ends.
    """
    folded = caseless(text)
    spanned = {
        at
        for form in _several()
        for begin in _found(folded, form)
        for at in range(begin + 1, begin + len(form))
    }
    runs, begin = list[str](), 0
    for end in range(1, len(folded) + 1):
        if end == len(folded) or end not in spanned or end - begin == _LONGEST_RUN:
            runs.append(folded[begin:end])
            begin = end
    last = len(runs) - 1
    return "".join(
        f"(?:{'|'.join(_ways(run, first=at == 0, last=at == last))})" for at, run in enumerate(runs)
    )


_LONGEST_RUN = 6  # of letters that one letter after the other may span; all ways to write it are listed


def _found(text: str, part: str) -> list[int]:
    return [at for at in range(len(text)) if text.startswith(part, at)]


def _ways(run: str, *, first: bool, last: bool) -> list[str]:
    """Every way to write these caseless letters: each by itself, several as one, and at the ends of a text a
    part of one.
    """
    if not run:
        return [""]
    found = [_class(run[0]) + rest for rest in _ways(run[1:], first=False, last=last)]
    for form in _several():
        heads = [len(form), *(range(1, len(form)) if first else ())]
        for taken in heads:
            if run.startswith(form[-taken:]):
                found += [_class(form) + rest for rest in _ways(run[taken:], first=False, last=last)]
        if last and len(form) > len(run) and form.startswith(run):
            found.append(_class(form))
    return list(dict.fromkeys(found))


def _class(form: str) -> str:
    """The letters that become this; punctuation means itself."""
    letters = (form if len(form) == 1 else "") + _forms().get(form, "")
    return (
        f"[{letters}]"
        if len(letters) > 1
        else letters
        if letters.isalnum() or ord(letters) > 0x7F
        else f"\\{letters}"
    )


@lru_cache(maxsize=1)
def _forms() -> dict[str, str]:
    """By caseless form, the other letters that have it; letters with case end far below the last plane of
    Unicode.
    """
    found: dict[str, str] = {}
    for letter in map(chr, range(0x20000)):
        if (form := _caseless(letter)) != letter and unicodedata.is_normalized("NFC", letter):
            found[form] = found.get(form, "") + letter
    return found


@lru_cache(maxsize=1)
def _several() -> tuple[str, ...]:
    return tuple(form for form in _forms() if len(form) > 1)


def read_code(typed: str) -> str:
    """Return a code that a person typed, in capitals: any decimal digit is the ASCII one; dashes, blanks and
    format characters are gone.
    """
    return "".join(_typed(letter) for letter in nfkc(typed)).upper()


def _typed(letter: str) -> str:
    digit = unicodedata.decimal(letter, None)
    if digit is not None:
        return str(digit)
    return "" if letter in _DASHES or unicodedata.category(letter) in _BETWEEN else letter


def _checked(text: str, allowed: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    text = nfc(text)
    for letter in _JOINERS.sub("", text):
        if _is_hidden(letter) and letter not in allowed:
            raise ValueError(f"it must not hold {code_point(letter)}")
    return text


def _parts(text: str) -> list[str]:
    """Each character by itself, but joiners that mean something with what is before them."""
    kept, found = {match.start() for match in _JOINERS.finditer(text)}, list[str]()
    for at, letter in enumerate(text):
        if at in kept:
            found[-1] += letter
        else:
            found.append(letter)
    return found


def _seen(part: str) -> str:
    letter = part[0]
    if letter.isspace() or unicodedata.category(letter) == "Cc":
        return " "
    return "" if _is_hidden(letter) or unicodedata.category(letter) == "Cn" else part


def _or_unseen(found: re.Match[str]) -> str:
    letter = found[0]
    return _UNSEEN if _is_hidden(letter) and not _JOINERS.match(found.string, found.start()) else letter


def _is_hidden(letter: str) -> bool:
    """Whether nobody would see it: noncharacters too, but no letter of a Unicode that is newer than ours."""
    return (
        unicodedata.category(letter) in _HIDDEN
        or letter in _BLANK
        or (ord(letter) & 0xFFFE) == 0xFFFE
        or "\ufdd0" <= letter <= "\ufdef"
    )
