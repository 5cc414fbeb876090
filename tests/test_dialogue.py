"""The person's conversation with the daemon: every cell of (state, input), then what no single cell shows."""

import re
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_client import view
from simp_client.attachment import MOST_REQUESTS, Phase
from simp_client.dialogue import WINDOW, Dialogue
from simp_client.prompt import HELP, QUESTIONS, Ask, Place, State
from simp_proto.constants import MAX_MESSAGE_SIZE
from simp_proto.errors import LineError
from simp_proto.text import Line, Word, format_line, parse_line

BOB = "127.0.0.2:7777"
CAROL = "127.0.0.3:7777"


class Desk:
    """A dialogue with everything that it has said so far."""

    def __init__(
        self, user: str | None = None, call: str | None = None, *, piped: bool = False, commands: bool = False
    ) -> None:
        self.dialogue = Dialogue(user, call, piped=piped, commands=commands)
        self.shown: list[str] = []
        self.listed: list[str] = []
        """What is shown with the menu."""
        self.asked: list[str] = []

    def flush(self) -> list[str]:
        """The lines said to the daemon since the last time."""
        for text in self.dialogue.texts_to_show():
            if isinstance(text, Ask):
                self.asked.append(text.words)
            else:
                plain = view.plain(text)
                (self.listed if LIST.match(plain) else self.shown).append(plain)
        return [f"{line.word}|{line.payload}" for line in self.dialogue.lines_to_send()]

    def type(self, *lines: str, ask: Ask | None = None) -> list[str]:
        """The person types these; `ask` is what was asked when that began."""
        for line in lines:
            self.dialogue.type_line(line, ask)
        return self.flush()

    def hear(self, *lines: str) -> list[str]:
        """The daemon says these."""
        for line in lines:
            self.dialogue.receive_line(parse_line(line.encode()))
        return self.flush()

    def end(self) -> list[str]:
        """The input ends."""
        self.dialogue.end_input()
        return self.flush()

    def at(self, state: State) -> None:
        assert self.dialogue.state is state


def at_menu(*, piped: bool = False, commands: bool = False) -> Desk:
    desk = Desk("alice", piped=piped, commands=commands)
    desk.hear("CONNECTED|alice", "PONG|")
    return desk


def calling(*, piped: bool = False, commands: bool = False) -> Desk:
    desk = at_menu(piped=piped, commands=commands)
    desk.type("127.0.0.2")
    return desk


def chatting(*, piped: bool = False, commands: bool = False) -> Desk:
    desk = calling(piped=piped, commands=commands)
    desk.hear(f"CONNECTED|bob|{BOB}")
    return desk


def _then(desk: Desk, *, types: tuple[str, ...] = (), hears: tuple[str, ...] = ()) -> Desk:
    desk.type(*types)
    desk.hear(*hears)
    return desk


def _closing() -> Desk:
    desk = _then(chatting(), types=("hi",))
    desk.end()
    return desk


REQUEST = f"CONNECTING|bob|{BOB}"
NOBODY = ["* Nobody else is here yet. Wait, or call an IP address; `simp doctor` looks for what is in the way."]
LIST = re.compile(
    r"\* (?:Here now:|[ \d]{4} |Known, but|Nobody else is|This daemon|To see who|Call (?:by|somebody|an?) )"
)
"""The lines of a list at the menu."""
BOTH = [f"SEEN|carol|{CAROL}|announced|3", f"SEEN|bob|{BOB}|announced|3"]
NO_BOB = ("ERROR|read 'bob', expected the name of somebody who is here", "QUIT|bob")
"""How a daemon refuses a name."""
PLACES: dict[str, Callable[[], Desk]] = {
    "NAME": Desk,
    "ATTACHING": lambda: Desk("alice"),
    "MENU": at_menu,
    "MENU, asked about bob": lambda: _then(at_menu(), hears=(REQUEST,)),
    "MENU, two listed": lambda: _then(Desk("alice"), hears=("CONNECTED|alice", *BOTH, "PONG|")),
    "LOOKING": lambda: _then(Desk("alice", "bob"), hears=("CONNECTED|alice", "PONG|", *NO_BOB)),
    "CALLING": calling,
    "CALLING, asked to wait": lambda: _then(calling(), hears=("UNANSWERED|bob|30",)),
    "CALLING, asked about carol": lambda: _then(calling(), hears=(f"CONNECTING|carol|{CAROL}",)),
    "ACCEPTING": lambda: _then(at_menu(), hears=(REQUEST,), types=()),
    "CHAT": chatting,
    "CHAT, one message out": lambda: _then(chatting(), types=("hi",)),
    "CHAT, asked to wait": lambda: _then(chatting(), types=("hi",), hears=("UNANSWERED|bob|30",)),
    "LEAVING": lambda: _then(chatting(), types=("q",)),
    "CLOSING": _closing,
    "QUITTING": lambda: _then(at_menu(), types=("q",)),
    "ENDED": lambda: _then(at_menu(), types=("q",), hears=("QUIT|",)),
}


STATES: dict[str, State] = {
    **Phase.__members__,
    **Place.__members__,
    "NAME": Phase.APART,
    "QUITTING": Phase.DETACHING,
    "ENDED": Phase.OVER,
}


def place(name: str) -> Desk:
    desk = PLACES[name]()
    if name == "ACCEPTING":
        desk.type("y")
    desk.flush()
    desk.at(STATES[name.partition(",")[0]])
    return desk


LEAVE_BOB = [f"QUIT|{BOB}", "PING|"]
CANCEL = ["QUIT|127.0.0.2", "PING|"]
END: tuple[State, list[str]] = (Phase.DETACHING, ["QUIT|"])
LOOK: tuple[State, list[str]] = (Place.MENU, ["WHO|", "PING|"])
WORDS = ["q", "?", "y", "n", "1", "2", "", "hi", "127.0.0.3", "carol"]
MESSAGES: dict[str, tuple[State, list[str]]] = {
    word: (Phase.CHAT, [f"CHAT|{word}"]) for word in ["y", "n", "1", "2", "hi", "127.0.0.3", "carol"]
}
TYPED: dict[str, dict[str, tuple[State, list[str]]]] = {
    "NAME": {
        word: (Phase.ATTACHING, [f"CONNECT|{word}", "WHO|", "PING|"])
        for word in ["y", "n", "1", "2", "hi", "127.0.0.3", "carol"]
    }
    | {"q": END},
    "ATTACHING": {"q": END},
    "MENU": {"q": END, "": LOOK}
    | {word: (Phase.CALLING, [f"CONNECTING|{word}"]) for word in ("127.0.0.3", "hi", "carol")},
    "MENU, two listed": {
        "q": END,
        "": LOOK,
        "hi": (Phase.CALLING, ["CONNECTING|hi"]),
        "1": (Phase.CALLING, [f"CONNECTING|{BOB}"]),
        "2": (Phase.CALLING, [f"CONNECTING|{CAROL}"]),
        "carol": (Phase.CALLING, ["CONNECTING|carol"]),
        "127.0.0.3": (Phase.CALLING, ["CONNECTING|127.0.0.3"]),
    },
    "LOOKING": {"q": (Place.MENU, [])},
    "MENU, asked about bob": {
        "q": END,
        "y": (Phase.ACCEPTING, [f"CONNECTED|{BOB}"]),
        "n": (Place.MENU, LEAVE_BOB),
    },
    "CALLING": {"q": (Phase.LEAVING, CANCEL)},
    "CALLING, asked to wait": {"q": (Phase.LEAVING, CANCEL)},
    "CALLING, asked about carol": {
        "q": (Phase.LEAVING, CANCEL),
        "y": (Phase.ACCEPTING, [f"CONNECTED|{CAROL}"]),
        "n": (Phase.CALLING, [f"QUIT|{CAROL}", "PING|"]),
    },
    "ACCEPTING": {"q": (Phase.LEAVING, LEAVE_BOB)},
    "CHAT": MESSAGES | {"q": (Phase.LEAVING, LEAVE_BOB)},
    "CHAT, asked to wait": MESSAGES | {"q": (Phase.LEAVING, LEAVE_BOB)},
    "LEAVING": {"q": END},
    "CLOSING": {"q": END},
    "QUITTING": {},
    "ENDED": {},
}
"""What a typed line leads to, and what the daemon is told; nothing at all where a word is missing."""


@pytest.mark.parametrize("where", TYPED)
def test_a_typed_line_in_every_place(where: str) -> None:
    for word in WORDS:
        desk = place(where)
        before = desk.dialogue.state
        sent = desk.type(word)
        assert (word, desk.dialogue.state, sent) == (word, *TYPED[where].get(word, (before, [])))


