"""How long an answer takes on a path, and so when to stop waiting for it (RFC 6298, RFC 9002 6.1.2)."""

from typing import Final

FIRST_TIMEOUT: Final = 1.0
GRANULARITY: Final = 0.01
"""What is allowed for a peer's disk, however even the path."""
MAX_TIMEOUT: Final = 5.0
PATIENCE: Final = 2
"""So many timeouts in a row are taken for chance; after that the path is taken to be jammed (spec 7.6)."""


class RoundTrip:
    """Seconds."""

    def __init__(self) -> None:
        self._smoothed = self._variation = 0.0
        self._timeout = FIRST_TIMEOUT

    def measure(self, sample: float) -> None:
        """One from a record to its answer."""
        if not self._smoothed:
            self._smoothed, self._variation = sample, sample / 2
        else:
            self._variation += (abs(self._smoothed - sample) - self._variation) / 4
            self._smoothed += (sample - self._smoothed) / 8
        self._timeout = self._smoothed + max(4 * self._variation, GRANULARITY)

    def timeout(self, silences: int) -> float:
        """After which nothing in flight is still waited for, if so many timeouts in a row came before."""
        doublings = min(max(silences - PATIENCE, 0), 10)
        return min(self._timeout * 2.0**doublings, MAX_TIMEOUT)

    @property
    def patience(self) -> float:
        """After which a record isn't still waited for, if a later one was answered."""
        return self._smoothed * 9 / 8
