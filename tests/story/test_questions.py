"""Asking before deciding: a question from the card, the requester's answer, and who hears of them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from bot.local.slack import LocalSlack, Message
from bot.local.tyk import LocalTyk
from tests.story import (
    DECIDE,
    asked,
    becomes,
    card,
    denies,
    in_thread,
    is_told,
    labels,
    lists,
    of_event,
    opens_list,
    reads,
    rung_by,
    sends_anything,
    status,
)
from tests.story import with_bystander as bystander
from tests.world import WITHIN, World, living

QUESTION = "Which service is it for? <!here>"
ANSWER = "Billing, in *staging* <@U0CAROL>"


async def _asks(world: World, shown: Message, who: str = "bob", text: str = QUESTION) -> None:
    person = world.person(who)
    await person.clicks("Ask a question", shown)
    await person.sees_view("Your question")
    await person.types("question", text)
    assert (await person.submits()).response_action == "close"


async def _inquiry(world: World, who: str = "alice") -> Message:
    """The question in the requester's direct message."""
    return await world.person(who).sees(
        lambda one: "Reply" in one.labels and "asks about R-1001" in one.text, channel="dm", timeout=WITHIN
    )


async def _replies(world: World, message: Message, text: str = ANSWER) -> None:
    alice = world.person("alice")
    await alice.clicks("Reply", message)
    await alice.sees_view("Your answer")
    await alice.types("answer", text)
    assert (await alice.submits()).response_action == "close"


async def test_a_question_and_its_answer(tmp_path: Path) -> None:
    """Bob asks from the card, Alice's phone rings, her answer calls Bob in the thread; it is still open, and then he approves."""
    async with living(tmp_path) as world:
        alice, bob = world.person("alice"), world.person("bob")
        shown = await asked(world)
        assert shown.labels == DECIDE
        await bob.clicks("Ask a question", shown)
        view = await bob.sees_view("Your question")
        assert "R-1001 · Payments (standard), 7 days" in reads(view)
        assert "<@U0ALICE> gets your question as a direct message." in reads(view)
        await bob.types("question", QUESTION)
        assert (await bob.submits()).response_action == "close"
        inquiry = await _inquiry(world)
        assert "<@U0BOB> asks about R-1001 (Payments):" in inquiry.shown
        assert inquiry.labels == ["Reply"]
        await alice.rung("<@U0BOB> asks about R-1001 (Payments)")
        thread = await in_thread(world, shown, "Bob Brown asked Alice Adams about R-1001:")
        assert QUESTION in thread.shown
        assert "<!here>" not in thread.text
        assert "<@" not in thread.text
        waits = await becomes(bob, shown, "<@U0BOB> asked a question. Alice Adams has not answered yet.")
        assert waits.labels == DECIDE
        mine = await status(world, "alice", "<@U0BOB> asked you a question.")
        assert mine.labels == ["Reply", "Withdraw"]
        await alice.clicks("Reply", inquiry)
        view = await alice.sees_view("Your answer")
        assert QUESTION in reads(view)
        await alice.types("answer", ANSWER)
        assert (await alice.submits()).response_action == "close"
        answered = await in_thread(world, shown, "Alice Adams answered about R-1001:")
        assert answered.text.startswith("<@U0BOB>: ")
        assert ANSWER in answered.shown
        assert "<@U0CAROL>" not in answered.text
        assert "bob" in rung_by(world, answered)
        assert (await becomes(alice, inquiry, "You answered <!date^")).labels == []
        assert (await becomes(bob, shown, lambda one: "asked a question" not in one.shown)).labels == DECIDE
        assert (await status(world, "alice", "needs to approve")).labels == ["Withdraw"]
        (question,), (answer,) = await of_event(world, "question asked"), await of_event(world, "question answered")
        assert (question.details, question.request_number) == ({"question": QUESTION}, 1001)
        assert answer.details == {"question": QUESTION, "answer": ANSWER}
        await bob.clicks("Approve", shown)
        await world.token_of("alice")
        await world.told("question answered")
        assert world.slack.app_errors == []


async def test_a_reply_from_the_list(tmp_path: Path) -> None:
    """What was asked waits in Alice's list, and her answer shows there."""
    async with living(tmp_path) as world:
        alice, shown = world.person("alice"), await asked(world)
        await _asks(world, shown)
        await _inquiry(world)
        assert labels(await opens_list(alice)) == ["Reply", "Withdraw"]
        await alice.clicks("Reply")
        await alice.sees_view("Your answer")
        await alice.types("answer", ANSWER)
        await alice.submits()
        await in_thread(world, shown, "Alice Adams answered")
        assert labels(await alice.sees_view(lambda view: "asked you" not in reads(view))) == ["Withdraw"]
        assert world.slack.app_errors == []


