"""Who is here, by rules alone: a world of daemons that answer or don't, and what a hostile network can do to it."""

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simp_daemon import questions
from simp_daemon.events import Gone, Seen, Source, Why
from simp_daemon.neighbours import Neighbours
from simp_daemon.occurrences import Announced, HostsRead, Known, Withdrawn
from simp_daemon.questions import Ask, Questions, Rounds
from simp_proto.address import Address
from simp_proto.constants import DAEMON_PORT, Framing

BOB, BOB_TOO, CAROL = ("192.0.2.2", 7777), ("198.51.100.2", 7777), ("192.0.2.3", 7777)
ID, OTHER_ID = "k3v7q2xa", "aaaaaaaa"


class World:
    """Neighbours, and who answers their questions in no time."""

    def __init__(self, **answering: tuple[Address, ...]) -> None:
        self.neighbours = Neighbours()
        self.answering = {peer: name for name, peers in answering.items() for peer in peers}
        self.asked: list[tuple[float, Address]] = []
        self.now = 0.0

    def announce(
        self, identity: str = ID, name: str = "bob", *addresses: Address, record: str = "", source: str = ""
    ) -> list[str]:
        record = record or f"{name} {identity}"
        self.neighbours.announced(Announced(identity, record, name, list(addresses) or [BOB], source), self.now)
        return self.told()

    def told(self) -> list[str]:
        """What was reported, after all questions of this moment were answered."""
        words = []
        while self.neighbours.outlet:
            each = self.neighbours.outlet.pop(0)
            if isinstance(each, Ask):
                self.asked.append((self.now, each.peer))
                if each.peer in self.answering:
                    self.neighbours.present(each.peer, self.answering[each.peer], self.now)
            else:
                words.append(in_words(each))
        return words

    def wait(self, seconds: float) -> list[str]:
        words, until = [], self.now + seconds
        while (timer := self.neighbours.get_timer()) is not None and timer <= until:
            self.now = max(timer, self.now)
            self.neighbours.handle_timer(self.now)
            words += [f"{self.now:g} {each}" for each in self.told()]
        self.now = until
        return words

    def list(self) -> list[str]:
        seen = self.neighbours.look(self.now)
        return [in_words(each) for each in seen]


def in_words(event: Seen | Gone) -> str:
    where = f"{event.name} {event.peer[0]}"
    if isinstance(event, Gone):
        return f"gone {where}"
    return f"seen {where} {event.source}" + ("" if event.seconds is not None else " known")


def test_who_is_announced_is_here_once_it_answers() -> None:
    world = World(bob=(BOB,))
    assert world.announce() == ["seen bob 192.0.2.2 announced"]
    assert world.asked == [(0.0, BOB)]
    assert world.announce() == []  # again
    assert world.asked == [(0.0, BOB)]


def test_who_doesn_t_answer_is_known_only() -> None:
    world = World()
    assert world.announce() == []
    assert world.wait(10.0) == []
    assert [at for at, _ in world.asked] == [0.0, 1.0, 2.0]
    assert world.list() == ["seen bob 192.0.2.2 announced known"]


@pytest.mark.parametrize(
    ("attended", "gone"), [(True, ["53 gone bob 192.0.2.2", "53 seen bob 192.0.2.2 announced known"]), (False, [])]
)
def test_who_dies_is_gone_within_a_minute_while_somebody_looks(attended: bool, gone: list[str]) -> None:
    world = World(bob=(BOB,))
    world.neighbours.attend(attended, 0.0)
    world.announce()
    world.answering.clear()
    assert world.wait(70.0) == gone


def test_who_goes_on_answering_stays_and_costs_one_question_in_fifty_seconds() -> None:
    world = World(bob=(BOB,))
    world.neighbours.attend(True, 0.0)
    world.announce()
    assert world.wait(3600.0) == []
    assert len(world.asked) == 1 + 72


def test_what_else_comes_from_a_neighbour_spares_the_question() -> None:
    world = World(bob=(BOB,))
    world.neighbours.attend(True, 0.0)
    world.announce()
    for _ in range(10):
        world.wait(40.0)
        world.neighbours.heard(BOB, world.now)
    assert len(world.asked) == 1


