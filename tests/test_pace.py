"""How much may be in hand at once, told with a clock that the test moves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.core.model import Effect, EffectKind, EffectState
from bot.effects import Place
from bot.pace import Pace

SLOTS = {Place.TYK: 2, Place.SLACK: 100, Place.COLLECTOR: 5, Place.HERE: 5}


class Clock:
    """Monotonic seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(clock, SLOTS)


def promised(kind: EffectKind, lane: str | None = None, subject: str = "subject") -> Effect:
    due = datetime(2026, 1, 1, tzinfo=UTC)
    return Effect(1, kind, subject, None, due, EffectState.OPEN, epoch=0, attempts=0, lane=lane)


def taken(pace: Pace, kind: EffectKind, times: int, lane: str | None = None) -> int:
    """How many of so many may be done now; each is over at once."""
    done = 0
    for _ in range(times):
        if pace.take(promised(kind, lane)):
            pace.release(kind)
            done += 1
    return done


def test_tyk_has_so_many_slots(pace: Pace) -> None:
    """Two calls at a time, a third when one of them is over, and Slack's slots are others."""
    assert pace.take(promised(EffectKind.ISSUE_KEY))
    assert pace.take(promised(EffectKind.REVOKE_KEY))
    assert not pace.take(promised(EffectKind.CONFIRM_KEY))
    assert EffectKind.CONFIRM_KEY not in pace.kinds(tuple(EffectKind))
    assert pace.take(promised(EffectKind.POST_MESSAGE, "C1"))
    pace.release(EffectKind.ISSUE_KEY)
    assert pace.has_room(Place.TYK)
    assert not pace.has_room(Place.TYK, 1), "a look at the use of a token leaves the slot to one that is to be made"
    assert pace.take(promised(EffectKind.CONFIRM_KEY))


def test_a_claim_that_came_to_nothing_gives_its_room_back(pace: Pace) -> None:
    """Neither the slot, nor the channel's turn, nor the edit was used."""
    for effect in (promised(EffectKind.ISSUE_KEY), promised(EffectKind.POST_MESSAGE, "C1")):
        for _ in range(5):
            assert pace.take(effect)
            pace.give_back(effect)
    for _ in range(60):
        assert pace.take(promised(EffectKind.SHOW_MESSAGE))
        pace.give_back(promised(EffectKind.SHOW_MESSAGE))


def test_a_channel_takes_a_short_burst_and_then_one_post_a_second(pace: Pace, clock: Clock) -> None:
    """Two at once; after a rest of a second one more; another channel is another matter."""
    assert taken(pace, EffectKind.POST_MESSAGE, 5, "C1") == 2
    assert pace.busy_lanes() == ("C1",)
    assert pace.until_open() == pytest.approx(1.0)
    assert taken(pace, EffectKind.POST_MESSAGE, 5, "C2") == 2
    clock.now += 1
    assert taken(pace, EffectKind.POST_MESSAGE, 5, "C1") == 1
    clock.now += 3600
    assert taken(pace, EffectKind.POST_MESSAGE, 5, "C1") == 2


def test_a_thousand_channels_are_not_looked_at_one_by_one(pace: Pace, clock: Clock) -> None:
    """One post each leaves none of them busy; two each do, for a second; rested, they are forgotten with the next post."""
    for number in range(1000):
        assert taken(pace, EffectKind.POST_MESSAGE, 1, f"D{number}") == 1
    assert (pace.busy_lanes(), pace.until_open()) == ((), None)
    assert taken(pace, EffectKind.POST_MESSAGE, 2, "D7") == 1
    assert pace.busy_lanes() == ("D7",)
    assert pace.until_open() == pytest.approx(1.0)
    clock.now += 3
    assert (pace.busy_lanes(), pace.until_open()) == ((), None)
    assert taken(pace, EffectKind.POST_MESSAGE, 1, "C1") == 1
    assert list(pace._lanes) == ["C1"]


def test_a_limit_on_posts_pauses_their_channel_alone(pace: Pace, clock: Clock) -> None:
    """Slack asks for ten seconds in one channel: others go on."""
    pace.pause(promised(EffectKind.POST_MESSAGE, "C1"), "chat.postMessage", 10)
    clock.now += 9
    assert not pace.take(promised(EffectKind.POST_MESSAGE, "C1"))
    assert pace.take(promised(EffectKind.POST_MESSAGE, "C2"))
    clock.now += 1
    assert pace.take(promised(EffectKind.POST_MESSAGE, "C1"))


