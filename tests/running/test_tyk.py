"""Tyk in all its moods: what is sent, what is understood, what is done again, what parks, what is revoked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest

from bot.core.model import EffectKind
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.sandbox.demos.reading import token_in
from bot.store.transaction import Transaction
from tests.log import Log, failures, lines, logged
from tests.running import failed, stored, verb
from tests.world import WITHIN, World, living

TEST_API = "ad5004d961a147d4649fd3216694ebe2"
PAYMENTS = "5f1c0b5c6ad84c3c8d0b5f0d7d6e9a11"
LEDGER = "0f6de3a3b0f04b7f9f5a4b8a2c1d7e90"
GOLD = "5f1c0b5c6ad84c3c8d0b5f0e"
WEEK = 7 * 86400
POST, PUT, GET, DELETE = "POST /api/keys", "PUT /api/keys/", "GET /api/keys/", "DELETE /api/keys/"
CUT = "PUT /api/keys/{name}"


def by_id(text: str) -> str:
    return text.replace("keys_by: hash", "keys_by: id")


def bodies(world: World, call: str) -> list[dict[str, Any]]:
    return [one.body for one in world.tyk.calls(call)]


def tokens(world: World, who: str) -> list[str]:
    return [token for one in world.person(who).dm() if (token := token_in(one)) is not None]


def is_verified(tx: Transaction) -> bool:
    """The first request's key was read back."""
    record = tx.numbered(1001)
    return record is not None and all(key.verified_at for key in record.keys)


def near(seconds: float, expected: float) -> bool:
    return abs(seconds - expected) < 30


async def asks_for_gold(world: World, *, needs: int = 2) -> None:
    await world.asks("alice", "payments", plan="gold")
    bob, carol = world.person("bob"), world.person("carol")
    await bob.clicks("Approve", await bob.sees(lambda one: "Approve" in one.labels, channel="approvals"))
    if needs == 2:
        first = await carol.sees(lambda one: "1 of 2" in one.shown, channel="approvals")
        await carol.clicks("Approve", first)


# --- what is sent -----------------------------------------------------------------------------------------------------


def before_5_13(_slack: LocalSlack, tyk: LocalTyk) -> None:
    tyk.switches.mcps = "unknown"


async def test_the_tutorials_path(tmp_path: Path) -> None:
    """POST with the tutorial's body and a short end, then PUT of the same with suppress_reset and the grant's own end."""
    async with living(tmp_path, prepare=before_5_13) as world:
        await world.asks("alice", "test-api")
        token = await world.token_of("alice")
        (post,), (put,) = world.tyk.calls(POST), world.tyk.calls(PUT)
    assert {name: value for name, value in post.body.items() if name not in ("expires", "quota_renews")} == {
        "allowance": 1000,
        "rate": 1000,
        "per": 1,
        "quota_max": -1,
        "quota_remaining": -1,
        "quota_renewal_rate": 60,
        "access_rights": {TEST_API: {"api_id": TEST_API, "api_name": "test-api", "versions": ["Default"]}},
        "meta_data": post.body["meta_data"],
        "tags": ["tyk-key-bot"],
        "alias": "R-1001",
    }
    assert post.body["meta_data"]["slack_user"] == "U0ALICE"
    assert 0 < post.body["expires"] - time.time() <= 15 * 60
    assert (post.status, put.status) == (200, 200), "the credential was accepted as it is, as the raw header"
    assert re.fullmatch(r"/api/keys/[0-9a-f]{16}\?suppress_reset=1&hashed=true", put.path)
    assert near(put.body["expires"], time.time() + WEEK)
    assert "apply_policies" not in put.body
    assert {**put.body, "expires": 0, "quota_renews": 0} == {**post.body, "expires": 0, "quota_renews": 0}
    assert [entry.token for entry in world.tyk.keys] == [token]
    assert world.tyk.keys[0].session["expires"] == put.body["expires"]


async def test_a_plan_with_a_tyk_policy(tmp_path: Path) -> None:
    """The policy comes with the PUT, the end is the grant's and not the policy's, and what it lists beside opens too."""
    async with living(tmp_path) as world:
        assert world.tyk.policies[GOLD].key_expires_in == 90 * 86400
        await asks_for_gold(world)
        token = await world.token_of("alice")
        (post,), (put,) = bodies(world, POST), bodies(world, PUT)
        assert "apply_policies" not in post
        assert put["apply_policies"] == [GOLD]
        assert set(post["access_rights"]) == {PAYMENTS, LEDGER}
        assert near(world.tyk.keys[0].session["expires"], time.time() + WEEK)
        assert [world.tyk.opens(token, path)[0] for path in ("/payments/", "/ledger/", "/test-api/")] == [200, 200, 403]


