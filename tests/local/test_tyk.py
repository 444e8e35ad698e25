"""The local Tyk says what a real one said: each measured fact is one test."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import pytest

from bot.local.tyk import LocalTyk
from tests.tyk import test_dashboard as dashboard

NOW = 1_795_382_537.0
DAY = 86_400


@dataclass
class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    tyk: LocalTyk
    clock: Clock
    http: httpx.AsyncClient

    def session(self, **changed: Any) -> dict[str, Any]:
        """The complete object, opening `billing`, with nothing of ours in it."""
        return dashboard.session(**{"meta_data": {}, **changed})

    async def call(self, method: str, path: str, session: Any = None, **headers: str) -> httpx.Response:
        sent = {"authorization": self.tyk.credential, **headers}
        return await self.http.request(method, self.tyk.dashboard_url + path, json=session, headers=sent)

    async def create(self, **changed: Any) -> dict[str, Any]:
        answer = await self.call("POST", "/api/keys", self.session(**changed))
        assert answer.status_code == 200
        made: dict[str, Any] = answer.json()
        return made

    async def read(self, token: str) -> dict[str, Any]:
        answer = await self.call("GET", f"/api/keys/{token}")
        assert answer.status_code == 200
        held: dict[str, Any] = answer.json()["data"]
        return held

    async def use(self, path: str, token: str | None) -> tuple[int, dict[str, Any]]:
        headers = {} if token is None else {"authorization": token}
        answer = await self.http.get(self.tyk.gateway_url + path, headers=headers)
        return answer.status_code, answer.json()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    clock = Clock()
    async with LocalTyk(clock=clock) as tyk, httpx.AsyncClient(trust_env=False) as http:
        tyk.switches.base64_tokens = False
        tyk.add_api("billing", "Billing", "/billing/")
        tyk.add_api("search", "Search", "/search/")
        yield World(tyk, clock, http)


async def test_a_created_key_opens_its_api(world: World) -> None:
    """The Dashboard answers with token, session and hash, and the token opens what was asked for."""
    made = await world.create()
    assert made.keys() == {"api_model", "key_id", "data", "key_hash"}
    assert made["data"]["org_id"] == world.tyk.org_id
    assert await world.use("/billing/x", made["key_id"]) == (
        200,
        {"method": "GET", "path": "/billing/x", "api": "Billing"},
    )
    assert world.tyk.opens(made["key_id"], "/billing/")[0] == 200


async def test_a_new_key_takes_the_policys_lifetime(world: World) -> None:
    """A policy's key_expires_in overrides the expiry that was asked for, for a new key."""
    world.tyk.add_policy("gold", opens=["billing"], key_expires_in=90 * DAY)
    made = await world.create(expires=int(NOW) + 900, apply_policies=["gold"])
    assert (await world.read(made["key_id"]))["expires"] == int(NOW) + 90 * DAY


async def test_an_old_key_keeps_its_own_lifetime(world: World) -> None:
    """A PUT with the policy leaves the expiry to the request, and applies the policy's rate."""
    world.tyk.add_policy("gold", opens=["billing"], key_expires_in=90 * DAY, rate=5)
    token = (await world.create(expires=int(NOW) + 900))["key_id"]
    for days in (7, 9):
        changed = world.session(expires=int(NOW) + days * DAY, apply_policies=["gold"])
        assert (await world.call("PUT", f"/api/keys/{token}", changed)).status_code == 200
        held = await world.read(token)
        assert (held["expires"], held["rate"]) == (int(NOW) + days * DAY, 5)


async def test_a_past_expiry_in_a_put_is_ignored(world: World) -> None:
    """A PUT with an expiry in the past keeps the old one and replaces all else."""
    token = (await world.create(expires=int(NOW) + DAY, alias="g-1", tags=["t"]))["key_id"]
    await world.call("PUT", f"/api/keys/{token}", world.session(expires=int(NOW) - 60))
    held = await world.read(token)
    assert (held["expires"], held["alias"], held["tags"]) == (int(NOW) + DAY, "", [])