GONE: tuple[State, list[str]] = (Phase.OVER, [])
CHAT: tuple[State, list[str]] = (Phase.CHAT, [])
MENU: tuple[State, list[str]] = (Place.MENU, [])
HEARD: dict[str, dict[str, tuple[State, list[str]]]] = {
    "NAME": {"QUIT|": GONE},
    "ATTACHING": {"QUIT|": GONE, "ERROR|no": END},
    "MENU": {f"CONNECTED|bob|{BOB}": CHAT, "QUIT|": GONE},
    "LOOKING": {
        f"CONNECTED|bob|{BOB}": CHAT,
        "QUIT|": GONE,
        f"SEEN|bob|{BOB}|announced|3": (Phase.CALLING, ["CONNECTING|bob"]),
    },
    "CALLING": {
        f"CONNECTED|bob|{BOB}": CHAT,
        "QUIT|": GONE,
        # whoever is named there, and was never named before, is the callee
        "QUIT|bob": MENU,
        "QUIT|127.0.0.2": MENU,
        f"QUIT|{BOB}": MENU,
        f"QUIT|{CAROL}": MENU,
    },
    "ACCEPTING": {
        f"CONNECTED|bob|{BOB}": CHAT,
        "QUIT|": GONE,
        "QUIT|bob": MENU,
        f"QUIT|{BOB}": MENU,
        "ERROR|no": MENU,
    },
    "CHAT, one message out": {"QUIT|": GONE, "QUIT|bob": MENU, f"QUIT|{BOB}": MENU},
    "LEAVING": {"QUIT|": GONE, "PONG|": MENU},
    "CLOSING": {"QUIT|": GONE, "ACK|1": END, "UNDELIVERED|1": END, "QUIT|bob": END, f"QUIT|{BOB}": END},
    "QUITTING": {"QUIT|": GONE},
    "ENDED": {},
}
"""What a line of the daemon leads to; nothing said and the same state where one is missing."""
SAYINGS = [
    "PING|",
    "PONG|",
    "CONNECT|bob",
    f"CONNECTED|bob|{BOB}",
    "CONNECTED|",
    f"CONNECTING|carol|{CAROL}",
    "CONNECTING|",
    f"RINGING|daemon|{BOB}",
    "CHAT|bob|hello",
    "ACK|1",
    "ACK|7",
    "ACK|" + "9" * 5000,
    "UNDELIVERED|1",
    "UNDELIVERED|²",
    "UNANSWERED|bob|30",
    f"SEEN|bob|{BOB}|announced|3",
    f"SEEN|bob|{BOB}|chat|",
    f"GONE|bob|{BOB}",
    "QUIT|",
    "QUIT|bob",
    "QUIT|127.0.0.2",
    f"QUIT|{BOB}",
    f"QUIT|{CAROL}",
    "ERROR|no",
]


@pytest.mark.parametrize("where", HEARD)
def test_a_line_of_the_daemon_in_every_place(where: str) -> None:
    for saying in SAYINGS:
        desk = place(where)
        before = desk.dialogue.state
        sent = desk.hear(saying)
        assert (saying, desk.dialogue.state, sent) == (saying, *HEARD[where].get(saying, (before, [])))


# -- the beginning


def test_answers_given_beforehand_are_checked() -> None:
    with pytest.raises(LineError):
        Dialogue("a|b")
    for nobody in ("bob|", "", " ", "x" * 33, "zo\u00eb"):
        with pytest.raises(LineError):
            Dialogue("alice", nobody)


@pytest.mark.parametrize("name", ["42", "r2:d2", "127.0.0.256", "fe80::1", " bob "])
def test_a_name_is_whatever_is_no_address(name: str) -> None:
    """client 4"""
    desk = Desk("alice", name)
    assert desk.hear("CONNECTED|alice", "PONG|")[-1] == f"CONNECTING|{name.strip()}"


def test_a_wrong_name_is_asked_for_again_with_its_reason() -> None:
    desk = Desk()
    assert desk.type("ü") == []
    assert desk.asked == [QUESTIONS[Phase.APART][1], QUESTIONS[Phase.APART][1]]
    assert "expected printable ASCII" in desk.shown[-1]


def test_a_ping_before_the_name_is_answered_by_a_pong_of_its_own() -> None:
    desk = Desk()
    desk.dialogue.attachment.ping()
    assert desk.flush() == ["PING|"]
    desk.type("alice")
    desk.hear("PONG|")
    desk.at(Phase.ATTACHING)
    desk.hear("CONNECTED|alice", "PONG|")
    desk.at(Place.MENU)


def test_waiting_requests_come_before_the_menu() -> None:
    desk = Desk("alice")
    desk.flush()
    assert desk.hear("CONNECTED|alice", REQUEST) == []
    assert desk.hear("PONG|") == []
    assert desk.asked == ["bob (127.0.0.2:7777) wants to chat. Accept? (y/n)"]


def test_a_daemon_that_refuses_the_client_ends_it() -> None:
    desk = Desk("alice")
    desk.hear("ERROR|another client is attached", "QUIT|")
    desk.at(Phase.OVER)
    assert desk.shown == ["! another client is attached"]
    assert desk.dialogue.failed


def test_call_skips_the_menu() -> None:
    desk = Desk("alice", "127.0.0.2")
    assert desk.flush() == ["CONNECT|alice", "WHO|", "PING|"]
    assert desk.hear("CONNECTED|alice", "PONG|") == ["CONNECTING|127.0.0.2"]
    assert desk.asked == []


# -- who is here


@pytest.mark.parametrize(
    ("seen", "listed"),
    [
        (
            BOTH,
            [
                "* Here now:",
                "*    1 bob",
                "*    2 carol",
                "* Call by number, name or IP address, or wait to be called. Enter lists again.",
            ],
        ),
        (
            [*BOTH, "SEEN|B0B|127.0.0.4:7777|announced|1", "SEEN|a1ice|127.0.0.5:7777|announced|1"],
            [
                "*    1 a1ice (not you) (127.0.0.5:7777)",
                "*    2 B0B (127.0.0.4:7777)",
                "*    3 bob (127.0.0.2:7777)",
                "*    4 carol",
            ],
        ),
        (["SEEN|\\x1b[2J|127.0.0.4:7777|announced|1"], ['*    1 "\\x1b[2J"']),
        (["SEEN||127.0.0.4:7777|announced|1", f"SEEN|bob|{BOB}|announced|"], NOBODY),
        (
            [BOTH[0], "SEEN|carol|127.0.0.4:7777|chat|", "SEEN|ed|127.0.0.5:7777|hosts|", f"SEEN|bob|{BOB}|chat|"],
            ["*    1 carol", "* Known, but not here now: bob, ed"],
        ),
        ([f"SEEN||{BOB}|hosts|3|mum", f"SEEN|Ann|{CAROL}|chat|"], ["* Known, but not here now: Ann, mum"]),
        (
            ["DISCOVERY|off", f"SEEN|bob|{BOB}|hosts|"],
            [
                "* Known, but not here now: bob",
                "* This daemon runs with --discovery off: it looks for nobody, and nobody sees you here.",
                "* To see who is here, start it without that option, and without SIMP_DISCOVERY=off.",
                "* Call a name or an IP address, or wait to be called.",
            ],
        ),
        (["ERROR|read 'WHO|', expected PING|"], ["* Call somebody by IP address, or wait to be called."]),
        (
            [f"SEEN|p{number}|127.0.0.4:{number}|announced|1" for number in range(10, 33)],
            ["*   20 p29", "*      and 3 more, by name"],
        ),
    ],
)
def test_the_menu_lists_who_is_here(seen: list[str], listed: list[str]) -> None:
    desk = Desk("alice")
    desk.hear("CONNECTED|alice", *seen, "PONG|")
    at = desk.listed.index(listed[0])
    assert desk.listed[at : at + len(listed)] == listed
    assert desk.shown == []


def test_the_list_after_a_call_that_got_nowhere_says_of_whom_that_is_known() -> None:
    desk = at_menu()
    desk.hear(*BOTH)
    desk.type("bob")
    assert desk.dialogue.bar(40) == " calling bob · q cancels · ? helps "
    desk.hear(f"ERROR|nothing listens at {BOB}", f"QUIT|{BOB}")
    assert "*    1 bob, who wasn't reached" in desk.listed
    desk.hear(BOTH[1])
    assert desk.type("") == ["WHO|", "PING|"]
    desk.hear("PONG|")
    assert desk.listed[-2:-1] == ["*    2 carol"]
    assert desk.listed[-3] == "*    1 bob"


@pytest.mark.parametrize("word", ["quit", "EXIT", "bye", "/quit", ":q"])
def test_other_programs_words_for_the_end_end_it_at_the_menu(word: str) -> None:
    desk = at_menu()
    assert desk.type(word) == ["QUIT|"]


@pytest.mark.parametrize("word", ["help", "/help", "h", "/?"])
def test_other_programs_words_for_help_help_at_the_menu(word: str) -> None:
    desk = at_menu()
    assert desk.type(word) == []
    assert desk.shown == [f"* {line}" for line in HELP]


@pytest.mark.parametrize("word", ["quit", "help", "q"])
def test_such_a_word_is_a_person_s_where_somebody_has_it_and_text_in_a_chat(word: str) -> None:
    desk = at_menu()
    desk.hear(f"SEEN|{word}|{CAROL}|announced|3")
    assert desk.type(word) == ([f"CONNECTING|{word}"] if word != "q" else ["QUIT|"])
    if word != "q":
        desk.hear(f"CONNECTED|{word}|{CAROL}")
        desk.type(*[word] * (word == "quit"))  # of which it is asked first
        assert desk.type(word) == [f"CHAT|{word}"]


@pytest.mark.parametrize("word", ["quit", "EXIT", "/quit", ":q", "/q", " exit "])
def test_a_word_for_the_end_in_a_chat_is_sent_only_when_typed_again(word: str) -> None:
    desk = chatting()
    assert desk.type(word) == []
    assert desk.shown[-1] == f"! not sent: '{word.strip()}': q leaves. The same line again is sent."
    assert desk.type(word) == [f"CHAT|{word}"]
    assert desk.type(word) == []
    assert desk.type("hi") == ["CHAT|hi"]
    assert desk.type(word) == []
    assert desk.type("q") == LEAVE_BOB
    assert chatting(piped=True, commands=True).type(word) == [f"CHAT|{word}"]


@pytest.mark.parametrize("word", ["bye", "help", "quit it", "I quit", "quite", "exit?"])
def test_what_people_say_is_sent(word: str) -> None:
    assert chatting().type(word) == [f"CHAT|{word}"]


@pytest.mark.parametrize("word", ["2.", "#2", "2)", "#2.", " 2: "])
def test_a_number_of_the_list_may_be_written_as_people_do(word: str) -> None:
    desk = place("MENU, two listed")
    assert desk.type(word) == [f"CONNECTING|{CAROL}"]
    desk = place("MENU, two listed")
    desk.type(word.replace("2", "3"))
    assert desk.shown[-1] == "! There was no '3' in the list that you saw. This is the list now:"
    desk = place("MENU, two listed")
    desk.hear(f"SEEN|{word.strip()}|127.0.0.9:7777|announced|3")
    assert desk.type(word) == [f"CONNECTING|{word.strip()}"]


