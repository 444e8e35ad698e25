"""How long people wait: one, a crowd, a thousand, thirty under Slack's limits; and on PostgreSQL with one and two replicas."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

from bot.local.slack import RateLimits
from bot.slack.budget import BURST, EVERY
from tests.bench.people import (
    Visit,
    Visitor,
    approved_one_by_one,
    card_of,
    crowd,
    one_by_one,
    percentile,
    quiet,
)
from tests.bench.scene import APPROVER, BOT, BUSY, OPEN, REVIEWED, SCRIPT, USUAL, Distance, Program, scene
from tests.bench.table import Figure

CONCURRENT = 20  # our calls to Tyk at a time, unless told otherwise
CALLS_TO_TYK = 2  # a token needs POST and PUT
ACK_WITHIN = 3000.0
ACTS_OF_A_REQUEST = 3  # the command, the pick, the form
CROWD_WITHIN = 200.0


# --- one person -------------------------------------------------------------------------------------------------------


async def single(*, quick: bool) -> dict[str, Figure]:
    people = 5 if quick else 15
    return {"single": Figure(await alone(BOT, people), await alone(SCRIPT, people), note=f"median of {people}")}


async def approve(*, quick: bool) -> dict[str, Figure]:
    people = 4 if quick else 12
    ours, script = [await alone(program, people, REVIEWED) for program in (BOT, SCRIPT)]
    return {"approve": Figure(ours, script, note=f"median of {people}")}


async def alone(
    program: Program, people: int, api: str = OPEN, *, database: str | Path | None = None, others: int = 0
) -> float:
    """Milliseconds, the median of so many people who come one after the other; the first one warms it up."""
    come = approved_one_by_one if api == REVIEWED else one_by_one
    async with scene(max(people + 1, others), USUAL) as place, place.running(program, database):
        visits = await come(place.slack, range(people + 1), api)
    return 1000 * median(visit.waited or 0 for visit in visits[1:])


# --- crowds -----------------------------------------------------------------------------------------------------------


async def many(*, quick: bool) -> dict[str, Figure]:
    people = 60 if quick else 200
    ours, script = [await _last_token(program, people) for program in (BOT, SCRIPT)]
    return {"crowd": Figure(ours, script, note=f"{_told(people, 1)}; {_possible(people)}")}


async def _last_token(program: Program, people: int, database: str | None = None, replicas: int = 1) -> float | None:
    """Seconds from the first command to the last token, where all of them got one."""
    async with scene(people + 5, BUSY) as place, AsyncExitStack() as stack:
        for _ in range(replicas):
            await stack.enter_async_context(place.running(program, database))
        await place.slack.connected(replicas)
        await one_by_one(place.slack, range(people, people + 5), OPEN)
        started = time.perf_counter()
        visits = await crowd(place.slack, people, OPEN, over=1.0, within=CROWD_WITHIN)
    return _last(visits, started)


def _last(visits: list[Visit], started: float) -> float | None:
    tokens = [visit.token for visit in visits if visit.token is not None]
    return max(tokens) - started if len(tokens) == len(visits) else None


def _told(people: int, seconds: float) -> str:
    return f"{people} people within {seconds:g} s"


def allowed_by_tyk(tokens: int, distance: Distance = BUSY) -> float:
    """Seconds that so many tokens take at least, since so many calls to Tyk at a time are all that we allow ourselves."""
    return tokens * CALLS_TO_TYK * distance.tyk / CONCURRENT


def _possible(tokens: int) -> str:
    return f"possible: {tokens} x {CALLS_TO_TYK} calls x {BUSY.tyk:g} s / {CONCURRENT} = {allowed_by_tyk(tokens):.1f} s"


async def thousand(*, quick: bool) -> dict[str, Figure]:
    """A thousand people within ten seconds; the bound is what Tyk's time and our concurrency towards it allow."""
    people, over = (200, 2.0) if quick else (1000, 10.0)
    ours, began = await _crowd_of(BOT, people, over)
    script, script_began = await _crowd_of(SCRIPT, people, over)
    acks, scripts = _acks(ours), _acks(script)
    tokens = sum(visit.token is not None for visit in ours)
    return {
        "thousand-late": Figure(_late(acks), _late(scripts), note=f"of {len(acks)}; {_told(people, over)}"),
        "thousand-unconfirmed": Figure(
            sum(visit.unconfirmed for visit in ours), note=f"{tokens} of {people} got a token"
        ),
        "thousand-ack": Figure(_p99(acks), _p99(scripts), note=f"p50 {percentile(_in_time(acks), 0.5):.0f} ms"),
        "thousand-last": Figure(
            _last(ours, began),
            _last(script, script_began),
            allowed_by_tyk(people),
            _possible(people),
        ),
    }


