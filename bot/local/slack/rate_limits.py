"""Slack's rate limits: calls per method and minute by tier, posts per channel and second."""

import math
from collections import defaultdict, deque
from dataclasses import dataclass, field

from bot.local.slack.journal import Clock

_MINUTE = 60.0


@dataclass
class RateLimits:
    """`extra` calls per minute and `channel_burst` posts at once are tolerated beyond the published figures."""

    enabled: bool = True
    channel_burst: int = 3
    extra: int = 0
    posts_per_minute: int = 300
    _calls: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)

    def retry_after(self, method: str, per_minute: int, channel: str | None, clock: Clock) -> int | None:
        """None when the call may pass, and counts it; else the seconds to wait."""
        if not self.enabled:
            return None
        now = clock()
        limit = self.posts_per_minute if method == "chat.postMessage" else per_minute + self.extra
        calls = self._calls[method]
        while calls and calls[0] <= now - _MINUTE:
            calls.popleft()
        if len(calls) >= limit:
            return max(1, math.ceil(calls[0] + _MINUTE - now))
        if method == "chat.postMessage" and channel is not None and not self._take_post(channel, now):
            return 1
        calls.append(now)
        return None

    def _take_post(self, channel: str, now: float) -> bool:
        tokens, at = self._buckets.get(channel, (float(self.channel_burst), now))
        tokens = min(float(self.channel_burst), tokens + max(0.0, now - at))
        if tokens < 1:
            self._buckets[channel] = (tokens, now)
            return False
        self._buckets[channel] = (tokens - 1, now)
        return True