@pytest.mark.parametrize("alive", [True, False])
def test_a_goodbye_is_a_question(alive: bool) -> None:
    world = World(bob=(BOB,))
    world.announce()
    if not alive:
        world.answering.clear()
    world.neighbours.withdrawn(Withdrawn(ID, f"bob {ID}"), world.now)
    assert world.told() == []
    assert world.wait(5.0) == ([] if alive else ["3 gone bob 192.0.2.2"])
    assert world.list() == (["seen bob 192.0.2.2 announced"] if alive else [])


def test_the_goodbye_of_an_earlier_record_is_none() -> None:
    world = World(bob=(BOB,))
    world.announce(record=ID, name="")
    world.announce()
    world.neighbours.withdrawn(Withdrawn(ID, ID), world.now)
    assert world.told() == []
    assert len(world.asked) == 1
    world.answering[BOB] = ""
    assert world.announce(ID, "", BOB, record=ID) == ["seen  192.0.2.2 announced"]


def test_what_the_system_refuses_is_gone_immediately() -> None:
    world = World(bob=(BOB,))
    world.announce()
    world.neighbours.unreachable(BOB, 0.5)  # of an old datagram: nothing was asked
    assert world.told() == []
    world.answering.clear()
    world.now = 20.0
    world.list()
    world.told()
    world.neighbours.unreachable(BOB, 20.1)
    assert world.told() == ["gone bob 192.0.2.2", "seen bob 192.0.2.2 announced known"]


def test_the_first_of_several_addresses_that_answers_is_the_neighbour_s() -> None:
    world = World(bob=(BOB_TOO,))
    assert world.announce(ID, "bob", BOB, BOB_TOO) == ["seen bob 198.51.100.2 announced"]
    world.wait(20.0)
    world.answering[BOB] = "bob"
    world.list()
    assert world.told() == []  # though the other answers, too, now
    assert world.list() == ["seen bob 198.51.100.2 announced"]


def test_an_address_that_is_no_longer_announced_counts_as_long_as_it_answers() -> None:
    world = World(bob=(BOB, BOB_TOO))
    world.announce(ID, "bob", BOB)
    assert world.announce(ID, "bob", BOB_TOO) == []
    del world.answering[BOB]
    world.announce(ID, "bob", BOB_TOO)
    assert world.wait(10.0) == ["3 gone bob 192.0.2.2", "3 seen bob 198.51.100.2 announced"]
    world = World(bob=(BOB,))
    world.announce()
    assert world.announce(ID, "bob", CAROL) == []  # forged, with bob's own identity
    assert world.wait(100.0) == []
    assert world.list() == ["seen bob 192.0.2.2 announced"]


def test_nobody_takes_a_neighbour_s_place_by_an_announcement() -> None:
    """discovery 5.2: whether he claims that place alone, or others beside it."""
    for others in ([], [CAROL], [BOB_TOO, CAROL]):
        world = World(bob=(BOB,))
        world.announce()
        world.announce(OTHER_ID, "mallory", BOB, *others)
        assert world.list()[0] == "seen bob 192.0.2.2 announced"
        world.neighbours.withdrawn(Withdrawn(OTHER_ID, f"mallory {OTHER_ID}"), 1.0)
        world.answering.clear()
        world.wait(20.0)
        world.list()
        world.wait(10.0)
        assert world.list() == ["seen bob 192.0.2.2 announced known"]  # it is bob's own announcement that lasts


def test_a_goodbye_asks_at_each_address() -> None:
    """discovery 3.3"""
    world = World(bob=(BOB_TOO,))
    world.announce(ID, "bob", BOB, BOB_TOO)
    world.wait(20.0)
    world.asked.clear()
    world.neighbours.withdrawn(Withdrawn(ID, f"bob {ID}"), world.now)
    world.told()
    assert [peer for _, peer in world.asked] == [BOB, BOB_TOO]


def test_whoever_is_here_is_not_asked_again_because_of_an_announcement() -> None:
    world = World(bob=(BOB,))
    world.announce()
    world.wait(5.0)
    world.announce()
    assert world.asked == [(0.0, BOB)]


def test_who_is_announced_and_here_goes_before_whoever_only_says_so() -> None:
    world = World(bob=(BOB,))
    world.announce()
    world.announce(OTHER_ID, "bob", CAROL)
    assert world.neighbours.called("bob", 0.0) == [BOB]
    world.answering[CAROL] = "bob"
    world.wait(5.0)
    assert world.neighbours.called("bob", 0.0) == [BOB, CAROL]
    assert world.neighbours.called("bo", 0.0) == []


