"""What came of a run, for whoever wrote the daemon: text as it goes, a page, JUnit's XML, JSON.

All that a peer sent is hostile: it goes through `printable`, and then through what escapes it for its format.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from itertools import groupby
from textwrap import wrap
from typing import Any, Final, NamedTuple
from xml.etree import ElementTree

from simp_proto.address import format_address
from simp_proto.conformance.cases import Level
from simp_proto.conformance.run import Result, Verdict
from simp_proto.conformance.tester import NAME, Passage, Side
from simp_proto.constants import Framing
from simp_proto.datagram import Datagram, parse_or_refusal, reading_order
from simp_proto.errors import DatagramError
from simp_proto.printable import printable
from simp_proto.toolkit import dump

_COLUMNS: Final = 100
_MOST_TEXT: Final = 100
"""Characters of a datagram's text; longer ones are cut."""
_MOST_BYTES: Final = 256
"""Bytes of a datagram in hexadecimal on the page."""
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


class Line(NamedTuple):
    """A line for a terminal, printable; and the verdict that it tells, if it tells one."""

    text: str
    verdict: Verdict | None = None


def counts(results: Iterable[Result]) -> dict[Verdict, int]:
    """How many there are of each verdict, those of which there are none included."""
    verdicts = [result.verdict for result in results]
    return {verdict: verdicts.count(verdict) for verdict in Verdict}


# -- text


def opening(head: Head) -> list[Line]:
    """The lines before the first result."""
    return [Line(printable(f"{name:<8}  {value}")) for name, value in _facts(head)]


def lines(head: Head, result: Result) -> list[Line]:
    """A result: one line, and after that of a failure all that tells what was wrong."""
    case, verdict = result.case, result.verdict
    start = f"{verdict.value:<14}  {case.section:<4}  {case.name:<27}  "
    told = start + (result.why or _cut(case.rule, max(_COLUMNS - len(start), 20)))
    details = _failure(head, result) if verdict is Verdict.FAILED else ()
    return [Line(printable(told), verdict), *map(Line, details)]


def summary(head: Head, results: Sequence[Result]) -> list[Line]:
    """The last lines: what failed, a line each, and how many there are of each verdict."""
    number = counts(results)
    told = ", ".join(f"{count} {verdict.value}" for verdict, count in number.items())
    seconds = sum(result.seconds for result in results)
    worst = next((verdict for verdict in (Verdict.FAILED, Verdict.NOT_RUN) if number[verdict]), Verdict.PASSED)
    return [
        *(
            Line(f"{'failed':<14}  {result.case.section:<4}  {_named(result)}", Verdict.FAILED)
            for result in results
            if result.verdict is Verdict.FAILED
        ),
        Line(printable(f"{head.daemon}: {_some(len(results), 'case')} in {seconds:.0f} s: {told}"), worst),
    ]


def _failure(head: Head, result: Result) -> Iterator[str]:
    """Lines, printable."""
    yield from _paragraph("  rule", f"{result.case.rule} ({result.case.section}, {result.case.level.value})")
    yield from _paragraph("  expected", result.expected)
    if result.seen:
        yield "  seen"
        yield from _table(_rows(head, result, result.seen))
    else:
        yield from _paragraph("  seen", "nothing")
    if result.trace:
        yield "  conversation"
        yield from _table(_rows(head, result, result.trace))


def _paragraph(name: str, text: str) -> list[str]:
    return wrap(f"{name:<12}{printable(text)}", _COLUMNS, subsequent_indent=" " * 12, break_on_hyphens=False)


def _table(rows: Iterable["_Row"]) -> Iterator[str]:
    for row in rows:
        way = f"{row.sender} > {row.receiver}" if row.receiver else row.sender
        yield f"{row.time:>12}  {way:<17}  {row.what:<36}  {row.note}".rstrip()


def _facts(head: Head) -> list[tuple[str, str]]:
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


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


# -- conversations


class _Row(NamedTuple):
    """A row of a conversation, printable: a datagram, what the person was asked for, or what was left out."""

    time: str = ""
    sender: str = ""
    receiver: str = ""
    what: str = ""
    note: str = ""
    data: bytes = b""


