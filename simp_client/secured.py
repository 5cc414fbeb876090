"""How a chat is secured, in words (client 4.3). Pure.

They follow an address or begin a row, where no name goes, and a name that has them in it is in quotes (`view`).
"""

from typing import Final

from simp_client import view
from simp_client.events import Other
from simp_client.view import Text

_ASKS: Final = {
    "verified": ", encrypted and verified",
    "encrypted": ", encrypted",
    "clear": ", in the clear",
    "claimed": ". Careful: this may not be who you know by that name or address",
    "clear-claimed": ", in the clear. Careful: this may not be who you know by that name or address",
}


def wants(request: Other, own: str) -> str:
    """Who wants to chat, and what that request shows."""
    return f"{view.title(request, own)} wants to chat{_ASKS.get(request.secured or '', '')}"


def marks(partner: Other) -> tuple[str, str]:
    """That of a chat, for the bar, in full and in short; empty where nothing is known."""
    mark = view.MARKS.get(partner.secured or "", "")
    return f"{mark}, {view.LOGGED}" if partner.logged else mark, mark


def explain(partner: Other, own: str) -> list[Text]:
    """What it means for a chat with that partner."""
    logged = "Your daemon writes the keys of this chat to a file (--key-log): whoever reads that can read the chat."
    return [_explain(partner, own), *([view.error(logged)] if partner.logged else [])]


def _explain(partner: Other, own: str) -> Text:
    who = view.short_title(partner, own)
    match partner.secured:
        case "verified":
            return view.notice("Encrypted and verified.")
        case "encrypted":
            name = partner.name if view.is_word(partner.name) else "with a name of `simp contacts`"
            return view.notice(
                f"Encrypted. To be sure that it is {who}, compare words (in another terminal): simp verify {name}"
            )
        case "claimed":
            which = "Encrypted, but make sure which one this is: simp contacts"
            return view.error(f"You know more than one {who}, each with another key. {which}")
    return view.error(f"In the clear: anyone on the network can read this, and write as {who}.")
