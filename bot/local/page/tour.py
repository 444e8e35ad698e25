"""A tour of the page: what to do first, as whom and where, and each step done for whoever asks for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.local.slack import LocalSlack, NotPossible

Json = dict[str, Any]
LATE = "The bot did not answer in time. Is it running?"


@dataclass(frozen=True)
class Step:
    """`who` is a person's name, `room` a channel's or `dm`. A step without `does` is done by looking there."""

    title: str
    text: str
    who: str
    room: str
    does: Callable[[], Awaitable[None]] | None = None
    is_done: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Tour:
    """`farewell` is said after the last step, and alone where there are no steps."""

    slack: LocalSlack
    steps: Sequence[Step]
    farewell: str

    def shown(self) -> Json:
        """The tour as the page draws it."""
        return {"steps": [self._step(step) for step in self.steps], "farewell": self.farewell}

    def _step(self, step: Step) -> Json:
        place = self.slack.workspace
        who = place.user(step.who)
        return {
            "title": step.title,
            "text": step.text,
            "who": step.who,
            "room": (place.dm(who.id) if step.room == "dm" else place.channel(step.room)).id,
            "is_look": step.does is None,
            "is_done": bool(step.is_done and step.is_done()),
        }

    async def do(self, number: int) -> None:
        """Do this step. Raises NotPossible with a sentence."""
        does = self.steps[number].does
        if does is None:
            return
        try:
            await does()
        except TimeoutError:
            raise NotPossible(LATE) from None
