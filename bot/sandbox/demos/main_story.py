"""Stories that play themselves in the sandbox, told as conversations. Each step of one must have been seen."""

from __future__ import annotations

from bot.layout import complain
from bot.local.slack import NotPossible
from bot.local.world import World
from bot.sandbox.demos.bad_day import BadDay
from bot.sandbox.demos.reading import has_block, reading, shown, token_in
from bot.sandbox.demos.telling import SEEN_WITHIN, UnseenError, call, expect, say
from bot.sandbox.process import NotStarted, sandbox

STORIES = ("main", "bad-day")


async def play(story: str) -> int:
    """One of STORIES, told as a conversation. Returns 0 only if every step of it was seen."""
    try:
        async with sandbox() as place:
            await (MainStory(place.world) if story == "main" else BadDay(place)).tell()
    except (NotStarted, UnseenError, TimeoutError, NotPossible) as unseen:
        complain(f"Not seen: {unseen}")
        return 1
    print("\nEvery step was seen.")
    return 0


class MainStory:
    """Alice asks, Bob approves, the token arrives, opens the API, is hidden; the grant ends, and the door is shut."""

    def __init__(self, place: World) -> None:
        self._place = place
        self._alice, self._bob, self._carol = (place.slack.person(name) for name in ("alice", "bob", "carol"))

    async def tell(self) -> None:
        await self._ask()
        await self._approve()
        token = await self._receive()
        await self._hide(token)
        await self._end(token)
        await self._audit()

    async def _ask(self) -> None:
        say("Alice", "types /tyk-key")
        await self._alice.runs("/tyk-key")
        await self._alice.sees_view(lambda view: has_block(view, "api"))
        await self._alice.picks("api", "payments")
        view = await self._alice.sees_view(lambda view: has_block(view, "about:payments"))
        say("Slack", f"shows her “{view['title']['text']}”: Payments, its plans and lifetimes, and who decides")
        await self._alice.picks("plan", "standard")
        await self._alice.picks("lifetime", "20")
        await self._alice.types("used_by", "checkout")
        await self._alice.types("reason", "to test the new checkout")
        say("Alice", "picks the plan standard for 20 seconds, “to test the new checkout”, and presses Send request")
        outcome = await self._alice.submits()
        expect(outcome.response_action == "update", f"the form was not accepted: {outcome}")
        say("Slack", shown(await self._alice.sees_view("R-1001")))

    async def _approve(self) -> None:
        card = await self._bob.sees(lambda one: "Approve" in one.labels, channel="approvals", timeout=SEEN_WITHIN)
        say("#approvals", reading(card.shown))
        say("Bob", "presses Approve")
        await self._bob.clicks("Approve")
        decided = await self._bob.sees(
            lambda one: one.ts == card.ts and "Approve" not in one.labels, channel="approvals", timeout=SEEN_WITHIN
        )
        expect("Approved by" in decided.shown, "the card does not say who approved")

    async def _receive(self) -> str:
        message = await self._alice.sees(lambda one: token_in(one) is not None, channel="dm", timeout=SEEN_WITHIN)
        token = token_in(message) or ""
        expect(token not in message.text, "the token stands in the notification's text")
        say("The bot, to Alice", reading(message.shown.replace(token, f"{token[:6]}…{token[-4:]}")))
        status, answer = await call(self._url(), token)
        expect(status == 200, f"the gateway said {status} {answer}")
        say("Alice", f"calls {self._url()} with it: {status}")
        return token

    async def _hide(self, token: str) -> None:
        message = await self._alice.sees(lambda one: token_in(one) == token, channel="dm")
        say("Alice", "presses I've saved it")
        await self._alice.clicks("I've saved it")
        await self._alice.sees_gone(message, timeout=SEEN_WITHIN)
        expect(not any(token in one.shown for one in self._alice.dm()), "the token is still on show")
        say("Slack", "the message with the token is gone")

    async def _end(self, token: str) -> None:
        await self._carol.sees(lambda one: "*key deleted*" in one.text, channel="audit", timeout=2 * SEEN_WITHIN)
        expect(not self._place.tyk.usable_keys(), "a key is left that opens something")
        status, answer = await call(self._url(), token)
        expect(status in (401, 403), f"the gateway still says {status}")
        say("The gateway", f"20 seconds are over: {status} {answer.get('error')}")

    async def _audit(self) -> None:
        lines = "\n".join(message.text for message in self._carol.messages("audit"))
        for event in ("asked", "reviewed", "approved", "key created", "sent", "hidden", "expired", "key deleted"):
            expect(f"*{event}*" in lines, f"the audit channel does not say “{event}”")
        say("#audit", reading(lines))
        expect(not self._place.slack.app_errors, f"Slack refused something: {self._place.slack.app_errors}")

    def _url(self) -> str:
        return f"{self._place.tyk.gateway_url}/payments/"
