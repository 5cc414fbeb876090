"""`simp conformance`."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from difflib import get_close_matches
from importlib.metadata import version
from pathlib import Path

import click

from simp_proto.address import Address, format_address
from simp_proto.cli import output
from simp_proto.cli.exit_status import ExitStatus
from simp_proto.cli.parameters import Number, Whole, address, framing_option
from simp_proto.conformance import page, report
from simp_proto.conformance.attached import Attached
from simp_proto.conformance.cases import CASES, SLOW, Case, Level
from simp_proto.conformance.hands import Hands
from simp_proto.conformance.run import Result, Verdict, run
from simp_proto.conformance.sealed_cases import SEALED
from simp_proto.conformance.sockets import open_sockets
from simp_proto.conformance.tester import Tester
from simp_proto.conformance.trace import RuleBrokenError
from simp_proto.conformance.wire import NotRunError, Request
from simp_proto.constants import CLIENT_PORT, Framing
from simp_proto.errors import AddressError

_ALONE = (
    "Somebody has to act at the other side: run this in a terminal, or give --client {}, where the daemon "
    "takes clients of spec/client.md, or commands, such as --accept-command. "
)
_FILE = click.Path(dir_okay=False, writable=True, path_type=Path)


def _command_options(function: Callable[..., None]) -> Callable[..., None]:
    """`--accept-command` and the like."""
    for action in reversed(Request):
        if action is Request.SEE:
            continue
        told = f"Shell command to {action.value}."
        function = click.option(action.option, metavar="COMMAND", help=told)(function)
    return function


@click.command()
@click.argument("host", required=False)
@click.option("--slow", is_flag=True, help="Run the cases that take minutes: giving up, and the age of requests.")
@click.option("--sealed", is_flag=True, help="Run the cases of SIMP/2, the sealed protocol, instead of SIMP/1's.")
@click.option("--listen", is_flag=True, help="Run the cases in which the daemon calls.")
@click.option("--should", is_flag=True, help="Also judge what a daemon SHOULD do, not only what it MUST.")
@click.option(
    "--case",
    "wanted",
    multiple=True,
    metavar="CASE",
    help="Only this case or section; may be repeated.",
    shell_complete=lambda context, option, start: [case.name for case in CASES if case.name.startswith(start)],
)
@click.option("--list", "only_list", is_flag=True, help="Print the cases, and run nothing.")
@click.option("--bind", "own", metavar="ADDRESS", help="The tester's own IP or IP:port.")
@click.option("--stranger", metavar="ADDRESS", help="IP or IP:port of a third party, which the tester plays as well.")
@click.option("--client", metavar="HOST:PORT", help="Attach there as the daemon's client, and act for the person.")
@framing_option("Speak this framing throughout; in bare and trailer the tester is a foreign peer (spec 9).")
@_command_options
@click.option(
    "--wait",
    type=Number(0.05, 30),
    default=1.0,
    show_default=True,
    help="Seconds to wait for an immediate answer; silence of that length counts as no answer.",
)
@click.option(
    "--tries",
    type=Whole(1, 10),
    default=1,
    show_default=True,
    help="Judge a failing case up to this many times, for a network that loses datagrams.",
)
@click.option("--allow-not-run", is_flag=True, help="Succeed even where cases couldn't be run.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object, at the end.")
@click.option("--junit", type=_FILE, metavar="FILE", help="Write the report to this file as JUnit XML.")
@click.option("--html", type=_FILE, metavar="FILE", help="Write the report to this file as a page.")
def conformance(
    host: str | None,
    slow: bool,
    sealed: bool,
    listen: bool,
    should: bool,
    wanted: tuple[str, ...],
    only_list: bool,
    own: str | None,
    stranger: str | None,
    client: str | None,
    framing: Framing | None,
    wait: float,
    tries: int,
    allow_not_run: bool,
    as_json: bool,
    junit: Path | None,
    html: Path | None,
    **commands: str | None,
) -> None:
    """Judge the daemon at HOST (IP or IP:port) by the rules of the SIMP specification.

    Plays the daemon at the other end, "tester", and at times a third party, "stranger", and goes through spec/simp.md
    case by case. A failed case shows the rule, what was expected, what came instead, and the whole conversation,
    decoded.

    In most cases somebody has to act at the other side: accept a call, type a message. In a terminal you are told what
    to do, and when. Commands can do it instead: $SIMP_TEXT is the message for --type-command, $SIMP_HOST and $SIMP_PORT
    are the address that --call-command is to call. With --restart-command each case gets a fresh daemon; the command
    starts daemon and client, and returns. With --client, where the daemon serves clients of spec/client.md, the tester
    is the client: it acts for the person, and judges what the person is shown, and client.md itself. A case that needs
    an action nobody can take is reported as not run. On a network that loses datagrams, give --tries.

    With --sealed, the rules are those of spec/simp2.md, and the tester is somebody new in each case: the daemon pins a
    key for each, so give it a profile of its own. To a daemon that speaks only SIMP/1 they aren't applicable.

    With --listen, HOST may be left out: it is whoever calls first.

    Exit status: 0 when every case was judged, and none failed; 1 when one failed, or couldn't be run, unless
    --allow-not-run is given; 2 also when no case could be judged, or no daemon answered; 130 after Ctrl-C, with reports
    of what had been judged.

    \b
    Examples:
      simp conformance 192.168.1.20 --html report.html
      simp conformance 192.168.1.20 --case 2 --case busy
      simp conformance 127.0.0.1 --accept-command 'tmux send-keys -t bob y Enter'
      simp conformance --listen
      simp conformance --list
    """
    if slow and sealed:
        raise click.UsageError("give --slow or --sealed: no case of SIMP/2 takes minutes")
    cases = _chosen(wanted, should, SLOW if slow else SEALED if sealed else CASES)
    if only_list:
        _list(cases)
        return
    if not host and not listen:
        raise click.UsageError("give the HOST of the daemon, or --listen for one that calls")
    hands = Hands(
        {action: command for action in Request if (command := commands.get(f"{action.name.lower()}_command"))},
        terminal=sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty(),
    )
    if not wanted:
        calls = listen or client or Request.CALL in hands.commands
        cases = [case for case in cases if (case.listens and calls) or not (case.listens or listen)]
    files = [(file, made) for file, made in ((junit, report.as_junit), (html, page.as_html)) if file is not None]
    for file, _ in files:
        _clear(file)
    given = {"HOST": host, "--bind": own, "--stranger": stranger}
    daemon, near, third = (address(each, name=name) if each else None for name, each in given.items())
    port = address(client, CLIENT_PORT, name="--client") if client else None
    output.prepare()
    with _judged(), _at_the_client_port(port, hands) as who, open_sockets(daemon, near, third, who, wait) as sockets:
        tester = Tester(sockets, framing)
        start = time.time()
        _meet(tester, listen)
        assert sockets.daemon
        head = report.Head(
            format_address(sockets.daemon),
            format_address(sockets.address()),
            tester.framing,
            framing,
            version("simp-chat"),
            start,
            Level.SHOULD if should else Level.MUST,
        )
        results: list[Result] = []
        interrupted = False
        try:
            _show(head, run(tester, _announced(cases, who), tries), results, quiet=as_json)
        except KeyboardInterrupt:  # what has been judged is worth a report
            interrupted = True
            tester.take_leave()
    if as_json:
        click.echo(json.dumps(report.as_json(head, results)))
    unwritten = [why for file, made in files if (why := _write(file, made(head, results)))]
    if interrupted:
        raise click.exceptions.Exit(ExitStatus.INTERRUPTED)
    if unwritten:
        raise click.ClickException("; ".join(unwritten))
    do = "" if client or hands.actions else _ALONE.format(format_address((sockets.daemon[0], CLIENT_PORT)))
    _end(report.counts(results), allow_not_run, do)


@contextmanager
def _judged() -> Iterator[None]:
    """Says why there is nothing to judge."""
    try:
        yield
    except (AddressError, NotRunError, RuleBrokenError) as error:
        raise _NothingJudgedError(str(error)) from None


def _at_the_client_port(where: Address | None, hands: Hands) -> AbstractContextManager[Hands | Attached]:
    """Whoever acts for the person: the tester itself, as the client there, or else `hands`."""
    return closing(Attached(where, hands)) if where else nullcontext(hands)


def _list(cases: Iterable[Case]) -> None:
    for case in cases:
        needed = [action.option for action in Request if action in case.needs]
        click.echo(f"{report.columns(case)}  {case.level.value:<6}  needs {', '.join(needed) or 'nobody'}")


def _announced(cases: Iterable[Case], hands: Hands | Attached) -> Iterable[Case]:
    """Passes them on, and says which one comes next to a person who will be told what to do in it."""
    for case in cases:
        if hands.asks(case.needs):
            click.echo(f"{case.section} {case.name}:", err=True)
        yield case


def _end(number: dict[Verdict, int], allow_not_run: bool, do: str) -> None:
    """Ends with the status that the verdicts ask for. `do`: what helps where nobody could act for the person."""
    if number[Verdict.FAILED]:
        raise click.exceptions.Exit(ExitStatus.FAILURE)
    if not number[Verdict.PASSED]:
        raise _NothingJudgedError(f"no case could be judged; each says why. {do}".rstrip())
    if number[Verdict.NOT_RUN] and not allow_not_run:
        told = f"{output.counted(number[Verdict.NOT_RUN], 'case')} not run; each says why"
        raise click.ClickException(f"{told}. {do}--allow-not-run takes that for success")


def _show(head: report.Head, run_of: Iterable[Result], results: list[Result], *, quiet: bool) -> None:
    """Collects them, and prints each as it comes."""
    if quiet:
        results.extend(run_of)
        return
    output.show(report.opening(head))
    try:
        for result in run_of:
            results.append(result)
            output.show(report.lines(head, result))
    finally:
        output.show(report.summary(head, results, time.time() - head.start))


def _clear(file: Path) -> None:
    """Sees that a report can be written there, which is better said before the run; the last one is gone then."""
    if why := _write(file, ""):
        raise click.ClickException(why)
    if file.is_file():
        file.resolve().unlink()


def _write(file: Path, text: str) -> str:
    """Writes it whole or not at all. What went wrong, or nothing."""
    try:
        if file.exists() and not file.is_file():  # a pipe or device takes what it gets
            file.write_text(text, "utf-8")
            return ""
        target = file.resolve()  # where a link leads
        part = target.with_name(f"{target.name}.part")
        try:
            part.write_text(text, "utf-8")
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        return f"{file}: {error.strerror or error}"
    return ""


def _chosen(wanted: tuple[str, ...], should: bool, among: list[Case]) -> list[Case]:
    """Those of these names and sections; raises `click.BadParameter`."""
    for each in wanted:
        if not any(_is(case, each) for case in among):
            without = f"without --{'slow' if among is SLOW else 'sealed'}"
            groups = {without: CASES, "with --slow": SLOW, "with --sealed": SEALED}
            others = [how for how, cases in groups.items() if any(_is(case, each) for case in cases)]
            if others:
                told = f"read {each!r}, which runs {others[0]} only"
            else:
                near = get_close_matches(each, [case.name for case in among])
                perhaps = f", such as {' or '.join(near)}" if near else ""
                told = f"read {each!r}, expected a case or section{perhaps}; 'simp conformance --list' has them all"
            raise click.BadParameter(told, param_hint="--case")
    if wanted:
        return [case for case in among if any(_is(case, each) for each in wanted)]
    return [case for case in among if should or case.level is Level.MUST]


def _is(case: Case, wanted: str) -> bool:
    return wanted in (case.name, case.section) or case.section.startswith(f"{wanted}.")


def _meet(tester: Tester, listen: bool) -> None:
    try:
        if tester.wire.restarts:
            tester.restart()
        if listen:
            tester.meet_caller()
        else:
            tester.meet()
    except KeyboardInterrupt:
        tester.take_leave()
        raise


class _NothingJudgedError(click.ClickException):
    exit_code = ExitStatus.USAGE
