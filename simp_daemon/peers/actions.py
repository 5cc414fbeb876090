"""What a session does: the actions of `states.TABLE`, by the names that the specification gives them (spec 7)."""

from typing import Final, NamedTuple

from simp_daemon import events
from simp_daemon.events import Why
from simp_daemon.peers.delivery import Transmission
from simp_daemon.peers.record import Record
from simp_proto import constants
from simp_proto.constants import Control, Framing
from simp_proto.datagram import Datagram
from simp_proto.printable import NOBODY

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
    """What our person says, with its identity; or why no datagram gets to the peer."""
    refusal: str = ""
    """What the peer is told whose call may not ring (spec 4.6)."""

    @property
    def heard(self) -> Datagram:
        """The datagram, where there is one."""
        assert self.datagram is not None
        return self.datagram


def call(record: Record, happening: Happening) -> None:
    record.speak(record.framing)
    record.agreed = record.forced is not None
    record.refreshed = happening.now
    record.elsewhere = None
    offers = record.framing is not Framing.TRAILER and record.forced is not Framing.BARE
    offer = constants.OFFER if offers else b""
    known = record.framing is Framing.HEADER
    interval = constants.RETRANSMISSION_INTERVAL if known else constants.UNKNOWN_SYN_INTERVAL
    record.delivery.put(Transmission(Control.SYN, offer, constants.HANDSHAKE_SEQUENCE, interval))


def cross(record: Record, happening: Happening) -> None:
    record.adapt(happening.heard)
    record.syn_sequence = happening.heard.sequence


def request(record: Record, happening: Happening) -> None:
    record.name = ""
    record.agreed = False
    record.learn_name(happening.heard)
    record.outlet.append(events.RequestReceived(record.peer, record.name))


def ring(record: Record, happening: Happening) -> None:
    syn = happening.heard
    record.speak(record.answer_framing(syn))
    record.syn_sequence = syn.sequence
    record.refreshed = happening.now
    if record.framing is Framing.HEADER:
        record.send(Control.ACK, syn.sequence, constants.RINGING)


def refuse(record: Record, happening: Happening) -> None:
    syn = happening.heard
    record.speak(record.answer_framing(syn))
    record.outlet.append(events.Refused(record.peer, syn.name))
    record.send(Control.ERR, syn.sequence, happening.refusal.encode("ascii"))
    record.send(Control.FIN, syn.sequence)


def learn(record: Record, happening: Happening) -> None:
    record.adapt(happening.heard)
    record.learn(happening.heard.framing)


def note_ringing(record: Record, happening: Happening) -> None:
    record.outlet.append(events.Rang(record.peer, record.name))
    if happening.heard.name.lower() == NOBODY:  # spec 2.4
        record.outlet.append(events.Unattended(record.peer, record.name))


def postpone(record: Record, happening: Happening) -> None:
    record.delivery.postpone(happening.now, constants.UNKNOWN_SYN_INTERVAL)


def accept(record: Record, _: Happening) -> None:
    record.delivery.abandon()
    record.delivery.put(Transmission(Control.SYN_ACK, number=record.syn_sequence))


def repeat(record: Record, happening: Happening) -> None:
    record.delivery.repeat(happening.now)


def establish(record: Record, happening: Happening) -> None:
    record.learn_name(happening.heard)
    record.delivery.abandon()
    record.agreed = True
    record.learn(record.framing)
    record.outlet.append(events.Connected(record.peer, record.name, record.here))


def say(record: Record, happening: Happening) -> None:
    assert happening.words is not None
    record.delivery.say(*happening.words)


def proceed(record: Record, happening: Happening) -> None:
    record.pump(happening.now)


def confirm(record: Record, happening: Happening) -> None:
    if happening.done and happening.done.message and happening.done.last:
        record.outlet.append(events.MessageAcknowledged(record.peer, happening.done.message))


def receive(record: Record, happening: Happening) -> None:
    record.learn_name(happening.heard)
    if record.delivery.is_new(happening.heard):
        record.outlet.append(events.MessageReceived(record.peer, record.name, happening.heard.text))


def acknowledge(record: Record, happening: Happening) -> None:
    record.send(Control.ACK, happening.heard.sequence)


def report(record: Record, happening: Happening) -> None:
    datagram = happening.heard
    record.learn_name(datagram)
    most = constants.ERROR_SIZE
    said = datagram.text if len(datagram.text) <= most else f"{datagram.text[:most]}..."
    text, said = (said, "") if said == constants.BUSY else ("", said)
    if datagram.framing is Framing.TRAILER and record.framing is not Framing.TRAILER:
        text += _TRAILER_HINT
    record.outlet.append(events.ErrorReceived(record.peer, record.name, text, said))


def probe(record: Record, happening: Happening) -> None:
    if record.framing is Framing.HEADER:
        record.delivery.probe()
    else:
        record.silence_told = happening.now
        record.outlet.append(events.Silent(record.peer, record.name, round(happening.now - record.heard)))


def renumber(record: Record, happening: Happening) -> None:
    record.delivery.renumber(happening.now)


def quit(record: Record, _: Happening) -> None:
    record.outlet.append(events.Ended(record.peer, record.name, Why.QUIT))


def cancel(record: Record, _: Happening) -> None:
    record.delivery.put(Transmission(Control.FIN, number=constants.HANDSHAKE_SEQUENCE))


def decline(record: Record, _: Happening) -> None:
    record.delivery.put(Transmission(Control.FIN, number=record.syn_sequence))


def leave(record: Record, _: Happening) -> None:
    record.delivery.put(Transmission(Control.FIN))


def forget(record: Record, _: Happening) -> None:
    record.abandon()


def end(record: Record, _: Happening) -> None:
    _end(record, Why.FIN)


def fail(record: Record, _: Happening) -> None:
    _end(record, Why.ERR)


def strand(record: Record, happening: Happening) -> None:
    assert happening.words is not None
    record.outlet.append(events.ErrorReceived(record.peer, record.name, happening.words[1]))
    _end(record, Why.UNREACHABLE)


def lose(record: Record, _: Happening) -> None:
    _end(record, Why.LOST)


def expire(record: Record, _: Happening) -> None:
    _end(record, Why.EXPIRED)


def displace(record: Record, _: Happening) -> None:
    _end(record, Why.BUSY)


def restart(record: Record, _: Happening) -> None:
    _end(record, Why.RESTARTED)


def _end(record: Record, why: Why) -> None:
    record.abandon()
    record.outlet.append(events.Ended(record.peer, record.name, why))
