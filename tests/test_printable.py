"""What may reach a terminal or a log."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.printable import printable, printable_name, quoted


@given(st.text())
def test_nothing_that_steers_a_terminal_is_printable(text: str) -> None:
    shown = printable(text)
    for character in shown:
        assert unicodedata.category(character) not in ("Cc", "Cs", "Co", "Cn", "Zl", "Zp")
        assert unicodedata.category(character) != "Cf" or character in "\u200c\u200d"


@given(st.text() | st.text("a |'\u00a0\u3000\u2003\u200b\u202e\\x20"))
def test_a_name_is_one_field_and_one_column(text: str) -> None:
    shown = printable_name(text)
    assert "|" not in shown
    assert " ".join(shown.split()) == shown
    assert printable_name(shown) == shown


@given(st.text() | st.text("a' "))
def test_nothing_looks_like_the_end_of_a_quotation(text: str) -> None:
    assert quoted(text).count("'") == 2
    assert quoted(text)[0] == quoted(text)[-1] == "'"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("bob of the lab", "bob of the lab"),
        ("bob  10.0.0.9:7777  announced", r"bob \x2010.0.0.9:7777 \x20announced"),
        (" bob ", r"\x20bob\x20"),
        ("bob\u00a0\u3000x", r"bob\xa0\u3000x"),
        ("bob\u200b\u202ex", r"bob\u200b\u202ex"),
        ("a|b", r"a\x7cb"),
    ],
)
def test_names(name: str, shown: str) -> None:
    assert printable_name(name) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("grüße 世界 🙂", "grüße 世界 🙂"),
        ("👩\u200d👩\u200d👧", "👩\u200d👩\u200d👧"),
        ("a\u00a0b", "a\u00a0b"),
        ("\x1b]0;owned\x07", "\\x1b]0;owned\\x07"),
        ("a\nb\r\tc", "a\\x0ab\\x0d\\x09c"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\u2028", "\\u2028"),
        ("\U000e0041", "\\U000e0041"),
        ("\udc80", "\\udc80"),
        ("\u2800\u3164\u115f\u1160\uffa0\u034f", "\\u2800\\u3164\\u115f\\u1160\\uffa0\\u034f"),
        ("a\u200cb\u200d", "a\\u200cb\\u200d"),
        ("x\ufe0f\u180b\U000e0100", "x\\ufe0f\\u180b\\U000e0100"),
        ("❤\ufe0f 1\ufe0f\u20e3", "❤\ufe0f 1\ufe0f\u20e3"),
        ("\u06cc\u200c\u062e \u0915\u094d\u200d\u0937", "\u06cc\u200c\u062e \u0915\u094d\u200d\u0937"),
        ("e" + "\u0301" * 6, "e" + "\u0301" * 4 + "\\u0301" * 2),
    ],
)
def test_printable(text: str, shown: str) -> None:
    assert printable(text) == shown
