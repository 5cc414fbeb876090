"""What is done in a call of SIMP/2: the actions of `call_states.TABLE`, in the words of `spec/states.md`."""

from dataclasses import replace
from typing import Final, NamedTuple

from simp_daemon.events import ErrorReceived, Rang, Why
from simp_daemon.peers.sealed.call import FIRST_PAUSE, Call, Reading
from simp_daemon.peers.sealed.call_news import CallOver, Consent, Established, InTheClear, KeyChanged, Requested
from simp_proto.constants import (
    GONE,
    REQUEST_LIFETIME,
    RETRANSMISSION_INTERVAL,
    UNKNOWN_SYN_INTERVAL,
    Control,
    Framing,
    Type,
)
from simp_proto.datagram import Datagram, name_of
from simp_proto.printable import names_person
from simp_proto.sealed.frames import Frame, build_frames
from simp_proto.sealed.payloads import Answer, Challenge, Confirm, Over, Ringing, build_payload

PROMPT_PAUSE: Final = 0.1
"""Between SYNs that the peer brings about, at least (simp2 4.4)."""
DOUBT: Final = 10.0
"""How long a call waits for the right key after another one (simp2 4.4)."""


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
    """sends SYN (4.4)"""
    call.put(None, happening.now, FIRST_PAUSE if call.expected else RETRANSMISSION_INTERVAL)


def prove(call: Call, happening: Happening) -> None:
    """sends SYN with the cookie (4.4)"""
    call.offer = replace(call.offer, proof=happening.data + call.offer.ring_proof)
    call.framing = Framing.HEADER
    if call.rings:
        call.rings = False
    _prompt(call, happening.now, anew=True)


def insist(call: Call, happening: Happening) -> None:
    """sends SYN (4.6)"""
    _prompt(call, happening.now, anew=False)


def note_ringing(call: Call, happening: Happening) -> None:
    """tells the person that it rings; repeats SYN every 30 s (4.4)"""
    if call.rings is None:
        call.own.outlet.append(Rang(call.peer, call.name))
    call.framing = Framing.HEADER
    if not call.rings or call.at is None:  # a replay of it would put off the SYN for ever
        call.at = happening.now + UNKNOWN_SYN_INTERVAL
    call.rings = True
    call.hasten(call.at, anew=True)


def doubt(call: Call, happening: Happening) -> None:
    """notes the key, and waits for the right one, unless somebody only announces the contact (4.4, 4.7)"""
    if call.quiet and call.expected and call.peer != call.expected.address:
        return
    call.other = happening.reading
    if call.doubted is None:
        call.doubted = happening.now + DOUBT


def alarm(call: Call, _: Happening) -> None:
    """tells the person that the key has changed (9.4)"""
    assert call.other is not None
    key = call.other.handshake.remote_static
    contact = call.expected.key if call.expected else key
    call.own.outlet.append(KeyChanged(call.peer, contact, key, call.other.hello, call.quiet))


def note(call: Call, _: Happening) -> None:
    """notes it, so that the person is told after 30 s (4.4)"""
    call.clear = True


def go_clear(call: Call, _: Happening) -> None:
    """goes on as SIMP/1 (3.3)"""
    call.own.outlet.append(InTheClear(call.peer, call.user, call.begun))


def confirm(call: Call, happening: Happening) -> None:
    """the session is on: pins the key, sends CONFIRM (4.4)"""
    read = happening.reading
    frames: list[Frame] = [call.own.hello(), call.own.state(read.handshake.remote_static)]
    message = read.handshake.write_message(build_frames(frames))
    call.answer = read.message
    _establish(call, read, None)
    call.put(build_payload(Confirm(call.tag, message)), happening.now)
    call.missed = happening.now + GONE


def miss(call: Call, _: Happening) -> None:
    """calls the contact quietly, if the conversation is open (7.7)"""
    assert call.expected is not None
    call.missed = None
    call.own.missed.append(call.expected)


def take_back(call: Call, happening: Happening) -> None:
    """sends the FIN of SIMP/1, or of a call to a contact OVER (4.5)"""
    if call.expected:
        cancel(call, happening)
        return
    call.in_the_clear = True
    fin = Datagram(Type.CONTROL, Control.FIN, 0, call.user, b"", call.framing)
    call.put(fin, happening.now, RETRANSMISSION_INTERVAL)


def strand(call: Call, happening: Happening) -> None:
    """tells the person why no datagram gets to the peer, and that the call is over (S1 4.10)"""
    call.own.outlet.append(ErrorReceived(call.peer, call.name, happening.why))
    _end(call, Why.UNREACHABLE)


# -- the peer's calls


def challenge(call: Call, happening: Happening) -> None:
    """sends CHALLENGE (4.1)"""
    call.send(Challenge(call.tag, happening.data))