def test_earlier_chats_are_known_and_here_when_they_answer() -> None:
    world = World()
    world.neighbours.known(Known(Source.CHAT, "bob", BOB, Framing.HEADER), 0.0)
    world.neighbours.known(Known(Source.HOSTS, "carol", CAROL), 0.0)
    world.wait(4.0)
    assert world.list() == ["seen bob 192.0.2.2 chat known", "seen carol 192.0.2.3 hosts known"]
    assert {peer for _, peer in world.asked} == {BOB}  # who may not understand it is asked nothing (3.4)
    world.wait(20.0)
    world.answering = {BOB: "bob", CAROL: "carol"}
    world.list()
    assert world.told() == ["seen bob 192.0.2.2 chat"]
    assert world.announce() == ["seen bob 192.0.2.2 announced"]
    assert world.list()[0] == "seen bob 192.0.2.2 announced"


def test_whoever_leaves_the_list_costs_no_memory() -> None:
    world = World()
    world.neighbours.listed(HostsRead([(BOB, "bob"), (CAROL, "carol")]), 0.0)
    world.neighbours.listed(HostsRead([(CAROL, "carol")]), 0.0)
    assert list(world.neighbours._places) == [CAROL]


def test_questions_are_no_flood() -> None:
    world = World()
    for number in range(200):
        world.announce(f"{number:08}", "bob", (f"10.0.{number}.1", 7777))
    world.wait(60.0)
    seconds = Counter(int(at) for at, _ in world.asked)
    assert max(seconds.values()) <= 20
    assert len({peer for _, peer in world.asked}) == 200


@pytest.mark.slow
def test_invented_services_are_bounded_and_push_nobody_out() -> None:
    world = World(bob=(BOB,), carol=(CAROL,))
    world.announce()
    world.neighbours.known(Known(Source.CHAT, "dave", ("203.0.113.9", 7777), Framing.HEADER), 0.0)
    for number in range(10_000):
        where = (f"10.{number % 90}.{number >> 8}.{number & 255}", 7777)
        world.neighbours.announced(Announced(f"{number:08}", f"x {number:08}", "x", [where]), 0.0)
    world.told()
    assert len(world.neighbours._places) <= 1024
    assert len(world.neighbours._all()) <= 1024
    names = {each.name for each in world.neighbours.look(0.0)}
    assert {"bob", "dave"} <= names


IDENTITIES = st.sampled_from(["a", "b", "c"])
PEERS = st.sampled_from([(f"10.0.0.{host}", port) for host in (1, 2) for port in range(1, 20)] + [BOB, CAROL])
STEPS = st.one_of(
    st.tuples(st.just("announced"), IDENTITIES, st.lists(PEERS, max_size=10, unique=True), st.sampled_from(["x", "y"])),
    st.tuples(st.just("withdrawn"), IDENTITIES, st.sampled_from(["x", "y"])),
    st.tuples(st.just("known"), PEERS, st.booleans()),
    st.tuples(st.just("answer"), st.integers(0, 20), st.sampled_from(["", "x", "y"])),
    st.tuples(st.just("chats"), PEERS, st.booleans()),
    st.tuples(st.just("listed"), st.lists(PEERS, max_size=3, unique=True)),
    st.tuples(st.just("unreachable"), PEERS),
    st.tuples(st.just("attend"), st.booleans()),
    st.tuples(st.just("look")),
    st.tuples(st.just("wait"), st.floats(0, 400)),
)


@settings(max_examples=200)
@given(st.lists(STEPS, max_size=40))
@example([("announced", "a", [BOB, CAROL], "x"), ("chats", CAROL, False), ("answer", 1, ""), ("answer", 0, "")])
def test_whatever_the_network_says_the_list_is_what_was_told(steps: list[tuple[object, ...]]) -> None:
    """Whoever only listens to what is reported knows exactly who is here."""
    neighbours, now, listed = Neighbours(), 0.0, dict[Address, str]()
    asked: list[Address] = []
    for step in steps:
        now = _do(neighbours, step, now, asked)
        while neighbours.outlet:
            each = neighbours.outlet.pop(0)
            if isinstance(each, Ask):
                asked.append(each.peer)
            elif isinstance(each, Gone):
                del listed[each.peer]
            else:
                listed.update({each.peer: each.name} if each.seconds is not None else {})
        here = {each.peer: each.name for each in _seen(neighbours, now) if each.seconds is not None}
        assert here == listed
        shares = Counter(host for host, _ in neighbours._places)
        assert max(shares.values(), default=0) <= 16
        places = [place for each in neighbours._all() for place in each.places]
        assert {place.peer: place for place in places} == neighbours._places
        assert len(places) == len(neighbours._places)
        identities = {each.identity: each for each in neighbours._all() if each.identity}
        assert identities == neighbours._identities
        timer = neighbours.get_timer()
        assert timer is None or timer > now - 1e-9


