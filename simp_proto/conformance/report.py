"""What came of a run, for whoever wrote the daemon: text as it goes, JUnit's XML, JSON.

All that a peer sent is hostile: it goes through `printable`, and then through what escapes it for its format.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from textwrap import wrap
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree

from simp_proto.address import format_address
from simp_proto.cli.output import WRONG, Row, counted
from simp_proto.conformance.cases import CASES, SLOW, Case, Level
from simp_proto.conformance.run import Result, Verdict
from simp_proto.conformance.tester import NAME
from simp_proto.conformance.trace import Passage
from simp_proto.conformance.wire import Side
from simp_proto.constants import Framing
from simp_proto.datagram import reading_order
from simp_proto.printable import printable
from simp_proto.toolkit.reading import Reading

_COLUMNS: Final = 100
_SECTION: Final = max(len(case.section) for case in (*CASES, *SLOW))
_NAME: Final = max(len(case.name) for case in (*CASES, *SLOW))
_MOST_TEXT: Final = 100
"""Characters of a datagram's text; longer ones are cut."""
_MOST_ALIKE: Final = 3
"""Datagrams that are the same and follow each other; of more, the first one is shown."""
_FIRST_ROWS: Final = 80
_LAST_ROWS: Final = 20
"""Rows of a conversation's beginning and end; what is between them is left out."""


@dataclass(frozen=True, slots=True)
class Head:
    """What heads a report. `start` is in seconds since 1970; `Level.SHOULD` says that both levels were judged.

    `daemon` and `tester` are addresses as people write them. `framing` is the one that the daemon was found to speak,
    `None` if it was none; `forced` is the one that the tester was told to speak, if it was.
    """

    daemon: str
    tester: str
    framing: Framing | None
    forced: Framing | None
    version: str
    start: float
    level: Level


_COLOURS: Final = {
    Verdict.PASSED: "green",
    Verdict.FAILED: WRONG,
    Verdict.NOT_RUN: "yellow",
    Verdict.NOT_APPLICABLE: None,
}


def counts(results: Iterable[Result]) -> dict[Verdict, int]:
    """How many cases have each verdict, zeros included."""
    verdicts = [result.verdict for result in results]
    return {verdict: verdicts.count(verdict) for verdict in Verdict}


# -- text


def opening(head: Head) -> list[Row]:
    """The lines before the first result."""
    return [Row(printable(f"{name:<8}  {value}")) for name, value in facts(head)]


def lines(head: Head, result: Result) -> list[Row]:
    """A result: one line, and for a failure everything that shows what was wrong."""
    case, verdict = result.case, result.verdict
    start = f"{verdict.value:<14}  {columns(case)}  "
    told = start + (result.why or _cut(plain(case.rule), max(_COLUMNS - len(start), 20)))
    details = _failure(head, result) if verdict is Verdict.FAILED else ()
    return [Row(printable(told), _COLOURS[verdict]), *map(Row, details)]


def columns(case: Case) -> str:
    """Its section and name, as wide as those of all cases."""
    return f"{case.section:<{_SECTION}}  {case.name:<{_NAME}}"


def summary(head: Head, results: Sequence[Result], seconds: float) -> list[Row]:
    """The last lines: each failure, and how many cases have each verdict; the run took `seconds`."""
    number = counts(results)
    told = ", ".join(f"{count} {verdict.value}" for verdict, count in number.items())
    worst = next((verdict for verdict in (Verdict.FAILED, Verdict.NOT_RUN) if number[verdict]), Verdict.PASSED)
    return [
        *(
            Row(f"{'failed':<14}  {result.case.section:<{_SECTION}}  {_named(result)}", _COLOURS[Verdict.FAILED])
            for result in results
            if result.verdict is Verdict.FAILED
        ),
        Row(printable(f"{head.daemon}: {counted(len(results), 'case')} in {seconds:.0f} s: {told}"), _COLOURS[worst]),
    ]


def _failure(head: Head, result: Result) -> Iterator[str]:
    """Lines, printable."""
    yield from _paragraph("  rule", f"{plain(result.case.rule)} ({result.case.section}, {result.case.level.value})")
    yield from _paragraph("  expected", result.expected)
    if why := cause(head, result):
        yield from _paragraph("  cause", why)
    if result.seen:
        yield "  seen"
        yield from _table(entries(head, result, result.seen))
    else:
        yield from _paragraph("  seen", "no datagram")
    if result.trace:
        yield "  conversation"
        yield from _table(entries(head, result, result.trace))


