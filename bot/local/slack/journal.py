"""The journal: every Web API call, frame, acknowledgement and human act, and what the app did wrong."""

# ruff: noqa: ASYNC109 - a wait says at its call how long it may take

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

Json = dict[str, Any]
Clock = Callable[[], float]
Found = TypeVar("Found")


def copied(value: Any) -> Any:
    """A copy of JSON all the way down; `deepcopy` looks for loops, which JSON has not, and takes five times as long."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value


class Changes:
    """Wakes whoever waits whenever anything in the workspace, the journal or the sockets has changed."""

    def __init__(self) -> None:
        self._moved = asyncio.Event()
        self._watchers: dict[str, Callable[[], None]] = {}
        self.version = 0

    def notify(self, *users: str) -> None:
        """Something has changed; `users` are those whose windows or direct messages show it."""
        self.version += 1
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()
        for user in users:
            if (look := self._watchers.get(user)) is not None:
                look()

    def watch(self, user: str, look: Callable[[], None]) -> None:
        """Call `look` when a modal or a direct message of this person has changed: a crowd cannot each ask at each change."""
        self._watchers[user] = look

    async def moved(self, version: int) -> int:
        """The version, once it is another than this one."""
        while self.version == version:
            await self._moved.wait()
        return self.version

    async def until(
        self, probe: Callable[[], Found | None], timeout: float, what: str = "what was waited for"
    ) -> Found:
        """The first answer of `probe` that is not None; asked again after each change."""
        try:
            async with asyncio.timeout(timeout):
                while (found := probe()) is None:
                    await self._moved.wait()
                return found
        except TimeoutError:
            raise TimeoutError(f"{what} did not come within {timeout:g} s") from None


@dataclass
class Entry:
    """One line of the journal. `kind`: call, response_url, frame, ack, event, human, connection, error, warning."""

    number: int
    at: float
    kind: str
    name: str
    data: Json = field(default_factory=dict)

    @property
    def args(self) -> Json:
        """The arguments of a Web API call, without the token."""
        args: Json = self.data.get("args", {})
        return args

    @property
    def answer(self) -> Json:
        answer: Json = self.data.get("answer") or {}
        return answer

    @property
    def ok(self) -> bool:
        return bool(self.answer.get("ok"))

    @property
    def error(self) -> str | None:
        return self.answer.get("error")

    def as_json(self) -> Json:
        return {"number": self.number, "at": self.at, "kind": self.kind, "name": self.name, **self.data}


@dataclass(frozen=True)
class AppError:
    """Something a correct app would not have done."""

    kind: str
    detail: str
    data: Json = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}"


class Journal:
    def __init__(self, clock: Clock, changes: Changes) -> None:
        self.entries: list[Entry] = []
        self.app_errors: list[AppError] = []
        self.warnings: list[AppError] = []
        self._clock = clock
        self._changes = changes
        self._queues: list[asyncio.Queue[Entry]] = []
        self._followers: list[asyncio.Task[None]] = []

    def write(self, kind: str, name: str, **data: Any) -> Entry:
        entry = Entry(len(self.entries) + 1, self._clock(), kind, name, data)
        self.entries.append(entry)
        for queue in self._queues:
            queue.put_nowait(entry)
        self._changes.notify()
        return entry

    def blame(self, kind: str, detail: str, **data: Any) -> None:
        """Records an error of the app."""
        self.app_errors.append(AppError(kind, detail, data))
        self.write("error", kind, detail=detail, **data)

    def warn(self, kind: str, detail: str, **data: Any) -> None:
        self.warnings.append(AppError(kind, detail, data))
        self.write("warning", kind, detail=detail, **data)

    def calls(self, method: str | None = None) -> list[Entry]:
        """The Web API calls so far, of one method or of all."""
        return [e for e in self.entries if e.kind == "call" and method in (None, e.name)]

    def of(self, kind: str) -> list[Entry]:
        return [e for e in self.entries if e.kind == kind]

    async def follow(self) -> AsyncIterator[Entry]:
        """Entries as they are written, from now on."""
        queue: asyncio.Queue[Entry] = asyncio.Queue()
        self._queues.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._queues.remove(queue)

    def listen(self, listener: Callable[[Entry], Awaitable[None]]) -> Callable[[], None]:
        """Calls `listener` with each later entry, in order; the answer ends that."""
        queue: asyncio.Queue[Entry] = asyncio.Queue()
        self._queues.append(queue)

        async def feed() -> None:
            while True:
                await listener(await queue.get())

        task = asyncio.get_running_loop().create_task(feed())
        self._followers.append(task)

        def end() -> None:
            task.cancel()
            if queue in self._queues:
                self._queues.remove(queue)

        return end

    async def close(self) -> None:
        for task in self._followers:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        self._followers.clear()
        self._queues.clear()
