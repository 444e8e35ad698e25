"""What a token costs: processor and calls; and what many APIs cost: the start, memory, the form."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from statistics import median

from bot.local.slack import Entry, LocalSlack
from bot.local.slack.objects import View
from tests.bench.people import Visitor, card_of, crowd, one_by_one, quiet
from tests.bench.scene import (
    APPROVER,
    BOT,
    COMMAND,
    HERE,
    OPEN,
    REVIEWED,
    SCRIPT,
    USUAL,
    Process,
    Program,
    scene,
    user_id,
)
from tests.bench.table import Figure

WARM = 20
WITHIN = 120.0
MANY_APIS, FEW_APIS = 10_000, 10
TAKEN_TURNS = 5


# --- one token --------------------------------------------------------------------------------------------------------


async def processor(*, quick: bool) -> dict[str, Figure]:
    people = 40 if quick else 100
    ours, script = [await _processor(program, people) for program in (BOT, SCRIPT)]
    return {"cpu": Figure(ours, script, note=f"mean of {people}, five a second")}


async def _processor(program: Program, people: int) -> float:
    """Milliseconds of the process for each, all that follows the token included, without what it uses at rest."""
    async with scene(people + WARM, HERE) as place, place.running(program) as process:
        await one_by_one(place.slack, range(people, people + WARM), OPEN)
        await quiet(place.slack)
        rest = await _at_rest(process)
        before, started = process.cpu, asyncio.get_running_loop().time()
        visits = await crowd(place.slack, people, OPEN, over=people / 5, within=WITHIN)
        await quiet(place.slack)
        used, lasted = process.cpu - before, asyncio.get_running_loop().time() - started
    tokens = sum(visit.token is not None for visit in visits)
    return 1000 * (used - rest * lasted) / tokens


async def _at_rest(process: Process, seconds: float = 3.0) -> float:
    before = process.cpu
    await asyncio.sleep(seconds)
    return (process.cpu - before) / seconds


async def calls(*, quick: bool) -> dict[str, Figure]:
    people = 10 if quick else 20
    found = {}
    for name, api in (("calls", OPEN), ("calls-approved", REVIEWED)):
        ours, said = await _calls(BOT, people, api)
        script, _ = await _calls(SCRIPT, people, api)
        found[name] = Figure(ours, script, note=said)
    return found


async def _calls(program: Program, people: int, api: str) -> tuple[float, str]:
    """For each of some people who come at once, from the command until nothing more is called."""
    async with scene(people + 2, USUAL) as place, place.running(program):
        await one_by_one(place.slack, (people, people + 1), OPEN)
        await quiet(place.slack, still=3)
        before = len(place.slack.journal.calls())
        await asyncio.gather(*(_gets(place.slack, number, api) for number in range(people)))
        await quiet(place.slack, still=3)
        made = Counter(entry.name for entry in place.slack.journal.calls()[before:])
    said = ", ".join(f"{name} {number / people:.1f}" for name, number in made.most_common(5))
    return made.total() / people, said


async def _gets(slack: LocalSlack, number: int, api: str) -> None:
    visitor = Visitor(slack, number)
    visit = await visitor.asks(api)
    if api == REVIEWED:
        await slack.person(APPROVER).clicks("Approve", await card_of(slack, visitor.id))
    await visitor.has(visit)


async def auth(*, quick: bool) -> dict[str, Figure]:
    """From the start on, since the first of a crowd are those who ask who we are."""
    people, counts = 50 if quick else 100, []
    for program in (BOT, SCRIPT):
        async with scene(people, USUAL) as place, place.running(program):
            await crowd(place.slack, people, OPEN, over=0.0, within=WITHIN)
            counts.append(len(place.slack.journal.calls("auth.test")))
    return {"auth": Figure(counts[0], counts[1], note=f"{people} at once, the start included")}


# --- many APIs --------------------------------------------------------------------------------------------------------


async def form(*, quick: bool) -> dict[str, Figure]:
    forms = 12 if quick else 40
    few, many = [await _form(number, forms) for number in (FEW_APIS, MANY_APIS)]
    return {"form": Figure(many - few, note=f"{few:.1f} -> {many:.1f} ms from the command to views.open")}


async def _form(apis: int, forms: int) -> float:
    """Milliseconds, the median of some commands, of which nobody sends more than the bot takes from one person at once."""
    async with scene(TAKEN_TURNS, HERE, apis=_apis(apis)) as place, place.running(BOT) as process:
        await process.logged("config.checked")
        slack, visitors = place.slack, [Visitor(place.slack, number) for number in range(TAKEN_TURNS)]
        for turn in range(forms):
            person = slack.person(visitors[turn % TAKEN_TURNS].id)
            await person.runs(COMMAND, channel="dm")
            await slack.changes.until(partial(_open_form, slack, person.id), 10)
            person.reloads()
        return 1000 * median(_until_opened(slack.journal.entries)[3:])


def _open_form(slack: LocalSlack, user: str) -> View | None:
    return next(iter(slack.workspace.stacks.get(user, ())), None)


def _until_opened(entries: list[Entry]) -> list[float]:
    """Seconds from each command's frame to the arrival of the call that opens its form."""
    found, sent = [], None
    for entry in entries:
        if entry.kind == "frame" and entry.name == "slash_commands":
            sent = entry.at
        elif entry.kind == "call" and entry.name == "views.open" and sent is not None:
            found.append(entry.at - entry.data["ms"] / 1000 - sent)
            sent = None
    return found


async def start(*, quick: bool) -> dict[str, Figure]:
    seconds, megabytes = [], []
    for _ in range(1 if quick else 3):
        async with scene(1, HERE, apis=_apis(MANY_APIS)) as place, place.running(BOT) as process:
            await process.logged("config.checked")
            await place.slack.person(user_id(0)).runs(COMMAND, channel="dm")
            await quiet(place.slack)
            seconds.append(process.ready_after)
            megabytes.append(process.megabytes)
    note = f"median of {len(seconds)}"
    return {
        "start": Figure(median(seconds), note=note),
        "start-memory": Figure(median(megabytes), note=f"{note}; resident, its APIs compared with Tyk's"),
    }


def _apis(number: int) -> dict[str, int]:
    return {f"api-{index:05}": 0 for index in range(number)}