@pytest.mark.parametrize(("mcps", "told"), [("listed", "delete"), ("unknown", None), ("forbidden", None)])
async def test_tyk_itself_deletes_a_key_at_its_end(
    tmp_path: Path, log: Log, mcps: Literal["listed", "unknown", "forbidden"], told: str | None
) -> None:
    """Since 5.13 Tyk can, and is told to; where the version cannot be known, nothing is sent that it might refuse."""

    def prepare(_slack: LocalSlack, tyk: LocalTyk) -> None:
        tyk.switches.mcps = mcps

    async with living(tmp_path, prepare=prepare) as world:
        await logged(log, "config.checked")
        await world.asks("alice", "test-api")
        await world.told("sent")
        assert [body.get("post_expiry_action") for call in (POST, PUT) for body in bodies(world, call)] == [told, told]
        await stored(world, is_verified)
        assert not lines(log, log_level="error")


# --- what is understood -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hash_keys", [True, False])
async def test_the_gateways_answers_are_understood_too(tmp_path: Path, hash_keys: bool) -> None:
    """`{"action", "key", "status"}`, as Tyk's first tutorial shows, with tokens of hex digits, and with or without a hash."""

    def prepare(_slack: LocalSlack, tyk: LocalTyk) -> None:
        tyk.switches.gateway_answers, tyk.switches.base64_tokens, tyk.switches.hash_keys = True, False, hash_keys

    async with living(tmp_path, change=by_id, prepare=prepare) as world:
        await world.asks("alice", "test-api")
        token = await world.token_of("alice")
        assert re.fullmatch(r"[0-9a-f]{56}", token)
        assert world.tyk.opens(token, "/test-api/")[0] == 200
        assert near(world.tyk.keys[0].session["expires"], time.time() + WEEK)


async def test_a_tyk_without_hashes_does_not_fit_keys_by_hash(tmp_path: Path) -> None:
    """Where Tyk gives no hash and the key is to be named by it, the request is stuck and says so, and the key dies soon."""

    def prepare(_slack: LocalSlack, tyk: LocalTyk) -> None:
        tyk.switches.hash_keys = False

    async with living(tmp_path, prepare=prepare) as world:
        await world.asks("alice", "test-api")
        await world.person("alice").rung("is stuck", timeout=WITHIN)
        await world.told("stuck")
        assert not tokens(world, "alice")
        assert not world.tyk.usable_keys(time.time() + 16 * 60)


@pytest.mark.parametrize("named_by", ["id", "hash"])
async def test_a_key_to_its_end(tmp_path: Path, named_by: str) -> None:
    """Named by its id or by its hash, a key is made, shown, and deleted when its time is over; by hash no URL has the token."""
    async with living(tmp_path, change=by_id if named_by == "id" else str) as world:
        await world.asks("alice", "test-api")
        token = await world.token_of("alice")
        await world.told("sent")
        await stored(world, is_verified)
        await world.pass_time(timedelta(days=7, minutes=1))
        await world.told("key deleted")
        assert world.tyk.keys[0].dead is not None
        assert not world.tyk.usable_keys()
        paths = [call.path for call in world.tyk.calls(PUT) + world.tyk.calls(GET) + world.tyk.calls(DELETE)]
        assert len(paths) >= 4
        of_keys = [path for path in paths if "/detailed" not in path]
        assert all(("hashed=" in path) is (named_by == "hash") for path in of_keys)
        assert not any(token in call.path for call in world.tyk.journal)


# --- what is done again -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ("empty", "tyk_empty"),
        ("drop", "tyk_broken"),
        ("hang", "tyk_broken"),
        ("do_then_drop", "tyk_broken"),
        ("do_then_hang", "tyk_broken"),
    ],
)
async def test_a_lost_answer_to_the_creation(tmp_path: Path, log: Log, trouble: str, code: str) -> None:
    """It is done again: the requester gets one token, and a key that nobody has seen opens nothing after its probation."""
    async with living(tmp_path) as world:
        world.tyk.faults.next(POST, **{trouble: True})  # type: ignore[arg-type]  # the name is one of the flags
        await world.asks("alice", "test-api")
        await world.tyk.called(POST)
        world.tyk.faults.release()
        token = await world.token_of("alice")
        await world.told("sent")
        assert len(world.tyk.calls(POST)) == 2
        assert len(world.tyk.keys) == (2 if trouble.startswith("do_then") else 1)
        await world.pass_time(timedelta(minutes=16))
        assert [entry.token for entry in world.tyk.usable_keys()] == [token]
        assert tokens(world, "alice") == [token]
        assert (await world.events()).count("key created") == 1
        assert failures(log, "issue_key") == [code]
        assert token not in str(log)


def _rotated(world: World) -> Callable[[], None]:
    right = world.tyk.credential
    world.tyk.credential = "other"

    def back() -> None:
        world.tyk.credential = right

    return back