async def test_minus_one_is_endless(world: World) -> None:
    """A PUT with expires -1 makes a key that never ends."""
    token = (await world.create(expires=int(NOW) + 60))["key_id"]
    await world.call("PUT", f"/api/keys/{token}", world.session(expires=-1))
    world.clock.now += 1000 * DAY
    assert (await world.use("/billing/", token))[0] == 200


async def test_a_key_may_be_born_expired(world: World) -> None:
    """A creation with an expiry in the past is stored as it is, and the Gateway says so on use."""
    made = await world.create(expires=int(NOW) - 10)
    assert await world.use("/billing/", made["key_id"]) == (401, {"error": "Key has expired, please renew"})


async def test_quota_renewal_is_computed_anew(world: World) -> None:
    """The quota_renews that was sent is replaced; with suppress_reset a PUT keeps the one that is held."""
    token = (await world.create())["key_id"]
    assert (await world.read(token))["quota_renews"] == int(NOW) + 60
    world.clock.now += 10
    await world.call("PUT", f"/api/keys/{token}?suppress_reset=1", world.session())
    assert (await world.read(token))["quota_renews"] == int(NOW) + 60
    await world.call("PUT", f"/api/keys/{token}", world.session())
    assert (await world.read(token))["quota_renews"] == int(NOW) + 70


async def test_a_deleted_key_is_unknown(world: World) -> None:
    """After DELETE, PUT and GET say 404, a second DELETE says 400, and the Gateway lets nobody in."""
    token = (await world.create())["key_id"]
    deleted = await world.call("DELETE", f"/api/keys/{token}")
    assert (deleted.status_code, deleted.json()["Message"]) == (200, "Key deleted successfully.")
    again = await world.call("DELETE", f"/api/keys/{token}")
    assert (again.status_code, again.json()["Message"]) == (400, "Failed to remove the key")
    for method, session in (("PUT", world.session()), ("GET", None)):
        gone = await world.call(method, f"/api/keys/{token}", session)
        assert (gone.status_code, gone.json()["Message"]) == (404, "Could not retrieve key detail.")
    assert await world.use("/billing/", token) == (403, {"error": "Access to this API has been disallowed"})
    assert [entry.dead for entry in world.tyk.keys] == [NOW]


async def test_an_unknown_api_is_accepted(world: World) -> None:
    """An API that nobody knows may stand among the access rights, unless that is switched off."""
    rights = {"nope": {"api_id": "nope", "api_name": "x", "versions": ["Default"]}}
    await world.create(access_rights=rights)
    assert world.tyk.usable_keys() == []
    world.tyk.switches.refuse_unknown_apis = True
    assert (await world.call("POST", "/api/keys", world.session(access_rights=rights))).status_code == 403


async def test_an_unknown_policy_makes_no_key(world: World) -> None:
    """A single unknown policy is a 500 that says so; beside a known one it is skipped."""
    refused = await world.call("POST", "/api/keys", world.session(apply_policies=["none"]))
    assert refused.status_code == 500
    assert refused.json() == {
        "Status": "Error",
        "Message": 'Failed to save new session object to Tyk: Failed to create key - policy not found: "none"',
        "Meta": None,
    }
    assert world.tyk.keys == []
    world.tyk.add_policy("gold", opens=["billing"])
    await world.create(apply_policies=["none", "gold"])


async def test_a_policy_replaces_the_access_rights(world: World) -> None:
    """Where a policy sets access, what the request asked for is dropped, also at a later change of the policy."""
    policy = world.tyk.add_policy("wide", opens=["search"])
    token = (await world.create(apply_policies=["wide"]))["key_id"]
    assert (await world.use("/search/", token))[0] == 200
    assert (await world.use("/billing/", token))[0] == 403
    policy.access_rights.clear()
    assert (await world.use("/search/", token))[0] == 403


async def test_a_policy_without_access_leaves_it_alone(world: World) -> None:
    """A policy that is partitioned without acl applies its limits only."""
    world.tyk.add_policy("slow", opens=["search"], partitions={"rate_limit": True}, rate=1)
    made = await world.create(apply_policies=["slow"])
    assert (list(made["data"]["access_rights"]), made["data"]["rate"]) == (["billing"], 1)


