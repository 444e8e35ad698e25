"""The card to decide by: what an approver has to know before they press, and what it becomes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import example, given

from bot.core.background import Background
from bot.core.deciders import Deciders
from bot.core.model import (
    Answers,
    ApiRef,
    Asker,
    Audience,
    AuditEvent,
    Grant,
    GrantState,
    ReasonPattern,
    Record,
    RequestId,
    RequestState,
)
from bot.slack import buttons, card, messages, request_form, wording
from bot.slack.audit_lines import AuditRow, audit, audit_sentence
from bot.slack.block_kit import Body
from tests.slack.test_messages import CARD, LEADS, STATUS, Story, check, ends, labels, lines, post, show
from tests.slack.test_modals import (
    BOB,
    NASTY,
    NOW,
    STANDARD,
    asked,
    block,
    check_view,
    form,
    nasty,
    rule,
    walk,
)

PRODUCTION = "This is production."
ANNS = Asker("Backend engineer", "America/New_York", "S0DEVS", "payments-devs")


def headed(body: Body) -> str:
    return str(body.blocks[0]["text"]["text"])


def facts(blocks: list[dict[str, Any]]) -> dict[str, str]:
    """The fields of a card or its details, by their titles, in the order of reading."""
    fields = [one["text"].partition("\n") for block in blocks for one in block.get("fields", ())]
    return {title.strip("*"): value for title, _, value in fields}


def quotes(blocks: list[dict[str, Any]]) -> list[str]:
    """What stands in quotation, with what introduces it, if anything does."""
    found = [block["elements"] for block in blocks if block["type"] == "rich_text"]
    return [" ".join("".join(one["text"] for one in part["elements"]) for part in parts) for parts in found]


def asking(**changes: Any) -> Record:
    """Ann's request, as her approvers have it."""
    return asked(rule=rule(requesters=Audience(groups=frozenset({"S0DEVS"}))), asker=ANNS, **changes)


def drawn(record: Record, background: Background | None = None) -> Body:
    return check(messages.post(record, CARD, help_channel="C0HELP", background=background))


# --- to decide by -----------------------------------------------------------------------------------------------------


def test_the_first_line_says_who_what_and_for_how_long() -> None:
    """On the card and, before anything else, in the notification: with title and time zone, as they were when Ann asked."""
    said = "Ann (Backend engineer, New York time) asked for Payments (standard), 7 days · R-1042"
    body = drawn(asking())
    assert lines(body).splitlines()[0] == body.text.splitlines()[0] == said
    assert headed(body) == "Requested · Payments for Ann"
    nobody = drawn(asked())
    assert lines(nobody).splitlines()[0] == "Ann asked for Payments (standard), 7 days · R-1042"


def test_a_name_leads_to_whose_it_is() -> None:
    """Anybody may call themselves as another does; a profile is one person's. Neither the post nor its edit rings her."""
    place, record = "https://acme.slack.com/", asking()
    posted = messages.post(record, CARD, help_channel="C0HELP", workspace=place)
    edited = messages.show(record, CARD, help_channel="C0HELP", stuck=False, late=None, workspace=place)
    for body in (check(posted), check(edited)):
        assert lines(body).startswith(
            "<https://acme.slack.com/team/U0ANN|Ann> (Backend engineer, New York time) asked for"
        )
        assert body.text.startswith("Ann (Backend engineer, New York time) asked for")
        assert "<@U0ANN>" not in lines(body)


def test_what_there_is_to_know_comes_in_the_order_of_deciding() -> None:
    """The API, why she may ask, what she has, her last requests, what uses it, why; then who is to decide, and the buttons."""
    body = drawn(asking(), Background(NOW))
    assert lines(body).splitlines()[1] == "Moves money · <https://docs.example.com/payments|Documentation>"
    assert list(facts(body.blocks)) == ["Limits", "May ask as", "Already has", "Last requests", "Used by"]
    assert quotes(body.blocks) == ["Ann asked because: the nightly run"]
    assert [one["type"] for one in body.blocks] == [
        "header", "section", "section", "section", "rich_text", "section", "actions",
    ]  # fmt: skip
    assert lines(body).splitlines()[2:] == [
        f"2 approvals from {LEADS} are needed.",
        f"Expires {wording.date(NOW + timedelta(days=7))} if nobody decides.",
    ]


@pytest.mark.parametrize(
    ("requesters", "asker", "said"),
    [
        (Audience(groups=frozenset({"S0DEVS"})), ANNS, "Member of @payments-devs"),
        (Audience(groups=frozenset({"S0DEVS"})), replace(ANNS, group=""), "Member of a user group that may ask"),
        (Audience(channels=frozenset({"C0TEAM"})), replace(ANNS, allowed_by="C0TEAM"), "Member of <#C0TEAM>"),
        (Audience(users=frozenset({"U0ANN"})), replace(ANNS, allowed_by="U0ANN"), "Named in the configuration"),
        (Audience(everyone=True), replace(ANNS, allowed_by="everyone"), "Everyone here may ask"),
    ],
)
def test_why_somebody_may_ask(requesters: Audience, asker: Asker, said: str) -> None:
    """A group by its handle: a mention would ring all who may ask."""
    body = drawn(asked(rule=rule(requesters=requesters), asker=asker))
    assert facts(body.blocks)["May ask as"] == said
    assert "May ask as" not in facts(drawn(asked()).blocks), "what an older version did not store is not made up"


