"""The keys as Tyk holds them, and what the gateway says to one. A token never leaves this side."""

from __future__ import annotations

import time
from typing import Any

import aiohttp

from bot.local.page.mask import Mask
from bot.local.tyk import KeyEntry, LocalTyk

Json = dict[str, Any]
CHANGED_RATE = 1_000_000


class Keys:
    def __init__(self, tyk: LocalTyk, mask: Mask) -> None:
        self._tyk = tyk
        self._mask = mask

    def rows(self, now: float) -> list[Json]:
        """The newest first."""
        usable = {key.hash for key in self._tyk.usable_keys(now)}
        return [self._row(key, now, usable) for key in reversed(self._tyk.keys)]

    def _row(self, key: KeyEntry, now: float, usable: set[str]) -> Json:
        session = key.session
        expires = session.get("expires") or 0
        row = {
            "hash": key.hash,
            "alias": session.get("alias") or "",
            "meta": session.get("meta_data") or {},
            "state": _state(key, now, is_usable=key.hash in usable),
            "created": key.created,
            "expires": expires if expires >= 1 else None,  # Tyk's 0 and -1 are both a key without an end
            "dead": key.dead,
            "policies": session.get("apply_policies") or [],
            "limits": {name: session.get(name) for name in ("rate", "per", "quota_max", "quota_renewal_rate")},
            "opens": [
                {"api_id": api_id, "name": api.name, "path": api.listen_path}
                for api_id in session["access_rights"]
                if (api := self._tyk.apis.get(api_id))
            ],
        }
        masked: Json = self._mask.json(row)
        return masked

    async def tries(self, key_hash: str, api_id: str) -> Json:
        """Calls the API over HTTP with the key's token, as its holder would. KeyError for what Tyk never had."""
        api = self._tyk.apis[api_id]
        key = next((key for key in reversed(self._tyk.keys) if key.hash == key_hash), None)
        if key is None:
            raise KeyError(key_hash)
        started = time.perf_counter()
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self._tyk.gateway_url}{api.listen_path}", headers={api.auth_header: key.token}) as answer,
        ):
            body = await answer.json()
        ms = (time.perf_counter() - started) * 1000
        return {"path": api.listen_path, "status": answer.status, "body": self._mask.json(body), "ms": ms}

    def by_hand(self, act: str, key_hash: str) -> str:
        """Do it, and return a sentence about it. KeyError for a key that does not live and for an act that there is not."""
        if act == "delete":
            self._tyk.delete_by_hand(key_hash)
            return f"somebody deletes the key {key_hash} in the Dashboard"
        if act == "change":
            self._tyk.change_by_hand(key_hash, rate=CHANGED_RATE, per=1)
            return f"somebody gives the key {key_hash} another rate in the Dashboard"
        raise KeyError(act)


def _state(key: KeyEntry, now: float, *, is_usable: bool) -> str:
    if key.dead is not None:
        return "deleted"
    if 1 <= (key.session.get("expires") or 0) < now:
        return "expired"
    return "live" if is_usable else "inactive"
