"""`simp probe`: is a SIMP daemon there, and how does it behave before its person does anything?"""

import json
import secrets
import sys
from dataclasses import asdict, dataclass
from typing import Final

import click

from simp_proto.address import format_address
from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.parameters import Number, address, framing_option
from simp_proto.conformance.hands import Hands
from simp_proto.conformance.kinds import is_ack, is_fin, is_ringing, is_syn_ack
from simp_proto.conformance.sockets import open_sockets
from simp_proto.conformance.tester import Received, Tester
from simp_proto.conformance.trace import RuleBrokenError
from simp_proto.conformance.wire import NotRunError
from simp_proto.constants import KEY_SIZE, Control, Framing
from simp_proto.errors import AddressError, SealedError
from simp_proto.printable import names_person, printable
from simp_proto.sealed.offer import COOKIE_SIZE, PROOF_SIZE, Offer, build_offer, tag_of
from simp_proto.sealed.payloads import Challenge, read_payload


@dataclass(frozen=True, slots=True)
class Findings:
    """What a daemon has shown. `None` where it has shown nothing."""

    framing: str | None = None
    user: str | None = None
    """The name in its datagrams."""
    rings: bool = False
    """Whether it says that a call rings (spec 4.3)."""
    accepts_unasked: bool = False
    """Whether it sent SYN+ACK before its person can have accepted (spec 9.7)."""
    syn_ack_number: int | None = None
    refusal: str | None = None
    """The text of an ERR, or empty for a FIN: it is busy, say."""
    fin_acks: tuple[int | None, int | None] = (None, None)
    """The numbers of its ACKs of a FIN numbered 0, and of one numbered 1 (spec 3.2)."""
    refused: bool = False
    """Whether nobody listens there at all."""
    unreadable: int = 0
    """Datagrams that were not SIMP/1."""
    simp2: bool = False
    """Whether it speaks SIMP/2, too; it wasn't asked where it was spoken to as by a foreign daemon."""
    elsewhere: str | None = None
    """Another address than the one asked, from which an answer came (spec 1.4)."""

    @property
    def there(self) -> bool:
        """Whether anything that speaks SIMP has answered."""
        return self.framing is not None


_MORE: Final = 0.3
"""Seconds after an answer in which more may follow, such as a FIN after an ERR."""


CHANCE: Final = KEY_SIZE + COOKIE_SIZE + PROOF_SIZE
"""Random bytes that an offer of SIMP/2 takes."""
_QUIET: Final = b"\1"


def find(tester: Tester, chance: bytes) -> Findings:
    """Rings the daemon until it has answered, for one `wait` at most, and takes the call back.

    The SYN offers SIMP/2, by `CHANCE` random bytes. A daemon of SIMP/1 rings, as with any offer. One of SIMP/2 has its
    caller show its address first (simp2 4.1), rings nobody until then, and is called again as by a daemon of SIMP/1:
    some foreign ones don't survive a second SYN, but that is none.
    """
    offer = Offer(_QUIET + chance[:KEY_SIZE], chance[KEY_SIZE:])
    tester.send(tester.make_syn() if tester.foreign else tester.make(Control.SYN, 0, build_offer(offer)))
    first = tester.find()
    simp2 = first is not None and _challenges(first, offer)
    answers = [first] if first else []
    if simp2:
        tester.say_syn()
        first = tester.find()
        answers += [first] if first else []
    answers += tester.collect(within=_MORE) if first else []
    if tester.wire.refused:
        return Findings(refused=True)
    if tester.framing is None and answers:
        tester.framing = answers[0].datagram.framing
    acknowledged = [_acknowledgement(tester, number, answers) for number in (0, 1)]
    datagrams = [received.datagram for received in answers]
    syn_acks = [each.sequence for each in datagrams if is_syn_ack(each)]
    refusals = [each for each in datagrams if each.operation is Control.ERR or is_fin(each)]
    names = [name for each in datagrams if names_person(name := each.name)]
    received = sum(passage.source is not None for passage in tester.trace)
    return Findings(
        framing=datagrams[0].framing.value if datagrams else None,
        user=names[0] if names else None,
        rings=any(is_ringing(each) for each in datagrams),
        accepts_unasked=bool(syn_acks),
        syn_ack_number=syn_acks[0] if syn_acks else None,
        refusal=max((each.text for each in refusals), default=None),
        fin_acks=(acknowledged[0], acknowledged[1]),
        unreadable=received - len(answers),
        simp2=simp2,
        elsewhere=format_address(tester.wire.elsewhere) if tester.wire.elsewhere else None,
    )


def _challenges(received: Received, offer: Offer) -> bool:
    """Whether that is what SIMP/2 answers a first SYN with that offer."""
    try:
        said = read_payload(received.datagram)
    except SealedError:
        return False
    return isinstance(said, Challenge) and said.tag == tag_of(offer.e)