async def test_a_policy_may_bring_all_access_rights(world: World) -> None:
    """No access rights are an error, but for a policy that has some."""
    refused = await world.call("POST", "/api/keys", world.session(access_rights={}))
    assert refused.status_code == 400
    assert refused.json()["Message"].endswith("keys must have at least one Access Rights record set.")
    world.tyk.add_policy("gold", opens=["billing"])
    await world.create(access_rights={}, apply_policies=["gold"])


async def test_policies_must_agree_on_per_api(world: World) -> None:
    """A policy with limits of each API cannot be mixed with one without."""
    world.tyk.add_policy("each", opens=["billing"], partitions={"per_api": True})
    world.tyk.add_policy("all", opens=["billing"], partitions={"acl": True})
    refused = await world.call("POST", "/api/keys", world.session(apply_policies=["each", "all"]))
    assert (refused.status_code, "cannot apply multiple policies" in refused.json()["Message"]) == (500, True)


async def test_the_gateway_tells_callers_why_not(world: World) -> None:
    """No key, an unknown key, another API's key and an inactive key each get the Gateway's own words."""
    disallowed = (403, {"error": "Access to this API has been disallowed"})
    assert await world.use("/billing/", None) == (401, {"error": "Authorization field missing"})
    assert await world.use("/billing/", "nope") == disallowed
    assert await world.use("/search/", (await world.create())["key_id"]) == disallowed
    inactive = (await world.create(is_inactive=True))["key_id"]
    assert await world.use("/billing/", inactive) == (403, {"error": "Key is inactive, please renew"})


async def test_a_key_that_tyk_deletes_at_its_end(world: World) -> None:
    """Told to delete it, Tyk 5.13 knows the key no more after its end; else it is kept, expired, and so it is by an older Tyk."""
    end = {"expires": int(world.clock.now) + 5}
    kept, deleted = [(await world.create(**end, **told))["key_id"] for told in ({}, {"post_expiry_action": "delete"})]
    world.tyk.switches.mcps = "unknown"
    old = (await world.create(**end, post_expiry_action="delete"))["key_id"]
    assert "post_expiry_action" not in await world.read(old)
    world.clock.now += 6
    assert [(await world.call("GET", f"/api/keys/{one}")).status_code for one in (kept, deleted, old)] == [
        200,
        404,
        200,
    ]
    assert [(await world.use("/billing/", one))[0] for one in (kept, deleted, old)] == [401, 403, 401]


async def test_the_gateway_remembers_for_ten_seconds(world: World) -> None:
    """A token that was used just now opens the API for ten seconds after its key was deleted, one that was not does not."""
    used, unused = [(await world.create())["key_id"] for _ in range(2)]
    assert (await world.use("/billing/", used))[0] == 200
    world.clock.now += 1
    for token in (used, unused):
        assert (await world.call("DELETE", f"/api/keys/{token}")).status_code == 200
    assert (await world.use("/billing/", unused))[0] == 403
    world.clock.now += 8.9
    assert (await world.use("/billing/", used))[0] == 200
    world.clock.now += 0.1
    assert (await world.use("/billing/", used))[0] == 403


async def test_what_was_changed_the_gateway_knows_at_once(world: World) -> None:
    """A key that was switched off, or has ended by its own time, is let through by no cache."""
    made = await world.create(expires=int(world.clock.now) + 5)
    assert (await world.use("/billing/", made["key_id"]))[0] == 200
    world.clock.now += 6
    assert (await world.use("/billing/", made["key_id"]))[0] == 401
    switched = (await world.create())["key_id"]
    assert (await world.use("/billing/", switched))[0] == 200
    await world.call("PUT", f"/api/keys/{switched}", world.session(is_inactive=True))
    assert (await world.use("/billing/", switched))[0] == 403


