"""What came of a run as a page, for whoever wrote the daemon."""

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from simp_proto.cli.document import document, safe
from simp_proto.cli.output import counted
from simp_proto.conformance.report import Entry, Head, cause, counts, entries, facts, key
from simp_proto.conformance.run import Result, Verdict

_MOST_BYTES: Final = 256
"""Bytes of a datagram in hexadecimal."""
_SIGNS: Final = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.NOT_APPLICABLE: "—", Verdict.NOT_RUN: "○"}


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
    told = "".join(f"<dt>{name}</dt><dd>{safe(value)}</dd>\n" for name, value in facts(head))
    title = f"{len(failed)} of {counted(len(results), 'case')} failed: SIMP/1 conformance of {safe(head.daemon)}"
    return document(
        title,
        f"""<header>
<h1>SIMP/1 conformance of <code>{safe(head.daemon)}</code></h1>
<ul class="counts">
{tally}
</ul>
<dl>
{told}</dl>
<p class="legend">The tester played another daemon, at up to four addresses: the <b>tester</b> itself, a
<b>stranger</b>, the tester's <b>double</b> at another port, and one that was <b>unknown</b> to the daemon. The
<b>person</b> is the one at the daemon. Times are seconds since the case began. Each rule is quoted from its section of
<code>spec/simp.md</code>, the specification of SIMP/1.</p>
</header>
<main>
{_section("What failed", "failed", [_details(head, result) for result in failed])}
{_cases(results)}
{_section("What didn't fail", "others", [_details(head, result) for result in others])}
</main>""",
    )


def _section(title: str, kind: str, parts: list[str]) -> str:
    return f'<section class="{kind}">\n<h2>{title}</h2>\n{"".join(parts)}</section>' if parts else ""


def _cases(results: Sequence[Result]) -> str:
    """All of them, one a row."""
    rows = []
    for result in results:
        case, kind = result.case, _class(result.verdict)
        name = f'<a href="#{case.name}">{case.name}</a>' if result.trace else case.name
        why = f'<br><span class="soft">{safe(result.why)}</span>' if result.why else ""
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
    facts = {"Rule": f'{_rule(case.rule)} <span class="soft">({case.section}, {case.level.value})</span>'}
    seen = trace = octets = ""
    if failed:
        facts["Expected"] = safe(result.expected)
        if why := cause(head, result):
            facts["Cause"] = safe(why)
        if result.seen:
            seen = _datagrams("Seen instead", entries(head, result, result.seen))
        else:
            facts["Seen"] = "no datagram"
    elif result.why:
        facts[result.verdict.value.capitalize()] = safe(result.why)
    if result.trace:
        rows = entries(head, result, result.trace)
        trace = _datagrams("The whole conversation", rows)
        octets = _octets(rows) if failed else ""
    listed = "".join(f"<dt>{name}</dt><dd>{text}</dd>\n" for name, text in facts.items())
    return f"""<details class="{kind}" id="{case.name}"{" open" if failed else ""}>
<summary>{_sign(result.verdict)} <h3>{case.section} {case.name}</h3>
<span class="soft">{result.verdict.value}</span></summary>
<dl>
{listed}</dl>
{seen}{trace}{octets}</details>
"""


def _datagrams(caption: str, rows: list[Entry]) -> str:
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


def _octets(rows: list[Entry]) -> str:
    shown = []
    for row in rows:
        if row.receiver:
            cut = f" (cut: the first {_MOST_BYTES} of {len(row.data)} bytes)" if len(row.data) > _MOST_BYTES else ""
            shown.append(f"{row.time} {row.sender} → {row.receiver}: {row.data[:_MOST_BYTES].hex()}{cut}\n")
    listed = "".join(shown)
    return f"<details><summary>The same in hexadecimal, for simp decode</summary>\n<pre>{listed}</pre></details>\n"


def _rule(text: str) -> str:
    """A rule as the specification shows it: bold and code."""
    bold = re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", safe(text.replace(r"\|", "|")))
    return re.sub(r"`(.+?)`", r"<code>\1</code>", bold)


def _sign(verdict: Verdict) -> str:
    return f'<span class="sign" aria-hidden="true">{_SIGNS[verdict]}</span>'


def _class(verdict: Verdict) -> str:
    return key(verdict).replace("_", "-")