def _seen(neighbours: Neighbours, now: float) -> list[Seen]:
    return [seen for each in neighbours._all() if (seen := each.seen(now))]


def _do(neighbours: Neighbours, step: tuple[object, ...], now: float, asked: list[Address]) -> float:
    match step:
        case ("announced", str(identity), list(peers), str(name)):
            neighbours.announced(Announced(identity, f"{name} {identity}", name, peers), now)
        case ("withdrawn", str(identity), str(name)):
            neighbours.withdrawn(Withdrawn(identity, f"{name} {identity}"), now)
        case ("known", (str(host), int(port)), bool(ours)):
            neighbours.known(Known(Source.CHAT, "k", (host, port), Framing.HEADER if ours else None), now)
        case ("answer", int(back), str(name)) if back < len(asked):
            neighbours.present(asked[-1 - back], name, now)
        case ("chats", (str(host), int(port)), bool(ours)):
            neighbours.chats((host, port), "k", Framing.HEADER if ours else Framing.BARE, now)
        case ("listed", list(peers)):
            neighbours.listed(HostsRead([(peer, "h") for peer in peers]), now)
        case ("unreachable", (str(host), int(port))):
            neighbours.unreachable((host, port), now)
        case ("attend", bool(attended)):
            neighbours.attend(attended, now)
        case ("look",):
            neighbours.look(now)
        case ("wait", float(seconds)):
            until = now + seconds
            while (timer := neighbours.get_timer()) is not None and timer <= until:
                now = max(now, timer)
                neighbours.handle_timer(now)
            now = until
    return now


def test_many_neighbours_are_asked_less_often_unless_one_has_chatted_with_them() -> None:
    others = {(f"10.0.{number}.1", 7777): "x" for number in range(99)}
    world = World(bob=(BOB,))
    world.answering.update(others)
    world.neighbours.attend(True, 0.0)
    world.announce()
    for number, peer in enumerate(others):
        world.announce(f"{number:08}", "x", peer)
    world.neighbours.chats(BOB, "bob", Framing.HEADER, 0.0)
    world.told()
    world.wait(60.0)
    world.asked.clear()
    world.wait(3600.0)
    asked = Counter(peer for _, peer in world.asked)
    assert asked[BOB] == 72
    assert {asked[peer] for peer in others} == {6}


def test_whoever_is_listed_and_has_not_chatted_is_asked_as_seldom_as_all_others() -> None:
    """discovery 3.2"""
    others = {(f"10.0.{number}.1", 7777): "x" for number in range(99)}
    world = World(bob=(BOB,), **{"x": tuple(others)})
    world.neighbours.attend(True, 0.0)
    for number, peer in enumerate(others):
        world.announce(f"{number:08}", "x", peer)
    world.announce()
    world.neighbours.listed(HostsRead([(BOB, "bob")]), 0.0)
    world.wait(60.0)
    world.asked.clear()
    world.wait(3600.0)
    assert Counter(peer for _, peer in world.asked)[BOB] == 6


def test_whoever_is_silent_goes_by_the_name_announced_last() -> None:
    world = World()
    world.announce()
    world.announce(name="bobby")
    assert world.list() == ["seen bobby 192.0.2.2 announced known"]


def test_whoever_is_silent_and_has_said_goodbye_is_forgotten() -> None:
    """discovery 2.2, 2.4"""
    world = World()
    world.announce()
    world.wait(20.0)
    world.neighbours.withdrawn(Withdrawn(ID, f"bob {ID}"), world.now)
    world.told()
    world.wait(3.0)
    assert world.list() == []
    assert world.neighbours.called("bob", world.now) == []
    assert not world.neighbours._places
    assert not world.neighbours._identities


