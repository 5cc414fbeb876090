"""How what the person reads is written. Pure.

A text is a tuple of (style, words) pairs; the terminal colours them, a pipe joins them. Whatever a peer or a
daemon wrote goes through `printable` here and nowhere else, so that it can't disturb a terminal (client 3.4). And it
never looks like a line of ours: those begin with `*`, `!` or a name at the left edge, where nobody's words ever stand.
"""

import re
from typing import Final

from wcwidth import iter_graphemes, iter_graphemes_reverse, wcwidth

from simp_client.events import Other
from simp_proto.printable import printable, printable_name

Text = tuple[tuple[str, str], ...]
"""Words with the name of their style: `name`, `notice`, `error` or none.

Without its last newline; any other is followed by `MORE`.
"""

MORE: Final = "  │ "
"""Before each line of a message except the first."""

SHORT: Final = 60
"""Characters of a message that are enough to recognise it."""
OFF: Final = "This daemon runs with --discovery off: it looks for nobody, and nobody sees you here."
ON_AGAIN: Final = "To see who is here, start it without that option, and without SIMP_DISCOVERY=off."
_TAB: Final = 4
_RAW: Final = re.compile("[\udc80-\udcff]")
"""Bytes that are no UTF-8, as Python reads them."""

_BLANKS: Final = re.compile(r"^\s{33,}|(?<=\S)\s{9,}")
"""Runs that are too long: 32 columns indent what is pasted, 8 keep words apart."""


def notice(words: str) -> Text:
    """Something that has happened; the words may be anybody's."""
    return (("notice", f"* {_line(words)}"),)


def error(words: str) -> Text:
    """Something that went wrong; the words may be anybody's."""
    return (("error", f"! {_line(words)}"),)


def said(name: str, text: str, own: str = "") -> Text:
    """A message of that name, which `own` is ours."""
    return (("name", f"{named(name, own)}:"), ("", f" {_lines(text)}"))


def typed(label: str, text: str) -> Text:
    """What our person typed, as it stood there."""
    return (("label", printable(label)), ("", _lines(text)))


def _lines(text: str) -> str:
    return f"\n{MORE}".join(map(_line, text.expandtabs(_TAB).split("\n")))


def _line(words: str) -> str:
    """A line of anybody's words, in which no run of blanks moves what follows to where a line of ours would begin."""
    return _BLANKS.sub(lambda match: f" [{len(match[0])} blanks] ", printable(words))


def plain(text: Text) -> str:
    return "".join(words for _, words in text)


def short(text: str) -> str:
    """The text, or its beginning where it is long, in quotes. Bytes that are no text show as their codes."""
    line, newline, _ = text.strip("\n").partition("\n")
    line = _RAW.sub(lambda byte: f"\\x{ord(byte[0]) & 0xFF:02x}", line)
    return f"'{line}'" if len(line) <= SHORT and not newline else f"'{line[:SHORT]}…'"


# -- people

