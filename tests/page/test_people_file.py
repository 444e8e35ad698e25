"""Who lives in the sandbox: from a people file, or such people as somebody's own configuration needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import config
from bot.config.positions import ConfigError
from bot.local.world import Cast
from bot.sandbox.people import EXAMPLE, cast_for, catalogue_of, load
from bot.sandbox.process import sandbox
from tests.world import WITHIN

REPOSITORY = Path(__file__).parents[2]


def _write(folder: Path, text: str) -> Path:
    path = folder / "people.yaml"
    path.write_text(text)
    return path


def _complaints(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load(_write(folder, text))
    return str(caught.value)


def test_the_example_in_the_help_is_a_good_file(tmp_path: Path) -> None:
    """What --help shows can be pasted."""
    cast = load(_write(tmp_path, EXAMPLE))
    assert [one.name for one in cast.people] == ["ann", "ben", "guy"]
    assert cast.people[1].id == "U03BOB"
    assert cast.people[2].kind == "guest"
    assert cast.groups[1].members == ("ben",)
    assert cast.channels[0].id == "C0APPROVE"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("peple:\n  ann: {}\n", "1:1: the file has no section `peple`, did you mean people?"),
        ("groups: {}\n", "1:1: `people` is missing"),
        ("people:\n  Ann: {}\n", "2:3: a name is small letters, digits, . _ and -, got 'Ann'"),
        ("people:\n  ann: {knd: guest}\n", "2:9: `ann` has no setting `knd`, did you mean kind?"),
        ("people:\n  ann: {kind: boss}\n", "2:15: `kind` is one of member, admin, owner, guest"),
        ("people:\n  ann: {id: ann}\n", "2:13: `id` looks like U03BOB, got 'ann'"),
        ("people:\n  ann: {id: U01}\n  ben: {id: U01}\n", "3:13: `id` U01 is given twice, first in line 2"),
        ("people:\n  ann: {time_zone: Lisbon Time}\n", "2:20: `time_zone` needs a name such as Europe/Lisbon"),
        ("people:\n  ann: {time_zone: Europe/Lisbn}\n", "2:20: `time_zone` needs a name such as Europe/Lisbon"),
        ("people:\n  ann: guest\n", "2:8: `ann` needs settings"),
        ("people:\n  ann: {}\ngroups:\n  devs: [an]\n", "4:10: nobody in `people` is called 'an', did you mean ann?"),
        ("people:\n  ann: {}\nchannels:\n  help: {id: C0HELP}\n", "4:9: `help` needs its members, as in `help: [ann]`"),
        ("people:\n  ann: {}\ngroups: [devs]\n", "3:9: `groups` needs lines such as `name: ...`"),
    ],
)
def test_a_wrong_file_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    """File, line, column, and what was meant."""
    assert f"people.yaml:{said}" in _complaints(tmp_path, text)


@pytest.mark.parametrize("text", ["", "# nobody yet\n"])
def test_an_empty_file_is_told_what_it_needs(tmp_path: Path, text: str) -> None:
    """Not what a configuration needs."""
    assert "people.yaml:1:1: the file is empty; it needs `people`" in _complaints(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Said like any other complaint."""
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path / "none.yaml")


# --- somebody's own configuration -------------------------------------------------------------------------------------


def _named(cast: Cast) -> set[str]:
    ids = [one.id for one in cast.people] + [room.id for room in cast.channels]
    return {f"@{group.handle}" for group in cast.groups} | {one for one in ids if one}


def test_whatever_the_configuration_names_is_there() -> None:
    """The repository's own config.yaml: its groups, people and channels, its APIs and the policy with what it opens."""
    loaded = config.load(REPOSITORY / "config.yaml")
    cast = cast_for(loaded, None)
    assert {mention.text for mention in loaded.mentions()} <= _named(cast)
    assert {("alice", "U02ALICE"), ("bob", "U03BOB")} <= {(one.name, one.id) for one in cast.people}
    assert "alice" not in next(group for group in cast.groups if group.handle == "payments-leads").members
    catalogue = catalogue_of(loaded)
    assert {api.api_id for api in catalogue.apis} == {api.api_id for api in loaded.apis.values()}
    assert catalogue.policies[0].opens == (loaded.apis["payments"].api_id, loaded.apis["ledger"].api_id)


async def test_the_bot_starts_with_somebody_s_own_configuration_and_alice_can_ask() -> None:
    """Nothing was installed, and the form is there."""
    path = REPOSITORY / "config.yaml"
    loaded = config.load(path)
    async with sandbox(path, cast=cast_for(loaded, None), catalogue=catalogue_of(loaded)) as place:
        alice = place.world.slack.person("alice")
        await alice.runs("/tyk-key")
        await alice.sees_view("Payments", timeout=WITHIN)


def test_a_group_that_only_the_configuration_knows_is_told_at_its_place(tmp_path: Path) -> None:
    """A wrong name is what one wants to find here; a channel that is missing is added instead."""
    own = tmp_path / "config.yaml"
    own.write_text((REPOSITORY / "config.yaml").read_text())
    with pytest.raises(ConfigError) as caught:
        cast_for(config.load(own), _write(tmp_path, EXAMPLE))
    assert "`approvers` names @api-owners, whom" in str(caught.value)
    assert "C0AUDIT" not in str(caught.value)


def test_people_by_address_and_many_approvers(tmp_path: Path) -> None:
    """An e-mail address becomes somebody; where a rule asks for five yeses, five others can give them."""
    own = tmp_path / "config.yaml"
    own.write_text(
        """
tyk: {dashboard_url: https://d.example, gateway_url: https://g.example}
slack: {approvals_channel: C0ONE, audit_channel: C0ONE, help_channel: C0TWO}
apis:
  crown-jewels:
    api_id: a1
    requesters: [maria.lopez@corp.example, C0DEVS]
    approvers: ["@board", S0OTHERS]
    approvals: 5
"""
    )
    cast = cast_for(config.load(own), None)
    assert "maria.lopez" in {one.name for one in cast.people if one.email == "maria.lopez@corp.example"}
    assert all(len(set(group.members) - {"alice"}) > 5 for group in cast.groups)
    assert {room.id for room in cast.channels} >= {"C0ONE", "C0TWO", "C0DEVS"}
    assert "carol" in next(room for room in cast.channels if room.id == "C0ONE").members
