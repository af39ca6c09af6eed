"""Normalization of text that people type, machines send and code compares (Unicode NFC, UAX 15)."""

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

_JOINED = r"\u0590-\u109f\u1780-\u18af\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"
_JOINERS = re.compile(f"(?<=[{_JOINED}])[\u200c\u200d](?=[{_JOINED}])")
"""The two joiners where they are meaningful: in Persian and Indic words and within an emoji."""
# letters by their category, but invisible
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f")
_MAX_MARKS = 30
_MAX_COMPARED = 50
_NOT_PLAIN = re.compile(r"[^\n\t\x20-\x7e]")
_REPLACEMENT = "\ufffd"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_SEPARATORS = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp", "Pd"})
# minus, bullet, the long vowel mark of a Japanese keyboard: not dashes by their category
_DASHES = frozenset("\u2212\u2043\u30fc\uff70\u02d7")


def nfc(text: str) -> str:
    """Return the composed form, in which equal letters have equal code points."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    return unicodedata.normalize("NFC", _few_marks(text))


def nfkc(text: str) -> str:
    """Return the composed form in which letters that only look different, like full width, are ordinary."""
    return text if text.isascii() else unicodedata.normalize("NFKC", _few_marks(text))


def _few_marks(text: str) -> str:
    """Return the text with at most thirty combining marks in a row (UAX 15 section 13).

    The cost of sorting them grows with their square.
    """
    found, marks = list[str](), 0
    for letter in text:
        marks = marks + 1 if unicodedata.combining(letter) else 0
        if marks <= _MAX_MARKS:
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


def normalize_line(text: str) -> str:
    """Return a name, title or label in composed form; raise ValueError.

    Invisible characters and surrounding white space are errors. One trailing line break, which files and YAML
    blocks have, is removed.
    """
    text = _checked_text(text.removesuffix("\n"), allowed="")
    for edge in (text[:1], text[-1:]):
        if edge.isspace():
            raise ValueError(f"it must not begin or end with {code_point(edge)}")
    return text


def normalize_lines(text: str) -> str:
    """Return a longer text in composed form, with LF for each line break; raise ValueError.

    Line breaks and tabs are allowed, other invisible characters are errors.
    """
    return _checked_text(text.replace("\r\n", "\n"), allowed="\n\t")


def map_text(value: Any, read: Callable[[str], str], key: Callable[[str], str] | None = None) -> Any:
    """Return JSON with ``read`` applied to each text in it.

    The keys of mappings are converted by ``key``, or also by ``read`` without one.
    """
    if isinstance(value, str):
        return read(value)
    if isinstance(value, dict):
        return {map_text(name, key or read): map_text(each, read, key) for name, each in value.items()}
    return type(value)(map_text(each, read, key) for each in value) if type(value) in (list, tuple) else value


def json_items(value: Any) -> Iterable[tuple[Any, Any]]:
    """Return each value in a mapping or a list, with its key or position; nothing for other JSON."""
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def printable(text: str) -> str:
    """Return what is safe to write to a terminal.

    Invisible characters, and those that move a cursor, become U+FFFD. Line breaks and tabs stay.
    """
    return _NOT_PLAIN.sub(_replace_hidden, text)


def printable_line(text: str) -> str:
    """Return a name or message that is safe within a line of terminal output.

    Its line breaks become U+FFFD too, so that it cannot forge another line.
    """
    return printable(text).replace("\n", _REPLACEMENT)


def did_you_mean(name: str, names: Iterable[str], otherwise: str = "") -> str:
    """Return a suggestion of the most similar name in any case, as a sentence to append.

    Returns ``otherwise`` where none is similar.
    """
    folded = {each.casefold(): each for each in names if each}
    # the comparison takes more than linear time
    near = difflib.get_close_matches(name[:_MAX_COMPARED].casefold(), folded, n=1)
    return f" Did you mean {printable_line(folded[near[0]])}?" if near else otherwise


def clean_line(text: str, longest: int) -> str:
    """Return untrusted text on one line, cut to ``longest`` characters.

    Invisible characters are dropped, and white space becomes single spaces.
    """
    if not (text.isascii() and text.isprintable()):
        text = "".join(_visible_part(each) for each in _parts(nfc(text[: longest * 8])))
    return " ".join(text.split())[:longest].rstrip()


def clean_lines(text: str, longest: int) -> str:
    """Return untrusted text like :func:`clean_line`, but with its line breaks and tabs."""
    split = text[: longest * 8].replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join("\t".join(clean_line(part, longest) for part in each.split("\t")) for each in split)[
        :longest
    ].strip()


def fold(name: str) -> str:
    """Return the canonical spelling of a name that people type.

    It is in NFKC, without case, format characters and surrounding white space.
    """
    if name.isascii():
        return name.lower().strip()
    plain = "".join(letter for letter in nfkc(name) if unicodedata.category(letter) != "Cf")
    return nfkc(plain.casefold()).strip()


def caseless(text: str) -> str:
    """Return the form in which text is searched: composed, case-folded, dotless and dotted i as i."""
    return "".join(map(_caseless, nfc(text)))


def _caseless(letter: str) -> str:
    return "i" if letter in "\u0130\u0131" else letter.casefold()


def caseless_pattern(text: str) -> str:
    """Return a regular expression for composed text whose caseless form contains that of ``text``.

    Python and PostgreSQL interpret it alike and without a locale: each letter is listed in all its forms. A
    letter that folds to several, like a sharp s, is also found by a part of them at both ends.
    """
    folded = caseless(text)
    spanned = {
        at
        for form in _long_forms()
        for begin in _positions(folded, form)
        for at in range(begin + 1, begin + len(form))
    }
    runs, begin = list[str](), 0
    for end in range(1, len(folded) + 1):
        if end == len(folded) or end not in spanned or end - begin == _LONGEST_RUN:
            runs.append(folded[begin:end])
            begin = end
    last = len(runs) - 1
    return "".join(
        f"(?:{'|'.join(_spellings(run, first=at == 0, last=at == last))})" for at, run in enumerate(runs)
    )


_LONGEST_RUN = 6  # letters; all spellings of a run are listed, so its length must be limited


def _positions(text: str, part: str) -> list[int]:
    return [at for at in range(len(text)) if text.startswith(part, at)]


def _spellings(run: str, *, first: bool, last: bool) -> list[str]:
    """Return all patterns for these caseless letters.

    Each letter can stand for itself, several can be one letter, and at the ends of the text some can be a
    part of one.
    """
    if not run:
        return [""]
    found = [_letter_pattern(run[0]) + rest for rest in _spellings(run[1:], first=False, last=last)]
    for form in _long_forms():
        heads = [len(form), *(range(1, len(form)) if first else ())]
        for taken in heads:
            if run.startswith(form[-taken:]):
                found += [
                    _letter_pattern(form) + rest for rest in _spellings(run[taken:], first=False, last=last)
                ]
        if last and len(form) > len(run) and form.startswith(run):
            found.append(_letter_pattern(form))
    return list(dict.fromkeys(found))


def _letter_pattern(form: str) -> str:
    """Return a pattern of the letters that fold to this form; punctuation matches itself."""
    letters = (form if len(form) == 1 else "") + _forms().get(form, "")
    if len(letters) > 1:
        return f"[{letters}]"
    return letters if letters.isalnum() or ord(letters) > 0x7F else f"\\{letters}"


@lru_cache(maxsize=1)
def _forms() -> dict[str, str]:
    """Return the other letters with the same caseless form, by form.

    Letters with case end far below the last plane of Unicode.
    """
    found: dict[str, str] = {}
    for letter in map(chr, range(0x20000)):
        if (form := _caseless(letter)) != letter and unicodedata.is_normalized("NFC", letter):
            found[form] = found.get(form, "") + letter
    return found


@lru_cache(maxsize=1)
def _long_forms() -> tuple[str, ...]:
    return tuple(form for form in _forms() if len(form) > 1)


def fold_code(typed: str) -> str:
    """Return a typed code in capitals.

    Decimal digits of any script become ASCII. Dashes, spaces and format characters are removed.
    """
    return "".join(_code_letter(letter) for letter in nfkc(typed)).upper()


def _code_letter(letter: str) -> str:
    digit = unicodedata.decimal(letter, None)
    if digit is not None:
        return str(digit)
    return "" if letter in _DASHES or unicodedata.category(letter) in _SEPARATORS else letter


def _checked_text(text: str, allowed: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    text = nfc(text)
    for letter in _JOINERS.sub("", text):
        if _is_hidden(letter) and letter not in allowed:
            raise ValueError(f"it must not hold {code_point(letter)}")
    return text


def _parts(text: str) -> list[str]:
    """Return the single characters, but meaningful joiners together with the character before them."""
    joiners, found = {match.start() for match in _JOINERS.finditer(text)}, list[str]()
    for at, letter in enumerate(text):
        if at in joiners:
            found[-1] += letter
        else:
            found.append(letter)
    return found


def _visible_part(part: str) -> str:
    letter = part[0]
    if letter.isspace() or unicodedata.category(letter) == "Cc":
        return " "
    return "" if _is_hidden(letter) or unicodedata.category(letter) == "Cn" else part


def _replace_hidden(found: re.Match[str]) -> str:
    letter = found[0]
    return _REPLACEMENT if _is_hidden(letter) and not _JOINERS.match(found.string, found.start()) else letter


def _is_hidden(letter: str) -> bool:
    """Return whether the character is invisible.

    Noncharacters are, but not the letters of a newer Unicode version than Python's.
    """
    return (
        unicodedata.category(letter) in _HIDDEN
        or letter in _BLANK
        or (ord(letter) & 0xFFFE) == 0xFFFE
        or "\ufdd0" <= letter <= "\ufdef"
    )