def other(number: int, state: RequestState, title: str = "Payments", grant: Grant | None = None) -> Record:
    its = rule(title=title, plans=(STANDARD,))
    record = asked(id=RequestId(f"r{number}"), number=number, state=state, rule=its, decided_at=NOW)
    return replace(record, grant=grant)


def test_what_else_they_have_and_had_stays_true() -> None:
    """As of a time, and nobody is mentioned: a post that nobody edits rings nobody and never becomes false."""
    week = timedelta(days=7)
    held = (
        other(1040, RequestState.APPROVED, grant=Grant(GrantState.ACTIVE, NOW, NOW + week)),
        other(1041, RequestState.PENDING, "Ledger"),
        other(1039, RequestState.APPROVED, grant=Grant(GrantState.ACTIVE, NOW, None)),
    )
    past = (
        other(1030, RequestState.APPROVED, grant=Grant(GrantState.ENDED, NOW, NOW, ended_at=NOW)),
        other(1029, RequestState.APPROVED, grant=Grant(GrantState.ENDED, NOW, NOW, NOW, "no need", BOB)),
        other(1028, RequestState.DENIED),
    )
    some = Background(NOW, held, 2, past)
    body = drawn(asking(), some)
    found = facts(body.blocks)
    assert found["Already has"].splitlines() == [
        f"• Payments, until {wording.date(NOW + week)} (R-1040)",
        "• Ledger, waits for approval (R-1041)",
        "• Payments, no expiry (R-1039)",
        "• 2 more",
        f"As of {wording.date(NOW)}",
    ]
    assert "• at least 2 more" in facts(drawn(asking(), replace(some, uncounted=True)).blocks)["Already has"]
    assert found["Last requests"].splitlines() == [
        f"• Payments: approved, expired {wording.date(NOW)} (R-1030)",
        f"• Payments: approved, revoked {wording.date(NOW)} (R-1029)",
        f"• Payments: denied {wording.date(NOW)} (R-1028)",
    ]
    assert set(mentions(body)) == {"<!subteam^S0LEADS>", "<@U0BOB>"}
    first = facts(drawn(asking(), Background(NOW)).blocks)
    assert (first["Already has"], first["Last requests"]) == (f"Nothing, as of {wording.date(NOW)}", "None so far")


def mentions(body: Body) -> list[str]:
    found = [one["text"] for one in walk(body.blocks) if one.get("type") == "mrkdwn"]
    return re.findall(r"<(?:@|!subteam\^)[A-Z0-9]+>", "\n".join(found))


@given(nasty(), nasty())
@example(NASTY[0], NASTY[1])
@example(NASTY[2], NASTY[3])
def test_a_title_and_a_handle_are_inert(title: str, handle: str) -> None:
    """People write their own titles: on a card they mention, link and format nothing."""
    asker = Asker(title, title, "S0DEVS", handle)
    record = asked(rule=rule(requesters=Audience(groups=frozenset({"S0DEVS"}))), asker=asker, requester_name=title)
    drawn(record, Background(NOW, (record,), 0, (record,)))
    check_view(card.details(record))


def test_a_card_of_much_keeps_the_limits() -> None:
    """The longest of everything, and those who are called are still in its text."""
    further = tuple(ApiRef(f"{n}", f"api {n}" * 10, ("Default",)) for n in range(100))
    plan = replace(STANDARD, also_opens=further)
    much = rule(title="t" * 75, description="d" * 300, warning="w" * 300, plans=(plan,))
    record = asked(rule=much, plan=plan, asker=replace(ANNS, title="x" * 100), answers=Answers("u" * 80, "r" * 500))
    body = drawn(record, Background(NOW, (record,) * 5, 9, (record,) * 3))
    assert f"2 approvals from {LEADS} are needed." in body.text


def test_nobody_is_left_to_call() -> None:
    """Whoever may decide and is not called can still decide: the card says that somebody has to, and calls nobody."""
    able = Deciders(1, frozenset({"U0EVE"}))
    body = check(messages.post(asking(), CARD, help_channel="C0HELP", deciders=able))
    assert "An approver needs to approve this." in lines(body)
    assert mentions(body) == []


# --- what it becomes --------------------------------------------------------------------------------------------------

HEADS = {
    "pending": "Requested",
    "half": "Requested",
    "issuing": "Approved",
    "active": "Approved",
    "at once": "Granted",
    "denied": "Denied",
    "withdrawn": "Withdrawn",
    "gone": "Withdrawn",
    "lapsed": "Expired",
    "ended": "Expired",
    "unreviewed": "Expired",
    "revoked": "Revoked",
}


