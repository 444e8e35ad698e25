"""`diff`, as somebody reviews a change of the rules with it: in people, in names, and by what is on record."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import pytest
from sqlalchemy import text

from bot import cli, config, difference_report
from bot.core import lifecycle, replay
from bot.core.lifecycle import Asked
from bot.core.model import Answers, Asker, Identity, Person, Record, RequestId, Rule, Verdict
from bot.difference_report import Markdown
from bot.local.world import CONFIG
from bot.store import history
from bot.store.engine import migrate, open_engine
from bot.store.store import Store
from tests.core.life import DAY, Ids
from tests.running import empty_place

OLD = CONFIG.read_text().replace("GATEWAY", "https://api.example.com")
GOLD = "gold: {tyk_policies: [5f1c0b5c6ad84c3c8d0b5f0e]"
NEW = (
    OLD.replace('["@payments-devs"]', "[U0BOB]", 1)
    .replace('approvers: ["@payments-leads"]', 'approvers: ["@api-owners"]', 1)
    .replace("lifetimes: [7d, never]\n    review_every: 90d", "lifetimes: [7d]")
    .replace(f"{GOLD}, also_opens: [ledger]}}", f"{GOLD}}}")
)
MEANT = {"@payments-devs": "S0DEVS", "@payments-leads": "S0LEADS", "@api-owners": "S0OWNERS"}
NEW_ID = Ids()


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OLD)
    new.write_text(NEW)
    return str(old), str(new)


@pytest.fixture
def database(tmp_path: Path) -> dict[str, str]:
    """Alice's request waits; Dave holds a token that Bob approved; Bob was denied one by Carol."""
    url = f"sqlite:///{tmp_path / 'bot.db'}"
    engine = open_engine(url)
    migrate(engine)
    rules = config.parse(OLD).rulebook(MEANT).rules
    with Store(engine).transaction() as tx:
        tx.remember("meanings", MEANT)
        tx.remember("configured", {"digest": "0123456789ab"})
        members = {"S0LEADS": ["U0BOB", "U0CAROL", "U0DAVE"], "S0OWNERS": ["U0CAROL", "U0DAVE"]}
        tx.remember("groups", {group: {"members": listed, "at": 0} for group, listed in members.items()})

        def asks(name: str) -> Record:
            rule, number = rules["payments"], tx.next_number()
            form = Asked(
                RequestId(f"request-{number}"),
                rule.plans[0],
                7 * DAY,
                Answers(reason="because"),
                Asker(allowed_by="S0DEVS"),
            )
            return tx.apply(lifecycle.submit(form, who(name, "S0DEVS"), rule, "digest", number, tx.now, NEW_ID))

        def says(record: Record, name: str, verdict: Verdict) -> None:
            rule: Rule = rules["payments"]
            tx.apply(lifecycle.review(record, rule, who(name, "S0LEADS"), verdict, "", tx.now, NEW_ID))

        asks("alice")
        says(asks("dave"), "bob", Verdict.YES)
        says(asks("bob"), "carol", Verdict.NO)
    engine.dispose()
    return {"DATABASE_URL": url}


def who(name: str, *groups: str) -> Person:
    return Person(Identity("T0", f"U0{name.upper()}"), name.capitalize(), groups=frozenset(groups))


def diff(capsys: pytest.CaptureFixture[str], *argv: str, **environ: str) -> tuple[int, str]:
    code = cli.execute(["diff", *argv], environ)
    said = capsys.readouterr()
    return code, said.out + said.err


def words(said: str) -> str:
    return " ".join(said.split())


async def test_in_people(capsys: pytest.CaptureFixture[str], files: tuple[str, str], database: dict[str, str]) -> None:
    """With Slack and the database: who gains and loses what by name; which request waits in vain; whose token would not be given
    today; and which past decision would have been another, with the person it hangs on."""
    async with empty_place() as place:
        environ = place.environ() | database
        code, said = await asyncio.to_thread(diff, capsys, *files, **environ)
        assert code == 1
        told = words(said)
        assert "`" not in said
        assert "payments: requesters with Bob Brown (U0BOB), without @payments-devs" in told
        assert "Alice Adams (U0ALICE) and Dave Diaz (U0DAVE) may no longer request payments" in told
        assert "Bob Brown (U0BOB) may no longer approve payments" in told
        assert "Waiting requests that could not be granted any more: 1 of 1 R-1001, payments, Alice (U0ALICE)" in told
        assert "Tokens in use that would not be given today: 1 of 1 R-1002, payments, Dave (U0DAVE)" in told
        assert (
            "that would have gone otherwise: 1 of 2 payments: 1 was approved and could not have been asked for" in told
        )
        assert "the requester may not request it. Such as R-1002, Dave (U0DAVE)." in told
        assert all(len(line) <= 80 for line in said.splitlines())
        Path(files[1]).write_text(OLD.replace('["@payments-devs"]', "[everyone]", 1))
        code, said = await asyncio.to_thread(diff, capsys, *files, **environ)
        assert "Carol Clark (U0CAROL) may now request the plan standard of payments" in words(said)
        assert "Gwen" not in said  # she is a guest
        Path(files[1]).write_text(NEW)
        code, said = await asyncio.to_thread(diff, capsys, *files, "--format", "json", **environ)
        assert [turn["request"] for turn in json.loads(said)["history"]["turns"]] == ["R-1002"]


