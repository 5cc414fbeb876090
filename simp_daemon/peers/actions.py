"""What a session does: the actions of `states.TABLE`, one by one (spec 7). No clock, no socket."""

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from simp_daemon.effects import Send
from simp_daemon.events import (
    Connected,
    Ended,
    ErrorReceived,
    Event,
    MessageAcknowledged,
    MessageReceived,
    MessageUndelivered,
    Rang,
    Refused,
    RequestReceived,
    Why,
)
from simp_daemon.peers.delivery import Delivery, Transmission
from simp_daemon.peers.states import TABLE, Action
from simp_daemon.peers.stop_and_wait import StopAndWait
from simp_proto.address import Address
from simp_proto.constants import (
    BUSY,
    ERROR_SIZE,
    HANDSHAKE_SEQUENCE,
    OFFER,
    RETRANSMISSION_INTERVAL,
    RINGING,
    UNKNOWN_SYN_INTERVAL,
    Chat,
    Control,
    Framing,
    Operation,
    Type,
)
from simp_proto.datagram import Datagram, build

NOBODY: Final = "daemon"
"""The name in a control datagram while no person has given one."""
_PLACEHOLDERS: Final = {"", NOBODY}
_TRAILER_HINT: Final = (
    "; its daemon puts the checksum at the end and didn't understand ours, which knows now: call again, if need be"
    " once that daemon is restarted; 'simp daemon --framing trailer' calls so from the first time on"
)


class Happening(NamedTuple):
    """What an action may need to know of what has happened."""

    now: float
    datagram: Datagram | None = None
    done: Transmission | None = None
    """What the datagram acknowledges."""
    words: tuple[int, str] | None = None
    """What our person says, with its identity."""

    @property
    def heard(self) -> Datagram:
        """The datagram, where there is one."""
        assert self.datagram is not None
        return self.datagram


class Actions:
    """Everything that is done in a conversation with one peer, and what is remembered for it.

    `forced` is the framing in which all calls are made, if one is; `framing` that in which to begin otherwise.
    Datagrams and events go into `outlet` in their order; `learn` hears which framing the peer is known to speak
    (spec 4.2).
    """

    def __init__(
        self,
        peer: Address,
        user: bytes,
        framing: Framing,
        forced: Framing | None,
        outlet: list[Send | Event],
        learn: Callable[[Framing], None],
    ) -> None:
        self.peer = peer
        self.user = user
        self.name = ""
        """The peer's user, as far as known."""
        self.refreshed = 0.0
        """When our person called, or the last SYN of a request came."""
        self.agreed = False
        """Both know the framing, so that another one is somebody else's."""
        self.delivery: Delivery = StopAndWait()
        self.outlet = outlet
        self._learn_framing = learn
        self._forced = forced
        self._syn_sequence = HANDSHAKE_SEQUENCE
        self._speak(framing)

    def pump(self, now: float) -> None:
        """Sends what is due."""
        due = self.delivery.due(now)
        if due:
            transmission, number = due
            self._send(transmission.operation, number, transmission.payload)

    def abandon(self) -> None:
        """Drops what is not acknowledged yet, and reports it."""
        for message in self.delivery.abandon():
            self.outlet.append(MessageUndelivered(self.peer, message))

    # -- how it speaks

    def _speak(self, framing: Framing) -> None:
        """In that framing from now on; whoever doesn't speak `header` is foreign (spec 9.1)."""
        self.framing = framing
        self.delivery.speak(framing)

    def _learn_name(self, datagram: Datagram) -> None:
        """The first name that is a person's (spec 2.4)."""
        if self.name.lower() in _PLACEHOLDERS and datagram.name:
            self.name = datagram.name

    def _send(self, operation: Operation, sequence: int, payload: bytes = b"") -> None:
        kind = Type.CHAT if operation is Chat.MESSAGE else Type.CONTROL
        if self.framing is not Framing.BARE:
            sequence &= 1  # an echo of a `bare` number that this framing has no room for (spec 2.3)
        self.outlet.append(
            Send(build(Datagram(kind, operation, sequence, self.user, payload, self.framing)), self.peer)
        )

    # -- the actions of the table

    def _call(self, happening: Happening) -> None:
        self._speak(self.framing)
        self.agreed = self._forced is not None
        self.refreshed = happening.now
        offers = self.framing is not Framing.TRAILER and self._forced is not Framing.BARE
        known = self.framing is Framing.HEADER
        interval = RETRANSMISSION_INTERVAL if known else UNKNOWN_SYN_INTERVAL
        self.delivery.put(Transmission(Control.SYN, OFFER if offers else b"", HANDSHAKE_SEQUENCE, interval))

    def _request(self, happening: Happening) -> None:
        self.name = ""
        self.agreed = False
        self._learn_name(happening.heard)
        self.outlet.append(RequestReceived(self.peer, self.name))

    def _ring(self, happening: Happening) -> None:
        syn = happening.heard
        self._speak(answer_framing(syn, self._forced))
        self._syn_sequence = syn.sequence
        self.refreshed = happening.now
        if self.framing is Framing.HEADER:
            self._send(Control.ACK, syn.sequence, RINGING)

    def _refuse(self, happening: Happening) -> None:
        syn = happening.heard
        self._speak(answer_framing(syn, self._forced))
        self.outlet.append(Refused(self.peer, syn.name))
        self._send(Control.ERR, syn.sequence, BUSY.encode("ascii"))
        self._send(Control.FIN, syn.sequence)

    def _adapt(self, datagram: Datagram) -> None:
        """Goes on in the framing that the datagram asks for, while the two have not agreed on one (spec 4.2)."""
        framing = answer_framing(datagram, self._forced)
        if framing is not self.framing and not self.agreed:
            self._speak(framing)
        self._learn_name(datagram)

    def _cross(self, happening: Happening) -> None:
        self._adapt(happening.heard)
        self._syn_sequence = happening.heard.sequence

    def _learn(self, happening: Happening) -> None:
        self._adapt(happening.heard)
        self._learn_framing(happening.heard.framing)

    def _note_ringing(self, _: Happening) -> None:
        self.outlet.append(Rang(self.peer, self.name))

    def _postpone(self, happening: Happening) -> None:
        self.delivery.postpone(happening.now, UNKNOWN_SYN_INTERVAL)

    def _accept(self, _: Happening) -> None:
        self.delivery.abandon()
        self.delivery.put(Transmission(Control.SYN_ACK, number=self._syn_sequence))

    def _repeat(self, happening: Happening) -> None:
        self.delivery.repeat(happening.now)

    def _establish(self, happening: Happening) -> None:
        self._learn_name(happening.heard)
        self.delivery.abandon()
        self.agreed = True
        self._learn_framing(self.framing)
        self.outlet.append(Connected(self.peer, self.name))

    def _say(self, happening: Happening) -> None:
        assert happening.words is not None
        self.delivery.say(*happening.words)

    def _confirm(self, happening: Happening) -> None:
        if happening.done and happening.done.last:
            self.outlet.append(MessageAcknowledged(self.peer, happening.done.message))

    def _receive(self, happening: Happening) -> None:
        self._learn_name(happening.heard)
        if self.delivery.is_new(happening.heard):
            self.outlet.append(MessageReceived(self.peer, self.name, happening.heard.text))

    def _acknowledge(self, happening: Happening) -> None:
        self._send(Control.ACK, happening.heard.sequence)

    def _report(self, happening: Happening) -> None:
        datagram = happening.heard
        self._learn_name(datagram)
        text = datagram.text if len(datagram.text) <= ERROR_SIZE else f"{datagram.text[:ERROR_SIZE]}..."
        if datagram.framing is Framing.TRAILER and self.framing is not Framing.TRAILER:
            text += _TRAILER_HINT
        self.outlet.append(ErrorReceived(self.peer, self.name, text))

    def _renumber(self, happening: Happening) -> None:
        self.delivery.renumber(happening.now)

    def _quit(self, _: Happening) -> None:
        self.outlet.append(Ended(self.peer, self.name, Why.QUIT))

    def _fin(self, number: int | None) -> None:
        self.delivery.put(Transmission(Control.FIN, number=number))

    def _end(self, _: Happening, why: Why) -> None:
        self.abandon()
        self.outlet.append(Ended(self.peer, self.name, why))


