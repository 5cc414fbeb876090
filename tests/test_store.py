"""What is committed is what is loaded: the oracle is `Ledger.apply` in memory, and crashes come at any statement."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from copy import deepcopy
from itertools import count
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from simp_daemon.contacts import (
    ADDRESSES,
    About,
    Change,
    ClearReceived,
    ClearSaid,
    ClearSettled,
    Fate,
    KeyChanged,
    Reached,
    Replaced,
    Trust,
    Trusted,
    may_wait,
)
from simp_daemon.database import restore
from simp_daemon.facts import (
    TOKENS,
    Acknowledged,
    Fact,
    GivenUp,
    Jumped,
    Ledger,
    Opened,
    Pinned,
    Received,
    Renumbered,
    cut,
)
from simp_daemon.files import HeldError
from simp_daemon.store import OvertakenError, Store
from simp_daemon.store_errors import DamagedError, StoreError
from simp_proto.sealed.frames import FIRST, Piece, chained

BOB = Pinned(b"b" * 32, b"B" * 32, "bob", ("192.0.2.2", 7777))
CAROL = Pinned(b"c" * 32, b"C" * 32, "carol", ("fe80::1%eth0", 7778))
EVE = Pinned(b"e" * 32, b"E" * 32, "bob", ("192.0.2.2", 7777))
PEERS = (BOB, CAROL)
SIZES = (10, 2_500, 9, 1_024, 1_025, 5_000, 11, 2_048)
SAYS = [piece for number, size in enumerate(SIZES * 40) for piece in cut(bytes((number % 256,)) * size, 0)]
"""What each peer says, for ever: messages of every size, in pieces."""

Kept = tuple[bytes, bool, bytes, Fate, bool]
"""A message of the history: whose, ours, what, what became of it, doubtful."""


def peers_piece(number: int) -> Piece:
    said = SAYS[number % len(SAYS)]
    return Piece(number, said.flags, said.data)


def shown(ledger: Ledger) -> object:
    """All of it, the order of what is in it too."""
    return ledger, list(ledger.waiting), list(ledger.pieces), list(ledger.settled)


class Disk:
    """The oracle: facts are applied in memory, and late ones when another comes."""

    def __init__(self) -> None:
        self.ledgers: dict[bytes, Ledger] = {}
        self.messages: list[Kept] = []
        self.late: list[Change] = []

    def commit(self, changes: Sequence[Change]) -> None:
        self.late += changes
        self.flush()

    def flush(self) -> None:
        for change in self.late:
            match change:
                case Pinned():
                    self.ledgers[change.key] = Ledger()
                case About(key, fact):
                    self._keep(key, fact)
        self.late = []

    def _keep(self, key: bytes, fact: Fact) -> None:
        ledger = self.ledgers[key]
        waiting, unfinished = list(ledger.waiting), ledger.unfinished
        heard = ledger.apply(fact)
        settled = waiting[: len(waiting) - len(ledger.waiting)]
        if isinstance(fact, Acknowledged | GivenUp):
            fate = Fate.DELIVERED if isinstance(fact, Acknowledged) else Fate.UNDELIVERED
            self._change(key, len(settled), lambda kept: (*kept[:3], fate, kept[4]))
        elif isinstance(fact, Renumbered):
            self._change(key, len(waiting), lambda kept: (*kept[:4], True))
        elif isinstance(fact, Jumped) and unfinished and unfinished[0].flags & FIRST:
            self.messages.append((key, False, b"".join(piece.data for piece in unfinished), Fate.TORN, False))
        elif len(ledger.waiting) > len(waiting):
            end = list(ledger.waiting.values())[-1]
            start = list(ledger.waiting.values())[-2] if waiting else ledger.acknowledged
            said = b"".join(ledger.pieces[number].data for number in range(start + 1, end + 1))
            self.messages.append((key, True, said, Fate.WAITING, False))
        self.messages += [(key, False, message, Fate.RECEIVED, False) for message in heard]

    def _change(self, key: bytes, number: int, change: Callable[[Kept], Kept]) -> None:
        places = [place for place, kept in enumerate(self.messages) if kept[0] == key and kept[3] is Fate.WAITING]
        for place in places[:number]:
            self.messages[place] = change(self.messages[place])


def _loaded(store: Store) -> object:
    return {
        contact.key: (
            shown(ledger),
            [(contact.key, each.ours, each.content, each.fate, each.doubtful) for each in store.history(contact.key)],
        )
        for contact, ledger in store.load()
    }


def _expected(disk: Disk) -> object:
    return {
        key: (shown(ledger), [kept for kept in disk.messages if kept[0] == key][:100])
        for key, ledger in disk.ledgers.items()
    }


def _connection(store: Store) -> sqlite3.Connection:
    connection = store._database._connection
    assert connection
    return connection


def _copy(directory: Path, snapshot: Path) -> None:
    """What the kernel has of a store when its daemon is killed."""
    snapshot.mkdir()
    for file in directory.glob("store.db*"):
        if not file.name.endswith("-shm"):
            shutil.copy(file, snapshot)


class Crashes(RuleBasedStateMachine):
    """A daemon that commits in turns, and forgets everything else now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
        self.directories = count()
        self.disk = Disk()
        self.clock = count(1)
        self.directory = self.root / str(next(self.directories))
        self._start()

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.root)

    def _start(self) -> None:
        self.store = Store(self.directory, daemon=True, clock=lambda: next(self.clock))
        self.memory = {contact.key: ledger for contact, ledger in self.store.load()}
        self.turn: list[Change] = []

    def _do(self, key: bytes, fact: Fact) -> None:
        self.memory[key].apply(fact)
        self.turn.append(About(key, fact))

    def _some(self, data: st.DataObject) -> tuple[bytes, Ledger]:
        key = data.draw(st.sampled_from(sorted(self.memory)))
        return key, self.memory[key]

    # -- what happens to it

    @initialize()
    def pin_one(self) -> None:
        self.pin(BOB)
        self.commit()

    @precondition(lambda self: CAROL.key not in self.memory)
    @rule()
    def pin_another(self) -> None:
        self.pin(CAROL)

    def pin(self, peer: Pinned) -> None:
        self.memory[peer.key] = Ledger()
        self.turn.append(peer)

    @rule(data=st.data(), messages=st.lists(st.tuples(st.text(max_size=2), st.sampled_from(SIZES)), min_size=1))
    def say(self, data: st.DataObject, messages: list[tuple[str, int]]) -> None:
        key, ledger = self._some(data)
        for token, size in messages:
            if fact := ledger.say(token, b"x" * size):
                self._do(key, fact)

    @precondition(lambda self: self._waiting())
    @rule(data=st.data(), alone=st.booleans())
    def acknowledge(self, data: st.DataObject, alone: bool) -> None:
        """If it comes alone, it may be late."""
        if alone and self.turn:
            self.commit()
        key = data.draw(st.sampled_from(self._waiting()))
        end = data.draw(st.sampled_from(list(self.memory[key].waiting.values())))
        self._do(key, Acknowledged(end, self.memory[key].chain_at(end)))
        if alone:
            self.commit()

    @precondition(lambda self: self._waiting())
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self._waiting()))
        last = self.memory[key].next - 1
        self._do(key, GivenUp(last, self.memory[key].chain_at(last)))

    def _waiting(self) -> list[bytes]:
        return sorted(key for key, ledger in self.memory.items() if ledger.waiting)

    @rule(data=st.data(), further=st.integers(0, 9), chain=st.binary(min_size=8, max_size=8))
    def renumber(self, data: st.DataObject, further: int, chain: bytes) -> None:
        key, ledger = self._some(data)
        self._do(key, Renumbered(ledger.acknowledged + further, chain))

    @rule(data=st.data(), pieces=st.integers(1, 5))
    def hear(self, data: st.DataObject, pieces: int) -> None:
        key, ledger = self._some(data)
        heard = [peers_piece(ledger.stored + 1 + each) for each in range(pieces)]
        chain = ledger.upto
        for piece in heard:
            chain = chained(chain, piece)
        self._do(key, Received(tuple(heard), chain))

    @rule(data=st.data(), pieces=st.integers(1, 5), chain=st.binary(min_size=8, max_size=8))
    def jump(self, data: st.DataObject, pieces: int, chain: bytes) -> None:
        key, ledger = self._some(data)
        self._do(key, Jumped(ledger.stored + pieces, chain))

    @rule(data=st.data(), is_open=st.booleans())
    def open(self, data: st.DataObject, is_open: bool) -> None:
        self._do(self._some(data)[0], Opened(is_open))

    # -- its disk

    @precondition(lambda self: self.turn)
    @rule()
    def commit(self) -> None:
        if all(map(may_wait, self.turn)):
            for change in self.turn:
                self.store.defer(change)
            self.disk.late += self.turn
        else:
            self.store.commit(self.turn)
            self.disk.commit(self.turn)
        self.turn = []

    @rule(end=st.booleans())
    def restart(self, end: bool) -> None:
        """Whatever wasn't committed is gone; `end`: in good order, so that what may be late isn't."""
        if end:
            self.store.close()
            self.disk.flush()
        else:
            self._crash(self.directory)
            self.disk.late = []
        self._start()

    @precondition(lambda self: self.turn)
    @rule(step=st.integers(0, 400))
    def crash_within_a_commit(self, step: int) -> None:
        """The kernel has what was written up to a step of SQLite's."""
        before, snapshot, steps = deepcopy(self.disk), self.root / str(next(self.directories)), count()

        def take() -> int:
            if next(steps) == step:
                _copy(self.directory, snapshot)
            return 0

        _connection(self.store).set_progress_handler(take, 3)
        self.commit()
        _connection(self.store).set_progress_handler(None, 0)
        if not snapshot.exists():
            _copy(self.directory, snapshot)
        self._crash(snapshot)
        self._start()
        for disk in (before, self.disk):
            disk.late = []
        if _loaded(self.store) == _expected(before):
            self.disk = before

    @precondition(lambda self: self.turn)
    @rule(step=st.integers(0, 400))
    def fail_within_a_commit(self, step: int) -> None:
        """It changes nothing, and the next attempt succeeds.

        Not within COMMIT: what interrupts there comes when all is done, as no failure of a disk does.
        """
        steps = count()

        def spare(statement: str) -> None:
            if statement == "COMMIT":
                _connection(self.store).set_progress_handler(None, 0)

        _connection(self.store).set_trace_callback(spare)
        _connection(self.store).set_progress_handler(lambda: int(next(steps) == step), 3)
        failed = False
        try:
            self.store.commit(self.turn)
        except StoreError:
            failed = True
        _connection(self.store).set_progress_handler(None, 0)
        if failed:
            self.as_the_oracle_says()
            self.store.commit(self.turn)
        self.disk.commit(self.turn)
        self.turn = []

    def _crash(self, snapshot: Path) -> None:
        if snapshot == self.directory:
            snapshot = self.root / str(next(self.directories))
            _copy(self.directory, snapshot)
        self.store._late = []
        self.store.close()
        self.directory = snapshot

    @invariant()
    def as_the_oracle_says(self) -> None:
        assert _loaded(self.store) == _expected(self.disk)


