"""What is asked of Tyk before a key is made: APIs and MCP proxies by either id, policies by either name, over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal

import pytest

from bot.core.faults import Permanent, Transient
from bot.core.model import ApiRef, Limits, Plan
from bot.local.tyk import LocalTyk
from bot.tyk.dashboard import Dashboard, KeysBy, Unavailable
from bot.tyk.definitions import Scheme, takes_token
from bot.tyk.keys import FRESH_FOR, Catalogue, told_by_meaning
from bot.tyk.policies import by_either_name

LIMITS = Limits(rate=1, per=1, quota_max=-1, quota_renewal_rate=60)
PLAN = Plan("standard", LIMITS)
EVERY_SCHEME = ["keyless", "jwt", "oauth", "openid", "basic", "mtls", "hmac", "plugin", "token"]


@dataclass
class World:
    tyk: LocalTyk
    dashboard: Dashboard
    now: float = 0.0

    def catalogue(self) -> Catalogue:
        return Catalogue(self.dashboard, lambda: self.now)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with LocalTyk() as tyk:
        dashboard = Dashboard(tyk.dashboard_url, tyk.credential, keys_by=KeysBy.ID, timeout=5)
        tyk.add_api("billing", "Billing", "/billing/")
        yield World(tyk, dashboard)
        await dashboard.aclose()


async def refused(catalogue: Catalogue, api_id: str, plan: Plan = PLAN) -> Permanent:
    with pytest.raises(Permanent) as caught:
        await catalogue.check(api_id, plan)
    return caught.value


# --- what the local Tyk tells, as the product reads it ---


@pytest.mark.parametrize("oas", [False, True])
@pytest.mark.parametrize("scheme", EVERY_SCHEME)
async def test_every_scheme_in_either_form(world: World, scheme: str, oas: bool) -> None:
    """An API of each scheme is told in either form and read as what it is; static mTLS leaves the token beside it."""
    schemes = [scheme, "token"] if scheme == "mtls" else [scheme]
    world.tyk.add_api("a", "A", "/a/", schemes=schemes, oas=oas, domain="a.example.com", session_lifetime=60)
    found = await world.dashboard.api("a")
    assert found is not None
    assert takes_token(found) is (scheme in ("token", "mtls"))
    assert len(found.schemes) == len(schemes)
    assert (found.domain, found.listen_path, found.internal_id) == (
        "a.example.com",
        "/a/",
        world.tyk.apis["a"].internal_id,
    )
    assert found.lifetime is not None


@pytest.mark.parametrize("oas", [False, True])
async def test_a_token_in_several_places(world: World, oas: bool) -> None:
    """Header, query parameter and cookie are told with their names, and the header only where it is on."""
    world.tyk.add_api("a", "A", "/a/", auth_header="X-A", query="key", cookie="sid", oas=oas)
    world.tyk.add_api("b", "B", "/b/", in_header=False, query="key", oas=oas)
    places = [(api.token.header, api.token.query, api.token.cookie) for api in (await world.dashboard.apis())[1:]]
    assert places == [("X-A", "key", "sid"), (None, "key", None)]


async def test_an_api_by_its_other_id(world: World) -> None:
    """Tyk answers to the database's id, too; the answer holds the one that keys go by."""
    found = await world.dashboard.api(world.tyk.apis["billing"].internal_id)
    assert found is not None
    assert found.api_id == "billing"


async def test_mcp_proxies_have_a_list_of_their_own(world: World) -> None:
    """MCP proxies are not among the APIs; their list is fetched whole, and one is found by its id."""
    for number in range(12):
        world.tyk.add_api(f"m{number}", f"M{number}", f"/m{number}/", mcp=True, oas=True)
    assert [api.api_id for api in await world.dashboard.apis()] == ["billing"]
    listed = await world.dashboard.mcps()
    assert sorted(api.api_id for api in listed) == sorted(f"m{number}" for number in range(12))
    assert all(api.is_mcp for api in listed)
    found = await world.dashboard.api("m3")
    assert found is not None
    assert (found.is_mcp, found.what) == (True, "MCP proxy")
    assert found.schemes == {Scheme.AUTH_TOKEN}


@pytest.mark.parametrize("mcps", ["unknown", "forbidden"])
async def test_a_dashboard_without_mcp_proxies(world: World, mcps: Literal["unknown", "forbidden"]) -> None:
    """Where the Dashboard has no such path, or the user no permission, there are none and no API is one."""
    world.tyk.switches.mcps = mcps
    assert await world.dashboard.mcps() == ()
    assert await world.dashboard.api("nope") is None


async def test_a_page_in_place_of_the_list(world: World) -> None:
    """An old Dashboard may answer an unknown path with its own page: then there are none."""
    page = "<!doctype html><title>Tyk</title>"
    world.tyk.faults.next("GET /api/mcps", body=page, headers={"content-type": "text/html"})
    assert await world.dashboard.mcps() == ()


async def test_a_tyk_in_trouble_is_not_without_mcp_proxies(world: World) -> None:
    """A 503 says nothing of what there is."""
    world.tyk.faults.next("GET /api/mcps", status=503)
    with pytest.raises(Unavailable):
        await world.dashboard.mcps()


