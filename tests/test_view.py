"""What the person reads."""

import inspect
import re
import unicodedata
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wcwidth import wcwidth

from simp_client import view

EVIL = "\x1b[31m\u202e\x9b2J\na\r\b\x07\u2028\U000e0001"
TEXTS = [view.notice, view.error, view.typed, view.said, view.named]


@pytest.mark.parametrize("words", TEXTS)
def test_nothing_of_a_peer_disturbs_the_terminal(words: Callable[..., view.Text | str]) -> None:
    parameters = inspect.signature(words).parameters.values()
    text = words(*(EVIL for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY))
    visible = (text if isinstance(text, str) else view.plain(text)).replace(f"\n{view.MORE}", "")
    assert {unicodedata.category(character) for character in visible} <= {
        *("Lu", "Ll", "Nd", "Po", "Ps", "Pe", "Pd", "Sm", "Zs", "Sk", "So")
    }


def test_every_text_is_in_the_table_above() -> None:
    made: set[object] = {
        function
        for _, function in inspect.getmembers(view, inspect.isfunction)
        if function.__module__ == view.__name__ and function.__annotations__["return"] == view.Text
    }
    assert made == {*TEXTS, view.indent} - {view.named}


def test_a_message_is_its_name_and_its_words() -> None:
    assert view.plain(view.said("bob", "hi\tthere|you")) == "bob: hi  there|you"


def test_a_message_never_begins_a_line_of_its_own() -> None:
    assert view.plain(view.said("bob", "a\n* bob left")) == "bob: a\n  │ * bob left"


@pytest.mark.parametrize(
    ("text", "short"),
    [("hi", "'hi'"), ("x" * view.SHORT, f"'{'x' * view.SHORT}'"), ("x" * 61, f"'{'x' * view.SHORT}…'")],
)
def test_short(text: str, short: str) -> None:
    assert view.short(text) == short


@pytest.mark.parametrize(
    ("text", "encoding", "fitting"),
    [
        ("✓ all · é…", "utf-8", "✓ all · é…"),
        ("✓ all · é…", "ascii", r"all - \xe9..."),
        ("é", "latin-1", "é"),
        ("é → ✓ 日", "latin-1", r"é \u2192 \u65e5"),
        ("bob · ✓", "ascii", "bob - ok"),
    ],
)
def test_fit(text: str, encoding: str, fitting: str) -> None:
    assert view.fit(text, encoding) == fitting


def rows(text: str, columns: int) -> list[str]:
    """The rows in which a terminal shows it, as wide as `wcwidth` has it."""
    found, at = [""], 0
    for character in text:
        cells = max(wcwidth(character), 0)
        if character == "\n" or at + cells > columns:
            found.append("")
            at = 0
        if character != "\n":
            found[-1] += character
            at += cells
    return found


OURS = ["* ", "! gone", "? ", "alice: yes", "carol (127.0.0.1:7777) wants to chat. Accept? (y/n)"]
WORDS = st.lists(st.sampled_from([*OURS, "\n", "日", "ab "]) | st.text(max_size=6), max_size=6).map("".join)


@settings(max_examples=10)
@example("bob", "日", "alice: yes", 88)
@given(
    st.sampled_from(["bob", "! lost"]),
    st.sampled_from(["x", "x ", "\u00a0", "日", "e\u0301"]),
    WORDS,
    st.integers(16, 90),
)
def test_no_row_of_a_message_but_its_first_looks_like_a_line_of_ours(
    name: str, padding: str, text: str, columns: int
) -> None:
    for ours, before in product(OURS, range(columns)):
        said = view.said(name, (padding * columns)[:before] + ours + text, "alice")
        shown = view.plain(view.indent(said, columns))
        assert view.plain(said).replace(" ", "") == shown.replace(" ", "")
        for row in rows(shown, columns)[1:]:
            assert not row.startswith(("* ", "! ", "? ", "alice: ", "carol ("))


@given(st.lists(st.text("ab日*!", min_size=1, max_size=14), min_size=1), st.integers(30, 60))
def test_a_line_of_ours_is_broken_at_its_blanks(words: list[str], columns: int) -> None:
    first, *others = view.plain(view.indent(view.notice(" ".join(words)), columns)).split("\n")
    assert first.startswith("* ")
    assert all(re.match("  [^ ]", row) for row in others)
    assert all(view.width(row) <= columns for row in (first, *others))
    assert [word for row in (first, *others) for word in row.split()][1:] == words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a" + " " * 8 + "b", "a" + " " * 8 + "b"),
        ("a" + " " * 9 + "b", "a [9 blanks] b"),
        ("a" + "\u00a0\u3000" * 40 + "! gone", "a [80 blanks] ! gone"),
        ("x\n" + " " * 32 + "b", "x\n  │ " + " " * 32 + "b"),
        (" " * 33 + "b", " [33 blanks] b"),
    ],
)
def test_runs_of_blanks_are_counted_where_they_are_long(text: str, shown: str) -> None:
    assert view.plain(view.said("bob", text)) == f"bob: {shown}"


@pytest.mark.parametrize(("text", "short"), [("\udcff\udc00x\udcfe", r"'\xff\udc00x\xfe'"), ("a\nb", "'a…'")])
def test_short_shows_bytes_and_the_first_line(text: str, short: str) -> None:
    assert view.plain(view.error(view.short(text))) == f"! {short}"