Crashes.TestCase.settings = settings(max_examples=100, stateful_step_count=50)
TestCrashes = pytest.mark.slow(Crashes.TestCase)


# -- contacts, and what people decide of them


def open_store(directory: Path, *, daemon: bool = True) -> Store:
    ticks = count(1)
    return Store(directory, daemon=daemon, clock=lambda: float(next(ticks)))


def test_a_contact_is_kept_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, CAROL])
        store.commit([Reached(BOB.key, "robert", ("192.0.2.3", 7777))])
        store.commit([Trusted(CAROL.key, Trust.NEW, Trust.VERIFIED)])
    with closing(open_store(tmp_path, daemon=False)) as store:
        bob, carol = store.contacts()
        assert (bob.key, bob.signing_key, bob.name) == (b"b" * 32, b"B" * 32, "robert")
        assert bob.addresses == (("192.0.2.3", 7777), ("192.0.2.2", 7777))
        assert (bob.trust, carol.trust, carol.replaced_by) == (Trust.NEW, Trust.VERIFIED, None)
        assert 0 < carol.seen_at < bob.seen_at < 20_000


def test_of_many_addresses_the_last_few_are_loaded(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB])
        for number in range(50):
            store.commit([Reached(BOB.key, f"bob {number}", ("192.0.2.9", number + 1))])
        for table in ("address", "name_heard"):
            assert store._run(f"SELECT count(*) FROM {table}").fetchone() == (ADDRESSES,)
        assert store.contacts()[0].addresses == tuple(("192.0.2.9", port) for port in range(50, 50 - ADDRESSES, -1))


