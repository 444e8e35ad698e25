"""What is wrong with requests at Slack's address is said of them, and is over with the first right one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.complaining import Complaining
from bot.core.in_force import InForce
from bot.core.model import Rulebook
from bot.core.signing import DOUBTED_AFTER
from bot.slack.client import Chat
from bot.store.engine import open_engine
from bot.store.store import Store
from bot.web import Rejection
from tests.core.life import HOUR, SECOND


@pytest.mark.parametrize(
    ("rejected", "said"),
    [
        (Rejection.SIGNATURE, "SLACK_SIGNING_SECRET is not the app's Signing Secret."),
        (Rejection.STALE, "the clock of this machine is wrong."),
    ],
)
async def test_no_request_is_right(rejected: Rejection, said: str) -> None:
    """A wrong secret, or a wrong clock: Slack is heard with neither, and what to mend is said."""
    now = [0.0]
    store, chat = Store(open_engine("sqlite://")), Chat(AsyncWebClient())
    complaining = Complaining(store, chat, InForce(Rulebook("d1", {})), (), clock=lambda: now[0])
    complaining.heard(rejected)
    assert complaining.cannot() == []
    now[0] = DOUBTED_AFTER
    complaining.heard(rejected)
    (told,) = complaining.cannot()
    assert said in told
    complaining.heard(None)
    assert complaining.cannot() == []


@pytest.mark.parametrize(("ahead", "said"), [(1, "1h ahead of Slack's"), (-1, "1h behind Slack's")])
async def test_a_clock_that_is_wrong(tmp_path: Path, ahead: int, said: str) -> None:
    """Whenever Slack is asked whether it takes the token, its clock and the one that decides are compared."""
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"))
    complaining = Complaining(store, Chat(AsyncWebClient()), InForce(Rulebook("d1", {})), ())
    now = datetime.now(UTC)
    wrong = now - ahead * (HOUR + 30 * SECOND)
    for at_slack, is_right in ((now, True), (wrong, False), (wrong, False), (now, True)):
        await complaining.compare_clocks(at_slack)
        told = complaining.cannot()
        assert told == [] if is_right else (said in told[0] and "Set it right" in told[0])
    await store.close()
