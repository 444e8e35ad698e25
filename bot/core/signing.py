"""Doubts about the signing secret that the bot was given, as far as the requests that come from Slack can tell.

Slack alone can sign, and anybody can send. A request that is rightly signed proves that the secret fits. Wrong ones prove
nothing, however many: they are Slack's and the secret is wrong, or they are a stranger's. So they raise a doubt that says both,
and only where they have kept coming with no right one among them. Whoever would raise it without cause needs a bot to which
Slack sends nothing meanwhile, and each time for longer: a doubt that a right request ends was a stranger's, since the secret is
the same, and the next one takes ten times as long. A doubt closes nothing: the right request that ends it must find the door
open.
"""

from __future__ import annotations

DOUBTED_AFTER = 60.0
"""Seconds of wrong signatures alone, where none was right since the start: a new bot, or one with a new secret."""
DOUBTED_AGAIN_AFTER = 600.0
"""The same where one was right: the secret was changed in the app's settings, or nobody presses anything just now."""


class Signing:
    def __init__(self) -> None:
        self.is_doubted = False
        self._has_fitted = False
        self._patience = DOUBTED_AFTER
        self._wrong_since: float | None = None

    def take(self, now: float, *, rightly: bool) -> bool:
        """Take in a request. Returns whether it changes what there is to say."""
        return self._right() if rightly else self._wrong(now)

    def _right(self) -> bool:
        is_news = self.is_doubted or not self._has_fitted
        patience = self._patience * 10 if self.is_doubted else self._patience
        self._patience = max(patience, DOUBTED_AGAIN_AFTER)
        self.is_doubted, self._has_fitted, self._wrong_since = False, True, None
        return is_news

    def _wrong(self, now: float) -> bool:
        if self._wrong_since is None:
            self._wrong_since = now
        if self.is_doubted or now - self._wrong_since < self._patience:
            return False
        self.is_doubted = True
        return True
