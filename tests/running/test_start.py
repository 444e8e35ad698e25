"""The bot as a process: what it says before it works, while it works, and when it stops."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from prometheus_client import REGISTRY
from psycopg import AsyncConnection

from bot import app
from bot.app import SocketLostError
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk
from bot.local.world import APP_TOKEN, BOT_TOKEN
from bot.local.world import World as Place
from bot.sandbox.demos.main_story import MainStory
from bot.sandbox.demos.reading import token_in
from bot.sandbox.process import BotProcess, Clock, NotStarted
from bot.store import engine as engines
from bot.store import tables
from bot.store.engine import migrate, open_engine
from bot.store.seal import new_key
from tests.running import empty_place
from tests.world import WITHIN, World, living

INHERITED = ("PATH", "HOME", "LANG", "PYTHONPATH")


@dataclass(frozen=True)
class Ended:
    """A process that is over; `said` is its standard error."""

    code: int | None
    said: str


class Process:
    """`python -m bot ...` in its own process. Its standard error is read all the time: a full pipe would halt it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self._lines: list[str] = []
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None, "it was started with a pipe"
        while line := await self.process.stderr.readline():
            async with self._news:
                self._lines.append(line.decode())
                self._news.notify_all()
        async with self._news:
            self._news.notify_all()

    async def until(self, event: str) -> list[dict[str, Any]]:
        """Every line that it has logged, once this event is among them."""

        def over() -> bool:
            return self.process.stderr is None or self.process.stderr.at_eof()

        async with asyncio.timeout(WITHIN), self._news:
            await self._news.wait_for(lambda: over() or any(f'"{event}"' in line for line in self._lines))
        assert not over(), f"the bot ended: {''.join(self._lines)}"
        return [json.loads(line) for line in self._lines]

    async def end(self, number: signal.Signals | None = None) -> Ended:
        """Wait for its end, having sent this signal."""
        if number is not None:
            self.process.send_signal(number)
        async with asyncio.timeout(WITHIN):
            await self._reading
            return Ended(await self.process.wait(), "".join(self._lines))

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self._reading
        await self.process.wait()


@asynccontextmanager
async def process(folder: Path, text: str, *argv: str, **environ: str) -> AsyncIterator[Process]:
    path = folder / "config.yaml"
    path.write_text(text)
    given = {name: os.environ[name] for name in INHERITED if name in os.environ} | environ
    command = (sys.executable, "-m", "bot", *argv, "--config", str(path))
    nothing, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
    bot = Process(await asyncio.create_subprocess_exec(*command, env=given, stdout=nothing, stderr=pipe))
    try:
        yield bot
    finally:
        await bot.kill()


def environ_of(place: Place, folder: Path) -> dict[str, str]:
    return place.environ() | {
        "DATABASE_URL": f"sqlite:///{folder / 'bot.db'}",
        "SEAL_KEYS": new_key(),
        "HTTP_PORT": "0",
    }


SHIPPED = (Path(__file__).parents[2] / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(lambda text: text.replace("[everyone]", "[everyone"), r":\d+:\d+: .*bracket", id="syntax"),
        pytest.param(
            lambda text: text.replace("requesters: [everyone]", "requester: [everyone]"),
            r":\d+:\d+: .*did you mean `requesters`",
            id="unknown key",
        ),
        pytest.param(
            lambda text: text.replace("    title: Ledger", "    title: Ledger\n    title: Rulebook"),
            r":\d+:\d+: `title` is given twice",
            id="duplicate key",
        ),
        pytest.param(
            lambda text: text.replace('["@payments-leads", U03BOB]', "[]"), r":\d+:\d+: .*approvers", id="no approvers"
        ),
        pytest.param(lambda text: text.replace("[1d, 7d]", "[1 day]"), r":\d+:\d+: .*1 day", id="duration"),
        pytest.param(lambda text: text.replace("U02ALICE", "u02alice"), r":\d+:\d+: .*u02alice", id="id"),
    ],
)
async def test_a_broken_file_and_an_empty_environment(tmp_path: Path, change: Callable[[str], str], said: str) -> None:
    """Every complaint about both at once, with the place in the file, and 2; never a traceback."""
    broken = change(SHIPPED)
    assert broken != SHIPPED
    async with process(tmp_path, broken, "run") as bot:
        ended = await bot.end()
    assert ended.code == 2
    told = [json.loads(line)["what"] for line in ended.said.splitlines()]
    assert any(re.search(said, what) for what in told), told
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "TYK_DASHBOARD_KEY", "SEAL_KEYS"):
        assert any(what.startswith(f"{name}: is not set") for what in told), told


