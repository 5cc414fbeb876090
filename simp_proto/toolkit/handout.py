"""Conversations as a page: what a teacher shows, and a student hands in. Each rung opens to its datagram's bytes."""

from dataclasses import dataclass, field
from html import escape
from importlib.resources import files
from typing import Final

from simp_proto.address import Address, format_address
from simp_proto.cli.document import document, safe
from simp_proto.printable import names_person
from simp_proto.toolkit import dump
from simp_proto.toolkit.frame import Captured, moment
from simp_proto.toolkit.ladder import Repeats, cut, label
from simp_proto.toolkit.opened import Opened
from simp_proto.toolkit.reading import Reading

_MOST: Final = 2_000
"""Datagrams of a page."""
_MOST_SIZE: Final = 8 * 1024 * 1024
"""Characters of them."""
_MOST_BYTES: Final = 512
"""Bytes of a field, and of a datagram in hexadecimal."""
_MOST_TEXT: Final = 2_048
_LABEL: Final = 34
_WIDE_LABEL: Final = 64
"""Cells of a rung's text on a telephone, and elsewhere."""
_SPOKEN: Final = 160
"""Cells of it that are read aloud."""
_MOST_OPEN: Final = 20
"""Refused datagrams that are open from the start."""


@dataclass(slots=True)
class _Conversation:
    """The rungs between two addresses, of which the left one spoke first; without addresses, a list."""

    left: Address | None
    right: Address | None
    repeats: Repeats = field(default_factory=Repeats)
    names: dict[Address, str] = field(default_factory=dict)
    rungs: list[str] = field(default_factory=list)


class Handout:
    """The page as it grows, up to what a browser can bear."""

    def __init__(self, sources: list[str]) -> None:
        self._sources = ", ".join(sources)
        self._conversations: dict[frozenset[Address], _Conversation] = {}
        self._start: float | None = None
        self._size = 0
        self._shown = 0
        self._left_out = 0
        self._refused = 0
        self._again = 0
        self._copies = 0

    def add(self, reading: Reading, captured: Captured | None, where: str) -> None:
        """One more datagram, as it was captured, or from `where` else it is."""
        self._refused += reading.error is not None
        if self._shown == _MOST or self._size > _MOST_SIZE:
            self._left_out += 1
            return
        self._shown += 1
        conversation = self._between(captured)
        seconds = again = None
        if captured:
            if self._start is None:
                self._start = captured.time
            seconds = None if captured.time is None or self._start is None else captured.time - self._start
            again = conversation.repeats.of(seconds, captured.source, reading)
            self._again += again == "again"
            self._copies += again.startswith("seen")
            name = reading.datagram.name if reading.datagram else ""
            if names_person(name):
                conversation.names.setdefault(captured.source, name)
        rung = self._rung(reading, captured, conversation, seconds, again or "", where)
        self._size += len(rung)
        conversation.rungs.append(rung)

    def _between(self, captured: Captured | None) -> _Conversation:
        pair = frozenset((captured.source, captured.destination) if captured else ())
        if pair not in self._conversations:
            ends = (captured.source, captured.destination) if captured else (None, None)
            self._conversations[pair] = _Conversation(*ends)
        return self._conversations[pair]

    def html(self) -> str:
        """All of it."""
        counts = {"refused": self._refused, "sent again": self._again, "seen twice": self._copies}
        told = [f"{count} {what}" for what, count in counts.items() if count]
        facts = {"Datagrams": ", ".join([str(self._shown + self._left_out), *told])}
        if self._start is not None:
            facts["Begins"] = safe(moment(self._start))
        if self._left_out:
            facts["Left out"] = f"{self._left_out}, after the first {self._shown}"
        listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>\n" for name, value in facts.items())
        parts = "\n".join(map(_section, self._conversations.values())) or "<p>There is no datagram in it.</p>"
        body = f"""<header>
<h1>SIMP: <code>{safe(self._sources)}</code></h1>
<dl>
{listed}</dl>
<p class="legend">Each arrow is a datagram. Select one, with a click, or with Tab and Enter, to see its bytes and what
they mean. Times are seconds since the first. What is open is printed, too.</p>
</header>
<main>
{parts}
</main>"""
        style = files("simp_proto.toolkit").joinpath("handout.css").read_text("utf-8")
        return document(f"SIMP: {safe(self._sources)}", body, style)

    def _rung(
        self,
        reading: Reading,
        captured: Captured | None,
        conversation: _Conversation,
        seconds: float | None,
        again: str,
        where: str,
    ) -> str:
        what, note = label(reading)
        if reading.error:
            note = reading.refusal
        note = f"{note}, {again}" if again else note
        time = "" if seconds is None else f"{seconds:.3f}"
        kind = "wrong" if reading.is_wrong else "again" if again else "news"
        goes_left = captured is not None and captured.source != conversation.left
        way = f"{format_address(captured.source)} to {format_address(captured.destination)}" if captured else where
        spoken = ", ".join(filter(None, (f"{time} s" if time else "", way, cut(what, _SPOKEN, "…"), note)))
        is_open = bool(reading.error) and self._refused <= _MOST_OPEN
        return f"""<li class="{kind}"><details{" open" if is_open else ""}><summary>
{_drawn(time, what, note, None if captured is None else goes_left, spoken)}
</summary>
{_card(reading, captured, where)}</details></li>
"""


