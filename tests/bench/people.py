"""People who want a token, many at a time, and how long each of them waits."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bot.local.slack import LocalSlack, Message
from bot.local.slack.objects import View
from tests.bench.scene import APPROVER, COMMAND, user_id

Found = TypeVar("Found")
FORM_WITHIN = 6.0
TRIES = 40  # a person presses again, after a moment
MOMENT = 1.0
_TOKEN = re.compile(r"eyJvcmciOi[A-Za-z0-9+/=_-]+")


@dataclass
class Visit:
    """One way from the command to the token. Times are of `perf_counter`; an ack that Slack did not wait for is None."""

    command_acks: list[float | None] = field(default_factory=list)
    submit_acks: list[float | None] = field(default_factory=list)
    unconfirmed: int = 0
    submitted: float | None = None
    clicked: float | None = None
    token: float | None = None

    @property
    def waited(self) -> float | None:
        """Seconds from the submission, or from the approver's click, to the token in the direct message."""
        begun = self.clicked or self.submitted
        return None if begun is None or self.token is None else self.token - begun


class Visitor:
    """A person whose windows are looked at when they change, and not when anybody's do."""

    def __init__(self, slack: LocalSlack, number: int) -> None:
        self.id = user_id(number)
        self._slack = slack
        self._person = slack.person(self.id)
        self._changed = asyncio.Event()
        self._tokens: dict[str, float] = {}
        slack.changes.watch(self.id, self._look)

    def _look(self) -> None:
        self._changed.set()
        channel = self._slack.workspace.dms.get(self.id)
        for message in reversed(self._slack.workspace.posts[channel.id] if channel else []):
            for token in _TOKEN.findall(message.shown):
                self._tokens.setdefault(token, time.perf_counter())

    async def _until(self, probe: Callable[[], Found | None], within: float) -> Found:
        async with asyncio.timeout(within):
            while (found := probe()) is None:
                self._changed.clear()
                await self._changed.wait()
            return found

    @property
    def _view(self) -> View | None:
        stack = self._slack.workspace.stacks.get(self.id)
        return stack[-1] if stack else None

    def _form(self, besides: str = "") -> View | None:
        view = self._view
        is_form = view is not None and any(block["block_id"] == "api" for block in view.blocks)
        return view if view is not None and is_form and view.hash != besides else None

    async def opens(self, visit: Visit) -> None:
        """The command, until there is a form; once more where none came."""
        for _ in range(TRIES):
            outcome = await self._person.runs(COMMAND, channel="dm")
            visit.command_acks.append(None if outcome.error else outcome.ack_ms)
            try:
                await self._until(self._form, FORM_WITHIN)
            except TimeoutError:
                continue
            return
        raise TimeoutError("no form")

    async def asks(self, api: str, visit: Visit | None = None) -> Visit:
        """Command, form, pick and submission."""
        visit = visit or Visit()
        await self.opens(visit)
        drawn = self._form()
        assert drawn is not None, "it was just opened"
        before = drawn.hash
        if (await self._person.picks("api", api)).sent:
            await self._until(lambda: self._form(before), FORM_WITHIN)
        await self._person.types("reason", "to see how long it takes")
        visit.submitted = time.perf_counter()
        for _ in range(TRIES):
            outcome = await self._person.submits()
            visit.submit_acks.append(outcome.ack_ms)
            if not outcome.errors:  # taken; or no ack came in time, and it is under way: nobody presses twice
                return visit
            visit.unconfirmed += 1
            await asyncio.sleep(MOMENT)
        raise TimeoutError(f"never taken: {outcome}")

    async def has(self, visit: Visit, tokens: int = 1, within: float = 120.0) -> Visit:
        """Wait for so many tokens in the direct message."""
        await self._until(lambda: self._tokens if len(self._tokens) >= tokens else None, within)
        visit.token = max(self._tokens.values())
        return visit

    @property
    def tokens(self) -> int:
        return len(self._tokens)


async def one_by_one(slack: LocalSlack, numbers: Iterable[int], api: str) -> list[Visit]:
    """Each comes when the one before has a token."""
    visits = []
    for number in numbers:
        visitor = Visitor(slack, number)
        visits.append(await visitor.has(await visitor.asks(api)))
    return visits


async def approved_one_by_one(slack: LocalSlack, numbers: Iterable[int], api: str) -> list[Visit]:
    """The same where Carol approves each as soon as she can; a visit is then timed from her click."""
    visits = []
    for number in numbers:
        visitor = Visitor(slack, number)
        visit = await visitor.asks(api)
        card = await card_of(slack, visitor.id)
        visit.clicked = time.perf_counter()
        await slack.person(APPROVER).clicks("Approve", card)
        visits.append(await visitor.has(visit))
    return visits


async def card_of(slack: LocalSlack, requester: str, channel: str = "approvals0") -> Message:
    """The card that asks for this person's approval, once it can be pressed."""
    user = slack.workspace.users[requester]
    names = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in (user.id, user.name, user.real_name)))

    def is_theirs(message: Message) -> bool:
        return names.search(message.shown) is not None and "Approve" in message.labels

    return await slack.person(APPROVER).sees(is_theirs, channel=channel, timeout=60)


async def crowd(slack: LocalSlack, people: int, api: str, *, over: float, within: float, first: int = 0) -> list[Visit]:
    """All of them, spread evenly over so many seconds. Who has no token within the time is without one in the list."""
    visits = [Visit() for _ in range(people)]

    async def comes(number: int, visit: Visit) -> None:
        visitor = Visitor(slack, first + number)
        await asyncio.sleep(over * number / people)
        await visitor.has(await visitor.asks(api, visit), within=within)

    tasks = [asyncio.create_task(comes(number, visit)) for number, visit in enumerate(visits)]
    _, late = await asyncio.wait(tasks, timeout=within)
    for task in late:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return visits


async def quiet(slack: LocalSlack, still: float = 1.0, within: float = 60.0) -> None:
    """Wait until no call has come for so many seconds."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        version = slack.changes.version
        try:
            await asyncio.wait_for(slack.changes.moved(version), still)
        except TimeoutError:
            return
        await asyncio.sleep(still / 10)


def percentile(values: Sequence[float], share: float) -> float:
    """The value that so large a share does not exceed."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
