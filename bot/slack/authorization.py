"""The Bolt app, which takes the preflight's word for who the bot is.

Bolt on its own calls `auth.test` for each request that comes before the first answer: 23 times in a crowd of 100.
"""

from __future__ import annotations

from slack_bolt.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_sdk.web.async_client import AsyncWebClient

from bot.core.model import Workspace
from bot.slack.client import quiet_slack_logs


def bolt_app(client: AsyncWebClient, workspace: Workspace) -> AsyncApp:
    """An app that calls nothing by itself."""

    async def authorize() -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=workspace.enterprise_id,
            team_id=workspace.team_id,
            bot_user_id=workspace.bot_user_id,
            bot_token=client.token,
        )

    logger = quiet_slack_logs()
    logger.disabled = True  # Bolt would warn that it ignores the token, which `authorize` gives it
    try:
        return AsyncApp(
            name="slack_bolt.app",  # of its loggers; without one Bolt reads the source of all that called it to find one
            client=client,
            authorize=authorize,
            request_verification_enabled=False,  # what comes over HTTP is verified before Bolt and its error handler see it
            ignoring_self_events_enabled=False,  # the bot hears of people and channels, never of what it said itself
            logger=logger,
        )
    finally:
        logger.disabled = False