def _rows(head: Head, result: Result, passages: Iterable[Passage]) -> list[_Row]:
    """In the order in which they were on the wire, without what only repeats the row before it again and again."""
    start = _start(result)
    shown: list[Passage | _Row] = []
    for _, group in groupby(_in_order(passages), key=lambda each: (each.side, each.source, each.data, each.note)):
        alike = list(group)
        if len(alike) <= _MOST_ALIKE:
            shown += alike
        else:
            until = f"{alike[-1].time - start:.3f}"
            shown += [alike[0], _Row(what=f"and {len(alike) - 1} more of these until {until}")]
    left_out = len(shown) - _FIRST_ROWS - _LAST_ROWS
    if left_out > 0:  # before any is decoded: a flood is long
        shown[_FIRST_ROWS:-_LAST_ROWS] = [_Row(what=f"({_some(left_out, 'row')} left out: the JSON report has all)")]
    users = {side.value: NAME for side in Side}
    return [each if isinstance(each, _Row) else _row(head, each, each.time - start, users) for each in shown]


def _row(head: Head, passage: Passage, seconds: float, users: dict[str, bytes]) -> _Row:
    """`users`: by which name each sender went last; it is told where it is another one."""
    time = f"{seconds:.3f}"
    if passage.data is None:
        side = "" if passage.side is Side.TESTER else f" ({passage.side.value})"
        return _Row(time, "person", "", printable(f"{passage.note}{side}"))
    sender, receiver = passage.side.value, "daemon"
    read, note = _read(head, passage.data), _some(len(passage.data), "byte")
    if passage.source is not None:
        sender, receiver = receiver, sender
        source = format_address(passage.source)
        note += f", from {printable(source)}" if source != head.daemon else ""
    if isinstance(read, DatagramError):
        return _Row(time, sender, receiver, dump.refusal_as_text(read), note, passage.data)
    told, note = dump.summary(read), f"{read.framing.value}, {note}"
    if read.user != users.get(sender):
        users[sender] = read.user
        note += f", user '{printable(read.user.decode('ascii', 'backslashreplace'))}'"
    if len(told) > _MOST_TEXT:
        note += ", text cut here"
    return _Row(time, sender, receiver, _cut(told, _MOST_TEXT), note, passage.data)


def _read(head: Head, data: bytes) -> Datagram | DatagramError:
    return parse_or_refusal(data, reading_order(head.forced or head.framing))


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
        "counts": {_key(verdict): count for verdict, count in counts(results).items()},
        "cases": [_case_as_json(head, result) for result in results],
    }


def _case_as_json(head: Head, result: Result) -> dict[str, Any]:
    start = _start(result)
    return {
        "name": result.case.name,
        "section": result.case.section,
        "level": result.case.level.value,
        "rule": result.case.rule,
        "verdict": _key(result.verdict),
        "seconds": round(result.seconds, 6),
        "why": result.why,
        "expected": result.expected,
        "seen": [_passage_as_json(head, passage, start) for passage in _in_order(result.seen)],
        "trace": [_passage_as_json(head, passage, start) for passage in _in_order(result.trace)],
    }


def _passage_as_json(head: Head, passage: Passage, start: float) -> dict[str, Any]:
    shown: dict[str, Any] = {"time": round(passage.time - start, 6), "side": passage.side.value}
    if passage.data is None:
        return shown | {"person": passage.note}
    shown["direction"] = "sent" if passage.source is None else "received"
    if passage.source is not None:
        shown["source"] = format_address(passage.source)
    shown["hex"] = passage.data.hex()
    read = _read(head, passage.data)
    return shown | (dump.refusal_as_json(read, passage.data) if isinstance(read, DatagramError) else dump.as_json(read))


def _key(verdict: Verdict) -> str:
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
    for name, value in _facts(head):
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


# -- the page