async def test_an_api_may_want_another_header(world: World) -> None:
    """The token is looked for in the header that the API names."""
    world.tyk.add_api("billing", "Billing", "/billing/", auth_header="X-Api-Key")
    token = (await world.create())["key_id"]
    assert (await world.use("/billing/", token))[0] == 401
    answer = await world.http.get(f"{world.tyk.gateway_url}/billing/", headers={"x-api-key": token})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("scheme", "status", "said", "without"),
    [
        ("jwt", 403, "Key not authorized", 400),
        ("oauth", 400, "Authorization field missing", 400),
        ("openid", 401, "Key not authorised", 401),
        ("basic", 400, "Attempted access with malformed header, header not in basic auth format", 401),
        ("hmac", 400, "Authorization field missing, malformed or invalid", 400),
        ("mtls", 403, "Client TLS certificate is required", 403),
        ("plugin", 403, "Key not authorised", 403),
    ],
)
async def test_an_api_that_takes_no_token(world: World, scheme: str, status: int, said: str, without: int) -> None:
    """A token opens no API that takes something else, and the Gateway says so in that scheme's words."""
    token = (await world.create())["key_id"]
    world.tyk.add_api("billing", "Billing", "/billing/", schemes=[scheme])
    assert await world.use("/billing/", token) == (status, {"error": said})
    assert (await world.use("/billing/", None))[0] == without
    assert world.tyk.usable_keys() == []


async def test_an_oauth_api_knows_no_client_of_a_token(world: World) -> None:
    """Shown as an OAuth client's, a token of a key is refused; so is another kind of header."""
    token = (await world.create())["key_id"]
    world.tyk.add_api("billing", "Billing", "/billing/", schemes=["oauth"])
    assert await world.use("/billing/", f"Bearer {token}") == (403, {"error": "Key not authorised"})
    assert await world.use("/billing/", f"Basic {token}") == (400, {"error": "Bearer token malformed"})


async def test_a_keyless_api_is_open(world: World) -> None:
    """A keyless API opens to anybody, and a key opens nothing there that was not open."""
    token = (await world.create())["key_id"]
    world.tyk.add_api("billing", "Billing", "/billing/", schemes=["keyless"])
    for shown in (None, token, "nonsense"):
        assert (await world.use("/billing/", shown))[0] == 200
    assert world.tyk.usable_keys() == []


async def test_every_scheme_is_asked_for(world: World) -> None:
    """Of several schemes all must be met: a token alone does not open an API that wants a JWT as well."""
    token = (await world.create())["key_id"]
    world.tyk.add_api("billing", "Billing", "/billing/", schemes=["token", "jwt"])
    assert await world.use("/billing/", token) == (403, {"error": "Key not authorized"})


async def test_a_token_may_go_elsewhere(world: World) -> None:
    """A query parameter or a cookie carries the token where the API names one; the header then only where it is on."""
    world.tyk.add_api("billing", "Billing", "/billing/", in_header=False, query="key", cookie="sid")
    token = (await world.create())["key_id"]
    assert await world.use("/billing/", token) == (401, {"error": "Authorization field missing"})
    assert (await world.use(f"/billing/?key={token}", None))[0] == 200
    by_cookie = await world.http.get(f"{world.tyk.gateway_url}/billing/", headers={"cookie": f"sid={token}"})
    assert by_cookie.status_code == 200
    assert world.tyk.opens(token, "/billing/")[0] == 200


async def test_an_api_has_two_ids(world: World) -> None:
    """The Dashboard answers to either id; a key that names the database's opens nothing."""
    internal_id = world.tyk.apis["billing"].internal_id
    told = (await world.call("GET", f"/api/apis/{internal_id}")).json()["api_definition"]
    assert (told["api_id"], told["id"]) == ("billing", internal_id)
    rights = {internal_id: {"api_id": internal_id, "api_name": "Billing", "versions": ["Default"]}}
    token = (await world.create(access_rights=rights))["key_id"]
    assert (await world.use("/billing/", token))[0] == 403


@pytest.mark.parametrize(("by", "known"), [("either", [200, 200]), ("id", [200, 500]), ("_id", [500, 200])])
async def test_a_policy_has_two_names(world: World, by: Literal["either", "id", "_id"], known: list[int]) -> None:
    """The Dashboard lists both; a Gateway goes by one of them, as it is set up."""
    world.tyk.switches.policies_by = by
    policy = world.tyk.add_policy("YXBpL3JlcG9ydHM=", opens=["billing"])
    (listed,) = (await world.call("GET", "/api/portal/policies")).json()["Data"]
    names = [listed["id"], listed["_id"]]
    assert names == [policy.id, policy.internal_id]
    answers = [await world.call("POST", "/api/keys", world.session(apply_policies=[name])) for name in names]
    assert [answer.status_code for answer in answers] == known


