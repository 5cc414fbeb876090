"""What stands around the person's line: what they can have meant, and the bar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_client import prompt, view
from simp_client.attachment import Attachment, Phase
from simp_client.events import Other
from simp_client.prompt import LINE, REACTION, Ask, Kind, LastQuestion, Place, State
from simp_proto.text import parse_line

MENU = Ask(Kind.MENU)
BOB = Ask(Kind.ACCEPT, Other("bob", "127.0.0.2:7777"))
MALLORY = Ask(Kind.ACCEPT, Other("bob", "127.0.0.66:7777"))


def last_question(*asked: tuple[float, Ask]) -> LastQuestion:
    seen = LastQuestion(MENU)
    for now, ask in asked:
        seen.see(ask, now)
    return seen


@pytest.mark.parametrize("between", [[], [(5.0, MENU)]])
def test_who_has_just_taken_another_ones_place_is_not_meant_yet(between: list[tuple[float, Ask]]) -> None:
    seen = last_question((0.0, BOB), *between, (5.0, MALLORY))
    assert seen.meant(5.0 + REACTION * 0.9, MALLORY) == BOB
    assert seen.meant(5.0 + REACTION, MALLORY) == MALLORY
    assert seen.meant(5.0 + LINE * 0.9) == BOB
    assert seen.meant(5.0 + LINE) == MALLORY


def test_a_question_that_takes_nobodys_place_is_meant_immediately() -> None:
    assert last_question((5.0, BOB)).meant(5.0) == BOB
    assert last_question((0.0, BOB), (5.0, MENU)).meant(5.0) == MENU


def test_whoever_has_answered_knows_that_the_next_question_follows() -> None:
    seen = last_question((0.0, BOB))
    seen.answer()
    seen.see(MALLORY, 1.0)
    assert seen.meant(1.0) == MALLORY


def test_what_is_on_the_screen_is_meant_rather_than_what_is_about_to_be() -> None:
    assert last_question((0.0, BOB), (9.0, MENU)).meant(9.0, BOB) == BOB


def chatting(name: str) -> Attachment:
    attachment = Attachment()
    attachment.attach("alice")
    for line in ("CONNECTED|alice", "PONG|", f"CONNECTED|{name}|127.0.0.2:7777"):
        attachment.receive_line(parse_line(line.encode()))
    return attachment


NAMES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="|\\"), min_size=1, max_size=32
)


@given(
    NAMES,
    st.sampled_from([*Phase, *Place]),
    st.integers(4, 200),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from(["", *view.MARKS]),
)
def test_the_bar_is_narrower_than_the_terminal(
    name: str, state: State, columns: int, messages: int, news: bool, secured: str
) -> None:
    attachment = chatting(name)
    attachment.receive_line(parse_line(f"SECURED|{name}|127.0.0.2:7777|{secured}".encode()))
    for number in range(messages):
        attachment.say(str(number))
    told = f"{view.named(name)} has come" if news else ""
    bar = prompt.bar(state, attachment, "alice", columns, told)
    assert view.width(bar) < columns
    if state is Phase.CHAT and secured and columns > 26:  # as long as that is so, and where no name is
        assert bar.startswith(f" {view.MARKS[secured]} · ")


@pytest.mark.parametrize(
    ("columns", "bar"),
    [
        (80, " alice · 1 here · bob has come · Enter lists · q quits · ? helps "),
        (60, " alice · 1 here · bob has come · Enter lists · q quits "),
        (48, " 1 here · bob has come · Enter lists · q quits "),
        (40, " bob has come · Enter lists · q quits "),
        (33, " 1 here · Enter lists · q quits "),
        (25, " Enter lists · q quits "),
        (20, " 1 here · q quits "),
        (12, " q quits "),
    ],
)
def test_the_bar_at_the_menu_counts_who_is_here(columns: int, bar: str) -> None:
    attachment = chatting("bob")
    attachment.leave()
    attachment.receive_line(parse_line(b"SEEN|bob|127.0.0.2:7777|announced|1"))
    assert prompt.bar(Place.MENU, attachment, "alice", columns, "bob has come") == bar


@pytest.mark.parametrize(
    ("columns", "bar"),
    [
        (80, " 1 message not yet delivered · with bob · q leaves · ? helps "),
        (90, " 1 message not yet delivered · chat with bob (127.0.0.2:7777) · q leaves · ? helps "),
        (54, " 1 message not yet delivered · with bob · q leaves "),
        (40, " with bob · 1 under way · q leaves "),
        (30, " 1 under way · q leaves "),
        (20, " q leaves "),
    ],
)
def test_the_bar_keeps_the_way_out_longest(columns: int, bar: str) -> None:
    attachment = chatting("bob")
    attachment.say("hi")
    assert prompt.bar(Phase.CHAT, attachment, "alice", columns) == bar


@pytest.mark.parametrize(
    ("columns", "bar"),
    [
        (60, " ✓ all delivered · with bob · q leaves · ? helps "),
        (40, " ✓ all delivered · with bob · q leaves "),
        (38, " with bob · ✓ · q leaves · ? helps "),
        (30, " with bob · ✓ · q leaves "),
        (24, " q leaves "),
    ],
)
def test_a_narrow_bar_still_says_whose_name_it_is_and_what_has_arrived(columns: int, bar: str) -> None:
    attachment = chatting("bob")
    attachment.say("hi")
    attachment.receive_line(parse_line(b"ACK|1"))
    assert prompt.bar(Phase.CHAT, attachment, "alice", columns) == bar
