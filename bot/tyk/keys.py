"""Keys at Tyk, as the effects need them: made, confirmed, compared, revoked. What Tyk answers becomes a fault of the core."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from bot.core.facts import Issued
from bot.core.faults import Gone, Permanent, Transient
from bot.core.faults import OutcomeUnknown as LostOutcome
from bot.core.model import Key, Plan, PolicyTerms, Record, Refusal
from bot.core.reconciliation import Marked, MarkedPage
from bot.tyk import session
from bot.tyk.dashboard import (
    Dashboard,
    DashboardError,
    Forbidden,
    KeyMissing,
    KeysBy,
    ListedKey,
    OutcomeUnknown,
    Rejected,
    Unauthorised,
    Unavailable,
)
from bot.tyk.definitions import Unfit, unfit
from bot.tyk.names import one_line
from bot.tyk.once import Once
from bot.tyk.policies import TykPolicy, changed_terms, policy_complaints, terms_of
from bot.tyk.session import Alias

__all__ = ["FRESH_FOR", "Catalogue", "Keys", "fingerprint", "policy_complaints", "told_by_meaning"]

FRESH_FOR = 60.0
_OURS = "ours-"
_OUR_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Keys:
    """`alias` says what Tyk may show of a person."""

    def __init__(
        self,
        dashboard: Dashboard,
        keys_by: KeysBy,
        *,
        alias: Callable[[], Alias] = lambda: Alias.NUMBER,
    ) -> None:
        self._dashboard = dashboard
        self._alias = alias
        self._catalogue = Catalogue(dashboard)
        self.names_by_token = keys_by is KeysBy.ID

    async def check(self, record: Record) -> None:
        """Raises Permanent and Refusal as `issue` does, and makes nothing."""
        async with told_by_meaning():
            await self._catalogue.check(record.request.rule.api.api_id, record.request.plan)
            await self._check_terms(record)

    async def issue(self, record: Record, key: Key, expires_at: datetime) -> Issued:
        """Make a key that lives until `expires_at`. Raises Permanent where the rule does not fit what Tyk has, and Refusal where
        a Tyk policy has other limits by now than whoever approved was shown."""
        await self.check(record)
        async with told_by_meaning():
            deletes = self._dashboard.deletes_at_end
            made = session.session(record, key, expires_at, datetime.now(UTC), self._alias(), deletes=deletes)
            created = await self._dashboard.create_key(made)
        if created.key_hash is None and not self.names_by_token:
            raise Permanent("tyk_no_hash", "Tyk gave no key hash: it does not hash keys, so tyk.keys_by must be id")
        return Issued(created.token, created.key_hash or fingerprint(created.token), expires_at)

    async def _check_terms(self, record: Record) -> None:
        """Compare the policies' terms with those shown, for the first key: another token for what is held is no other right."""
        shown = record.request.plan.terms
        if not shown or len(record.keys) > 1:
            return
        now = terms_of(record.request.plan, await self._catalogue.policies())
        if (name := changed_terms(shown, now)) is not None:
            said = f"The Tyk policy {name} now has other limits than were shown in the request. It has to be requested again."
            raise Refusal(said, code="policy_changed")

    async def terms(self, plan: Plan) -> tuple[PolicyTerms, ...]:
        """The terms that the plan's Tyk policies set now; none for a plan without any."""
        if not plan.tyk_policies:
            return ()
        async with told_by_meaning():
            return terms_of(plan, await self._catalogue.policies())

    async def confirm(self, record: Record, key: Key, name: str) -> None:
        async with told_by_meaning():
            deletes = self._dashboard.deletes_at_end
            final = session.confirmed_session(record, key, datetime.now(UTC), self._alias(), deletes=deletes)
            await self._dashboard.update_key(name, final)

    async def differs(self, record: Record, key: Key, name: str, proving: Sequence[str]) -> str | None:
        async with told_by_meaning():
            held = await self._dashboard.read_key(name)
            if held is None:
                await self._check_place(proving)
                raise Gone("tyk_key_unknown")
        if session.is_of_another(held, key):
            return "Tyk holds another key under this key's name"
        return session.difference(record, held)

    async def marked(self, page: int) -> MarkedPage | None:
        """The keys that bear our mark on a page of Tyk's list, the first is 1; None where it gives no list."""
        async with told_by_meaning():
            found = await self._dashboard.keys_page(page)
        if found is None:
            return None
        keys = tuple(marked for one in found.keys if (marked := _marked(one)) is not None)
        return MarkedPage(keys, found.is_last)

    async def revoke(self, name: str, proving: Sequence[str]) -> None:
        """A key is dead when Tyk is asked for it and does not know it. Where it did not know it before either, it knows at least
        one of the APIs that are `proving` it to be the Tyk that made the key."""
        async with told_by_meaning():
            was_there = await self._dashboard.delete_key(name)
            if await self._dashboard.read_key(name) is not None:
                raise Transient("tyk_key_still_there")
            if proving and not was_there:
                await self._check_place(proving)

    async def _check_place(self, api_ids: Sequence[str]) -> None:
        """Raises Transient where Tyk shows none of these APIs: another organisation's Dashboard knows none of our keys.

        What it refuses of one API proves nothing by that one: where APIs have owners, one that is gone is a 400, and before
        Dashboard 5.13.1 a 401.
        """
        unproved = Transient("tyk_elsewhere", "Tyk knows neither the key nor any API that it opens.")
        for api_id in api_ids:
            try:
                if await self._dashboard.api(api_id) is not None:
                    return
            except DashboardError as error:
                if not isinstance(error, Unauthorised | Forbidden | Rejected) and error.code != "tyk_404":
                    raise
                unproved = Transient(error.code, str(error))
        raise unproved

    async def end(self, marked: Marked) -> None:
        """The same for a key of Tyk's list. Raises Permanent where Tyk does not let it be deleted by its hash."""
        name, hashed = (marked.key_hash, True) if marked.token is None else (marked.token, False)
        async with told_by_meaning():
            await self._dashboard.delete_key(name, hashed=hashed)
            if await self._dashboard.read_key(name, hashed=hashed) is not None:
                raise Transient("tyk_key_still_there")

    async def revoke_by_hash(self, key_hash: str, proving: Sequence[str]) -> None:
        """The same for a key whose token is lost. A name that we made up, because Tyk gave none, leads nowhere there."""
        if is_tyks_hash(key_hash):
            was_there = False
            async with told_by_meaning():
                with suppress(
                    Rejected
                ):  # it does not let keys be deleted by their hash; somebody may have done it by hand
                    was_there = await self._dashboard.delete_key(key_hash, hashed=True)
                with suppress(Rejected):
                    if await self._dashboard.read_key(key_hash, hashed=True) is None:
                        if proving and not was_there:
                            await self._check_place(proving)
                        return
        raise Permanent("seal_key_lost", "no seal key opens the token, and Tyk does not delete the key by its hash")