def test_another_key_stops_until_our_person_names_it(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, Trusted(BOB.key, Trust.NEW, Trust.VERIFIED)])
        store.commit([KeyChanged(BOB.key, EVE), KeyChanged(BOB.key, EVE)])
        (bob,) = store.contacts()
        assert (bob.trust, bob.others) == (Trust.CHANGED, (EVE,))
        with pytest.raises(OvertakenError, match="look again"):
            store.commit([Replaced(BOB.key, CAROL)])
        store.commit([Replaced(BOB.key, EVE)])
        bob, new = store.contacts()
        assert (bob.replaced_by, bob.trust) == (EVE.key, Trust.CHANGED)
        assert (new.key, new.signing_key, new.trust) == (EVE.key, EVE.signing_key, Trust.NEW)
        assert new.addresses == (EVE.address,)
        assert [ledger for _, ledger in store.load()] == [Ledger(), Ledger()]


def test_whoever_goes_back_to_an_old_key_has_the_old_conversation(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, KeyChanged(BOB.key, EVE), Replaced(BOB.key, EVE)])
        store.commit([KeyChanged(EVE.key, BOB), Replaced(EVE.key, BOB)])
        bob, eve = store.contacts()
        assert (bob.trust, bob.replaced_by, eve.replaced_by) == (Trust.NEW, None, BOB.key)


