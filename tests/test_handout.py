"""Conversations as a page, as it is written and as a browser shows it."""

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.constants import Chat, Control, Framing, Type
from simp_proto.datagram import Datagram, build
from simp_proto.errors import DatagramError
from simp_proto.toolkit import handout
from simp_proto.toolkit.frame import Captured
from simp_proto.toolkit.handout import Handout
from simp_proto.toolkit.reading import Reading
from tests.browser import CHROMIUM, browser
from tests.test_capture import ipv4, pcap, udp
from tests.test_decode import CHAT, SYN, simp, written
from tests.test_report import Page

ALICE, BOB, CAROL = ("192.0.2.1", 7777), ("192.0.2.2", 7777), ("2001:db8:1234:5678:9abc:def0:1234:5678", 7777)
HOSTILE = "</text></svg></summary><script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">&lt;\u202e\x1b[2J\x00\ud800"  # noqa: E501
TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2", "p", "b", "br", "bdi",
    "code", "pre", "span", "div", "dl", "dt", "dd", "ol", "li", "table", "thead", "tbody", "tr", "th", "td",
    "details", "summary", "svg", "line", "path", "text",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "open", "scope", "aria-hidden", "aria-label", "role",
    "width", "height", "x", "y", "x1", "x2", "y1", "y2", "d", "overflow", "text-anchor",
}  # fmt: skip


def chat(text: bytes, sequence: int = 1, name: bytes = b"alice") -> bytes:
    return build(Datagram(Type.CHAT, Chat.MESSAGE, sequence, name, text, Framing.HEADER))


def ack(sequence: int = 1) -> bytes:
    return build(Datagram(Type.CONTROL, Control.ACK, sequence, b"bob", b"", Framing.HEADER))


Sent = tuple[float | None, tuple[str, int], tuple[str, int], bytes]
CONVERSATION: list[Sent] = [
    (0.0, ALICE, BOB, chat(b"hello")),
    (0.00002, ALICE, BOB, chat(b"hello")),
    (5.0, ALICE, BOB, chat(b"hello")),
    (5.1, BOB, ALICE, ack()),
    (6.0, CAROL, BOB, b"\x07" + bytes(40)),
    (7.0, BOB, ALICE, chat(HOSTILE.encode("utf-8", "surrogatepass"), 1, b"<b>bob")),
]


def page_of(sent: list[Sent], sources: list[str] | None = None) -> str:
    made = Handout(sources or ["a.pcap"])
    for time, source, destination, data in sent:
        made.add(Reading.of(data), Captured(time, source, destination, data), "")
    return made.html()


def test_each_pair_has_its_ladder_and_each_datagram_a_rung() -> None:
    html = page_of(CONVERSATION)
    page = Page(html)
    assert html.count("<section>") == 2
    assert len(page.of("details")) == len(page.of("li")) == len(CONVERSATION)
    spoken = [str(each["aria-label"]) for each in page.of("svg") if "aria-label" in each]
    assert spoken[:4] == [
        "0.000 s, 192.0.2.1:7777 to 192.0.2.2:7777, MESSAGE 1 'hello', header, 46 bytes",
        "0.000 s, 192.0.2.1:7777 to 192.0.2.2:7777, MESSAGE 1 'hello', header, 46 bytes, seen twice",
        "5.000 s, 192.0.2.1:7777 to 192.0.2.2:7777, MESSAGE 1 'hello', header, 46 bytes, again",
        "5.100 s, 192.0.2.2:7777 to 192.0.2.1:7777, ACK 1, header, 41 bytes",
    ]
    assert "6, 1 refused, 1 sent again, 1 seen twice" in page.text
    assert f"[{CAROL[0]}]:7777" in page.text
    assert chat(b"hello").hex() in page.text
    assert "refused (spec 2.1): type at offset 0: read 0x07" in page.text
    assert [("open" in each) for each in page.of("details")].count(True) == 1


def test_the_page_needs_nothing_and_does_nothing() -> None:
    html = page_of(CONVERSATION, [HOSTILE])
    page = Page(html)
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {attribute for _, attributes in page.tags for attribute in attributes} <= ATTRIBUTES
    assert not re.search(r"url\(|@import|https?:", html)
    assert "\x1b" not in html
    assert "\u202e" not in html
    html.encode("utf-8")


@pytest.mark.slow
@given(st.text(max_size=60), st.binary(max_size=100), st.binary(max_size=32))
def test_whatever_is_said_is_text(name: str, data: bytes, user: bytes) -> None:
    made = Handout([name])
    for each in (data, chat(data), chat(data, 0, user.strip(b"\0 ") or b"x")):
        made.add(Reading.of(each), Captured(1.0, ALICE, BOB, each, note=name), name)
        made.add(Reading.of(each), None, name)
    page = Page(made.html())
    assert {tag for tag, _ in page.tags} <= TAGS
    assert {attribute for _, attributes in page.tags for attribute in attributes} <= ATTRIBUTES