def test_one_does_not_call_oneself_unless_somebody_else_has_that_name() -> None:
    desk = at_menu()
    assert desk.type("alice") == []
    assert desk.shown == ["! read 'alice', expected whom to call: that is your own name, and nobody else here has it"]
    desk.hear(f"SEEN|alice|{CAROL}|announced|3")
    assert desk.type("alice") == ["CONNECTING|alice"]


@pytest.mark.parametrize(
    ("known", "listed"),
    [
        (["bob|127.0.0.2:7777|announced|", "bob|127.0.0.3:7777|chat|"], [f"bob ({BOB})", f"bob ({CAROL})"]),
        (["bob|127.0.0.2:7777|announced|", "bob|127.0.0.3:7777|announced|"], [f"bob ({BOB})", f"bob ({CAROL})"]),
        (["bob|127.0.0.2:7777|announced|", "bob|127.0.0.3:7777|announced|1"], []),
        (["bob|127.0.0.2:7777|announced|"], []),
        (["bob|127.0.0.2:7777|chat|", "carol|127.0.0.3:7777|hosts|"], ["bob", "carol"]),
    ],
)
def test_whoever_cannot_be_called_by_name_is_listed_with_the_address(known: list[str], listed: list[str]) -> None:
    """discovery 4.1"""
    desk = Desk("alice")
    desk.hear("CONNECTED|alice", *(f"SEEN|{each}" for each in known), "PONG|")
    absent = [each for each in desk.listed if each.startswith("* Known")]
    assert sorted(re.findall(r"\w+(?: \(.*?\))?", "".join(absent).partition(": ")[2])) == listed


def test_where_nobody_is_any_more_nobody_is_listed() -> None:
    desk = place("MENU, two listed")
    desk.type("carol")
    desk.hear(f"AWAY|carol|{CAROL}")
    desk.type("q")
    desk.listed.clear()
    desk.hear(f"QUIT|{CAROL}", "PONG|")
    assert [each for each in desk.listed if "carol" in each] == []
    assert "*    1 bob" in desk.listed
    desk.hear(BOTH[0])
    desk.type("")
    desk.hear("PONG|")
    assert "*    2 carol" in desk.listed


@pytest.mark.parametrize("heard", [[], [f"SILENT|{BOB}|120"]])
def test_a_partner_who_left_a_message_unanswered_is_listed_as_such(heard: list[str]) -> None:
    desk = place("MENU, two listed")
    desk.type("bob")
    desk.hear(f"CONNECTED|bob|{BOB}", *heard)
    desk.type(*["hi"] * (not heard), "q")
    desk.listed.clear()
    desk.hear("QUIT|bob", "PONG|")
    assert "*    1 bob, who wasn't reached" in desk.listed
    desk.hear(f"GONE|bob|{BOB}")
    desk.type("?")
    assert desk.listed[-2] == "*    1 carol"


def test_a_partner_who_has_answered_everything_is_listed_without_a_word() -> None:
    desk = place("MENU, two listed")
    desk.type("bob")
    desk.hear(f"CONNECTED|bob|{BOB}")
    desk.type("hi")
    desk.hear("ACK|1")
    desk.type("q")
    desk.listed.clear()
    desk.hear("QUIT|bob", "PONG|")
    assert "*    1 bob" in desk.listed


def test_what_follows_a_chat_that_a_pipe_has_accepted_is_for_nobody_else() -> None:
    desk = at_menu(piped=True)
    desk.hear(REQUEST)
    desk.type("y")
    desk.hear(f"CONNECTED|bob|{BOB}")
    assert desk.type("hi", "q") == ["CHAT|hi", "CHAT|q"]
    desk.hear("ACK|1", "ACK|2", "QUIT|bob")
    assert desk.type("carol", "y") == []
    desk.dialogue.finish(more=False)
    desk.flush()
    assert desk.shown[-1] == "! not sent: 2 lines, from 'carol' on: the chat is over"
    assert desk.dialogue.failed


def test_whoever_comes_later_is_in_the_bar_and_can_be_called_and_is_listed_when_asked_for() -> None:
    desk = at_menu()
    assert "nobody found" in desk.dialogue.bar(80)
    desk.hear(*BOTH)
    assert (desk.listed, desk.shown, len(desk.asked)) == (NOBODY, [], 1)
    assert desk.dialogue.bar(80) == " alice · 2 here · bob has come · Enter lists · q quits · ? helps "
    assert desk.type("2") == []
    assert desk.shown.pop() == "! There was no '2' in the list that you saw. This is the list now:"
    assert desk.listed[1:-1] == ["* Here now:", "*    1 bob", "*    2 carol"]
    assert "has come" not in desk.dialogue.bar(80)
    desk.hear(f"GONE|carol|{CAROL}")
    assert desk.dialogue.bar(80) == " alice · 1 here · carol has gone · Enter lists · q quits · ? helps "
    assert desk.type("bob") == ["CONNECTING|bob"]
    desk.hear("ERROR|User already in another chat", f"QUIT|{BOB}")
    assert desk.shown == [f"* Calling bob ({BOB}). q cancels.", f"* bob ({BOB}) is in another chat."]


def test_a_list_is_not_repeated_where_it_is_still_on_the_screen() -> None:
    desk = at_menu()
    desk.hear(REQUEST)
    desk.type("n", "nobody")
    assert desk.listed == NOBODY
    desk.type("127.0.0.2")
    desk.hear("QUIT|127.0.0.2")
    assert desk.listed == NOBODY * 2


def test_two_with_one_name_are_told_apart_and_none_is_called() -> None:
    desk = at_menu()
    desk.hear(f"SEEN|bob|{BOB}|announced|1", f"SEEN|bob|{CAROL}|announced|1")
    assert desk.type("bob") == ["CONNECTING|bob"]
    desk.hear(f"ERROR|2 are called 'bob'; say which: {BOB}, {CAROL}", "QUIT|bob")
    assert desk.shown == ["* Calling bob. q cancels.", f"! 2 are called 'bob'; say which: {BOB}, {CAROL}"]
    desk.at(Place.MENU)


@pytest.mark.parametrize(("whom", "near"), [("Bob", "bob"), ("carl", "carol"), ("zz", ""), ("127.0.0.256", "")])
def test_the_daemon_alone_says_whom_a_name_means_and_the_nearest_one_is_only_told(whom: str, near: str) -> None:
    """discovery 4.1"""
    desk = at_menu()
    desk.hear(*BOTH)
    assert desk.type(whom) == [f"CONNECTING|{whom}"]
    desk.hear("ERROR|nobody", f"QUIT|{whom}")
    told = [f"* Somebody called {near} is here."] if near else []
    assert desk.shown[1:] == ["! nobody", *told]
    desk.at(Place.MENU)


def test_whoever_has_got_a_name_since_is_in_the_list_that_enter_asks_for() -> None:
    """discovery 2.3: a daemon reads its list of hosts again when a line comes."""
    desk = at_menu()
    assert (desk.type(""), desk.listed, len(desk.asked)) == (["WHO|", "PING|"], NOBODY, 1)
    desk.hear("SEEN|dora|127.0.0.4:7777|hosts|", "PONG|")
    assert desk.listed[1] == "* Known, but not here now: dora"
    assert len(desk.asked) == 2


def test_a_daemon_that_cannot_tell_who_is_here_is_not_asked_again() -> None:
    desk = Desk("alice")
    desk.hear("CONNECTED|alice", "ERROR|read 'WHO|', expected PING|", "PONG|")
    assert desk.type("") == []
    assert desk.listed == ["* Call somebody by IP address, or wait to be called."] * 2


def test_a_name_that_is_a_number_is_called_by_its_number_and_by_itself_where_that_is_none() -> None:
    desk = at_menu()
    desk.hear(f"SEEN|2|{BOB}|announced|1", f"SEEN|1|{CAROL}|announced|1", "SEEN|42|127.0.0.4:7777|announced|1")
    desk.type("")
    desk.hear("PONG|")
    assert desk.listed[-4:-1] == ['*    1 "1"', '*    2 "2"', '*    3 "42"']
    assert desk.type("2") == [f"CONNECTING|{BOB}"]
    desk.hear(f"QUIT|{BOB}")
    assert desk.type("42") == ["CONNECTING|42"]


def test_news_in_a_chat_is_of_others_and_gives_way_to_what_is_typed() -> None:
    desk = chatting()
    desk.hear(f"SEEN|bob|{BOB}|chat|0")
    assert "has come" not in desk.dialogue.bar(120)
    desk.hear(f"SEEN|carol|{CAROL}|announced|0")
    assert desk.dialogue.bar(120) == f" chat with bob ({BOB}) · carol has come · q leaves · ? helps "
    desk.type("hi")
    assert "has come" not in desk.dialogue.bar(120)
    assert desk.shown[-1].startswith("* You are in a chat")


def test_somebody_to_call_who_is_not_here_yet_is_called_when_they_come() -> None:
    desk = Desk("alice", "bob", piped=True)
    assert desk.hear("CONNECTED|alice", "PONG|")[-1] == "CONNECTING|bob"
    assert desk.hear(*NO_BOB) == []
    assert desk.type("Lunch?") == []
    assert desk.hear(BOTH[0], f"SEEN|bob|{BOB}|announced|") == []
    assert desk.hear(BOTH[1]) == ["CONNECTING|bob"]
    assert desk.hear(f"CONNECTED|bob|{BOB}") == ["CHAT|Lunch?"]
    assert desk.shown[:4] == [
        "* Calling bob.",
        "! read 'bob', expected the name of somebody who is here",
        "* bob isn't here yet; will be called on arrival, within 60 s. `simp who` lists who is.",
        f"* Calling bob ({BOB}).",
    ]
    assert not desk.dialogue.failed