def test_a_contact_takes_another_s_place_as_it_is(tmp_path: Path) -> None:
    eve = Pinned(EVE.key, EVE.signing_key, "bob", ("192.0.2.9", 7777))
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, Trusted(BOB.key, Trust.NEW, Trust.VERIFIED), eve])
        store.commit([Trusted(EVE.key, Trust.NEW, Trust.VERIFIED)])
        for nobody in (CAROL, BOB, Pinned(EVE.key, CAROL.signing_key, "bob", eve.address)):
            with pytest.raises(OvertakenError, match="look again"):
                store.commit([Replaced(BOB.key, nobody)])
        store.commit([Replaced(BOB.key, EVE)])
        bob, new = store.contacts()
        assert (bob.replaced_by, new.trust) == (EVE.key, Trust.VERIFIED)
        assert new.addresses == (eve.address,)
        with pytest.raises(OvertakenError, match="look again"):
            store.commit([Replaced(EVE.key, BOB)])


def test_a_start_that_fails_leaves_the_profile_to_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_begin", lambda store: store._run("SELECT nonsense"))
        with pytest.raises(sqlite3.OperationalError) as kept:  # with all that it refers to
            open_store(tmp_path)
    open_store(tmp_path).close()
    assert kept.value


def test_another_signing_key_alone_is_another_s_too(tmp_path: Path) -> None:
    other = Pinned(BOB.key, EVE.signing_key, "bob", BOB.address)
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, KeyChanged(BOB.key, other)])
        assert store.contacts()[0].trust is Trust.CHANGED
        store.commit([Replaced(BOB.key, other)])
        (bob,) = store.contacts()
        assert (bob.signing_key, bob.trust, bob.replaced_by, bob.others) == (EVE.signing_key, Trust.NEW, None, ())


def test_a_blocked_contact_stays_so_whatever_key_it_has(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, Trusted(BOB.key, Trust.NEW, Trust.BLOCKED), KeyChanged(BOB.key, EVE)])
        assert store.contacts()[0].trust is Trust.BLOCKED


