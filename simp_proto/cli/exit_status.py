"""With what a command ends."""

from enum import IntEnum, unique


@unique
class ExitStatus(IntEnum):
    """The exit status of every command of `simp`. README.md, `simp --help` and the manual pages show this table."""

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitStatus":
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    SUCCESS = 0, "What was asked for is done, and what was looked at is right."
    FAILURE = 1, "Something failed, or what was looked at is wrong."
    USAGE = 2, "Wrong usage: no such command or option, or a value that can't be."
    """What Click ends with by itself."""
    INTERRUPTED = 130, "Ctrl-C came before it was done. What goes on until Ctrl-C, such as a daemon, ends with 0."
