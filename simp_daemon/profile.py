"""What a daemon keeps from one run to the next: its identity, where earlier chats were, and its person's `hosts`."""

import os
import re
from base64 import b32encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import EINVAL
from ipaddress import ip_address
from pathlib import Path
from secrets import token_bytes
from typing import Final, TypeVar

from platformdirs import user_config_path, user_state_path

from simp_daemon.files import HeldError, Lock
from simp_daemon.log import log
from simp_proto.address import Address, format_address, parse_address
from simp_proto.constants import DAEMON_PORT, IDENTITY, KNOWN_PEERS, Framing
from simp_proto.errors import LineError, SimpError
from simp_proto.printable import printable_name
from simp_proto.text import check_user

Chat = tuple[Address, Framing, str]
"""Where an earlier chat was, how its peer speaks, and its name."""
Host = tuple[Address, str]
"""An address and a name."""

T = TypeVar("T")

_HOSTS: Final = 256
"""Entries of the person's list that count (discovery 2.3)."""
_SIZE: Final = 1 << 18
"""Bytes of a file that are read, since the daemon waits for them."""
_ADDRESS: Final = 80
_WARNINGS: Final = 10
"""Of the lines of a file."""


def state_directory(address: Address) -> Path:
    """Where the daemon on that address keeps its profile.

    Two daemons on one machine, by loopback addresses or by ports, are two people; whoever gets another address from
    another network stays the same.
    """
    host, port = address
    if not ip_address(host.partition("%")[0]).is_loopback:
        host = "0.0.0.0"
    return user_state_path("simp") / re.sub("[^0-9A-Za-z.]+", "-", f"{host}-{port}")


def profiles() -> list[Path]:
    """Those that daemons of this user have made where `state_directory` says, and that have keys."""
    return sorted(key.parent for key in user_state_path("simp").glob("*/identity.key"))


def has_daemon(profile: Path) -> bool:
    """Whether one that runs has it."""
    try:
        if (lock := profile / "lock").exists():
            Lock(lock).release()
    except HeldError:
        return True
    except OSError:
        return False
    return False


def hosts_file() -> Path:
    """The person's list of addresses and names (discovery 2.3)."""
    return user_config_path("simp") / "hosts"


class Profile:
    """In that directory, which is made; `hosts` is the person's list. Where nothing can be kept, the log says so."""

    def __init__(self, directory: Path, hosts: Path) -> None:
        self.directory = directory
        self._hosts = hosts
        self._hosts_version: object = None
        self._chats: dict[Address, Chat] = {}
        self.identity = _identity()
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.identity = self._kept_identity()
        except OSError as error:
            log.warning("nothing is kept in %s: %s", directory, error)
        self._chats = {chat[0]: chat for chat in _read(directory / "chats", _chat)}

    @property
    def chats(self) -> list[Chat]:
        """Earlier chats, latest last."""
        return list(self._chats.values())

    def remember(self, chat: Chat) -> None:
        """A chat with that peer is on."""
        peer = chat[0]
        if self.chats[-1:] == [chat] or not _is_name(chat[2]):
            return
        self._chats.pop(peer, None)
        self._chats[peer] = chat
        if len(self._chats) > KNOWN_PEERS:
            del self._chats[next(iter(self._chats))]
        lines = [f"{format_address(peer)} {framing.value} {name}\n" for peer, framing, name in self._chats.values()]
        try:
            _write(self.directory / "chats", "".join(lines))
        except OSError as error:
            log.warning("the chat isn't remembered: %s", error)

    def hosts(self) -> list[Host] | None:
        """All that the list has now; `None` where it hasn't changed. Lines that are wrong are reported and left out."""
        before, self._hosts_version = self._hosts_version, _version(self._hosts)
        if self._hosts_version == before:
            return None
        hosts = [each for each in _read(self._hosts, _host) if each]
        if len(hosts) > _HOSTS:
            log.warning("%s has %d entries, of which the first %d count", self._hosts, len(hosts), _HOSTS)
        return hosts[:_HOSTS]

    def _kept_identity(self) -> str:
        path = self.directory / "identity"
        with suppress(FileNotFoundError):
            kept = "".join(_lines(path)[:1]).strip()
            if not path.is_symlink():
                with suppress(OSError):  # somebody else's, perhaps
                    path.chmod(0o600)
            if re.fullmatch(IDENTITY, kept):
                return kept
            log.warning("%s has no identity, which is 8 characters of base32; a new one is made", path)
        _write(path, self.identity + "\n")
        return self.identity


def _version(path: Path) -> object:
    """What changes whenever the file does; `None` where there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        return error.errno
    return status.st_mtime_ns, status.st_size, status.st_ino


def _read(path: Path, understand: Callable[[str], T]) -> Iterator[T]:
    """What each line says, as `understand` finds, which raises `SimpError`; what is wrong is reported."""
    wrong = 0
    try:
        for number, line in enumerate(_lines(path), 1):
            try:
                yield understand(line)
            except SimpError as error:
                wrong += 1
                if wrong <= _WARNINGS:
                    log.warning("%s, line %d: %s", path, number, error)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("%s can't be read: %s", path, error.strerror)
    if wrong > _WARNINGS:
        log.warning("%s: %d more lines are wrong", path, wrong - _WARNINGS)


def _lines(path: Path) -> list[str]:
    """Those of the part of a file that is read. Raises `OSError`."""
    if path.exists() and not path.is_file():  # opening a pipe, for example, waits for whoever writes to it
        raise OSError(EINVAL, "it isn't a file")
    with path.open("rb") as file:
        data = file.read(_SIZE + 1)
    lines = [line.decode("utf-8-sig", "replace") for line in data.splitlines()]  # some editors begin it with a mark
    if len(data) > _SIZE:
        lines.pop()
        log.warning("%s, line %d: no more is read, since %d bytes are the limit", path, len(lines) + 1, _SIZE)
    return lines


def _host(line: str) -> Host | None:
    """`None` where there is nothing except a comment."""
    address, *name = line.partition("#")[0].split(None, 1) or [""]
    if not address:
        return None
    if len(address) > _ADDRESS:
        raise LineError(f"read an address of {len(address)} characters, expected {_ADDRESS} at most")
    return parse_address(address, DAEMON_PORT), printable_name(check_user("".join(name).strip()))


def _chat(line: str) -> Chat:
    address, _, rest = line.partition(" ")
    framing, _, name = rest.partition(" ")
    try:
        return parse_address(address, DAEMON_PORT), Framing(framing), check_user(name)
    except (SimpError, ValueError):
        raise LineError("it is not understood") from None


def _is_name(name: str) -> bool:
    try:
        return bool(check_user(name))
    except LineError:
        return False


def _identity() -> str:
    return b32encode(token_bytes(5)).decode("ascii").lower()


def _write(path: Path, text: str) -> None:
    """Whole or not at all, for its owner's eyes only."""
    whole = path.with_name(path.name + ".new")
    whole.unlink(missing_ok=True)
    with open(os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    whole.replace(path)
