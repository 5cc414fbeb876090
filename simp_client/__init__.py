"""How a person, or a program, uses a daemon. The names below are the public API; `api` is where to begin."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simp_client.api import Client, Event, RefusedError, connect
    from simp_client.events import (
        Away,
        Elsewhere,
        Ended,
        Fate,
        Gone,
        LastHeard,
        Missed,
        Other,
        Person,
        Requested,
        Ringing,
        Said,
        Secured,
        Seen,
        Silent,
        Unanswered,
        Warned,
        Withdrawn,
    )  # fmt: skip
    from simp_client.link import NoDaemonError
    from simp_proto.errors import AddressError, LineError, NotNowError, SimpError

__all__ = [
    "AddressError", "Away", "Client", "Elsewhere", "Ended", "Event", "Fate", "Gone", "LastHeard", "LineError",
    "Missed", "NoDaemonError", "NotNowError", "Other", "Person", "RefusedError", "Requested", "Ringing", "Said",
    "Secured", "Seen", "Silent", "SimpError", "Unanswered", "Warned", "Withdrawn", "connect",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Loads `api`, which has them all, with the first of them: `simp --help` passes here and needs none."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("simp_client.api"), name)