def test_whoever_waits_for_a_name_reads_who_is_here_by_one_like_it() -> None:
    desk = Desk("alice", "Bob")
    desk.hear("CONNECTED|alice", BOTH[1], "PONG|")
    desk.hear(NO_BOB[0], "QUIT|Bob")
    assert "* Somebody called bob is here." in desk.shown
    desk = Desk("alice", "Bob")
    desk.hear("CONNECTED|alice", "PONG|", NO_BOB[0], "QUIT|Bob")
    assert desk.hear(*BOTH) == []
    assert desk.shown[-1] == "* Somebody called bob is here."
    assert desk.shown.count(desk.shown[-1]) == 1
    assert desk.dialogue.state is Place.LOOKING


def test_somebody_to_call_who_calls_meanwhile_is_taken_at_their_word() -> None:
    desk = Desk("alice", "bob", piped=True)
    desk.hear("CONNECTED|alice", "PONG|", *NO_BOB)
    assert desk.hear(f"CONNECTING|carol|{CAROL}") == []
    assert desk.hear(REQUEST) == ["CONNECTING|bob"]


@pytest.mark.parametrize("how", ["ERROR|nothing listens there", f"RINGING|robert|{BOB}"])
def test_somebody_to_call_whom_the_daemon_knows_is_not_waited_for(how: str) -> None:
    desk = Desk("alice", "bob", piped=True)
    desk.hear("CONNECTED|alice", f"SEEN|bob|{BOB}|hosts|", "PONG|")
    desk.hear(how, f"QUIT|{BOB}")
    assert desk.dialogue.failed
    assert not any("yet" in each for each in desk.shown)


def test_whoever_is_called_by_a_name_that_only_the_daemon_knows_is_left_by_it() -> None:
    """client 4.1"""
    desk = at_menu()
    desk.hear(f"SEEN|bob|{BOB}|hosts|3|bobby")
    assert desk.type("robert") == ["CONNECTING|robert"]
    assert desk.type("q") == ["QUIT|robert", "PING|"]
    desk.hear("QUIT|robert", "PONG|")
    desk.type("robert")
    desk.hear(f"RINGING|bob|{BOB}")
    assert desk.type("q") == LEAVE_BOB


def test_somebody_to_call_who_does_not_come_is_a_failure_of_a_pipe() -> None:
    desk = Desk("alice", "bob", piped=True)
    desk.hear("CONNECTED|alice", "PONG|", *NO_BOB)
    desk.type("Lunch?")
    assert desk.dialogue.alone
    desk.dialogue.give_up(60.0)
    assert desk.flush() == ["QUIT|"]
    assert desk.shown[3:] == [
        "! bob wasn't seen within 60 s, so nobody was called (--wait sets how long; `simp doctor` finds out why).",
        "! not sent: 'Lunch?': nobody was called",
    ]
    assert desk.dialogue.failed
    desk = Desk("alice", "bob", piped=True)
    desk.hear("CONNECTED|alice", "PONG|", *NO_BOB)
    assert desk.end() == ["QUIT|"]
    assert desk.dialogue.failed


def test_of_two_to_call_none_is_called() -> None:
    desk = Desk("alice", "bob", piped=True)
    two = [f"SEEN|bob|{BOB}|announced|1", f"SEEN|bob|{CAROL}|announced|1"]
    assert desk.hear("CONNECTED|alice", *two, "PONG|")[-1] == "CONNECTING|bob"
    assert desk.hear(f"ERROR|2 are called 'bob'; say which: {BOB}, {CAROL}", "QUIT|bob") == ["QUIT|"]
    assert desk.shown[1:] == [f"! 2 are called 'bob'; say which: {BOB}, {CAROL}"]
    assert desk.dialogue.failed


# -- calls and requests


def test_a_call_shows_once_that_it_rings() -> None:
    desk = calling()
    desk.hear(f"RINGING|daemon|{BOB}", f"RINGING|daemon|{BOB}")
    assert desk.shown == ["* Calling 127.0.0.2. q cancels.", f"* Ringing at {BOB}."]
    assert "ringing at 127.0.0.2:7777" in desk.dialogue.bar(200)


def test_type_ahead_is_held_for_the_chat_and_shown_beside_its_label() -> None:
    desk = calling()
    assert desk.type("one", "two") == []
    assert desk.shown[-1] == "* Saved; it will be sent when the chat begins."
    assert desk.hear(f"CONNECTED|bob|{BOB}") == ["CHAT|one", "CHAT|two"]
    assert desk.shown[-2:] == ["alice: one", "alice: two"]


def test_a_pipe_is_not_read_on_while_a_line_is_held() -> None:
    desk = calling(piped=True)
    assert desk.dialogue.reads
    desk.type("one")
    assert not desk.dialogue.reads
    assert desk.hear(f"CONNECTED|bob|{BOB}") == ["CHAT|one"]
    assert desk.dialogue.reads


@pytest.mark.parametrize("how", ["QUIT|bob", "q"])
def test_lines_held_for_a_chat_that_failed_never_reach_the_menu(how: str) -> None:
    desk = calling(piped=True, commands=True)
    desk.type("1")
    if how == "q":
        desk.type("q")
        desk.hear("QUIT|bob", "PONG|")
    else:
        desk.hear(how)
    desk.at(Place.MENU)
    assert f"! not sent: '1': {'the call is over' if how == 'q' else 'nobody took the call'}" in desk.shown
    assert desk.dialogue.failed


def test_lines_typed_after_leaving_are_the_menus() -> None:
    desk = chatting()
    desk.type("q", "127.0.0.3")
    assert desk.hear(f"QUIT|{BOB}", "PONG|") == ["CONNECTING|127.0.0.3"]


def test_what_crossed_our_leaving_is_not_about_the_next_call() -> None:
    desk = calling()
    desk.type("q", "127.0.0.2")
    desk.hear(f"CONNECTED|bob|{BOB}", "QUIT|bob", "QUIT|bob")
    assert desk.hear("PONG|") == ["CONNECTING|127.0.0.2"]
    desk.at(Phase.CALLING)


def test_a_request_during_a_call_can_be_declined_without_ending_it() -> None:
    desk = place("CALLING, asked about carol")
    desk.type("n")
    desk.hear("QUIT|carol")  # the answer to ours, not the callee's no
    desk.at(Phase.CALLING)
    desk.hear("PONG|", "QUIT|bob")
    desk.at(Place.MENU)


def test_what_a_terminal_tells_before_it_asks_is_no_question() -> None:
    assert place("MENU, asked about bob").dialogue.ask.news == f"bob ({BOB}) wants to chat."
    ask = place("CALLING, asked about carol").dialogue.ask
    assert ask.news == f"carol ({CAROL}) wants to chat; y ends the call to 127.0.0.2."
    assert ask.label == f"Accept carol ({CAROL})? (y/n) "


def test_a_request_during_a_call_takes_no_other_line() -> None:
    desk = place("CALLING, asked about carol")
    desk.type("hello")
    assert desk.hear(f"CONNECTED|bob|{BOB}") == ["CHAT|hello"]
    assert desk.dialogue.ask.words == ""
    desk.hear("QUIT|bob")
    assert desk.dialogue.ask.words == f"carol ({CAROL}) wants to chat. Accept? (y/n)"


def test_a_request_during_a_chat_is_told_and_asked_about_after_it() -> None:
    desk = chatting()
    desk.hear(f"CONNECTING|carol|{CAROL}")
    assert desk.shown[-1].startswith(f"* carol ({CAROL}) wants to chat")
    assert desk.dialogue.ask.words == ""
    desk.hear("QUIT|bob")
    assert desk.asked[-1] == f"carol ({CAROL}) wants to chat. Accept? (y/n)"


def test_an_address_being_typed_is_not_interrupted() -> None:
    desk = at_menu()
    ask = desk.dialogue.ask
    desk.hear(REQUEST)
    assert desk.type("127.0.0.9", ask=ask) == ["CONNECTING|127.0.0.9"]


def test_requests_are_asked_about_one_after_the_other_each_once() -> None:
    desk = at_menu()
    desk.hear(REQUEST, f"CONNECTING|carol|{CAROL}", f"CONNECTING|carol|{CAROL}")
    assert desk.type("n") == LEAVE_BOB
    assert desk.type("y") == [f"CONNECTED|{CAROL}"]
    assert desk.dialogue.attachment.requests == []


def test_calling_somebody_whose_request_waits_answers_it() -> None:
    desk = at_menu()
    ask = desk.dialogue.ask
    desk.hear(REQUEST)
    desk.type("127.0.0.2", ask=ask)
    desk.hear(f"CONNECTED|bob|{BOB}")
    assert desk.dialogue.attachment.requests == []


def test_a_request_of_nobody_is_none() -> None:
    desk = at_menu()
    desk.hear("CONNECTING|", "CONNECTING||")
    assert desk.dialogue.attachment.requests == []


def test_a_request_taken_back_is_no_longer_asked_about() -> None:
    desk = place("MENU, asked about bob")
    desk.hear("QUIT|bob")
    assert desk.shown[-1] == f"* Missed call: bob ({BOB}) called, and gave up."
    assert desk.dialogue.ask.words == QUESTIONS[Place.MENU][1]


def test_a_name_that_is_anothers_address_takes_nothing_from_them() -> None:
    desk = at_menu()
    desk.hear(f"CONNECTING|{CAROL}|{BOB}", f"CONNECTING|bob|{CAROL}", f"QUIT|{CAROL}")
    assert [request.address for request in desk.dialogue.attachment.requests] == [BOB]


