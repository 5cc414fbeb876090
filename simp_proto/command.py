"""The `simp` command, whose subcommands load only when they run."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final

import click

from simp_proto.exit_status import ExitStatus

_SUBCOMMANDS: Final = {
    "client": "simp_client.command:client",
    "daemon": "simp_daemon.command:daemon",
    "decode": "simp_proto.toolkit.decode:decode",
    "demo": "simp_daemon.demo:demo",
    "dissector": "simp_proto.toolkit.dissector:dissector",
    "encode": "simp_proto.toolkit.encode:encode",
    "probe": "simp_proto.conformance.probe:probe",
    "vectors": "simp_proto.toolkit.vectors:vectors",
}
_HELP: Final = {
    "client": "Chat through a daemon.",
    "daemon": "Run the daemon that other daemons call.",
    "decode": "Show what a datagram's bytes mean.",
    "demo": "Watch two people chat, datagram by datagram.",
    "dissector": "Print a Wireshark dissector.",
    "encode": "Make the bytes of a datagram.",
    "probe": "Find out how a daemon behaves.",
    "vectors": "Print golden packets and conversations, and a Kaitai description.",
}


class _Lazy(click.Group):
    """Imports a subcommand's module when it is run, so that no command pays for another."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _SUBCOMMANDS:
            return None
        module, name = _SUBCOMMANDS[cmd_name].split(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Writes to nowhere where whoever started it has closed its output."""
        sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
        return super().main(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _told():  # --help and --version are printed here
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        with _told():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_HELP.items()))
        with formatter.section("Exit status"):
            formatter.write_dl([(str(status.value), status.meaning) for status in ExitStatus])


@contextmanager
def _told() -> Iterator[None]:
    """Says in one line what the output didn't take; a closed pipe ends quietly, which is Click's own."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(ExitStatus.INTERRUPTED) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise click.ClickException(f"standard output: {error.strerror or error}") from None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="simp-chat", prog_name="simp")
def main() -> None:
    """SIMP: chat on one network, with no server and no account.

    \b
    Example, on each of two machines:
      simp daemon          # in one terminal
      simp client          # in another
    """


if __name__ == "__main__":
    main()