@pytest.mark.parametrize("variable", ["SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"])
async def test_a_wrong_token(tmp_path: Path, variable: str) -> None:
    """Slack does not accept it: the variable is named, its value is not, and the program ends with 2."""
    async with empty_place() as place:
        wrong = ("xoxb-" if variable == "SLACK_BOT_TOKEN" else "xapp-") + "wrong-token"
        environ = environ_of(place, tmp_path) | {variable: wrong}
        async with process(tmp_path, place.config(), "run", **environ) as bot:
            ended = await bot.end()
    assert ended.code == 2
    assert variable in ended.said
    assert wrong not in ended.said
    assert "Traceback" not in ended.said


async def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """The program says so in a sentence and ends with 1."""
    async with empty_place() as place:
        taken = str(urlsplit(place.slack.url).port)
        environ = environ_of(place, tmp_path) | {"HTTP_PORT": taken}
        async with process(tmp_path, place.config(), "run", **environ) as bot:
            ended = await bot.end()
    assert ended.code == 1
    assert taken in ended.said
    assert "Traceback" not in ended.said


async def test_a_slack_that_is_not_there(tmp_path: Path) -> None:
    """The program says where it asked, what happened and what to do, as a line of its log, and ends with 1."""
    async with empty_place() as place:
        environ = environ_of(place, tmp_path)
    async with process(tmp_path, place.config(), "run", **environ) as bot:
        ended = await bot.end()
    (said,) = map(json.loads, ended.said.splitlines())
    assert (ended.code, said["event"], said["level"], said["error"]) == (1, "bot.failed", "error", "unreachable")
    assert f"at {environ['SLACK_API_URL']}: no connection could be made" in said["what"]
    assert "HTTPS_PROXY" in said["what"]


async def test_a_database_that_fails_the_start(tmp_path: Path) -> None:
    """Somebody has dropped a table: the start ends with 1, and the log's last line says what is wrong and what to do."""
    async with empty_place() as place:
        environ = environ_of(place, tmp_path)
        engine = open_engine(environ["DATABASE_URL"])
        migrate(engine)
        with engine.begin() as connection:
            tables.effects.drop(connection)
        engine.dispose()
        async with process(tmp_path, place.config(), "run", **environ) as bot:
            ended = await bot.end()
    said = json.loads(ended.said.splitlines()[-1])
    assert (ended.code, said["event"], said["level"], said["error"]) == (1, "bot.failed", "error", "OperationalError")
    assert "no such table: effects. It lacks a table of this program's: restore a backup of it" in said["what"]
    assert "Traceback" not in ended.said


async def test_the_log_of_a_whole_story(tmp_path: Path) -> None:
    """Ready in three steps, no secret in the log even at DEBUG with tokens in URLs, and SIGTERM ends it with 0."""
    async with empty_place() as place:
        environ = environ_of(place, tmp_path) | {"LOG_LEVEL": "DEBUG"}
        for call in ("POST /api/keys", "PUT /api/keys/{name}", "GET /api/keys/{name}"):
            place.tyk.faults.next(call, do_then_drop=True)
        place.slack.faults.next("chat.update", lose_answer=True)
        async with process(tmp_path, place.config().replace("keys_by: hash", "keys_by: id"), "run", **environ) as bot:
            steps = [line["event"] for line in await bot.until("bot.ready")]
            assert [step for step in steps if step in ("database.ready", "slack.connected", "bot.ready")] == [
                "database.ready",
                "slack.connected",
                "bot.ready",
            ]
            await tell(MainStory(place), place)
            ended = await bot.end(signal.SIGTERM)
    assert ended.code == 0
    assert '"bot.stopped"' in ended.said
    assert '"deliver_token"' in ended.said, "the story is in this log"
    assert '"tyk_broken"' in ended.said, "and so is what went wrong"
    secrets = [environ[name] for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "TYK_DASHBOARD_KEY", "SEAL_KEYS")]
    tokens = [entry.token for entry in place.tyk.keys]
    in_urls = [quote(token, safe="") for token in tokens]
    for secret in (*secrets, *tokens, *in_urls, "xoxb-", "xapp-"):
        assert secret not in ended.said
    assert len(place.tyk.keys) == 2


async def tell(story: MainStory, place: Place) -> None:
    """The story until the token is hidden; then Alice revokes it, for nobody here waits until its time is over."""
    await story._ask()
    await story._approve()
    await story._hide(await story._receive())
    await place.slack.person("alice").clicks("Revoke")
    await place.slack.person("carol").sees(lambda one: "*key deleted*" in one.text, channel="audit", timeout=WITHIN)