async def test_policies_go_by_either_name(world: World) -> None:
    """Tyk lists both names of a policy, and either leads to it."""
    world.tyk.add_policy("YXBpL3JlcG9ydHM=", internal_id="6333f0348f47e40001da45dd")
    known = by_either_name(await world.dashboard.policies())
    assert known["YXBpL3JlcG9ydHM="] is known["6333f0348f47e40001da45dd"]


# --- before a key is made ---


async def test_no_key_for_what_no_key_opens(world: World) -> None:
    """An API that is unknown, goes by another id, is switched off or takes no token has a code and a sentence of its own."""
    world.tyk.add_api("off", "Off", "/off/", active=False)
    for scheme in EVERY_SCHEME[:-1]:
        world.tyk.add_api(scheme, scheme, f"/{scheme}/", schemes=[scheme])
    internal_id = world.tyk.apis["billing"].internal_id
    catalogue = world.catalogue()
    codes = {
        name: (await refused(catalogue, name)).code for name in ("nope", internal_id, "off", "keyless", "jwt", "basic")
    }
    assert codes == {
        "nope": "tyk_api_unknown",
        internal_id: "tyk_api_id",
        "off": "tyk_api_inactive",
        "keyless": "tyk_api_no_token",
        "jwt": "tyk_api_no_token",
        "basic": "tyk_api_no_token",
    }
    assert (await refused(catalogue, internal_id)).text.endswith("Tyk calls it billing: write that.")
    assert (await refused(catalogue, "plugin")).text.endswith("It takes a plugin of its own, not an auth token.")
    await catalogue.check("billing", PLAN)


async def test_every_api_that_the_key_opens_is_looked_at(world: World) -> None:
    """A plan's further APIs must take a token, too."""
    world.tyk.add_api("open", "Open", "/open/", schemes=["keyless"])
    plan = Plan("gold", LIMITS, ("g",), (ApiRef("open", "Open", ("Default",)),))
    assert (await refused(world.catalogue(), "billing", plan)).code == "tyk_api_no_token"


async def test_a_yes_is_fresh_for_a_minute_and_a_no_is_asked_anew(world: World) -> None:
    """What was fit is not asked about for a minute; what was not is looked at again at once."""
    catalogue = world.catalogue()
    for seconds in (0.0, FRESH_FOR - 1, FRESH_FOR + 1):
        world.now = seconds
        await catalogue.check("billing", PLAN)
    assert len(world.tyk.calls("GET /api/apis/billing")) == 2
    world.now = 3 * FRESH_FOR
    world.tyk.apis["billing"].active = False
    assert (await refused(catalogue, "billing")).code == "tyk_api_inactive"
    world.tyk.apis["billing"].active = True
    await catalogue.check("billing", PLAN)


async def test_many_who_ask_the_same_ask_tyk_once(world: World) -> None:
    """Requests that are approved in the same moment cost one look at the API and one at the policies; a fault is everybody's."""
    world.tyk.add_policy("g", opens=["billing"])
    plan = Plan("gold", LIMITS, ("g",))
    world.tyk.faults.next("GET /api/apis/{id}", status=503)
    catalogue = world.catalogue()
    answers = await asyncio.gather(*(catalogue.check("billing", plan) for _ in range(20)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 20
    await asyncio.gather(*(catalogue.check("billing", plan) for _ in range(20)))
    assert len(world.tyk.calls("GET /api/apis/billing")) == 2
    assert len(world.tyk.calls("GET /api/portal/policies")) == 1


async def test_who_stops_waiting_does_not_end_it_for_others(world: World) -> None:
    """An act that is cut off leaves the look-up that others wait for."""
    catalogue = world.catalogue()
    first = asyncio.create_task(catalogue.check("billing", PLAN))
    await asyncio.sleep(0)
    second = asyncio.create_task(catalogue.check("billing", PLAN))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert len(world.tyk.calls("GET /api/apis/billing")) == 1


async def test_a_policy_by_either_name_will_do(world: World) -> None:
    """A plan's policy is found by its own name and by the database's; one that opens more is refused until it is mended."""
    policy = world.tyk.add_policy("g=", opens=["billing"], internal_id="6333f0348f47e40001da45dd")
    catalogue = world.catalogue()
    for name in policy.id, policy.internal_id:
        await catalogue.check("billing", Plan("gold", LIMITS, (name,)))
    world.tyk.add_api("search", "Search", "/search/")
    policy.access_rights["search"] = {}
    world.now = FRESH_FOR
    found = await refused(catalogue, "billing", Plan("gold", LIMITS, ("g=",)))
    assert (found.code, "also opens search" in found.text) == ("tyk_policy", True)
    del policy.access_rights["search"]
    await catalogue.check("billing", Plan("gold", LIMITS, ("g=",)))


async def test_a_tyk_that_cannot_say_is_no_refusal(world: World) -> None:
    """While Tyk cannot be asked, the question stays open."""
    world.tyk.faults.next("GET /api/apis/{id}", status=503)
    with pytest.raises(Transient):
        async with told_by_meaning():
            await world.catalogue().check("billing", PLAN)


async def test_a_wait_that_tyk_asks_for_reaches_whoever_tries_again() -> None:
    """In seconds, as Tyk said it: how much of it is granted is decided elsewhere."""
    with pytest.raises(Transient) as caught:
        async with told_by_meaning():
            raise Unavailable("tyk_429", retry_after=604800.0)
    assert caught.value.retry_after == 604800.0
