"""The `simp` command, whose subcommands load only when they run."""

from importlib import import_module
from typing import Any, Final

import click

_SUBCOMMANDS: Final = {
    "client": "simp_client.command:client",
    "daemon": "simp_daemon.command:daemon",
    "decode": "simp_proto.toolkit.decode:decode",
    "demo": "simp_daemon.demo:demo",
    "dissector": "simp_proto.toolkit.dissector:dissector",
    "encode": "simp_proto.toolkit.encode:encode",
    "proxy": "simp_proto.toolkit.proxy:proxy",
    "vectors": "simp_proto.toolkit.vectors:vectors",
}
_HELP: Final = {
    "client": "Chat through a daemon.",
    "daemon": "Run the daemon that other daemons call.",
    "decode": "Show what a datagram's bytes mean.",
    "demo": "Watch two people chat, datagram by datagram.",
    "dissector": "Print a Wireshark dissector.",
    "encode": "Make the bytes of a datagram.",
    "proxy": "Be a bad network between two daemons.",
    "vectors": "Print the golden packets and conversations as JSON.",
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

    def invoke(self, ctx: click.Context) -> Any:
        """Says in one line what the output didn't take; a closed pipe ends quietly, which is Click's own."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise click.ClickException(f"standard output: {error.strerror or error}") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_HELP.items()))


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="simp-chat", prog_name="simp")
def main() -> None:
    """SIMP: chat on one network, with no server and no account.

    \b
    On each of two machines:
      simp daemon          in one terminal
      simp client          in another
    """


if __name__ == "__main__":
    main()
