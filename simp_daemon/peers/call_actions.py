"""What is done in a call of SIMP/2: the actions of `call_states.TABLE` (simp2 4)."""

from dataclasses import replace
from typing import Final, NamedTuple

from simp_daemon.events import ErrorReceived, Rang, Why
from simp_daemon.peers.call import Call, Reading
from simp_daemon.peers.call_news import CallOver, Consent, Established, InTheClear, KeyChanged, Requested
from simp_proto.constants import (
    REQUEST_LIFETIME,
    RETRANSMISSION_INTERVAL,
    UNKNOWN_SYN_INTERVAL,
    Control,
    Framing,
    Type,
)
from simp_proto.datagram import Datagram, name_of
from simp_proto.sealed import Answer, Challenge, Confirm, Frame, Over, Ringing, build_frames, build_payload

PROMPT_PAUSE: Final = 0.1
"""Between SYNs that the peer brings about, at least (simp2 4.4)."""
DOUBT: Final = 10.0
"""How long a call waits for the right key after another one (simp2 4.4)."""
GONE: Final = 10.0
"""How long a CONFIRM may be unanswered before the peer is called anew (simp2 7.7)."""


class Happening(NamedTuple):
    """What an action may need to know of what has happened."""

    now: float
    data: bytes = b""
    """The cookie of a CHALLENGE, the peer's or ours, or our message 2."""
    read: Reading | None = None
    why: str = ""
    """Why no datagram gets to the peer."""

    @property
    def reading(self) -> Reading:
        """What was read, where something was."""
        assert self.read is not None
        return self.read


# -- our calls


def dial(call: Call, happening: Happening) -> None:
    call.put(None, happening.now)


def prove(call: Call, happening: Happening) -> None:
    call.offer = replace(call.offer, proof=happening.data + call.offer.ring_proof)
    call.framing = Framing.HEADER
    if call.rings:
        call.rings = False
    call.prompted = max(happening.now, call.prompted + PROMPT_PAUSE)
    call.hasten(call.prompted, anew=True)


def insist(call: Call, happening: Happening) -> None:
    call.prompted = max(happening.now, call.prompted + PROMPT_PAUSE)
    call.hasten(call.prompted, anew=False)


def note_ringing(call: Call, happening: Happening) -> None:
    if call.rings is None:
        call.own.outlet.append(Rang(call.peer, call.name))
    call.framing, call.rings = Framing.HEADER, True
    call.hasten(happening.now + UNKNOWN_SYN_INTERVAL, anew=True)


def doubt(call: Call, happening: Happening) -> None:
    call.other = happening.reading
    if call.doubted is None:
        call.doubted = happening.now + DOUBT


def alarm(call: Call, _: Happening) -> None:
    assert call.other is not None
    key = call.other.handshake.remote_static
    call.own.outlet.append(KeyChanged(call.peer, call.expected.key if call.expected else key, key, call.other.hello))


def count(call: Call, _: Happening) -> None:
    call.clear += 1


def go_clear(call: Call, _: Happening) -> None:
    call.own.outlet.append(InTheClear(call.peer, call.user, call.begun))


def confirm(call: Call, happening: Happening) -> None:
    read = happening.reading
    frames: list[Frame] = [call.own.hello(), call.own.state(read.handshake.remote_static)]
    message = read.handshake.write_message(build_frames(frames))
    call.answer = read.message
    _establish(call, read, None)
    call.put(build_payload(Confirm(call.tag, message)), happening.now)
    call.missed = happening.now + GONE


def miss(call: Call, _: Happening) -> None:
    assert call.expected is not None
    call.missed = None
    call.own.missed.append(call.expected)


def take_back(call: Call, happening: Happening) -> None:
    if call.expected:
        cancel(call, happening)
        return
    call.in_the_clear = True
    fin = Datagram(Type.CONTROL, Control.FIN, 0, call.user, b"", call.framing)
    call.put(fin, happening.now, RETRANSMISSION_INTERVAL)


def strand(call: Call, happening: Happening) -> None:
    call.own.outlet.append(ErrorReceived(call.peer, call.name, happening.why))
    _end(call, Why.UNREACHABLE)


# -- the peer's calls


def challenge(call: Call, happening: Happening) -> None:
    call.send(Challenge(call.tag, happening.data))


def request(call: Call, _: Happening) -> None:
    key, pins = call.expected.key if call.expected else None, call.own.pins
    claims = key is None and bool(pins.named(call.name) or pins.at(call.peer))
    call.own.outlet.append(Requested(call.peer, call.name, key, claims))


def ring(call: Call, happening: Happening) -> None:
    call.expires = happening.now + REQUEST_LIFETIME
    call.send(Ringing(call.tag))


def accept(call: Call, happening: Happening) -> None:
    if call.expected and not call.expected.open:
        call.opened = call.expected.open = True
        call.own.outlet.append(Consent(call.expected.key, True))
    call.put(build_payload(Answer(call.tag, happening.data)), happening.now)


def establish(call: Call, happening: Happening) -> None:
    _establish(call, happening.reading, call.round_trip(happening.now))


def withdraw(call: Call, _: Happening) -> None:
    if call.expected and call.opened:
        call.expected.open = False
        call.own.outlet.append(Consent(call.expected.key, False))


def give_up(call: Call, happening: Happening) -> None:
    if call.expected and call.expected.open:
        miss(call, happening)
    else:
        _end(call, Why.LOST)


# -- both


def repeat(call: Call, _: Happening) -> None:
    call.repeat()


def acknowledge(call: Call, _: Happening) -> None:
    call.send(Over(call.tag), Control.ACK)


def dismiss(call: Call, _: Happening) -> None:
    call.send(Over(call.tag), Control.FIN)


def cancel(call: Call, happening: Happening) -> None:
    call.put(build_payload(Over(call.tag), Control.FIN), happening.now, RETRANSMISSION_INTERVAL)


decline = cancel


def quit(call: Call, _: Happening) -> None:
    _end(call, Why.QUIT)


def end(call: Call, _: Happening) -> None:
    _end(call, Why.FIN)


def fail(call: Call, _: Happening) -> None:
    _end(call, Why.ERR)


def lose(call: Call, _: Happening) -> None:
    _end(call, Why.LOST)


def expire(call: Call, _: Happening) -> None:
    _end(call, Why.EXPIRED)


def restart(call: Call, _: Happening) -> None:
    _end(call, Why.RESTARTED)


def crowd(call: Call, _: Happening) -> None:
    _end(call, Why.CROWDED)


def _end(call: Call, why: Why) -> None:
    key = call.expected.key if call.expected else None
    call.own.outlet.append(CallOver(call.peer, call.name, why, key, call.quiet))


def _establish(call: Call, read: Reading, round_trip: float | None) -> None:
    *keys, handshake_hash = read.handshake.split()
    key, hello, pins, caller = read.handshake.remote_static, read.hello, call.own.pins, call.ephemeral is not None
    call.own.outlet.append(
        Established(
            *(call.peer, call.here, call.tag, key, hello, (keys[0], keys[1]), handshake_hash),
            *(caller, read.state, round_trip),
        )
    )
    name = name_of(hello.name)
    call.expected = pins.get(key) or pins.add(key, hello.signing_key, name)
    call.expected.name, call.expected.open = name, True
    pins.reach(call.expected, call.peer)