_ACTIONS: Final[dict[Action, Callable[[Actions, Happening], None]]] = {
    Action.CALL: Actions._call,
    Action.CROSS: Actions._cross,
    Action.REQUEST: Actions._request,
    Action.RING: Actions._ring,
    Action.REFUSE: Actions._refuse,
    Action.LEARN: Actions._learn,
    Action.NOTE_RINGING: Actions._note_ringing,
    Action.POSTPONE: Actions._postpone,
    Action.ACCEPT: Actions._accept,
    Action.REPEAT: Actions._repeat,
    Action.ESTABLISH: Actions._establish,
    Action.SAY: Actions._say,
    Action.PROCEED: lambda actions, happening: actions.pump(happening.now),
    Action.CONFIRM: Actions._confirm,
    Action.RECEIVE: Actions._receive,
    Action.ACKNOWLEDGE: Actions._acknowledge,
    Action.REPORT: Actions._report,
    Action.RENUMBER: Actions._renumber,
    Action.QUIT: Actions._quit,
    Action.CANCEL: lambda actions, _: actions._fin(HANDSHAKE_SEQUENCE),
    Action.DECLINE: lambda actions, _: actions._fin(actions._syn_sequence),
    Action.LEAVE: lambda actions, _: actions._fin(None),
    Action.FORGET: lambda actions, _: actions.abandon(),
    Action.END: partial(Actions._end, why=Why.FIN),
    Action.FAIL: partial(Actions._end, why=Why.ERR),
    Action.LOSE: partial(Actions._end, why=Why.LOST),
    Action.EXPIRE: partial(Actions._end, why=Why.EXPIRED),
    Action.DISPLACE: partial(Actions._end, why=Why.BUSY),
    Action.RESTART: partial(Actions._end, why=Why.RESTARTED),
}


STEPS: Final = {
    state: {what: (tuple(_ACTIONS[action] for action in actions), then) for what, (actions, then) in row.items()}
    for state, row in TABLE.items()
}
"""The state table with what does each action in its place."""


def answer_framing(syn: Datagram, forced: Framing | None) -> Framing:
    """The framing in which a datagram is answered: its own, or `header` where a SYN offers it (spec 4.2)."""
    offered = syn.operation is Control.SYN and syn.sequence <= 1 and syn.payload.startswith(OFFER)
    return forced or Framing.HEADER if offered else syn.framing