def test_in_names(capsys: pytest.CaptureFixture[str], files: tuple[str, str]) -> None:
    """From the files alone: what changes, and for whom by the names that they use; what was not asked is said."""
    code, said = diff(capsys, *files)
    assert code == 1
    assert "ledger: lifetimes without never" in said
    assert "U0BOB may now request the plan standard of payments" not in said
    assert "the members of @payments-devs may no longer request payments" in said
    assert "U0BOB may now request payments" in said
    assert "Slack: set SLACK_BOT_TOKEN" in said


def test_by_what_the_bot_remembers(
    capsys: pytest.CaptureFixture[str], files: tuple[str, str], database: dict[str, str]
) -> None:
    """Without Slack, the database says who was in the groups that approve, and what people asked by; the rest is not guessed."""
    code, said = diff(capsys, *files, **database)
    assert code == 1
    assert "payments: 1 was approved and could not have been asked for" in words(said)
    assert "is not the file that the bot took last (digest 0123456789ab)." in words(said)
    _, said = diff(capsys, files[1], files[1], **database)
    assert "would not be given today: 0 of 1 of 1 more it is so under the old file, too" in words(said)
    Path(files[1]).write_text(OLD.replace('requesters: ["@payments-devs"]', 'requesters: ["@unheard-of"]'))
    code, said = diff(capsys, *files, **database)
    assert "gone otherwise: 0 of 2 of 2 more it cannot be told without Slack" in words(said)


def test_what_other_terms_do(
    capsys: pytest.CaptureFixture[str], files: tuple[str, str], database: dict[str, str]
) -> None:
    """A plan that is called otherwise, other limits and another channel: what waits under the old name cannot be approved."""
    Path(files[1]).write_text(
        OLD.replace("      standard:", "      basic:")
        .replace("gold: {tyk", "silver: {tyk")
        .replace("approvals_channel: C0APPROVALS", "approvals_channel: C0OTHER")
    )
    said = words(diff(capsys, *files, **database)[1])
    assert "payments: plan standard is now called basic" in said
    assert "approvals channel C0OTHER instead of C0APPROVALS" in said
    assert "any more: 1 of 1 R-1001, payments, Alice (U0ALICE): The plan standard of Payments has changed." in said
    Path(files[1]).write_text(OLD.replace("rate: 100,", "rate: 200,"))
    said = words(diff(capsys, *files, **database)[1])
    assert "limits 200 calls per second, 10,000 per day instead of 100 calls per second, 10,000 per day" in said


def test_what_other_approvers_do(
    capsys: pytest.CaptureFixture[str], files: tuple[str, str], database: dict[str, str]
) -> None:
    """Bob is no approver any more: what he approved would not be given today, and it is he on whom the past decision hangs. It
    looks as far back as it is told."""
    fewer = OLD.replace('approvers: ["@payments-leads"]', 'approvers: ["@api-owners"]', 1)
    Path(files[1]).write_text(fewer.replace(f"{GOLD}, also_opens: [ledger]}}", f"{GOLD}}}"))
    said = words(diff(capsys, *files, **database)[1])
    assert (
        "given today: 1 of 1 R-1002, payments, Dave (U0DAVE): Payments needs 1 approval, and R-1002 has 0 left" in said
    )
    assert "U0BOB's no longer counts (no longer an approver)" in said
    assert "otherwise: 1 of 2 payments: 1 was approved and would have been left waiting" in said
    assert "may not approve it. Such as R-1002, U0BOB." in said
    engine = open_engine(database["DATABASE_URL"])
    with engine.begin() as connection:
        sooner = text("UPDATE requests SET created_at = created_at - :length WHERE number = 1003")
        connection.execute(sooner, {"length": 100 * 86_400_000})
    engine.dispose()
    assert "otherwise: 1 of 1 payments" in words(diff(capsys, *files, **database)[1])
    assert "otherwise: 1 of 2 payments" in words(diff(capsys, *files, "--since", "101d", **database)[1])