def gives_no_connection(slack: LocalSlack) -> None:
    """Slack takes both tokens when they are tried, and after that has no connection for anybody."""
    asked: list[Any] = []

    def is_later(args: dict[str, Any]) -> bool:
        asked.append(args)
        return len(asked) > 1

    slack.faults.next("apps.connections.open", error="internal_error", times=None, when=is_later)


async def test_a_start_is_stopped(tmp_path: Path) -> None:
    """SIGTERM ends a bot that waits for Slack before it is ready, with 0."""
    async with empty_place() as place:
        gives_no_connection(place.slack)
        async with process(tmp_path, place.config(), "run", **environ_of(place, tmp_path)) as bot:
            await bot.until("web.ready")
            ended = await bot.end(signal.SIGTERM)
    assert ended.code == 0
    assert '"bot.stopped"' in ended.said


async def test_a_start_that_waits_for_an_upgrade_is_stopped(tmp_path: Path, postgres: str) -> None:
    """SIGTERM ends a bot that waits while another replica brings the tables up to date, with 0."""
    others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    async with empty_place() as place, await AsyncConnection.connect(postgres, autocommit=True) as replica:
        await replica.execute("SELECT pg_advisory_lock(%s)", [engines._MIGRATION_LOCK])
        environ = environ_of(place, tmp_path) | {"DATABASE_URL": postgres}
        async with process(tmp_path, place.config(), "run", **environ) as bot, asyncio.timeout(WITHIN):
            while not await (await replica.execute(others)).fetchone():
                assert bot.process.returncode is None
            ended = await bot.end(signal.SIGTERM)
    assert ended.code == 0
    assert '"bot.stopped"' in ended.said


