"""`explain`, as somebody asks it why Alice may have no token."""

from __future__ import annotations

import asyncio
import json
import re
from itertools import groupby
from pathlib import Path

import pytest

from bot import cli
from bot.store.engine import migrate, open_engine
from bot.store.store import Store
from tests.running import empty_place
from tests.store.test_ledger import asks, holds

SHIPPED = Path(__file__).parents[2] / "config.yaml"


def explained(*argv: str, config: Path = SHIPPED, **environ: str) -> int:
    return cli.execute(["explain", "--config", str(config), *argv], environ)


async def test_explain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """With Slack: who is in which group, who would decide and by what, and a guest's no in the bot's own words."""
    file = tmp_path / "config.yaml"
    async with empty_place() as place:
        file.write_text(place.config())

        async def ask(*argv: str) -> tuple[int, str]:
            code = await asyncio.to_thread(explained, *argv, config=file, **place.environ())
            captured = capsys.readouterr()
            return code, captured.out.replace(f"{tmp_path}/", "") + captured.err

        code, said = await ask("--person", "Alice Adams", "--api", "payments")
        assert code == 0
        assert said.startswith("Alice Adams (U0ALICE) may request Payments (payments)")
        assert "among the requesters, as a member of @payments-devs (config.yaml:33:18)" in " ".join(said.split())
        assert "Bob Brown (U0BOB), as a member of @payments-leads (config.yaml:34:17)" in " ".join(said.split())
        assert all(len(line) <= 80 for line in said.replace("config.yaml", "x" * 11).splitlines())

        code, said = await ask("--person", "carol@example.com", "--api", "payments", "--format", "json")
        told = json.loads(said)
        assert (code, told["may"], told["person"]) == (1, "no", "U0CAROL")
        assert [plan["holds"] for plan in told["plans"]] == [False, False]

        code, said = await ask("--person", "gwen", "--api", "Test API")
        assert code == 1
        assert "you're a guest here" in " ".join(said.split())

        place.slack.workspace.add_user("bobby", real_name="Bob Brown")
        code, said = await ask("--person", "bob brown", "--api", "payments")
        assert code == 2
        assert said.startswith("2 people are called bob brown: U0BOB (Bob Brown), ")

        code, said = await ask("--person", "alise", "--api", "payments")
        assert (code, said) == (2, "Nobody is known who is called alise; did you mean alice (U0ALICE)?\n")


def test_explain_without_slack(capsys: pytest.CaptureFixture[str]) -> None:
    """From the file alone: who is named is told, and of a group's members that nobody could look; what was not asked is said."""
    assert explained("--person", "U02ALICE", "--api", "payments") == 0
    said = " ".join(capsys.readouterr().out.split())
    line = next(number for number, one in enumerate(SHIPPED.read_text().splitlines(), 1) if "U02ALICE" in one)
    assert f"yes among the requesters, named directly ({SHIPPED}:{line}:36)" in said
    assert re.search(r"decided in: C0PAYAPPR \(\S+config\.yaml:[0-9]+:24\)", said)
    assert "Slack: set SLACK_BOT_TOKEN" in said
    assert explained("--person", "U03BOB", "--api", "ledger") == 2
    assert "? among the requesters only as a member of @payments-devs" in " ".join(capsys.readouterr().out.split())


RULES = """\
tyk: {dashboard_url: "https://admin.example.com", gateway_url: "https://api.example.com"}
slack: {command: /tyk-key, approvals_channel: C0APPROVE, audit_channel: C0AUDIT, help_channel: C0HELP}
defaults:
  approvers: [UBOB, UCAROL]
  lifetimes: [7d]
apis:
  payments:
    api_id: pay
    requesters: [UALICE]
    max_active: 3
    also_may_approve: [UDAVE]
"""


NAMED, CAROLS = "yes among the requesters, named directly", "UCAROL, named directly"
PLANTED = [
    ("api_id", "api_id", NAMED, "UALICE"),
    ("api_id", "api_id", "yes has room: 2 of 3 tokens and requests", "3"),
    ("api_id", "api_id", "for how long: 7 days", "[7d]"),
    ("api_id", "api_id", CAROLS, "UCAROL"),
    ("api_id", "api_id", "UDAVE, named directly, is not called", "UDAVE"),
    ("requesters", "description: Moves money\n    requesters", NAMED, "UALICE"),
    ("[UALICE]", "[UEVE, UFRANK]", "no not among the requesters: UEVE or UFRANK", "[UEVE"),
    ("[UALICE]", "[UEVE, everyone]", "yes among the requesters, as everyone is", "everyone"),
    (
        "max_active: 3",
        "max_active: 2",
        "no the bot says: You already have 2 tokens or requests for payments",
        "2\n    also",
    ),
    ("api_id", "lifetimes: [1d]\n    api_id", "for how long: 1 day", "[1d]"),
    ("api_id", "approvers: [UCAROL, UBOB]\n    api_id", CAROLS, "UCAROL, UBOB"),
]


def test_the_place_that_decides(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Alice holds one token for Payments and waits for another. Whatever the rule says instead, and wherever it says so, the
    answer follows and names the place."""
    url, file = _two_of_alices(tmp_path), tmp_path / "config.yaml"
    for (old, new), planted in groupby(PLANTED, lambda one: one[:2]):
        text = RULES.replace(old, new, 1)
        file.write_text(text)
        code = explained("--person", "UALICE", "--api", "payments", config=file, DATABASE_URL=url)
        told = " ".join(capsys.readouterr().out.split())
        held = r"What alice has R-1002 payments standard waits since \S+ R-1001 payments standard issuing until "
        assert re.search(held, told), told
        for _, _, said, at in planted:
            before = text[: text.index(at)].splitlines()
            place = f"({file}:{len(before)}:{len(before[-1]) + 1})"
            assert re.search(rf"{re.escape(said)}( \(R-[^)]*\)\.[^()]*)? {re.escape(place)}", told), (said, told)
            assert code == (1 if said.startswith("no ") else 0)


def test_the_database_that_every_command_takes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where DATABASE_URL is not set, that of the folder is looked at, as by `keys`; where there is none, that is said."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text(RULES)
    for has in (False, True):
        assert explained("--person", "UALICE", "--api", "payments", config=tmp_path / "config.yaml") == 0
        said = capsys.readouterr().out
        assert ("R-1001" in said, "set DATABASE_URL" in said) == (has, not has)
        if not has:
            _two_of_alices(tmp_path)
            (tmp_path / "bot.db").rename(tmp_path / "tyk-key-bot.db")


def _two_of_alices(folder: Path) -> str:
    """A database in which Alice holds one token and waits for another."""
    url = f"sqlite:///{folder / 'bot.db'}"
    engine = open_engine(url)
    migrate(engine)
    with Store(engine).transaction() as tx:
        holds(tx)
        asks(tx)
    engine.dispose()
    return url


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("--person", "U02ALICE", "--api", "paymnts"), "There is no entry paymnts; did you mean payments?\n"),
        (("--person", "Alice", "--api", "payments"), "Nobody is known who is called Alice. Slack was not asked: "),
    ],
)
def test_explain_in_vain(capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], said: str) -> None:
    """An unknown entry or name is a sentence, and 2."""
    assert explained(*argv) == 2
    assert capsys.readouterr().err.startswith(said)


def test_explain_makes_no_database(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A database that is not there is a sentence, and 2; none is made."""
    gone = tmp_path / "gone.db"
    assert explained("--person", "U02ALICE", "--api", "payments", DATABASE_URL=f"sqlite:///{gone}") == 2
    assert "There is no database at" in capsys.readouterr().err
    assert not gone.exists()