def test_requests_are_bounded() -> None:
    desk = at_menu()
    desk.hear(*(f"CONNECTING|bob|10.0.0.{number}:7777" for number in range(MOST_REQUESTS + 5)))
    assert len(desk.dialogue.attachment.requests) == MOST_REQUESTS
    assert desk.dialogue.attachment.requests[0].address == "10.0.0.5:7777"


def test_a_request_that_gives_way_to_others_ends_no_call() -> None:
    desk = calling()
    desk.hear(f"RINGING|bob|{BOB}", *(f"CONNECTING|m{number}|10.0.0.66:{number}" for number in range(1, 18)), "QUIT|m1")
    desk.at(Phase.CALLING)
    assert desk.shown[-1] == "* Missed call: m1 (10.0.0.66:1) called, and gave up."


@pytest.mark.parametrize("name", ["daemon", "10.0.0.66:1"])
def test_a_request_without_a_name_that_gets_one_at_its_end_ends_no_call(name: str) -> None:
    desk = calling()
    desk.hear(f"RINGING|daemon|{BOB}", f"CONNECTING|{name}|10.0.0.66:1", "QUIT|mallory")
    desk.at(Phase.CALLING)


def test_a_call_that_rang_ends_by_the_name_that_rang_alone() -> None:
    desk = calling()
    desk.hear(f"RINGING|bob|{BOB}", "QUIT|mallory", f"QUIT|{CAROL}")
    desk.at(Phase.CALLING)
    desk.hear("QUIT|bob")
    desk.at(Place.MENU)


def test_a_failed_call_fails_a_pipe_only() -> None:
    for piped in (False, True):
        desk = calling(piped=piped)
        desk.hear("ERROR|User already in another chat", "QUIT|bob")
        assert desk.shown[1:] == ["* 127.0.0.2 is in another chat."]
        assert desk.dialogue.failed == piped


# -- no answer


def test_a_warning_that_repeats_itself_is_shown_once() -> None:
    desk = chatting()
    nothing = f"ERROR|nothing listens at {BOB}"
    desk.hear(nothing, nothing, "UNANSWERED|bob|30", nothing)
    assert [text for text in desk.shown if "nothing listens" in text] == [f"! nothing listens at {BOB}"]
    desk.hear("ERROR|bob stopped answering", "QUIT|bob")
    assert desk.shown[-1] == f"* bob ({BOB}) is gone; the chat is over."
    desk.type("127.0.0.2", "é")
    desk.hear(nothing)
    assert desk.shown[-1] == f"! nothing listens at {BOB}"


def test_a_warning_is_shown_again_after_an_answer() -> None:
    desk = chatting()
    nothing = f"ERROR|nothing listens at {BOB}"
    desk.hear(nothing, "CHAT|bob|hi", nothing)
    assert desk.shown[-3:] == [f"! nothing listens at {BOB}", "bob: hi", f"! nothing listens at {BOB}"]


def test_it_is_told_after_each_30_seconds_and_asks_for_nothing() -> None:
    desk = chatting()
    desk.type("hi")
    desk.hear("UNANSWERED|bob|30", "UNANSWERED|bob|60")
    assert desk.shown[-2:] == [
        "* Still no answer from bob: keep waiting, or q leaves",
        "* Still no answer from bob: keep waiting, or q leaves (60 s)",
    ]
    assert desk.dialogue.ask.words == ""
    assert desk.type("y") == ["CHAT|y"]


# -- messages


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (r"\q", "q"),
        (r"\?", "?"),
        (r"\\q", r"\q"),
        (r" \q ", " q "),
        (r"\quit", r"\quit"),
        ("a|b", "a|b"),
        ("  x ", "  x "),
        ("\\", "\\"),
    ],
)
def test_what_is_typed_is_what_is_said(typed: str, said: str) -> None:
    assert chatting().type(typed) == [f"CHAT|{said}"]


