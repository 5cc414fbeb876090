"""What the doctor has seen: of this machine, its daemon and its network, and of whoever is looked for."""

from dataclasses import dataclass, field
from enum import Enum, unique
from ipaddress import ip_address, ip_interface

from simp_client.events import Person
from simp_proto.address import Address
from simp_proto.constants import CLIENT_PORT


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
    UNHEARD = "another program keeps the port for itself"


@dataclass(frozen=True, slots=True)
class Interface:
    """One of this machine's that isn't loopback, with its addresses as `192.168.1.20/24` and `fe80::1%eth0/64`."""

    name: str
    addresses: tuple[str, ...]
    up: bool = True
    """It is switched on, and has a cable, or whatever it has instead."""
    multicast: bool = True
    tunnel: bool = False

    @property
    def hosts(self) -> list[str]:
        return [each.partition("/")[0] for each in self.addresses]

    def joins(self, host: str) -> bool:
        """Whether that address is in one of its networks; that of a link is, on this link alone."""
        ip = ip_address(host)
        scope = "%" not in host or host.endswith(f"%{self.name}")
        return scope and any(ip in ip_interface(each).network for each in self.addresses)


@dataclass(frozen=True, slots=True)
class Announcement:
    """A daemon that announces itself at this moment: so it runs (discovery 1)."""

    identity: str
    hosts: frozenset[str]
    port: int
    name: str = ""
    """Who is there, or was there last."""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whoever is looked for. Without an address nobody has that name, or several have it."""

    wanted: str
    mistake: str = ""
    """Why that is no address to ask, where it was meant to be one."""
    address: Address | None = None
    source: str | None = None
    """This machine's address towards it, if there is a way."""
    reply: Reply = Reply.UNASKED
    name: str = ""
    """What it has answered."""
    link: Link = Link.UNKNOWN
    told: frozenset[Announcement] = frozenset()
    """What that machine, asked alone, announces."""
    answers: bool = False
    """Whether anything came back from there or elsewhere, so that this machine lets answers in."""


@dataclass(frozen=True, slots=True)
class Facts:
    """All of it. `port` is the daemons', `neighbours` are those that this machine's daemon lists."""

    port: int
    client: Address = ("127.0.0.1", CLIENT_PORT)
    """Where this machine's daemon was asked."""
    no_daemon: str = ""
    """Why it can't be asked, if it can't."""
    stranger: bool = False
    """Whether something else took the connection."""
    neighbours: tuple[Person, ...] = ()
    itself: dict[str, Reply] = field(default_factory=dict)
    """What comes of a question to its own UDP port, by this machine's address that is asked."""
    port_taken: bool = False
    """Whether that port is taken, where no daemon can be asked."""
    holder: str | None = None
    """The program that has it, where that can be told."""
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

    @property
    def version(self) -> int:
        """The daemon's version of IP: its clients connect by the same. Without a daemon, the one that there is."""
        only6 = self.hosts(6) and not self.hosts(4)
        return 6 if ":" in self.client[0] or (self.no_daemon and only6) else 4

    def hosts(self, version: int) -> list[str]:
        """This machine's addresses of that version in networks that it has joined."""
        return [host for each in self.interfaces if each.up for host in each.hosts if (":" in host) == (version == 6)]

    @property
    def own(self) -> set[str]:
        """Every address of this machine that is known."""
        return {host for each in self.interfaces for host in each.hosts} | self.itself.keys()

    @property
    def elsewhere(self) -> bool:
        """Whether the daemon is on another machine."""
        return self.client[0] not in self.own and not ip_address(self.client[0]).is_loopback

    def announced(self, address: Address) -> bool:
        return any(address[0] in each.hosts and address[1] == each.port for each in self.announcements)
