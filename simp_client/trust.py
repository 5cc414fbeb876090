"""`simp identity`, `contacts`, `verify`, `trust` and `block`: whom one knows, and by which key (spec/simp2.md 9)."""

# ruff: noqa: PLC0415  `simp --help` reads this file, and must not wait for the rest.

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from simp_client.selection import (
    SHOWN,
    contact_id,
    known,
    opened,
    own_keys,
    profile,
    profile_options,
    short_id,
    shown,
    whom,
)
from simp_client.view import cut, named, width
from simp_proto.address import format_address
from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.output import WRONG, echo

if TYPE_CHECKING:
    from simp_daemon.contacts import Contact

_NAME: Final = 32
"""Columns of a name that are shown."""
_ANSWERS: Final = {b"y": True, b"yes": True, b"n": False, b"no": False}
_MARKS: Final = {"new": "encrypted", "verified": "verified", "changed": "CHANGED KEY", "blocked": "blocked"}
"""How a contact's chats are marked (spec 9.2), and why there are none."""


@click.command()
@profile_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def identity(ip: str | None, state: Path | None, as_json: bool) -> None:
    """Show your own id, and the words by which others recognise your key.

    The id names you: for example to somebody to whom your key is new. The words are for comparing: simp verify shows
    them beside those of the other person. Neither is a secret, and both stay the same as long as you keep your keys.

    In JSON, the keys are `id`, of 52 characters, and `words`.

    Exit status: 1 when the daemon hasn't made your keys yet, or they can't be used.

    \b
    Examples:
      simp identity
      simp identity --daemon 127.0.0.2 --json
    """
    from simp_daemon.contacts import id_of
    from simp_daemon.words import words_of

    keys = own_keys(profile(ip, state))
    own_id, words = id_of(*keys), words_of(*keys)
    if as_json:
        click.echo(json.dumps({"id": own_id, "words": words}))
    else:
        click.echo(f"Your id:     {own_id[:SHOWN]}\nYour words:  {words}")


