"""The card to decide by: what an approver has to know before they press."""

from __future__ import annotations

from bot.core.model import Answers
from bot.slack import buttons, modals
from tests.slack.test_messages import CARD, Story, lines, post, show
from tests.slack.test_modals import check_view, form, rule, walk

PRODUCTION = "This is production."

# --- warning ----------------------------------------------------------------------------------------------------------


def test_the_warning_of_an_api_stands_on_its_card_and_on_a_lock_screen() -> None:
    """A block of its own, with a sign and a word."""
    said = f":warning: *Warning:* {PRODUCTION}"
    for body in (
        post(Story(rule(warning=PRODUCTION)).record, CARD),
        show(Story(rule(warning=PRODUCTION)).record, CARD),
    ):
        assert said in lines(body).splitlines()
        assert f"Warning: {PRODUCTION}" in body.text
    assert "Warning" not in lines(post(Story().record, CARD))


def test_approve_asks_in_a_dialog_that_holds_the_warning() -> None:
    """Without one it is one click, as ever."""

    def approve(warning: str) -> dict[str, object]:
        body = show(Story(rule(warning=warning)).record, CARD)
        return next(one for one in walk(body.blocks) if one.get("action_id") == buttons.APPROVE)

    dialog = approve(PRODUCTION)["confirm"]
    assert isinstance(dialog, dict)
    assert dialog["text"]["text"] == PRODUCTION
    assert dialog["title"]["text"] == "Approve R-1042 for Somebody?"
    assert dialog["confirm"]["text"] == "Approve"
    assert "confirm" not in approve("")


def test_the_form_warns_directly_under_the_api() -> None:
    """Before whoever asks reads anything else."""
    view = check_view(modals.request_form(form(rule(warning=PRODUCTION))))
    assert view["blocks"][0]["block_id"] == "api"
    assert view["blocks"][1]["text"]["text"] == f":warning: *Warning:* {PRODUCTION}"
    typed = modals.request_form(form(rule(), answers=Answers("nightly")))
    assert "Warning" not in str(typed)
