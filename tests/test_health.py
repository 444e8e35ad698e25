"""What `/readyz` says where Slack no longer accepts the bot token although the connection stands."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from slack_sdk.web.async_client import AsyncWebClient

from bot.core.in_force import InForce
from bot.core.model import EffectKind, EffectState, Rulebook
from bot.health import Health, Seen, TokenWatch
from bot.store.engine import migrate, open_engine
from bot.store.figures import Unposted
from bot.store.store import Store
from bot.store.troubles import Trouble
from bot.version import VERSION
from tests.core.life import HOUR, NOW, SECOND


@pytest.mark.parametrize("refused", ["", "Slack does not accept SLACK_BOT_TOKEN (token_revoked)."])
async def test_a_token_that_is_refused_is_not_ready(tmp_path: Path, refused: str) -> None:
    """The socket is up, the database answers, and still nobody can be answered: not ready, with the sentence."""
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"))
    migrate(store.engine)
    token = TokenWatch(AsyncWebClient(), asyncio.Event())
    token.refused = refused

    async def is_connected() -> bool:
        return True

    found = await Health(store, is_connected, token, InForce(Rulebook("d1", {}))).readiness()
    assert (found["ready"], found["slack"], found["database"]) == (not refused, not refused, True)
    assert found["cannot"] == ([refused] if refused else [])
    await store.close()


async def test_what_runs_is_said(tmp_path: Path) -> None:
    """The version and the digest of the configuration in force, also of one that was loaded since; and with no database, too."""
    store = Store(open_engine(f"sqlite:///{tmp_path / 'bot.db'}"))
    in_force = InForce(Rulebook("d1", {}))

    async def is_connected() -> bool:
        return True

    health = Health(store, is_connected, TokenWatch(AsyncWebClient(), asyncio.Event()), in_force)
    for digest in ("d1", "d2"):
        in_force.current = Rulebook(digest, {})
        found = await health.readiness()
        said = {"version": VERSION, "revision": "", "digest": digest}
        assert (found["database"], {name: found[name] for name in said}) == (False, said)
        assert REGISTRY.get_sample_value("tyk_key_bot_build_info", said) == 1
    assert REGISTRY.get_sample_value("tyk_key_bot_build_info", said | {"digest": "d1"}) is None
    await store.close()


@pytest.mark.parametrize(
    ("error", "age", "said"),
    [
        ("is_archived", HOUR, "I can't post in the help channel. It is archived. Unarchive it, or name another"),
        ("connection_lost", HOUR, "I can't post in the help channel. Slack isn't answering as it should."),
        ("connection_lost", SECOND, ""),
    ],
)
def test_a_help_channel_that_hears_nothing(error: str, age: timedelta, said: str) -> None:
    """Whatever it was to hear of is told nowhere else, so that `/readyz` says why it does not."""
    untold = Trouble(EffectState.OPEN, EffectKind.TELL_OUTAGE.value, error, 1, NOW - age)
    seen = Seen({}, [untold], (), NOW, Unposted(0, None), 0.0, 0.0)
    assert [one[: len(said)] for one in seen.cannot()] == ([said] if said else [])