async def test_a_start_without_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack gives none for a minute: the bot ends with a sentence, and its supervisor starts it again."""
    monkeypatch.setattr(app, "UNHEALTHY_FOR", 0.5)
    with pytest.raises(SocketLostError, match=r"No healthy Slack connection for .*Socket Mode is on"):
        async with living(tmp_path, prepare=lambda slack, _tyk: gives_no_connection(slack)):
            pass


# --- does the configuration fit? --------------------------------------------------------------------------------------


def _unfitting(slack: LocalSlack, tyk: LocalTyk) -> None:
    workspace = slack.workspace
    bot = workspace.bot_user
    workspace.channel("approvals").members.remove(bot)
    workspace.channel("help").is_ext_shared = True
    workspace.set_group_members("payments-leads", ["bob"])
    del tyk.apis["ad5004d961a147d4649fd3216694ebe2"]


def _naming(text: str) -> str:
    """What nobody knows: a group, a person, a policy, and what the gold policy opens besides."""
    text = text.replace('["@payments-devs"]', '["@payments-devs", S0NOBODY, U0NOBODY, U0GWEN]', 1)
    return text.replace("also_opens: [ledger]}", "also_opens: [test-api]}\n      odd: {tyk_policies: [feedfeed]}")


DOUBTS = (
    ("approvals_channel", r"C0APPROVALS: the bot is not in #approvals"),
    ("help_channel", r"C0HELP: this channel is shared with another company"),
    ("S0NOBODY", r"S0NOBODY: Slack knows no such user group"),
    ("U0NOBODY", r"U0NOBODY: this person may not use the bot"),
    ("U0GWEN", r"U0GWEN: this person may not use the bot.*guest"),
    ("approvals: 2", r"ledger needs 2 approvals, but only 1 of its approvers can give one"),
    ("ad5004d961a147d4649fd3216694ebe2", r"Tyk has no API ad5004d961a147d4649fd3216694ebe2"),
    ("gold:", r"5f1c0b5c6ad84c3c8d0b5f0e also opens 0f6de3a3b0f04b7f9f5a4b8a2c1d7e90: list it under also_opens"),
    ("odd:", r"Tyk has no policy feedfeed"),
)
"""What stands in the line complained of, and the complaint."""


def check_doubts(text: str, said: list[str]) -> None:
    """Each doubt is told with the line that it is about, and there is no other."""
    lines = text.splitlines()
    for named, complaint in DOUBTS:
        (told,) = [one for one in said if re.search(complaint, one)]
        place = re.search(r"config\.yaml:(\d+):(\d+): ", told)
        assert place, told
        assert named in lines[int(place[1]) - 1], told
    assert len(said) == len(DOUBTS), said


async def test_doubts_at_start(tmp_path: Path) -> None:
    """What does not fit the real Slack and the real Tyk is a warning each, with file and line, and the bot runs."""
    async with empty_place() as place:
        _unfitting(place.slack, place.tyk)
        text = _naming(place.config())
        async with process(tmp_path, text, "run", **environ_of(place, tmp_path)) as bot:
            lines = await bot.until("config.checked")
            ended = await bot.end(signal.SIGTERM)
    check_doubts(text, [line["where"] for line in lines if line["event"] == "config.doubt"])
    assert ended.code == 0


async def test_check_online(tmp_path: Path) -> None:
    """`check --online` says the same and ends with 2."""
    async with empty_place() as place:
        _unfitting(place.slack, place.tyk)
        text = _naming(place.config())
        async with process(tmp_path, text, "check", "--online", **environ_of(place, tmp_path)) as bot:
            ended = await bot.end()
    check_doubts(text, ended.said.splitlines())
    assert ended.code == 2


def _with_an_api_of_its_own(text: str) -> str:
    """One more API before the others, decided by whom the defaults name."""
    entry = "  notes: {api_id: feed, title: Notes, requesters: [everyone]}\n"
    return text.replace("apis:\n", f"apis:\n{entry}", 1)


async def test_approvers_who_would_never_press_a_button(tmp_path: Path) -> None:
    """Deactivated, a guest by now, not in the channel where it is asked: each is named once, where the file names them."""
    async with empty_place() as place:
        workspace = place.slack.workspace
        place.tyk.add_api("feed", "notes", "/notes/")
        workspace.deactivate("dave", leaves_groups=False)
        workspace.channel("approvals").members.remove("U0CAROL")
        workspace.set_group_members("payments-leads", ["bob", "carol", "dave", "gwen"])
        text = _with_an_api_of_its_own(place.config())
        async with process(tmp_path, text, "check", "--online", **environ_of(place, tmp_path)) as bot:
            ended = await bot.end()
    said = [re.sub(r"^.*config\.yaml:", "", line) for line in ended.said.splitlines()]
    lines = text.splitlines()
    defaults = next(number for number, line in enumerate(lines, start=1) if "@api-owners" in line)
    payments = next(number for number, line in enumerate(lines, start=1) if 'approvers: ["@payments-leads"]' in line)
    assert said == [
        f"{defaults}:14: U0CAROL may approve for notes, but is not in C0APPROVALS, where it is asked.",
        f"{defaults}:14: U0DAVE may approve for notes, but cannot: Their Slack account is deactivated.",
        f"{payments}:16: U0GWEN may approve for payments, but cannot: They are only a guest here now.",
    ]
    assert ended.code == 2


async def test_check_online_of_what_fits(tmp_path: Path) -> None:
    """On the sandbox as it is, there is nothing to complain of."""
    async with (
        empty_place() as place,
        process(tmp_path, place.config(), "check", "--online", **environ_of(place, tmp_path)) as bot,
    ):
        assert await bot.end() == Ended(0, "")


# --- while it runs ----------------------------------------------------------------------------------------------------


async def get(world: World, path: str) -> tuple[int, str]:
    url = f"http://127.0.0.1:{world.running.port}{path}"
    waits = aiohttp.ClientTimeout(total=5)  # a connection that is made just while the server closes is never answered
    async with aiohttp.ClientSession(timeout=waits) as session, session.get(url) as response:
        return response.status, await response.text()


async def test_no_connection_to_slack_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bot ends and says why, for its supervisor to start it afresh; meanwhile it is not ready."""
    monkeypatch.setattr(app, "UNHEALTHY_FOR", 1.0)
    with pytest.raises(SocketLostError, match="No healthy Slack connection"):
        await _lose_slack(tmp_path)


async def _lose_slack(folder: Path) -> None:
    async with living(folder) as world:
        assert (await get(world, "/readyz"))[0] == 200
        world.slack.faults.next("apps.connections.open", status=500, times=None)
        await world.slack.sockets.disconnect("drop")
        seen = []
        with suppress(aiohttp.ClientError, TimeoutError):
            while True:
                seen.append(await get(world, "/readyz"))
        assert {status for status, _ in seen} == {200, 503}
        assert all((status == 200) is json.loads(text)["slack"] for status, text in seen)
        assert all(json.loads(text)["parked"] == 0 for _, text in seen)