@pytest.mark.parametrize(("refused", "asked"), [(False, [20, 21, 22, 24, 25]), (True, [20, 21, 22, 23])])
def test_whoever_was_here_is_asked_once_more_a_second_after_it_was_given_up(refused: bool, asked: list[float]) -> None:
    """discovery 3.3"""
    world = World(bob=(BOB,))
    world.announce()
    world.answering.clear()
    world.now = 20.0
    world.list()
    world.told()
    if refused:
        world.neighbours.unreachable(BOB, 20.0)
    world.wait(5.0)
    assert [at for at, _ in world.asked if at >= 20] == asked


@pytest.mark.slow
def test_a_thousand_made_up_addresses_keep_nobody_in_the_list_for_hours() -> None:
    world = World()
    world.neighbours.attend(True, 0.0)
    others = {(f"10.{number // 250}.{number % 250}.1", 7777): "x" for number in range(1000)}
    world.answering.update(others)
    for number, peer in enumerate(others):
        world.announce(f"{number:08}", "x", peer)
    world.wait(200.0)
    assert len(world.list()) == 1000
    world.answering.clear()
    world.wait(900.0)
    assert all(each.seconds is None for each in world.neighbours.look(world.now))


def test_who_didn_t_answer_is_asked_again_soon_and_then_seldom() -> None:
    world = World()
    world.neighbours.attend(True, 0.0)
    world.announce()
    world.wait(1000.0)
    rounds = [at for number, (at, _) in enumerate(world.asked) if number % 3 == 0]
    assert rounds == [0, 13, 36, 79, 162, 325]
    world.neighbours.known(Known(Source.CHAT, "bob", BOB, Framing.HEADER), 1000.0)
    world.wait(1000.0)
    assert [round(at - 1000) for at, _ in world.asked[18:]] == [1, 1, 2, 303, 304, 305, 606, 607, 608, 909, 910, 911]


def test_a_link_of_many_hosts_is_listed_whole() -> None:
    world = World()
    for number in range(40):
        world.announce(f"{number:08}", "x", (f"fe80::{number + 1:x}%lo", 7777))
    assert len(world.list()) == 40


@pytest.mark.slow
def test_earlier_chats_give_way_to_who_is_here() -> None:
    world = World(bob=(BOB,))
    for number in range(1024):
        world.neighbours.known(
            Known(Source.CHAT, "x", (f"10.0.{number >> 8}.{number & 255}", 7777), Framing.HEADER), 0.0
        )
    world.wait(100.0)
    told = world.announce() + [each.partition(" ")[2] for each in world.wait(1.0)]
    assert "seen bob 192.0.2.2 announced" in told  # before others who wait for their question


def test_a_friend_is_known_by_name_whoever_answers_there() -> None:
    world = World()
    world.answering[BOB] = ""
    world.neighbours.known(Known(Source.CHAT, "bob", BOB, Framing.HEADER), 0.0)
    world.told()
    assert world.neighbours.look(world.now) == [Seen(BOB, "", Source.CHAT, 0, "bob")]  # nobody is there
    assert world.neighbours.called("bob", world.now) == [BOB]
    world.answering[BOB] = "mallory"
    world.wait(20.0)
    world.list()
    assert world.told() == ["seen mallory 192.0.2.2 chat"]
    assert world.neighbours.called("bob", world.now) == [BOB]


def test_who_waits_for_a_turn_and_is_heard_meanwhile_is_asked_later() -> None:
    world = World()
    world.neighbours.attend(True, 0.0)
    for number in range(30):
        world.announce(f"{number:08}", "x", (f"10.0.{number}.1", 7777))
    late = ("10.0.29.1", 7777)
    assert late not in {peer for _, peer in world.asked}
    world.neighbours.chats(late, "x", Framing.HEADER, 0.0)
    world.wait(60.0)
    assert late in {peer for _, peer in world.asked}


def test_an_announcement_that_has_to_give_way_to_itself_harms_nobody() -> None:
    here = {("192.0.2.9", port): "x" for port in range(1, 16)}
    world = World(x=tuple(here))
    for number, peer in enumerate(here):
        world.announce(f"{number:08}", "x", peer)
        world.wait(1.0)
    world.announce(ID, "bob", ("192.0.2.9", 100), ("192.0.2.9", 101))
    assert len(world.list()) == 16
    world.neighbours.withdrawn(Withdrawn(ID, f"bob {ID}"), world.now)
    world.wait(10.0)
    assert len(world.list()) == 15


