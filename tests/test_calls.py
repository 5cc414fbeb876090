"""What a person reads of what happens at another daemon: two daemons' rules with a virtual clock, and two people."""

from collections import deque

import pytest

from simp_client import view
from simp_client.dialogue import Dialogue
from simp_client.prompt import Ask
from simp_daemon.core import Core
from simp_daemon.effects import Close, Effect, Send, Write
from simp_daemon.occurrences import ClientClosed, ClientConnected, ClientSaid, DatagramReceived, Occurrence, TimerFired
from simp_proto.address import Address
from simp_proto.text import format_line, parse_line

ALICE, BOB = ("127.0.0.1", 7777), ("127.0.0.2", 7777)


class House:
    """A daemon, and perhaps somebody at it."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.effects: list[Effect] = []
        self.core = Core(self.effects.append, address)
        self.person: Dialogue | None = None
        self.read: list[str] = []


class Street:
    """Two of them, and the time."""

    def __init__(self) -> None:
        self.houses = {address: House(address) for address in (ALICE, BOB)}
        self.now = 0.0
        self.dead: set[Address] = set()
        """Daemons that get nothing and do nothing."""
        self._underway: deque[tuple[House, Occurrence]] = deque()

    def come(self, where: Address, name: str) -> None:
        """Somebody sits down at that daemon."""
        house = self.houses[where]
        house.person = Dialogue(name)
        self._underway.append((house, ClientConnected(name, local=True)))
        self._settle()

    def go(self, where: Address, name: str) -> None:
        """They close their window."""
        self.houses[where].person = None
        self._underway.append((self.houses[where], ClientClosed(name)))
        self._settle()

    def type(self, where: Address, *lines: str) -> None:
        for line in lines:
            person = self.houses[where].person
            assert person
            person.type_line(line)
            self._settle()

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [
            (timer, house)
            for house in self.houses.values()
            if house.address not in self.dead and (timer := house.core.get_timer()) is not None and timer <= end
        ]:
            self.now, house = min(due, key=lambda pair: pair[0])
            self._underway.append((house, TimerFired()))
            self._settle()
        self.now = end

    def read(self, where: Address) -> list[str]:
        """What has come to that person's screen since the last time."""
        read, self.houses[where].read = self.houses[where].read, []
        return read

    def _settle(self) -> None:
        self._look()
        while self._underway:
            house, occurrence = self._underway.popleft()
            if house.address not in self.dead:
                self._handle(house, occurrence)
            self._look()

    def _handle(self, house: House, occurrence: Occurrence) -> None:
        house.core.handle(occurrence, self.now)
        effects, house.effects[:] = house.effects[:], []
        for effect in effects:
            match effect:
                case Send(data, peer, _) if peer in self.houses:
                    self._underway.append((self.houses[peer], DatagramReceived(data, house.address)))
                case Write(_, line) if house.person:
                    house.person.receive_line(parse_line(line.removesuffix(b"\n")))
                case Close() if house.person:
                    house.person.lose()

    def _look(self) -> None:
        """Each person reads, and what they have to say goes to their daemon."""
        for house in self.houses.values():
            if house.person:
                texts = house.person.texts_to_show()
                house.read += [text.words if isinstance(text, Ask) else view.plain(text) for text in texts]
                said = b"".join(map(format_line, house.person.lines_to_send()))
                if said:
                    name = house.person._calls.user
                    self._underway.append((house, ClientSaid(name, said)))


@pytest.fixture
def street() -> Street:
    street = Street()
    street.come(ALICE, "alice")
    street.read(ALICE)
    return street


def call(street: Street) -> None:
    street.type(ALICE, "127.0.0.2")


def chat(street: Street) -> None:
    street.come(BOB, "bob")
    call(street)
    street.type(BOB, "y")
    street.read(ALICE)


def test_whoever_calls_where_nobody_is_reads_so_and_is_asked_about_once_somebody_comes(street: Street) -> None:
    call(street)
    assert street.read(ALICE)[-2:] == [
        "* Ringing at 127.0.0.2:7777.",
        "* Nobody is at 127.0.0.2:7777 now; whoever comes there will be asked.",
    ]
    street.wait(20.0)
    street.come(BOB, "bob")
    assert street.read(BOB) == ["alice (127.0.0.1:7777) wants to chat. Accept? (y/n)"]
    street.type(BOB, "y")
    assert street.read(ALICE)[-1] == "* You are in a chat with bob (127.0.0.2:7777). q leaves, ? helps."


def test_where_somebody_is_it_only_rings(street: Street) -> None:
    street.come(BOB, "bob")
    call(street)
    assert street.read(ALICE)[-1] == "* Ringing at bob (127.0.0.2:7777)."


def test_whoever_comes_late_reads_who_called_and_when(street: Street) -> None:
    call(street)
    street.wait(10.0)
    street.type(ALICE, "q")
    street.wait(480.0)
    street.come(BOB, "bob")
    assert street.read(BOB)[0] == "* Missed call: alice (127.0.0.1:7777) called 8 min ago."
    street.go(BOB, "bob")
    street.come(BOB, "bob")
    assert not any("Missed" in line for line in street.read(BOB))


def test_whoever_is_there_when_the_caller_gives_up_reads_so(street: Street) -> None:
    street.come(BOB, "bob")
    call(street)
    street.type(ALICE, "q")
    assert street.read(BOB)[-2:] == [
        "* Missed call: alice (127.0.0.1:7777) called, and gave up.",
        "Call whom?",
    ]


def test_a_partner_whose_daemon_has_died_is_told_with_the_message_it_took_along(street: Street) -> None:
    chat(street)
    street.dead.add(BOB)
    street.type(ALICE, "are you there?")
    street.wait(120.0)
    assert street.read(ALICE) == [
        "* Still no answer from bob: keep waiting, or q leaves",
        "! not delivered: 'are you there?'",
        "! bob stopped answering",
        "* bob (127.0.0.2:7777) is gone; the chat is over.",
        "* Known, but not here now: bob",
        "* Nobody else is here yet. Wait, or call a name or an IP address; `simp doctor` looks for what is in the way.",
        "Call whom?",
    ]


def test_a_partner_whose_daemon_has_died_is_told_without_a_word_of_ours(street: Street) -> None:
    chat(street)
    street.dead.add(BOB)
    street.wait(600.0)
    read = street.read(ALICE)
    assert [line for line in read if "Still no answer" not in line][:2] == [
        "! bob stopped answering",
        "* bob (127.0.0.2:7777) is gone; the chat is over.",
    ]


def test_a_partner_who_leaves_has_not_stopped_answering(street: Street) -> None:
    chat(street)
    street.wait(600.0)
    assert street.read(ALICE) == []
    street.type(BOB, "q")
    assert street.read(ALICE)[0] == "* bob (127.0.0.2:7777) left; the chat is over."


def test_whoever_declines_is_there(street: Street) -> None:
    street.come(BOB, "bob")
    call(street)
    street.type(BOB, "n")
    assert street.read(ALICE)[-3] == "* bob (127.0.0.2:7777) declined."


def test_of_whoever_was_here_and_does_not_answer_it_is_told_when_they_were_heard(street: Street) -> None:
    chat(street)
    street.type(BOB, "q")
    street.type(BOB, "q")
    street.dead.add(BOB)
    street.wait(5.0)
    street.type(ALICE, "bob")
    street.read(ALICE)
    street.wait(31.0)
    assert street.read(ALICE) == [
        "* Still no answer from bob: keep waiting, or q cancels",
        "* bob was last heard 35 s ago.",
    ]