def test_a_message_that_is_too_long_is_not_sent_and_nothing_else_lost() -> None:
    desk = chatting(piped=True)
    longest = "é" * (MAX_MESSAGE_SIZE // 2)
    assert desk.type(longest + "x") == []
    assert f"longer than {MAX_MESSAGE_SIZE} bytes" in desk.shown[-1]
    assert desk.dialogue.failed
    assert desk.type(longest) == [f"CHAT|{longest}"]


def test_a_message_whose_line_would_be_too_long_is_not_sent() -> None:
    desk = chatting()
    assert desk.type("\\" * 40_000) == []
    assert "backslashes" in desk.shown[-1]


def test_a_byte_that_is_no_utf_8_is_named() -> None:
    desk = chatting(piped=True)
    assert desk.type(b"ok \xff".decode("utf-8", "surrogateescape")) == []
    assert "read the byte 0xff at character 4, expected UTF-8" in desk.shown[-1]


def test_an_undelivered_message_is_shown_by_its_words() -> None:
    desk = chatting(piped=True)
    desk.type("first", "second " * 20)
    desk.hear("ACK|1", "UNDELIVERED|2")
    assert desk.shown[-1] == f"! not delivered: '{('second ' * 20)[: view.SHORT]}…'"
    assert desk.dialogue.failed


def test_the_bar_counts_what_is_not_delivered() -> None:
    desk = chatting()
    desk.type("one", "two")
    assert "2 messages not yet delivered" in desk.dialogue.bar(200)
    desk.hear("ACK|1")
    assert "1 message not yet delivered" in desk.dialogue.bar(200)
    desk.hear("ACK|2")
    assert "✓ all delivered" in desk.dialogue.bar(200)


def test_a_partner_who_leaves_takes_what_was_unacknowledged() -> None:
    desk = place("CHAT, one message out")
    desk.hear("QUIT|bob")
    assert desk.shown[-2:] == ["! not delivered: 'hi'", f"* bob ({BOB}) left; the chat is over."]


def test_messages_are_counted_anew_in_each_chat() -> None:
    desk = chatting()
    desk.type("one")
    desk.hear("ACK|1", "QUIT|bob", f"CONNECTED|carol|{CAROL}")
    desk.type("uno")
    desk.hear("ACK|1")
    assert desk.dialogue.attachment.outstanding == {}


def test_a_repeated_connected_counts_nothing_anew() -> None:
    desk = place("CHAT, one message out")
    desk.hear(f"CONNECTED|bob|{BOB}")
    assert desk.dialogue.attachment.said == 1


def test_a_pipe_keeps_a_bounded_number_of_messages_in_flight() -> None:
    desk = chatting(piped=True)
    lines = [str(number) for number in range(WINDOW + 1)]
    assert desk.type(*lines) == [f"CHAT|{line}" for line in lines[:WINDOW]]
    assert not desk.dialogue.reads
    assert desk.hear("ACK|1") == [f"CHAT|{lines[WINDOW]}"]
    assert desk.dialogue.reads


def test_a_terminal_says_all_at_once() -> None:
    assert len(chatting().type(*["x"] * 100)) == 100


# -- the end


def test_the_end_of_the_input_waits_for_every_message() -> None:
    desk = chatting(piped=True)
    desk.type("one", "two")
    assert desk.end() == []
    assert desk.hear("ACK|1") == []
    assert desk.hear("UNDELIVERED|2") == ["QUIT|"]
    desk.hear("QUIT|")
    assert desk.dialogue.failed


def test_the_end_waits_for_the_messages_of_a_chat_that_was_left() -> None:
    desk = chatting(piped=True, commands=True)
    assert desk.type("hello", "q", "q") == ["CHAT|hello", *LEAVE_BOB]
    assert desk.end() == []
    assert desk.hear("QUIT|bob", "PONG|") == []
    assert desk.hear("ACK|1") == ["QUIT|"]
    assert not desk.dialogue.failed


def calling_after_a_chat() -> Desk:
    """A call is out, and a message of the chat before is under way."""
    desk = _then(chatting(piped=True, commands=True), types=("hi", "q"), hears=("QUIT|bob", "PONG|"))
    desk.type("127.0.0.3")
    return desk


def test_a_call_that_fails_leaves_the_messages_of_the_chat_before_under_way() -> None:
    desk = calling_after_a_chat()
    desk.hear("QUIT|127.0.0.3")
    assert not any("not delivered" in text for text in desk.shown)
    assert "1 message not yet delivered" in desk.dialogue.bar(200)
    desk.hear("UNDELIVERED|1")
    assert desk.shown[-1] == "! not delivered (to bob): 'hi'"


def test_the_end_waits_for_nothing_that_a_new_chat_has_made_unknown() -> None:
    desk = calling_after_a_chat()
    assert desk.end() == []
    assert desk.hear(f"CONNECTED|carol|{CAROL}") == ["QUIT|"]
    assert desk.shown[-1] == "! may not have arrived: 'hi'"


def test_a_second_end_at_a_terminal_waits_no_longer() -> None:
    desk = place("CLOSING")
    assert desk.end() == ["QUIT|"]
    assert desk.shown[-1] == "! may not have arrived: 'hi'"


def test_a_line_typed_while_the_end_waits_is_told_as_not_sent() -> None:
    desk = place("CLOSING")
    desk.type("late")
    desk.hear("ACK|1")
    assert desk.shown[-1] == "! not sent: 'late': the chat is over"


def test_a_call_that_the_end_cuts_short_has_failed() -> None:
    for desk in (calling(piped=True), Desk("alice", "127.0.0.2", piped=True)):
        desk.flush()
        assert desk.end() == ["QUIT|"]
        assert desk.dialogue.failed


def test_with_call_a_pipe_ends_with_that_chat() -> None:
    desk = Desk("alice", "127.0.0.2", piped=True)
    desk.hear("CONNECTED|alice", "PONG|", f"CONNECTED|bob|{BOB}")
    assert desk.hear("QUIT|bob") == ["QUIT|"]


def test_ctrl_c_ends_at_once() -> None:
    desk = place("CHAT, one message out")
    desk.dialogue.interrupt()
    desk.dialogue.interrupt()
    assert desk.flush() == ["QUIT|"]


def test_a_lost_daemon_is_told_with_what_it_takes_along() -> None:
    desk = place("CHAT, one message out")
    desk.dialogue.lose()
    desk.flush()
    assert desk.shown[-2:] == ["! may not have arrived: 'hi'", "! The daemon is gone."]
    assert desk.dialogue.failed
    desk.at(Phase.OVER)


def test_a_daemon_that_closes_after_our_quit_is_not_lost() -> None:
    desk = place("QUITTING")
    desk.dialogue.lose()
    assert not desk.dialogue.failed


@pytest.mark.parametrize("where", ["NAME", "MENU", "MENU, asked about bob"])
def test_help_is_followed_by_what_was_asked(where: str) -> None:
    desk = place(where)
    asked = desk.asked[-1]
    desk.asked.clear()
    desk.type("?")
    assert desk.asked == [asked]


def test_help_is_there_and_the_question_comes_again() -> None:
    desk = at_menu()
    desk.type("?")
    assert (desk.shown, desk.listed) == ([f"* {line}" for line in HELP], NOBODY * 2)
    assert desk.asked == [QUESTIONS[Place.MENU][1], QUESTIONS[Place.MENU][1]]


# -- the law

_PEERS = st.sampled_from(["bob", BOB, "carol", CAROL, "", "q", "\x1b[2J", "\u202ebob", "a\nb"]) | st.text(max_size=5)
_PAYLOADS = st.lists(_PEERS | st.sampled_from(["1", "2", "30"]), max_size=4).map("|".join) | st.text()
_SEEN = st.builds("{}|{}|chat|1".format, _PEERS, st.sampled_from([BOB, CAROL])).map(lambda text: Line(Word.SEEN, text))
_HEARD = (st.builds(Line, st.sampled_from(Word), _PAYLOADS) | _SEEN).map(format_line)
_TYPED = st.sampled_from([*WORDS, "alice", "127.0.0.2", r"\q", "\x1b]0;x\x07", "\ud800"]) | st.text(max_size=9)
_STEPS = st.lists(st.tuples(st.just("hear"), _HEARD) | st.tuples(st.just("type"), _TYPED), max_size=40)


def _disturbs(character: str) -> bool:
    return character not in "\u200c\u200d" and unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


_LEADING_TO_CHATS = [
    *("PONG|", "CONNECTED|alice", REQUEST, f"CONNECTING|carol|{CAROL}", f"CONNECTED|bob|{BOB}"),
    *(f"CONNECTED|carol|{CAROL}", "QUIT|bob", "QUIT|carol", "UNANSWERED|bob|30", "ACK|1"),
    *(*BOTH, f"GONE|bob|{BOB}", "SEEN|ann|127.0.0.4:7777|announced|1", "GONE|ann|127.0.0.4:7777"),
]
_DONE = st.sampled_from([*_LEADING_TO_CHATS, "look", "y", "n", "1", "2", "q", "127.0.0.2", "draft", ""])


@given(st.lists(_DONE, max_size=60))
def test_what_is_typed_counts_for_what_was_asked_then_alone(steps: list[str]) -> None:
    desk = place("MENU, two listed")
    ask, partner = desk.dialogue.ask, ""
    for step in steps:
        if step == "look":
            ask = desk.dialogue.ask
            partner = desk.dialogue.attachment.partner.peer if desk.dialogue.state is Phase.CHAT else ""
        elif "|" in step:
            desk.hear(step)
        else:
            now = desk.dialogue.attachment.partner.peer
            for line in desk.type(step, ask=ask):
                word, _, payload = line.partition("|")
                if word == "CHAT":
                    assert ask.talk
                    assert partner in ("", now)
                elif word == "CONNECTED":
                    assert (step, payload) == ("y", ask.other.peer)
                elif word == "CONNECTING" and step.isdecimal():
                    assert payload == ask.people[int(step) - 1].address
                elif word == "QUIT" and payload:
                    assert (step, payload) == ("n", ask.other.peer) or (step == "q" and ask.talk)


@given(st.sampled_from([None, "alice"]), st.sampled_from([None, "127.0.0.2"]), st.booleans(), _STEPS)
def test_nothing_raises_and_nothing_disturbs_the_terminal(
    user: str | None, call: str | None, piped: bool, steps: list[tuple[str, bytes | str]]
) -> None:
    desk = Desk(user, call, piped=piped)
    for _, step in steps:
        if isinstance(step, bytes):
            desk.dialogue.receive_line(parse_line(step.removesuffix(b"\n")))
        else:
            desk.dialogue.type_line(step)
        desk.flush()
        visible = "".join(
            [*desk.shown, *desk.listed, *desk.asked, desk.dialogue.ask.label, desk.dialogue.bar(80)]
        ).replace(f"\n{view.MORE}", "")
        assert not any(map(_disturbs, visible))
        desk.shown.clear()
        desk.listed.clear()
        desk.asked.clear()


def test_a_pipe_that_ends_before_a_call_is_answered_says_why_it_failed() -> None:
    for desk in (calling(piped=True), Desk("alice", "127.0.0.2", piped=True)):
        desk.end()
        assert any("The input ended before the call was answered" in text for text in desk.shown)
        assert desk.dialogue.failed
    desk = chatting(piped=True)
    desk.end()
    assert not any("The input ended" in text for text in desk.shown)


# -- what a line is for


def test_an_answer_is_for_the_request_that_was_asked_about() -> None:
    desk = place("MENU, asked about bob")
    ask = desk.dialogue.ask
    assert desk.hear(f"CONNECTING|bob|{CAROL}", f"QUIT|{BOB}") == []
    assert desk.type("y", ask=ask) == []
    assert desk.shown[-1] == "! not used: 'y': what it answered is over"
    assert desk.asked[-1] == f"bob ({CAROL}) wants to chat. Accept? (y/n)"
    assert desk.type("y") == [f"CONNECTED|{CAROL}"]


def test_an_answer_for_a_request_that_still_waits_is_taken() -> None:
    desk = at_menu()
    desk.hear(REQUEST, f"CONNECTING|carol|{CAROL}")
    ask = desk.dialogue.ask
    desk.hear(REQUEST)  # which is the newest now
    assert desk.dialogue.ask != ask
    assert desk.type("y", ask=ask) == [f"CONNECTED|{BOB}"]


@pytest.mark.parametrize("word", ["y", "n", "1", "hello", "q", "127.0.0.9", ""])
def test_a_draft_of_a_chat_that_is_over_is_nothing_else(word: str) -> None:
    desk = chatting()
    ask = desk.dialogue.ask
    desk.hear("QUIT|bob", f"CONNECTING|carol|{CAROL}")
    assert desk.type(word, ask=ask) == []
    desk.at(Place.MENU)
    if word == "q":
        assert desk.shown[-1] == "* It is over already."
    elif word:
        assert desk.shown[-1] == f"! not sent: '{word}': the chat is over"


def test_a_draft_for_one_partner_reaches_no_other() -> None:
    desk = chatting()
    ask = desk.dialogue.ask
    desk.hear("QUIT|bob", f"CONNECTED|carol|{CAROL}")
    assert desk.type("dear bob", ask=ask) == []
    assert desk.shown[-1] == "! not sent: 'dear bob': the chat is over"


HOMES = {"ann": "127.0.0.4:7777", "bob": BOB, "carol": CAROL}
_COMING = st.sampled_from(sorted(HOMES)).map(lambda name: f"SEEN|{name}|{HOMES[name]}|announced|1")
_GOING = st.sampled_from(sorted(HOMES)).map(lambda name: f"GONE|{name}|{HOMES[name]}")
_CHANGES = st.lists(_COMING | _GOING | st.just(""), max_size=8)


@given(_CHANGES, _CHANGES, st.integers(1, 4))
def test_a_number_is_whose_it_was_when_its_typing_began(before: list[str], meanwhile: list[str], number: int) -> None:
    desk = place("MENU, two listed")
    for step in before:
        (desk.hear if step else desk.type)(step)
    begin = max(at for at, line in enumerate(desk.listed) if line in ("* Here now:", *NOBODY))
    ask, on_screen = desk.dialogue.ask, "\n".join(desk.listed[begin:])
    for step in meanwhile:
        (desk.hear if step else desk.type)(step)
    named = re.search(rf"^\* +{number} (\w+)$", on_screen, re.MULTILINE)
    assert desk.type(str(number), ask=ask) == ([f"CONNECTING|{HOMES[named[1]]}"] if named else [])


def test_a_yes_typed_before_the_question_accepts_nobody() -> None:
    desk = at_menu()
    ask = desk.dialogue.ask
    desk.hear(REQUEST)
    assert desk.type("y", ask=ask) == []
    desk.at(Place.MENU)
    late = Desk("alice")
    late.type("y")
    late.hear("CONNECTED|alice", REQUEST)
    assert late.hear("PONG|") == []


def test_a_yes_to_somebody_else_during_a_call_is_no_message_once_the_chat_is_on() -> None:
    desk = place("CALLING, asked about carol")
    ask = desk.dialogue.ask
    desk.hear(f"CONNECTED|bob|{BOB}")
    assert desk.type("y", ask=ask) == []
    assert desk.shown[-1] == "! not used: 'y': what it answered is over"
    assert desk.type("hello", ask=ask) == ["CHAT|hello"]


def test_what_was_typed_for_the_callee_is_not_said_to_whoever_is_accepted_instead() -> None:
    desk = place("CALLING, asked about carol")
    desk.type("dear bob", "y")
    assert desk.hear(f"CONNECTED|carol|{CAROL}") == []
    assert "! not sent: 'dear bob': the call is over" in desk.shown


def test_lines_together_are_a_message_wherever_they_are_typed() -> None:
    lines = "first\nq\n1"
    assert [f"CHAT|{lines}"] == chatting().type(lines)
    assert chatting().type("\n  a\n\nb\n") == ["CHAT|  a\n\nb"]
    desk = calling()
    desk.type(lines)
    assert desk.hear(f"CONNECTED|bob|{BOB}") == [f"CHAT|{lines}"]
    for where in ("NAME", "MENU", "MENU, asked about bob"):
        desk = place(where)
        before = desk.dialogue.state
        assert desk.type("y\nq") == []
        assert (desk.dialogue.state, desk.shown[-1]) == (before, "! not sent: 'y…': no chat is on")


def test_the_help_says_what_the_marks_of_a_chat_mean() -> None:
    desk = chatting()
    desk.type("?")
    assert [text for text in desk.shown if "simp verify" in text and "encrypted" in text]


def test_a_request_that_a_chat_pushed_aside_is_told_again() -> None:
    desk = place("CALLING, asked about carol")
    desk.hear(f"CONNECTED|bob|{BOB}")
    assert desk.shown[-1] == f"* carol ({CAROL}) wants to chat; you will be asked as soon as you are free."


# -- redirected input


@pytest.mark.parametrize("lines", [["a", "", "  b", "q", "c"], ["?", r"\q", "y", "1", " "]])
def test_each_line_of_redirected_input_is_a_message(lines: list[str]) -> None:
    desk = Desk("alice", "127.0.0.2", piped=True)
    desk.hear("CONNECTED|alice", "PONG|")
    said = []
    for line in lines:
        said += desk.type(line)
    said += desk.hear(f"CONNECTED|bob|{BOB}")
    assert said == ["CONNECTING|127.0.0.2", *(f"CHAT|{line}" for line in lines)][1:]


def test_redirected_input_answers_the_questions_before_a_call() -> None:
    desk = Desk(piped=True)
    assert desk.type("alice") == ["CONNECT|alice", "WHO|", "PING|"]
    desk.hear("CONNECTED|alice", "PONG|")
    assert desk.type("127.0.0.2") == ["CONNECTING|127.0.0.2"]
    assert desk.hear(f"CONNECTED|bob|{BOB}") == []
    assert desk.type("q") == ["CHAT|q"]


@pytest.mark.parametrize("line", ["", "?", "1", "127.0.0.9", "hello"])
def test_what_follows_in_a_pipe_that_called_somebody_is_for_nobody_else(line: str) -> None:
    desk = chatting(piped=True)
    desk.hear(BOTH[0])
    assert desk.hear("QUIT|bob") == ["QUIT|"]
    assert desk.type(line) == []
    desk.dialogue.finish(more=False)
    desk.flush()
    assert desk.shown[-1] == f"! not sent: '{line}': the chat is over"
    assert desk.dialogue.failed


def test_what_redirected_input_says_to_no_question_is_a_failure() -> None:
    desk = at_menu(piped=True)
    desk.type("hello")
    desk.end()
    assert desk.dialogue.failed


def test_an_end_of_the_input_waits_until_the_daemon_takes_us_or_does_not() -> None:
    desk = Desk("zoe", piped=True)
    desk.flush()
    assert desk.end() == []
    desk.hear("ERROR|another client is connected to this daemon", "QUIT|")
    assert (desk.shown, desk.dialogue.failed) == (["! another client is connected to this daemon"], True)
    desk = Desk("zoe", piped=True)
    desk.end()
    assert desk.hear("CONNECTED|zoe", "PONG|") == ["QUIT|"]
    assert not desk.dialogue.failed


def test_a_call_that_nobody_can_take_back_is_given_up() -> None:
    desk = Desk("alice", "127.0.0.2", piped=True)
    desk.hear("CONNECTED|alice", "PONG|")
    desk.type("hi")
    assert desk.dialogue.alone
    desk.hear("UNANSWERED|127.0.0.2:7777|30")
    assert desk.shown[-1] == "* Still no answer from 127.0.0.2 after 30 s."
    desk.dialogue.give_up(60.0)
    assert desk.flush() == ["QUIT|127.0.0.2", "PING|"]
    assert desk.shown[-2:] == [
        "! 127.0.0.2 didn't answer within 60 s, so the call was cancelled "
        "(--wait sets how long; `simp doctor 127.0.0.2` finds out why).",
        "! not sent: 'hi': nobody answered the call",
    ]
    assert desk.hear("QUIT|127.0.0.2:7777", "PONG|") == ["QUIT|"]
    assert desk.dialogue.failed
    assert not calling().dialogue.alone


def test_a_lost_daemon_takes_what_was_held() -> None:
    desk = calling(piped=True)
    desk.type("hi")
    desk.dialogue.lose()
    desk.flush()
    assert desk.shown[-2] == "! not sent: 'hi': the daemon is gone"


# -- how it ended

OVER: dict[str, tuple[list[str], list[str]]] = {
    "declined": ([f"RINGING|bob|{BOB}", "QUIT|bob"], [f"* bob ({BOB}) declined."]),
    "declined late": ([f"RINGING|bob|{BOB}", "UNANSWERED|bob|60", "QUIT|bob"], [f"* bob ({BOB}) declined."]),
    "declined without ringing": (["QUIT|bob"], ["* 127.0.0.2 declined."]),
    "busy": (["ERROR|User already in another chat", "QUIT|bob"], ["* 127.0.0.2 is in another chat."]),
    "nobody there": (
        ["UNANSWERED|127.0.0.2:7777|60", f"QUIT|{BOB}"],
        ["* 127.0.0.2 didn't answer. `simp doctor 127.0.0.2` finds out why."],
    ),
    "nobody there whose name is known": (
        [f"SEEN|bob|{BOB}|announced|", f"RINGING|bob|{BOB}", f"UNANSWERED|{BOB}|330", f"QUIT|{BOB}"],
        [f"* bob ({BOB}) didn't answer. `simp doctor bob` finds out why."],
    ),
    "nobody there whose name is dangerous": (
        [f"RINGING|$(halt)|{BOB}", f"UNANSWERED|{BOB}|330", f"QUIT|{BOB}"],
        [f'* "$(halt)" ({BOB}) didn\'t answer. `simp doctor {BOB}` finds out why.'],
    ),
    "out of reach": (
        ["ERROR|nothing could be sent to 127.0.0.2:7777: No route", f"QUIT|{BOB}"],
        ["! nothing could be sent to 127.0.0.2:7777: No route"],
    ),
    "refused": (["ERROR|nothing listens there", f"QUIT|{BOB}"], ["! nothing listens there"]),
}


@pytest.mark.parametrize("how", OVER)
def test_how_a_call_failed_is_told_in_one_line(how: str) -> None:
    heard, shown = OVER[how]
    desk = calling()
    desk.flush()
    desk.shown.clear()
    desk.hear(*heard)
    assert [text for text in desk.shown if "Ringing" not in text and "Still" not in text] == shown


def test_leaving_is_told_apart_from_silence() -> None:
    desk = place("CHAT, asked to wait")
    desk.hear("UNDELIVERED|1", "QUIT|bob")
    assert desk.shown[-1] == f"* bob ({BOB}) stopped answering; the chat is over."
    desk = place("CHAT, asked to wait")
    desk.hear("ACK|1", "QUIT|bob")
    assert desk.shown[-1] == f"* bob ({BOB}) left; the chat is over."


def test_what_a_warning_has_said_is_not_said_otherwise() -> None:
    desk = place("CHAT, one message out")
    desk.hear("ERROR|bob stopped answering", "UNDELIVERED|1", "QUIT|bob")
    assert desk.shown[-3:] == [
        "! bob stopped answering",
        "! not delivered: 'hi'",
        f"* bob ({BOB}) is gone; the chat is over.",
    ]


def test_a_call_that_is_taken_back_was_no_chat() -> None:
    desk = calling()
    desk.type("q")
    assert desk.shown[-1] == "* Cancelled the call to 127.0.0.2. Another q ends the program."


def test_what_the_daemon_knows_besides_is_told() -> None:
    desk = Desk("alice")
    desk.hear("CONNECTED|alice", f"MISSED|bob|{BOB}|480", "MISSED|bob", "PONG|")
    assert desk.shown == [f"* Missed call: bob ({BOB}) called 8 min ago."]
    desk = calling()
    desk.hear(f"RINGING|bob|{BOB}", f"AWAY|bob|{BOB}", f"AWAY|carol|{CAROL}")
    assert desk.shown[-1] == f"* Nobody is at bob ({BOB}) now; whoever comes there will be asked."


def test_an_answer_from_elsewhere_is_named_while_the_call_goes_on() -> None:
    desk = calling()
    desk.hear(f"ELSEWHERE|{CAROL}|127.0.0.4:7777", f"ELSEWHERE|{BOB}", f"ELSEWHERE|{BOB}|{CAROL}")
    told = [text for text in desk.shown if "answered" in text]
    same = "If 127.0.0.2 is the same host, cancel, and call it there."
    assert told == [f"* {CAROL} has answered, which wasn't called. {same}"]
    desk.at(Phase.CALLING)
    desk.hear(f"RINGING|bob|{BOB}", f"ELSEWHERE|{BOB}|{CAROL}")
    assert "answered" not in desk.shown[-1]


def test_a_silent_partner_that_cannot_be_asked_is_told_once_and_shown_from_then_on() -> None:
    desk = chatting()
    desk.hear("SILENT|carol|120", "SILENT|bob|120", "SILENT|bob|240")
    silence = "* Nothing heard from bob for 2 min; its daemon doesn't tell whether it is still there."
    assert [text for text in desk.shown if "Nothing" in text] == [silence]
    assert "nothing heard for 4 min" in desk.dialogue.bar(120)
    desk.hear("CHAT|bob|hi")
    assert "nothing heard" not in desk.dialogue.bar(120)
    desk.hear("SILENT|bob|120")
    assert desk.shown[-1] == silence


# -- whose words those are


@pytest.mark.parametrize("name", ["alice", "Alice", "a1ice", "aIice", "ALICE", "alice ", "al ice", "@lice"])
def test_a_partner_who_looks_like_the_person_is_marked(name: str) -> None:
    desk = chatting()
    desk.hear(f"CHAT|{name}|yes, I agree")
    assert desk.shown[-1].endswith(": yes, I agree")
    assert "(not you)" in desk.shown[-1]


@pytest.mark.parametrize("name", ["bob", "malice", "alicia"])
def test_nobody_else_is_marked(name: str) -> None:
    desk = chatting()
    desk.hear(f"CHAT|{name}|yes")
    assert desk.shown[-1] == f"{name}: yes"


@pytest.mark.parametrize("name", ["! not delivered", "* You left", "bob (192.168.1.20:7777)", "192.168.1.20", "bob:"])
def test_a_name_that_could_be_more_is_in_quotes(name: str) -> None:
    desk = chatting()
    desk.hear(f"CHAT|{name}|yes")
    assert desk.shown[-1] == f'"{name}": yes'


def test_redirected_input_is_not_asked_during_a_call() -> None:
    desk = calling(piped=True)
    desk.hear(f"CONNECTING|carol|{CAROL}")
    assert desk.shown[-1].startswith(f"* carol ({CAROL}) wants to chat")
    assert desk.type("y") == []
    assert desk.hear(f"CONNECTED|bob|{BOB}") == ["CHAT|y"]


# -- how a chat is secured (client 4.3)


@pytest.mark.parametrize(
    ("state", "words", "bar"),
    [
        (
            "encrypted",
            "* Encrypted. To be sure that it is bob, compare words (in another terminal): simp verify bob",
            "encrypted",
        ),
        ("verified", "* Encrypted and verified.", "verified"),
        ("clear", "! In the clear: anyone on the network can read this, and write as bob.", "in the clear"),
        (
            "claimed",
            "! You know more than one bob, each with another key. "
            "Encrypted, but make sure which one this is: simp contacts",
            "not proved",
        ),
    ],
)
@pytest.mark.parametrize("piped", [False, True])
def test_how_a_chat_is_secured_is_said_once_in_words_and_always_in_the_bar(
    state: str, words: str, bar: str, piped: bool
) -> None:
    desk = chatting(piped=piped)
    desk.hear(f"SECURED|bob|{BOB}|{state}|later fields", "CHAT|bob|hi")
    assert desk.shown[-2:] == [words, "bob: hi"]
    assert desk.dialogue.bar(80) == f" {bar} · chat with bob ({BOB}) · q leaves · ? helps "
    assert desk.dialogue.bar(40) == f" {bar} · with bob · q leaves "
    assert desk.dialogue.bar(26) == f" {bar} · q leaves "


def test_that_the_keys_of_a_chat_are_logged_is_said_as_long_as_it_is_on() -> None:
    desk = chatting()
    desk.hear(f"SECURED|bob|{BOB}|verified|logged|later fields")
    assert desk.shown[-2:] == [
        "* Encrypted and verified.",
        "! Your daemon writes the keys of this chat to a file (--key-log): whoever reads that can read the chat.",
    ]
    assert desk.dialogue.bar(80) == f" verified, logged · chat with bob ({BOB}) · q leaves · ? helps "
    assert desk.dialogue.bar(41) == " verified, logged · with bob · q leaves "
    assert desk.dialogue.bar(40) == " verified · with bob · q leaves "


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (f"SECURED|bob|{BOB}|of a later version",),
        (f"SECURED|bob|{CAROL}|verified",),
        (f"CONNECTING|carol|{CAROL}", f"SECURED|carol|{CAROL}|verified"),
        (f"CONNECTING|bob|{BOB}", f"SECURED|bob|{BOB}|verified"),  # somebody else there, or who pretends to be
        ("SECURED|", "SECURED|verified", "SECURED||verified|verified", f"SECURED|bob|{BOB}|VERIFIED"),
    ],
)
def test_a_chat_of_which_nothing_is_known_is_not_said_to_be_secured(lines: tuple[str, ...]) -> None:
    desk = chatting()
    desk.hear(*lines)
    assert desk.dialogue.bar(80) == f" chat with bob ({BOB}) · q leaves · ? helps "
    assert not re.search("ncrypted|erified", " ".join(text for text in desk.shown if "wants to chat" not in text))


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("clear", ", in the clear"),
        ("claimed", ". Careful: this may not be who you know by that name or address"),
        ("verified", ", encrypted and verified"),
    ],
)
def test_a_request_that_is_put_off_shows_what_is_known_of_it(state: str, words: str, at_once: bool) -> None:
    desk = chatting()
    request = (f"CONNECTING|bob|{CAROL}", f"SECURED|bob|{CAROL}|{state}|")
    for lines in [request] if at_once else [request[:1], request[1:]]:
        desk.hear(*lines)
    told = [text for text in desk.shown if "wants to chat" in text]
    later = "; you will be asked as soon as you are free."
    assert told[-1] == f"* bob ({CAROL}) wants to chat{words}{later}"
    assert len(told) == (1 if at_once else 2)
    desk.hear(f"CONNECTING|dora|{CAROL}")
    assert desk.shown[-1] == f"* dora ({CAROL}) wants to chat{later}"


