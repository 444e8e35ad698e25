"""The end of a local server: no connection outlasts it."""

from __future__ import annotations

import asyncio

from aiohttp import web


async def ended(runner: web.AppRunner) -> None:
    """Stop serving. A connection that was accepted at the last moment, or whose other end reads no more, is cut off."""
    server = runner.server
    open_ones = [] if server is None else [one.transport for one in server.connections]
    await runner.cleanup()
    await asyncio.sleep(0)  # what was accepted meanwhile comes up in the next turn of the loop
    late = [] if server is None else [one.transport for one in server.connections]
    for transport in filter(None, [*open_ones, *late]):
        transport.abort()
    await asyncio.sleep(0)  # the loop closes them
