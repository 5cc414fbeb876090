"""`simp backup` and `simp restore`: copies of what a daemon keeps (spec/simp2.md 7.8)."""

# ruff: noqa: PLC0415  `simp --help` reads this file, and must not wait for the rest.

from os.path import exists, isdir, lexists
from pathlib import Path

import click

from simp_client.selection import explained, known, opened, profile, profile_options
from simp_proto.cli.output import counted


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@profile_options
def backup(file: Path, ip: str | None, state: Path | None) -> None:
    """Copy your contacts and messages to FILE, which must be new, while the daemon runs or not.

    Messages are in it as they were written: keep it where nobody else reads. Your keys aren't in it. They are in the
    file identity.key beside the store, and whoever has that is you; without it you are somebody new to all contacts.

    Exit status: 1 when FILE can't be written, there is no profile, or its store can't be used; 2 when FILE exists, or
    its folder doesn't.

    \b
    Examples:
      simp backup simp.backup
    """
    if lexists(file):
        raise click.BadParameter(f"{file} exists, and is left as it is: give another name", param_hint="FILE")
    if not isdir(file.absolute().parent):
        raise click.BadParameter(f"there is no folder {file.absolute().parent}", param_hint="FILE")
    directory = profile(ip, state)
    with opened(directory) as store:
        store.backup(file)
        count = len(known(store))
    click.echo(f"{file} has {counted(count, 'contact')}, and what was said. Not in it: {directory / 'identity.key'}")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@profile_options
def restore(file: Path, ip: str | None, state: Path | None) -> None:
    """Put FILE, which simp backup has written, in the place of your contacts and messages.

    End the daemon first. What was there is kept beside it. The daemon says at its next start that it has a copy:
    messages that weren't delivered when it was made go out again, and are marked as ones that may have arrived already.

    Exit status: 1 when a daemon has the profile, FILE is no backup, or is damaged; 2 when there is no FILE.

    \b
    Examples:
      simp restore simp.backup
    """
    from simp_daemon.database import restore as put_back

    directory = profile(ip, state, restored=True)
    with explained():
        aside = put_back(file, directory)
    click.echo(f"{directory} has what was in {file}." + (f" What it had is kept as {aside}." if aside else ""))
    if not exists(directory / "identity.key"):
        click.echo(
            f"Your keys aren't there: put your identity.key into {directory} before the daemon starts, or you will be "
            "somebody new to all contacts.",
            err=True,
        )
