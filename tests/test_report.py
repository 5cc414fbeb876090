"""The reports of a conformance run: all that an author needs is in them, and nothing that a peer sent acts in them."""

import json
import re
import struct
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from unicodedata import category
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simp_proto.cli.output import Row
from simp_proto.conformance import report
from simp_proto.conformance.cases import CASES, SLOW, Case, Level
from simp_proto.conformance.page import as_html
from simp_proto.conformance.run import Result, Verdict
from simp_proto.conformance.sealed_cases import SEALED
from simp_proto.conformance.trace import Passage
from simp_proto.conformance.wire import Side
from simp_proto.constants import Framing
from tests.faults import FAULTS
from tests.test_conformance import results_of

HEAD = report.Head("192.0.2.1:7777", "192.0.2.2:7777", Framing.HEADER, None, "0.1.0", 1_800_000_000.5, Level.SHOULD)
DAEMON = ("192.0.2.1", 7777)
CASE = Case("busy", "4.6", "One **rule** MUST be `kept`.", Level.MUST, frozenset(), lambda tester: None)
COLUMNS = f"{'4.6':10}  {'busy':41}  "
NAMES = [
    None, "busy", "user-received", "malformed-when-idle", "size-received", "rate", "utf-8",
    pytest.param("survival", marks=pytest.mark.slow),
]  # fmt: skip
"""Of faults: none at all, and some whose failures look different."""
HOSTILE = [
    b"</pre></td></details><script>alert(1)</script>",
    b"\x1b[2J\x1b]0;owned\x07\r\n\0",
    b'" onmouseover="alert(1)" x="',
    b"]]> --> <!-- <![CDATA[ &amp; &#0; &#x1b;",
    "\u202e\ufffe\uffff\ufeff\u2028\u0085".encode(),
    b"\xed\xa0\x80 is a surrogate",
]


def bare(operation: int, sequence: int, payload: bytes = b"", user: bytes = b"tester", kind: int = 1) -> bytes:
    return struct.pack(">BBB32sI", kind, operation, sequence, user, len(payload)) + payload


def sent(time: float, data: bytes | None, side: Side = Side.TESTER, note: str = "") -> Passage:
    return Passage(time, side, data, note=note)


def received(time: float, data: bytes, side: Side = Side.TESTER, source: tuple[str, int] = DAEMON) -> Passage:
    return Passage(time, side, data, source)


def failure(*trace: Passage, expected: str = "ERR 0, then FIN 0") -> Result:
    seen = tuple(passage for passage in trace if passage.source)
    return Result(CASE, Verdict.FAILED, 1.25, trace, "", expected, seen)


@cache
def suite(name: str | None) -> list[Result]:
    """Of a daemon that is right, all; of a fault, its case among some that pass."""
    rules = next((fault.rules for fault in FAULTS if fault.case == name), ())
    return results_of(*rules, cases=[case for case in CASES if name in (None, case.name) or case in CASES[::10]])


def text_of(lines: Sequence[Row]) -> list[str]:
    return [line.text for line in lines]


class Page(HTMLParser):
    """Reads a page; each element that can have content must be closed, in its place."""

    VOID = ("meta", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag in ("td", "dd", "dt", "h1", "h3", "p", "li"):
            self.text += "\n"

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(data)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.tags if each == tag]


@cache
def page_of(name: str | None) -> Page:
    return Page(as_html(HEAD, suite(name)))


# -- text