_SIGNS: Final = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.NOT_APPLICABLE: "—", Verdict.NOT_RUN: "○"}
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
:root { color-scheme: light dark; --page: #fff; --text: #1c2126; --soft: #5a646e; --line: #d8dde3; --panel: #f5f7f9;
  --theirs: #e9f1fb; --passed: #1a6b3c; --failed: #b3261e; }
@media screen and (prefers-color-scheme: dark) {
  :root { --page: #14181c; --text: #e3e7eb; --soft: #9da7b1; --line: #353e47; --panel: #1b2127; --theirs: #1d2b3d;
    --passed: #6fce96; --failed: #ff8f86; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 68rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.25; margin: 0; font-weight: 650; overflow-wrap: anywhere; }
h1 { font-size: 1.75rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3 { display: inline; font-size: 1rem; }
a { color: inherit; text-decoration-color: var(--soft); text-underline-offset: .2em; }
code, pre, .datagrams { font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
code { font-size: .92em; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.25rem; margin: .75rem 0; }
dt, .soft, caption, thead th, .legend { color: var(--soft); }
dd { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.counts { display: flex; flex-wrap: wrap; gap: .75rem; list-style: none; margin: 1.25rem 0; padding: 0; }
.counts li { padding: .4rem 1rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--panel); }
.counts b { font-size: 1.5rem; margin-right: .35rem; }
.legend { font-size: .9rem; max-width: 46rem; }
.sign { display: inline-block; width: 1.1em; font-weight: 700; }
.passed .sign, .counts .passed b { color: var(--passed); }
.failed .sign, .counts .failed b, tr.failed .verdict { color: var(--failed); }
.none .sign, .counts .none b { color: var(--soft); }
table { border-collapse: collapse; width: 100%; margin: .75rem 0; font-size: .9rem; }
caption { text-align: left; padding: .25rem 0; font: .9rem system-ui, sans-serif; }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-top: 1px solid var(--line); }
thead th { border-top: 0; font-weight: 400; }
tbody th { font-weight: 600; }
.verdict { white-space: nowrap; }
.time { text-align: right; font-variant-numeric: tabular-nums; }
.datagrams { table-layout: fixed; font-size: .8rem; }
.datagrams th, .datagrams td { padding: .15rem .5rem; unicode-bidi: isolate; overflow-wrap: anywhere; }
.datagrams .time { width: 11ch; }
.datagrams .way { width: 20ch; }
.datagrams .note { width: 32ch; }
.datagrams td { white-space: pre-wrap; }
.datagrams .theirs { background: var(--theirs); }
.datagrams .aside { color: var(--soft); font-style: italic; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .4rem 0; padding: .35rem 1rem; }
section.failed > details { padding-top: .75rem; border-left: .3rem solid var(--failed); margin: 1rem 0; }
details details { background: var(--panel); }
summary { cursor: pointer; }
summary:focus-visible, a:focus-visible { outline: .15rem solid currentColor; outline-offset: .15rem; }
pre { font-size: .8rem; margin: .5rem 0; white-space: pre-wrap; overflow-wrap: anywhere; }
@media (max-width: 44rem) {
  body { padding: 1rem .75rem; }
  .cases tr > :nth-child(4), .cases tr > :nth-child(6) { display: none; }
  details { padding: .5rem; }
  .datagrams .time { width: 9ch; }
  .datagrams .way { width: 10ch; }
  .datagrams .note { width: 14ch; }
  .datagrams th, .datagrams td { padding: .15rem .25rem; }
}
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  details:not([open]), .others { display: none; }
  tr { break-inside: avoid; }
  summary, h2, caption { break-after: avoid; }
}
"""


def as_html(head: Head, results: Sequence[Result]) -> str:
    """One page that needs nothing else, to send to whoever wrote the daemon; encode it in UTF-8.

    What failed is open, with bytes that `simp decode` reads; the rest is a table, and collapsed conversations.
    """
    number = counts(results)
    failed = [result for result in results if result.verdict is Verdict.FAILED]
    others = [result for result in results if result.verdict is not Verdict.FAILED and result.trace]
    tally = "\n".join(
        f'<li class="{_class(verdict) if count else "none"}">{_sign(verdict)} <b>{count}</b>{verdict.value}</li>'
        for verdict, count in number.items()
    )
    facts = "".join(f"<dt>{name}</dt><dd>{_safe(value)}</dd>\n" for name, value in _facts(head))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{len(failed)} of {_some(len(results), "case")} failed: SIMP/1 conformance of {_safe(head.daemon)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>SIMP/1 conformance of <code>{_safe(head.daemon)}</code></h1>
<ul class="counts">
{tally}
</ul>
<dl>
{facts}</dl>
<p class="legend">The tester played another daemon, at up to three addresses: the <b>tester</b> itself, a
<b>stranger</b>, and one that was <b>unknown</b> to the daemon. The <b>person</b> is the one at the daemon. Times are
seconds since the case began. Each rule stands so in its section of <code>spec/simp.md</code>, the specification of
SIMP/1.</p>
</header>
<main>
{_section("What failed", "failed", [_details(head, result) for result in failed])}
{_cases(results)}
{_section("What didn't fail", "others", [_details(head, result) for result in others])}
</main>
</body>
</html>
"""


def _section(title: str, kind: str, parts: list[str]) -> str:
    return f'<section class="{kind}">\n<h2>{title}</h2>\n{"".join(parts)}</section>' if parts else ""


def _cases(results: Sequence[Result]) -> str:
    """All of them, a row each."""
    rows = []
    for result in results:
        case, kind = result.case, _class(result.verdict)
        name = f'<a href="#{case.name}">{case.name}</a>' if result.trace else case.name
        why = f'<br><span class="soft">{_safe(result.why)}</span>' if result.why else ""
        rows.append(
            f'<tr class="{kind}"><td class="verdict">{_sign(result.verdict)} {result.verdict.value}</td>'
            f'<td>{case.section}</td><th scope="row">{name}</th><td>{case.level.value}</td>'
            f'<td>{_rule(case.rule)}{why}</td><td class="time">{result.seconds:.1f}</td></tr>\n'
        )
    return f"""<section class="all">
<h2>All cases</h2>
<table class="cases">
<thead><tr><th scope="col">verdict</th><th scope="col">section</th><th scope="col">case</th>
<th scope="col">level</th><th scope="col">rule</th><th scope="col" class="time">seconds</th></tr></thead>
<tbody>
{"".join(rows)}</tbody>
</table>
</section>"""


def _details(head: Head, result: Result) -> str:
    """All of one case: open where it failed, and then with the bytes."""
    case, kind = result.case, _class(result.verdict)
    failed = result.verdict is Verdict.FAILED
    told = {"Rule": f'{_rule(case.rule)} <span class="soft">({case.section}, {case.level.value})</span>'}
    seen = trace = octets = ""
    if failed:
        told["Expected"] = _safe(result.expected)
        if result.seen:
            seen = _datagrams("Seen instead", _rows(head, result, result.seen))
        else:
            told["Seen"] = "nothing"
    elif result.why:
        told[result.verdict.value.capitalize()] = _safe(result.why)
    if result.trace:
        rows = _rows(head, result, result.trace)
        trace = _datagrams("The whole conversation", rows)
        octets = _octets(rows) if failed else ""
    facts = "".join(f"<dt>{name}</dt><dd>{text}</dd>\n" for name, text in told.items())
    return f"""<details class="{kind}" id="{case.name}"{" open" if failed else ""}>
<summary>{_sign(result.verdict)} <h3>{case.section} {case.name}</h3>
<span class="soft">{result.verdict.value}</span></summary>
<dl>
{facts}</dl>
{seen}{trace}{octets}</details>
"""


def _datagrams(caption: str, rows: list[_Row]) -> str:
    cells = []
    for row in rows:
        way = f"{row.sender} → {row.receiver}" if row.receiver else row.sender
        kind = "theirs" if row.sender == "daemon" else "ours" if row.receiver else "aside"
        cells.append(
            f'<tr class="{kind}"><td class="time">{row.time}</td><td>{way}</td>'
            f'<td class="what">{escape(row.what)}</td><td>{escape(row.note)}</td></tr>\n'
        )
    return f"""<table class="datagrams">
<caption>{caption}</caption>
<thead><tr><th scope="col" class="time">seconds</th><th scope="col" class="way">way</th><th scope="col">datagram</th>
<th scope="col" class="note">framing, size</th></tr></thead>
<tbody>
{"".join(cells)}</tbody>
</table>
"""


def _octets(rows: list[_Row]) -> str:
    shown = []
    for row in rows:
        if row.receiver:
            cut = f" (cut: the first {_MOST_BYTES} of {len(row.data)} bytes)" if len(row.data) > _MOST_BYTES else ""
            shown.append(f"{row.time} {row.sender} → {row.receiver}: {row.data[:_MOST_BYTES].hex()}{cut}\n")
    listed = "".join(shown)
    return f"<details><summary>The same in hexadecimal, for simp decode</summary>\n<pre>{listed}</pre></details>\n"


def _rule(text: str) -> str:
    """A rule as the specification shows it: bold and code."""
    bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", _safe(text))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", bold)


def _sign(verdict: Verdict) -> str:
    return f'<span class="sign" aria-hidden="true">{_SIGNS[verdict]}</span>'


def _class(verdict: Verdict) -> str:
    return _key(verdict).replace("_", "-")


def _safe(text: str) -> str:
    return escape(printable(text))
