"""The daemon's end of a client's connection, where that has ended already."""

from simp_daemon.client_connection import ClientConnection
from simp_daemon.occurrences import Occurrence


class Gone:
    """A transport of a connection that ended before it was told of: uvloop has no addresses for it then."""

    aborted = False

    def get_extra_info(self, _: str) -> None:
        return None

    def set_write_buffer_limits(self, _: int) -> None:
        pass

    def abort(self) -> None:
        self.aborted = True


def test_a_connection_that_has_ended_already_is_none() -> None:
    heard: list[Occurrence] = []
    transport = Gone()
    connection = ClientConnection(heard.append, remote=False)
    connection.connection_made(transport)  # type: ignore[arg-type]
    connection.connection_lost(None)
    assert transport.aborted
    assert heard == []


class Cut(Gone):
    """A transport whose client has just cut the connection, as a kill does where something is unread."""

    def is_closing(self) -> bool:
        return False

    def resume_reading(self) -> None:
        pass

    def write_eof(self) -> None:
        raise OSError(107, "Transport endpoint is not connected")


def test_a_connection_that_its_client_cuts_meanwhile_ends_all_the_same() -> None:
    connection, transport = ClientConnection(lambda _: None, remote=False), Cut()
    connection.connection_made(transport)  # type: ignore[arg-type]
    transport.aborted = False
    connection.close()
    assert transport.aborted
