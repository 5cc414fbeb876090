"""The `simp` command, whose subcommands load only when they run."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

import click

from simp_proto.cli.exit_status import ExitStatus

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_SUBCOMMANDS: Final = {
    "client": "simp_client.command:client",
    "completion": "simp_proto.cli.completion:completion",
    "conformance": "simp_proto.conformance.command:conformance",
    "daemon": "simp_daemon.command:daemon",
    "decode": "simp_proto.toolkit.decode:decode",
    "demo": "simp_client.demo:demo",
    "dissector": "simp_proto.toolkit.dissector:dissector",
    "encode": "simp_proto.toolkit.encode:encode",
    "manual": "simp_proto.cli.manual:manual",
    "probe": "simp_proto.conformance.probe:probe",
    "proxy": "simp_proto.toolkit.proxy:proxy",
    "vectors": "simp_proto.toolkit.vectors:vectors",
}
_HELP: Final = {
    "client": "Chat through a daemon.",
    "completion": "Let a shell complete commands, options and files.",
    "conformance": "Judge a daemon by the specification.",
    "daemon": "Run the daemon that other daemons call.",
    "decode": "Show what a datagram's bytes mean, or why two differ.",
    "demo": "Watch two people chat, datagram by datagram.",
    "dissector": "Print a Wireshark dissector.",
    "encode": "Make the bytes of a datagram.",
    "manual": "Print manual pages.",
    "probe": "Find out how a daemon behaves.",
    "proxy": "Be a bad network between two daemons.",
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
        command.short_help = _HELP[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Says which command was perhaps meant, which Click does from 8.4 on, and only of those that are loaded."""
        name = args[0]
        if not ctx.resilient_parsing and (near := get_close_matches(name, _SUBCOMMANDS)) and name not in near:
            ctx.fail(f"No such command {name!r}. Did you mean {' or '.join(map(repr, near))}?")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list["CompletionItem"]:
        """Completes names without loading what they name."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  only a shell needs it

        names = [CompletionItem(name, help=text) for name, text in _HELP.items() if name.startswith(incomplete)]
        return names + click.Command.shell_complete(self, ctx, incomplete)

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
