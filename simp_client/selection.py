"""Which profile a command works on, and which of its contacts: the same for all commands (spec/simp2.md 5.6)."""

# ruff: noqa: PLC0415  Each command's help reads this file, and must not wait for SQLite and cryptography.

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from os.path import exists
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from simp_client.view import named
from simp_proto.cli.output import prepare
from simp_proto.cli.parameters import address
from simp_proto.constants import DAEMON_PORT
from simp_proto.errors import SimpError
from simp_proto.printable import printable

if TYPE_CHECKING:
    from simp_daemon.contacts import Contact
    from simp_daemon.store import Store

_Command = TypeVar("_Command", bound=Callable[..., object])

SHOWN: Final = 16
"""Characters of an id that are shown, and the fewest that lift a stop (spec 9.4)."""
_ACCEPTED: Final = 8
"""The fewest that choose a contact."""


def profile_options(command: _Command) -> _Command:
    """`--daemon` and `--state`, for `profile`."""
    told = "Whose daemon runs there (IP or IP:port, as it was started); needed if several of this user's run."
    option = click.option("--daemon", "ip", metavar="IP", help=told)
    path = click.Path(file_okay=False, path_type=Path)
    return option(click.option("--state", type=path, metavar="DIR", help="The directory that daemon keeps.")(command))


def profile(ip: str | None, state: Path | None, *, restored: bool = False, keys: bool = True) -> Path:
    """The directory. Raises `ClickException` if there is none, unless it is to be `restored`, or more than one.

    Without `keys`, one that was restored will do, before its daemon has started.
    """
    from simp_daemon.profile import has_daemon, profiles, state_directory

    if ip and state:
        raise click.UsageError("read --daemon and --state, expected one of them: either says which profile is meant")
    known = profiles()
    directory = state_directory(address(ip, name="--daemon")) if ip else state
    if not directory and len(known) > 1:
        running = [each for each in known if has_daemon(each)]
        if len(running) != 1:
            several = (
                "several of your daemons run" if running else "there are several profiles, and none has a daemon now"
            )
            raise click.UsageError(f"{several}; say which one you mean:{_choices(running or known)}")
        directory = running[0]
    directory = directory or (known[0] if known else state_directory(("0.0.0.0", DAEMON_PORT)))
    there = exists(directory / "identity.key") or (not keys and exists(directory / "store.db"))
    if not restored and not there:
        raise click.ClickException(
            f"there is no profile in {directory} yet: its daemon makes it when it starts"
            + (f"; there is:{_choices(known)}" if known else "")
        )
    return directory


def _choices(known: list[Path]) -> str:
    """The options that choose each."""
    from simp_daemon.profile import state_directory

    lines = []
    for each in known:
        host, _, port = each.name.rpartition("-")
        ip = f"{host}:{port}".removesuffix(f":{DAEMON_PORT}")
        try:
            named = state_directory(address(ip, name="--daemon")) == each
        except click.ClickException:  # by IPv6, or a name of the person's own
            named = False
        lines.append(f"\n  --daemon {ip}" if named else f"\n  --state {each}")
    return "".join(lines)


@contextmanager
def explained() -> Iterator[None]:
    """What can't be done is told in its own words."""
    try:
        yield
    except SimpError as error:
        raise click.ClickException(str(error)) from None


@contextmanager
def opened(directory: Path) -> Iterator["Store"]:
    """The store there, beside a daemon or without one; the names in it can be printed, whatever the output takes."""
    from simp_daemon.store import Store

    prepare()
    with explained(), closing(Store(directory, daemon=False)) as store:
        yield store


def own_keys(directory: Path) -> tuple[bytes, bytes]:
    """The public keys of whose profile that is."""
    from simp_daemon.identity import read_identity

    with explained():
        return read_identity(directory).public


def contact_id(contact: "Contact") -> str:
    from simp_daemon.contacts import id_of

    return id_of(contact.key, contact.signing_key)


def short_id(contact: "Contact") -> str:
    return contact_id(contact)[:SHOWN]


def shown(contact: "Contact") -> str:
    """By what name our person knows them; it is safe to print."""
    return named(contact.name)


def known(store: "Store") -> list["Contact"]:
    """Without those who have other keys now."""
    return [contact for contact in store.contacts() if not contact.replaced_by]


def whom(store: "Store", text: str, *, but: Callable[["Contact"], bool] = lambda _: False) -> "Contact":
    """The one contact of that name or id. Raises `ClickException` if nobody is meant, or more than one (spec 5.6).

    Where several are, those remain for whom the command has nothing to do `but` to say so. Whoever isn't called so any
    more is meant too, and told: a program that calls itself something for its person renames them.
    """
    meant = [contact for contact in known(store) if _is_meant(contact, text) or _was_called(contact, text)]
    if len(meant) > 1:
        meant = [contact for contact in meant if not but(contact)] or meant
    if not meant:
        raise click.ClickException(f"no contact has the name or the id {text!r}; simp contacts lists them")
    if len(meant) > 1:
        rows = "".join(
            f"\n  {contact_id(each)}  {shown(each)}{'' if _is_meant(each, text) else ', called so before'}"
            for each in meant
        )
        raise click.ClickException(f"{text!r} may mean {len(meant)} contacts; give the id of the right one:{rows}")
    if not _is_meant(meant[0], text):
        click.echo(f"{shown(meant[0])} ({short_id(meant[0])}) was called {text!r} before.", err=True)
    return meant[0]


def _is_called(text: str, names: Iterable[str]) -> bool:
    return text.casefold() in {spelled.casefold() for name in names if name for spelled in (name, printable(name))}


def _was_called(contact: "Contact", text: str) -> bool:
    return _is_called(text, contact.names)


def _is_meant(contact: "Contact", text: str) -> bool:
    if _is_called(text, [contact.name]):
        return True
    return len(text) >= _ACCEPTED and contact_id(contact).startswith(text.lower())