@pytest.mark.slow
def test_who_is_announced_behind_a_flood_is_asked_all_the_same() -> None:
    world = World(bob=(BOB,))
    world.neighbours.attend(True, 0.0)
    for number in range(5_000):
        world.now = number / 1_000
        world.announce(
            f"{number % 2_000:08}", f"x{number}", (f"10.{number >> 12}.{number >> 6 & 63}.{number & 63}", 7777)
        )
    world.announce()
    assert "seen bob 192.0.2.2 announced" in [each.partition(" ")[2] for each in world.wait(90.0)]


def test_whoever_moves_is_found_at_the_new_address_within_seconds() -> None:
    world = World(bob=(BOB,))
    world.neighbours.attend(True, 0.0)
    world.announce()
    world.wait(20.0)
    world.answering = {BOB_TOO: "bob"}
    world.announce(ID, "bob", BOB, BOB_TOO)
    assert world.wait(10.0) == ["23 gone bob 192.0.2.2", "23 seen bob 198.51.100.2 announced"]


def test_whoever_adds_another_s_address_to_its_own_doesn_t_stand_in_for_them() -> None:
    world = World(bob=(BOB,), eve=(CAROL,))
    world.announce(OTHER_ID, "bob", CAROL, BOB)
    world.wait(5.0)
    world.announce(ID, "bob", BOB, source=BOB[0])
    world.wait(5.0)
    assert world.neighbours.called("bob", world.now) == [BOB]
    world.announce(OTHER_ID, "bob", CAROL, BOB)
    world.wait(5.0)
    assert world.neighbours.called("bob", world.now) == [BOB]


def test_a_goodbye_and_a_refusal_that_are_made_up_hide_nobody_for_long() -> None:
    world = World(bob=(BOB,))
    world.announce()
    world.neighbours.withdrawn(Withdrawn(ID, f"bob {ID}"), 5.0)
    world.neighbours.unreachable(BOB, 5.0)
    world.now = 5.0
    assert world.told() == ["gone bob 192.0.2.2", "seen bob 192.0.2.2 announced"]


def test_a_call_that_gets_nowhere_has_its_callee_asked() -> None:
    world = World(bob=(BOB,))
    world.announce()
    world.answering.clear()
    world.neighbours.ended(BOB, Why.UNREACHABLE, 20.0)
    world.neighbours.unreachable(BOB, 20.1)
    assert world.told() == ["gone bob 192.0.2.2", "seen bob 192.0.2.2 announced known"]


def announced(number: int, *peers: Address, source: str, name: str = "x") -> Announced:
    return Announced(f"{number:08}", f"{name} {number:08}", name, list(peers), source)


BURST = [[(f"10.1.{number >> 5}.{number % 32 * 8 + at}", 7777) for at in range(8)] for number in range(128)]
"""Addresses of 128 announcements."""


@pytest.mark.parametrize("flood", ["silent", "answering", "listed"])
def test_no_flood_of_another_host_keeps_a_newcomer_waiting(flood: str) -> None:
    """discovery 3.4"""
    world = World(bob=(BOB,))
    world.neighbours.attend(True, 0.0)
    if flood != "silent":
        world.answering |= {peer: "x" for peers in BURST for peer in peers}
    for number, peers in enumerate(BURST):
        world.neighbours.announced(announced(number, *peers, source="10.9.9.9"), world.now)
    if flood == "listed":
        world.wait(100.0)
        assert len(world.list()) == 16
    world.neighbours.announced(Announced(ID, f"bob {ID}", "bob", [BOB], BOB[0]), world.now)
    world.told()
    began, world.asked = world.now, []
    world.wait(1.0)
    assert BOB in {peer for at, peer in world.asked if at <= began + 0.3}


def test_no_flood_of_another_host_takes_a_newcomer_s_place() -> None:
    """discovery 2.4"""
    world = World()
    world.neighbours.announced(Announced(ID, f"bob {ID}", "bob", [BOB], BOB[0]), 0.0)
    for number in range(2_000):
        peer = (f"10.{number >> 8}.{number & 255}.1", 7777)
        world.neighbours.announced(announced(number, peer, source="10.9.9.9"), 0.0)
    assert f"seen bob {BOB[0]} announced known" in world.list()