async def test_a_connection_that_comes_back(tmp_path: Path) -> None:
    """Where Slack ends every connection, the bot connects again and goes on."""
    async with living(tmp_path) as world:
        before = max(connection.number for connection in world.slack.sockets.connections)
        await world.slack.sockets.disconnect("refresh_requested")

        def renewed() -> bool | None:
            return any(connection.number > before for connection in world.slack.sockets.connections) or None

        await world.slack.changes.until(renewed, WITHIN)
        await world.asks("alice", "test-api")
        await world.token_of("alice")


async def test_health_and_metrics(tmp_path: Path) -> None:
    """Alive, ready, how much is parked, what was called and how it went; the numbers name entries of the file, and nobody."""
    async with living(tmp_path) as world:
        assert await get(world, "/healthz") == (200, '{"ok": true}')
        assert 'tyk_key_bot_effects_waiting{state="parked"} 0.0' in (await get(world, "/metrics"))[1]
        status, text = await get(world, "/readyz")
        assert (status, json.loads(text)["ready"], json.loads(text)["parked"]) == (200, True, 0)
        world.tyk.faults.next("POST /api/keys", status=400)
        await world.asks("alice", "test-api", reason="because-of-this")
        await world.told("stuck")
        assert 'tyk_key_bot_effects_waiting{state="parked"} 1.0' in (await get(world, "/metrics"))[1]
        status, text = await get(world, "/readyz")
        assert (status, json.loads(text)["ready"], json.loads(text)["parked"]) == (200, True, 1)
        await world.asks("alice", "test-api", reason="because-of-that")
        token = await world.token_of("alice")
        status, text = await get(world, "/metrics")
        assert status == 200
        for counted in (
            'tyk_key_bot_answer_seconds_count{kind="command"}',
            'tyk_key_bot_answer_seconds_count{kind="submission"}',
            'tyk_key_bot_effect_seconds_count{kind="issue_key"}',
            'tyk_key_bot_effects_total{kind="issue_key",result="done"}',
            'tyk_key_bot_interactions_total{kind="request",result="done"}',
            'tyk_key_bot_requests_total{api="test-api",outcome="approved"}',
            'tyk_key_bot_slack_call_seconds_count{method="chat.postMessage",outcome="ok"}',
            'tyk_key_bot_tyk_call_seconds_count{method="POST /api/keys",outcome="refused"}',
            'tyk_key_bot_tyk_call_seconds_count{method="PUT /api/keys/{name}",outcome="ok"}',
            "tyk_key_bot_sockets_connected 2.0",
            "tyk_key_bot_slack_up 1.0",
            "tyk_key_bot_sealed_tokens_lost 0.0",
        ):
            assert counted in text
        assert REGISTRY.get_sample_value("tyk_key_bot_last_sweep_timestamp_seconds")
        for named in ("alice", "U0ALICE", "Test API", "because", "R-10", token, BOT_TOKEN, APP_TOKEN):
            assert named.lower() not in text.lower(), named
        assert "C0" not in text


async def test_a_database_that_is_gone(tmp_path: Path) -> None:
    """Not ready, said with 503, and nothing else is."""
    async with living(tmp_path) as world:
        engine = world.running.store.engine
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE effects RENAME TO elsewhere")
        status, text = await get(world, "/readyz")
        with engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO effects")
        assert (status, json.loads(text)["ready"], json.loads(text)["database"]) == (503, False, False)
        assert "elsewhere" not in text
        assert (await get(world, "/readyz"))[0] == 200


async def test_a_token_in_no_message_but_one(tmp_path: Path) -> None:
    """Of all that Slack was sent, the token is in the blocks of the one edit that shows it, and in no text."""
    async with living(tmp_path) as world:
        await world.asks("alice", "test-api")
        token = await world.token_of("alice")
        await world.told("sent")
        calls = [entry for entry in world.slack.journal.entries if entry.kind == "call"]
        holding = [entry for entry in calls if token in json.dumps(entry.args)]
        assert [entry.name for entry in holding] == ["chat.update"]
        assert token not in holding[0].args["text"]
        assert [token_in(one) for one in world.person("alice").dm() if token_in(one)] == [token]


async def test_the_bot_of_the_sandbox_says_in_a_sentence_why_it_cannot_start(tmp_path: Path) -> None:
    """On the page and in its log, without a traceback: here Slack does not take its token."""
    async with empty_place() as place:
        place.slack.faults.next("auth.test", error="invalid_auth", times=None)
        bot = BotProcess(place, Clock(), place.config(), tmp_path)
        with pytest.raises(NotStarted, match=r"^The bot did not start: Slack does not accept SLACK_BOT_TOKEN"):
            await bot.start()
    assert "Traceback" not in bot.log.read_text()
