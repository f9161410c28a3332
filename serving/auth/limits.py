"""How much one caller may ask for: a bucket of tokens each, refilled by time."""

from __future__ import annotations

import math
import threading
from typing import Final

from serving.errors import ProblemError

BURST: Final = 2.0  # seconds' worth that may be asked for at once
REMEMBERED: Final = 10_000  # names; the longest silent are forgotten, and start with a full bucket


class Limits:
    """At most `rate` requests a second of each name, in this process.

    Parameters
    ----------
    rate : float
        Requests a second; zero means no limit.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._full = max(1.0, rate * BURST)
        self._left: dict[str, tuple[float, float]] = {}  # name: tokens, when
        self._lock = threading.Lock()

    def take(self, name: str, *, now: float) -> None:
        """Count one request of `name` at `now`, in seconds.

        Raises
        ------
        ProblemError
            429 where its bucket is empty, with the seconds after which there is something in it again.
        """
        if not self._rate:
            return
        with self._lock:
            left, at = self._left.pop(name, (self._full, now))
            left = min(self._full, left + max(0.0, now - at) * self._rate)
            self._left[name] = (max(0.0, left - 1.0) if left >= 1.0 else left, max(now, at))
            if len(self._left) > REMEMBERED:
                del self._left[next(iter(self._left))]
        if left < 1.0:
            wait = str(math.ceil((1.0 - left) / self._rate))
            detail = "Too many requests; wait as long as Retry-After says."
            raise ProblemError(429, "too_many_requests", detail, headers={"Retry-After": wait})