def test_a_call_that_failed_for_another_reason_is_not_told_as_unanswered() -> None:
    """Somebody has taken it, with another key for example."""
    desk = at_menu()
    desk.hear(f"SEEN|bob|{BOB}|announced|3")
    desk.type("bob", "hello")
    desk.hear("ERROR|whoever answered in bob's place has another key", f"QUIT|{BOB}")
    assert "! not sent: 'hello': the call failed" in desk.shown
    assert "*    1 bob, who wasn't reached" in desk.listed


def test_what_is_known_of_one_chat_is_not_said_of_the_next() -> None:
    desk = chatting()
    desk.hear(f"SECURED|bob|{BOB}|verified")
    desk.type("q")
    desk.hear("QUIT|bob", "PONG|")
    assert "verified" not in desk.dialogue.bar(80)
    desk.hear(REQUEST, f"SECURED|bob|{BOB}|verified")
    desk.type("y")
    desk.hear(f"CONNECTED|bob|{BOB}")
    assert desk.dialogue.bar(80) == f" chat with bob ({BOB}) · q leaves · ? helps "
    desk.hear(f"SECURED|bob|{BOB}|encrypted")
    assert desk.dialogue.bar(80).startswith(" encrypted · ")


def test_words_that_were_compared_in_a_chat_count_from_then_on() -> None:
    desk = chatting()
    desk.hear(f"SECURED|bob|{BOB}|encrypted", "CHAT|bob|hi", f"SECURED|bob|{BOB}|verified")
    assert desk.shown[-1] == "* Encrypted and verified."
    assert desk.dialogue.bar(80).startswith(" verified · ")