def test_a_decision_on_what_is_no_longer_so_decides_nothing(tmp_path: Path) -> None:
    """A person compares words for half a minute, and meanwhile another key answers."""
    with closing(open_store(tmp_path)) as store, closing(open_store(tmp_path, daemon=False)) as command:
        store.commit([BOB])
        assert command.contacts()[0].trust is Trust.NEW
        store.commit([KeyChanged(BOB.key, EVE)])
        with pytest.raises(OvertakenError, match="look again"):
            command.commit([Reached(BOB.key, "x", BOB.address), Trusted(BOB.key, Trust.NEW, Trust.VERIFIED)])
        assert (store.contacts()[0].trust, store.contacts()[0].name) == (Trust.CHANGED, "bob")


def test_a_daemon_sees_what_a_command_has_written_and_not_its_own(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB])
        assert not store.changed()
        with closing(open_store(tmp_path, daemon=False)) as command:
            assert not store.changed()
            command.commit([Trusted(BOB.key, Trust.NEW, Trust.BLOCKED)])
        assert store.changed()
        assert store.contacts()[0].trust is Trust.BLOCKED
        assert not store.changed()


def test_whoever_answers_as_ever_is_nobody_else(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, KeyChanged(BOB.key, BOB)])
        assert (store.contacts()[0].trust, store.contacts()[0].others) == (Trust.NEW, ())
        store.commit([KeyChanged(BOB.key, EVE), KeyChanged(BOB.key, BOB)])
        assert (store.contacts()[0].trust, store.contacts()[0].others) == (Trust.CHANGED, (EVE,))


def test_whoever_answered_in_a_contact_s_place_is_forgotten_with_the_decision(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, KeyChanged(BOB.key, EVE)])
        for was, trust, others in (
            (Trust.CHANGED, Trust.BLOCKED, (EVE,)),
            (Trust.BLOCKED, Trust.CHANGED, (EVE,)),
            (Trust.CHANGED, Trust.NEW, ()),
        ):
            store.commit([Trusted(BOB.key, was, trust)])
            assert store.contacts()[0].others == others
        with pytest.raises(OvertakenError, match="nobody with that key"):
            store.commit([Replaced(BOB.key, EVE)])


def test_a_key_takes_a_contact_s_place_only_while_it_is_stopped_and_both_keys_are_named(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, KeyChanged(BOB.key, EVE)])
        with pytest.raises(OvertakenError, match="nobody with that key"):
            store.commit([Replaced(BOB.key, Pinned(EVE.key, CAROL.signing_key, "bob", BOB.address))])
        store.commit([Trusted(BOB.key, Trust.CHANGED, Trust.BLOCKED)])
        with pytest.raises(OvertakenError, match="nobody with that key"):
            store.commit([Replaced(BOB.key, EVE)])


def test_whoever_is_blocked_takes_nobody_s_place(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, EVE, Trusted(EVE.key, Trust.NEW, Trust.BLOCKED), KeyChanged(BOB.key, EVE)])
        with pytest.raises(OvertakenError, match="is blocked"):
            store.commit([Replaced(BOB.key, EVE)])
        assert [each.trust for each in store.contacts()] == [Trust.CHANGED, Trust.BLOCKED]


def test_what_waits_for_a_key_that_is_replaced_is_undelivered(tmp_path: Path) -> None:
    ledger = Ledger()
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB])
        for number in range(3):
            said = ledger.say(str(number), b"x" * 2_000)
            assert said
            ledger.apply(said)
            store.commit([About(BOB.key, said)])
        acknowledged = Acknowledged(2, ledger.chain_at(2))
        ledger.apply(acknowledged)
        store.commit([About(BOB.key, acknowledged), KeyChanged(BOB.key, EVE), Replaced(BOB.key, EVE)])
        assert [each.fate for each in store.history(BOB.key)] == ["delivered", "undelivered", "undelivered"]
        ledger.apply(GivenUp(6, ledger.chain_at(6)))
        assert shown(store.load()[0][1]) == shown(ledger)
        assert store.load()[1][1] == Ledger()
        store.commit([About(BOB.key, Acknowledged(4, bytes(8))), CAROL])  # a daemon's, from before it knew
        assert shown(store.load()[0][1]) == shown(ledger)


