"""Handles, addresses and ids of the file are looked up again while the bot runs: Slack tells nobody when one of them is gone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn

import structlog

from bot import configuring, meanings, online_check
from bot.complaining import UNKNOWN, Complaining
from bot.config import Complaint, Config, Kind, Mention
from bot.configuring import Slack
from bot.core.faults import Fault
from bot.meanings import Meanings
from bot.reloading import Reloading
from bot.store.store import Store

log = structlog.get_logger(__name__)

EVERY = 300.0
AGAIN = 60.0
"""Seconds between two looks, and until one that found something new is made sure of: Slack's answer may be wrong once."""

IDLE = 4.0
"""A pause is at least so many times as long as the look before it: thousands of names must not keep Slack busy."""

_SPOKEN_IN = frozenset({"approvals_channel", "audit_channel", "help_channel"})
"""The roles of channels that the bot posts to: a post that fails tells of them."""


@dataclass(frozen=True)
class Found:
    """The findings of one look: `meant` where Slack could say, and what is to be complained of. `is_whole` where it could say
    all."""

    meant: Meanings | None
    complaints: frozenset[Complaint]
    is_whole: bool


class NameWatch:
    """Takes and tells what two looks in a row have found. What could not be looked at is never called good."""

    def __init__(self, reloading: Reloading, slack: Slack, store: Store, complaining: Complaining) -> None:
        self._reloading = reloading
        self._slack = slack
        self._store = store
        self._complaining = complaining
        self._config = reloading.running
        self._mentions: Mapping[str, Mention] = {}
        self._before: Found | None = None
        self._told: frozenset[Complaint] | None = None

    async def watch(self) -> NoReturn:
        """Look now and then, and soon again where something is new."""
        pause = EVERY
        while True:
            await asyncio.sleep(pause)
            began, is_sure = time.monotonic(), False
            try:
                is_sure = await self.look()
            except Exception:  # a database that is away for a moment, or a fault of ours: what is in force stays
                log.exception("config.names_unseen")
            pause = max(EVERY if is_sure else min(AGAIN, EVERY), IDLE * (time.monotonic() - began))

    async def look(self) -> bool:
        """Look once. Returns whether this was found before, so that nothing has to be made sure of."""
        config = self._reloading.running
        if config is not self._config or not self._mentions:
            self._config, self._before = config, None
            self._mentions = await asyncio.to_thread(_mentions, config)
        found = await self._found(config)
        before, self._before = self._before, found
        if before is None:
            return found.meant == self._reloading.meant and found.complaints == self._told
        if found.meant is not None and found.meant == before.meant:
            await self._reloading.take_names(config, found.meant)
        self._tell(found, before)
        return found == before

    async def _found(self, config: Config) -> Found:
        mentions, complaints = self._mentions.values(), set[Complaint]()
        meant, names = None, [one for one in mentions if one.kind in meanings.NAMES]
        async with configuring.unhurried(self._slack, config) as directory:
            try:
                meant = await meanings.of_names(names, directory, self._store, by_heart=False, forgets=False)
            except Fault as fault:
                said = f"Slack cannot say what handles and addresses mean by now ({fault.code}). What they meant stays in force."
                complaints.add(names[0].where.complaint(said))
            ids = [one for one in mentions if one.kind not in meanings.NAMES]
            looked = await online_check.ids_looked_at(ids, directory, self._slack.workspace)
        complaints |= {self._mentions[id_].where.complaint(f"{id_}: {why}") for id_, why in looked.said.items()}
        return Found(meant, frozenset(complaints), looked.is_whole and meant is not None)

    def _tell(self, found: Found, before: Found) -> None:
        told, either = self._told or frozenset(), found.complaints | before.complaints
        are_whole = found.is_whole and before.is_whole
        sure = (found.complaints & before.complaints) | (told & either if are_whole else told)
        configuring.warn_of(sorted(sure - told))
        if sure != self._told and (sure or (are_whole and not either)):
            self._complaining.owe(UNKNOWN, sorted(sure))
            self._told = sure


def _mentions(config: Config) -> dict[str, Mention]:
    """The first mention of each name and id that is looked up to know who may do what."""
    return {
        one.text: one
        for one in reversed(config.mentions())
        if not (one.kind is Kind.CHANNEL and one.role in _SPOKEN_IN)
    }