def test_a_failure_as_text() -> None:
    result = failure(
        sent(10.0, bare(2, 0, b"SIMP/1 header utf-8")),
        sent(10.0004, None, note="is asked to accept the call"),
        sent(10.5, None, Side.UNKNOWN, "is asked to call the tester"),
        received(10.75, bare(1, 0, b"not\x1bnow", b"bob"), Side.STRANGER),
        received(10.8, bare(8, 0, b"", b"bob"), Side.STRANGER, ("192.0.2.1", 40_000)),
        received(11.0, b"\x03" + bytes(38)),
        sent(11.0, bare(4, 1, b"", b"else")),
    )
    assert text_of(report.lines(HEAD, result)) == [
        f"failed          {COLUMNS}One rule MUST be kept.",
        "  rule      One rule MUST be kept. (4.6, MUST)",
        "  expected  ERR 0, then FIN 0",
        "  seen",
        r"       0.750  daemon > stranger  ERR 0 'not\x1bnow'                    bare, 46 bytes, user 'bob'",
        "       0.800  daemon > stranger  FIN 0                                 bare, 39 bytes, from 192.0.2.1:40000",
        "       1.000  daemon > tester    "
        "refused (spec 2.1): type at offset 0: read 0x03, expected 0x01 (control), 0x02 (chat)  39 bytes",
        "  conversation",
        "       0.000  tester > daemon    SYN 0 'SIMP/1 header utf-8'           bare, 58 bytes",
        "       0.000  person             is asked to accept the call",
        "       0.500  person             is asked to call the tester (unknown)",
        r"       0.750  daemon > stranger  ERR 0 'not\x1bnow'                    bare, 46 bytes, user 'bob'",
        "       0.800  daemon > stranger  FIN 0                                 bare, 39 bytes, from 192.0.2.1:40000",
        "       1.000  daemon > tester    "
        "refused (spec 2.1): type at offset 0: read 0x03, expected 0x01 (control), 0x02 (chat)  39 bytes",
        "       1.000  tester > daemon    ACK 1                                 bare, 39 bytes, user 'else'",
    ]


def test_every_case_fits_its_columns() -> None:
    assert len({len(report.columns(case)) for case in (*CASES, *SLOW, *SEALED)}) == 1


def test_where_nothing_came() -> None:
    lines = text_of(report.lines(HEAD, failure(sent(3.0, bare(8, 0)))))
    assert lines[3:5] == ["  seen      no datagram", "  conversation"]
    assert "Seennodatagram" in "".join(Page(as_html(HEAD, [failure(sent(3.0, bare(8, 0)))])).text.split())


def test_a_line_for_what_did_not_fail() -> None:
    passed = Result(replace(CASE, rule="word " * 40), Verdict.PASSED, 0.0, (sent(0, bare(8, 0)),))
    (line,) = report.lines(HEAD, passed)
    assert line.text == f"passed          {COLUMNS}{('word ' * 40)[:26]}..."
    assert line.colour == "green"
    (line,) = report.lines(HEAD, replace(passed, verdict=Verdict.NOT_RUN, why="nobody can accept: " + "say who " * 20))
    assert line.text == f"not run         {COLUMNS}nobody can accept: {'say who ' * 20}"
    (line,) = report.lines(HEAD, replace(passed, verdict=Verdict.NOT_APPLICABLE, why="it speaks bare"))
    assert line == (f"not applicable  {COLUMNS}it speaks bare", None)


def test_what_is_long_is_wrapped() -> None:
    lines = text_of(report.lines(HEAD, replace(failure(expected="x y " * 60), case=replace(CASE, rule="word " * 60))))
    details = lines[1:]
    assert max(map(len, details)) <= 100
    assert (
        " ".join(" ".join(details).split()) == f"rule {'word ' * 60}(4.6, MUST) expected {'x y ' * 60}seen no datagram"
    )


def test_the_last_lines() -> None:
    failed = failure(sent(0, b""))
    should = replace(failed, case=replace(CASE, name="polite", level=Level.SHOULD))
    passed = replace(failed, verdict=Verdict.PASSED)
    assert report.summary(HEAD, [failed, passed, should, passed], 34.4) == [
        ("failed          4.6         busy", "red"),
        ("failed          4.6         polite (SHOULD)", "red"),
        ("192.0.2.1:7777: 4 cases in 34 s: 2 passed, 2 failed, 0 not applicable, 0 not run", "red"),
    ]
    assert report.summary(HEAD, [passed], 1.25) == [
        ("192.0.2.1:7777: 1 case in 1 s: 1 passed, 0 failed, 0 not applicable, 0 not run", "green")
    ]
    (line,) = report.summary(HEAD, [passed, replace(passed, verdict=Verdict.NOT_RUN)], 0.0)
    assert line.colour == "yellow"


def test_the_first_lines() -> None:
    assert text_of(report.opening(HEAD)) == [
        "daemon    192.0.2.1:7777",
        "tester    192.0.2.2:7777",
        "framing   header",
        "rules     MUST and SHOULD",
        "start     2027-01-15 08:00:00 UTC",
        "judge     simp-chat 0.1.0",
    ]
    head = replace(HEAD, framing=None, forced=Framing.TRAILER, level=Level.MUST)
    assert text_of(report.opening(head))[2:4] == [
        "framing   unknown; the tester was told to speak trailer",
        "rules     MUST",
    ]


