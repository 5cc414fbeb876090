"""The client at a terminal: one line to type in, with what happens above it and the state below it.

One `Application` runs from start to end, on the terminal's own screen. What is to be printed waits in one queue, which
is emptied inside the render pass: there the live rows are erased, the queue written in their place, and the live rows
drawn again, in one write. Nothing else writes to the terminal and nothing waits for its answers, so that whatever its
latency each text is printed once and in order.
"""

import os
import re
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import HSplit, Layout, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.layout.screen import Screen
from prompt_toolkit.output import Output, create_output
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.renderer import print_formatted_text
from prompt_toolkit.styles import Style

from simp_client import view
from simp_client.dialogue import Dialogue
from simp_client.prompt import Ask
from simp_client.view import Text

if TYPE_CHECKING:
    from simp_client.runner import Runner

_STYLE: Final = Style.from_dict(
    {
        "name": "bold ansigreen",
        "notice": "ansicyan",
        "error": "ansired",
        "label": "bold",
        "bar": "ansicyan",
    }
)
_REDRAW_INTERVAL: Final = 0.025
"""Seconds in which any number of changes are one redraw."""
_CONFIRMED_LINES: Final = 5
"""A text of more lines is sent by a second Enter."""
_MOST_ROWS: Final = 5
_REWRAPS: Final = not (os.environ.get("XTERM_VERSION") or os.environ.get("STY") or os.environ.get("TERM") == "linux")
"""Whether the terminal wraps its rows anew when its width changes; xterm, GNU screen and the Linux console don't."""
_UNSURE: Final = re.compile("[\u200d\ufe0f\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff]")
"""What joins characters into one whose width terminals disagree on; rows with it are erased before each drawing."""
_SYNCHRONIZED: Final = "\x1b[?2026h\x1b[?25l", "\x1b[?2026l"


class SynchronizedOutput:
    """An output that lets what is written between `hold` and `release` out as one write.

    It wraps what `create_output` gives, so that it is the same on every system.
    """

    responds_to_cpr = False
    """Nothing waits for the terminal to say where its cursor is."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._held = False
        self._pastes = False
        self._synchronizes = isinstance(output, Vt100_Output)
        self._drawn: tuple[int, int, Screen] | None = None  # the columns, the cursor's, and what was drawn in them

    def __getattr__(self, name: str) -> Any:
        return getattr(self._output, name)

    def hold(self) -> None:
        if not self._held:
            self._output.flush()
            self._held = True
            if self._synchronizes:
                self._output.write_raw(_SYNCHRONIZED[0])

    def release(self) -> None:
        if self._held:
            if self._synchronizes:
                self._output.write_raw(_SYNCHRONIZED[1])
            self._held = False
            self._output.flush()

    def drawn(self, cursor: int, screen: Screen | None) -> None:
        """That is on the terminal now, with the cursor in that column."""
        self._drawn = (self._output.get_size().columns, cursor, screen) if screen else None

    def cursor_up(self, amount: int) -> None:
        """So many rows, and those that a terminal that has become narrower made of them."""
        columns = self._output.get_size().columns
        if _REWRAPS and self._drawn and columns < self._drawn[0]:
            _, cursor, screen = self._drawn
            for y in range(amount + 1):
                cells = ((x, cell) for x, cell in screen.data_buffer[y].items() if y < amount or x < cursor)
                end = max((x + cell.width for x, cell in cells if cell.char.strip()), default=0)
                amount += max(0, end - 1) // columns
        self._drawn = None
        self._output.cursor_up(amount)

    def erase_down(self) -> None:
        """From the cursor, in column 0. tmux takes one in the corner for the wish to keep the screen's rows."""
        self._output.erase_end_of_line()
        self._output.cursor_forward(1)
        self._output.erase_down()
        self._output.cursor_backward(1)

    def flush(self) -> None:
        """Not while it is held."""
        if not self._held:
            self._output.flush()

    def enable_bracketed_paste(self) -> None:
        """Once; whoever erases the live rows would have it switched off and on again."""
        if not self._pastes:
            self._pastes = True
            self._output.enable_bracketed_paste()

    def disable_bracketed_paste(self) -> None:
        """Only `close` does."""

    def close(self) -> None:
        """The terminal is somebody else's from here on."""
        self.release()
        if self._pastes:
            self._pastes = False
            self._output.disable_bracketed_paste()
            self._output.flush()