async def test_mcp_proxies_have_a_list_of_their_own(world: World) -> None:
    """MCP proxies are OAS documents under /api/mcps and absent from /api/apis; keys open them all the same."""
    world.tyk.add_api("weather", "Weather", "/weather-mcp/", mcp=True)
    (listed,) = (await world.call("GET", "/api/mcps")).json()["mcps"]
    assert listed["x-tyk-api-gateway"]["info"]["id"] == "weather"
    assert [one["api_definition"]["api_id"] for one in (await world.call("GET", "/api/apis")).json()["apis"]] == [
        "billing",
        "search",
    ]
    statuses = [
        (await world.call("GET", path)).status_code
        for path in ("/api/mcps/weather", "/api/mcps/billing", "/api/mcps/nope", "/api/apis/weather")
    ]
    assert statuses == [200, 400, 404, 400]
    rights = {"weather": {"api_id": "weather", "api_name": "Weather", "versions": []}}
    assert (await world.use("/weather-mcp/", (await world.create(access_rights=rights))["key_id"]))[0] == 200


async def test_not_every_dashboard_has_mcp_proxies(world: World) -> None:
    """Before 5.13 the path is unknown, and after it the user may lack the permission."""
    world.tyk.switches.mcps = "unknown"
    assert (await world.call("GET", "/api/mcps")).status_code == 404
    world.tyk.switches.mcps = "forbidden"
    assert (await world.call("GET", "/api/mcps/x")).status_code == 403


async def test_a_policy_may_switch_keys_off(world: World) -> None:
    """With a policy, its own is_inactive counts and the key's is ignored."""
    policy = world.tyk.add_policy("gold", opens=["billing"])
    token = (await world.create(is_inactive=True, apply_policies=["gold"]))["key_id"]
    assert (await world.use("/billing/", token))[0] == 200
    policy.is_inactive = True
    assert (await world.use("/billing/", token))[0] == 403


async def test_an_incomplete_object_gets_nothing(world: World) -> None:
    """Without the whole set of fields a creation gets 200 with an empty body, and a change is refused."""
    session = world.session()
    for name in list(session):
        rest = {key: value for key, value in session.items() if key != name}
        answer = await world.call("POST", "/api/keys", rest)
        assert (answer.status_code, answer.content) == (200, b"")
    token = (await world.create())["key_id"]
    assert (await world.call("PUT", f"/api/keys/{token}", {"expires": 0})).status_code == 400
    assert len(world.tyk.keys) == 1


async def test_what_is_malformed_is_refused(world: World) -> None:
    """No JSON is a 403, and a field of the wrong type a 400."""
    broken = await world.http.post(
        f"{world.tyk.dashboard_url}/api/keys", content="{not json", headers={"authorization": world.tyk.credential}
    )
    assert (broken.status_code, broken.json()["Message"]) == (403, "Request body malformed.")
    assert (await world.call("POST", "/api/keys", world.session(rate="fast"))).status_code == 400
    nameless = world.session(access_rights={"billing": {"api_id": "billing"}})
    assert (await world.call("POST", "/api/keys", nameless)).status_code == 400


async def test_only_the_raw_credential_is_let_in(world: World) -> None:
    """A wrong credential, or none, is a 401."""
    for given in ("wrong", "", f"Bearer {world.tyk.credential}"):
        answer = await world.call("GET", "/api/apis", authorization=given)
        assert (answer.status_code, answer.json()["Message"]) == (401, "Not authorised")


async def test_hashes_name_keys_where_that_is_on(world: World) -> None:
    """A key can be read by its hash; changed and deleted by it only where Tyk is set up so."""
    made = await world.create()
    path = f"/api/keys/{made['key_hash']}?hashed=true"
    assert (await world.call("GET", path)).json()["data"]["expires"] == -1
    assert (await world.call("PUT", path, world.session())).status_code == 400
    assert (await world.call("DELETE", path)).status_code == 400
    world.tyk.switches.enable_update_key_by_hash = world.tyk.switches.enable_delete_key_by_hash = True
    assert (await world.call("PUT", path, world.session())).status_code == 200
    assert (await world.call("DELETE", path)).status_code == 200
    assert (await world.call("DELETE", path)).status_code == 400


