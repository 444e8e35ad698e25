"""`doctor`: what it looks at, what it says of it, and that it owns up to what it could not look at."""

from __future__ import annotations

import json
import os
import resource
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import cli
from bot.commands import doctoring
from bot.commands.doctoring import Finding, State, said
from bot.commands.progress import Progress
from bot.errors import FAILED
from bot.local.world import world
from bot.settings import Need
from bot.store.engine import migrate, open_engine
from bot.store.seal import Seal, new_key
from bot.store.store import Store
from tests.running import empty_place
from tests.running.test_start import environ_of
from tests.store.test_ledger import holds


async def findings(path: Path, environ: dict[str, str]) -> list[Finding]:
    return await doctoring._examined(path, {"PATH": os.environ["PATH"], **environ}, Progress())


def of_state(found: list[Finding], state: State) -> list[str]:
    return [f"{one.about}: {one.found} {one.advice}".strip() for one in found if one.state is state]


async def test_each_thing_that_is_wrong_is_named_with_what_to_do(tmp_path: Path) -> None:
    """Before the first start all is well; then one thing after the other is not, and only that is complained of."""
    path = tmp_path / "config.yaml"
    async with empty_place() as place:
        path.write_text(place.config())
        given = environ_of(place, tmp_path)
        found = await findings(path, given)
        assert (of_state(found, State.WRONG), of_state(found, State.UNKNOWN)) == ([], [])
        assert "There is no database at" in of_state(found, State.NOTE)[0]
        assert [one.partition(": ")[2] for one in of_state(found, State.OK) if one.startswith("slack")] == SLACK_IS_WELL
        assert [one.partition(": ")[2] for one in of_state(found, State.OK) if one.startswith("tyk")] == TYK_IS_WELL

        engine = open_engine(given["DATABASE_URL"])
        migrate(engine)
        with Store(engine).transaction() as tx:
            holds(tx, sealed=Seal((new_key(),)).close("a token"))
        (lost,) = of_state(await findings(path, given), State.WRONG)
        assert lost.startswith("seal keys: No key in SEAL_KEYS opens 1 of the tokens in the database (R-1001)")
        engine.dispose()
        (tmp_path / "bot.db").unlink()

        place.tyk.switches.keys = "read"
        (keys,) = of_state(await findings(path, given), State.WRONG)
        assert keys == "tyk: the Dashboard user may not write keys. Give it `keys: write`."
        place.tyk.switches.keys = "write"

        (token,) = of_state(await findings(path, given | {"SLACK_APP_TOKEN": "xapp-wrong"}), State.WRONG)
        assert token.startswith(
            "slack: Slack does not accept SLACK_APP_TOKEN (invalid_auth): copy it again from Basic Information"
        )

        path.write_text(place.config().replace("C0AUDIT", "C0NOWHERE"))
        (channel,) = of_state(await findings(path, given), State.WRONG)
        assert "C0NOWHERE: Slack knows no such channel" in channel

    found = await findings(path, given)
    gone = of_state(found, State.UNKNOWN)
    assert [one.split(":")[0] for one in gone] == ["slack", "tyk"], "both are gone"
    assert given["SLACK_API_URL"] in gone[0]
    assert given["TYK_DASHBOARD_URL"] in gone[1]


SLACK_IS_WELL = [
    "it takes the tokens, for workspace T0SANDBOX, with every scope that is needed.",
    "its clock and the one here agree.",
    "every channel, group and person of the file is there, and can be asked.",
]
TYK_IS_WELL = [
    "the Dashboard takes the credential, and lists its APIs.",
    "its clock and the one here agree.",
    "the Dashboard user may write keys: deleting one that nobody has was not forbidden.",
    "the Dashboard user is no administrator, nor sees the credentials of one. What else it may do, Tyk does not say.",
    "it has every API and policy of the file, as the file says.",
]


async def test_what_the_dashboard_user_may_not_do(tmp_path: Path) -> None:
    """Each permission that is refused is named; what it hides is not called good, and what is not needed is only noted."""
    path = tmp_path / "config.yaml"
    async with empty_place() as place:
        path.write_text(place.config())
        given = environ_of(place, tmp_path)
        for call, state, told in (
            ("GET /api/apis", State.WRONG, "tyk: the Dashboard user may not list APIs. Give it `apis: read`."),
            ("GET /api/portal/policies", State.NOTE, "tyk: the Dashboard user may not list policies."),
        ):
            place.tyk.faults.next(call, status=403, body={"Status": "Error", "Message": "access denied"}, times=10)
            found = await findings(path, given)
            assert any(one.startswith(told) for one in of_state(found, state))
            (hidden,) = of_state(found, State.UNKNOWN)
            assert hidden.startswith("tyk: its APIs and policies: ")
            assert not set(of_state(found, State.OK)) & {f"tyk: {TYK_IS_WELL[0 if 'apis' in call else -1]}"}
            place.tyk.faults.clear()
        least = {"keys": "write", "apis": "read", "policies": "read", "hooks": "deny"}
        for users, more in (
            ({}, "is an administrator."),
            ({"IsAdmin": "admin"}, "is an administrator."),
            (least | {"apis": "write", "users": "read"}, "may do more than it needs: apis write, users read."),
        ):
            place.tyk.switches.users = users
            notes = of_state(await findings(path, given), State.NOTE)
            assert [one for one in notes if one.startswith(f"tyk: the Dashboard user {more} Leave it keys write,")]
        place.tyk.switches.enable_hashed_keys_listing = False
        found = await findings(path, given)
        assert any("list of keys is off" in one for one in of_state(found, State.NOTE))


