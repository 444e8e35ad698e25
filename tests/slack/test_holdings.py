"""What somebody asked for and holds: in the order in which it matters, within Slack's limits, with what can be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import example, given

from bot.core.model import Audience, Record, RequestId, Rule
from bot.listing import Holdings
from bot.local.slack.block_kit import check_view as check_home
from bot.slack import holdings, wording
from tests.slack.test_messages import Story, ends, held, without_end
from tests.slack.test_modals import BOB, DAY, NASTY, NOW, check_view, nasty, rule, walk
from tests.story import DECIDE

View = dict[str, Any]


def listed(
    own: Sequence[Record] = (), past: Sequence[Record] = (), awaiting: Sequence[Record] = (), **more: Any
) -> Holdings:
    return Holdings(tuple(own), tuple(past), tuple(awaiting), NOW, **more)


def view(*parts: Sequence[Record], **more: Any) -> View:
    return check_view(holdings.view(listed(*parts, **more), command="/tyk-key", help_channel="C0HELP"))


def home(*parts: Sequence[Record], offered: Sequence[Rule] = (), **more: Any) -> View:
    shown = holdings.home(listed(*parts, **more), offered, command="/tyk-key", help_channel="C0HELP")
    assert check_home(shown, ("home",)) == []
    return shown


def numbered(record: Record, number: int) -> Record:
    return replace(record, request=replace(record.request, number=number, id=RequestId(f"req{number}")))


def marked(shown: View) -> list[str]:
    """Each entry and what is said between them, from top to bottom."""
    return [one["text"] for one in walk(shown["blocks"]) if one.get("type") == "mrkdwn"]


def headings(shown: View) -> list[str]:
    return [block["text"]["text"] for block in shown["blocks"] if block["type"] == "header"]


def entries(shown: View) -> list[str]:
    """The number at the head of each entry."""
    sections = [block["text"]["text"] for block in shown["blocks"] if block["type"] == "section"]
    return [said.split("*")[1] for said in sections]


def buttons(shown: View) -> dict[str, list[str]]:
    """The buttons under each entry, by its request."""
    found = [block for block in shown["blocks"] if block["type"] == "actions"]
    return {block["block_id"]: [one["text"]["text"] for one in block["elements"]] for block in found}


def test_nothing_asked_and_nothing_waiting() -> None:
    """One sentence, and the way to ask."""
    assert headings(view()) == []
    assert marked(view()) == [holdings.NOTHING, "`/tyk-key` requests a token. Questions: <#C0HELP>."]


def test_what_waits_for_them_then_their_own_then_what_is_over() -> None:
    """Each part under its heading; a part without entries has none."""
    shown = view([numbered(held().record, 1)], [numbered(ends()["denied"], 2)], [numbered(Story().record, 3)])
    assert headings(shown) == ["Waiting for you", "Your tokens and requests", "Past"]
    assert entries(shown) == ["R-3", "R-1", "R-2"]
    assert headings(view(past=[ends()["denied"]])) == ["Past"]


def test_what_waits_comes_first_and_then_what_ends_soon() -> None:
    """Endless ones come last, in the order of their numbers; what has the end of a review or a leave counts with that."""
    soon = Story(rule(lifetimes=(DAY,)))
    soon.deliver()
    unreviewed = Story(rule(lifetimes=(None,)))
    unreviewed.deliver()
    own = [
        numbered(without_end().record, 1),
        numbered(ends()["asked about"], 2),
        numbered(held().record, 3),
        numbered(Story().record, 4),
        numbered(soon.record, 5),
        numbered(Story().record, 6),
        numbered(unreviewed.record, 0),
    ]
    assert entries(view(own)) == ["R-4", "R-6", "R-5", "R-3", "R-1", "R-2", "R-0"]


def test_an_entry_says_what_its_message_says() -> None:
    """Number, API, plan, for what, and the state in the reader's own zone."""
    shown = view([held("checkout").record])
    assert marked(shown)[0] == (
        "*R-1042* · Payments (standard)\nUsed by: checkout\n"
        f"Active until {wording.date(NOW + timedelta(days=7))}.\n"
        f"Approved by <@U0BOB> and <@U0ZOE>, {wording.date(NOW)}."
    )


def test_what_waits_for_them_says_who_asks_and_why() -> None:
    """Enough to decide on the spot, with the buttons of the card."""
    shown = view(awaiting=[Story(reason="to <!here> *all*").record])
    assert marked(shown)[0] == (
        "*R-1042* · Payments (standard)\n<@U0ANN> requests it for 7 days.\nUsed by: nightly\n"
        "Reason: to &lt;!here&gt; \u2217all\u2217\n2 approvals are needed. One can be yours.\n"
        f"Expires {wording.date(NOW + timedelta(days=7))} if nobody decides."
    )
    assert buttons(shown) == {"buttons:req1": DECIDE}


def test_what_waits_for_them_says_that_they_can_decide_and_calls_nobody_else() -> None:
    """Also to whoever may only approve: the approvers whom the card calls are not named instead of the reader."""
    one = Story(rule(approvals=1)).record
    assert "\nYou can decide this.\n" in marked(view(awaiting=[one]))[0]
    half = Story()
    half.review(BOB)
    assert (
        "\n1 of 2 approvals: <@U0BOB>. One more needed. It can be yours.\n" in marked(view(awaiting=[half.record]))[0]
    )
    assert "One more needed from <!subteam^S0LEADS>" in marked(view([half.record]))[0], (
        "whoever asked reads whose it takes"
    )


