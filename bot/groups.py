"""The user groups that approve or audit: their members are compared with those seen before, in case an event was missed."""

from __future__ import annotations

import asyncio
from typing import NoReturn

import structlog

from bot.core.faults import Fault
from bot.group_members import Group
from bot.operations import Operations
from bot.slack.directory import Directory

log = structlog.get_logger(__name__)

EVERY = 3600.0
AGAIN = 60.0
"""Seconds until the next look, and after one that Slack did not answer."""


async def watch(operations: Operations, directory: Directory) -> NoReturn:
    """Look now and then: Slack tells of a change once, and that may get lost."""
    known = False
    while True:
        await asyncio.sleep(EVERY if known else min(AGAIN, EVERY))
        try:
            known = await look(operations, directory)
        except Exception:  # whatever it was: a change that Slack's event missed is found by the next look
            known = False
            log.exception("groups.look_failed")


async def look(operations: Operations, directory: Directory) -> bool:
    """Compare who is in each group with who was, the bot being off perhaps. Returns whether Slack could say."""
    try:
        groups = [
            Group(one, await directory.group_handle(one), await directory.group_members(one))
            for one in operations.groups.watched
        ]
    except Fault as fault:
        what = "who approves is compared with who did as soon as Slack can say"
        log.warning("groups.unknown", error=fault.code, what=what)
        return False
    for group in await operations.groups.all_seen(groups):
        log.info("group.changed", group=group)
        await operations.deciders_changed(group)
    return True
