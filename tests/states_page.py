"""The page of both state tables: `python -m tests.states_page > spec/states.md`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

from simp_daemon.peers import states
from simp_daemon.peers.sealed import call, call_states


def render() -> Iterator[str]:
    """The lines of `spec/states.md`."""
    yield "# The states of a conversation"
    yield ""
    yield "Generated from the daemon's own table by `python -m tests.states_page`; section 7 of"
    yield "[`simp.md`](simp.md) says what each action is. A dot: nothing changes; a datagram is ignored, a person"
    yield "is told."
    yield from _rendered(states.TABLE, states.State, states.Input)
    yield ""
    yield "## The states of a call of SIMP/2"
    yield ""
    yield "Section 4 of [`simp2.md`](simp2.md) says when each input is one. A *first* SYN is one whose `e` is of no"
    yield "call that is on or remembered."
    yield from _rendered(call_states.TABLE, call.State, call_states.Input)
    yield ""
    yield "| action | does |"
    yield "|---|---|"
    used = {
        action.__name__: action.__doc__
        for row in call_states.TABLE.values()
        for cell in row.values()
        for action in cell[0]
    }
    for name, does in used.items():
        yield f"| {name.replace('_', ' ')} | {does} |"


def _rendered(table: Mapping[Any, Mapping[Any, Any]], of: type[Enum], inputs: type[Enum]) -> Iterator[str]:
    """A table, and its picture."""
    yield ""
    yield "| state | meaning |"
    yield "|---|---|"
    for state in of:
        yield f"| {state.name} | {state.value} |"
    yield ""
    yield "| input | " + " | ".join(state.name for state in of) + " |"
    yield "|---|" + "---|" * len(of)
    for what in inputs:
        cells = []
        for state in of:
            cells.append(_described(*table[state][what]) if what in table[state] else "·")
        yield f"| {what.value} | " + " | ".join(cells) + " |"
    yield ""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    [*] --> IDLE"
    arrows: dict[tuple[Enum, Enum], list[str]] = {}
    for state, row in table.items():
        for what, (_, then) in row.items():
            if state is not then:
                arrows.setdefault((state, then), []).append(what.name)
    for (state, then), whats in arrows.items():
        yield f"    {state.name} --> {then.name}: {', '.join(whats)}"
    yield "```"


def _described(actions: Iterable[Callable[..., None]], then: Enum) -> str:
    named = ", ".join(action.__name__.replace("_", " ") for action in actions)
    return f"{named} → {then.name}".strip()


if __name__ == "__main__":
    print("\n".join(render()))
