"""What the doctor has seen: of this machine, its daemon and its network, and of whoever is looked for."""

from dataclasses import dataclass, field
from enum import Enum, unique
from ipaddress import ip_interface

from simp_client.events import Person
from simp_proto.address import Address


@unique
class Reply(Enum):
    """What a question to a daemon (spec 4.12) has come to."""

    PRESENT = "it answers"
    SILENT = "nothing comes back"
    REFUSED = "the system over there says that nothing listens"
    PROHIBITED = "a firewall says that it lets nothing through"
    NO_ROUTE = "this system knows no way there"
    BLOCKED = "this system doesn't let it out"
    UNASKED = "it may not be asked, since it might not understand the question (discovery 3.4)"


@unique
class Link(Enum):
    """Whether a machine answers on this link, for which it needs neither a daemon nor its firewall's leave."""

    THERE = "it does"
    ABSENT = "it doesn't"
    BEYOND = "it is in another network"
    UNKNOWN = "this system doesn't tell"


@unique
class Echo(Enum):
    """What became of multicast that this machine sent."""

    HEARD = "it has come back"
    LOST = "it hasn't come back"
    BLOCKED = "this system doesn't let it out"


@dataclass(frozen=True, slots=True)
class Interface:
    """One of this machine's that isn't loopback, with its addresses as `192.168.1.20/24`."""

    name: str
    addresses: tuple[str, ...]
    up: bool = True
    multicast: bool = True
    tunnel: bool = False

    @property
    def hosts(self) -> list[str]:
        return [str(ip_interface(each).ip) for each in self.addresses]


@dataclass(frozen=True, slots=True)
class Announcement:
    """A daemon that announces itself at this moment: so it runs (discovery 1)."""

    identity: str
    hosts: frozenset[str]
    port: int


@dataclass(frozen=True, slots=True)
class Peer:
    """Whoever is looked for. Without an address nobody has that name, or several have it."""

    wanted: str
    address: Address | None = None
    reply: Reply = Reply.UNASKED
    name: str = ""
    """What it has answered."""
    link: Link = Link.UNKNOWN


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. `port` is the daemons', `neighbours` are those that this machine's daemon lists."""

    port: int
    no_daemon: str | None = None
    """Why this machine's daemon can't be asked, if it can't."""
    neighbours: tuple[Person, ...] = ()
    itself: Reply = Reply.UNASKED
    """What comes of a question to its own UDP port, at this machine's address."""
    port_taken: bool = True
    holder: str | None = None
    """The program that has the UDP port, where it was looked for and can be told."""
    interfaces: tuple[Interface, ...] = ()
    source: str | None = None
    """This machine's address towards other networks, if there is a way."""
    echoes: dict[str, Echo] = field(default_factory=dict)
    """What became of multicast, by the address that it was sent from."""
    heard: frozenset[str] = frozenset()
    """Other machines whose mDNS was heard."""
    announcements: frozenset[Announcement] = frozenset()
    firewall: str = ""
    """What sets the rules here: `ufw`, `firewall-cmd`, `Windows`, `Darwin`, or something else."""
    peer: Peer | None = None

    def announced(self, address: Address) -> bool:
        return any(address[0] in each.hosts and address[1] == each.port for each in self.announcements)
