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

SLOTS: Mapping[Place, int] = {Place.TYK: 20, Place.SLACK: 20, Place.COLLECTOR: 5, Place.HERE: 20}
AHEAD = 2
"""One act at Tyk is claimed ahead for so many calls that it takes at once: it waits for a connection, and is sent when the call
before it is answered, not when what came of that is stored."""
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
    """A channel: at `rested_at` it takes a whole burst again, and none of its posts is later than `paused_until` says."""

    rested_at: float
    paused_until: float = 0.0

    @property
    def opens_at(self) -> float:
        return max(self.paused_until, self.rested_at - (LANE_BURST - 1) / LANE_PACE)


class Pace:
    """`clock` is in monotonic seconds; `ahead` is by how many more the time was moved on, in a test or the sandbox."""

    ahead = 0.0

    def __init__(self, clock: Callable[[], float], slots: Mapping[Place, int] = SLOTS) -> None:
        self._clock = clock
        self._free = dict(slots)
        self._lanes: dict[str, _Lane] = {}  # the ones that were posted to last are the last
        self._busy: set[str] = set()  # those that took nothing when they were looked at last
        self._paused: dict[str, float] = {}
        self._edits: deque[float] = deque()  # of this last minute
        self._shown: deque[float] = deque()  # those of these last seconds that showed a token
        self._being_made: dict[str, float] = {}  # requests whose token is to be shown, and since when
        self._guard = threading.Lock()

    def _now(self) -> float:
        return self._clock() + self.ahead

    # --- before an act ---

    def take(self, effect: Effect) -> bool:
        """Take its slot and its turn in the channel, if it may be done now; False where it may not."""
        with self._guard:
            now = self._now()
            lane = self._lanes.get(effect.lane) if effect.lane else None
            if not self._is_open(effect.kind, now) or (lane is not None and lane.opens_at > now):
                return False
            self._free[effects.ACTS[effect.kind].place] -= 1
            if effect.lane:
                self._post(effect.lane, now)
            if effects.ACTS[effect.kind].method == "chat.update":
                self._edits.append(now)
                if effect.kind is EffectKind.DELIVER_TOKEN:
                    self._shown.append(now)
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
                self._lanes[effect.lane].rested_at -= 1 / LANE_PACE
            if effects.ACTS[effect.kind].method == "chat.update" and self._edits:
                self._edits.pop()
                if effect.kind is EffectKind.DELIVER_TOKEN and self._shown:
                    self._shown.pop()

    def has_room(self, place: Place, besides: int = 0) -> bool:
        """A slot is free there now, and so many besides."""
        return self._free[place] > besides

    def kinds(self, wanted: Collection[EffectKind]) -> frozenset[EffectKind]:
        """Those that may be done now."""
        with self._guard:
            now = self._now()
            return frozenset(kind for kind in wanted if self._is_open(kind, now))

    def busy_lanes(self) -> tuple[str, ...]:
        """Channels that take nothing now."""
        with self._guard:
            self._look_at_busy(self._now())
            return tuple(self._busy)

    def until_open(self) -> float | None:
        """The seconds until something that is held back now may be done; None where only a free slot can help."""
        with self._guard:
            now = self._now()
            self._look_at_busy(now)
            opens = [self._lanes[name].opens_at for name in self._busy]
            opens += [at for at in self._paused.values() if at > now]
            if self._edits and not self._may_repaint(now):
                opens.append(self._edits[0] + MINUTE)
                opens += [self._shown[0] + RECENT] if self._shown else []
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
                self._lanes.setdefault(effect.lane, _Lane(self._now())).paused_until = until
                self._busy.add(effect.lane)
            else:
                self._paused[method] = until

    # --- under the guard ---

    def _is_open(self, kind: EffectKind, now: float) -> bool:
        act = effects.ACTS[kind]
        if self._free[act.place] <= 0 or self._paused.get(act.method, 0.0) > now:
            return False
        return kind is not EffectKind.SHOW_MESSAGE or self._may_repaint(now)

    def _may_repaint(self, now: float) -> bool:
        _forget(self._edits, now - MINUTE)
        _forget(self._shown, now - RECENT)
        if len(self._edits) + EDITS_SPARE >= EDITS_A_MINUTE:
            return False
        while self._being_made and self._being_made[oldest := next(iter(self._being_made))] <= now - MINUTE:
            del self._being_made[oldest]
        to_come = max(len(self._shown) * (MINUTE / RECENT - 1), 2 * len(self._being_made))
        return len(self._edits) + to_come + EDITS_SPARE < EDITS_A_MINUTE

    def _post(self, name: str, now: float) -> None:
        """One more post goes to this channel. Channels that are as rested as can be are forgotten."""
        lane = self._lanes.pop(name, None) or _Lane(now)
        lane.rested_at = max(lane.rested_at, now) + 1 / LANE_PACE
        self._lanes[name] = lane
        if lane.opens_at > now:
            self._busy.add(name)
        while (oldest := self._lanes[first := next(iter(self._lanes))]).rested_at <= now and oldest.opens_at <= now:
            del self._lanes[first]
            self._busy.discard(first)

    def _look_at_busy(self, now: float) -> None:
        self._busy = {name for name in self._busy if self._lanes[name].opens_at > now}


def _forget(times: deque[float], before: float) -> None:
    while times and times[0] <= before:
        times.popleft()


def _of(effect: Effect) -> str:
    return effect.request_id or effect.subject_id
