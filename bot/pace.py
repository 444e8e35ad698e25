"""Limits on what is in hand at once: slots towards Tyk and Slack, and Slack's own limits on channels and methods.

Asked from the store's threads, inside the transactions that claim, and told from the event loop.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bot import effects
from bot.core import backoff
from bot.core.model import Effect, EffectKind
from bot.effects import Place

SLOTS: Mapping[Place, int] = {Place.TYK: 20, Place.SLACK: 20, Place.HERE: 20}
LANE_BURST = 2.0
LANE_PACE = 1.0
"""Posts at once, and then posts a second, that Slack takes in one channel; it promises the second and bears a short burst."""

MINUTE = 60.0
EDITS_A_MINUTE = 50
EDITS_SPARE = 5
RECENT = 10.0
"""`chat.update` is Slack's tier 3: fifty a minute. Repaints use what tokens leave over: room is kept for twice as many tokens as
are being made, or for as many as will come in a minute if they go on coming as in these last seconds; a little is spare for
Slack's clock."""


@dataclass
class _Lane:
    """A token bucket: `left` posts at the time `at`."""

    left: float
    at: float
    paused_until: float = 0.0


class Pace:
    """`clock` is in monotonic seconds; `ahead` is by how many more the time was moved on, in a test or the sandbox."""

    ahead = 0.0

    def __init__(self, clock: Callable[[], float], slots: Mapping[Place, int] = SLOTS) -> None:
        self._clock = clock
        self._free = dict(slots)
        self._lanes: dict[str, _Lane] = {}
        self._paused: dict[str, float] = {}
        self._edits: deque[tuple[float, bool]] = deque()  # when, and whether it was a token's
        self._being_made: dict[str, float] = {}  # requests whose token is to be shown, and since when
        self._guard = threading.Lock()

    def _now(self) -> float:
        return self._clock() + self.ahead

    # --- before an act ---

    def take(self, effect: Effect) -> bool:
        """Take its slot and its turn in the channel, if it may be done now; False where it may not."""
        with self._guard:
            now = self._now()
            if not self._is_open(effect.kind, now) or (effect.lane and not self._lane_open(effect.lane, now)):
                return False
            self._free[effects.ACTS[effect.kind].place] -= 1
            if effect.lane:
                self._lanes[effect.lane].left -= 1
            if effects.ACTS[effect.kind].method == "chat.update":
                self._edits.append((now, effect.kind is EffectKind.DELIVER_TOKEN))
            if effect.kind in (EffectKind.ISSUE_KEY, EffectKind.DELIVER_TOKEN):
                self._being_made.pop(_of(effect), None)
            if effect.kind is EffectKind.ISSUE_KEY:
                self._being_made[_of(effect)] = now  # the newest is the last
            return True

    def give_back(self, effect: Effect) -> None:
        """Return the slot and the turn of an act that was not done after all."""
        with self._guard:
            self._free[effects.ACTS[effect.kind].place] += 1
            if effect.lane in self._lanes:
                self._lanes[effect.lane].left += 1
            if effects.ACTS[effect.kind].method == "chat.update" and self._edits:
                self._edits.pop()

    def kinds(self, wanted: Collection[EffectKind]) -> frozenset[EffectKind]:
        """Those that may be done now."""
        with self._guard:
            now = self._now()
            return frozenset(kind for kind in wanted if self._is_open(kind, now))

    def busy_lanes(self) -> tuple[str, ...]:
        """Channels that take nothing now. Those that are as rested as can be are forgotten."""
        with self._guard:
            now = self._now()
            busy = tuple(lane for lane in self._lanes if not self._lane_open(lane, now))
            rested = [
                name for name, lane in self._lanes.items() if lane.left >= LANE_BURST and lane.paused_until <= now
            ]
            for name in rested:
                del self._lanes[name]
            return busy

    def until_open(self) -> float | None:
        """The seconds until something that is held back now may be done; None where only a free slot can help."""
        with self._guard:
            now = self._now()
            opens = [self._lane_opens(lane) for name, lane in self._lanes.items() if not self._lane_open(name, now)]
            opens += [at for at in self._paused.values() if at > now]
            if self._edits and not self._may_repaint(now):
                opens.append(self._edits[0][0] + MINUTE)
                opens += [at + RECENT for at, is_token in self._edits if is_token and at > now - RECENT][:1]
            return max(0.0, min(opens) - now) if opens else None

    # --- after it ---

    def release(self, kind: EffectKind) -> bool:
        """The act is over, and its slot free; True where no other was."""
        place = effects.ACTS[kind].place
        with self._guard:
            self._free[place] += 1
            return self._free[place] == 1

    def pause(self, effect: Effect, method: str | None, retry_after: float | None) -> None:
        """Slack asked for a pause: a post's channel rests, or the method."""
        seconds = backoff.wish(retry_after)
        if not seconds or not method:
            return
        with self._guard:
            until = self._now() + seconds
            if method == "chat.postMessage" and effect.lane:
                self._lane(effect.lane, self._now()).paused_until = until
            else:
                self._paused[method] = until

    # --- under the guard ---

    def _is_open(self, kind: EffectKind, now: float) -> bool:
        act = effects.ACTS[kind]
        if self._free[act.place] <= 0 or self._paused.get(act.method, 0.0) > now:
            return False
        return kind is not EffectKind.SHOW_MESSAGE or self._may_repaint(now)

    def _may_repaint(self, now: float) -> bool:
        while self._edits and self._edits[0][0] <= now - MINUTE:
            self._edits.popleft()
        if len(self._edits) + EDITS_SPARE >= EDITS_A_MINUTE:
            return False
        while self._being_made and self._being_made[oldest := next(iter(self._being_made))] <= now - MINUTE:
            del self._being_made[oldest]
        recent = sum(is_token for at, is_token in reversed(self._edits) if at > now - RECENT)
        to_come = max(recent * (MINUTE / RECENT - 1), 2 * len(self._being_made))
        return len(self._edits) + to_come + EDITS_SPARE < EDITS_A_MINUTE

    def _lane(self, name: str, now: float) -> _Lane:
        lane = self._lanes.setdefault(name, _Lane(LANE_BURST, now))
        lane.left = min(LANE_BURST, lane.left + (now - lane.at) * LANE_PACE)
        lane.at = now
        return lane

    def _lane_open(self, name: str, now: float) -> bool:
        lane = self._lane(name, now)
        return lane.left >= 1 and lane.paused_until <= now

    @staticmethod
    def _lane_opens(lane: _Lane) -> float:
        return max(lane.paused_until, lane.at + (1 - lane.left) / LANE_PACE)


def _of(effect: Effect) -> str:
    return effect.request_id or effect.subject_id