# -- conversations


def conversation(*trace: Passage) -> list[str]:
    lines = text_of(report.lines(HEAD, failure(*trace)))
    return lines[lines.index("  conversation") + 1 :]


def test_in_the_order_of_the_wire() -> None:
    one, two, three = (bare(1, 1, text, kind=2) for text in (b"one", b"two", b"three"))
    rows = conversation(sent(5, one), sent(7, three), received(6, two))
    assert re.findall(r"'(one|two|three)'", "\n".join(rows)) == ["one", "two", "three"]
    assert [row.split()[0] for row in rows] == ["0.000", "1.000", "2.000"]


@pytest.mark.parametrize(("count", "rows"), [(3, 3), (4, 2), (300, 2)])
def test_what_only_repeats_is_told_by_its_number(count: int, rows: int) -> None:
    fin = bare(8, 1)
    told = conversation(*(sent(100 + time, fin) for time in range(count)), received(1000.0, fin))
    assert len(told) == rows + 1
    if rows == 2:
        assert told[1].split() == f"and {count - 1} more of these until {count - 1:.3f}".split()


@pytest.mark.slow
def test_a_flood_does_not_flood_the_report() -> None:
    flood = failure(*(received(number, bare(1, 1, b"%d" % number, kind=2)) for number in range(10_000)))
    told = conversation(*flood.trace)
    assert len(told) == 101
    assert "9900 rows left out" in told[80]
    assert "'79'" in told[79]
    assert "'9980'" in told[81]
    assert len(as_html(HEAD, [flood])) < 100_000
    assert len(report.as_json(HEAD, [flood])["cases"][0]["trace"]) == 10_000


def test_a_long_datagram_is_cut_but_for_json() -> None:
    data = bare(1, 1, b"x" * 60_000, kind=2)
    result = failure(sent(0, data), received(1, b"\xff" * 60_000))
    for told in ("\n".join(conversation(*result.trace)), as_html(HEAD, [result])):
        assert len(told) < 10_000
        assert "bare, 60039 bytes, text cut here" in told
    assert as_html(HEAD, [result]).count("(cut: the first 256 of 600") == 2
    assert [each["hex"] for each in report.as_json(HEAD, [result])["cases"][0]["trace"]] == [data.hex(), "ff" * 60_000]


def ambiguous() -> bytes:
    """A FIN that is right in `header` and in `trailer`: its checksum has the same byte twice."""
    for number in range(10_000):
        datagram = bare(8, 0, b"", b"%d" % number)
        total = sum(struct.unpack(">20H", datagram + b"\0"))
        checksum = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
        if checksum >> 8 == checksum & 0xFF:
            return datagram + struct.pack(">H", checksum)
    raise AssertionError


@pytest.mark.parametrize(
    ("framing", "forced", "read"),
    [
        (Framing.HEADER, None, "header"),
        (None, None, "header"),
        (Framing.TRAILER, None, "trailer"),
        (None, Framing.TRAILER, "trailer"),
    ],
)
def test_where_two_framings_fit_it_is_the_conversation_s(
    framing: Framing | None, forced: Framing | None, read: str
) -> None:
    head, result = replace(HEAD, framing=framing, forced=forced), failure(received(0, ambiguous()))
    assert report.as_json(head, [result])["cases"][0]["trace"][0]["framing"] == read
    assert f"{read}, 41 bytes" in "\n".join(text_of(report.lines(head, result)))


def test_how_long_the_tester_waited_is_in_the_conversation() -> None:
    (result,) = (each for each in suite("ringing") if each.verdict is Verdict.FAILED)
    (waited,) = (row for row in text_of(report.lines(HEAD, result)) if "waited" in row)
    assert waited.split(maxsplit=1) == ["1.001", "tester             waited 1.0 s, nothing came"]
    assert "waited 1.0 s, nothing came" in Page(as_html(HEAD, [result])).text


