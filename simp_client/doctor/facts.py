"""What the doctor has seen: of this machine, its daemon and its network, and of whoever is looked for."""

from dataclasses import dataclass, field
from enum import Enum, unique
from ipaddress import ip_address

from simp_client.events import Person
from simp_proto.address import Address, format_address
from simp_proto.constants import CLIENT_PORT
from simp_proto.interfaces import Interface


@unique
class Reply(Enum):
    """What has come of a question to a daemon (spec 4.12)."""

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
class Announcement:
    """A daemon that announces itself at this moment: so it runs (discovery 1). The name is that of who is there."""

    identity: str
    hosts: frozenset[str]
    port: int
    name: str = ""


@dataclass(frozen=True, slots=True)
class Peer:
    """Whoever is looked for. Without an address nobody has that name, or several have it."""

    wanted: str
    mistake: str = ""  # why that is no address to ask, where it was meant to be one
    address: Address | None = None
    source: str | None = None  # this machine's address towards it, if there is a way
    reply: Reply = Reply.UNASKED
    name: str = ""  # what it has answered
    link: Link = Link.UNKNOWN
    told: frozenset[Announcement] = frozenset()  # what that machine, asked alone, announces
    answers: bool = False  # whether anything came back, from there or elsewhere: then answers are let in here


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of this machine, of its network, and of one peer."""

    port: int  # the daemons'
    client: Address = ("127.0.0.1", CLIENT_PORT)  # where this machine's daemon was asked
    no_daemon: str = ""  # why it can't be asked, if it can't
    advice: str = ""  # what to do about that
    stranger: bool = False  # whether something else took the connection
    neighbours: tuple[Person, ...] = ()  # those whom the daemon lists
    looks: bool = True  # whether it looks for anybody, and announces itself (discovery 5.1)
    user: str = ""  # who is at it
    itself: dict[str, Reply] = field(default_factory=dict)  # to a question to it, by the address here that is asked
    port_taken: bool = False  # whether its port is taken, where no daemon can be asked
    holder: str = ""  # the program that has it, where that can be told
    interfaces: tuple[Interface, ...] = ()
    source: str | None = None  # this machine's address towards other networks, if there is a way
    echoes: dict[str, Echo] = field(default_factory=dict)  # of multicast, by the address that it was sent from
    heard: frozenset[str] = frozenset()  # other machines whose mDNS was heard
    announcements: frozenset[Announcement] = frozenset()
    firewall: str = ""  # what sets the rules here: `ufw`, `firewall-cmd`, `Windows`, `Darwin`, or something else
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

    @property
    def unheard(self) -> list[tuple[str, Address]]:
        """Who announces a daemon on a network of this machine that this machine's daemon hasn't heard, and where."""
        heard = {each.address for each in self.neighbours if each.seconds is not None}
        found = []
        for each in self.announcements:
            hosts = sorted((host for host in each.hosts if any(one.joins(host) for one in self.interfaces)), key=_last)
            if hosts and not each.hosts & self.own and not heard & {format_address((h, each.port)) for h in each.hosts}:
                found.append((each.name, (hosts[0], each.port)))
        return sorted(found) if self.looks and not self.no_daemon and not self.elsewhere else []

    def announced(self, address: Address) -> bool:
        return any(address[0] in each.hosts and address[1] == each.port for each in self.announcements)


def _last(host: str) -> tuple[bool, str]:
    """IPv4 comes first."""
    return ":" in host, host