def _answering(status: int) -> Callable[[World], Callable[[], None]]:
    def begin(world: World) -> Callable[[], None]:
        world.tyk.faults.next(POST, status=status, times=1000)
        return world.tyk.faults.clear

    return begin


def _gone(world: World) -> Callable[[], None]:
    world.tyk.faults.away = True

    def back() -> None:
        world.tyk.faults.away = False

    return back


@pytest.mark.parametrize(
    ("begin", "code"),
    [
        pytest.param(_rotated, "tyk_401", id="401"),
        pytest.param(_answering(403), "tyk_403", id="403"),
        pytest.param(_answering(429), "tyk_429", id="429"),
        pytest.param(_answering(500), "tyk_500", id="500"),
        pytest.param(_gone, "tyk_broken", id="away"),
    ],
)
async def test_tyk_cannot_for_an_hour(
    tmp_path: Path, log: Log, begin: Callable[[World], Callable[[], None]], code: str
) -> None:
    """Nothing is lost: it is tried again, the requester is told once after ten minutes, and the token comes when it can."""
    async with living(tmp_path) as world:
        end = begin(world)
        await world.asks("alice", "test-api")
        await failed(world, EffectKind.ISSUE_KEY)
        assert not [ring for ring in world.person("alice").rings if "longer than usual" in ring.text]
        for attempt in (2, 3):
            await world.pass_time(timedelta(minutes=31))
            await failed(world, EffectKind.ISSUE_KEY, attempt)
        await world.person("alice").rung("longer than usual", timeout=WITHIN)
        end()
        await world.pass_time(timedelta(minutes=2))
        token = await world.token_of("alice")
        await world.told("recovered")
        assert world.tyk.opens(token, "/test-api/")[0] == 200
        assert len([ring for ring in world.person("alice").rings if "longer than usual" in ring.text]) == 1
        assert (await world.events()).count("delayed") == 1
        assert len(world.tyk.keys) == 1
        assert set(failures(log, "issue_key")) == {code}
        assert lines(log, event="effect", kind="issue_key", result="done", request="R-1001")
        assert not lines(log, log_level="error"), "what others do wrong is no error of ours"


async def test_a_key_that_tyk_lost_is_made_anew(tmp_path: Path) -> None:
    """A 404 to the PUT: nobody has seen that key, so another is made, and only that one is shown."""
    async with living(tmp_path) as world:
        world.tyk.faults.next(CUT, hang=True)
        await world.asks("alice", "test-api")
        await world.tyk.called(PUT)
        world.tyk.keys[0].dead = time.time()
        world.tyk.faults.release()
        token = await world.token_of("alice")
        assert [call.status for call in world.tyk.calls(PUT)] == [None, 404, 200]
        assert [entry.token for entry in world.tyk.keys] != [token]
        assert [entry.token for entry in world.tyk.usable_keys()] == [token]


# --- what parks -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "status", "message", "code"),
    [
        (POST, 400, "User/Key object validation failed, most likely malformed input.", "issue_key(tyk_invalid)"),
        (CUT, 500, 'Failed to create key - policy not found: "x"', "confirm_key(tyk_policy_unknown)"),
    ],
)
async def test_a_definite_no(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], log: Log, call: str, status: int, message: str, code: str
) -> None:
    """It is stuck at once, told in a fixed sentence, listed by `requests`, and taken up again by `retry`."""
    async with living(tmp_path) as world:
        said = {"Status": "Error", "Message": message, "Meta": None}
        world.tyk.faults.next(call, status=status, body=said)
        await world.asks("alice", "test-api")
        ring = await world.person("alice").rung("stuck", timeout=WITHIN)
        assert (
            ring.text
            == "Your token for Test API is stuck, and a person has to help. Ask in <#C0HELP> and mention R-1001."
        )
        await world.told("stuck")
        assert len(world.tyk.calls(call.partition("{")[0])) == 1, "it is not tried again by itself"
        kind, _, error = code.rstrip(")").partition("(")
        assert failures(log, kind) == [error]
        assert await verb(tmp_path, "requests") == 0
        listed = capsys.readouterr().out
        assert code in listed
        assert "R-1001" in listed
        number = re.search(r"([0-9]+):[a-z_]+\(", listed)
        assert number
        assert await verb(tmp_path, "retry", "999999") == 2
        assert await verb(tmp_path, "retry", number[1]) == 0
        await world.token_of("alice")
        assert len([one for one in world.person("alice").rings if "stuck" in one.text]) == 1