@pytest.mark.parametrize(
    ("state", "wants", "proved"),
    [
        ("encrypted", ", encrypted", ""),
        ("verified", ", encrypted and verified", ""),
        ("clear", ", in the clear", ""),
        ("claimed", ". Careful: this may not be who you know by that name or address", ", not proved"),
        ("of a later version", "", ""),
    ],
)
def test_what_a_request_shows_is_said_before_it_is_accepted(state: str, wants: str, proved: str) -> None:
    desk = at_menu()
    desk.hear(REQUEST, f"SECURED|bob|{BOB}|{state}")
    assert desk.asked[-1] == f"bob ({BOB}) wants to chat{wants}. Accept? (y/n)"
    assert desk.dialogue.ask.news == f"bob ({BOB}) wants to chat{wants}."
    assert desk.dialogue.ask.label == f"Accept bob ({BOB}){proved}? (y/n) "
    assert desk.type("y") == ["CONNECTED|127.0.0.2:7777"]


def test_the_question_whether_to_accept_is_asked_once_with_all_that_is_known() -> None:
    desk = at_menu()
    desk.dialogue.receive_line(parse_line(REQUEST.encode()))
    desk.dialogue.receive_line(parse_line(f"SECURED|bob|{BOB}|claimed".encode()))
    desk.asked.clear()
    desk.flush()
    (asked,) = desk.asked
    assert "this may not be who you know" in asked


def test_a_request_that_waits_during_a_chat_is_asked_about_with_what_it_shows() -> None:
    desk = chatting()
    desk.hear(f"CONNECTING|carol|{CAROL}", f"SECURED|carol|{CAROL}|claimed", "QUIT|bob")
    assert desk.asked[-1].startswith(f"carol ({CAROL}) wants to chat. Careful: ")


@pytest.mark.parametrize("name", ["verified", "keys logged", "ver1f1ed", "bob in the clear", "not proved"])
def test_a_name_does_not_read_as_how_a_chat_is_secured(name: str) -> None:
    desk = at_menu()
    desk.hear(f"CONNECTING|{name}|{BOB}")
    assert desk.asked[-1] == f'"{name}" ({BOB}) wants to chat. Accept? (y/n)'
    desk.type("y")
    desk.hear(f"CONNECTED|{name}|{BOB}")
    assert desk.dialogue.bar(120) == f' chat with "{name}" ({BOB}) · q leaves · ? helps '


@pytest.mark.parametrize("name", ["$(reboot)", "bob; reboot", "--yes", "b b", "12", "it's", "b*"])
def test_no_name_is_typed_into_a_shell_that_could_mean_more_there(name: str) -> None:
    desk = calling()
    desk.hear(f"CONNECTED|{name}|{BOB}", f"SECURED|{name}|{BOB}|encrypted")
    assert desk.shown[-1].endswith("compare words (in another terminal): simp verify with a name of `simp contacts`")