async def _crowd_of(program: Program, people: int, over: float) -> tuple[list[Visit], float]:
    async with scene(people + 5, BUSY) as place, place.running(program):
        await one_by_one(place.slack, range(people, people + 5), OPEN)
        began = time.perf_counter()
        return await crowd(place.slack, people, OPEN, over=over, within=CROWD_WITHIN), began


def _acks(visits: list[Visit]) -> list[float | None]:
    return [ack for visit in visits for ack in (*visit.command_acks, *visit.submit_acks)]


def _in_time(acks: list[float | None]) -> list[float]:
    return [ACK_WITHIN if ack is None else ack for ack in acks]


def _late(acks: list[float | None]) -> int:
    return sum(ack is None or ack > ACK_WITHIN for ack in acks)


def _p99(acks: list[float | None]) -> float:
    return percentile(_in_time(acks), 0.99)


# --- thirty under Slack's limits --------------------------------------------------------------------------------------


async def limits(*, quick: bool) -> dict[str, Figure]:
    """One person has asked for thirty APIs, and one approver goes through the cards as fast as she can."""
    number = 10 if quick else 30
    apis = {f"api{index}": 1 for index in range(number)}
    async with scene(1, USUAL, apis=apis, channels=number) as place, place.running(BOT):
        visitor = Visitor(place.slack, 0)
        for asked, api in enumerate(apis, start=1):
            await _at_the_pace_of(asked * ACTS_OF_A_REQUEST, ACTS_OF_A_REQUEST)
            await visitor.asks(api)
        await quiet(place.slack, still=2.5)
        cards = [await card_of(place.slack, visitor.id, f"approvals{index}") for index in range(number)]
        place.slack.limits.enabled = True
        visit = Visit(clicked=time.perf_counter())
        for clicked, card in enumerate(cards, start=1):
            await _at_the_pace_of(clicked, 1)
            await place.slack.person(APPROVER).clicks("Approve", card)
        try:
            await visitor.has(visit, tokens=number, within=CROWD_WITHIN)
        except TimeoutError:
            visit.token = None
        got = visitor.tokens
        refused = sum(call.data["status"] == 429 for call in place.slack.journal.calls())
    bound = allowed_by_slack(number, USUAL)
    note = f"{got} of {number} tokens, {refused} calls refused; possible: {bound:.1f} s"
    return {"limits": Figure(visit.waited, bound=bound, note=note)}


async def _at_the_pace_of(acts: int, further: int) -> None:
    """Wait where one person's acts, so many by now, are more than the bot takes from one person at once."""
    if acts > BURST:
        await asyncio.sleep(further * EVERY)


def allowed_by_slack(tokens: int, distance: Distance, limits: RateLimits | None = None) -> float:
    """Seconds to the last of so many tokens for one person: each is announced by a post of its own in the same direct
    message, a short burst at once and then one a second; the edit that brings the token is within its method's limit."""
    paced = max(0, tokens - (limits or RateLimits()).channel_burst)
    return paced + 2 * distance.slack + CALLS_TO_TYK * distance.tyk


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


async def on_postgres(*, quick: bool) -> dict[str, Figure]:
    from tests.bench.postgres import server  # noqa: PLC0415 - it starts a server, and only these rows need one

    people, lonely = (60, 5) if quick else (200, 12)
    async with server() as new_database:
        one_person = await alone(BOT, lonely, database=new_database())
        one = await _last_token(BOT, people, new_database())
        two = await _last_token(BOT, people, new_database(), replicas=2)
    script = await _last_token(SCRIPT, people)
    return {
        "postgres": Figure(one_person, await alone(SCRIPT, lonely), note=f"median of {lonely}"),
        "postgres-crowd": Figure(one, script, note=_told(people, 1)),
        "postgres-two": Figure(two, script, one, note="" if one is None else f"one: {one:.1f} s"),
    }
