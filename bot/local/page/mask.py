"""Masking of secrets in what the page shows: whatever looks like one, and every token that Tyk has given out."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk

MASK = "••••••••"
_LOOKS_SECRET = re.compile(r"\b(xox[a-z]-|xapp-)[\w-]+|(?<=ticket=)[0-9a-f]+|(?i:(?<=bearer ))\S+")
_SECRET_NAMES = frozenset({"token", "authorization", "response_url", "trigger_id", "password", "secret"})


class Mask:
    def __init__(self, slack: LocalSlack, tyk: LocalTyk) -> None:
        self._slack = slack
        self._tyk = tyk

    def text(self, said: str) -> str:
        """The text without anything that opens a door."""
        for secret in self._known():
            if secret in said:
                said = said.replace(secret, MASK)
        return _LOOKS_SECRET.sub(lambda found: f"{found[1] or ''}{MASK}", said)

    def json(self, value: Any) -> Any:
        """The same for all that is within."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                self.text(str(name)): MASK if str(name).lower() in _SECRET_NAMES and inner else self.json(inner)
                for name, inner in value.items()
            }
        return [self.json(one) for one in value] if isinstance(value, list | tuple) else value

    def _known(self) -> list[str]:
        tokens = [key.token for key in self._tyk.keys]
        secrets = [*tokens, self._tyk.credential, self._slack.bot_token, self._slack.app_token]
        quoted = [quote(token, safe="") for token in tokens]
        return [secret for secret in (*secrets, *quoted) if secret]
