"""Acts of the person in the browser, done through the same Person that a test uses: the app cannot tell them apart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from bot.local.slack import LocalSlack, Message, NotPossible, Person
from bot.local.slack.block_kit import Slot, element_slots
from bot.local.slack.objects import View

Json = dict[str, Any]
GONE = "This is not on the screen any more."


class MalformedError(Exception):
    """The browser sent what the page's own scripts never send."""


class Acts:
    def __init__(self, slack: LocalSlack) -> None:
        self._slack = slack
        self._place = slack.workspace
        self._known: dict[str, Callable[[Person, Json], Awaitable[Json]]] = {
            "run": self._run,
            "say": self._say,
            "click": self._click,
            "pick": self._pick,
            "type": self._type,
            "search": self._search,
            "submit": self._submit,
            "close": self._close,
            "open_home": self._open_home,
            "shortcut": self._shortcut,
            "reload": self._reload,
        }

    async def do(self, act: str, who: str, told: Json) -> Json:
        """Do what was done in the browser. Returns what came of it. Raises NotPossible with a sentence, and MalformedError."""
        if act not in self._known:
            raise MalformedError(f"there is no act {act!r}")
        try:
            return await self._known[act](self._slack.person(who), told)
        except (KeyError, TypeError, AttributeError) as error:
            raise MalformedError(f"{act}: {type(error).__name__} {error}") from None

    # --- words ---

    async def _run(self, person: Person, told: Json) -> Json:
        outcome = await person.runs(told["command"], told["text"], told["room"])
        return {"ms": outcome.ack_ms, "error": outcome.error}

    async def _say(self, person: Person, told: Json) -> Json:
        await person.says(told["text"], told["room"])
        return {}

    async def _open_home(self, person: Person, told: Json) -> Json:
        await person.opens_home(told["tab"])
        return {}

    async def _shortcut(self, person: Person, told: Json) -> Json:
        _, message = self._surface(person, told) if "ts" in told else (None, None)
        outcome = await person.uses_shortcut(told["name"], message)
        return {"ms": outcome.ack_ms, "error": outcome.error}

    async def _reload(self, person: Person, _told: Json) -> Json:
        person.reloads()
        return {}

    # --- buttons and choices ---

    async def _click(self, person: Person, told: Json) -> Json:
        view, message = self._surface(person, told)
        await self._fill(person, view, told)
        target = _target(told)
        if view is not None and view.type == "home":
            outcome = await person.clicks_in_home(target)
        else:
            _slot(view.blocks if view else message.blocks if message else [], target)
            outcome = await person.clicks(target, message)
        return {"ms": outcome.ack_ms, "error": outcome.error}

    async def _pick(self, person: Person, told: Json) -> Json:
        view, message = self._surface(person, told)
        await self._fill(person, view, told)
        outcome = await person.picks(_target(told), told["value"], message=message)
        return {"ms": outcome.ack_ms, "error": outcome.error}

    async def _type(self, person: Person, told: Json) -> Json:
        view, _ = self._surface(person, told)
        await self._fill(person, view, told)
        await person.types(_target(told), told["value"] or "", enter=bool(told.get("enter")))
        return {}

    async def _search(self, person: Person, told: Json) -> Json:
        _, message = self._surface(person, told)
        return await person.is_offered(_target(told), told["query"], message=message)

    # --- modals ---

    async def _submit(self, person: Person, told: Json) -> Json:
        view, _ = self._surface(person, told)
        await self._fill(person, view, told)
        return asdict(await person.submits())

    async def _close(self, person: Person, told: Json) -> Json:
        self._surface(person, told)
        await person.closes(everything=bool(told.get("everything")))
        return {}

    async def _fill(self, person: Person, view: View | None, told: Json) -> None:
        """Fill in the view what was typed and chosen in the browser since: `values` are block_id -> action_id -> value."""
        if view is None or view.type != "modal":
            return
        for slot in element_slots(view.blocks):
            values = told.get("values", {}).get(slot.block_id, {})
            if slot.action_id not in values or values[slot.action_id] == plain_value(view, slot):
                continue
            value, target = values[slot.action_id], (slot.block_id, slot.action_id)
            if slot.value_key in ("value", "rich_text_value"):
                await person.types(target, value or "")
            else:
                await person.picks(target, value)

    # --- where ---

    def _surface(self, person: Person, told: Json) -> tuple[View | None, Message | None]:
        """The view on top, the home tab, or a message that this person sees."""
        if "view" in told:
            stack = self._place.stacks.get(person.id, [])
            home = self._place.homes.get(person.id)
            if stack and stack[-1].id == told["view"]:
                return stack[-1], None
            if home is not None and home.id == told["view"]:
                return home, None
            raise NotPossible(GONE)
        for message in person.messages(told["room"]):
            if message.ts == told["ts"]:
                return None, message
        raise NotPossible(GONE)


def plain_value(view: View, slot: Slot) -> Any:
    """The value chosen or typed so far: options by their values, the empty as None or []."""
    key = slot.value_key or "value"
    value = view.state.get(slot.block_id, {}).get(slot.action_id, {}).get(key)
    if isinstance(value, list):
        return [one["value"] if isinstance(one, dict) else one for one in value]
    if key == "selected_option":
        return value["value"] if value else None
    return value or None


def _target(told: Json) -> tuple[str, str]:
    return told["block"], told["action"]


def _slot(blocks: list[Json], target: tuple[str, str]) -> None:
    """Raises NotPossible where the button has gone meanwhile."""
    if not any((slot.block_id, slot.action_id) == target for slot in element_slots(blocks)):
        raise NotPossible(GONE)
