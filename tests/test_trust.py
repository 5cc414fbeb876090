"""Whom one knows by their keys: the commands, on stores beside a daemon or without one (spec/simp2.md 5.6, 9)."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from hashlib import scrypt
from pathlib import Path
from subprocess import PIPE
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from simp_client.selection import whom
from simp_daemon import words
from simp_daemon.contacts import Change, Contact, KeyChanged, Reached, Trust, Trusted, id_of
from simp_daemon.facts import Pinned
from simp_daemon.files import Lock
from simp_daemon.identity import Identity, read_identity
from simp_daemon.profile import state_directory
from simp_daemon.store import Store
from simp_daemon.words import words_of
from simp_proto.cli.main import main
from simp_proto.printable import printable
from tests.scripted_daemon import PATIENCE
from tests.test_exit_status import SIMP, posix

COMMANDS = ("identity", "contacts", "verify", "trust", "block", "backup", "restore")


@cache
def keys(number: int) -> tuple[bytes, bytes]:
    return Identity(bytes((number,)) * 32, bytes((number + 100,)) * 32).public


def pinned(number: int, name: str) -> Pinned:
    return Pinned(*keys(number), name, (f"192.0.2.{number}", 7777))


BOB, CAROL, EVE = pinned(1, "bob"), pinned(2, "carol"), replace(pinned(3, "bob"), address=("192.0.2.1", 7777))


def id_of_(pin: Pinned | Contact) -> str:
    return id_of(pin.key, pin.signing_key)


@pytest.fixture(autouse=True)
def quick_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take a tenth of a second each, by intent; the real ones are in test_words."""
    monkeypatch.setattr(words, "scrypt", lambda keys, **limits: scrypt(keys, **{**limits, "n": 2}))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A profile with keys, the only one of this user, whose daemon isn't running."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    directory = state_directory(("0.0.0.0", 7777))
    read_identity(directory)
    return directory


def commit(directory: Path, *changes: Change) -> None:
    with closing(Store(directory, daemon=False)) as store:
        for change in changes:
            store.commit([change])


def contacts(directory: Path) -> dict[bytes, Contact]:
    with closing(Store(directory, daemon=False)) as store:
        return {contact.key: contact for contact in store.contacts()}


def simp(*arguments: str | Path, stdin: str | bytes = "", status: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(each) for each in arguments], input=stdin)
    assert result.exit_code == status, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


# -- who is meant

NAMES = st.text(max_size=32) | st.sampled_from(
    [id_of(*keys(number))[:size] for number in range(4) for size in (8, 16, 32)]
)


def _meant(contact: Contact, text: str) -> bool:
    """By the words of spec 5.6."""
    spelled = [form.casefold() for form in (contact.name, printable(contact.name)) if form]
    return text.casefold() in spelled or (len(text) >= 8 and id_of_(contact).startswith(text.lower()))


@given(st.lists(NAMES, max_size=4), NAMES, st.data())
def test_whoever_is_meant_is_the_only_one(people: list[str], text: str, data: st.DataObject) -> None:
    there = [Contact(*keys(number), name, Trust.NEW, (), 0, (), None) for number, name in enumerate(people)]
    store: Any = SimpleNamespace(contacts=lambda: there)
    text = data.draw(st.sampled_from([text, *people]))
    meant = [contact for contact in there if _meant(contact, text)]
    if len(meant) == 1:
        assert whom(store, text) is meant[0]
    else:
        with pytest.raises(click.ClickException) as error:
            whom(store, text)
        assert all(id_of_(each) in error.value.message for each in meant)
        assert printable(error.value.message.replace("\n", "")) == error.value.message.replace("\n", "")
    for contact in there:
        assert whom(store, id_of_(contact)) is contact
        assert whom(store, id_of_(contact).upper()) is contact


