"""The audit's chain: whatever somebody without the key does to its rows, both proofs name the first one that does not fit."""

from __future__ import annotations

import copy
import json
import runpy
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bot import cli
from bot.core import lifecycle
from bot.core.chain import ChainKey, Head, canonical, link, prove
from bot.core.lifecycle import Asked
from bot.core.model import Answers, Audience, AuditEvent, AuditLine, Record, RequestId, Verdict
from bot.store import chain
from bot.store.engine import migrate, open_engine
from bot.store.rows import UnreadableError
from bot.store.seal import Seal, new_key
from bot.store.store import Store
from bot.store.transaction import Transaction
from bot.version import VERSION
from tests.core.life import ALICE, BOB, DAY, PAYMENTS, Ids

RULE = replace(PAYMENTS, approvals=1, approvers=Audience(users=frozenset({BOB.identity.user_id})))
KEY = ChainKey.new(1)
NEW_ID = Ids()
REASON = "to pay for Müller's coffee ☕"
ALONE = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "verify_audit.py"))


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\xfe", b"nonsense", b"[]", b'{"row": 1}', b'{"row": {}, "link": null, "texts": {}}']
)
def test_a_file_of_something_else_is_wrong_input(
    tmp_path: Path, content: bytes | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given as the export or as the keys: a sentence that names the file, and 2."""
    other, keys = tmp_path / "other", tmp_path / "keys"
    keys.write_text(KEY.line)
    if content is not None:
        other.write_bytes(content)
    for given in ([other, keys], [keys, other]):
        monkeypatch.setattr("sys.argv", ["verify_audit.py", *map(str, given)])
        with pytest.raises(SystemExit) as ended:
            ALONE["main"]()
        assert ended.value.code == 2
        (said,) = capsys.readouterr().err.splitlines()
        assert said.startswith(f"{other}")


def test_version(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The program that needs no bot says which one it came with."""
    monkeypatch.setattr("sys.argv", ["verify_audit.py", "--version"])
    with pytest.raises(SystemExit) as ended:
        ALONE["main"]()
    assert (ended.value.code, capsys.readouterr().out) == (0, f"verify_audit.py {VERSION}\n")


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path / 'bot.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")
    engine = open_engine(url)
    migrate(engine)
    found = Store(engine)
    found.chain.key = KEY
    yield found
    engine.dispose()


def in_memory(key: ChainKey | None = KEY) -> Store:
    engine = open_engine("sqlite://")
    migrate(engine)
    store = Store(engine)
    store.chain.key = key
    return store


def asks(tx: Transaction) -> Record:
    number = tx.next_number()
    form = Asked(RequestId(f"request-{number}"), RULE.plans[0], 7 * DAY, Answers("checkout", REASON))
    return tx.apply(lifecycle.submit(form, ALICE, RULE, "digest", number, tx.now, NEW_ID))


def approves(tx: Transaction, record: Record) -> Record:
    return tx.apply(lifecycle.review(record, RULE, BOB, Verdict.YES, "fine", tx.now, NEW_ID))


def exported(store: Store) -> list[Any]:
    """The lines of a file, as they are read back."""
    with store.reading() as tx:
        return [json.loads(canonical(line)) for line in chain.lines(tx.connection)]


@pytest.fixture(scope="module")
def honest() -> list[Any]:
    """Alice asks twice, and Bob approves each: rows 1 to 6."""
    store = in_memory()
    for _ in range(2):
        with store.transaction() as tx:
            approves(tx, asks(tx))
    return exported(store)


def misfit(lines: list[Any], *heads: str, keys: tuple[ChainKey, ...] = (KEY,)) -> str:
    """What both proofs say; they say the same."""
    proof = prove(lines, keys, [Head.parse(one) for one in heads])
    told = ""
    try:
        secrets, begins = {one.id: one.secret for one in keys}, min(one.first for one in keys)
        said = list(ALONE["verify"](iter(lines), secrets, begins, [ALONE["head"](one) for one in heads]))
        assert said[0].endswith(f"The head is {proof.head.short}.")
    except ALONE["Misfit"] as found:
        told = str(found)
    assert told == proof.misfit
    return told


def short(line: Any) -> str:
    return Head(line["row"]["number"], line["link"]).short


def test_an_untouched_audit_fits(honest: list[Any]) -> None:
    """Every row, and every head of it that somebody noted."""
    assert [line["row"]["event"] for line in honest] == ["asked", "reviewed", "approved"] * 2
    assert misfit(honest, *map(short, honest)) == ""
    assert REASON not in json.dumps([line["row"] for line in honest], ensure_ascii=False)


def _edits(lines: list[Any]) -> None:
    lines[2]["row"]["details"]["need"] = 0


def _puts_somebody_else(lines: list[Any]) -> None:
    lines[1]["row"]["actor"] = "UMALLORY"


def _links_anew(lines: list[Any]) -> None:
    """An edit with a link that fits, but for the key."""
    lines[2]["row"]["details"]["need"] = 0
    lines[2]["link"] = link(lines[2]["row"], b"some other key")


def _edits_without_a_key(lines: list[Any]) -> None:
    """An edit by somebody who gives the row out for one that a command wrote."""
    lines[5]["row"] |= {"key": None, "details": {}}
    lines[5]["link"] = link(lines[5]["row"], None)


def _takes_away_the_link(lines: list[Any]) -> None:
    for line in lines[3:]:
        line["link"] = None


def _brings_their_own_key(lines: list[Any]) -> None:
    theirs = ChainKey.of(b"mallory", 1)
    lines[5]["row"]["key"] = theirs.id
    lines[5]["link"] = link(lines[5]["row"], theirs.secret)


def _changes_a_reason(lines: list[Any]) -> None:
    lines[0]["texts"]["reason"][1] = "to build the checkout"


def _erases_by_hand(lines: list[Any]) -> None:
    del lines[0]["texts"]["reason"]


def _drops(place: int) -> Callable[[list[Any]], None]:
    return lambda lines: lines.pop(place) and None


def _swaps(lines: list[Any]) -> None:
    lines[3], lines[4] = lines[4], lines[3]


def _repeats(lines: list[Any]) -> None:
    lines.insert(4, lines[3])


def _puts_one_back(lines: list[Any]) -> None:
    lines.append(lines[2])


def _replaces(lines: list[Any]) -> None:
    """An honest row of a history that went otherwise."""
    other = in_memory()
    with other.transaction() as tx:
        asks(tx)
    lines[0] = exported(other)[0]


@pytest.mark.parametrize(
    ("falsify", "told"),
    [
        (_edits, "Row 3 was edited."),
        (_puts_somebody_else, "Row 2 was edited."),
        (_links_anew, "Row 3 was edited."),
        (_edits_without_a_key, "Row 6 is chained without the key, which only the bot may write."),
        (_takes_away_the_link, "Row 4 is not chained"),
        (_brings_their_own_key, f"Row 6 is chained with a key that is not given: {ChainKey.of(b'mallory', 1).id}."),
        (_changes_a_reason, "Row 1 was edited: its reason is not what was written."),
        (_erases_by_hand, "1 texts are gone, and erasures account for 0 of them"),
        (_drops(2), "Row 3 is missing."),
        (_drops(0), "Row 1 is missing."),
        (_swaps, "Row 4 is out of order: it comes behind row 5."),
        (_repeats, "Row 4 stands there twice: the chain forks."),
        (_puts_one_back, "Row 3 is out of order: it comes behind row 6."),
        (_replaces, "Row 2 does not follow the row 1 that stands there: the chain forks."),
    ],
)
def test_a_falsification_is_named(honest: list[Any], falsify: Callable[[list[Any]], None], told: str) -> None:
    """By the number of the first row that does not fit, and how it does not."""
    lines = copy.deepcopy(honest)
    falsify(lines)
    assert misfit(lines).startswith(told)


def test_a_cut_end_is_seen_by_a_head_that_was_noted(honest: list[Any]) -> None:
    """The rows that are left fit; the audit channel has seen more of them."""
    assert misfit(honest[:4]) == ""
    assert misfit(honest[:4], short(honest[5])) == "The end is cut off: the last row is 4, and the head 6 was noted."


def test_a_history_that_went_on_after_a_cut_is_another(honest: list[Any]) -> None:
    """Its rows fit, written by the bot as they are; the head of before names another row of that number."""
    store = in_memory()
    with store.transaction() as tx:
        record = asks(tx)
        tx.audit(AuditLine(AuditEvent.SENT), record)
    forked = exported(store)
    assert misfit(forked) == ""
    told = "Row 2 is not the one of the head that was noted: the chain forks there or before."
    assert misfit(forked, short(honest[1])) == told


def test_a_command_without_the_key_writes_what_ends_something() -> None:
    """Its row has its place in the chain, the row behind it vouches for it, and the proof names it."""
    store = in_memory()
    with store.transaction() as tx:
        record = approves(tx, asks(tx))
    store.chain.key = None
    with store.transaction() as tx:
        tx.audit(AuditLine(AuditEvent.REVOKED, None, {"why": "stolen", "operator": "Dave"}), record)
    store.chain.key = KEY
    with store.transaction() as tx:
        tx.audit(AuditLine(AuditEvent.KEY_DELETED), record)
    lines = exported(store)
    assert misfit(lines) == ""
    assert prove(lines, [KEY]).without_key == [4]
    lines[3]["row"]["request"] = 1002
    lines[3]["link"] = link(lines[3]["row"], None)
    assert misfit(lines) == "Row 5 does not follow the row 4 that stands there: the chain forks."


def test_processes_that_take_turns_write_one_chain(store: Store) -> None:
    """Two of them on one database, each of which believes that its own row was the last."""
    other = Store(store.engine)
    other.chain.key = KEY
    for one in (store, other, other, store, store, other):
        with one.transaction() as tx:
            approves(tx, asks(tx))
    assert misfit(exported(store)) == ""


def test_a_process_goes_on_from_the_row_that_the_database_has() -> None:
    """Not from the one that it wrote itself, where the database was replaced under it: the proof shows what became of that."""
    store = in_memory()
    with store.transaction() as tx:
        asks(tx)
        tx.connection.execute(text("UPDATE counters SET head = 'of a replica that had less' WHERE name = 'audit'"))
    with store.transaction() as tx:
        asks(tx)
    lines = exported(store)
    assert lines[1]["row"]["prev"] == "of a replica that had less"
    assert misfit(lines) == "Row 2 does not follow the row 1 that stands there: the chain forks."


def test_what_was_not_stored_leaves_no_gap(store: Store) -> None:
    """A transaction that failed has taken no number, and what comes next follows the row before it."""
    with store.transaction() as tx:
        asks(tx)
    with store.transaction() as tx:
        asks(tx)
        tx.rollback()
    with store.transaction() as tx:
        asks(tx)
    assert misfit(exported(store)) == ""
    assert len(exported(store)) == 2


def test_what_is_older_than_the_chain_proves_nothing(honest: list[Any]) -> None:
    """Nobody says by its rows that a text was erased. And a row that has a link is not older: its key is missing."""
    key, lines = ChainKey.of(KEY.secret, 4), copy.deepcopy(honest)
    for line in lines[:3]:
        line["link"], line["row"]["texts"], line["texts"] = None, {}, {}
    before = ""
    for line in lines[3:]:
        line["row"]["prev"] = before
        before = line["link"] = link(line["row"], KEY.secret)
    assert misfit(lines, keys=(key,)) == ""
    lines[1]["row"] |= {"event": "erased", "details": {"texts": 9}}
    del lines[3]["texts"]["reason"]
    assert misfit(lines, keys=(key,)).startswith("1 texts are gone, and erasures account for 0 of them")
    newer = ChainKey.of(b"made when the first one was lost", 4)
    assert misfit(honest, keys=(newer,)) == f"Row 1 is chained with a key that is not given: {KEY.id}."


def test_a_part_is_proved_by_itself(honest: list[Any]) -> None:
    """The rows of a quarter: each of them, and that each follows the one before. What is before them is not looked at."""

    def told(lines: list[Any], *heads: str) -> str:
        try:
            said = list(
                ALONE["verify"](iter(lines), {KEY.id: KEY.secret}, 1, [ALONE["head"](one) for one in heads], part=True)
            )
        except ALONE["Misfit"] as found:
            return str(found)
        return str(said[0])

    lines = copy.deepcopy(honest[2:])
    assert told(lines, short(honest[4])).startswith("Rows 3 to 6 fit (4). The head is 6:")
    assert told(lines, short(honest[0])) == "The head 1 is of a row before this part, which begins with row 3."
    assert told([lines[0], *lines[2:]]) == "Row 4 is missing."
    lines[0]["row"]["details"]["need"] = 0
    assert told(lines) == "Row 3 was edited."


def test_a_row_that_cannot_be_read_says_which_it_is() -> None:
    """Whoever shows or posts it, rather than proves it, is told in a sentence."""
    store = in_memory()
    with store.transaction() as tx:
        asks(tx)
        for guard in ("audit_no_update", "audit_no_delete"):
            tx.connection.execute(text(f"DROP TRIGGER {guard}"))
        tx.connection.execute(text("UPDATE audit SET event = 'of a newer version'"))
        for read in (tx.audit_trail, tx.audit_cells):
            with pytest.raises(UnreadableError, match="Row 1 can't be read from the database"):
                list(read())


# --- at the command line ----------------------------------------------------------------------------------------------


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A database in which Alice asked and Bob approved, and the environment of whoever looks after it."""
    given = {"DATABASE_URL": f"sqlite:///{tmp_path / 'bot.db'}", "SEAL_KEYS": new_key()}
    engine = open_engine(given["DATABASE_URL"])
    migrate(engine)
    store = Store(engine)
    with store.transaction() as tx:
        store.chain.key = chain.begin(tx, Seal([given["SEAL_KEYS"]]))
    with store.transaction() as tx:
        approves(tx, asks(tx))
    engine.dispose()
    return given


def test_verify_says_how_far_it_fits(environ: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """With its head, which a look at the audit channel compares."""
    assert cli.execute(["audit", "verify"], environ) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Rows 1 to 3 fit (3). The head is 3:")
    assert said.err == ""
    head = said.out.split()[-1].rstrip(".")
    assert cli.execute(["audit", "verify", "--head", head], environ) == 0
    assert cli.execute(["audit", "verify", "--head", f"4{head[1:]}"], environ) == 1
    assert capsys.readouterr().err == "The end is cut off: the last row is 3, and the head 4 was noted.\n"


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("UPDATE audit SET actor_user = 'UALICE' WHERE number = 2", "Row 2 was edited."),
        ("UPDATE audit SET details = '{' WHERE number = 2", "Row 2 was edited."),
        ("UPDATE audit SET details = '[1]' WHERE number = 2", "Row 2 was edited."),
        ("UPDATE audit SET link = 'é' WHERE number = 2", "Row 2 was edited."),
        ("UPDATE audit_texts SET texts = '{' WHERE number = 1", "Row 1 was edited: its unreadable is not"),
        ("UPDATE audit_texts SET texts = '{\"reason\": 5}' WHERE number = 1", "Row 1 was edited: its reason is not"),
        ("DELETE FROM audit WHERE number = 3", "The end is cut off: the last row is 2, and the head 3 was noted."),
        ("DELETE FROM meta WHERE name = 'audit keys'", "The database holds no key of the audit's chain"),
    ],
)
def test_who_owns_the_database_is_found_out(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str], does: str, told: str
) -> None:
    """Somebody takes the guard off the table, and makes Alice her own approver, or breaks what stands there."""
    engine = open_engine(environ["DATABASE_URL"])
    with engine.begin() as connection:
        for guard in ("audit_no_update", "audit_no_delete"):
            connection.execute(text(f"DROP TRIGGER {guard}"))
        connection.exec_driver_sql(does)
    engine.dispose()
    assert cli.execute(["audit", "verify"], environ) == (2 if "meta" in does else 1)
    assert capsys.readouterr().err.startswith(told)


def test_the_key_outlives_the_seal_keys(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`audit key` prints what proves the rows after SEAL_KEYS were rotated, or lost; `reseal` moves it to the newest."""
    assert cli.execute(["audit", "key"], environ) == 0
    (kept := tmp_path / "audit.key").write_text(capsys.readouterr().out)
    old = environ["SEAL_KEYS"]
    environ["SEAL_KEYS"] = f"{(newest := new_key())},{old}"
    assert cli.execute(["reseal"], environ) == 0
    environ["SEAL_KEYS"] = newest
    assert cli.execute(["audit", "verify"], environ) == 0
    environ["SEAL_KEYS"] = old
    assert cli.execute(["audit", "verify"], environ) == 2
    assert cli.execute(["audit", "verify", "--key-file", str(kept)], environ) == 0


def test_a_lost_seal_key_begins_another_key_and_says_so(
    environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The chain goes on behind the same row; with what was kept of the old key, all of it is proved."""
    assert cli.execute(["audit", "key"], environ) == 0
    kept = capsys.readouterr().out
    environ["SEAL_KEYS"] = new_key()
    engine = open_engine(environ["DATABASE_URL"])
    store = Store(engine)
    for _ in range(2):  # the second start finds the new one
        with store.transaction() as tx:
            store.chain.key = chain.begin(tx, Seal([environ["SEAL_KEYS"]]))
    with store.transaction() as tx:
        asks(tx)
        told = [entry for entry in tx.audit_trail() if entry.event is AuditEvent.CHAINED]
    engine.dispose()
    assert [(one.number, one.details["why"]) for one in told] == [
        (4, "no key in SEAL_KEYS opens the key of the chain so far")
    ]
    assert cli.execute(["reseal"], environ) == 1, "else somebody puts the old keys away"
    assert "opens 1 of the keys of the audit's chain" in " ".join(capsys.readouterr().err.split())
    assert cli.execute(["audit", "key"], environ) == 0
    (tmp_path / "audit.key").write_text(kept + capsys.readouterr().out)
    assert cli.execute(["audit", "verify", "--key-file", str(tmp_path / "audit.key")], environ) == 0
    assert capsys.readouterr().out.startswith("Rows 1 to 5 fit (5).")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["verify", "--since", "7d"], "`audit verify` has no --since."),
        (["--head", "1:" + "0" * 20], "`audit` has no --head."),
        (["verify", "--head", "1042"], "--head takes a head as the audit channel shows it"),
        (["verify", "--key-file", "nowhere"], "nowhere cannot be read"),
        (["verify", "--key-file", "pyproject.toml"], "pyproject.toml holds no key of the audit"),
    ],
)
def test_what_makes_no_sense_is_said(
    environ: dict[str, str], words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a sentence, with exit code 2."""
    assert cli.execute(["audit", *words], environ) == 2
    assert capsys.readouterr().err.startswith(told)