async def test_without_hashing_there_is_no_hash(world: World) -> None:
    """Where keys are not hashed, no answer has a hash, and none can be named by one."""
    world.tyk.switches.hash_keys = False
    assert "key_hash" not in await world.create()
    assert (await world.call("GET", "/api/keys/00?hashed=true")).status_code == 400
    assert (await world.call("DELETE", "/api/keys/00?hashed=true")).status_code == 400


async def test_tokens_of_today_are_base64(world: World) -> None:
    """With a hash function set, a token is base64 of the organisation, an id and the function's name."""
    world.tyk.switches.base64_tokens = True
    token = (await world.create())["key_id"]
    inside = json.loads(base64.b64decode(token))
    assert (inside["org"], inside["h"], len(inside["id"])) == (world.tyk.org_id, "murmur64", 32)


async def test_a_chosen_id_overwrites(world: World) -> None:
    """A creation with the same chosen id again makes the same token, and an expiry in the past becomes never."""
    first = (await world.call("POST", "/api/keys/mine", world.session(expires=int(NOW) + 60))).json()
    second = (await world.call("POST", "/api/keys/mine", world.session(expires=int(NOW) - 60))).json()
    assert (first["key_id"], first["key_hash"]) == (second["key_id"], second["key_hash"])
    assert (len(world.tyk.keys), second["data"]["expires"]) == (1, 0)
    assert (await world.use("/billing/", "mine"))[0] == 200


async def test_lists_have_pages(world: World) -> None:
    """Lists come ten at a time, counted from 1; a page below 1 is everything."""
    for number in range(10):
        world.tyk.add_api(f"api-{number}", f"API {number}", f"/{number}/", oas=number % 2 == 0)
        world.tyk.add_policy(f"policy-{number}", opens=["billing"])
    world.tyk.add_policy("last")
    first = (await world.call("GET", "/api/apis?p=1")).json()
    assert (len(first["apis"]), first["pages"]) == (10, 2)
    assert len((await world.call("GET", "/api/apis?p=2")).json()["apis"]) == 2
    everything = (await world.call("GET", "/api/apis?p=-1")).json()
    assert (len(everything["apis"]), everything["pages"]) == (12, 1)
    policies = (await world.call("GET", "/api/portal/policies?p=2")).json()
    assert ([one["id"] for one in policies["Data"]], policies["Pages"]) == (["last"], 2)


async def test_keys_are_listed_where_that_is_on(world: World) -> None:
    """With hashing, keys are listed only where Tyk is set up so, and then without tokens."""
    made = await world.create(alias="R-1")
    assert (await world.call("GET", "/api/keys/detailed?p=1")).status_code == 404
    world.tyk.switches.enable_hashed_keys_listing = True
    listed = (await world.call("GET", "/api/keys/detailed?p=1")).json()["keys"]
    assert [(one["key_hash"], one["data"]["alias"], "key_id" in one) for one in listed] == [
        (made["key_hash"], "R-1", False)
    ]


async def test_an_api_is_known_or_a_400(world: World) -> None:
    """An unknown API is a 400, not a 404."""
    assert (await world.call("GET", "/api/apis/billing")).json()["api_definition"]["name"] == "Billing"
    unknown = await world.call("GET", "/api/apis/nope")
    assert (unknown.status_code, unknown.json()["Message"]) == (400, "Could not retrieve API detail")


async def test_newer_gateways_leave_out_zeros(world: World) -> None:
    """A Gateway of today tells nothing of fields that are zero or empty."""
    world.tyk.switches.omit_zero = True
    made = await world.create(expires=0)
    assert made["data"].keys().isdisjoint({"expires", "alias", "tags", "is_inactive"})


async def test_usable_keys_are_those_that_open_something(world: World) -> None:
    """Expired and deleted keys stay in the table, and are not usable."""
    short = await world.create(expires=int(NOW) + 60)
    deleted = await world.create()
    endless = await world.create()
    await world.call("DELETE", f"/api/keys/{deleted['key_id']}")
    assert [entry.hash for entry in world.tyk.usable_keys()] == [short["key_hash"], endless["key_hash"]]
    assert [entry.hash for entry in world.tyk.usable_keys(NOW + DAY)] == [endless["key_hash"]]
    assert len(world.tyk.keys) == 3


