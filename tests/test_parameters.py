"""What commands take, each as somebody types it."""

import socket
import sys

import click
import pytest
from click.testing import CliRunner

from simp_proto.cli.parameters import PORT, Number, address, framing_option, hexadecimal, rate
from simp_proto.constants import Framing


@click.command()
@framing_option("Speak this.")
@click.option("--seconds", type=Number(0, 10))
@click.option("--port", type=PORT)
@click.option("--rate", type=rate)
def command(**given: object) -> None:
    click.echo(repr({name: value for name, value in given.items() if value is not None}))


@click.command()
@framing_option(default=Framing.TRAILER)
def forced(framing: Framing) -> None:
    click.echo(repr(framing))


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("", {}),
        ("--framing bare", {"framing": Framing.BARE}),
        ("--seconds 0.5", {"seconds": 0.5}),
        ("--port 65535", {"port": 65_535}),
        ("--rate 20%", {"rate": 0.2}),
        ("--rate 0.2", {"rate": 0.2}),
    ],
)
def test_what_is_right(typed: str, value: dict[str, object]) -> None:
    assert CliRunner().invoke(command, typed.split()).stdout == f"{value!r}\n"


@pytest.mark.parametrize(
    "typed", ["--framing BARE", "--framing x", "--seconds nan", "--seconds 11", "--port 0", "--rate nan", "--rate 101%"]
)
def test_what_is_wrong_is_wrong_usage(typed: str) -> None:
    result = CliRunner().invoke(command, typed.split())
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Invalid value for '{typed.split(maxsplit=1)[0]}': " in result.stderr


def test_a_framing_that_is_the_default() -> None:
    assert CliRunner().invoke(forced, []).stdout == f"{Framing.TRAILER!r}\n"
    assert "[default: trailer]" in CliRunner().invoke(forced, ["--help"]).stdout


def test_an_address_has_the_port_that_is_typed_or_else_the_usual_one() -> None:
    assert address("127.0.0.1") == ("127.0.0.1", 7777)
    assert address("127.0.0.1", 9) == ("127.0.0.1", 9)
    assert address("[::1]:10", 9) == ("::1", 10)
    with pytest.raises(click.UsageError, match=r"^read 'x', expected an IP address"):
        address("x")
    with pytest.raises(click.BadParameter) as raised:
        address("x", name="--listen")
    assert raised.value.format_message().startswith("Invalid value for --listen: read 'x', expected")


@click.command()
@click.argument("ip")
@click.option("--client-port", type=PORT, default=7778)
def attached(ip: str, client_port: int) -> None:
    click.echo(repr(address(ip, client_port, name="IP", option="--client-port")))


@pytest.mark.parametrize(
    ("typed", "port"),
    [
        ("127.0.0.1", 7778),
        ("127.0.0.1:9", 9),
        ("127.0.0.1 --client-port 9", 9),
        ("127.0.0.1:9 --client-port 9", 9),
        ("127.0.0.1:9 --client-port 7778", None),
        ("127.0.0.1:9 --client-port 8", None),
    ],
)
def test_two_ports_are_not_one(typed: str, port: int | None) -> None:
    result = CliRunner().invoke(attached, typed.split())
    if port:
        assert result.stdout == f"{('127.0.0.1', port)!r}\n"
    else:
        assert result.exit_code == 2
        assert f"read '127.0.0.1:9' and {typed.partition(' ')[2]}, expected one port" in result.stderr


def test_hexadecimal_digits_are_two_a_byte() -> None:
    assert hexadecimal("0x00fF", "--put") == b"\x00\xff"
    for text in ("", "0x", "0", "zz", "00 00"):
        with pytest.raises(click.BadParameter, match="two a byte"):
            hexadecimal(text, "--put")


@pytest.mark.skipif(sys.platform == "win32", reason="interfaces have no such names there")
def test_an_interface_is_known_by_its_name() -> None:
    name = socket.if_indextoname(1)
    assert address("fe80::1%1") == address(f"fe80::1%{name}") == (f"fe80::1%{name}", 7777)
    with pytest.raises(click.UsageError, match="read 'fe80::1%nowhere', expected the name or number of an interface"):
        address("fe80::1%nowhere")


@pytest.mark.parametrize("wrong", ["x", "", "nan", "inf", "-1", "11"])
def test_a_number_that_is_none_or_out_of_bounds(wrong: str) -> None:
    with pytest.raises(click.BadParameter, match=f"read '{wrong}', expected a number from 0 to 10"):
        Number(0, 10).convert(wrong, None, None)
