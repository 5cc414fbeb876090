"""Addresses as people write them."""

import socket
from contextlib import suppress
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simp_proto.address import Address, format_address, parse_address, with_interface
from simp_proto.errors import AddressError
from simp_proto.udp import address_of, resolved


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1", ("127.0.0.1", 7777)),
        (" 192.168.1.20 ", ("192.168.1.20", 7777)),
        ("127.0.0.1:1", ("127.0.0.1", 1)),
        ("127.0.0.1:65535", ("127.0.0.1", 65535)),
        ("::1", ("::1", 7777)),
        ("[::1]", ("::1", 7777)),
        ("[::1]:9", ("::1", 9)),
        ("fe80:0:0::1%eth0", ("fe80::1%eth0", 7777)),
        ("[2001:DB8::1]:7000", ("2001:db8::1", 7000)),
    ],
)
def test_read(text: str, address: Address) -> None:
    assert parse_address(text, 7777) == address
    assert parse_address(format_address(address), 1) == address


def test_an_interface_is_the_same_by_name_and_by_number() -> None:
    name = socket.if_indextoname(1)
    for text in ("fe80::1%1", "[fe80::1%1]:7777", f"FE80::1%{name}"):
        assert parse_address(text, 7777) == address_of(("fe80::1", 7777, 0, 1)) == (f"fe80::1%{name}", 7777)
    assert parse_address("fe80::1%4000000", 7777) == ("fe80::1%4000000", 7777)  # there is none


def test_an_interface_where_it_means_nothing_is_dropped() -> None:
    assert parse_address("[2001:db8::1%1]:7777", 7777) == ("2001:db8::1", 7777)
    assert parse_address("::1%lo", 7777) == ("::1", 7777)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "1.2.3",
        "1.2.3.4:",
        "1.2.3.4:0",
        "1.2.3.4:65536",
        "1.2.3.4:+1",
        "1.2.3.4:٣",
        "[::1",
        "[::1]7",
        "::g",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(AddressError) as refused:
        parse_address(text, 7777)
    assert "expected" in str(refused.value)
    assert repr(text) in str(refused.value)


LINK_LOCAL = ip_network("fe80::/10")
ADDRESSES = st.ip_addresses().filter(lambda ip: ip.version == 4 or ip not in LINK_LOCAL).map(str)


@given(ADDRESSES | st.ip_addresses(network="fe80::/10").map("{}%eth0".format), st.integers(1, 65535))
def test_every_address_is_read_back(host: str, port: int) -> None:
    assert parse_address(format_address((host, port)), 1) == (host, port)


NEAR = st.builds(
    "{}%{}{}".format,
    st.sampled_from(["fe80::1", "[fe80::1", "fe80:1111:2222:3333:4444:5555:6666:7777", "::1", "1.2.3.4"]),
    st.text("0ae.-_%:]\0é\ud800\n", max_size=40),
    st.sampled_from(["", "]", "]:7777"]),
)
"""Texts with an interface that may be none."""


@given(st.text(st.characters(exclude_categories=()), max_size=40) | NEAR)
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    try:
        host, port = parse_address(text, 7777)
    except AddressError:
        return
    assert 1 <= port <= 65535
    assert host
    with suppress(OSError):  # there may be no such interface
        resolved((host, port))
        assert parse_address(format_address((host, port)), 1) == (host, port)


@given(st.text(st.characters(exclude_categories=()), max_size=40) | NEAR)
def test_any_text_is_without_an_interface_or_with_one(text: str) -> None:
    assert with_interface(with_interface(text)) == with_interface(text)


@pytest.mark.parametrize("text", ["fe80::1%..", "fe80::1%a..b", "[fe80::1%]", "fe80::1%" + 16 * "a", "fe80::1%é"])
def test_what_is_no_interface_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="expected an interface's name or number after the %"):
        parse_address(text, 7777)


@pytest.mark.parametrize("text", ["fe80::1", "[fe80::1]:7777", "FE80::A", "febf::1", "fe80::1%0"])
def test_an_address_that_each_link_has_wants_its_interface(text: str) -> None:
    with pytest.raises(AddressError, match=r"its interface as well, such as fe[8b][0f]::[1a]%eth0"):
        parse_address(text, 7777)


@pytest.mark.parametrize("text", ["localhost", "LocalHost", "localhost:7777", " localhost"])
def test_whoever_says_localhost_is_told_its_address(text: str) -> None:
    with pytest.raises(AddressError, match=r"localhost is 127\.0\.0\.1"):
        parse_address(text, 7777)
