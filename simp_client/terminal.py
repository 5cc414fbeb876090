"""The client at a terminal: one line to type in, with what happens above it and the state below it."""

import sys
from typing import TYPE_CHECKING, Final

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.styles import Style

from simp_client import view
from simp_client.dialogue import Dialogue, Question
from simp_client.prompt import State
from simp_client.view import Text

if TYPE_CHECKING:
    from simp_client.runner import Runner

_STYLE: Final = Style.from_dict(
    {
        "name": "bold ansigreen",
        "notice": "ansicyan",
        "error": "ansired",
        "label": "bold",
        "bottom-toolbar": "noreverse ansicyan",
    }
)


class Terminal:
    """Prints above the line that is being typed, whose label is the question of the moment."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._encoding = sys.stdout.encoding
        self._session: PromptSession[str] = PromptSession(
            message=lambda: FormattedText([("class:label", self._fit(self._dialogue.label))]),
            bottom_toolbar=lambda: FormattedText([("", self._fit(self._dialogue.bar))]),
            style=_STYLE,
        )

    def show(self, texts: list[Text | Question]) -> None:
        """Prints them in one go. A question is shown as the label alone."""
        fragments = FormattedText()
        for text in texts:
            if not isinstance(text, Question):
                fragments += [(f"class:{style}" if style else "", self._fit(words)) for style, words in text]
                fragments.append(("", "\n"))
        if fragments:  # above the line being typed, which is drawn again
            print_formatted_text(fragments, style=_STYLE, end="")
        self._session.app.invalidate()

    async def run(self, runner: "Runner") -> None:
        """Reads lines until the end has begun. A pasted text is as many lines as it has."""
        while self._dialogue.state not in (State.QUITTING, State.ENDED):
            try:
                text = await self._session.prompt_async()
            except EOFError:
                runner.end_input()
            except KeyboardInterrupt:
                runner.interrupt()
            else:
                for line in text.split("\n"):
                    runner.type_line(line)

    def _fit(self, words: str) -> str:
        return view.fit(words, self._encoding)
