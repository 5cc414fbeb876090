"""What commands take: options that several of them have, and how values are read."""

import math
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from simp_proto.address import Address, parse_address
from simp_proto.constants import CLIENT_PORT, DAEMON_PORT, Framing
from simp_proto.errors import AddressError
from simp_proto.udp import address_of, resolved

_Command = TypeVar("_Command", bound=Callable[..., object])


class Number(click.FloatRange):
    """A number within bounds. Range checks let nan through, which would then mean no time at all, or for ever."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        least, most = self.min or 0, self.max or math.inf
        if not least <= number <= most:
            self.fail(f"read {str(value)!r}, expected a number from {least:g} to {most:g}", param, ctx)
        return number


class Whole(click.IntRange):
    """A whole number within bounds."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number: int = super().convert(value, param, ctx)
        except click.BadParameter:
            bounds = f"from {self.min} on" if self.max is None else f"from {self.min} to {self.max}"
            self.fail(f"read {str(value)!r}, expected a whole number {bounds}", param, ctx)
        return number


PORT: Final = Whole(1, 65_535)


class _Framing(click.Choice):  # type: ignore[type-arg]  # not generic before Click 8.2
    """A framing by its name."""

    def __init__(self) -> None:
        super().__init__([framing.value for framing in Framing])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return Framing(super().convert(value, param, ctx))


def framing_option(help_text: str | None = None, default: Framing | None = None) -> Callable[[_Command], _Command]:
    """`--framing`, as a `Framing`."""
    told = default and default.value
    return click.option("--framing", type=_Framing(), default=told, show_default=bool(told), help=help_text)


def client_port_option(help_text: str) -> Callable[[_Command], _Command]:
    """`--client-port`."""
    return click.option("--client-port", type=PORT, default=CLIENT_PORT, show_default=True, help=help_text)


def discovery_option(help_text: str) -> Callable[[_Command], _Command]:
    """`--discovery`, which the environment can set for all commands."""
    return click.option(
        "--discovery",
        type=click.Choice(["everyone", "contacts", "off"]),
        default="everyone",
        show_default=True,
        envvar="SIMP_DISCOVERY",
        help=help_text,
    )


def rate(text: str) -> float:
    """`20%` or `0.2`, as a fraction; raises `BadParameter`."""
    try:
        rate = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        rate = math.nan
    if not 0 <= rate <= 1:
        raise click.BadParameter(f"read {text!r}, expected 0% to 100%, such as 20% or 0.2")
    return rate


def address(
    text: str, default_port: int = DAEMON_PORT, *, name: str | None = None, option: str | None = None
) -> Address:
    """`IP` or `IP:port`; raises `UsageError`. No Click type, since the default port may be the value of `option`."""
    try:
        read = parse_address(text, default_port)
        if option and read[1] != default_port and _is_typed(option):
            raise AddressError(f"read {text!r} and {option} {default_port}, expected one port: leave one of them out")
        return address_of(resolved(read)) if "%" in read[0] else read  # with its interface by name
    except AddressError as error:
        why = str(error)
    except OSError:
        why = f"read {text!r}, expected the name or number of an interface of this host after the %"
    raise click.BadParameter(why, param_hint=name) if name else click.UsageError(why)


def _is_typed(option: str) -> bool:
    source = click.get_current_context().get_parameter_source(option.lstrip("-").replace("-", "_"))
    return source is not None and source is not ParameterSource.DEFAULT


def hexadecimal(text: str, name: str) -> bytes:
    """Digits, two a byte, with or without 0x; raises `BadParameter` with the parameter's name."""
    digits = text.lower().removeprefix("0x")
    if not digits or len(digits) % 2 or not all(digit in "0123456789abcdef" for digit in digits):
        raise click.BadParameter(f"read {text!r}, expected hexadecimal digits, two a byte", param_hint=name)
    return bytes.fromhex(digits)
