"""Faults on demand: how the next calls of a method fail."""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bot.local.slack.journal import Json


@dataclass
class Fault:
    """One planned trouble. `method` may hold wildcards; `response_url` stands for uses of response URLs; `page` is HTML."""

    method: str
    error: str | None = None
    status: int | None = None
    retry_after: int | None = None
    lose_answer: bool = False
    lose_request: bool = False
    latency: float = 0.0
    times: int | None = 1
    when: Callable[[Json], bool] | None = None
    page: str | None = None

    def fits(self, method: str, args: Json) -> bool:
        return fnmatchcase(method, self.method) and (self.when is None or self.when(args))

    @property
    def refuses(self) -> bool:
        return self.error is not None or self.page is not None or (self.status is not None and self.status != 200)


class Faults:
    def __init__(self) -> None:
        self.planned: list[Fault] = []

    def next(
        self,
        method: str,
        *,
        error: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
        lose_answer: bool = False,
        lose_request: bool = False,
        latency: float = 0.0,
        times: int | None = 1,
        when: Callable[[Json], bool] | None = None,
        page: str | None = None,
    ) -> Fault:
        """Plans a trouble for the next `times` fitting calls (None: for all, until `clear`)."""
        fault = Fault(method, error, status, retry_after, lose_answer, lose_request, latency, times, when, page)
        self.planned.append(fault)
        return fault

    def take(self, method: str, args: Json) -> Fault | None:
        for fault in self.planned:
            if fault.fits(method, args):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self.planned.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        self.planned.clear()