class Terminal:
    """Prints above the line that is being typed, whose label is the question of the moment."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._encoding = sys.stdout.encoding
        self._feed: deque[Text] = deque()
        self._seen = dialogue.ask  # what is drawn before the line
        self._asked: Ask | None = None  # the same, when the typing of what stands there began
        self._staged = ""  # a long text for which Enter was pressed once
        self._pasting = False
        self._runner: Runner | None = None
        self._out = SynchronizedOutput(create_output())
        self._buffer = Buffer(multiline=True, history=InMemoryHistory(), accept_handler=self._accept)
        self._buffer.on_text_changed += self._typed
        self._line = Window(
            BufferControl(self._buffer, [BeforeInput(self._label)]),
            height=Dimension(min=1, max=_MOST_ROWS),
            wrap_lines=True,
            dont_extend_height=True,
        )
        bar = Window(FormattedTextControl(self._bar), height=1, wrap_lines=False)
        self._app: Application[None] = Application(
            Layout(HSplit([self._line, bar]), focused_element=self._line),
            key_bindings=self._keys(),
            style=_STYLE,
            output=cast("Output", self._out),
            erase_when_done=True,
            min_redraw_interval=_REDRAW_INTERVAL,
        )
        self._app.before_render += lambda _: self._print()
        self._app.after_render += lambda _: self._drawn()

    def show(self, texts: list[Text | Ask]) -> None:
        """Puts them into the queue. A question that is asked all the time is shown as the label alone."""
        for text in texts:
            if not isinstance(text, Ask):
                self._feed.append(text)
            elif text.news:
                self._feed.append(view.notice(text.news))
        self._app.invalidate()

    async def run(self, runner: "Runner") -> None:
        """Reads lines until cancelled, which prints what still waits and erases the live rows."""
        self._runner = runner
        try:
            await self._app.run_async(set_exception_handler=False, handle_sigint=False)
        except EOFError:  # the terminal is gone
            runner.interrupt()
        finally:
            self._out.close()

    # -- what is drawn

    def _label(self) -> FormattedText:
        return FormattedText([("class:label", self._fit((self._asked or self._dialogue.ask).label))])

    def _bar(self) -> FormattedText:
        columns = self._out.get_size().columns
        words = self._dialogue.bar(columns)
        if others := self._buffer.text.strip("\n").count("\n"):
            again = " again" if self._staged else ""
            words = f" Enter{again} sends {others + 1} lines as one message · Ctrl-C discards them "
        return FormattedText([("class:bar", self._fit(words)[: columns - 1])])

    def _print(self) -> None:
        """Writes what waits in the place of the live rows, which are drawn again right after."""
        if not self._feed and not _UNSURE.search(self._buffer.text):
            return
        self._out.hold()
        self._app.renderer.erase()
        columns = self._out.get_size().columns
        fragments = FormattedText()
        while self._feed:
            text = self._feed.popleft()
            fitting = view.indent(tuple((style, self._fit(words)) for style, words in text), columns)
            fragments += [(f"class:{style}" if style else "", words) for style, words in fitting]
            fragments.append(("", "\n"))
        print_formatted_text(cast("Output", self._out), fragments, _STYLE, color_depth=self._app.color_depth)

    def _drawn(self) -> None:
        screen = self._app.renderer.last_rendered_screen
        self._out.drawn(screen.get_cursor_position(self._line).x if screen else 0, screen)
        self._out.release()
        self._seen = self._dialogue.ask

    def _fit(self, words: str) -> str:
        return view.fit(words, self._encoding)

    # -- what is typed

    def _typed(self, buffer: Buffer) -> None:
        """The draft has changed; a line is for what was asked when its typing began."""
        self._staged = ""
        if not buffer.text:
            self._asked = None
        elif self._asked is None and self._runner:
            self._asked = self._runner.meant(self._seen)

    def _accept(self, buffer: Buffer) -> bool:
        text = buffer.text
        if text.count("\n") >= _CONFIRMED_LINES and self._staged != text:
            self._staged = text
            return True
        assert self._runner
        ask = self._asked or self._runner.meant(self._seen)
        self._asked, self._staged = None, ""  # emptying the buffer tells nobody
        if text.strip():
            self._feed.append(view.typed(ask.label, text.removesuffix("\n")))
        self._runner.type_line(text, ask)
        return False

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add(Keys.Enter)
        def _(event: KeyPressEvent) -> None:
            """Without bracketed paste, a pasted text comes as many of these in one read; then they are newlines.

            So are those of whoever types ahead of a slow line: nothing is sent before another Enter, as the bar says.
            """
            more = sum(press.key == Keys.Enter for press in event.app.key_processor.input_queue)
            pasted = self._buffer.text and (more >= 2 or self._pasting)
            self._pasting = bool(pasted and more)
            if pasted:
                self._buffer.insert_text("\n")
            else:
                self._buffer.validate_and_handle()

        @keys.add(Keys.Escape, Keys.Enter)
        def _(event: KeyPressEvent) -> None:
            self._buffer.insert_text("\n")

        @keys.add(Keys.ControlC)
        def _(event: KeyPressEvent) -> None:
            """Discards the draft; where there is none, it is the end."""
            if self._buffer.text:
                self._buffer.reset()
                self._asked, self._staged = None, ""
                self._feed.append(view.notice("Discarded. Another Ctrl-C ends the program."))
            elif self._runner:
                self._runner.interrupt()

        @keys.add(Keys.ControlD)
        def _(event: KeyPressEvent) -> None:
            if self._buffer.text:
                self._buffer.delete()
            elif self._runner:
                self._runner.end_input()

        @keys.add(Keys.ControlZ)
        def _(event: KeyPressEvent) -> None:
            self._out.close()
            event.app.suspend_to_background()

        # By what a person takes for a character: half a flag or half a family is none.
        @keys.add(Keys.Backspace)
        def _(event: KeyPressEvent) -> None:
            self._buffer.delete_before_cursor(view.last_character(self._buffer.document.text_before_cursor))

        @keys.add(Keys.Delete)
        def _(event: KeyPressEvent) -> None:
            self._buffer.delete(view.first_character(self._buffer.document.text_after_cursor))

        @keys.add(Keys.Left)
        def _(event: KeyPressEvent) -> None:
            self._buffer.cursor_position -= view.last_character(self._buffer.document.text_before_cursor)

        @keys.add(Keys.Right)
        def _(event: KeyPressEvent) -> None:
            self._buffer.cursor_position += view.first_character(self._buffer.document.text_after_cursor)

        @keys.add(Keys.PageUp)
        @keys.add(Keys.PageDown)
        def _(event: KeyPressEvent) -> None:
            """The terminal scrolls; what was typed before doesn't come back by accident."""

        return keys