@pytest.mark.parametrize("attack", ["once", "again", "names", "goodbyes", "ports", "identities", "lists"])
def test_an_address_that_never_answers_is_not_asked_for_good_whoever_announces_it(attack: str) -> None:
    """discovery 3.5"""
    world = World()
    world.neighbours.attend(True, 0.0)
    for second in range(10_000):
        number, name, port = 0, "x", 7777
        match attack:
            case "names":
                name = f"x{second % 2}"
            case "ports":
                port = 7000 + second
            case "identities":
                number = second
        if attack not in ("once", "lists") or second == 0:
            world.neighbours.announced(announced(number, (BOB[0], port), source=CAROL[0], name=name), world.now)
        if attack == "lists" and second % 20 == 0:
            world.list()
        if attack == "goodbyes":
            world.neighbours.withdrawn(Withdrawn(f"{number:08}", f"{name} {number:08}"), world.now)
        world.wait(1.0)
    assert 18 <= len(world.asked) <= (18 if attack == "once" else 3 * (16 + 10_000 / 300 + 1))


def test_what_others_say_of_a_host_does_not_use_up_what_it_says_itself() -> None:
    """discovery 3.5"""
    world = World(bob=(BOB,))
    for second in range(1_000):
        world.neighbours.announced(announced(second, (BOB[0], 7000 + second % 100), source=CAROL[0]), world.now)
        world.wait(1.0)
    world.neighbours.announced(Announced(ID, f"bob {ID}", "bob", [BOB], BOB[0]), world.now)
    world.neighbours.announced(announced(0, BOB, source=CAROL[0]), world.now)
    assert "seen bob 192.0.2.2 announced" in world.told() + [each.partition(" ")[2] for each in world.wait(1.0)]


@pytest.mark.parametrize(
    ("before", "after"), [([7777], [7777]), (range(7000, 7400), range(7000, 7400)), ([7777], range(7000, 7400))]
)
def test_what_seems_to_come_from_a_host_keeps_its_daemon_away_for_seconds_only(
    before: Sequence[int], after: Sequence[int]
) -> None:
    """discovery 3.5"""
    world = World()
    world.neighbours.attend(True, 0.0)
    found: list[str] = []
    for number in range(2000):
        ports = before if number < 1815 else after
        if number == 1815:
            world.answering[BOB] = "bob"
            found += world.announce(ID, "bob", BOB, source=BOB[0])
        forged = announced(number, (BOB[0], ports[number % len(ports)]), source=BOB[0])
        world.neighbours.announced(forged, world.now)
        found += world.told() + world.wait(0.3)
        if any("seen bob 192.0.2.2 announced" in each for each in found):
            break
    assert 1815 <= number <= 1850
    asked = Counter(port for _, (_, port) in world.asked)
    assert asked.pop(7777) <= 3 * (16 + 56 + 1)
    assert asked.total() <= 3 * (16 + 2 + 1)


def test_whoever_has_answered_is_looked_for_as_long_as_it_is_announced() -> None:
    """discovery 3.2"""
    world = World(bob=(BOB,))
    world.neighbours.attend(True, 0.0)
    world.announce()
    world.answering = {}
    world.wait(10_000.0)
    world.answering = {BOB: "bob"}
    assert [each.partition(" ")[2] for each in world.wait(310.0)] == ["seen bob 192.0.2.2 announced"]


@pytest.mark.parametrize("inflated", [False, True])
def test_a_goodbye_that_is_made_up_lets_nobody_take_a_place(inflated: bool) -> None:
    eve, nobody = ("192.0.2.9", 7777), ("192.0.2.10", 7777)
    world = World(bob=(BOB,), eve=(eve,))
    world.announce(ID, "bob", BOB, source=BOB[0])
    world.wait(5.0)
    world.announce(OTHER_ID, "eve", eve, source=eve[0])
    world.wait(5.0)
    if inflated:
        world.announce(ID, "bob", BOB, eve, nobody, source=eve[0])
    else:
        world.neighbours.withdrawn(Withdrawn(ID, f"bob {ID}"), world.now)
    world.announce(OTHER_ID, "eve", eve, BOB, source=eve[0])
    world.wait(30.0)
    assert world.neighbours.called("bob", world.now) == [BOB]