def test_the_page_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(page_of([(0.0, ALICE, BOB, chat(b"\xff" * 60_000))])) < 20_000
    with monkeypatch.context() as smaller:
        smaller.setattr(handout, "_MOST", 20)
        many = page_of([(float(at), ALICE, BOB, chat(b"x", at % 2)) for at in range(29)])
    assert many.count("<li ") == 20
    assert "9, after the first 20" in Page(many).text
    with monkeypatch.context() as smaller:
        smaller.setattr(handout, "_MOST_SIZE", 10_000)
        many = page_of([(float(at), ALICE, BOB, chat(b"x", at % 2)) for at in range(29)])
    assert 1 < many.count("<li ") < 10
    few = handout._MOST_OPEN
    refused = page_of([(float(at), ALICE, BOB, bytes(at + 40)) for at in range(few + 9)])
    assert refused.count("<details open>") == few


def test_what_has_no_addresses_bytes_or_times() -> None:
    made = Handout(["-"])
    made.add(Reading.of(chat(b"hello")), None, "line 1")
    made.add(Reading(b"", error=DatagramError("hex", 0, "'<'", "digits")), None, "line <2>")
    made.add(Reading.of(ack()), Captured(None, ALICE, BOB, ack()), "")
    told = Page(made.html()).text
    assert "Without addresses" in told
    assert "line <2>" in told
    assert "(no time)" in told
    assert "There is no datagram" in Page(Handout(["x"]).html()).text


def test_the_command_prints_it_or_puts_it_where_it_is_told(tmp_path: Path) -> None:
    capture = written(tmp_path / "a.pcap", pcap(*(ipv4(udp(bytes.fromhex(data))) for data in (SYN, CHAT)), link=101))
    result = simp("decode", "--html", capture)
    assert result.exit_code == 0
    assert Page(result.stdout).text.count("MESSAGE 1 'hello'") == 2
    to = tmp_path / "page.html"
    for arguments in ((str(to), capture), (capture, str(to))):
        assert (simp("decode", "--html", *arguments).exit_code, simp("decode", "--html", *arguments).stdout) == (0, "")
        assert to.read_text("utf-8") == result.stdout
        to.unlink()
    assert "Without addresses" in simp("decode", "--html", CHAT).stdout
    broken = written(tmp_path / "b.pcap", pcap(ipv4(udp(bytes.fromhex(SYN))), link=101)[:-1])
    failed = simp("decode", "--html", broken, capture, str(to))
    assert (failed.exit_code, to.exists()) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--html", "x.html"], "--html takes a capture"),
        (["--html", "x.html", "y.html", SYN], "at most one name that ends in .html"),
        (["--html", "--json", SYN], "give either --json or --html"),
        (["--html", "--ladder", SYN], "give either --ladder or --html"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str) -> None:
    result = simp("decode", *arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_a_page_that_cannot_be_written(tmp_path: Path) -> None:
    result = simp("decode", "--html", str(tmp_path / "nowhere" / "a.html"), SYN)
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ")
    assert "a.html: No such file or directory" in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None or shutil.which("bash") is None, reason="needs chromium and bash")
def test_a_browser_shows_it(tmp_path: Path) -> None:
    html = page_of(CONVERSATION, [HOSTILE])
    (tmp_path / "page.html").write_text(html, "utf-8")
    with browser(tmp_path / "profile") as page:
        for width in (1280, 400):
            page.open(tmp_path / "page.html", width)
            assert page.value("document.documentElement.scrollWidth") <= width
            assert page.value("document.querySelectorAll('script, img, iframe').length") == 0
            assert "pwned" not in page.value("document.title").split("'pwned'")[0]
            # whatever is drawn is within its rung, at any width
            assert page.value(
                "[...document.querySelectorAll('svg.rung text')].every(text => {"
                "const box = text.getBoundingClientRect(), rung = text.closest('svg').getBoundingClientRect();"
                "return !box.width || (box.left >= rung.left && box.right <= rung.right + 1) })"
            )

        # a click opens a rung, and another closes it
        page.open(tmp_path / "page.html")
        first = "document.querySelector('li details')"
        assert page.value(f"{first}.open") is False
        x, y = page.value(
            f"(box => [box.left + box.width / 2, box.top + box.height / 2])({first}.getBoundingClientRect())"
        )
        page.click(x, y)
        assert page.value(f"{first}.open") is True
        shown = page.value(f"{first}.innerText")
        assert "payload" in shown
        assert "68 65 6c 6c 6f" in shown
        page.click(x, y)
        assert page.value(f"{first}.open") is False

        # and so do Tab and Enter, or the space bar
        page.open(tmp_path / "page.html")
        page.press("Tab", 9)
        assert page.value(f"document.activeElement === {first}.querySelector('summary')")
        assert page.value("getComputedStyle(document.activeElement).outlineStyle") != "none"
        page.press("Enter", 13, "\r")
        assert page.value(f"{first}.open") is True
        page.press("Tab", 9)
        page.press(" ", 32, " ")
        assert page.value("document.querySelectorAll('li details')[1].open") is True

        # light, dark, and on paper
        colours = []
        for dark, media in ((False, ""), (True, ""), (True, "print")):
            page.open(tmp_path / "page.html", dark=dark, media=media)
            colours.append(page.value("getComputedStyle(document.body).backgroundColor"))
        assert colours == ["rgb(255, 255, 255)", "rgb(20, 24, 28)", "rgb(255, 255, 255)"]
        assert page.printed().startswith(b"%PDF")

        wrong = [event for event in page.events if event.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown")]
        assert wrong == []
        asked = [
            event["params"]["request"]["url"]
            for event in page.events
            if event.get("method") == "Network.requestWillBeSent"
        ]
        assert set(asked) <= {(tmp_path / "page.html").as_uri()}
