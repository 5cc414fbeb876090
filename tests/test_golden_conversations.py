"""The golden conversations, replayed as each party that is one of ours (spec/conversations.toml)."""

import tomllib
from dataclasses import fields
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from simp_daemon.events import ErrorReceived, Event
from simp_proto.address import Address, parse_address
from simp_proto.constants import Framing
from tests.driven import Endpoint

GOLDEN = tomllib.loads((Path(__file__).parent.parent / "spec" / "conversations.toml").read_text("utf-8"))[
    "conversation"
]
TOLERANCE = 0.1
"""Seconds: conversations that were recorded from the wire have its delays in them."""

REPLAYS: list[tuple[dict[str, Any], str]] = [
    (conversation, who)
    for conversation in GOLDEN
    for who, party in conversation["parties"].items()
    if not party.get("foreign") and not party.get("scripted")
]

Output = tuple[float, str]


class Replay:
    """One party: is given its person's acts and what reaches it, and notes what it sends and tells."""

    def __init__(self, conversation: dict[str, Any], who: str) -> None:
        self.parties: dict[str, dict[str, Any]] = conversation["parties"]
        self.addresses: dict[str, Address] = {
            letter: parse_address(party["address"], 7777) for letter, party in self.parties.items()
        }
        framing = self.parties[who].get("framing")
        self.endpoint = Endpoint(Framing(framing) if framing else None)
        self.endpoint.user = self.parties[who]["user"]
        self.outputs: list[Output] = []
        self.messages = 0

    def run(self, inputs: list[tuple[float, dict[str, Any]]], until: float) -> None:
        for at, step in inputs:
            self._wait(at)
            self._input(step, at)
            self._note(at)
        self._wait(until)

    def _wait(self, until: float) -> None:
        while (timer := self.endpoint.get_timer()) is not None and timer <= until:
            self.endpoint.handle_timer(timer)
            self._note(timer)

    def _input(self, step: dict[str, Any], at: float) -> None:
        match step.get("does"):
            case None:
                self.endpoint.receive(bytes.fromhex(step["hex"]), self.addresses[step["who"]], at)
            case "say":
                self.messages += 1
                self.endpoint.say_to_partner(self.messages, step["text"], at)
            case act:
                getattr(self.endpoint, act)(self.addresses[step["to"]], at)

    def _note(self, at: float) -> None:
        for data, destination in self.endpoint.datagrams_to_send():
            self.outputs.append((at, f"to {self._letter(destination)}: {data.hex()}"))
        while event := self.endpoint.next_event():
            self.outputs.append((at, described(event)))

    def _letter(self, address: Address) -> str:
        return next(letter for letter, each in self.addresses.items() if each == address)


def described(event: Event) -> str:
    """The event as `expected` writes it; addresses and the words of refusals are left out."""
    details = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if field.name not in ("peer", "detail", "here", "security", "logged", "said", "request"):
            details[field.name] = value.name if isinstance(value, Enum) else value
    if isinstance(event, ErrorReceived):
        details["text"] = event.said + event.text
    return f"{type(event).__name__} {sorted(details.items())}"


def expected(step: dict[str, Any]) -> str:
    """The step as `described` and the notes write what happens."""
    if "hex" in step:
        return f"to {step['to']}: {step['hex']}"
    details = {key: value for key, value in step.items() if key not in ("at", "who", "hears", "detail")}
    return f"{step['hears']} {sorted(details.items())}"


def split(conversation: dict[str, Any], who: str) -> tuple[list[tuple[float, dict[str, Any]]], list[Output]]:
    """What the party is given, in the order of its arrival, and what it must answer."""
    inputs, outputs = [], []
    for step in conversation["steps"]:
        if step["who"] == who and "does" not in step:
            outputs.append((step["at"], expected(step)))
        elif step["who"] == who:
            inputs.append((step["at"], step))
        elif step.get("to") == who and "hex" in step:
            copies = {"lost": 0, "twice": 2}.get(step.get("network", ""), 1)
            inputs += [(step["at"] + conversation["latency"], step)] * copies
    return sorted(inputs, key=lambda each: each[0]), outputs


@pytest.mark.parametrize(("conversation", "who"), REPLAYS, ids=[f"{each['name']} as {who}" for each, who in REPLAYS])
def test_golden_conversation(conversation: dict[str, Any], who: str) -> None:
    inputs, outputs = split(conversation, who)
    replay = Replay(conversation, who)
    replay.run(inputs, until=conversation["steps"][-1]["at"] + 0.01)  # times are rounded
    sends = [what for _, what in replay.outputs if what.startswith("to ")]
    assert sends == [what for _, what in outputs if what.startswith("to ")]
    hears = [what for _, what in replay.outputs if not what.startswith("to ")]
    assert hears == [what for _, what in outputs if not what.startswith("to ")]
    for (at, what), (due, _) in zip(sorted(replay.outputs), sorted(outputs), strict=True):
        assert abs(at - due) <= TOLERANCE, what


def test_every_conversation_can_be_replayed_by_somebody() -> None:
    assert len(GOLDEN) >= 20
    assert {conversation["name"] for conversation in GOLDEN} == {conversation["name"] for conversation, _ in REPLAYS}