async def test_a_scope_that_is_missing(tmp_path: Path) -> None:
    """Every scope that the bot token lacks is named, and where to add it."""
    path = tmp_path / "config.yaml"
    async with world(["chat:write", "commands", "im:write", "users:read"]) as place:
        path.write_text(place.config())
        (lacks,) = of_state(await findings(path, environ_of(place, tmp_path)), State.WRONG)
    told = "slack: SLACK_BOT_TOKEN lacks the scopes channels:read, groups:read, usergroups:read: add them"
    assert lacks.startswith(told)


def test_a_database_that_takes_nothing(tmp_path: Path) -> None:
    """It can be read and not written, and is not called good; one that nothing is wrong with says so, its clock too."""
    given = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}"}
    engine = open_engine(given["DATABASE_URL"])
    migrate(engine)
    found = doctoring._settings(given, Need.DATABASE)
    well = of_state(list(doctoring._database(found, None)), State.OK)
    assert well == ["database: of this version, and it can be written.", "database: its clock and the one here agree."]
    with Store(engine).reading() as tx:
        assert tx.remembered("doctor") is None, "what was tried was taken back"
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON meta BEGIN SELECT RAISE(FAIL, 'disk is full'); END"
        )
    engine.dispose()
    (wrong,) = doctoring._database(found, None)
    assert (wrong.about, wrong.state) == ("database", State.WRONG)
    assert "disk is full" in wrong.found


def test_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few files that may be open, and a disk that is nearly full."""
    own = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (doctoring.LEAST_FILES - 1, own[1]))
        (files,) = doctoring._machine()
        resource.setrlimit(resource.RLIMIT_NOFILE, (doctoring.LEAST_FILES, own[1]))
        (enough,) = doctoring._machine()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, own)
    assert (files.about, files.state, enough.state) == ("limits", State.WRONG, State.OK)
    assert files.found.startswith("a process may open 1023 files here")
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    assert [one.about for one in doctoring._beside(url)] == ["database"], "there is room"
    monkeypatch.setattr(doctoring, "LEAST_ROOM", 1 << 62)
    room = next(iter(doctoring._beside(url)))
    assert (room.about, room.state) == ("limits", State.WRONG)
    assert room.found.endswith(f"MB are left on the disk of {tmp_path}.")


def test_findings_for_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` has each finding, and whether all is well, as the exit code says too."""
    code = cli.execute(["doctor", "--json", "--config", str(tmp_path / "none.yaml")], {})
    found = json.loads(capsys.readouterr().out)
    assert (code, found["well"]) == (FAILED, False)
    assert all(one.keys() == {"about", "state", "found", "advice"} for one in found["findings"])
    assert {"about": "slack", "state": "unknown"}.items() <= next(
        one for one in found["findings"] if one["about"] == "slack"
    ).items()


async def test_what_cannot_be_looked_at_is_not_called_good(tmp_path: Path) -> None:
    """With neither a file nor a variable it says what comes first, and guesses nothing of Slack and Tyk."""
    found = await findings(tmp_path / "none.yaml", {})
    assert {one.about for one in found if one.state is State.UNKNOWN} >= {"slack", "tyk"}
    assert any("SEAL_KEYS" in one for one in of_state(found, State.WRONG))
    assert not [one for one in found if one.about in ("slack", "tyk") and one.state is State.OK]


@pytest.mark.parametrize(
    ("apart", "told"),
    [(0, ""), (300, "the clock here is 300 seconds behind its own."), (-300, "the clock here is 300 seconds ahead of")],
)
def test_a_clock_that_is_wrong(apart: int, told: str) -> None:
    """Slack's and Tyk's Date say what time they think it is."""
    (found,) = doctoring._clock("slack", datetime.now(UTC) + timedelta(seconds=apart, milliseconds=400))
    assert (found.state is State.WRONG) is bool(told)
    assert told in found.found


def test_the_findings_fit_the_terminal() -> None:
    """Each begins with how bad it is; the last line counts them."""
    lines = list(
        said([Finding("tyk", State.WRONG, "the Dashboard user may not write keys.", "Give it `keys: write`.")], 50)
    )
    assert lines == [
        "wrong    tyk: the Dashboard user may not write",
        "         keys. Give it `keys: write`.",
        "1 wrong, 0 not looked at, 0 to know, 0 well.",
    ]