class Catalogue:
    """The APIs and policies that Tyk has, to ask whether a rule fits. A yes counts as fresh for a minute, a no is asked anew:
    who has mended it in Tyk need not wait."""

    def __init__(self, dashboard: Dashboard, clock: Callable[[], float] = time.monotonic) -> None:
        self._dashboard = dashboard
        self._clock = clock
        self._fit: dict[str, float] = {}
        self._policies: tuple[float, dict[str, TykPolicy]] | None = None
        self._apis_asked: Once[Unfit | None] = Once()
        self._policies_asked: Once[dict[str, TykPolicy]] = Once()

    async def check(self, api_id: str, plan: Plan) -> None:
        """Raises Permanent for an API, of those that the key would open, which no key can open or which goes by another id, and
        for a policy that is unknown or opens more than the plan lists."""
        opened = (api_id, *(api.api_id for api in plan.also_opens))
        for one in opened:
            await self._check_api(one)
        if plan.tyk_policies:
            listed = frozenset(opened)
            if policy_complaints(plan, listed, await self.policies()):
                self._policies = None
            for complaint in policy_complaints(plan, listed, await self.policies()):
                raise Permanent("tyk_policy", complaint)

    async def _check_api(self, api_id: str) -> None:
        checked = self._fit.get(api_id)
        if checked is not None and self._clock() - checked < FRESH_FOR:
            return
        if (found := await self._apis_asked.ask(api_id, lambda: self._looked_at(api_id))) is not None:
            raise Permanent(found.code, found.text)

    async def _looked_at(self, api_id: str) -> Unfit | None:
        asked_at = self._clock()
        found = unfit(api_id, await self._dashboard.api(api_id))
        if found is None:
            self._fit[api_id] = asked_at
        return found

    async def policies(self) -> dict[str, TykPolicy]:
        if self._policies is None or self._clock() - self._policies[0] >= FRESH_FOR:
            return await self._policies_asked.ask("", self._listed)
        return self._policies[1]

    async def _listed(self) -> dict[str, TykPolicy]:
        asked_at = self._clock()
        listed = {policy.id: policy for policy in await self._dashboard.policies()}
        self._policies = (asked_at, listed)
        return listed


def fingerprint(token: str) -> str:
    """A name for the audit where Tyk gives no hash; it leads nowhere, and looks like none of Tyk's."""
    return _OURS + hashlib.sha256(token.encode()).hexdigest()[:16]


def is_tyks_hash(name: str) -> bool:
    """Tyk knows a key by this; False for what `fingerprint` made."""
    return not name.startswith(_OURS)


def _marked(listed: ListedKey) -> Marked | None:
    """A key of Tyk's list, where it bears our mark. What it bears besides may have been changed by anybody."""
    mark = session.mark(listed.session)
    if mark is None:
        return None
    token = None if listed.key_hash else listed.token
    key_id = str(mark.get("key_id", ""))
    return Marked(
        label=one_line(str(mark.get("request", "-")), 20),
        key_id=key_id if _OUR_ID.fullmatch(key_id) else "",
        key_hash=listed.key_hash or fingerprint(token or ""),
        expires_at=session.end_of(listed.session),
        token=token,
    )


@asynccontextmanager
async def told_by_meaning() -> AsyncIterator[None]:
    """Turns what the Dashboard client raises into the faults that the effects know."""
    try:
        yield
    except KeyMissing as error:
        raise Gone(error.code, str(error)) from None
    except Rejected as error:
        raise Permanent(error.code, str(error)) from None
    except OutcomeUnknown as error:
        raise LostOutcome(error.code, str(error)) from None
    except DashboardError as error:
        wait = error.retry_after if isinstance(error, Unavailable) else None
        raise Transient(error.code, str(error), retry_after=wait) from None