def test_too_little_of_an_id_and_a_key_that_is_no_more_mean_nobody(home: Path) -> None:
    commit(home, BOB, KeyChanged(BOB.key, EVE))
    simp("trust", "bob", id_of_(EVE))
    assert "no contact has the name or the id" in simp("block", id_of_(BOB), status=1).stderr
    assert "no contact has the name or the id" in simp("block", id_of_(EVE)[:7], status=1).stderr
    simp("block", id_of_(EVE)[:8])
    assert contacts(home)[EVE.key].trust is Trust.BLOCKED


def test_one_name_of_two_is_told_with_both_ids_and_decides_nothing(home: Path) -> None:
    commit(home, BOB, replace(CAROL, name="Bob"))
    for arguments in (["verify", "bob", "--yes"], ["block", "BOB"], ["trust", "bob", "a" * 16]):
        told = simp(*arguments, status=1).stderr
        assert id_of_(BOB) in told
        assert id_of_(CAROL) in told
    assert {each.trust for each in contacts(home).values()} == {Trust.NEW}


# -- which profile


def test_the_only_profile_is_taken_and_of_several_one_must_be_named(home: Path) -> None:
    only = simp("identity").stdout
    other = state_directory(("127.0.0.2", 7777))
    other.mkdir()
    assert simp("identity").stdout == only  # nobody has keys there
    read_identity(other)
    told = simp("identity", status=2).stderr
    assert "there are several profiles, and none has a daemon now" in told
    assert "\n  --daemon 0.0.0.0\n  --daemon 127.0.0.2\n" in told
    assert simp("identity", "--daemon", "0.0.0.0").stdout == simp("identity", "--state", home).stdout == only
    second = simp("identity", "--daemon", "127.0.0.2:7777").stdout
    assert second == simp("identity", "--state", other).stdout != only
    assert "expected one of them" in simp("identity", "--state", other, "--daemon", "127.0.0.2", status=2).stderr
    running = Lock(other / "lock")
    assert simp("identity").stdout == second
    another = Lock(home / "lock")
    told = simp("identity", status=2).stderr
    assert "several of your daemons run" in told
    running.release()
    assert simp("identity").stdout == only
    another.release()


def test_a_profile_that_no_address_names_is_told_by_its_directory(home: Path) -> None:
    for name in ("-1-7777", "mine", "127.0.0.2-8888", "192.0.2.1-7777"):
        read_identity(home.parent / name)
    told = simp("identity", status=2).stderr
    rows = [f"--state {home.parent / '-1-7777'}", "--daemon 0.0.0.0", "--daemon 127.0.0.2:8888"]
    rows += [f"--state {home.parent / name}" for name in ("192.0.2.1-7777", "mine")]
    assert [row.strip() for row in told.splitlines() if row.startswith("  --")] == rows


@pytest.mark.parametrize("name", COMMANDS[:-1])
def test_where_nobody_has_a_profile_none_is_made(name: str, home: Path, tmp_path: Path) -> None:
    arguments = {"identity": [], "contacts": [], "trust": ["bob", "a" * 16], "backup": [str(tmp_path / "copy")]}
    for option in (["--daemon", "127.0.0.3"], ["--state", str(tmp_path / "none")]):
        told = simp(name, *arguments.get(name, ["bob"]), *option, status=1).stderr
        assert "there is no profile in" in told
        assert "there is:\n  --daemon 0.0.0.0" in told
    assert not (tmp_path / "none").exists()
    assert not (tmp_path / "copy").exists()


# -- what is shown


def test_one_s_own_id_and_words_are_those_of_the_keys(home: Path) -> None:
    own = read_identity(home).public
    assert json.loads(simp("identity", "--json").stdout) == {"id": id_of(*own), "words": words_of(*own)}
    assert simp("identity").stdout == f"Your id:     {id_of(*own)[:16]}\nYour words:  {words_of(*own)}\n"