async def test_the_journal_holds_no_token(world: World) -> None:
    """What was called is written down in order, with the hash where the token stood."""
    made = await world.create()
    await world.call("GET", f"/api/keys/{made['key_id']}")
    assert [(call.method, call.path, call.status) for call in world.tyk.journal] == [
        ("POST", "/api/keys", 200),
        ("GET", f"/api/keys/{made['key_hash']}", 200),
    ]
    assert made["key_id"] not in repr(world.tyk.journal) + repr(world.tyk.keys)


async def test_faults_strike_as_often_as_told(world: World) -> None:
    """A fault spoils the calls it names, so many times, and no others."""
    world.tyk.faults.next("PUT /api/keys/{name}", status=500, times=2)
    token = (await world.create())["key_id"]
    statuses = [(await world.call("PUT", f"/api/keys/{token}", world.session())).status_code for _ in range(3)]
    assert statuses == [500, 500, 200]
    world.tyk.faults.next("POST /api/keys", body={"odd": True})
    assert (await world.call("POST", "/api/keys", world.session())).json() == {"odd": True}
    world.tyk.faults.next("POST /api/keys", empty=True)
    assert (await world.call("POST", "/api/keys", world.session())).content == b""
    assert len(world.tyk.keys) == 1


async def test_an_act_may_be_done_and_its_answer_lost(world: World) -> None:
    """With do_then_drop the key is made, and the connection is closed without an answer."""
    world.tyk.faults.next("POST /api/keys", do_then_drop=True)
    with pytest.raises(httpx.RemoteProtocolError):
        await world.create()
    assert len(world.tyk.usable_keys()) == 1
    assert [call.status for call in world.tyk.journal] == [None]


async def test_the_dashboard_may_be_away(world: World) -> None:
    """While it is away, every connection is closed and nothing is done."""
    world.tyk.faults.away = True
    with pytest.raises(httpx.RemoteProtocolError):
        await world.create()
    world.tyk.faults.clear()
    await world.create()
    assert len(world.tyk.keys) == 1


async def test_a_call_may_hang_until_it_is_let_go(world: World) -> None:
    """A hanging call has come in and gets nothing until the fault is released."""
    world.tyk.faults.next("POST /api/keys", hang=True)
    calling = asyncio.create_task(world.create())
    await world.tyk.called("POST /api/keys")
    assert not calling.done()
    world.tyk.faults.release()
    with pytest.raises(httpx.RemoteProtocolError):
        await calling
    assert world.tyk.keys == []


async def test_answers_may_be_slow(world: World) -> None:
    """A slow Tyk answers after the time it was told to take."""
    world.tyk.faults.slow = 0.05
    began = asyncio.get_running_loop().time()
    await world.create()
    assert asyncio.get_running_loop().time() - began >= 0.05


async def test_a_list_is_of_hashes_or_of_tokens(world: World) -> None:
    """Where keys are hashed each is told by its hash, else by its token; pages begin at 1, and 0 is all of them."""
    world.tyk.switches.enable_hashed_keys_listing = True
    world.tyk.switches.page_size = 2
    made = [await world.create() for _ in range(3)]
    first = (await world.call("GET", "/api/keys/detailed?p=1")).json()
    second = (await world.call("GET", "/api/keys/detailed?p=2")).json()
    assert (len(first["keys"]), len(second["keys"]), first["pages"]) == (2, 1, 2)
    assert {one["key_hash"] for one in first["keys"] + second["keys"]} == {one["key_hash"] for one in made}
    assert not any("key_id" in one for one in first["keys"])
    assert len((await world.call("GET", "/api/keys/detailed?p=0")).json()["keys"]) == 3
    world.tyk.switches.hash_keys = False
    listed = (await world.call("GET", "/api/keys/detailed?p=0")).json()["keys"]
    assert {one["key_id"] for one in listed} == {one["key_id"] for one in made}
    assert not any("key_hash" in one for one in listed)
    refused = await world.call("GET", f"/api/keys/{made[0]['key_hash']}?hashed=true")
    assert (refused.status_code, refused.json()["Message"]) == (
        400,
        "Key requested by hash but key hashing is not enabled",
    )