async def test_a_policy_that_opens_more_than_the_plan_lists(tmp_path: Path) -> None:
    """No key is ever made for it; once the policy at Tyk is narrowed, `retry` is enough."""

    def unlisted(text: str) -> str:
        return text.replace(", also_opens: [ledger]", "")

    async with living(tmp_path, change=unlisted) as world:
        await asks_for_gold(world, needs=1)
        await world.person("alice").rung("is stuck", timeout=WITHIN)
        await world.told("stuck")
        assert world.tyk.calls(POST) == []
        del world.tyk.policies[GOLD].access_rights[LEDGER]
        assert await verb(tmp_path, "retry", "--all") == 0
        token = await world.token_of("alice")
        assert [world.tyk.opens(token, path)[0] for path in ("/payments/", "/ledger/")] == [200, 403]


async def test_an_api_that_tyk_does_not_know(tmp_path: Path) -> None:
    """No key is ever made for it; once the API is there, `retry` is enough."""

    def prepare(_slack: LocalSlack, tyk: LocalTyk) -> None:
        del tyk.apis[TEST_API]

    async with living(tmp_path, prepare=prepare) as world:
        await world.asks("alice", "test-api")
        await world.person("alice").rung("is stuck", timeout=WITHIN)
        await world.told("stuck")
        assert world.tyk.calls(POST) == []
        world.tyk.add_api(TEST_API, "test-api", "/test-api/")
        assert await verb(tmp_path, "retry", "--all") == 0
        assert world.tyk.opens(await world.token_of("alice"), "/test-api/")[0] == 200


# --- how a key ends ---------------------------------------------------------------------------------------------------


async def test_a_delete_whose_answer_was_lost(tmp_path: Path) -> None:
    """The second DELETE says 400; the key is dead all the same, because Tyk, asked for it, does not know it."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        await world.token_of("alice")
        await world.told("sent")
        world.tyk.faults.next("DELETE /api/keys/{name}", do_then_drop=True)
        assert await verb(tmp_path, "revoke", "R-1001", "--yes") == 0
        await world.told("key deleted")
        assert [call.status for call in world.tyk.calls(DELETE)] == [None, 400]
        assert world.tyk.calls(GET)[-1].status == 404


async def test_a_delete_that_was_refused(tmp_path: Path) -> None:
    """A 400 to the DELETE of a key that lives is not its death: it is deleted again until Tyk does not know it."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        token = await world.token_of("alice")
        await world.told("sent")
        said = {"Status": "Error", "Message": "Failed to remove the key", "Meta": None}
        world.tyk.faults.next("DELETE /api/keys/{name}", status=400, body=said, times=2)
        assert await verb(tmp_path, "revoke", "R-1001", "--yes") == 0
        await world.told("key deleted")
        assert (await world.events()).count("key deleted") == 1
        assert [call.status for call in world.tyk.calls(DELETE)] == [400, 400, 200]
        assert world.tyk.opens(token, "/test-api/")[0] == 403


@pytest.mark.parametrize(
    "asked", ["604800", "Fri, 31 Dec 9999 23:59:59 GMT", "9" * 400], ids=["week", "ever", "digits"]
)
async def test_a_deletion_that_is_to_wait_for_a_week(tmp_path: Path, asked: str) -> None:
    """Tyk asks for that at one key: another one is deleted meanwhile, and this one within five minutes."""
    async with living(tmp_path) as world:
        for who in ("alice", "dave"):
            await world.asks(who, "test-api")
        await world.told("sent", times=2)
        world.tyk.faults.next("DELETE /api/keys/{name}", status=429, headers={"Retry-After": asked})
        await world.pass_time(timedelta(days=7, minutes=1))
        await world.told("key deleted")
        assert [call.status for call in world.tyk.calls(DELETE)].count(429) == 1
        assert (await world.events()).count("key deleted") == 1
        await world.pass_time(timedelta(minutes=5))
        await world.told("key deleted", times=2)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("expires", "Tyk holds another end than was granted"),
        ("access_rights", "Tyk lets the key open more than was granted"),
        ("rate", "Tyk holds another rate than was granted"),
    ],
)
async def test_a_key_that_tyk_altered(tmp_path: Path, what: str, why: str) -> None:
    """What Tyk holds is read back: where its end, rights or limits are not the grant's, it is revoked and the requester told."""
    async with living(tmp_path) as world:
        world.tyk.faults.next("GET /api/keys/{name}", hang=True)
        await world.asks("alice", "test-api")
        await world.tyk.called(GET)
        session = world.tyk.keys[0].session
        if what in ("expires", "rate"):
            session[what] += 3600
        else:
            session["access_rights"] |= {LEDGER: {"api_id": LEDGER, "api_name": "ledger", "versions": ["Default"]}}
        world.tyk.faults.release()
        ring = await world.person("alice").rung("was revoked", timeout=WITHIN)
        assert why in ring.text
        await world.told("key deleted")
        assert not world.tyk.usable_keys()
        assert "revoked" in await world.events()
