"""The tester's wire in virtual time to a daemon that speaks SIMP/2, whose disk outlives it."""

from copy import deepcopy
from dataclasses import replace

from simp_daemon.contacts import About, Change, Contact, KeyChanged, Reached, Trust
from simp_daemon.facts import Ledger, Pinned
from simp_daemon.occurrences import Started
from simp_daemon.peers.sealed.means import Means
from simp_daemon.peers.states import State
from simp_proto.address import format_address
from simp_proto.conformance.wire import Request, Side
from simp_proto.noise import KeyPair
from simp_proto.text import Line, Word, format_line
from tests.driven import Core
from tests.faulty import Rule
from tests.simulated_wire import DAEMON, SimulatedWire


class SealedWire(SimulatedWire):
    """What is committed is there after a restart, and nothing else."""

    def __init__(self, *rules: Rule) -> None:
        self._disk: dict[bytes, tuple[Contact, Ledger]] = {}
        self._keys = KeyPair(bytes(range(32)))
        super().__init__(*rules)

    def _make_core(self) -> Core:
        run = f"run {next(self._order)}"
        disk = deepcopy(list(self._disk.values()))
        return Core(DAEMON, means=Means(self._keys, bytes(32), disk, self.chance, lambda: 0, run))

    def _keep(self, change: Change) -> None:
        match change:
            case Pinned(key, signing_key, name, address):
                contact = Contact(key, signing_key, name, Trust.NEW, (address,), 0, (), None)
                self._disk[key] = contact, Ledger(open=False)
            case Reached(key, name, address):
                contact, ledger = self._disk[key]
                self._disk[key] = replace(contact, name=name, addresses=(address,)), ledger
            case KeyChanged(key, other):
                contact, ledger = self._disk[key]
                self._disk[key] = replace(contact, trust=Trust.CHANGED, others=(other,)), ledger
            case About(key, fact):
                self._disk[key][1].apply(fact)

    def _act(self, action: Request, text: str, side: Side) -> None:
        if action is Request.LEAVE:
            self._write(format_line(Line(Word.QUIT, format_address(self.sides[side]))))
            return
        super()._act(action, text, side)
        if action is Request.RESTART:
            self._handle(Started())

    def state(self, side: Side) -> State:
        return State.IDLE  # of SIMP/1 alone