def test_nobody_is_disturbed(
    capsys: pytest.CaptureFixture[str], files: tuple[str, str], database: dict[str, str]
) -> None:
    """While a bot holds the database's only right to write it is read all the same, and not a byte of it is other afterwards."""
    path = Path(database["DATABASE_URL"].removeprefix("sqlite:///"))
    engine = open_engine(database["DATABASE_URL"])
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with engine.connect() as writer, writer.begin():
        writer.execute(text("UPDATE meta SET value = value"))
        code, said = diff(capsys, *files, **database)
    engine.dispose()
    assert code == 1
    assert "R-1002" in said
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_a_decision_that_was_written_over(
    capsys: pytest.CaptureFixture[str], files: tuple[str, str], database: dict[str, str]
) -> None:
    """A denial that somebody turned into an approval in the database is named, and an approval that Eve never gave."""
    engine = open_engine(database["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(text("UPDATE requests SET state = 'approved' WHERE number = 1003"))
        connection.execute(text("UPDATE reviews SET user_id = 'U0EVE' WHERE request_id = 'request-1002'"))
    engine.dispose()
    _, said = diff(capsys, files[0], files[0], **database)
    planted = "it has an approval by U0EVE, counted by S0LEADS, that the audit does not tell of"
    assert f"R-1002, payments, Dave (U0DAVE): {planted}" in words(said)
    assert "R-1003, payments, Bob (U0BOB): it stands as approved, and its rows come to denied: it was denied" in words(
        said
    )


def test_many_of_one_kind_are_told_together(
    capsys: pytest.CaptureFixture[str],
    files: tuple[str, str],
    database: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there are more than fit, alike ones stand in one line, with one of them."""
    monkeypatch.setattr(difference_report, "SHOWN", 0)
    _, said = diff(capsys, *files, **database)
    assert "all of them with --format json" in said
    monkeypatch.setattr(difference_report, "SHOWN", 1)
    with Store(open_engine(database["DATABASE_URL"])).transaction() as tx:
        rule = config.parse(OLD).rulebook(MEANT).rules["payments"]
        form = Asked(
            RequestId("another"), rule.plans[0], 7 * DAY, Answers(reason="because"), Asker(allowed_by="S0DEVS")
        )
        tx.apply(lifecycle.submit(form, who("dave", "S0DEVS"), rule, "digest", tx.next_number(), tx.now, NEW_ID))
    _, said = diff(capsys, *files, **database)
    assert "payments: 2. The requester can no longer request Payments. Such as R-1001, Alice (U0ALICE)." in words(said)


@pytest.mark.parametrize(
    ("old", "new", "fail_on", "code"),
    [
        (OLD, OLD, "difference", 0),
        (OLD, "# a comment\n" + OLD, "difference", 0),
        (OLD, NEW, "difference", 1),
        (OLD, OLD.replace("approvals: 2", "approvals: 3"), "widening", 0),
        (OLD, OLD.replace("approvals: 2", "approvals: 1"), "widening", 1),
        (OLD, OLD.replace("lifetimes: [7d, 20s, 1d, 30d]", "lifetimes: [7d, 1d]"), "widening", 0),
        (OLD, OLD.replace("rate: 100,", "rate: 200,"), "widening", 1),
        (OLD, OLD.replace("approvals: 2", "approvals: two"), "difference", 2),
    ],
)
def test_exit_codes(
    capsys: pytest.CaptureFixture[str], files: tuple[str, str], old: str, new: str, fail_on: str, code: int
) -> None:
    """0 for no difference, 1 for one, or with --fail-on widening only for more access; 2 for a file that is wrong."""
    Path(files[0]).write_text(old)
    Path(files[1]).write_text(new)
    assert diff(capsys, *files, "--fail-on", fail_on)[0] == code


def test_names_are_inert_in_markdown(capsys: pytest.CaptureFixture[str], files: tuple[str, str]) -> None:
    """What people wrote stands in code spans: it mentions nobody, links nowhere and ends no code span."""
    evil = "`@everyone` <img src=x> [x](https://evil.example) www.evil.example"
    Path(files[1]).write_text(OLD.replace("title: Ledger", f'title: "{evil}"'))
    _, said = diff(capsys, *files, "--format", "markdown")
    (line,) = [one for one in said.splitlines() if "evil" in one]
    outside = "".join(line.split("`")[::2])
    assert line.count("`") % 2 == 0
    assert not any(bad in outside for bad in ("@", "<", "[", "http", "www"))


def test_a_sentence_is_inert_in_markdown() -> None:
    """A sentence that holds a title is not a mention, a link or a format either."""
    said = Markdown().sentence("*Pay* @team <b> https://evil.example www.evil.example `x`")
    assert "@" not in said
    assert "://" not in said
    assert "www." not in said
    assert r"\*Pay\*" in said


def test_the_record_under_its_own_rules_is_the_record(database: dict[str, str]) -> None:
    """What is read back from the database comes to the decisions that it holds."""
    engine = open_engine(database["DATABASE_URL"])
    found = [replay.misfit(past.record, past.told) for past in history.decided(Store(engine), None)]
    engine.dispose()
    assert found == [None] * 2