def test_whom_a_command_has_made_a_contact_may_be_pinned(tmp_path: Path) -> None:
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, KeyChanged(BOB.key, EVE)])
        store.commit([Replaced(BOB.key, EVE)])
        store.commit([EVE])
        with pytest.raises(OvertakenError, match="look again"):
            store.commit([Pinned(EVE.key, BOB.signing_key, "bob", BOB.address)])
        assert [contact.signing_key for contact in store.contacts()] == [BOB.signing_key, EVE.signing_key]


def test_a_fact_of_nobody_we_know_is_refused_with_its_whole_turn(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, daemon=False)) as store:
        with pytest.raises(DamagedError, match="no contact has the key"):  # as where an index doesn't have it
            store.commit([BOB, About(CAROL.key, Opened(False))])
        assert store.contacts() == []


# -- messages


def test_tokens_are_remembered_as_a_ledger_does(tmp_path: Path) -> None:
    ledger = Ledger()
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB])
        turn: list[Change] = []
        for number in range(TOKENS + 100):
            said = ledger.say(str(number), b"x")
            assert said
            facts: list[Fact] = [said, Acknowledged(number + 1, bytes(8))]
            for fact in facts:
                ledger.apply(fact)
                turn.append(About(BOB.key, fact))
        store.commit(turn)
        ((_, loaded),) = store.load()
        assert list(loaded.settled) == list(ledger.settled)
        assert len(loaded.settled) == TOKENS


def test_messages_in_the_clear_are_kept_with_their_fates(tmp_path: Path) -> None:
    peer = ("192.0.2.2", 7777)
    with closing(open_store(tmp_path)) as store:
        said = Ledger().say("1", b"to a contact, by the same token")
        assert said
        store.commit([BOB, About(BOB.key, said)])
        store.commit([ClearSaid(peer, "bob", str(each), f"text {each}") for each in range(3)])
        store.commit([ClearSettled("1", Fate.DELIVERED), ClearReceived(peer, "bob", "schön")])
    with closing(open_store(tmp_path, daemon=False)) as store:
        assert [each.fate for each in store.history(None)] == ["waiting", "delivered", "waiting", "received"]
        assert [each.fate for each in store.history(BOB.key)] == ["waiting"]
    with closing(open_store(tmp_path)) as store:  # the chat has ended with the daemon that had it
        store.commit([ClearSettled("0", Fate.DELIVERED), ClearSaid(peer, "bob", "0", "again")])
        messages = store.history(None)
        assert [each.fate for each in messages] == ["undelivered", "delivered", "undelivered", "received", "waiting"]
        assert (messages[3].content, messages[3].peer, messages[3].name) == ("schön".encode(), peer, "bob")
        assert store.history(None, after=messages[3].id) == messages[4:]
        assert store.history(None, limit=2) == messages[:2]


def test_the_beginning_of_a_message_whose_rest_won_t_come_is_kept_and_no_end_of_one(tmp_path: Path) -> None:
    pieces = list(cut(b"a" * 5_000, 1))
    with closing(open_store(tmp_path)) as store:
        store.commit([BOB, About(BOB.key, Received(tuple(pieces[:2]), bytes(8)))])
        store.commit([About(BOB.key, Jumped(3, bytes(8))), About(BOB.key, Received((pieces[3],), bytes(8)))])
        store.commit([About(BOB.key, Jumped(9, bytes(8)))])
        assert [(each.fate, each.content) for each in store.history(BOB.key)] == [(Fate.TORN, b"a" * 2_048)]


# -- copies