@pytest.mark.parametrize(
    ("may", "statuses"), [("write", (200, 200, 200)), ("read", (403, 200, 200)), ("deny", (403, 403, 403))]
)
async def test_what_the_dashboard_user_may_do(
    world: World, may: Literal["write", "read", "deny"], statuses: tuple[int, ...]
) -> None:
    """Who may read keys may list them and not make any; who may neither is refused by Tyk's own sentence."""
    world.tyk.switches.enable_hashed_keys_listing = True
    token = (await world.create())["key_id"]
    world.tyk.switches.keys = may
    answers = [
        await world.call("POST", "/api/keys", world.session()),
        await world.call("GET", f"/api/keys/{token}"),
        await world.call("GET", "/api/keys/detailed"),
    ]
    assert tuple(one.status_code for one in answers) == statuses
    refused = [one.json()["Message"] for one in answers if one.status_code == 403]
    assert all(one.startswith("access denied: You do not have permission to access  /api/keys") for one in refused)
    assert (await world.call("GET", "/api/apis")).status_code == 200


async def test_somebody_with_the_dashboard(world: World) -> None:
    """Deletes a key, changes another and makes a third, and the Gateway goes by it."""
    gone, changed = (await world.create())["key_id"], (await world.create())["key_id"]
    world.tyk.delete_by_hand(gone)
    assert (await world.use("/billing/x", gone))[0] == 403
    world.tyk.change_by_hand(changed, rate=5)
    assert (await world.read(changed))["rate"] == 5
    made = world.tyk.make_by_hand(world.session())
    assert (await world.use("/billing/x", made.token))[0] == 200
    with pytest.raises(KeyError):
        world.tyk.delete_by_hand(gone)


# --- analytics --------------------------------------------------------------------------------------------------------


def activity(key: str, *, first: str = "1/11/2026", last: str = "22/11/2026", of: str = "keys") -> str:
    return f"/api/activity/{of}/{key}/{first}/{last}"


async def test_calls_are_told_by_the_hash_of_their_key_within_days(world: World) -> None:
    """A row for each endpoint with its last call, the refused ones, too; the first and the last day belong to it."""
    made = await world.create(expires=int(NOW) + DAY)
    await world.use("/billing/a", made["key_id"])
    world.clock.now += DAY + 60
    assert (await world.use("/billing/a", made["key_id"]))[0] == 401
    body = (await world.call("GET", activity(made["key_hash"], last="23/11/2026"))).json()
    (row,) = body["data"]
    assert (row["hits"], row["success"], row["error"], row["id"]["path"]) == (2, 1, 1, "/billing/a")
    assert row["last_hit"] == "2026-11-23T21:23:17.000Z"
    assert (await world.call("GET", activity(made["key_hash"]))).json()["data"][0]["hits"] == 1
    for empty in (activity(made["key_hash"], last="21/11/2026"), activity("00000000")):
        assert (await world.call("GET", empty)).json() == {"data": None, "pages": 0}


async def test_what_analytics_do_not_tell(world: World) -> None:
    """A token is no hash; without the permission, or for what are no days, there is no answer; untracked is as if unused."""
    made = await world.create()
    path = activity(made["key_hash"])
    assert (await world.call("GET", activity("eyJvcmciOiJ4In0="))).json()["Message"] == "Key could not be decoded."
    assert (await world.call("GET", activity(made["key_hash"], last="31/2/2026"))).status_code == 400
    world.tyk.apis["billing"].do_not_track = True
    await world.use("/billing/", made["key_id"])
    world.tyk.apis["billing"].do_not_track, world.tyk.switches.enable_analytics = False, False
    await world.use("/billing/", made["key_id"])
    assert (await world.call("GET", path)).json()["data"] is None
    world.tyk.switches.analytics = "deny"
    refused = await world.call("GET", path)
    assert refused.status_code == 403
    assert refused.json()["Message"].startswith("access denied: ")
