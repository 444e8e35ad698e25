"""A key has leaked, a laptop is stolen: what an operator ends from the command line, whoever else is away."""

from __future__ import annotations

import asyncio
import getpass
import io
import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from bot.commands import revoking
from bot.commands.operator import Operator
from bot.commands.revoking import StoppedError
from bot.commands.words import UsageError
from bot.core.audit import AuditEntry
from bot.core.model import AuditEvent, RequestState
from bot.errors import INTERRUPTED
from bot.local.tyk import LocalTyk
from bot.local.world import World as Place
from bot.store import ledger, tables
from bot.store.engine import open_engine
from bot.store.ledger import Filter
from bot.store.seal import new_key
from bot.store.store import Store
from tests.running import bot_in, empty_place, quiet, stored, verb
from tests.story import asked
from tests.world import World, living

HOUR = timedelta(hours=1)
CACHED = "A Gateway may let a token through for about ten seconds more, from its cache."


@dataclass
class Aftermath:
    """The world after its bot has gone: `environ` is what the bot had."""

    place: Place
    folder: Path
    environ: dict[str, str]
    token: str

    async def verb(self, *argv: str, without: str = "", **environ: str) -> int:
        """A command with the bot's environment, less what is named."""
        given = {name: value for name, value in {**self.environ, **environ}.items() if name != without}
        return await verb(self.folder, *argv, **given)

    @asynccontextmanager
    async def bot(self, change: Callable[[str], str] = lambda text: text) -> AsyncIterator[World]:
        """The bot again, with Slack."""
        slack = {name: value for name, value in self.place.environ().items() if name.startswith("SLACK_")}
        async with bot_in(self.place, change, **self.environ | slack) as world:
            yield world

    @property
    def tyk(self) -> LocalTyk:
        return self.place.tyk

    def read(self) -> Store:
        return Store(open_engine(f"sqlite:///{self.folder / 'bot.db'}"))

    def trail(self) -> list[AuditEntry]:
        with self.read().reading() as tx:
            return list(tx.audit_trail())


@asynccontextmanager
async def gone(folder: Path, change: Callable[[str], str] = lambda text: text) -> AsyncIterator[Aftermath]:
    """Alice has her token for the test API; then the bot stops, and Slack is away."""
    async with empty_place() as place:
        database = {"DATABASE_URL": f"sqlite:///{folder / 'bot.db'}", "SEAL_KEYS": new_key()}
        async with bot_in(place, change, **database) as world:
            await world.asks("alice", "test-api")
            token = await world.token_of("alice")
            await world.told("sent")
            await quiet(world)
        slack_is_away = {"SLACK_API_URL": "http://127.0.0.1:1/api/"}
        tyk = {name: value for name, value in place.environ().items() if name.startswith("TYK_")}
        yield Aftermath(place, folder, {**database, **tyk, **slack_is_away}, token)


def by_id(text: str) -> str:
    return text.replace("keys_by: hash", "keys_by: id")


# --- at Tyk itself ----------------------------------------------------------------------------------------------------


async def test_a_key_ends_without_slack_and_without_a_bot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is deleted at Tyk before the command ends, which says so, and nothing is left for the bot to do twice."""
    async with gone(tmp_path) as after:
        assert await after.verb("revoke", "R-1001", "--yes", "--reason", "it leaked") == 0
        said, complained = capsys.readouterr()
        (key,) = after.tyk.keys
        assert said.endswith(f"R-1001, key {key.hash}: deleted at Tyk.\nEnded: 1. {CACHED}\n")
        assert complained == ""
        assert after.tyk.opens(after.token, "/test-api/")[0] == 403
        assert [entry.event for entry in after.trail()][-2:] == [AuditEvent.REVOKED, AuditEvent.KEY_DELETED]
        deletions = len(after.tyk.calls("DELETE /api/keys"))
        async with after.bot() as bot:
            await bot.person("alice").rung("it leaked")
            await quiet(bot)
        assert len(after.tyk.calls("DELETE /api/keys")) == deletions


@pytest.mark.parametrize("missing", ["TYK_DASHBOARD_KEY", "SEAL_KEYS"])
async def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: str) -> None:
    """Without the credential or the seal the grant ends, the key does not, and both are said; later the command finishes it."""
    async with gone(tmp_path, by_id) as after:
        assert await after.verb("revoke", "R-1001", "--yes", without=missing) == 1
        said, complained = capsys.readouterr()
        assert f"not deleted yet: it cannot be done from here ({missing}: is not set" in said
        assert CACHED not in said
        assert complained == (
            "Not every key is deleted at Tyk: its token still works. "
            "No bot runs on this database: start one, or run this command again.\n"
        )
        assert after.tyk.opens(after.token, "/test-api/")[0] == 200
        assert await after.verb("revoke", "R-1001", "--yes") == 0
        assert "deleted at Tyk." in capsys.readouterr().out
        after.tyk.forget_sessions()
        assert after.tyk.opens(after.token, "/test-api/")[0] == 403


async def test_the_key_of_an_entry_that_has_gone(tmp_path: Path) -> None:
    """It lives on when the file has its entry no more, and ends by the entry's name all the same."""

    def without(text: str) -> str:
        before, _, rest = text.partition("\n  test-api:")
        return before + "\n  payments:" + rest.partition("\n  payments:")[2]

    async with gone(tmp_path) as after:
        async with after.bot(without) as bot:
            await quiet(bot)
            assert [key.token for key in after.tyk.usable_keys()] == [after.token]
        assert await after.verb("revoke", "--api", "test-api", "--yes") == 0
        assert after.tyk.usable_keys() == []


