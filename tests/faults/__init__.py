"""What goes wrong outside of the bot: Slack's troubles, the database's, and secrets that look for a way out."""

from __future__ import annotations

from bot.core.model import EffectState
from bot.local.slack import Message
from bot.sandbox.demos.reading import token_in
from bot.store import outbox
from tests.story import everything
from tests.world import WITHIN, World

STORY = ["configured", "asked", "reviewed", "approved", "key created", "sent", "hidden"]


async def saves_token(world: World) -> None:
    """Alice presses the button once the bot knows that she has her token, and it is gone."""
    alice = world.person("alice")
    await world.told("sent")
    message = await alice.sees(lambda one: token_in(one) is not None, channel="dm", timeout=WITHIN)
    await alice.clicks("I've saved it", message)
    await alice.sees_gone(message, timeout=WITHIN)


async def ends_as_ever(world: World, token: str, *besides: str) -> None:
    """One key that opens, one row for each event (and `besides`), told in order, and nothing given up."""
    await world.told("hidden")
    trail = await world.trail()
    assert sorted(entry.event.value for entry in trail) == sorted([*STORY, *besides])
    assert [entry.number for entry in trail] == list(range(1, len(trail) + 1))
    assert [entry.token for entry in world.tyk.usable_keys()] == [token]
    assert world.tyk.opens(token, "/payments/")[0] == 200
    assert not any(token in everything(one) for one in world.person("alice").messages())
    with world.running.store.reading() as tx:
        assert outbox.effects(tx, EffectState.PARKED) == ()
    told = [number for one in world.person("carol").messages("audit") for number in numbers(one)]
    assert list(dict.fromkeys(told)) == sorted(set(told)) == list(range(1, len(trail) + 1))
    assert world.slack.app_errors == []


def numbers(message: Message) -> list[int]:
    """The numbers of the audit's rows in this message, one a line."""
    return [int(line.split(" ", 1)[0].lstrip("#")) for line in message.text.splitlines()]