def test_access_that_does_not_expire_is_asked_for_in_one_way() -> None:
    """While it waits and once it is decided."""
    story = Story(rule(approvals=1, lifetimes=(None,), review_every=timedelta(days=90)))
    assert "requests access that doesn't expire." in marked(view(awaiting=[story.record]))[0]
    decided = story.review(BOB)
    shown = view(decided=[(decided, decided.reviews[0])])
    assert "requested access that doesn't expire." in marked(shown)[0]


def test_each_entry_has_the_buttons_for_what_can_be_done() -> None:
    """As its own message has them, and each for its own request."""
    states = ends()
    own = [numbered(states[name], number) for number, name in enumerate(("pending", "delivered", "replacing"), start=1)]
    past = [numbered(states[name], number) for number, name in enumerate(("denied", "ended"), start=4)]
    shown = view(own, past)
    assert buttons(shown) == {
        "buttons:req1": ["Withdraw"],
        "buttons:req2": ["Extend", "Replace token", "Change plan", "Revoke"],
        "buttons:req3": ["Revoke"],
        "buttons:req4": ["Ask again"],
        "buttons:req5": ["Ask again"],
    }
    for block in shown["blocks"]:
        if block["type"] == "actions":
            assert {f"buttons:{one['value']}" for one in block["elements"]} == {block["block_id"]}


def test_the_view_has_a_callback_of_its_own_and_sends_nothing() -> None:
    """A click in it is known as one in the list."""
    shown = view([held().record])
    assert shown["callback_id"] == holdings.CALLBACK_HOLDINGS
    assert "submit" not in shown


def test_more_than_fit_are_counted() -> None:
    """The first of each part are shown, and of the rest how many they are; what is over is not counted."""
    many = [numbered(held().record, number) for number in range(1, 51)]
    waiting = [numbered(Story().record, number) for number in range(101, 151)]
    over = [numbered(ends()["ended"], number) for number in range(201, 251)]
    shown = view(many, over, waiting)
    assert entries(shown) == [
        *(f"R-{number}" for number in range(101, 101 + holdings.MAX_AWAITING)),
        *(f"R-{number}" for number in range(1, 1 + holdings.MAX_OWN)),
        *(f"R-{number}" for number in range(201, 201 + holdings.MAX_PAST)),
    ]
    said = [one for one in marked(shown) if "more" in one]
    assert said == [f"And {50 - holdings.MAX_AWAITING} more.", f"And {50 - holdings.MAX_OWN} more."]


def test_what_was_not_looked_at_is_not_counted() -> None:
    """Where there may be others, the count says that it is the least, and without a count there may be more."""
    many = [numbered(held().record, number) for number in range(1, 51)]
    waiting = [numbered(Story().record, number) for number in range(101, 151)]
    shown = view(many, [], waiting, more_own=True, more_awaiting=True)
    assert [one for one in marked(shown) if "more" in one] == [
        f"And at least {50 - holdings.MAX_AWAITING} more.",
        f"And at least {50 - holdings.MAX_OWN} more.",
    ]
    assert "There may be more." in marked(view(awaiting=waiting[:2], more_awaiting=True))
    assert headings(view(more_awaiting=True)) == ["Waiting for you"], "nobody says that nothing waits"


def test_one_too_many_is_one_more() -> None:
    """As many as fit need no count."""
    full = [numbered(held().record, number) for number in range(holdings.MAX_OWN)]
    assert "more." not in str(view(full))
    assert "And 1 more." in str(view([*full, numbered(held().record, 99)]))


def test_the_fullest_list_keeps_the_limits() -> None:
    """A hundred blocks at most, whatever people typed and however many are named."""
    crowd = Audience(users=frozenset(f"U{n:06}" for n in range(3000)))
    story = Story(rule(title="T" * 3000, approvers=crowd), reason="&" * 3000, used_by="<" * 80)
    own, past, waiting = ([numbered(story.record, start + number) for number in range(60)] for start in (0, 60, 120))
    decided = tuple((one, one.reviews[0]) for one in (numbered(held().record, 200 + number) for number in range(60)))
    shown = view(own, past, waiting, decided=decided)
    most = holdings.MAX_OWN + holdings.MAX_PAST + holdings.MAX_AWAITING + holdings.MAX_DECIDED
    assert len(entries(shown)) == most
    assert len(buttons(shown)) == len(entries(shown))
    assert len(home(own, past, waiting, decided=decided, offered=[story.rule])["blocks"]) <= 100


def test_what_they_decided_stays_with_what_came_of_it() -> None:
    """Their own word is said where it was not the last one; what was granted can be revoked."""
    half, done = Story(), held()
    half.review(BOB)
    decided = tuple((one.record, one.record.reviews[0]) for one in (half, done))
    shown = view(decided=decided)
    assert headings(shown) == ["Decided by you"]
    first, second = marked(shown)[:2]
    assert f"<@U0ANN> requested it for 7 days.\nYou approved this, {wording.date(NOW)}." in first
    assert "1 of 2 approvals: <@U0BOB>." in first
    assert "Approved by <@U0BOB> and <@U0ZOE>" in second
    assert list(buttons(shown).values()) == [["Revoke"]]


@given(nasty(), nasty(), nasty())
@example(NASTY[0], NASTY[1], NASTY[2])
@example(NASTY[3], NASTY[4], NASTY[5])
def test_whatever_was_typed_is_inert_in_the_list(reason: str, used_by: str, title: str) -> None:
    """No text of theirs mentions, links or breaks anything, in their own list or in an approver's."""
    record = Story(rule(title=title), reason=reason, used_by=used_by).record
    view([numbered(record, 1)], [], [numbered(record, 2)])


def test_the_loading_view_keeps_the_limits() -> None:
    """What is seen while Slack is asked who this is."""
    shown = holdings.loading()
    assert shown["title"]["text"] == "Requests and tokens"
    assert "Looking up" in shown["blocks"][0]["text"]["text"]
