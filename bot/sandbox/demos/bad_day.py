"""The story of other days: what goes wrong, and the way out of it, told by five people over as many months as it takes."""

from __future__ import annotations

from bot.local.slack import Message, Person
from bot.sandbox.demos.reading import has_block, reading, shown, token_in
from bot.sandbox.demos.telling import SEEN_WITHIN, call, expect, say
from bot.sandbox.process import Place

DAY = 86400.0


class BadDay:
    """Each story begins with a request of its own; `tell` is the table of contents."""

    def __init__(self, place: Place) -> None:
        self._place = place
        person = place.world.slack.person
        self._alice, self._bob, self._carol, self._dave = (person(name) for name in ("alice", "bob", "carol", "dave"))

    async def tell(self) -> None:
        await self._wrong_api()
        await self._approvers_on_holiday()
        old = await self._lost_token()
        await self._leaked_token(old)
        await self._about_to_end()
        await self._revoked()
        await self._holder_gone()
        await self._no_end()
        await self._nothing_is_left()

    async def _wrong_api(self) -> None:
        title("The wrong API picked")
        await self._asks(self._alice, "ledger", "R-1001")
        await self._alice.runs("/tyk-key", "list")
        view = await self._alice.sees_view("R-1001")
        say("Alice", "types /tyk-key list, and sees")
        say("Slack", shown(view))
        await self._alice.clicks("Withdraw")
        await self._alice.sees_view("Withdrawn by")
        say("Alice", "presses Withdraw: nobody need decide it")
        await self._alice.closes()

    async def _approvers_on_holiday(self) -> None:
        title("The approvers are on holiday")
        await self._asks(self._alice, "payments", "R-1002", lifetime="2592000", used_by="checkout")
        card = await self._sees(self._bob, "approvals", "· R-1002", "Approve")
        await self._sees(self._carol, "audit", "R-1002")  # told last: the bot knows where the card stands
        await self._passes("Two days and a half", 2.5)
        note = await self._sees(self._bob, "approvals", "has been waiting since")
        expect(note.thread_ts == card.ts, "the reminder does not stand under the card")
        expect("<@U0ALICE>" not in note.text, "the requester is asked to decide")
        say("#approvals, in the card's thread", reading(note.shown))
        await self._approves(self._bob, "R-1002")

    async def _lost_token(self) -> str:
        title("The token is lost")
        old = await self._token(self._alice, "R-1002")
        await self._opens(old, "payments", 200)
        await self._replaces("R-1002", "I lost it")
        new = await self._token(self._alice, "R-1002", besides=old)
        await self._carol.sees(lambda one: "*key deleted*" in one.text, channel="audit", timeout=SEEN_WITHIN)
        say("The bot, to Alice", "a new token, with the same end; nobody had to approve it again")
        await self._opens(new, "payments", 200)
        await self._gone(old, "payments")
        return new

    async def _leaked_token(self, old: str) -> None:
        title("The token has leaked")
        await self._replaces("R-1002", "Others may have seen it")
        note = await self._sees(self._bob, "approvals", "leaked")
        say("#approvals, in the card's thread", reading(note.shown))
        new = await self._token(self._alice, "R-1002", besides=old)
        await self._gone(old, "payments")
        await self._opens(new, "payments", 200)

    async def _about_to_end(self) -> None:
        title("The token is about to end")
        await self._passes("Twenty-nine days", 29.1)
        ring = await self._sees(self._alice, "dm", "unless you extend it")
        say("The bot, to Alice", reading(ring.shown))
        await self._alice.clicks("Ask again", ring)
        view = await self._alice.sees_view(lambda one: has_block(one, "about:payments"))
        used_by = next(block for block in view["blocks"] if block["block_id"] == "used_by")
        expect(used_by["element"].get("initial_value") == "checkout", "the form is not filled in")
        say("Alice", "presses Ask again: the form is filled in as it was, she presses Send request")
        await self._alice.submits()
        await self._alice.sees_view("R-1003")
        await self._alice.closes()
        await self._approves(self._bob, "R-1003")
        await self._opens(await self._token(self._alice, "R-1003"), "payments", 200)

    async def _revoked(self) -> None:
        title("An approver ends it")
        token = await self._token(self._alice, "R-1003")
        card = await self._sees(self._bob, "approvals", "R-1003", "Revoke")
        await self._bob.clicks("Revoke", card)
        view = await self._bob.sees_view("Revoke R-1003?")
        await self._bob.types("reason", "the checkout has moved to the new API")
        say("Bob", "presses Revoke on the decided card, and says why")
        say("Slack asked him", shown(view))
        await self._bob.submits()
        ring = await self._alice.rung("revoked by", timeout=SEEN_WITHIN)
        say("The bot, to Alice", reading(ring.text))
        await self._gone(token, "payments")

    async def _holder_gone(self) -> None:
        title("The holder is gone")
        await self._asks(self._dave, "payments", "R-1004", lifetime="2592000", used_by="nightly report")
        await self._approves(self._bob, "R-1004")
        token = await self._token(self._dave, "R-1004")
        self._place.world.slack.workspace.deactivate("dave")
        say("HR", "deactivates Dave")
        case = await self._sees(self._bob, "approvals", "has left", "Revoke")
        say("#approvals", reading(case.shown))
        await self._opens(token, "payments", 200)
        await self._bob.clicks("Revoke", case)
        await self._bob.sees_view("Revoke R-1004?")
        await self._bob.types("reason", "the report has a new owner")
        await self._bob.submits()
        say("Bob", "asks who needs the report, finds nobody, and revokes it")
        await self._gone(token, "payments")

    async def _no_end(self) -> None:
        title("A token that doesn't expire")
        await self._asks(self._alice, "ledger", "R-1005", lifetime="never", used_by="bookkeeping")
        await self._approves(self._bob, "R-1005", last=False)
        await self._approves(self._carol, "R-1005")
        token = await self._token(self._alice, "R-1005")
        await self._passes("Three months", 90.1)
        asked = await self._sees(self._alice, "dm", "R-1005", "Yes, I use it")
        say("The bot, to Alice", reading(asked.shown))
        await self._alice.clicks("Yes, I use it", asked)
        say("Alice", "presses Yes, I use it")
        case = await self._sees(self._carol, "approvals", "still need this?", "Still needed")
        say("#approvals", reading(case.shown))
        await self._carol.clicks("Still needed", case)
        await self._carol.sees(lambda one: one.ts == case.ts and "Next review" in one.shown, channel="approvals")
        say("Carol", "presses Still needed")
        await self._opens(token, "ledger", 200)
        await self._passes("Three more months", 90.1)
        await self._sees(self._alice, "dm", "R-1005", "Yes, I use it")
        await self._passes("And two days in which Alice does not answer", 2.1)
        await self._sees(self._carol, "approvals", "still need this?", "Still needed")
        await self._passes("And fourteen days in which nobody confirms", 14.1)
        ring = await self._alice.rung("Nobody confirmed", timeout=SEEN_WITHIN)
        say("The bot, to Alice", reading(ring.text))
        await self._gone(token, "ledger")

    async def _nothing_is_left(self) -> None:
        title("What the auditor sees")
        tyk, slack = self._place.world.tyk, self._place.world.slack
        await slack.changes.until(lambda: None if tyk.usable_keys() else True, SEEN_WITHIN, "the end of the last key")
        for event in ("withdrawn", "reminded", "replaced", "left", "renewed", "revoked", "expired"):
            message = await self._sees_event(event)
            told = next(line for line in message.text.splitlines() if f"*{event}*" in line)
            say("#audit", reading(told))
        expect(not slack.app_errors, f"Slack refused something: {slack.app_errors}")

    # what they do again and again

    async def _asks(self, who: Person, api: str, label: str, *, lifetime: str = "604800", used_by: str = "") -> None:
        await who.runs("/tyk-key")
        await who.sees_view(lambda view: has_block(view, "api"))
        await who.picks("api", api)
        view = await who.sees_view(lambda view: has_block(view, f"about:{api}"))
        if has_block(view, f"plan:{api}"):
            await who.picks("plan", "standard")
        await who.picks("lifetime", lifetime)
        if used_by:
            await who.types("used_by", used_by)
        await who.types("reason", "to get something done")
        outcome = await who.submits()
        expect(outcome.response_action == "update", f"the form was not accepted: {outcome}")
        await who.sees_view(label)
        await who.closes()
        for_what = f", used by {used_by}" if used_by else ""
        say(who.name.capitalize(), f"asks for {api}{for_what}: {label}")

    async def _approves(self, who: Person, label: str, *, last: bool = True) -> None:
        card = await self._sees(who, "approvals", f"· {label}", "Approve")
        await who.clicks("Approve", card)

        def decided(one: Message) -> bool:
            return one.ts == card.ts and ("Approve" not in one.labels if last else "1 of 2 approvals" in one.shown)

        await who.sees(decided, channel="approvals", timeout=SEEN_WITHIN)
        say(who.name.capitalize(), f"approves {label}")

    async def _replaces(self, label: str, what: str) -> None:
        status = await self._sees(self._alice, "dm", label, "Replace token")
        await self._alice.clicks("Replace token", status)
        await self._alice.sees_view("Replace token")
        await self._alice.picks("loss", what)
        outcome = await self._alice.submits()
        expect(not outcome.errors, f"the form was not accepted: {outcome}")
        say("Alice", f"presses Replace token, and picks “{what}”")

    async def _token(self, who: Person, label: str, besides: str = "") -> str:
        """The token on show for this request, another than `besides`."""

        def holds(one: Message) -> bool:
            return label in one.shown and token_in(one) not in (None, besides)

        message = await who.sees(holds, channel="dm", timeout=SEEN_WITHIN)
        shown_now = [one for one in who.dm() if token_in(one) is not None and label in one.shown]
        expect(len(shown_now) == 1, f"{len(shown_now)} messages hold a token of {label}")
        return token_in(message) or ""

    async def _sees_event(self, event: str) -> Message:
        """The line of the audit channel, which goes out a second or more after what it tells of."""
        return await self._carol.sees(lambda one: f"*{event}*" in one.text, channel="audit", timeout=SEEN_WITHIN)

    async def _sees(self, who: Person, channel: str, wanted: str, button: str | None = None) -> Message:
        def fits(one: Message) -> bool:
            return wanted in one.shown and (button is None or button in one.labels)

        return await who.sees(fits, channel=channel, timeout=SEEN_WITHIN)

    async def _passes(self, words: str, days: float) -> None:
        await self._place.bot.move(days * DAY)
        say("", f"… {words} go by.")

    async def _opens(self, token: str, api: str, wanted: int) -> None:
        status, answer = await call(f"{self._place.world.tyk.gateway_url}/{api}/", token)
        expect(status == wanted, f"the gateway said {status} {answer}, not {wanted}")
        told = "opens the door" if status == 200 else f"{answer.get('error')}"
        say("The gateway", f"{status}: {token[:4]}… {told}")

    async def _gone(self, token: str, api: str) -> None:
        """The key is deleted; a Gateway that let it through just now does so for ten seconds more."""
        tyk, changes = self._place.world.tyk, self._place.world.slack.changes
        await changes.until(
            lambda: None if token in {key.token for key in tyk.usable_keys()} else True, SEEN_WITHIN, "a deleted key"
        )
        status, _ = await call(f"{tyk.gateway_url}/{api}/", token)
        if status == 200:
            say("The gateway", f"200: {token[:4]}… still opens the door, from a cache of ten seconds")
            await self._passes("Ten seconds", 10 / DAY)
        await self._opens(token, api, 403)


def title(text: str) -> None:
    print(f"\n\n{text}\n{'─' * len(text)}", flush=True)
