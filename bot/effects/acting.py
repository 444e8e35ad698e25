"""One act, under its deadline: whatever keeps it from bringing something back is a failure, which says whether to try again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from bot import effects
from bot.core import outages
from bot.core.faults import Fault, Gone, Permanent, Transient, Undeliverable
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.store.seal import SealLost

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Failure:
    """The reason that an act brought nothing back.

    `text` is the sentence behind `error`, safe for a log; `method` is Slack's, where a limit of Slack's was met.
    """

    error: str
    text: str = ""
    permanent: bool = False
    bug: bool = False
    retry_after: float | None = None
    method: str | None = None


async def act(claim: Claim, ports: Ports) -> Any:  # noqa: PLR0911 - one return a way of failing
    """Act. Returns what the act brought back, or the Failure it ran into: no exception of an act leaves here."""
    how = effects.ACTS[claim.effect.kind]
    try:
        async with asyncio.timeout(how.deadline.total_seconds()):
            return await how.perform(claim, ports)
    except Transient as fault:
        return Failure(fault.code, fault.text, retry_after=fault.retry_after, method=fault.method)
    except (Permanent, Gone, Undeliverable) as fault:
        return Failure(fault.code, fault.text, permanent=True)
    except Fault as fault:
        return Failure(fault.code, fault.text)
    except SealLost:
        return Failure(outages.SEAL_LOST, outages.SEALED, permanent=True)
    except TimeoutError:
        return Failure(outages.OUT_OF_TIME)
    except Exception as error:  # a fault of our own: it must neither stop the others nor be tried for ever
        log.exception("effect.bug")
        return Failure(f"bug_{type(error).__name__}", bug=True)
