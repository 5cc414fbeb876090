"""`simp manual`: the commands' help as manual pages, with the sections of man-pages(7) in its order.

Not by click-man: its pages contain the help's backspaces, which are Click's mark before an example, let Roff interpret
a backslash or a dot at the start of a line, and omit commands that load late, examples and exit statuses.
"""

import inspect
import re
import textwrap
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from simp_proto.cli import roff
from simp_proto.cli.exit_status import ExitStatus
from simp_proto.printable import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_VERBATIM: Final = "\b\n"
"""Click's mark at the head of a paragraph whose lines stay as they are."""
_EXAMPLES: Final = "Example"
_EXIT_STATUS: Final = "Exit status:"
"""How the paragraphs that have a section of their own begin."""


def _complete(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    root = ctx.find_root()
    return root.command.shell_complete(root, incomplete)


@click.command()
@click.argument("name", metavar="[COMMAND]", required=False, shell_complete=_complete)
@click.option(
    "--all", "folder", type=click.Path(file_okay=False), metavar="FOLDER", help="Write all pages into this folder."
)
@click.pass_context
def manual(ctx: click.Context, name: str | None, folder: str | None) -> None:
    """Print the manual page of a command for `man` to show; without COMMAND, that of simp itself.

    With --all it writes simp.1, simp-decode.1 and so on into a folder, which is created if it doesn't exist. `man`
    searches ~/.local/share/man if ~/.local/bin is on the PATH.

    \b
    Examples:
      simp manual decode | man -l -
      simp manual --all ~/.local/share/man/man1 && man simp-decode
    """
    if name and folder:
        raise click.UsageError("give either COMMAND or --all")
    group = ctx.find_root().command
    assert isinstance(group, click.Group)
    if folder:
        _write(Path(folder), pages(group))
        return
    context = _root(group)
    if name:
        _, command, _ = group.resolve_command(ctx, [name])
        assert command is not None
        context = _child(context, name, command)
    click.echo(page(context), nl=False)


def pages(group: click.Group) -> dict[str, str]:
    """The manual pages of `simp` and its commands, by their names: `simp`, `simp-decode` and so on."""
    root = _root(group)
    contexts = [root, *(_child(root, name, command) for name, command in _commands(root).items())]
    return {_name(context): page(context) for context in contexts}


def page(context: click.Context) -> str:
    """The manual page, in Roff, of the command that `context` is for."""
    command, name = context.command, _name(context)
    usage = " ".join(command.collect_usage_pieces(context))
    told = _Help(command.help or "")
    options = [each.get_help_record(context) for each in command.get_params(context) if isinstance(each, click.Option)]
    sections = {
        "NAME": [f"{roff.escaped(name)} \\- {roff.escaped(_summary(command))}"],
        "SYNOPSIS": [f"{roff.bold(context.command_path)} {roff.escaped(usage)}"],
        "DESCRIPTION": told.description,
        "COMMANDS": [
            roff.tagged(f"{name}-{each}(1)", f"{_summary(other)}.") for each, other in _commands(context).items()
        ],
        "OPTIONS": [roff.option(*record) for record in options if record],
        "EXIT STATUS": [roff.tagged(str(status.value), status.meaning) for status in ExitStatus] + told.exit_status,
        "EXAMPLES": told.examples,
        "SEE ALSO": [roff.filled(", ".join(f"{other}(1)" for other in _related(context)))],
    }
    head = roff.macro("TH", name.upper(), "1", "", f"simp-chat {version('simp-chat')}", "SIMP")
    parts = [roff.section(title, paragraphs) for title, paragraphs in sections.items() if paragraphs]
    return "\n".join([head, ".nh", ".ad l", *parts, ""])  # no hyphens put into words, no blanks between them


class _Help:
    """A command's help text in paragraphs of Roff, sorted by the section that they belong in."""

    def __init__(self, text: str) -> None:
        self.description: list[str] = []
        self.exit_status: list[str] = []
        self.examples: list[str] = []
        for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text).partition("\f")[0].strip()):
            lines = paragraph.removeprefix(_VERBATIM)
            if lines.startswith(_EXIT_STATUS):
                self.exit_status.append(roff.filled(lines.removeprefix(_EXIT_STATUS)))
            elif lines == paragraph:
                self.description.append(roff.filled(lines))
            elif lines.startswith(_EXAMPLES):
                head, _, rest = lines.partition("\n")
                self.examples += [roff.filled(head)] if " " in head else []
                self.examples.append(roff.verbatim(textwrap.dedent(rest)))
            else:
                self.description.append(roff.verbatim(lines))


def _root(group: click.Group) -> click.Context:
    """The context of `simp`, by whatever name this process was started."""
    return click.Context(group, info_name="simp", **group.context_settings)


def _child(root: click.Context, name: str, command: click.Command) -> click.Context:
    return click.Context(command, info_name=name, parent=root, **command.context_settings)


def _commands(context: click.Context) -> dict[str, click.Command]:
    """A group's commands by their names; none if it isn't a group."""
    group = context.command
    if not isinstance(group, click.Group):
        return {}
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command}


def _name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _summary(command: click.Command) -> str:
    """What it does, in a line without a full stop."""
    return command.get_short_help_str(limit=200).removesuffix(".")


def _related(context: click.Context) -> list[str]:
    """For a group, the pages of its commands; for a command, the group's page and those that its help mentions."""
    group = context.parent or context
    assert isinstance(group.command, click.Group)
    names = group.command.list_commands(group)
    if group is context:
        return [f"{_name(group)}-{name}" for name in names]
    mentioned = set(re.findall(rf"\b{group.info_name} ([a-z]+)", context.command.help or "")) - {context.info_name}
    return [_name(group), *(f"{_name(group)}-{name}" for name in names if name in mentioned)]


def _write(folder: Path, texts: dict[str, str]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / f"{name}.1").write_text(text, "ascii")
    except OSError as error:
        raise click.ClickException(printable(f"{error.filename or folder}: {error.strerror}")) from None