def request(call: Call, _: Happening) -> None:
    """tells the person who calls (4.1)"""
    key, pins = call.expected.key if call.expected else None, call.own.pins
    claims = key is None and bool(pins.named(call.name) or pins.at(call.peer))
    call.own.outlet.append(Requested(call.peer, call.name, key, claims))


def ring(call: Call, happening: Happening) -> None:
    """the request is younger; sends RINGING (4.1)"""
    call.expires = happening.now + REQUEST_LIFETIME
    call.send(Ringing(call.tag))


def accept(call: Call, happening: Happening) -> None:
    """opens the conversation with a contact, computes and sends ANSWER (4.5)"""
    if call.expected and not call.expected.open:
        call.opened = call.expected.open = True
        call.own.outlet.append(Consent(call.expected.key, True))
    call.put(build_payload(Answer(call.tag, happening.data)), happening.now)


def close(call: Call, happening: Happening) -> None:
    """computes and sends ANSWER, for a session that begins by a CLOSE (4.7)"""
    call.closes = True
    call.put(build_payload(Answer(call.tag, happening.data)), happening.now)


def establish(call: Call, happening: Happening) -> None:
    """the session is on: pins the key (4.5)"""
    _establish(call, happening.reading, call.round_trip(happening.now))


def withdraw(call: Call, _: Happening) -> None:
    """the conversation isn't open any more, if this call opened it"""
    if call.expected and call.opened:
        call.expected.open = False
        call.own.outlet.append(Consent(call.expected.key, False))


def give_up(call: Call, happening: Happening) -> None:
    """calls the contact quietly, if the conversation is open; tells the person otherwise that the call is lost (7.7)"""
    if call.expected and call.expected.open:
        miss(call, happening)
    else:
        _end(call, Why.LOST)


# -- both


def repeat(call: Call, _: Happening) -> None:
    """sends again what is repeated (4.1, 4.4)"""
    call.repeat()


def acknowledge(call: Call, _: Happening) -> None:
    """sends OVER in an ACK (4.5)"""
    call.send(Over(call.tag), Control.ACK)


def dismiss(call: Call, _: Happening) -> None:
    """sends OVER in a FIN, once (4.1)"""
    call.send(Over(call.tag), Control.FIN)


def cancel(call: Call, happening: Happening) -> None:
    """sends OVER in a FIN, until it is acknowledged (4.5)"""
    call.put(build_payload(Over(call.tag), Control.FIN), happening.now, RETRANSMISSION_INTERVAL)


def quit(call: Call, _: Happening) -> None:
    """tells the person that the call is over, as the person wished"""
    _end(call, Why.QUIT)


def end(call: Call, _: Happening) -> None:
    """tells the person that the other ended it"""
    _end(call, Why.FIN)


def fail(call: Call, _: Happening) -> None:
    """tells the person that there is no answer to this call"""
    _end(call, Why.ERR)


def lose(call: Call, _: Happening) -> None:
    """tells the person that the other stopped answering"""
    _end(call, Why.LOST)


def expire(call: Call, _: Happening) -> None:
    """tells the person that the caller stopped calling"""
    _end(call, Why.EXPIRED)


def restart(call: Call, _: Happening) -> None:
    """tells the person that the other called again"""
    _end(call, Why.RESTARTED)


def crowd(call: Call, _: Happening) -> None:
    """tells the person that newer calls took its place (8.3)"""
    _end(call, Why.CROWDED)


def _prompt(call: Call, now: float, *, anew: bool) -> None:
    """Sends the SYN soon, however often the peer asks."""
    if call.prompted <= now:  # none is put off already
        call.prompted = max(now, call.prompted + PROMPT_PAUSE)
    call.hasten(call.prompted, anew=anew)


def _end(call: Call, why: Why) -> None:
    key = call.expected.key if call.expected else None
    if call.closes:  # of which nobody was told
        return
    call.own.outlet.append(CallOver(call.peer, call.name, why, key, call.quiet))


def _establish(call: Call, read: Reading, round_trip: float | None) -> None:
    *keys, handshake_hash = read.handshake.split()
    key, hello, pins, caller = read.handshake.remote_static, read.hello, call.own.pins, call.ephemeral is not None
    call.own.outlet.append(
        Established(
            *(call.peer, call.here, call.tag, key, hello, (keys[0], keys[1]), read.handshake.payload_keys),
            handshake_hash,
            *(caller, read.state, round_trip, call.closes),
        )
    )
    name = name_of(hello.name)
    call.expected = pins.get(key) or pins.add(key, hello.signing_key, name)
    call.expected.open = call.expected.open or not call.closes
    if names_person(name):  # a daemon that goes on before its person is back has none
        pins.rename(call.expected, name)
    pins.reach(call.expected, call.peer)