def plain(rule: str) -> str:
    """Without the marks of Markdown."""
    return re.sub(r"\*\*|`|\\(?=\|)", "", rule)


def cause(head: Head, result: Result) -> str:
    """Where what came instead can't be read, the rule that it breaks, which may be another than the case's."""
    refused = [reading for each in result.seen if (reading := _read(head, each.data or b"")).error]
    if not refused or len(refused) < len(result.seen):
        return ""
    (reading, *_) = refused
    section = reading.error.section if reading.error else None
    told = f"{section}: " if section else ""
    return f"perhaps {told}nothing that came can be read: {'; '.join(reading.hints) or reading.in_words}"


def _paragraph(name: str, text: str) -> list[str]:
    return wrap(f"{name:<12}{printable(text)}", _COLUMNS, subsequent_indent=" " * 12, break_on_hyphens=False)


def _table(rows: Iterable["Entry"]) -> Iterator[str]:
    for row in rows:
        way = f"{row.sender} > {row.receiver}" if row.receiver else row.sender
        yield f"{row.time:>12}  {way:<17}  {row.what:<36}  {row.note}".rstrip()


def facts(head: Head) -> list[tuple[str, str]]:
    """Its names and values, as a peer may have written them."""
    spoken = head.framing.value if head.framing else "unknown"
    forced = f"; the tester was told to speak {head.forced.value}" if head.forced else ""
    return [
        ("daemon", head.daemon),
        ("tester", head.tester),
        ("framing", spoken + forced),
        ("rules", "MUST" if head.level is Level.MUST else "MUST and SHOULD"),
        ("start", f"{datetime.fromtimestamp(head.start, UTC):%Y-%m-%d %H:%M:%S} UTC"),
        ("judge", f"simp-chat {head.version}"),
    ]


def _named(result: Result) -> str:
    return result.case.name + (" (SHOULD)" if result.case.level is Level.SHOULD else "")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


# -- conversations


class Entry(NamedTuple):
    """A line of a conversation, printable: a datagram, what the person was asked for, or what was left out."""

    time: str = ""
    sender: str = ""
    receiver: str = ""
    what: str = ""
    note: str = ""
    data: bytes = b""


def entries(head: Head, result: Result, passages: Iterable[Passage]) -> list[Entry]:
    """In the order in which they were on the wire, without what only repeats the row before it again and again."""
    start = _start(result)
    shown: list[Passage | Entry] = []
    for _, group in groupby(_in_order(passages), key=lambda each: (each.side, each.source, each.data, each.note)):
        alike = list(group)
        if len(alike) <= _MOST_ALIKE:
            shown += alike
        else:
            until = f"{alike[-1].time - start:.3f}"
            shown += [alike[0], Entry(what=f"and {len(alike) - 1} more of these until {until}")]
    left_out = len(shown) - _FIRST_ROWS - _LAST_ROWS
    if left_out > 0:  # before any is decoded: a flood is long
        shown[_FIRST_ROWS:-_LAST_ROWS] = [Entry(what=f"({counted(left_out, 'row')} left out)")]
    users = {side.value: NAME for side in Side}
    rows = []
    for each in shown:
        if isinstance(each, Entry):
            rows.append(each)
            continue
        rows.append(_row(head, each, each.time - start, users))
        if each.source is not None and each.data is not None:  # what the tester sends may be wrong on purpose
            rows += [Entry(what=f"perhaps: {printable(hint)}") for hint in _read(head, each.data).hints]
    return rows


def _row(head: Head, passage: Passage, seconds: float, users: dict[str, bytes]) -> Entry:
    """`users`: the name that each sender had last; a different one is shown."""
    time = f"{seconds:.3f}"
    if passage.data is None:
        side = "" if passage.side is Side.TESTER or passage.who != "person" else f" ({passage.side.value})"
        return Entry(time, passage.who, "", printable(f"{passage.note}{side}"))
    sender, receiver = passage.side.value, "daemon"
    reading = _read(head, passage.data)
    what, note = reading.in_words, reading.size
    if passage.source is not None:
        sender, receiver = receiver, sender
        source = format_address(passage.source)
        note += f", from {printable(source)}" if source != head.daemon else ""
    if datagram := reading.datagram:
        note = f"{datagram.framing.value}, {note}"
        if datagram.user != users.get(sender):
            users[sender] = datagram.user
            note += f", user '{printable(datagram.user.decode('ascii', 'backslashreplace'))}'"
        if len(what) > _MOST_TEXT:
            note += ", text cut here"
            what = _cut(what, _MOST_TEXT)
    return Entry(time, sender, receiver, what, note, passage.data)


