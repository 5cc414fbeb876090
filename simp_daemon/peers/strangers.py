"""What strangers may cost (spec 8.2)."""


class Allowance:
    """So many a second, and so many at the same time."""

    def __init__(self, rate: int, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._at: float | None = None

    def left(self, now: float) -> bool:
        """Whether one may be spent now."""
        if self._at is not None:
            self._left = min(self._burst, self._left + max(now - self._at, 0.0) * self._rate)
        self._at = now
        return self._left >= 1

    def spend(self, count: int) -> None:
        """May spend more than is left, which is then missing later."""
        self._left -= count
