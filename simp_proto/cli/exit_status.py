"""Exit statuses."""

from enum import IntEnum, unique


@unique
class ExitStatus(IntEnum):
    """The exit status of every command of `simp`. spec/guide/scripting.md, `simp --help` and the manual pages show this
    table.
    """

    meaning: str

    def __new__(cls, value: int, meaning: str) -> "ExitStatus":
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    SUCCESS = 0, "Success; what was examined is valid."
    FAILURE = 1, "Something failed, or what was examined is not valid."
    USAGE = 2, "Wrong usage: an unknown command or option, or an invalid value."
    """The status that Click itself uses."""
    NOBODY = 3, "Nobody is here."
    INTERRUPTED = 130, "Interrupted by Ctrl-C. A command meant to run until Ctrl-C, such as simp daemon, exits with 0."