@pytest.mark.parametrize("goodbye", [False, True])
def test_nobody_takes_a_place_that_answers_in_the_name_of_its_host(goodbye: bool) -> None:
    """discovery 5.2: a source can be made up."""
    world = World(bob=(BOB,), eve=(CAROL,))
    world.neighbours.attend(True, 0.0)
    world.announce(ID, "bob", BOB, source=BOB[0])
    world.wait(5.0)
    if goodbye:
        world.neighbours.withdrawn(Withdrawn(ID, f"bob {ID}"), world.now)
        world.told()
    told = world.announce(OTHER_ID, "bob", CAROL, BOB, source=BOB[0]) + world.wait(60.0)
    assert not any(each.partition(" ")[2].startswith("gone") or each.startswith("gone") for each in told)
    assert f"seen bob {BOB[0]} announced" in world.list()
    assert BOB in world.neighbours.called("bob", world.now)


@pytest.mark.parametrize("source", [Source.HOSTS, Source.CHAT])
def test_whoever_is_known_and_answers_is_nobody_else_because_somebody_says_so(source: Source) -> None:
    """discovery 5.2, 2.3"""
    world = World(bob=(BOB,), eve=(CAROL,))
    world.neighbours.attend(True, 0.0)
    world.neighbours.known(Known(source, "bob", BOB, Framing.HEADER), 0.0)
    world.told()
    told = world.announce(OTHER_ID, "eve", CAROL, BOB, source=CAROL[0]) + world.wait(60.0)
    assert not any("gone bob" in each for each in told)
    assert f"seen bob {BOB[0]} {source}" in world.list()


def test_a_daemon_that_starts_anew_with_another_identity_is_that_one() -> None:
    world = World(bob=(BOB,))
    world.neighbours.attend(True, 0.0)
    world.announce(ID, "bob", BOB, source=BOB[0])
    world.wait(5.0)
    world.answering.clear()
    world.neighbours.withdrawn(Withdrawn(ID, f"bob {ID}"), world.now)
    world.told()
    world.wait(0.5)
    world.answering[BOB] = "carol"
    world.announce(OTHER_ID, "carol", BOB, source=BOB[0])
    world.wait(5.0)
    assert world.list() == ["seen carol 192.0.2.2 announced"]
    assert list(world.neighbours._identities) == [OTHER_ID]


def test_made_up_addresses_of_an_announcement_do_not_come_before_its_own_host() -> None:
    world = World(bob=(BOB,))
    dead = [(f"192.0.2.{number}", 7777) for number in range(100, 120)]
    world.announce(ID, "bob", *dead, BOB, source=BOB[0])
    assert [each.partition(" ")[2] for each in world.wait(1.0)] == ["seen bob 192.0.2.2 announced"]


def test_a_hidden_stranger_of_the_next_hour_is_at_the_same_place() -> None:
    """discovery 5.3"""
    world = World(**{"": (BOB,)})
    world.announce(ID, "", BOB, source=BOB[0])
    world.wait(5.0)
    world.announce(OTHER_ID, "", BOB, source=BOB[0])
    world.neighbours.withdrawn(Withdrawn(ID, f" {ID}"), world.now)
    world.told()
    world.wait(20.0)
    assert list(world.neighbours._identities) == [OTHER_ID]
    assert world.neighbours._places[BOB].neighbour.announced


# -- whose turn it is


def test_the_turns_that_are_longest_ago_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "_REMEMBERED", 4)  # one kind, and three hosts
    asked: list[Address] = []
    turns = Questions(asked.append, lambda peer: (0, peer[0]))
    for number, host in enumerate("abcade"):
        turns.put((host, number), float(number))
    for number in range(3):
        turns.put(("d", number), 5.0)
    assert "".join(host for host, _ in asked) == "abcadeddd"
    for host in "ab":  # whom the rate lets wait
        turns.put((host, 9), 5.0)
    assert list(turns.due(5.5)) == []
    assert asked[9:11] == [("b", 9), ("a", 9)]  # before those that are asked once more


@pytest.mark.parametrize(("port", "itself"), [(DAEMON_PORT, False), (DAEMON_PORT, True), (9, False), (9, True)])
def test_a_host_that_answers_may_be_asked_as_often_as_before(port: int, itself: bool) -> None:
    rounds = Rounds()
    while rounds.spend(("192.0.2.2", port), 0.0, itself=itself):
        pass
    assert not rounds.spend(("192.0.2.2", port), 0.0, itself=itself)
    rounds.forget("192.0.2.2")
    assert rounds.spend(("192.0.2.2", port), 0.0, itself=itself)