def _read(head: Head, data: bytes) -> Reading:
    return Reading.of(data, reading_order(head.forced or head.framing))


def _start(result: Result) -> float:
    """When the case began, which is by sending something or asking for something."""
    return result.trace[0].time if result.trace else 0.0


def _in_order(passages: Iterable[Passage]) -> list[Passage]:
    """By time: the tester files a datagram when it looks for one, which may be after it has sent others."""
    return sorted(passages, key=lambda passage: passage.time)


# -- JSON


def as_json(head: Head, results: Sequence[Result]) -> dict[str, Any]:
    """The whole run as an object. Times are in seconds since the case began; `start` is in seconds since 1970."""
    return {
        "daemon": head.daemon,
        "tester": head.tester,
        "framing": head.framing.value if head.framing else None,
        "forced": head.forced.value if head.forced else None,
        "version": head.version,
        "start": head.start,
        "level": head.level.value,
        "counts": {key(verdict): count for verdict, count in counts(results).items()},
        "cases": [_case_as_json(head, result) for result in results],
    }


def _case_as_json(head: Head, result: Result) -> dict[str, Any]:
    start = _start(result)
    return {
        "name": result.case.name,
        "section": result.case.section,
        "level": result.case.level.value,
        "rule": result.case.rule,
        "verdict": key(result.verdict),
        "seconds": round(result.seconds, 6),
        "why": result.why,
        "expected": result.expected,
        "seen": [_passage_as_json(head, passage, start) for passage in _in_order(result.seen)],
        "trace": [_passage_as_json(head, passage, start) for passage in _in_order(result.trace)],
    }


def _passage_as_json(head: Head, passage: Passage, start: float) -> dict[str, Any]:
    shown: dict[str, Any] = {"time": round(passage.time - start, 6), "side": passage.side.value}
    if passage.data is None:
        return shown | {passage.who: passage.note}
    shown["direction"] = "sent" if passage.source is None else "received"
    if passage.source is not None:
        shown["source"] = format_address(passage.source)
    shown["hex"] = passage.data.hex()
    return shown | _read(head, passage.data).as_json


def key(verdict: Verdict) -> str:
    """As scripts read it: `not_run`."""
    return verdict.name.lower()


# -- JUnit


def as_junit(head: Head, results: Sequence[Result]) -> str:
    """JUnit's XML, in ASCII, so that it may be written in any encoding. A failure's type is the rule's level."""
    number = counts(results)
    totals = {
        "name": "simp conformance",
        "timestamp": f"{datetime.fromtimestamp(head.start, UTC):%Y-%m-%dT%H:%M:%S}",
        "tests": str(len(results)),
        "failures": str(number[Verdict.FAILED]),
        "errors": "0",
        "skipped": str(number[Verdict.NOT_APPLICABLE] + number[Verdict.NOT_RUN]),
        "time": f"{sum(result.seconds for result in results):.3f}",
    }
    root = ElementTree.Element("testsuites")
    suite = ElementTree.SubElement(root, "testsuite", totals)
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in facts(head):
        ElementTree.SubElement(properties, "property", {"name": name, "value": printable(value)})
    for result in results:
        case = {"classname": result.case.section, "name": result.case.name, "time": f"{result.seconds:.3f}"}
        element = ElementTree.SubElement(suite, "testcase", case)
        if result.verdict is Verdict.FAILED:
            told = {"message": printable(f"expected {result.expected}"), "type": result.case.level.value}
            failure = ElementTree.SubElement(element, "failure", told)
            failure.text = "\n".join(_failure(head, result))
        elif result.verdict is not Verdict.PASSED:
            told = {"message": printable(f"{result.verdict.value}: {result.why}")}
            ElementTree.SubElement(element, "skipped", told)
    ElementTree.indent(root)
    xml: bytes = ElementTree.tostring(root, "us-ascii", xml_declaration=True)
    return xml.decode("ascii") + "\n"
