"""Whether the signing secret fits: what wrong signatures may raise, and what a stranger who sends them can't."""

from __future__ import annotations

from bot.core.signing import DOUBTED_AFTER, DOUBTED_AGAIN_AFTER, Signing


def wrong_for(signing: Signing, begin: float, seconds: float) -> list[bool]:
    """A wrong signature now and one so much later, and whether each is news."""
    return [signing.take(begin, rightly=False), signing.take(begin + seconds, rightly=False)]


def test_a_secret_that_never_fitted() -> None:
    """Wrong ones alone for a minute: it is said once."""
    signing = Signing()
    assert wrong_for(signing, 5.0, DOUBTED_AFTER - 1) == [False, False]
    assert not signing.is_doubted
    assert signing.take(5.0 + DOUBTED_AFTER, rightly=False)
    assert signing.is_doubted
    assert wrong_for(signing, 1000.0, 9000.0) == [False, False]


def test_a_secret_that_was_changed_in_the_apps_settings() -> None:
    """It fitted at noon; from then on all of Slack's requests are refused: that is said in minutes, though it was right once."""
    signing = Signing()
    assert signing.take(0.0, rightly=True), "what an earlier start may have said is over"
    assert not signing.take(1.0, rightly=True)
    assert wrong_for(signing, 2.0, DOUBTED_AGAIN_AFTER) == [False, True]
    assert signing.is_doubted


def test_a_stranger_beside_slack() -> None:
    """Wrong ones without end say nothing while a right one comes now and then."""
    signing = Signing()
    signing.take(0.0, rightly=True)
    for minute in range(100):
        assert not signing.take(60.0 * minute + 1, rightly=False)
        if minute % 9 == 0:
            assert not signing.take(60.0 * minute + 2, rightly=True)
    assert not signing.is_doubted


def test_a_stranger_while_slack_is_silent() -> None:
    """Nobody presses anything at night, and a stranger raises a doubt; the first click ends it, and the next takes ten times as
    long: they are not to fill the help channel."""
    signing, began, took = Signing(), 0.0, []
    signing.take(began, rightly=True)
    for _ in range(3):
        patience = next(seconds for seconds in (600.0, 6000.0, 60_000.0) if wrong_for(signing, began + 1, seconds)[1])
        took.append(patience)
        began += 1e6
        assert signing.take(began, rightly=True)
        assert not signing.is_doubted
    assert took == [600.0, 6000.0, 60_000.0]
