"""What a daemon says of itself on its network (discovery 1.2 to 1.4, 5.3)."""

from collections.abc import Callable


class Announcement:
    """Of the daemon of that `identity` at this moment, which speaks these `versions` of SIMP; a hidden one says neither
    those nor a name.
    """

    def __init__(self, identity: Callable[[], str], versions: str = "1", *, hidden: bool = False) -> None:
        self.identity = identity
        self._versions = versions
        self._hidden = hidden
        self._name = self._last = ""

    def rename(self, name: str) -> None:
        """Who is there now; nobody where that is empty."""
        if not self._hidden:
            self._name = name
            self._last = name or self._last

    def record(self) -> tuple[str, str, dict[str, str]]:
        """The instance, the host and the text."""
        identity = self.identity()
        text = {"v": "" if self._hidden else self._versions, "n": self._name}
        instance = f"{self._last.replace('.', ' ')} {identity}".strip()  # a dot would end a label
        return instance, f"simp-{identity}.local.", {"txtvers": "1"} | {key: said for key, said in text.items() if said}

    @property
    def notice(self) -> str:
        """What our person is to know of it."""
        if self._hidden:
            return "your contacts can see that you are at this daemon; everybody on this network, that somebody has one"
        return "everybody on this network can see who is at this daemon, unless it runs with --discovery off"
