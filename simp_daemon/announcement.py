"""What a daemon says of itself on its network (discovery 1.2 to 1.4)."""


class Announcement:
    """Of the daemon of that `identity`, which speaks these `versions` of SIMP."""

    def __init__(self, identity: str, versions: str = "1") -> None:
        self.identity = identity
        self._versions = versions
        self._name = self._last = ""

    def rename(self, name: str) -> None:
        """Who is there now; nobody where that is empty."""
        self._name = name
        self._last = name or self._last

    @property
    def instance(self) -> str:
        return f"{self._last.replace('.', ' ')} {self.identity}".strip()  # a dot would end a label

    @property
    def host(self) -> str:
        return f"simp-{self.identity}.local."

    @property
    def text(self) -> dict[str, str]:
        return {"txtvers": "1", "v": self._versions} | ({"n": self._name} if self._name else {})
