"""The card to decide by: what an approver has to know before they press."""

from __future__ import annotations

import pytest

from bot.core.model import Answers, AuditEvent, ReasonPattern
from bot.slack import buttons, modals, wording
from bot.slack.audit_lines import AuditRow, audit, audit_sentence
from tests.slack.test_messages import CARD, Story, lines, post, show
from tests.slack.test_modals import NOW, block, check_view, form, rule, walk

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


# --- a reason that names something ------------------------------------------------------------------------------------

TICKET = ReasonPattern(
    "[A-Z]+-[0-9]+", "Give the number of your ticket, such as OPS-123.", "https://tickets.example.com/{match}"
)


def test_the_ticket_in_a_reason_is_a_link_on_the_card() -> None:
    """The words around it stay as they were typed, and nothing else in them is live."""
    body = post(Story(rule(reason_pattern=TICKET), "<!here> OPS-7 *now*").record, CARD)
    (reason,) = [block for block in body.blocks if block["type"] == "rich_text"]
    parts = [one for one in walk(reason) if one["type"] in ("text", "link")]
    assert [(one["type"], one["text"].strip()) for one in parts][-3:] == [
        ("text", "Reason: <!here>"),
        ("link", "OPS-7"),
        ("text", "*now*"),
    ]
    assert parts[-2]["url"] == "https://tickets.example.com/OPS-7"


def test_the_form_says_what_a_reason_must_hold() -> None:
    """Under the field, before anything is sent."""
    view = check_view(modals.request_form(form(rule(reason_pattern=TICKET))))
    assert block(view, "reason")["hint"]["text"].startswith("Give the number of your ticket, such as OPS-123. ")


@pytest.mark.parametrize(
    ("said", "text", "shown"),
    [
        ("for OPS-7 now", "OPS-7", "for <https://t/x?a&amp;b|OPS-7> now"),
        ("&lt;lt", "lt", "&lt;<https://t/x?a&amp;b|lt>"),
        ("OPS7", "7", "OPS7 (<https://t/x?a&amp;b|7>)"),
        ("cut off…", "*OPS*", "cut off… (<https://t/x?a&amp;b|\u2217OPS\u2217>)"),
    ],
)
def test_a_link_breaks_nothing_of_what_stands_around_it(said: str, text: str, shown: str) -> None:
    """In the audit channel, where a line is one string."""
    assert wording.linked(said, text, "https://t/x?a&b") == shown


def test_the_audit_links_the_ticket() -> None:
    """In the channel; a terminal shows the words."""
    story = Story(rule(reason_pattern=TICKET), "see OPS-7")
    row = AuditRow(1, NOW, AuditEvent.ASKED, "R-1042", None, "payments", story.audit[0].details)
    assert audit([row])[0].text.split(" · ")[4].endswith(": see <https://tickets.example.com/OPS-7|OPS-7>")
    assert audit_sentence(row).endswith(": see OPS-7")