def _section(conversation: _Conversation) -> str:
    rungs = "".join(conversation.rungs)
    if conversation.left is None or conversation.right is None:
        return f'<section>\n<h2>Without addresses</h2>\n<ol class="ladder">\n{rungs}</ol>\n</section>'
    left, right = (_end(conversation, address) for address in (conversation.left, conversation.right))
    return f"""<section>
<h2 class="ends"><span class="end">{left}</span> <span class="and">and</span> <span class="end">{right}</span></h2>
<ol class="ladder">
{rungs}</ol>
</section>"""


def _end(conversation: _Conversation, address: Address) -> str:
    name = conversation.names.get(address)
    shown = f'<bdi class="name">{safe(name)}</bdi> ' if name else ""
    return f"{shown}<code>{safe(format_address(address))}</code>"


def _drawn(time: str, what: str, note: str, goes_left: bool | None, spoken: str) -> str:
    """The arrow from one rail to the other; both are at a share of the width, whatever that is."""
    head = ""
    if goes_left is not None:
        at, path = ("16%", "M1 0l10 -5v10z") if goes_left else ("98%", "M-1 0l-10 -5v10z")
        head = f'<svg x="{at}" y="25" width="1" height="1" overflow="visible"><path class="head" d="{path}"/></svg>'
    texts = {"wide": cut(what, _WIDE_LABEL, "…"), "narrow": cut(what, _LABEL, "…")}
    shown = "\n".join(
        f'<text class="what {width}" x="57%" y="18" text-anchor="middle">{escape(text)}</text>'
        for width, text in texts.items()
    )
    return f"""<svg class="rung" role="img" width="100%" height="46" aria-label="{escape(spoken)}">
<line class="rail" x1="16%" x2="16%" y1="0" y2="46"/><line class="rail" x1="98%" x2="98%" y1="0" y2="46"/>
<line class="arrow" x1="16%" x2="98%" y1="25" y2="25"/>{head}
<text class="time" x="14.5%" y="29" text-anchor="end">{time}</text>
{shown}
<text class="note" x="57%" y="40" text-anchor="middle">{escape(note)}</text>
</svg>"""


def _card(reading: Reading, captured: Captured | None, where: str) -> str:
    rows = _rows([] if reading.error and not reading.data else dump.fields(reading))
    opened = _opened(reading.opened) if reading.opened else ""
    reasons = [f"<p>{escape(row.text)}</p>\n" for row in dump.reasons(reading)] if reading.error else []
    cut_off = f" (the first {_MOST_BYTES} of {reading.size})" if len(reading.data) > _MOST_BYTES else ""
    from_where = safe(str(captured)) if captured else safe(where)
    table = f"""{_table(rows)}{opened}<p class="soft">In hexadecimal, for simp decode{cut_off}:</p>
<pre>{reading.data[:_MOST_BYTES].hex()}</pre>
"""
    return f"""<div class="card">
<p><b>{escape(reading.title)}</b><br><span class="soft">{from_where}</span></p>
{f'<div class="why">{"".join(reasons)}</div>' if reasons else ""}
{table if rows else ""}</div>
"""


def _opened(opened: Opened) -> str:
    told = f'<div class="why"><p>{escape(opened.in_words)}</p></div>\n' if opened.is_wrong or opened.why else ""
    if not opened.plain:
        return told
    return f"{told}<p><b>{escape(opened.title)}</b></p>\n{_table(_rows(dump.opened_fields(opened)))}"


def _rows(fields: list[dump.Field]) -> list[str]:
    rows = []
    for each in fields:
        octets, more = each.data[:_MOST_BYTES], len(each.data) - _MOST_BYTES
        rest = f' <span class="soft">({more} more)</span>' if more > 0 else ""
        meaning = each.meaning if len(each.meaning) <= _MOST_TEXT else f"{each.meaning[:_MOST_TEXT]}…"
        mark = '<span class="sign" aria-hidden="true">✗</span>' if each.wrong else ""
        rows.append(
            f'<tr{" class=wrong" if each.wrong else ""}><td class="time">{each.offset}</td>'
            f"<td><code>{octets.hex(' ')}</code>{rest}</td>"
            f'<th scope="row">{mark}{escape(each.name)}</th><td><bdi>{escape(meaning)}</bdi></td></tr>\n'
        )
    return rows


def _table(rows: list[str]) -> str:
    return f"""<table class="fields">
<thead><tr><th scope="col" class="time">offset</th><th scope="col">bytes</th><th scope="col">field</th>
<th scope="col">meaning</th></tr></thead>
<tbody>
{"".join(rows)}</tbody>
</table>
"""
