"""The places outside that the audit's rows are forwarded to: a file, a syslog collector, an HTTPS address. One module each.

A place has a name: the configuration's words for it, shortened, and a digest of them in full. Another file or another host is
another place, which begins with what is new.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import PurePath
from typing import Protocol
from urllib.parse import urlsplit

from bot import version
from bot.collectors.file import FileCollector
from bot.collectors.https import HttpsCollector
from bot.collectors.rendering import lines
from bot.collectors.syslog import SyslogCollector
from bot.config.sections import ForwardSection
from bot.core.chain import Line
from bot.proxies import proxy_for

_SAID = 30


class Collector(Protocol):
    async def send(self, rows: Sequence[Line]) -> int: ...

    async def close(self) -> None: ...


def name(place: ForwardSection) -> str:
    """Its name in the store and for people; never longer than an outage has room for."""
    if place.to == "file":
        whole = str(place.path)
        said = PurePath(whole).name
    elif place.to == "https":
        whole = str(place.url)
        said = urlsplit(whole).hostname or ""
    else:
        said = str(place.host)
        whole = f"{place.transport or 'tls'}://{said}:{place.port}"
    return f"{place.to}:{said[:_SAID]}:{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


@asynccontextmanager
async def opened(
    places: Sequence[ForwardSection], token: str, environ: Mapping[str, str]
) -> AsyncIterator[dict[str, Collector]]:
    """One collector for each place, by its name. `token` goes to the one that speaks HTTPS."""
    made = {name(place): _collector(place, token, environ) for place in places}
    try:
        yield made
    finally:
        await asyncio.gather(*(one.close() for one in made.values()))


def _collector(place: ForwardSection, token: str, environ: Mapping[str, str]) -> Collector:
    render = partial(lines, how=place.format, product_version=version.VERSION)
    if place.to == "file":
        return FileCollector(str(place.path), render)
    if place.to == "https":
        url = str(place.url)
        return HttpsCollector(url, render, token=token, proxy=proxy_for(url, environ))
    assert place.port is not None, "the configuration was checked"
    return SyslogCollector(str(place.host), place.port, place.transport or "tls", render)
