"""The limit on connections of one address that has not yet sent anything that was right."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

BURST = 512
EVERY = 0.05
"""Seconds after which a stranger's address may open one more."""

TRUSTED_FOR = 3600.0
ADDRESSES = 10_000


class Peers:
    """A bucket for each address, so that who floods the door takes no time from those who do not.

    An address from which something right came in the last hour has no limit: it may be a proxy's, behind which everybody is. Of
    each kind the longest unused are forgotten beyond `addresses`.
    """

    def __init__(
        self, clock: Callable[[], float], *, burst: int = BURST, every: float = EVERY, addresses: int = ADDRESSES
    ) -> None:
        self._clock = clock
        self._ahead = (burst - 1) * every
        self._every = every
        self._addresses = addresses
        self._paid_at: OrderedDict[str, float] = OrderedDict()
        self._trusted_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._paid_at) + len(self._trusted_at)

    def admits(self, address: str) -> bool:
        """One more connection of this address's; one that is not admitted costs nothing."""
        now = self._clock()
        if now - self._trusted_at.get(address, -TRUSTED_FOR) < TRUSTED_FOR:
            return True
        paid_at = max(self._paid_at.get(address, now), now)
        if paid_at - now > self._ahead:
            return False
        self._keep(self._paid_at, address, paid_at + self._every)
        return True

    def trust(self, address: str) -> None:
        """Something right came from there."""
        self._paid_at.pop(address, None)
        self._keep(self._trusted_at, address, self._clock())

    def _keep(self, where: OrderedDict[str, float], address: str, value: float) -> None:
        where[address] = value
        where.move_to_end(address)
        if len(where) > self._addresses:
            where.popitem(last=False)