@pytest.mark.parametrize(("state", "word"), HEADS.items())
def test_states_are_told_apart_by_their_first_word(state: str, word: str) -> None:
    """On the card with who and what, on the holder's message with what: never by a colour alone."""
    record = ends()[state]
    assert headed(show(record, CARD)) == f"{word} · Payments for Somebody"
    assert headed(show(record, STATUS)) == f"{word} · Payments"


@pytest.mark.parametrize("state", sorted(HEADS.keys() - {"pending", "half", "denied", "revoked", "unreviewed"}))
def test_a_decided_card_is_one_line(state: str) -> None:
    """What was asked for and what came of it; all else is behind Details."""
    body = show(ends()[state], CARD)
    assert [one["type"] for one in body.blocks] == ["header", "section", "actions"]
    assert lines(body).startswith("R-1042 · <@U0ANN> asked for Payments (standard), 7 days. ")
    assert labels(body)[0] == "Details"


@pytest.mark.parametrize(
    ("state", "said", "why"),
    [
        ("denied", f"Denied by <@U0BOB>, {wording.date(NOW)}, because:", "no need"),
        ("revoked", f"Revoked by <@U0BOB>, {wording.date(NOW)}, because:", "no need"),
    ],
)
def test_who_ended_it_is_quoted_with_their_reason(state: str, said: str, why: str) -> None:
    """Right below the sentence that says who: on the card, in its details and on the holder's message."""
    record = ends()[state]
    for blocks in (show(record, CARD).blocks, show(record, STATUS).blocks, card.details(record)["blocks"]):
        place = next(n for n, one in enumerate(blocks) if one["type"] == "rich_text" and quotes([one]) == [why])
        assert blocks[place - 1]["text"]["text"].endswith(said)
    assert show(record, CARD).text.endswith(f"because: {why}")


def test_the_holder_reads_their_own_reason_while_it_counts() -> None:
    """As they gave it, with the link; once it is over, whoever ended it has the word."""
    linked = Story(rule(reason_pattern=TICKET), "for OPS-7").record
    assert quotes(show(linked, STATUS).blocks) == ["You asked because: for OPS-7"]
    assert "https://tickets.example.com/OPS-7" in json.dumps(post(linked, STATUS).blocks)
    assert quotes(show(ends("to test")["active"], STATUS).blocks) == ["You asked because: to test"]
    assert quotes(show(ends()["withdrawn"], STATUS).blocks) == []


@pytest.mark.parametrize(
    ("state", "came"),
    [
        (
            "active",
            (
                f"Approved by <@U0BOB>, {wording.date(NOW)}.\n"
                f"Approved by <@U0ZOE>, {wording.date(NOW)}, as a member of <!subteam^S0LEADS>.\n"
                f"Access until {wording.date(NOW + timedelta(days=7))}."
            ),
        ),
        ("at once", f"Granted {wording.date(NOW)}. No approval was needed."),
        ("withdrawn", f"Withdrawn by <@U0ANN>, {wording.date(NOW)}."),
        ("denied", f"Denied by <@U0BOB>, {wording.date(NOW)}, because:"),
    ],
)
def test_the_details_are_all_that_was_decided_on_and_what_came_of_it(state: str, came: str) -> None:
    """In a modal, which rings nobody."""
    record = ends()[state]
    view = check_view(card.details(record))
    assert view["title"]["text"] == "Details of R-1042"
    assert facts(view["blocks"]).keys() >= {"Limits", "Used by"}
    assert "Somebody asked because: " in quotes(view["blocks"])[0]
    assert came in lines(Body("", view["blocks"]))


def test_the_details_say_whose_approval_no_longer_counts() -> None:
    """Bob became a guest before Carol decided."""
    record = ends()["active"]
    bobs, *others = record.reviews
    void = replace(record, reviews=(replace(bobs, void="only a guest now"), *others))
    said = lines(Body("", card.details(void)["blocks"]))
    assert f"Approved by <@U0BOB>, {wording.date(NOW)}. It no longer counts: only a guest now." in said


def test_a_card_in_trouble_says_so_below_its_line() -> None:
    """Stuck or late, decided or not."""
    body = show(ends()["revoked"], CARD, stuck=True)
    assert [one["type"] for one in body.blocks] == ["header", "section", "rich_text", "section", "actions"]
    assert "Stuck: a person has to help." in str(body.blocks[3]["text"]["text"])
    assert "Stuck" in body.text


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
    view = check_view(request_form.request_form(form(rule(warning=PRODUCTION))))
    assert view["blocks"][0]["block_id"] == "api"
    assert view["blocks"][1]["text"]["text"] == f":warning: *Warning:* {PRODUCTION}"
    typed = request_form.request_form(form(rule(), answers=Answers("nightly")))
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
        ("text", "<!here>"),
        ("link", "OPS-7"),
        ("text", "*now*"),
    ]
    assert parts[-2]["url"] == "https://tickets.example.com/OPS-7"


def test_the_form_says_what_a_reason_must_hold() -> None:
    """Under the field, before anything is sent."""
    view = check_view(request_form.request_form(form(rule(reason_pattern=TICKET))))
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
