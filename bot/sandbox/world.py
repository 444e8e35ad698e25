"""The world of the sandbox: a workspace with its people, groups and channels, and a Tyk with its APIs and a policy."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.sandbox.slack import LocalSlack
from bot.sandbox.tyk import LocalTyk, Switches

CONFIG = Path(__file__).parent / "config.yaml"
BOT_TOKEN = "xoxb-sandbox"
APP_TOKEN = "xapp-sandbox"


@dataclass(frozen=True)
class World:
    slack: LocalSlack
    tyk: LocalTyk

    def config(self, text: str | None = None) -> str:
        """The configuration that fits this world; `text` is one of somebody's own."""
        return (CONFIG.read_text() if text is None else text).replace("GATEWAY", self.tyk.gateway_url)

    def environ(self) -> dict[str, str]:
        """What the bot's environment says, so that it talks to this world and to no other."""
        return {
            "SLACK_API_URL": self.slack.url,
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "TYK_DASHBOARD_URL": self.tyk.dashboard_url,
            "TYK_DASHBOARD_KEY": self.tyk.credential,
        }


@asynccontextmanager
async def world(
    scopes: Sequence[str], *, clock: Callable[[], float] = time.time, seed: int = 1, rate_limits: bool = True
) -> AsyncIterator[World]:
    """Both servers, running on loopback. `scopes` are those that the app was granted."""
    slack = LocalSlack(
        seed=seed, bot_token=BOT_TOKEN, app_token=APP_TOKEN, scopes=list(scopes), rate_limits=rate_limits, clock=clock
    )
    tyk = LocalTyk(clock=clock, switches=Switches(enable_update_key_by_hash=True, enable_delete_key_by_hash=True))
    _people(slack)
    _apis(tyk)
    await slack.start()
    await tyk.start()
    try:
        yield World(slack, tyk)
    finally:
        await slack.stop()
        await tyk.stop()


def _people(slack: LocalSlack) -> None:
    workspace = slack.workspace
    for name in ("alice", "bob", "carol", "dave"):
        workspace.add_user(name)
    workspace.add_user("gwen", kind="guest")
    workspace.add_user("oscar", kind="external")
    workspace.add_group("payments-devs", id="S0DEVS", members=["alice", "bob", "dave"])
    workspace.add_group("payments-leads", id="S0LEADS", members=["bob", "carol", "dave"])
    workspace.add_group("api-owners", id="S0OWNERS", members=["carol", "dave"])
    workspace.add_channel("approvals", id="C0APPROVALS", members=["bob", "carol", "dave"])
    workspace.add_channel("audit", id="C0AUDIT", members=["carol"])
    workspace.add_channel("help", id="C0HELP", members=["alice", "bob", "carol", "dave", "gwen"])


def _apis(tyk: LocalTyk) -> None:
    tyk.add_api("ad5004d961a147d4649fd3216694ebe2", "test-api", "/test-api/")
    payments = tyk.add_api("5f1c0b5c6ad84c3c8d0b5f0d7d6e9a11", "payments", "/payments/")
    ledger = tyk.add_api("0f6de3a3b0f04b7f9f5a4b8a2c1d7e90", "ledger", "/ledger/")
    tyk.add_policy("5f1c0b5c6ad84c3c8d0b5f0e", opens=(payments.api_id, ledger.api_id), key_expires_in=90 * 86400)