async def test_tyk_is_away(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The reason is said, and the bot that starts later deletes the key."""
    async with gone(tmp_path) as after:
        after.tyk.faults.away = True
        assert await after.verb("revoke", "R-1001", "--yes") == 1
        said, complained = capsys.readouterr()
        assert re.search(r"R-1001, key \w+: not deleted yet: Tyk .*\.\nEnded: 1\.\n", said), said
        assert "No bot runs on this database" in complained
        after.tyk.faults.clear()
        after.tyk.faults.away = False
        async with after.bot() as bot:
            bot.running.store.skew += 2 * HOUR
            bot.running.worker.wake()
            await bot.told("key deleted")
        assert after.tyk.opens(after.token, "/test-api/")[0] == 403


async def test_a_wrong_credential(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tyk's no is a sentence that does not repeat the credential."""
    async with gone(tmp_path) as after:
        assert await after.verb("revoke", "R-1001", "--yes", TYK_DASHBOARD_KEY="wrong-credential") == 1
        said = "".join(capsys.readouterr())
        assert "not deleted yet: Tyk does not accept TYK_DASHBOARD_KEY." in said
        assert "wrong-credential" not in said
        assert after.token not in said


async def test_a_bot_that_runs_finishes_what_the_command_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without Tyk's credential the command waits for the bot beside it, and then says that the key is deleted."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        await world.told("sent")
        assert await verb(tmp_path, "revoke", "R-1001", "--yes") == 0
        assert ": deleted at Tyk.\n" in capsys.readouterr().out
        assert not world.tyk.usable_keys()


async def test_beside_a_bot_a_key_is_deleted_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command has the lease while Tyk takes its time, so that the bot leaves the key to it."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        await world.told("sent")
        await quiet(world)
        world.tyk.faults.slow = 1.5  # the bot looks for what is due several times meanwhile
        tyk = {"TYK_DASHBOARD_URL": world.tyk.dashboard_url, "TYK_DASHBOARD_KEY": world.tyk.credential}
        assert await verb(tmp_path, "revoke", "R-1001", "--yes", **tyk) == 0
        assert ": deleted at Tyk.\n" in capsys.readouterr().out
        await quiet(world)
        assert len(world.tyk.calls("DELETE /api/keys")) == 1


async def test_by_hash_no_seal_is_needed(tmp_path: Path) -> None:
    """Where keys go by their hash, the credential of the Dashboard is enough."""
    async with gone(tmp_path) as after:
        assert await after.verb("revoke", "R-1001", "--yes", without="SEAL_KEYS") == 0
        assert not after.tyk.usable_keys()


async def test_a_database_that_does_not_know_its_dashboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that no bot of this version has started on: nothing is guessed, and that is said."""
    async with gone(tmp_path) as after:
        store = after.read()
        with store.engine.begin() as connection:
            connection.execute(delete(tables.meta).where(tables.meta.c.name == ledger.PLACE))
        store.engine.dispose()
        assert await after.verb("revoke", "R-1001", "--yes") == 1
        assert "the bot has not started on this database since it was upgraded" in capsys.readouterr().out
        assert len(after.tyk.usable_keys()) == 1


async def test_a_request_that_is_approved_meanwhile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the list and the yes Bob approves: what became of the request ends all the same."""
    async with living(tmp_path) as world:
        shown = await asked(world)
        loop = asyncio.get_running_loop()

        def bob_is_faster(_question: str) -> str:
            asyncio.run_coroutine_threadsafe(world.person("bob").clicks("Approve", shown), loop).result()
            asyncio.run_coroutine_threadsafe(world.told("sent"), loop).result()
            return "y"

        monkeypatch.setattr("builtins.input", bob_is_faster)
        assert await verb(tmp_path, "revoke", "--person", "U0ALICE") == 0
        assert "Ended: 1." in capsys.readouterr().out
        assert not world.tyk.usable_keys()


async def test_many_keys_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of an entry's keys, of several people, go in one command, each once."""
    async with gone(tmp_path) as after:
        async with after.bot() as bot:
            for who in ("bob", "dave"):
                await bot.asks(who, "test-api")
            await bot.told("sent", times=3)
            await quiet(bot)
        assert await after.verb("revoke", "--api", "test-api", "--yes") == 0
        assert capsys.readouterr().out.count(": deleted at Tyk.") == 3
        assert not after.tyk.usable_keys()
        assert len(after.tyk.calls("DELETE /api/keys")) == 3


# --- a person ---------------------------------------------------------------------------------------------------------


async def test_what_a_person_waits_for_is_denied_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Alice's key and her open request end together: nobody can approve it a second later, and others keep theirs."""
    async with living(tmp_path) as world:
        for who in ("alice", "dave"):
            await world.asks(who, "test-api")
            await world.person(who).closes()
        await world.told("sent", times=2)
        shown = await asked(world)
        assert await verb(tmp_path, "revoke", "--person", "U0ALICE", "--yes", "--reason", "a stolen laptop") == 0
        said = capsys.readouterr().out
        assert "R-1003: the request is denied.\n" in said
        assert "Ended: 1. Denied: 1. " in said
        await world.person("alice").rung("a stolen laptop")
        closed = await world.person("bob").sees("a stolen laptop", channel="approvals")
        assert closed.ts == shown.ts
        assert "Approve" not in closed.labels
        record = await stored(world, lambda tx: tx.numbered(1003))
        assert record is not None
        assert (record.request.state, record.grant) == (RequestState.DENIED, None)
        assert len(world.tyk.usable_keys()) == 1


async def test_deny(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A request that waits is denied with a reason that its requester reads; then there is nothing to deny any more."""
    async with living(tmp_path) as world:
        await asked(world)
        assert await verb(tmp_path, "revoke", "R-1001", "--yes") == 1
        assert "`tyk-key-bot deny R-1001 --reason ...` ends it." in capsys.readouterr().err
        assert await verb(tmp_path, "deny", "R-1001", "--reason", "not this quarter", "--as", "Carol") == 0
        assert capsys.readouterr().out.startswith("R-1001 is denied. The bot tells ")
        await world.person("alice").rung("not this quarter")
        await world.told("denied")
        assert await verb(tmp_path, "deny", "R-1001", "--reason", "again") == 1
        assert capsys.readouterr().err == "R-1001 does not wait for a decision, it is denied.\n"
        entry = (await world.trail())[-1]
        assert (entry.event, entry.details["operator"], entry.actor) == (AuditEvent.DENIED, "Carol", None)


async def test_deny_of_what_was_granted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The way to end it is named, and nothing is changed."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        await world.told("sent")
        assert await verb(tmp_path, "deny", "R-1001", "--reason", "no") == 1
        assert "it is approved: `tyk-key-bot revoke R-1001` ends what was granted." in capsys.readouterr().err
        assert "denied" not in await world.events()


# --- who did it -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [["--as", "Carol Ops\n<!here>"], []])
async def test_the_audit_names_the_operator(tmp_path: Path, by: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """By the name given, else by user and host: in the table, in the channel, and inert in both."""
    name = "Carol Ops<!here>" if by else f"{getpass.getuser()}@{socket.gethostname()}"[:100]
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        await world.told("sent")
        assert await verb(tmp_path, "revoke", "R-1001", "--yes", *by) == 0
        await world.told("key deleted")
        (entry,) = [entry for entry in await world.trail() if entry.event is AuditEvent.REVOKED]
        assert entry.details["operator"] == name
        capsys.readouterr()
        assert await verb(tmp_path, "audit") == 0
        assert f"operator={name}" in capsys.readouterr().out
        line = await world.person("carol").sees("at the command line by ", channel="audit")
        assert "<!here>" not in line.text


async def test_retry_by_number_is_written_down(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each promise that is taken up again is a row of the audit, with who did it."""

    def prepare(_slack: Any, tyk: LocalTyk) -> None:
        tyk.faults.next("POST /api/keys", status=400)

    async with living(tmp_path, prepare=prepare) as world:
        await world.asks("alice", "test-api")
        await world.told("stuck")
        assert await verb(tmp_path, "retry", "r-1001", "--as", "Carol") == 0
        assert capsys.readouterr().out == "Taken up again: 1.\n"
        await world.token_of("alice")
        await world.told("retried")
        (entry,) = [entry for entry in await world.trail() if entry.event is AuditEvent.RETRIED]
        assert entry.request_number == 1001
        assert (entry.details["effect"], entry.details["operator"]) == ("issue_key", "Carol")
        assert await verb(tmp_path, "retry", "R-1001") == 2
        assert "Nothing of R-1001 is parked" in capsys.readouterr().err


# --- all of one request -----------------------------------------------------------------------------------------------


async def test_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """State, people, reviews, keys' hashes, where the messages stand, promises and the audit: all but the token."""
    async with living(tmp_path) as world:
        shown = await asked(world)
        await world.person("bob").clicks("Approve", shown)
        token = await world.token_of("alice")
        await world.told("sent")
        await quiet(world)
        capsys.readouterr()
        assert await verb(tmp_path, "show", "R-1001") == 0
        said = capsys.readouterr().out
        record = await stored(world, lambda tx: tx.numbered(1001))
    assert record is not None
    assert said.splitlines()[0] == "R-1001  approved"
    for part in ("Reviews", "Grant  active", "Keys", "Messages", "Effects", "Audit"):
        assert f"\n\n{part}\n" in said
    assert "U0ALICE" in said
    assert "yes by U0BOB" in said
    assert f"{world.tyk.keys[0].hash}  live" in said
    assert all(message.ts in said for message in record.messages if message.ts)
    assert "hide_token  open" in said
    assert "key created" in said
    assert token not in said


# --- on a bad day ------------------------------------------------------------------------------------------------------


async def test_whoever_reads_the_output_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`revoke ... | head -1`, unbuffered as in the image: it ends what it was told to end, and its code says whether it has."""
    async with gone(tmp_path) as after:
        for tyk_is_away in (True, False):
            reader, writer = os.pipe()
            os.close(reader)
            with (
                io.TextIOWrapper(os.fdopen(writer, "wb", buffering=0), write_through=True) as nobody,
                monkeypatch.context() as patched,
            ):
                patched.setattr("sys.stdout", nobody)
                after.tyk.faults.away = tyk_is_away
                assert await after.verb("revoke", "R-1001", "--yes") == int(tyk_is_away)
        assert after.tyk.usable_keys() == []


async def test_what_was_cut_off_is_taken_up_by_the_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another command leaves the key to the one that has it in hand and says so; after Ctrl-C the next deletes it at once."""
    async with gone(tmp_path) as after:
        with after.read().reading() as tx:
            (held,) = ledger.holdings(tx, Filter())
        after.tyk.faults.next("DELETE /api/keys", hang=True)
        one = asyncio.create_task(revoking._end_and_delete(Operator("Carol"), "", after.environ, [held.request_id]))
        await after.tyk.called("DELETE /api/keys")
        assert await after.verb("revoke", "R-1001", "--yes") == 1
        assert "not deleted yet: a command that runs or was cut off has it in hand, until " in capsys.readouterr().out
        one.cancel()
        await asyncio.wait({one})
        assert await after.verb("revoke", "R-1001", "--yes") == 0
        assert after.tyk.usable_keys() == []


def test_nobody_says_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C at the question ends it with 130; where there is no standard input, --yes is named. Either says that nothing was
    done."""

    def ctrl_c(_question: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", ctrl_c)
    with pytest.raises(StoppedError, match="nothing was done") as stopped:
        revoking.says_yes("End this one?")
    assert stopped.value.exit_code == INTERRUPTED
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(UsageError, match="nothing was done: --yes does not ask"):
        revoking.says_yes("End this one?")