def _acknowledgement(tester: Tester, number: int, answers: list[Received]) -> int | None:
    """Says FIN, and reads on; the number of the ACK."""
    tester.send(tester.make(Control.FIN, number))
    acknowledged = None
    for received in tester.collect(within=min(tester.wire.wait, 1.0)):
        answers.append(received)
        if is_fin(received.datagram):
            tester.acknowledge(received)
        if is_ack(received.datagram) and acknowledged is None:
            acknowledged = received.datagram.sequence
    return acknowledged


@click.command()
@click.argument("host")
@click.option("--bind", "bound", metavar="ADDRESS", help="Ask from this IP or IP:port; port 7777 if it is free.")
@framing_option(
    "Speak this framing. Without it the SYN is bare with an offer, which all but one kind of daemon understand."
)
@click.option("--wait", type=Number(0.1, 60), default=2.0, show_default=True, help="Seconds to wait for an answer.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def probe(host: str, bound: str | None, framing: Framing | None, wait: float, as_json: bool) -> None:
    """Find out whether a SIMP daemon is at HOST (IP or IP:port), and how it behaves.

    Sends a SYN, as a call does, and takes it back with a FIN: for as long as --wait its user sees a call from "tester".
    Reports which framing the daemon speaks, whether it rings, whether it accepts before anybody can have accepted,
    which numbers its ACKs carry, and whether it speaks SIMP/2, which the SYN offers. How it numbers its messages shows
    only in a chat: `simp conformance` has one.

    Exit status: 1 when nothing that speaks SIMP answered.

    \b
    Examples:
      simp probe 192.168.1.20
      simp probe 192.168.1.20 --framing trailer --json
    """
    daemon = address(host, name="HOST")
    own = address(bound, name="--bind") if bound else None
    try:
        opened = open_sockets(daemon, own, None, Hands({}, terminal=False), wait)
    except AddressError as error:
        raise click.ClickException(str(error)) from None
    with opened as sockets:
        tester = Tester(sockets, framing)
        try:
            findings = find(tester, secrets.token_bytes(CHANCE))
        except (NotRunError, RuleBrokenError) as error:  # there is no way there; or it says things for ever
            raise click.ClickException(str(error)) from None
        except KeyboardInterrupt:
            tester.take_leave()
            raise
    if as_json:
        click.echo(json.dumps({"daemon": format_address(daemon), "there": findings.there} | asdict(findings)))
    else:
        click.echo("\n".join(in_words(format_address(daemon), findings, asked=framing)))
    if not findings.there:
        sys.exit(ExitStatus.FAILURE)


def in_words(daemon: str, findings: Findings, *, asked: Framing | None) -> list[str]:
    """What was found, for people; `asked` is the framing that the daemon was spoken to in, if one was forced."""
    if findings.refused:
        return [f"{daemon}: nothing listens at that UDP port. Start a daemon there, or give its port: IP:port"]
    if findings.elsewhere and not findings.there:
        return [
            f"{daemon}: a SIMP daemon answered from another address, {findings.elsewhere}: call it there.",
            "An answer from there counts as a stranger's for whoever called here (spec 1.4).",
        ]
    if not findings.there:
        heard = f"{findings.unreadable} datagrams, none of which is SIMP/1" if findings.unreadable else "nothing"
        if asked:
            return [f"{daemon}: no SIMP daemon answered in {asked.value}; heard {heard}. Without --framing most do."]
        return [
            f"{daemon}: no SIMP daemon answered; heard {heard}. If one is there, is UDP open in between?",
            "Some ring without answering, and acknowledge no FIN: ask their user. One kind needs --framing trailer.",
        ]
    whose = f", its user is '{printable(findings.user)}'" if findings.user else ""
    lines = [f"{daemon}: a SIMP daemon answered in {findings.framing}{whose}"]
    if findings.rings:
        lines.append("  calls         it says that they ring")
    elif findings.accepts_unasked:
        lines.append(f"  calls         it answers SYN+ACK {findings.syn_ack_number} before its user can have accepted")
    elif findings.refusal is not None:
        lines.append(f"  calls         it refuses them: '{printable(findings.refusal)}'")
    else:
        lines.append("  calls         nothing answers them before its user does")
    lines.append(f"  FIN           {_ACKS.get(findings.fin_acks) or _odd(findings.fin_acks)}")
    if asked not in (Framing.BARE, Framing.TRAILER):
        lines.append(f"  SIMP/2        {'spoken, too' if findings.simp2 else 'not spoken'}")
    if findings.unreadable:
        lines.append(f"  unreadable    {findings.unreadable} datagrams that are not SIMP/1")
    if findings.framing == Framing.TRAILER.value and not asked:
        lines.append("  to call it    simp daemon --framing trailer; some such daemons stop at another SYN")
    return lines


_ACKS: Final = {
    (0, 1): "acknowledged with its number",
    (None, None): "not acknowledged",
    (0, 0): "acknowledged with 0, whatever its number",
    (1, 1): "acknowledged with 1, whatever its number",
    (0, None): "acknowledged once, not a stranger's",
}


def _odd(numbers: tuple[int | None, int | None]) -> str:
    said = ["not at all" if number is None else f"with {number}" for number in numbers]
    return f"acknowledged {said[0]} where its number is 0, {said[1]} where it is 1"
