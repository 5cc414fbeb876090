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

_COMMANDS: Final = {
    "backup": ("simp_client.copies", "Copy your contacts and messages."),
    "block": ("simp_client.trust", "Keep a contact out."),
    "client": ("simp_client.command", "Chat through a daemon."),
    "completion": ("simp_proto.cli.completion", "Let a shell complete commands, options and files."),
    "conformance": ("simp_proto.conformance.command", "Judge a daemon by the specification."),
    "contacts": ("simp_client.trust", "Show whom you know by their keys."),
    "daemon": ("simp_daemon.command", "Run the daemon that other daemons call."),
    "decode": ("simp_proto.toolkit.decode", "Show what a datagram's bytes mean, or why two differ."),
    "demo": ("simp_client.demo", "Watch two people chat, datagram by datagram."),
    "dissector": ("simp_proto.toolkit.dissector", "Print a Wireshark dissector."),
    "doctor": ("simp_client.doctor.command", "Find out why somebody can't be reached."),
    "encode": ("simp_proto.toolkit.encode", "Make the bytes of a datagram."),
    "identity": ("simp_client.trust", "Show your own id and words."),
    "manual": ("simp_proto.cli.manual", "Print manual pages."),
    "probe": ("simp_proto.conformance.probe", "Find out how a daemon behaves."),
    "proxy": ("simp_proto.toolkit.proxy", "Simulate a bad network between two daemons."),
    "restore": ("simp_client.copies", "Put a backup back."),
    "trust": ("simp_client.trust", "Say which key a contact has, after a change."),
    "vectors": ("simp_proto.toolkit.vectors", "Print golden packets and conversations, and a Kaitai description."),
    "verify": ("simp_client.trust", "Compare words with a contact."),
    "who": ("simp_client.who", "Show who is here."),
}
"""Each command's module, which has it by its name, and what it does."""
_MEANT: Final = {
    "help": "For help: simp --help",
    **dict.fromkeys(("call", "chat"), "To call somebody: simp client --call NAME"),
}
"""What leads to what other words are likely to mean."""
_STANDARD_ERROR: Final = 2
_TOO_MUCH: Final = "Got unexpected extra argument"
"""How Click begins to tell of arguments that nothing takes, which follow in parentheses."""


class _Lazy(click.Group):
    """Imports a subcommand's module when it is run, so that no command pays for another."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, told = _COMMANDS[cmd_name]
        command = getattr(import_module(module), cmd_name)
        assert isinstance(command, click.Command)
        command.short_help = told
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggests the command that was probably meant; Click does so only from 8.4 on, for loaded commands."""
        name = args[0]
        if not ctx.resilient_parsing and name not in _COMMANDS and not name.startswith("-"):
            near, (*others, last) = get_close_matches(name, _COMMANDS), _COMMANDS
            there = _MEANT.get(name) or (
                f"Did you mean {' or '.join(map(repr, near))}?"
                if near
                else f"There are {', '.join(others)} and {last}."
            )
            ctx.fail(f"No such command {name!r}. {there}")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list["CompletionItem"]:
        """Completes names without loading what they name."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415  only a shell needs it

        names = [
            CompletionItem(name, help=told) for name, (_, told) in _COMMANDS.items() if name.startswith(incomplete)
        ]
        return names + click.Command.shell_complete(self, ctx, incomplete)

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Reads from and writes to nowhere where whoever started it has closed that, and no socket takes the place."""
        while (free := os.open(os.devnull, os.O_RDWR)) <= _STANDARD_ERROR:
            pass
        os.close(free)
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
            formatter.write_dl([(name, told) for name, (_, told) in _COMMANDS.items()])
        with formatter.section("Exit status"):
            formatter.write_dl([(str(status.value), status.meaning) for status in ExitStatus])


@contextmanager
def _told() -> Iterator[None]:
    """Reports in one line why the output failed; after a closed pipe, Click ends quietly."""
    try:
        yield
    except KeyboardInterrupt:
        raise click.exceptions.Exit(ExitStatus.INTERRUPTED) from None
    except click.UsageError as error:
        if not error.message.startswith(_TOO_MUCH):
            raise
        words = error.message.partition(" (")[2].removesuffix(")")
        raise click.UsageError(f"read more than this command takes: {words}", error.ctx) from None
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