async def test_an_approver_asks_from_the_list(tmp_path: Path) -> None:
    """The form opens over Bob's list, and closes into one that says that he asked."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await asked(world)
        await opens_list(bob)
        await bob.clicks("Ask a question")
        await bob.sees_view("Your question")
        await bob.types("question", QUESTION)
        await bob.submits()
        await lists(bob, "<@U0BOB> asked a question.")
        await in_thread(world, shown, "Bob Brown asked Alice Adams")
        assert world.slack.app_errors == []


async def test_who_may_not_decide_asks_nothing(tmp_path: Path) -> None:
    """Erin reads along; Bob asked for it himself: both are told no, and the audit hears of it."""
    async with living(tmp_path, prepare=bystander) as world:
        bob, erin, shown = world.person("bob"), world.person("erin"), await asked(world, "bob")
        for person in (erin, bob):
            await person.clicks("Ask a question", shown)
            await person.sees_view(lambda view: view["submit"] is None)
            await person.closes()
        await world.told("refused", times=2)
        assert await of_event(world, "question asked") == []
        assert world.slack.app_errors == []


async def test_an_answer_after_the_decision_is_not_needed(tmp_path: Path) -> None:
    """Carol denied while Alice wrote: she is told, and what she was asked says so."""
    async with living(tmp_path) as world:
        alice, shown = world.person("alice"), await asked(world)
        await _asks(world, shown)
        inquiry = await _inquiry(world)
        screen = inquiry.snapshot()
        await alice.clicks("Reply", inquiry)
        await alice.sees_view("Your answer")
        await denies(world, "carol", shown, "not this week")
        over = await becomes(alice, inquiry, "No answer is needed any more.")
        assert over.labels == []
        await alice.types("answer", ANSWER)
        await alice.submits()
        await is_told(alice, "R-1001 was denied by <@U0CAROL>", "Already denied")
        await alice.clicks("Reply", screen)
        await is_told(alice, "R-1001 was denied by <@U0CAROL>", "Already denied")
        assert await of_event(world, "question answered") == []
        assert world.slack.app_errors == []


async def test_a_question_that_was_posted_twice(tmp_path: Path) -> None:
    """Slack's answer to the first post was lost, and Alice pressed Reply there: both copies say when no answer is needed."""
    async with living(tmp_path) as world:
        alice, shown = world.person("alice"), await asked(world)
        world.slack.faults.next("chat.postMessage", lose_answer=True, when=lambda call: "asks about" in call["text"])
        await _asks(world, shown)
        first = await _inquiry(world)
        second = await alice.sees(lambda one: "Reply" in one.labels and one.ts > first.ts, channel="dm", timeout=WITHIN)
        await alice.clicks("Reply", first)
        await alice.sees_view("Your answer")
        await denies(world, "carol", shown, "not this week")
        for copy in (first, second):
            over = await becomes(alice, copy, "No answer is needed any more.")
            assert over.labels == []
            assert "<@U0BOB> asks about R-1001 (Payments):" in over.shown
        assert world.slack.app_errors == []


async def test_two_questions_each_have_their_answer(tmp_path: Path) -> None:
    """Bob and Carol both ask; Alice answers Carol first, and each is called for their own."""
    async with living(tmp_path) as world:
        alice, shown = world.person("alice"), await asked(world)
        await _asks(world, shown, "bob", "For what?")
        await _asks(world, shown, "carol", "Until when?")
        both = await becomes(
            alice, await status(world, "alice", "<@U0CAROL> asked you"), "<@U0BOB> and <@U0CAROL> asked"
        )
        assert both.labels == ["Reply", "Withdraw"]
        second = await alice.sees(lambda one: "<@U0CAROL> asks" in one.text, channel="dm", timeout=WITHIN)
        await _replies(world, second, "Until Friday.")
        answered = await in_thread(world, shown, "Until Friday.")
        assert answered.text.startswith("<@U0CAROL>: ")
        assert "You asked: Until when?" in answered.shown
        await status(world, "alice", "<@U0BOB> asked you a question.")
        assert world.slack.app_errors == []


async def test_what_does_not_fit_is_said_at_its_field(tmp_path: Path) -> None:
    """Nothing, and more than fits."""
    async with living(tmp_path) as world:
        bob, shown = world.person("bob"), await asked(world)
        await bob.clicks("Ask a question", shown)
        await bob.sees_view("Your question")
        await bob.types("question", " \u200b ")
        assert "Write your question." in (await bob.submits()).errors["question"]
        sends_anything(world.slack.workspace.stacks[bob.id][-1], "question", "x" * 501)
        said = {"question": "Your question has 501 characters; 500 fit. Shorten it."}
        assert (await bob.submits()).errors == said
        assert await of_event(world, "question asked") == []
        assert world.slack.app_errors == []


async def test_a_question_whose_answer_was_lost_is_asked_once(tmp_path: Path) -> None:
    """Slack's answer to the direct message got lost: it may stand there twice, and it is one question with one answer."""

    def lose(slack: LocalSlack, _tyk: LocalTyk) -> None:
        slack.faults.next("chat.postMessage", lose_answer=True, when=lambda args: "asks about" in args["text"])

    async with living(tmp_path, prepare=lose) as world:
        alice, shown = world.person("alice"), await asked(world)
        await _asks(world, shown)
        await alice.sees(
            lambda _: len([one for one in alice.dm() if "asks about" in one.text]) == 2, channel="dm", timeout=WITHIN
        )
        await _replies(world, next(one for one in alice.dm() if "asks about" in one.text))
        await in_thread(world, shown, "Alice Adams answered")
        assert len(await of_event(world, "question asked")) == 1
        await world.pass_time(timedelta(minutes=1))
        assert (await card(world)).labels == DECIDE
        assert world.slack.app_errors == []