def test_a_limit_on_a_method_pauses_what_calls_it(pace: Pace, clock: Clock) -> None:
    """Edits rest, repaints and tokens alike; deletions and posts do not."""
    pace.pause(promised(EffectKind.SHOW_MESSAGE), "chat.update", 10)
    assert not pace.take(promised(EffectKind.SHOW_MESSAGE))
    assert not pace.take(promised(EffectKind.DELIVER_TOKEN))
    assert pace.take(promised(EffectKind.HIDE_TOKEN))
    assert pace.take(promised(EffectKind.POST_MESSAGE, "C1"))
    assert pace.until_open() == pytest.approx(10.0)
    clock.now += 10
    assert pace.take(promised(EffectKind.DELIVER_TOKEN))


def test_a_wait_that_tyk_asks_for_is_one_promises_own(pace: Pace) -> None:
    """Tyk limits no method of its own: another key is deleted meanwhile, and posts go on."""
    pace.pause(promised(EffectKind.REVOKE_KEY), None, 300)
    assert pace.take(promised(EffectKind.REVOKE_KEY, subject="another"))
    assert pace.take(promised(EffectKind.POST_MESSAGE, "C1"))
    assert pace.until_open() is None


@pytest.mark.parametrize("asked", [604800.0, 1e300])
def test_a_wish_for_a_week_is_not_granted(pace: Pace, clock: Clock, asked: float) -> None:
    """Some minutes are, and then it is tried again."""
    pace.pause(promised(EffectKind.SHOW_MESSAGE), "chat.update", asked)
    clock.now += 299
    assert not pace.take(promised(EffectKind.SHOW_MESSAGE))
    clock.now += 1
    assert pace.take(promised(EffectKind.SHOW_MESSAGE))


def test_repaints_leave_room_for_tokens(pace: Pace, clock: Clock) -> None:
    """Slack takes fifty edits a minute: thirty tokens, one a second, all find theirs, whatever is to be repainted."""
    edits = []
    for _ in range(30):
        assert pace.take(promised(EffectKind.DELIVER_TOKEN)), "a token never waits for a repaint"
        pace.release(EffectKind.DELIVER_TOKEN)
        edits += [clock.now] * (1 + taken(pace, EffectKind.SHOW_MESSAGE, 2))
        clock.now += 1
    assert 35 < len(edits) <= 50, "what tokens leave over is used, and no more"


def test_approvals_that_come_together_leave_room_for_their_tokens(clock: Clock) -> None:
    """Twenty approvals in one second and ten more one by one: their cards are repainted as far as all thirty tokens find room."""
    pace = Pace(clock, SLOTS | {Place.TYK: 100})
    edits = 0
    for number in range(30):
        assert pace.take(promised(EffectKind.ISSUE_KEY, subject=f"{number}"))
        edits += taken(pace, EffectKind.SHOW_MESSAGE, 1)
        clock.now += 0.05 if number < 20 else 1
    assert edits >= 10, "who approves sees so at once while there is room"
    for number in range(30):
        assert pace.take(promised(EffectKind.DELIVER_TOKEN, subject=f"{number}"))
        edits += 1 + taken(pace, EffectKind.SHOW_MESSAGE, 1)
        clock.now += 1
    assert edits <= 50


def test_a_key_that_is_never_made_keeps_no_room(pace: Pace, clock: Clock) -> None:
    """Tyk is away: after a minute repaints have nearly all of it again."""
    for number in range(20):
        pace.take(promised(EffectKind.ISSUE_KEY, subject=f"{number}"))
        pace.release(EffectKind.ISSUE_KEY)
    assert taken(pace, EffectKind.SHOW_MESSAGE, 60) < 10
    clock.now += 60
    assert taken(pace, EffectKind.SHOW_MESSAGE, 60) == 45


def test_a_token_now_and_then_leaves_room_for_most_repaints(pace: Pace, clock: Clock) -> None:
    """One every twenty seconds: forty others are repainted in a minute."""
    repainted = 0
    for _ in range(3):
        assert pace.take(promised(EffectKind.DELIVER_TOKEN))
        pace.release(EffectKind.DELIVER_TOKEN)
        clock.now += 19
        repainted += taken(pace, EffectKind.SHOW_MESSAGE, 20)
        clock.now += 1
    assert repainted >= 40


def test_without_tokens_repaints_have_nearly_all_of_it(pace: Pace, clock: Clock) -> None:
    """Forty-five in a minute, and as many in the next."""
    assert taken(pace, EffectKind.SHOW_MESSAGE, 60) == 45
    assert pace.until_open() == pytest.approx(60.0)
    clock.now += 60
    assert taken(pace, EffectKind.SHOW_MESSAGE, 60) == 45