def test_what_cannot_be_read_is_told_with_what_may_have_caused_it() -> None:
    chat = bare(1, 1, b"four", kind=2)
    padded_before = struct.pack(">H", ~sum(struct.unpack(">22H", b"\0" + chat)) & 0xFFFF)
    wrong = chat[:39] + bytes(2) + chat[39:]
    total = sum(struct.unpack(">23H", wrong[:-1] + b"\0" + wrong[-1:]))
    wrong = chat[:39] + struct.pack(">H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + chat[39:]
    assert padded_before != wrong[39:41]
    told = "\n".join(text_of(report.lines(HEAD, failure(received(0, wrong)))))
    assert told.count("perhaps: the checksum at offset 39 is right except for the odd byte at the end") == 2
    assert "cause     perhaps 2.6: nothing that came can be read: the checksum at offset 39" in told
    page = Page(as_html(HEAD, [failure(received(0, wrong))])).text
    assert "Cause\nperhaps 2.6" in page
    right = failure(received(0, wrong), received(1, chat))
    assert "cause  " not in "\n".join(text_of(report.lines(HEAD, right)))
    ours = failure(sent(0, wrong), received(1, chat))  # which may be wrong on purpose
    assert "perhaps" not in "\n".join(text_of(report.lines(HEAD, ours)))


# -- what a run finds is in every report


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_failures_are_told_whole(name: str | None) -> None:
    results = suite(name)
    failed = [result for result in results if result.verdict is Verdict.FAILED]
    assert len(failed) == (name is not None)
    page = page_of(name).text
    junit = ElementTree.fromstring(report.as_junit(HEAD, results))
    for result in failed:
        text = "\n".join(text_of(report.lines(HEAD, result)))
        (case,) = junit.iterfind(".//failure/..")
        told = f"{case.get('name')} {''.join(case.itertext())}"
        rule = result.case.rule.replace("**", "").replace("`", "")
        for whole in (" ".join(each.replace("**", "").replace("`", "").split()) for each in (text, page, told)):
            assert rule in whole
            assert result.expected in whole
            assert result.case.name in whole
            for passage in result.seen[:3]:
                assert passage.data is not None
                assert f"{passage.time - result.trace[0].time:.3f}" in whole
                assert f"{len(passage.data)} bytes" in whole
    for result in results:
        assert result.case.name in page


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_json_has_every_byte(name: str | None) -> None:
    results = suite(name)
    read = json.loads(json.dumps(report.as_json(HEAD, results)))
    assert read == report.as_json(HEAD, results)
    assert sum(read["counts"].values()) == len(results)
    assert read["counts"]["failed"] == (name is not None)
    for result, case in zip(results, read["cases"], strict=True):
        assert (case["name"], case["rule"], case["expected"]) == (result.case.name, result.case.rule, result.expected)
        for passages, told in ((result.trace, case["trace"]), (result.seen, case["seen"])):
            in_order = sorted(passages, key=lambda passage: passage.time)
            for passage, each in zip(in_order, told, strict=True):
                assert each["time"] == pytest.approx(passage.time - result.trace[0].time, abs=1e-6)
                assert each["side"] == passage.side.value
                assert each.get(passage.who, "") == passage.note
                assert bytes.fromhex(each.get("hex", "")) == (passage.data or b"")
                assert each.get("direction") == (
                    None if passage.data is None else "received" if passage.source else "sent"
                )
                assert each.get("source") == (f"{DAEMON[0]}:{DAEMON[1]}" if passage.source else None)
                if passage.data is not None and "error" not in each:
                    assert passage.data[2] == each["sequence"]
                    assert passage.data[35:39] == struct.pack(">I", each["length"])


def test_json_of_the_head() -> None:
    read = report.as_json(replace(HEAD, forced=Framing.BARE, framing=None), [])
    assert read == {
        "daemon": "192.0.2.1:7777",
        "tester": "192.0.2.2:7777",
        "framing": None,
        "forced": "bare",
        "version": "0.1.0",
        "start": 1_800_000_000.5,
        "level": "SHOULD",
        "counts": {"passed": 0, "failed": 0, "not_applicable": 0, "not_run": 0},
        "cases": [],
    }


# -- JUnit


def test_junit() -> None:
    failed = failure(sent(0, bare(8, 0)))
    results = [
        failed,
        replace(failed, verdict=Verdict.PASSED, seconds=0.5),
        replace(failed, verdict=Verdict.PASSED, seconds=0.25),
        replace(failed, verdict=Verdict.NOT_RUN, why="nobody can call"),
        replace(failed, verdict=Verdict.NOT_APPLICABLE, why="it speaks bare", case=replace(CASE, name="other")),
    ]
    told = report.as_junit(HEAD, results)
    assert told.isascii()
    root = ElementTree.fromstring(told)
    (whole,) = root
    totals = {"name": "simp conformance", "timestamp": "2027-01-15T08:00:00"}
    totals |= {"tests": "5", "failures": "1", "errors": "0", "skipped": "2", "time": "4.500"}
    assert root.tag == "testsuites"
    assert (whole.tag, whole.attrib) == ("testsuite", totals)
    properties, *cases = whole
    assert properties.tag == "properties"
    assert {"name": "daemon", "value": "192.0.2.1:7777"} in [each.attrib for each in properties]
    assert [case.attrib for case in cases] == [
        {"classname": "4.6", "name": "busy", "time": "1.250"},
        {"classname": "4.6", "name": "busy", "time": "0.500"},
        {"classname": "4.6", "name": "busy", "time": "0.250"},
        {"classname": "4.6", "name": "busy", "time": "1.250"},
        {"classname": "4.6", "name": "other", "time": "1.250"},
    ]
    assert [[(each.tag, each.attrib) for each in case] for case in cases] == [
        [("failure", {"message": "expected ERR 0, then FIN 0", "type": "MUST"})],
        [],
        [],
        [("skipped", {"message": "not run: nobody can call"})],
        [("skipped", {"message": "not applicable: it speaks bare"})],
    ]
    assert (cases[0][0].text or "").split("\n") == text_of(report.lines(HEAD, failed))[1:]


# -- whatever a peer sends

hostile_bytes = st.sampled_from(HOSTILE) | st.binary(max_size=200)
hostile_texts = st.sampled_from(HOSTILE).map(lambda data: data.decode("utf-8", "surrogateescape")) | st.text(
    st.characters(codec=None, exclude_categories=()), min_size=1
)


def run_against(payload: bytes, user: bytes, raw: bytes, words: str) -> list[Result]:
    failed = failure(
        sent(0, bare(1, 0, payload, user, kind=2)),
        received(1, bare(1, 1, payload, user), Side.STRANGER),
        received(2, raw, source=(words, 1)),
        sent(3, None, note=words),
        expected=words,
    )
    return [failed, replace(failed, verdict=Verdict.NOT_RUN, why=words)]


@pytest.mark.slow
@given(hostile_bytes, hostile_bytes.map(lambda data: data[:32].rstrip(b"\0")), hostile_bytes, hostile_texts)
@example(HOSTILE[0], HOSTILE[2][:32], HOSTILE[0], "</title></style><script>\ud800\ufffe\x1b\0]]>")
def test_what_a_peer_sent_does_nothing(payload: bytes, user: bytes, raw: bytes, words: str) -> None:
    results, head = run_against(payload, user, raw, words), replace(HEAD, daemon=words)
    harmless = Page(as_html(HEAD, run_against(b"hello", b"bob", b"hello", "hello")))
    page = Page(as_html(head, results))
    assert page.tags == harmless.tags
    lines = [*report.opening(head), *report.summary(head, results, 0.0)]
    lines += [line for result in results for line in report.lines(head, result)]
    root = ElementTree.fromstring(report.as_junit(head, results))
    junit = [value for each in root.iter() for value in (each.text or "", *each.attrib.values())]
    for text in (page.text, as_html(head, results), *text_of(lines), *junit):
        text.encode("utf-8")
        harmful = {each for each in text if category(each) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")}
        assert harmful <= {"\n", "\u200c", "\u200d"}
    assert not any("\n" in line for line in text_of(lines))
    assert len(list(root.iter("testcase"))) == len(results)
    case = json.loads(json.dumps(report.as_json(head, results)))["cases"][0]
    assert bytes.fromhex(case["trace"][2]["hex"]) == raw
    assert case["expected"] == words


def test_what_a_peer_sent_is_shown_as_it_is() -> None:
    words = "</td><script>alert('&amp;')</script>"
    results = run_against(words.encode(), words.encode()[:32], b"", words)
    page = Page(as_html(HEAD, results)).text
    junit = ElementTree.fromstring(report.as_junit(HEAD, results))
    (told,) = (each.text or "" for each in junit.iter("failure"))
    for text in (page, told, "\n".join(text_of(report.lines(HEAD, results[0])))):
        assert f"MESSAGE 0 '{words}'" in text
        assert f"user '{words[:32]}'" in text
        assert words in text
