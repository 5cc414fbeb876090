"""What the person reads."""

import inspect
import unicodedata
from collections.abc import Callable

import pytest

from simp_client import view

EVIL = "\x1b[31m\u202e\x9b2J\na\r\b\x07\u2028\U000e0001"
TEXTS = [
    view.notice,
    view.error,
    view.waiting,
    view.calling,
    view.rings,
    view.kept,
    view.requested,
    view.withdrawn,
    view.declined,
    view.began,
    view.left,
    view.gone,
    view.over_already,
    view.cancelled,
    view.away,
    view.unwritable,
    view.unused,
    view.typed,
    view.undelivered,
    view.unknown,
    view.lost,
    view.said,
    view.wrong,
    view.unsent,
    view.accept_question,
    view.accept_instead_question,
    view.accept_label,
    view.named,
    view.bar,
]


@pytest.mark.parametrize("words", TEXTS)
def test_nothing_of_a_peer_disturbs_the_terminal(words: Callable[..., view.Text | str]) -> None:
    parameters = inspect.signature(words).parameters.values()
    text = words(*(EVIL for parameter in parameters if parameter.kind is not parameter.KEYWORD_ONLY))
    visible = (text if isinstance(text, str) else view.plain(text)).replace(f"\n{view.MORE}", "")
    assert {unicodedata.category(character) for character in visible} <= {
        *("Lu", "Ll", "Nd", "Po", "Ps", "Pe", "Pd", "Sm", "Zs", "Sk", "So")
    }


def test_every_text_is_in_the_table_above() -> None:
    counts = {view.closing, view.indent, view.missed, view.no_answer, view.no_answer_yet, view.gave_up, view.failed}
    told: set[object] = {
        function
        for _, function in inspect.getmembers(view, inspect.isfunction)
        if function.__module__ == view.__name__ and function.__annotations__["return"] == view.Text
    }
    assert told == {*TEXTS, *counts} - {
        view.accept_question,
        view.accept_instead_question,
        view.accept_label,
        view.named,
        view.bar,
    }


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
    ("said", "outstanding", "words"),
    [
        (0, 0, ""),
        (3, 0, "✓ all delivered"),
        (3, 1, "1 message not yet delivered"),
        (3, 2, "2 messages not yet delivered"),
    ],
)
def test_delivery(said: int, outstanding: int, words: str) -> None:
    assert view.delivery(said, outstanding) == words


@pytest.mark.parametrize(
    ("address", "command"),
    [
        (("127.0.0.1", 7778), "simp daemon"),
        (("192.168.1.20", 7778), "simp daemon 192.168.1.20"),
        (("::1", 7000), "simp daemon --client-port 7000"),
    ],
)
def test_unreachable_says_what_to_start(address: tuple[str, int], command: str) -> None:
    assert view.unreachable(address, "why").endswith(f" (why). Start one with: {command}")


@pytest.mark.parametrize(
    ("text", "encoding", "fitting"),
    [
        ("✓ all · é…", "utf-8", "✓ all · é…"),
        ("✓ all · é…", "ascii", r"all - \xe9..."),
        ("é", "latin-1", "é"),
        ("é → ✓ 日", "latin-1", r"é \u2192 \u65e5"),
    ],
)
def test_fit(text: str, encoding: str, fitting: str) -> None:
    assert view.fit(text, encoding) == fitting