MARKS: Final = {
    "clear": "in the clear", "encrypted": "encrypted", "verified": "verified", "claimed": "not proved",
    "clear-claimed": "in the clear",
}  # fmt: skip
"""How a chat is secured, in words that are ours alone (client 4.3)."""
LOGGED: Final = "logged"
_PLAIN_NAME: Final = re.compile(r"(?![0-9.]+$)[A-Za-z0-9_][A-Za-z0-9_ .'-]*")
_LOOKS: Final = (
    ("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("|", "l"), ("!", "l"), ("5", "s"),
    ("$", "s"), ("2", "z"), ("8", "b"), ("@", "a"), ("4", "a"), ("3", "e"), ("6", "b"), ("9", "g"), ("7", "t"),
)  # fmt: skip


def named(name: str, own: str = "") -> str:
    """A peer's name: in quotes where it could be taken for more than a name, and marked where it looks like ours."""
    shown = printable_name(name)
    marks = any(look(mark) in look(name) for mark in (*MARKS.values(), LOGGED))
    if marks or not _PLAIN_NAME.fullmatch(shown) or _line(shown) != shown:
        shown = f'"{_line(shown).replace(chr(34), chr(39))}"'
    return f"{shown} (not you)" if own and look(name) == look(own) else shown


def look(name: str) -> str:
    """What all names that look alike have in common."""
    look = name.casefold()
    for part, like in _LOOKS:
        look = look.replace(part, like)
    return re.sub("[^a-z]", "", look) or name


def title(other: Other, own: str = "") -> str:
    """Who that is: `bob (127.0.0.2:7777)`, as far as known."""
    if other.name and other.address and other.name != other.address:
        return f"{named(other.name, own)} ({printable(other.address)})"
    return short_title(other, own)


def short_title(other: Other, own: str = "") -> str:
    """The name, where it is known, or else the address."""
    return named(other.name, own) if other.name and other.name != other.address else printable(other.address)


def doctor(other: Other) -> str:
    """Which command finds out why they don't answer; no name of a peer's in it does anything in a shell."""
    return f"`simp doctor {other.name if is_word(other.name) else printable(other.address)}` finds out why"


def is_word(name: str) -> bool:
    """Whether no shell takes that name for anything else."""
    return re.fullmatch(r"(?=.*[A-Za-z])[A-Za-z0-9_][A-Za-z0-9_.-]*", name) is not None


def duration(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h"


def lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count} messages"


# -- what the person's device can show

_ASCII: Final = {"…": "...", "·": "-", "✓ ": "", "✓": "ok", "│": "|"}
_INDENTATION: Final = 4
_FURTHEST: Final = 120
"""Characters from its beginning in which a line shows whose it is."""
_LIKE_OURS: Final = re.compile(r"\s*(?:[*!?]|[^:\n]{1,48}:\s|(?:Accept|Call|Your)\b|[^\n]*wants to chat)")


def width(text: str) -> int:
    """Columns that the text takes at a terminal."""
    return sum(max(wcwidth(character), 0) for character in text)


def cut(text: str, columns: int) -> str:
    """As much of the text as fits into so many columns, with an ellipsis where that isn't all."""
    if width(text) <= columns:
        return text
    while width(text) >= columns:
        text = text[: -last_character(text)]
    return f"{text}…"


def first_character(text: str) -> int:
    """Code points of what a person takes for the first character."""
    return len(next(iter_graphemes(text), ""))


def last_character(text: str) -> int:
    """Code points of what a person takes for the last character."""
    return len(next(iter_graphemes_reverse(text), ""))


def indent(text: Text, columns: int) -> Text:
    """The text with blanks wherever a terminal of so many columns wraps it just before what looks like a line of ours.

    The terminal still wraps it: what is copied from there has no newlines of ours in it, and links stay whole. What
    nobody said is broken at its blanks.
    """
    if text[0][0] in ("notice", "error"):
        text = tuple((style, _wrap(words, columns)) for style, words in text)
    whole, indentation = plain(text), " " * min(_INDENTATION, columns // 8)
    at, index, pairs, wide = 0, 0, [], False
    for style, words in text:
        shown = []
        for character in words:
            cells = max(wcwidth(character), 0)
            wide |= cells > 1
            fits = at + cells <= columns
            # Not all terminals agree on where a wide character wraps.
            begins = not fits or (wide and at < 3 < index)
            if character == "\n":
                at, wide = 0, False
            elif begins and _LIKE_OURS.match(whole, index, index + _FURTHEST):
                shown.append(indentation)
                at += len(indentation) + cells - (0 if fits else columns)
            else:
                at = at + cells if fits else cells
            shown.append(character)
            index += 1
        pairs.append((style, "".join(shown)))
    return tuple(pairs)


def _wrap(words: str, columns: int) -> str:
    first, *others = words.split(" ")
    rows = [first]
    for word in others:
        row = f"{rows[-1]} {word}"
        if width(row) <= columns:
            rows[-1] = row
        else:
            rows.append(f"  {word}")
    return "\n".join(rows)


def fit(text: str, encoding: str) -> str:
    """The text in characters that the encoding has: ours replaced by similar ones, others by their code."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        for ours, like in _ASCII.items():
            text = text.replace(ours, like)
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text
