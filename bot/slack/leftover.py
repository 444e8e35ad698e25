"""The room that Slack's limit on looking people up leaves, once those who wait for an answer are served."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

MINUTE = 60.0
UNHURRIED = 40
"""`users.info` is Slack's tier 4, a hundred calls a minute. One that nobody waits for is made where there were fewer than these
in the last minute; the rest is kept for people."""


class Leftover:
    """The look-ups of the last minute, whoever made them. `clock` is in monotonic seconds; `ahead` is by how many more the time
    was moved on, in a test."""

    ahead = 0.0

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asked: deque[float] = deque()

    def note(self) -> None:
        """Somebody is looked up."""
        self._asked.append(self._now())

    def room(self) -> int:
        """The number of people who may be looked up now, for whom nobody waits."""
        return max(0, UNHURRIED - self._in_last_minute())

    def wait(self) -> float:
        """The seconds until there is room; 0 where there is."""
        over = self._in_last_minute() - UNHURRIED
        return 0.0 if over < 0 else max(0.0, self._asked[over] + MINUTE - self._now())

    def _in_last_minute(self) -> int:
        while self._asked and self._asked[0] <= self._now() - MINUTE:
            self._asked.popleft()
        return len(self._asked)

    def _now(self) -> float:
        return self._clock() + self.ahead
