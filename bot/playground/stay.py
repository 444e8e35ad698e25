"""`tyk-key-bot sandbox`: the world stays until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from bot.playground.place import sandbox


async def stay(own_config: Path | None) -> int:
    """Until Ctrl-C."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with sandbox(own_config) as place:
        print(f"Slack      {place.world.slack.url}")
        print(f"Dashboard  {place.world.tyk.dashboard_url}")
        print(f"Gateway    {place.world.tyk.gateway_url}")
        print(f"The bot is ready; its log is {place.bot.log}. Ctrl-C ends it all.")
        await stop.wait()
    return 0