@click.command()
@profile_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each contact.")
def contacts(ip: str | None, state: Path | None, as_json: bool) -> None:
    """Show whom you have chatted with in SIMP/2, whose keys your daemon knows.

    Each line has a name, an id, how chats with that person are marked, where they were last, and when. The mark is
    encrypted, verified (you have compared words), verified as NAME (you compared words when they went by that name;
    chats are marked as encrypted until you do so again), CHANGED KEY (somebody with another key answered there:
    nothing is shown or sent until simp trust), or blocked.

    In JSON, the keys are `name`, `id` (of 52 characters), `trust` (`new`, `verified`, `changed` or `blocked`),
    `verified_as` (the name, or null), `addresses` (latest first) and `seen`, in UTC.

    Exit status: 1 when there is no profile, or its store can't be used.

    \b
    Examples:
      simp contacts
      simp contacts --json
    """
    with opened(profile(ip, state, keys=False)) as store:
        there = known(store)
    if as_json:
        for each in there:
            keys = {
                "name": each.name,
                "id": contact_id(each),
                "trust": each.trust,
                "verified_as": each.verified_as,
                "addresses": [format_address(address) for address in each.addresses],
                "seen": datetime.fromtimestamp(each.seen_at // 1000, UTC).isoformat(),
            }
            click.echo(json.dumps(keys))
        return
    cells = [(cut(shown(each), _NAME), short_id(each), _mark(each), *_seen(each)) for each in there]
    wide = [max(map(width, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        echo("  ".join(cell + " " * (most - width(cell)) for cell, most in zip(row, wide, strict=True)).rstrip())
    for each in there:
        if each.trust == "changed":
            echo(_changed(each, there), WRONG)
    free = [each for each in there if each.trust != "blocked"]
    namesakes = [
        (each, [other for other in free if shown(other).casefold() == shown(each).casefold()]) for each in free
    ]
    for each, same in namesakes:
        if len(same) > 1 and each is same[0]:
            echo(_same_name(each, len(same)), WRONG)
    if not there:
        click.echo("No contacts yet: whoever chats with you in SIMP/2 becomes one.", err=True)


def _mark(contact: "Contact") -> str:
    """Words were compared with somebody of that name, not of one that was taken since (spec 9.2)."""
    renamed = contact.verified_as not in (None, contact.name)
    return f"verified as {cut(named(contact.verified_as or ''), _NAME)}" if renamed else _MARKS[contact.trust]


def _seen(contact: "Contact") -> tuple[str, str]:
    return format_address(contact.addresses[0]), f"{datetime.fromtimestamp(contact.seen_at // 1000):%Y-%m-%d %H:%M}"


def _changed(contact: "Contact", there: list["Contact"]) -> str:
    """What to do next. An id to be typed is the contact's own, since a name may be anything to a shell (spec 9.4)."""
    other, who, own = contact.others[-1], shown(contact), short_id(contact)
    found = next((each for each in there if (each.key, each.signing_key) == (other.key, other.signing_key)), None)
    somebody = f"your contact {shown(found)} ({short_id(found)})" if found else "somebody with another key"
    return (
        f"! {somebody} answered for {who} at {format_address(other.address)}. Nothing is shown or sent meanwhile.\n"
        f"  Ask {who}, but not in a chat, what simp identity shows there, and type: simp trust {own} THAT-ID\n"
        f"  Or, if that was somebody else: simp trust {own} {own}"
    )


def _same_name(oldest: "Contact", count: int) -> str:
    who = shown(oldest)
    return (
        f"! {count} contacts are called {who}, each with another key. Whoever took {who}'s name: simp block THAT-ID\n"
        f"  If {who} has a new key, ask {who}, but not in a chat, what simp identity shows there, and type: "
        f"simp trust {short_id(oldest)} THAT-ID"
    )


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="You have compared the words already: don't ask.")
@profile_options
def verify(name: str, yes: bool, ip: str | None, state: Path | None) -> None:
    """Compare words with NAME, a contact's name or id, so that you know that nobody is in between.

    It shows two lines of six words, one for you and one for the other person, who sees the same two lines in the same
    order. Read them to each other, on the telephone or side by side, but not in the chat that they are to check. All
    twelve have to be the same. Chats with NAME are marked as verified then; where you answer n, no longer.

    Exit status: 0 when NAME is verified; 1 when you say that the words differ, or don't say that they agree, when NAME
    is no contact, or two, or has a changed key, or is blocked.

    \b
    Examples:
      simp verify bob
      simp verify ywko333r --yes
    """
    from simp_daemon.contacts import Trust, Trusted

    directory = profile(ip, state)
    with opened(directory) as store:
        contact = whom(store, name)
        _not(contact, Trust.CHANGED, Trust.BLOCKED)
        if not yes:
            _show_words(own_keys(directory), contact)
            if (agreed := _agreed("Do they match?")) is not True:
                was = contact.trust is Trust.VERIFIED
                if was and agreed is False:  # what was said before is taken back
                    store.commit([Trusted(contact.key, contact.trust, Trust.NEW)])
                click.echo(_not_verified(contact, was=was, differ=agreed is False), err=True)
                sys.exit(ExitStatus.FAILURE)
        store.commit([Trusted(contact.key, contact.trust, Trust.VERIFIED, contact.name)])
    click.echo(f"{shown(contact)} is verified.")


def _show_words(own: tuple[bytes, bytes], contact: "Contact") -> None:
    """The same two lines on both screens: lower key first (spec 5.6)."""
    from simp_daemon.words import words_of

    who = shown(contact)
    click.echo(f"Compare these lines with what simp verify shows {who}, but not in a chat:\n")
    both = {own: "you", (contact.key, contact.signing_key): who}
    for number, keys in enumerate(sorted(both), 1):
        click.echo(f"  {number}  {words_of(*keys)}  ({both[keys]})")
    click.echo()


def _agreed(question: str) -> bool | None:
    """`None` for whoever says nothing; whoever says something else is asked again."""
    while True:
        click.echo(f"{question} [y/N] ", nl=False)
        answer = (sys.stdin.buffer.readline() if sys.stdin else b"").strip().lower()
        if not answer or answer in _ANSWERS:
            return _ANSWERS.get(answer)


def _not_verified(contact: "Contact", *, was: bool, differ: bool) -> str:
    if was and not differ:
        return f"{shown(contact)} stays verified: you didn't say that the words differ (n)."
    return (
        f"{shown(contact)} isn't verified {'any more' if was else 'by this'}. Where the words differ, somebody may be "
        f"in between: simp block {short_id(contact)} keeps that key out. Compare once more, by another way."
    )


@click.command()
@click.argument("name")
@click.argument("key_id", metavar="ID")
@profile_options
def trust(name: str, key_id: str, ip: str | None, state: Path | None) -> None:
    """Say which key is NAME's, a contact's name or id, if somebody with a different key has answered or called.

    ID is what simp identity shows at NAME's: ask NAME for it, on the telephone or side by side. If somebody with that
    key has answered in NAME's place, or is another contact, it is NAME's key from now on, and words are to be compared
    again; what waited for the old key is undelivered. If ID is that of the old key, that key stays, and whoever else
    answered is forgotten. Until then, nothing is shown or sent where somebody else has answered.

    Exit status: 0 when that key is NAME's now; 1 when nobody with it has answered or called, when NAME has it already,
    when NAME is no contact, or two, or is blocked; 2 when ID is too short.

    \b
    Examples:
      simp trust bob ywko333rluwy5x7a
    """
    from simp_daemon.contacts import Change, Replaced, Trust, Trusted, id_of

    if len(key_id) < SHOWN:
        why = f"read {len(key_id)} characters of an id, expected the {SHOWN} or more that simp identity shows"
        raise click.BadParameter(why, param_hint="ID")
    with opened(profile(ip, state)) as store:
        contact = whom(store, name)
        _not(contact, Trust.BLOCKED)
        who = shown(contact)
        stopped = contact.trust is Trust.CHANGED
        others = contact.others if stopped else [each.pinned for each in known(store)]
        found = [each for each in others if id_of(each.key, each.signing_key).startswith(key_id.lower())]
        change: Change
        if contact_id(contact).startswith(key_id.lower()):
            if not stopped:
                raise click.ClickException(f"{who} has that key already")
            change, told = Trusted(contact.key, contact.trust, Trust.NEW), f"{who} keeps the key that you know."
        elif found:
            if not stopped:
                _not(whom(store, key_id), Trust.CHANGED, Trust.BLOCKED)
            change = Replaced(contact.key, found[-1])
            told = f"{who} has that key now. To be sure that nobody is in between: simp verify {key_id.lower()}"
        elif not stopped:
            raise click.ClickException(
                f"nobody with that id has answered where {who} was, or has chatted with you. If {who} has a new key, "
                f"chat with {who} first, whoever calls; then try again. Nothing is changed"
            )
        else:
            raise click.ClickException(
                f"whoever answered for {who} has another id. If it is mistyped, try again; if not, somebody else is "
                f"where {who} was, or in between. Nothing is changed"
            )
        store.commit([change])
    click.echo(told)


@click.command()
@click.argument("name")
@click.option("--undo", is_flag=True, help="Let NAME in again.")
@profile_options
def block(name: str, undo: bool, ip: str | None, state: Path | None) -> None:
    """Keep NAME out, a contact's name or id: no call of theirs rings, nothing is shown, and nothing is sent to them.

    A chat that is on ends, and calls look to them as if nobody answered. With --undo they are let in again, and words
    are to be compared anew.

    Exit status: 1 when NAME is no contact, or two.

    \b
    Examples:
      simp block eve
      simp block --undo ywko333rluwy5x7a
    """
    from simp_daemon.contacts import Trust, Trusted

    with opened(profile(ip, state)) as store:
        contact = whom(store, name, but=lambda each: (each.trust is Trust.BLOCKED) != undo)
        free = Trust.CHANGED if contact.others else Trust.NEW
        if not undo:
            told = f"is blocked. To take it back: simp block --undo {short_id(contact)}"
            store.commit([Trusted(contact.key, contact.trust, Trust.BLOCKED)])
        elif contact.trust is Trust.BLOCKED:
            told = f"isn't blocked any more, and is marked: {_MARKS[free]}."
            store.commit([Trusted(contact.key, contact.trust, free)])
        else:
            told = "isn't blocked."
    click.echo(f"{shown(contact)} {told}")


def _not(contact: "Contact", *stopped: str) -> None:
    who, own = shown(contact), short_id(contact)
    if contact.trust not in stopped:
        return
    if contact.trust == "changed":
        raise click.ClickException(f"{who}'s key has changed: simp contacts says what to do first")
    raise click.ClickException(f"{who} is blocked: simp block --undo {own} takes that back")
