"""`doctor`: what it looks at, what it says of it, and that it owns up to what it could not look at."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.commands import doctoring
from bot.commands.doctoring import Finding, State, said
from bot.commands.progress import Progress
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
