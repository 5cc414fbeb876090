"""What a daemon keeps from one run to the next: its identity, where earlier chats were, and its person's `hosts`."""

import os
import re
from base64 import b32encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_bytes

from platformdirs import user_config_path, user_state_path

from simp_daemon.log import log
from simp_proto.address import Address, format_address, parse_address
from simp_proto.constants import DAEMON_PORT, IDENTITY, KNOWN_PEERS, Framing
from simp_proto.errors import AddressError, LineError
from simp_proto.text import check_user

Chat = tuple[Address, Framing, str]
"""Where an earlier chat was, how its peer speaks, and its name."""


def state_directory(address: Address) -> Path:
    """Where the daemon on that address keeps its profile: two daemons on one machine are two people."""
    return user_state_path("simp") / re.sub("[^0-9A-Za-z.]+", "-", f"{address[0]}-{address[1]}")


def hosts_file() -> Path:
    """The person's list of addresses and names (discovery 2.3)."""
    return user_config_path("simp") / "hosts"


class Profile:
    """In that directory, which is made; `hosts` is the person's list. Where nothing can be kept, the log says so."""

    def __init__(self, directory: Path, hosts: Path) -> None:
        self._directory = directory
        self._hosts = hosts
        self._hosts_read = 0.0
        self._chats: dict[Address, Chat] = {}
        self.identity = _identity()
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.identity = self._kept_identity()
            self._chats = {chat[0]: chat for chat in self._read_chats()}
        except (OSError, UnicodeError) as error:
            log.warning("nothing is kept in %s: %s", directory, error)

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
            _write(self._directory / "chats", "".join(lines))
        except OSError as error:
            log.warning("the chat isn't remembered: %s", error)

    def hosts(self) -> list[tuple[Address, str]]:
        """The addresses and names in the list, if it is new or has changed; wrong lines are reported and left out."""
        found: list[tuple[Address, str]] = []
        try:
            changed = self._hosts.stat().st_mtime
            if changed == self._hosts_read:
                return []
            self._hosts_read = changed
            for number, line in _lines(self._hosts):
                address, *rest = [*line.partition("#")[0].split(None, 1), ""]
                try:
                    if address:
                        found.append((parse_address(address, DAEMON_PORT), check_user(rest[0].strip())))
                except (AddressError, LineError) as error:
                    log.warning("%s, line %d: %s; expected an address and a name", self._hosts, number, error)
        except FileNotFoundError:
            pass
        except (OSError, UnicodeError) as error:
            log.warning("%s can't be read: %s", self._hosts, error)
        return found

    def _kept_identity(self) -> str:
        path = self._directory / "identity"
        with suppress(FileNotFoundError):
            kept = path.read_text("ascii", "replace").strip()
            if re.fullmatch(IDENTITY, kept):
                return kept
            log.warning("%s has no identity, which is 8 characters of base32; a new one is made", path)
        _write(path, self.identity + "\n")
        return self.identity

    def _read_chats(self) -> Iterator[Chat]:
        for number, line in _lines(self._directory / "chats"):
            address, _, rest = line.partition(" ")
            framing, _, name = rest.partition(" ")
            try:
                yield parse_address(address, DAEMON_PORT), Framing(framing), check_user(name)
            except (AddressError, LineError, ValueError):
                log.warning("%s, line %d is not understood", self._directory / "chats", number)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with suppress(FileNotFoundError):
        yield from enumerate(path.read_text("utf-8").splitlines(), 1)


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