def test_contacts_are_listed_with_their_marks(home: Path) -> None:
    assert simp("contacts").stdout == ""
    commit(home, BOB, CAROL, KeyChanged(BOB.key, EVE), Trusted(CAROL.key, Trust.NEW, Trust.VERIFIED))
    commit(home, pinned(4, "dora"), pinned(5, "ed"))
    commit(home, Trusted(keys(5)[0], Trust.NEW, Trust.BLOCKED))
    rows = simp("contacts").stdout.splitlines()
    for row, (name, number, mark) in zip(
        rows[:4],
        [("bob", 1, "CHANGED KEY"), ("carol", 2, "verified"), ("dora", 4, "encrypted"), ("ed", 5, "blocked")],
        strict=True,
    ):
        expected = (
            rf"{name} +{id_of(*keys(number))[:16]}  {mark} +192\.0\.2\.{number}:7777  \d{{4}}-\d\d-\d\d \d\d:\d\d"
        )
        assert re.fullmatch(expected, row)
    shown = [json.loads(line) for line in simp("contacts", "--json").stdout.splitlines()]
    assert [(each["name"], each["trust"]) for each in shown] == [
        ("bob", "changed"), ("carol", "verified"), ("dora", "new"), ("ed", "blocked"),
    ]  # fmt: skip
    assert (shown[0]["id"], shown[0]["addresses"]) == (id_of_(BOB), ["192.0.2.1:7777"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", shown[0]["seen"])


def test_marks_are_told_apart_by_words_none_of_which_is_in_another(home: Path) -> None:
    commit(home, BOB)
    marks = []
    for was, trust in (("new", "verified"), ("verified", "changed"), ("changed", "blocked"), ("blocked", "new")):
        marks.append(simp("contacts").stdout.splitlines()[0].split("  ")[2].strip())
        commit(home, KeyChanged(BOB.key, EVE) if trust == "changed" else Trusted(BOB.key, Trust(was), Trust(trust)))
    assert len(set(marks)) == 4
    assert not [(one, other) for one in marks for other in marks if one != other and one.lower() in other.lower()]


def test_the_id_of_a_new_key_is_shown_nowhere_unless_it_is_a_contact_s(home: Path) -> None:
    commit(home, BOB, CAROL, KeyChanged(BOB.key, EVE))
    for shown in (simp("contacts"), simp("contacts", "--json"), simp("verify", "bob", status=1)):
        assert id_of_(EVE)[:6] not in shown.output
    told = simp("contacts").stdout
    assert "! somebody with another key answered for bob at 192.0.2.1:7777" in told
    commit(home, KeyChanged(BOB.key, CAROL))
    assert f"your contact carol ({id_of_(CAROL)[:16]}) answered for bob at" in simp("contacts").stdout


@pytest.mark.parametrize(
    "name", ["a\x1b[2Jb", "a\nb", "\u202eevil", "$(reboot)", "you", "  ", "x' ; reboot '", "verified"]
)
def test_hostile_names_are_escaped_and_never_in_what_is_to_be_typed(name: str, home: Path) -> None:
    commit(home, replace(BOB, name=name), KeyChanged(BOB.key, EVE))
    outputs = [simp("contacts").output, simp("verify", id_of_(BOB), status=1).output]
    simp("trust", name, id_of_(BOB))
    outputs += [simp("verify", name, stdin="n", status=1).output, simp("block", printable(name)).output]
    for output in outputs:
        assert printable(output.replace("\n", "")) == output.replace("\n", "")
        for typed in re.findall(r"simp (?:trust|block)(?: --undo)? (\S+)", output):
            assert re.fullmatch(r"[a-z2-7]{16}[.,]?", typed)
    assert len(outputs[0].splitlines()) == 4


# -- words


def test_both_screens_show_the_same_two_lines(home: Path, tmp_path: Path) -> None:
    sides = {"alice": home, "bob": tmp_path / "bob"}
    own = {name: read_identity(directory).public for name, directory in sides.items()}
    lines = {}
    for name, other in (("alice", "bob"), ("bob", "alice")):
        commit(sides[name], Pinned(*own[other], other, ("192.0.2.9", 7777)))
        shown = simp("verify", other, "--state", sides[name], stdin="y\n").stdout
        assert f"{other} is verified." in shown
        lines[name] = re.findall(r"^  ([12])  ([a-z ]+)  \((\w+)\)$", shown, re.M)
        assert {line[1:] for line in lines[name]} == {
            (words_of(*own[name]), "you"), (words_of(*own[other]), other),
        }  # fmt: skip
    assert [line[:2] for line in lines["alice"]] == [line[:2] for line in lines["bob"]]
    assert lines["alice"][0][1] == words_of(*min(own.values()))


@pytest.mark.parametrize("answer", [b"n\n", b"\n", b"", b"\xff\xfe\n", b"yesterday\n", b"no"])
def test_whoever_doesn_t_say_that_words_match_has_verified_nothing(home: Path, answer: bytes) -> None:
    commit(home, BOB)
    assert "isn't verified by this" in simp("verify", "bob", stdin=answer, status=1).stderr
    assert contacts(home)[BOB.key].trust is Trust.NEW


@pytest.mark.parametrize("answer", [b"y\n", b"YES\n", b" y"])
def test_whoever_says_so_has(home: Path, answer: bytes) -> None:
    commit(home, BOB)
    simp("verify", "bob", stdin=answer)
    assert contacts(home)[BOB.key].trust is Trust.VERIFIED


def test_whoever_says_something_else_is_asked_again(home: Path) -> None:
    commit(home, BOB)
    assert simp("verify", "bob", stdin=b"maybe\nyes, I think\ny\n").stdout.count("[y/N]") == 3
    assert contacts(home)[BOB.key].trust is Trust.VERIFIED


def test_a_script_isn_t_asked(home: Path) -> None:
    commit(home, BOB)
    assert simp("verify", "bob", "--yes").stdout == "bob is verified.\n"
    assert contacts(home)[BOB.key].trust is Trust.VERIFIED


@contextmanager
def asked(home: Path) -> Iterator[subprocess.Popen[str]]:
    """`simp verify bob`, which has asked its question."""
    command = [*SIMP, "verify", "bob", "--state", str(home)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
        try:
            assert process.stdout
            while (line := process.stdout.readline()) and not line.startswith("  2  "):
                pass
            yield process
        finally:
            process.kill()


@pytest.mark.slow
def test_a_key_that_changes_while_words_are_compared_is_not_verified(home: Path) -> None:
    with closing(Store(home, daemon=True)) as daemon:
        daemon.commit([BOB])
        with asked(home) as process:
            daemon.commit([KeyChanged(BOB.key, EVE)])
            _, told = process.communicate("y\n", PATIENCE)
            assert (process.returncode, told.count("\n")) == (1, 1)
            assert "look again, and decide" in told
        assert daemon.contacts()[0].trust is Trust.CHANGED


@pytest.mark.slow
@posix
def test_ctrl_c_at_the_question_decides_nothing(home: Path) -> None:
    commit(home, BOB)
    with asked(home) as process:
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=PATIENCE)
        assert (process.returncode, told) == (130, "")
    assert contacts(home)[BOB.key].trust is Trust.NEW


# -- a changed key


@pytest.mark.parametrize("size", [16, 30, 52])
def test_an_id_that_was_given_pins_the_key_that_answered(home: Path, size: int) -> None:
    commit(home, BOB, Trusted(BOB.key, Trust.NEW, Trust.VERIFIED), KeyChanged(BOB.key, CAROL), KeyChanged(BOB.key, EVE))
    simp("trust", "bob", id_of_(EVE)[:size].upper())
    there = contacts(home)
    assert there.keys() == {BOB.key, EVE.key}
    assert (there[BOB.key].replaced_by, there[EVE.key].trust, there[EVE.key].replaced_by) == (EVE.key, Trust.NEW, None)
    (line,) = simp("contacts").stdout.splitlines()
    assert id_of_(EVE)[:16] in line


def test_the_id_of_the_old_key_keeps_it(home: Path) -> None:
    commit(home, BOB, KeyChanged(BOB.key, EVE))
    assert "bob keeps the key that you know" in simp("trust", "bob", id_of_(BOB)[:16]).stdout
    (bob,) = contacts(home).values()
    assert (bob.trust, bob.others) == (Trust.NEW, ())


def test_no_other_id_lifts_the_stop(home: Path) -> None:
    commit(home, BOB, CAROL, KeyChanged(BOB.key, EVE))
    wrong = [(id_of_(CAROL), 1), ("a" * 16, 1), (id_of_(EVE) + "a", 1), (id_of_(EVE)[:15], 2), ("", 2)]
    for given_id, status in wrong:
        told = simp("trust", "bob", given_id, status=status).stderr
        assert id_of_(EVE)[:8] not in told.replace(given_id, "")
    assert contacts(home)[BOB.key].trust is Trust.CHANGED
    assert "bob's key has changed" in simp("verify", "bob", "--yes", status=1).stderr
    assert "has answered where carol was" in simp("trust", "carol", id_of_(EVE), status=1).stderr


# -- blocked


def test_a_block_is_taken_back_and_a_change_meanwhile_still_stops(home: Path) -> None:
    commit(home, BOB, Trusted(BOB.key, Trust.NEW, Trust.VERIFIED))
    assert f"simp block --undo {id_of_(BOB)[:16]}" in simp("block", "bob").stdout
    for arguments in (["verify", "bob", "--yes"], ["trust", "bob", id_of_(BOB)]):
        assert "is blocked" in simp(*arguments, status=1).stderr
    simp("block", "bob")
    assert "marked: encrypted" in simp("block", "--undo", "bob").stdout
    assert contacts(home)[BOB.key].trust is Trust.NEW
    assert simp("block", "--undo", "bob").stdout == "bob isn't blocked.\n"
    simp("block", "bob")
    commit(home, KeyChanged(BOB.key, EVE))
    simp("block", "--undo", "bob")
    assert contacts(home)[BOB.key].trust is Trust.CHANGED
    assert "is blocked" not in simp("trust", "bob", id_of_(EVE)).output


def test_whoever_is_blocked_takes_nobody_s_place(home: Path) -> None:
    commit(home, BOB, replace(EVE, name="eve"), KeyChanged(BOB.key, EVE))
    simp("block", "eve")
    assert "is blocked" in simp("trust", "bob", id_of_(EVE), status=1).stderr
    assert [each.trust for each in contacts(home).values()] == [Trust.CHANGED, Trust.BLOCKED]


# -- beside a daemon

HOLDER = """
import sys
from pathlib import Path
from simp_daemon.store import Store
store = Store(Path(sys.argv[1]), daemon=True)
for line in sys.stdin:
    print(store.changed() and [(contact.name, str(contact.trust)) for contact in store.contacts()], flush=True)
"""


@contextmanager
def daemon(directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has the profile and tells on each line what was decided."""
    command = [sys.executable, "-c", HOLDER, str(directory)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:
        try:
            assert told(process) == "False"
            yield process
        finally:
            process.kill()


def told(process: "subprocess.Popen[str]") -> str:
    assert process.stdin
    assert process.stdout
    process.stdin.write("\n")
    process.stdin.flush()
    return process.stdout.readline().strip()


def test_a_daemon_that_runs_learns_what_is_decided(home: Path) -> None:
    commit(home, BOB, CAROL)
    with daemon(home) as process:
        for arguments, trust in (
            (["verify", "bob", "--yes"], "verified"),
            (["block", "bob"], "blocked"),
            (["block", "--undo", "bob"], "new"),
        ):
            simp(*arguments)
            assert told(process) == f"[('bob', '{trust}'), ('carol', 'new')]"
        simp("contacts")
        assert told(process) == "False"


def test_a_store_is_copied_beside_a_daemon_and_put_back_without_one(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    commit(home, BOB)
    with daemon(home) as process:
        assert simp("backup", copy).stdout == (
            f"{copy} has 1 contact, and what was said. Not in it: {home / 'identity.key'}\n"
        )
        commit(home, CAROL)
        before = (home / "store.db").read_bytes()
        refused = simp("restore", copy, status=1).stderr
        assert refused == (
            f"Error: a daemon, process {process.pid}, has the profile {home}: end it first, or take another profile by "
            "--state DIR\n"
        )
        assert (home / "store.db").read_bytes() == before
    assert f"{copy} exists" in simp("backup", copy, status=2).stderr
    assert f"kept as {home / 'store.replaced-1'}" in simp("restore", copy).stdout
    assert list(contacts(home)) == [BOB.key]
    with closing(Store(home, daemon=True)) as store:
        assert "is a copy of" in store.notices[0]


def test_a_new_machine_is_told_that_it_has_no_keys(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(home, BOB)
    copy = tmp_path / "copy"
    simp("backup", copy)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "new"))
    there = state_directory(("0.0.0.0", 7777))
    assert f"put your identity.key into {there}" in simp("restore", copy).stderr
    listed = simp("contacts", "--json").stdout
    assert [json.loads(line)["id"] for line in listed.splitlines()] == [id_of_(BOB)]
    for arguments in (["verify", "bob"], ["identity"]):
        assert "there is no profile in" in simp(*arguments, status=1).stderr
    assert not (there / "identity.key").exists()
    os.link(home / "identity.key", there / "identity.key")
    assert [json.loads(line)["id"] for line in simp("contacts", "--json").stdout.splitlines()] == [id_of_(BOB)]


def test_what_is_no_backup_replaces_nothing(home: Path, tmp_path: Path) -> None:
    commit(home, BOB)
    for name, data in (("text", b"hello" * 1000), ("empty", b"")):
        (tmp_path / name).write_bytes(data)
        simp("restore", tmp_path / name, status=1)
    simp("restore", tmp_path / "none", status=2)
    assert "no folder" in simp("backup", tmp_path / "none" / "copy", status=2).stderr
    assert list(contacts(home)) == [BOB.key]
    assert sorted(os.listdir(home)) == ["identity.key", "lock", "store.db"]


# -- what is loaded


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["decode", "0104" + "00" * 37], ["client", "--help"], *([name, "--help"] for name in COMMANDS)],
)
def test_neither_store_nor_keys_are_loaded_before_they_are_needed(arguments: list[str]) -> None:
    code = (
        "import atexit, sys\n"
        "from simp_proto.cli.main import main\n"
        "atexit.register(lambda: print('loaded', *{'cryptography', 'sqlite3', 'asyncio'} & sys.modules.keys()))\n"
        f"main({arguments!r})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout.splitlines()[-1] == "loaded"


@pytest.mark.slow
def test_an_output_that_lacks_a_name_s_letters_gets_their_codes(home: Path) -> None:
    commit(home, replace(BOB, name="b\u014db"))
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    for arguments, status in ((["contacts"], 0), (["verify", id_of_(BOB)], 1), (["block", id_of_(BOB)], 0)):
        done = subprocess.run(
            [*SIMP, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        assert (done.returncode, b"Traceback" in done.stderr, rb"b\u014db" in done.stdout) == (status, False, True)


def test_a_damaged_store_is_told_with_what_to_do(home: Path) -> None:
    (home / "store.db").write_bytes(b"nonsense" * 1000)
    told = simp("contacts", status=1).stderr
    assert "is damaged" in told
    assert "simp restore" in told
    assert (home / "store.db").read_bytes() == b"nonsense" * 1000


def test_an_earlier_name_still_means_a_contact_and_is_told(home: Path) -> None:
    """A script that connects under another name renames its person."""
    commit(home, BOB, Reached(BOB.key, "reporter", BOB.address))
    done = simp("verify", "Bob", "--yes")
    assert done.stdout == "reporter is verified.\n"
    assert done.stderr == f"reporter ({id_of_(BOB)[:16]}) was called 'Bob' before.\n"
    assert simp("verify", "reporter", "--yes").stderr == ""
    commit(home, EVE)  # and now calls itself so
    told = simp("verify", "bob", "--yes", status=1).stderr
    assert f"{id_of_(BOB)}  reporter, called so before" in told
    assert f"{id_of_(EVE)}  bob" in told


def test_blocked_or_not_is_enough_to_tell_whom_a_block_means(home: Path) -> None:
    commit(home, BOB, EVE)
    simp("block", id_of_(EVE))
    assert "may mean 2 contacts" in simp("verify", "bob", "--yes", status=1).stderr
    simp("block", "--undo", "bob")
    assert {each.trust for each in contacts(home).values()} == {Trust.NEW}
    simp("block", id_of_(EVE))
    simp("block", "bob")
    assert {each.trust for each in contacts(home).values()} == {Trust.BLOCKED}
    assert "may mean 2 contacts" in simp("block", "--undo", "bob", status=1).stderr


@pytest.mark.parametrize(
    ("answer", "trust"), [(b"n\n", "new"), (b" No", "new"), (b"\n", "verified"), (b"", "verified")]
)
def test_whoever_says_that_words_differ_takes_verified_away(home: Path, answer: bytes, trust: str) -> None:
    commit(home, BOB, Trusted(BOB.key, Trust.NEW, Trust.VERIFIED))
    told = simp("verify", "bob", stdin=answer, status=1).stderr
    assert contacts(home)[BOB.key].trust == trust
    assert ("bob isn't verified any more" if trust == "new" else "bob stays verified") in told
    assert (f"simp block {id_of_(BOB)[:16]}" in told) == (trust == "new")


def test_a_contact_with_new_keys_who_calls_first_takes_the_old_one_s_place(home: Path) -> None:
    """Nobody has answered where bob was: the new machine has called, and is another contact of that name."""
    new = replace(EVE, address=("192.0.2.9", 7777))
    commit(home, BOB, Trusted(BOB.key, Trust.NEW, Trust.VERIFIED), new)
    assert id_of_(EVE) in simp("trust", "bob", id_of_(EVE), status=1).stderr
    told = simp("trust", id_of_(BOB), id_of_(EVE)[:16]).stdout
    assert told == f"bob has that key now. To be sure that nobody is in between: simp verify {id_of_(EVE)[:16]}\n"
    there = contacts(home)
    assert (there[BOB.key].replaced_by, there[EVE.key].trust) == (EVE.key, Trust.NEW)
    (line,) = simp("contacts").stdout.splitlines()
    assert (id_of_(EVE)[:16] in line, "192.0.2.9:7777" in line) == (True, True)


def test_contacts_of_one_name_are_told_with_what_to_do(home: Path) -> None:
    commit(home, BOB, CAROL)
    assert len(simp("contacts").stdout.splitlines()) == 2
    commit(home, EVE)
    *_, same, ask = simp("contacts").stdout.splitlines()
    assert same == "! 2 contacts are called bob, each with another key. Whoever took bob's name: simp block THAT-ID"
    assert ask.endswith(
        f"not in a chat, what simp identity shows there, and type: simp trust {id_of_(BOB)[:16]} THAT-ID"
    )
    simp("block", id_of_(EVE))
    assert len(simp("contacts").stdout.splitlines()) == 3


def test_what_says_no_other_key_decides_nothing_and_is_told_with_what_to_do(home: Path) -> None:
    commit(home, BOB, Trusted(BOB.key, Trust.NEW, Trust.VERIFIED), CAROL)
    assert "bob has that key already" in simp("trust", "bob", id_of_(BOB), status=1).stderr
    told = simp("trust", "bob", id_of_(EVE), status=1).stderr
    assert "nobody with that id has answered where bob was, or has chatted with you" in told
    assert "chat with bob" in told
    simp("block", "carol")
    assert "carol is blocked" in simp("trust", "bob", id_of_(CAROL), status=1).stderr
    assert contacts(home)[BOB.key].trust is Trust.VERIFIED
