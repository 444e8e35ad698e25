"""`auditors`: who may look up who holds what, beside the approvers."""

from __future__ import annotations

import pytest

from bot.config import Kind, parse
from bot.core.model import Audience
from tests.config.test_config import HEAD, complaints, only

ENTRY = "apis: {one: {api_id: a, requesters: [everyone], approvals: 0}}\n"


def test_people_and_groups_are_named_as_elsewhere() -> None:
    """By handle, id and address; each is looked up, with its place in the file."""
    loaded = parse(f'{HEAD}auditors: ["@Audit", U0CAROL, carol@example.com]\n{ENTRY}')
    rulebook = loaded.rulebook({"@audit": "S0AUDIT", "carol@example.com": "U1CAROL"})
    assert rulebook.auditors == Audience(groups=frozenset({"S0AUDIT"}), users=frozenset({"U0CAROL", "U1CAROL"}))
    found = [(one.kind, one.text, str(one.where)) for one in loaded.mentions() if one.role == "auditors"]
    assert found == [
        (Kind.GROUP_HANDLE, "@audit", "config.yaml:3:12"),
        (Kind.USER, "U0CAROL", "config.yaml:3:22"),
        (Kind.EMAIL, "carol@example.com", "config.yaml:3:31"),
    ]


def test_without_it_nobody_is_one() -> None:
    """An empty audience names nobody."""
    assert parse(HEAD + ENTRY).rulebook({}).auditors == Audience()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("[everyone]", "3:12: `auditors` cannot hold everyone: name user groups or people"),
        ("[S0A, C0ALL]", "3:17: `auditors` cannot hold the channel C0ALL: name user groups or people"),
        ("S0A", "3:11: `auditors` needs a list, as in [\"S0A\"], got 'S0A'"),
    ],
)
def test_whoever_cannot_be_one_is_refused_where_it_stands(names: str, said: str) -> None:
    """Nobody is let in by a word too wide."""
    assert only(complaints(f"{HEAD}auditors: {names}\n{ENTRY}")) == said


def test_a_name_that_went_stale_is_left_out_and_told() -> None:
    """It never stops the bot; the others stay."""
    loaded = parse(f'{HEAD}auditors: ["@gone", U0CAROL]\n{ENTRY}')
    rulebook, told = loaded.in_force({})
    assert rulebook.auditors == Audience(users=frozenset({"U0CAROL"}))
    assert [str(one) for one in told] == [
        "config.yaml:3:12: `auditors` names @gone, which is not a user group in this workspace: left out"
    ]


def test_the_digest_tells_of_them() -> None:
    """Whoever comes among them is in the audit; a file without them is what it was."""
    without, carol, both = (
        parse(f"{HEAD}{line}{ENTRY}") for line in ("", "auditors: [U0CAROL]\n", "auditors: [U0DAVE, U0CAROL]\n")
    )
    assert len({without.digest, carol.digest, both.digest}) == 3
    assert parse(f"{HEAD}auditors: [U0CAROL, U0DAVE]\n{ENTRY}").digest == both.digest