def test_a_backup_of_a_store_in_use_is_marked_as_a_copy(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "one")) as store:
        said = Ledger().say("token", b"hello")
        assert said
        store.commit([BOB, CAROL, *(About(peer.key, said) for peer in PEERS)])
        store.commit([About(CAROL.key, Acknowledged(1, bytes(8)))])
        store.backup(tmp_path / "copy")
        with pytest.raises(StoreError, match="it exists"):
            store.backup(tmp_path / "copy")
        store.commit([EVE])
        assert not store.history(BOB.key)[0].doubtful
        with pytest.raises(HeldError):
            restore(tmp_path / "copy", tmp_path / "one")
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy"]
    assert (tmp_path / "copy").read_bytes()[
        18:20
    ] == b"\1\1"  # without a log, or it couldn't be read where nobody writes
    assert restore(tmp_path / "copy", tmp_path / "one") == tmp_path / "one" / "store.replaced-1"
    assert restore(tmp_path / "copy", tmp_path / "two") is None
    for directory in (tmp_path / "one", tmp_path / "two"):
        with closing(open_store(directory)) as store:
            assert "is a copy of " in store.notices[0]
            assert [contact.key for contact in store.contacts()] == [BOB.key, CAROL.key]
            messages = [store.history(peer.key)[0] for peer in PEERS]
            assert [(each.fate, each.doubtful) for each in messages] == [("waiting", True), ("delivered", False)]
        with closing(open_store(directory)) as store:  # it is told once
            assert store.notices == []
    with sqlite3.connect(tmp_path / "one" / "store.replaced-1") as replaced:
        assert replaced.execute("SELECT count(*) FROM contact").fetchone() == (3,)


def test_a_damaged_backup_replaces_nothing(tmp_path: Path) -> None:
    with closing(open_store(tmp_path / "one")) as store:
        store.commit([BOB])
        store.backup(tmp_path / "copy")
    whole = (tmp_path / "copy").read_bytes()
    page = whole[:4096] + b"\xff" * 4096 + whole[8192:]
    for damaged, why in (
        (b"", "no backup"),
        (b"nonsense" * 1000, "damaged"),
        (whole[:9000], "damaged"),
        (page, "damaged"),
    ):
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(StoreError, match=why):
            restore(tmp_path / "damaged", tmp_path / "one")
        assert not (tmp_path / "one" / "store.replaced-1").exists()
    with closing(open_store(tmp_path / "one")) as store:
        assert len(store.contacts()) == 1


# -- processes

TURN = 7
WRITER = """
import sys
from itertools import count
from pathlib import Path
from simp_daemon.contacts import About
from simp_daemon.store import Store
store = Store(Path(sys.argv[1]), daemon=True)
((bob, ledger),) = store.load()
for turn in count():
    turn = []
    for each in range(int(sys.argv[2])):
        turn.append(About(bob.key, ledger.say(str(ledger.next), str(ledger.next).encode())))
        ledger.apply(turn[-1].fact)
    store.commit(turn)
    print(ledger.next - 1, flush=True)
"""


def kill_writers(directory: Path, kills: int, seed: int) -> int:
    """Kills a daemon's process at a random moment, again and again; returns how many messages were committed."""
    random, committed = Random(seed), 0
    with closing(open_store(directory)) as store:
        store.commit([BOB])
    for _ in range(kills):
        command = [sys.executable, "-c", WRITER, str(directory), str(TURN)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout
            told = [writer.stdout.readline() for _ in range(random.randrange(1, 20))]
            with suppress(subprocess.TimeoutExpired):
                writer.wait(random.random() * 0.005)
            writer.kill()
            told += writer.stdout.readlines()
        last = [int(line) for line in told if line.endswith("\n")][-1]
        with closing(open_store(directory)) as store:
            ((_, ledger),) = store.load()
            assert store.notices == []
        committed = ledger.next - 1
        assert last <= committed <= last + TURN
        assert committed % TURN == 0
        assert list(ledger.waiting.items()) == [(str(number), number) for number in range(1, committed + 1)]
        assert [piece.data for piece in ledger.pieces.values()] == [token.encode() for token in ledger.waiting]
    return committed


@pytest.mark.slow
def test_what_a_killed_daemon_said_is_committed_is_there(tmp_path: Path) -> None:
    assert kill_writers(tmp_path, 20, 1) > 20 * TURN


if __name__ == "__main__":  # python -m tests.test_store DIRECTORY KILLS SEED
    print(kill_writers(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
