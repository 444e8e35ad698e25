from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.members import no_longer, refuse, why_left
from bot.core.model import Identity, Person, Workspace

OURS = Workspace("T0OURS", None, "UBOT")
GRID = Workspace("T0OURS", "E0OURS", "UBOT")
MEMBER = Person(Identity("T0OURS", "U01"), "Ada")

ids = st.sampled_from(["", "T0OURS", "T0OTHER", "E0OURS", "E0OTHER"])
people = st.builds(
    Person,
    identity=st.builds(Identity, team_id=ids, user_id=st.sampled_from(["U01", "UBOT", "USLACKBOT", "W02"])),
    name=st.just("Ada"),
    deleted=st.booleans(),
    is_bot=st.booleans(),
    is_guest=st.booleans(),
    is_stranger=st.booleans(),
    enterprise_id=st.none() | ids,
    groups=st.frozensets(st.sampled_from(["S1", "S2"])),
    channels=st.frozensets(st.sampled_from(["C1", "C2"])),
)
workspaces = st.builds(Workspace, team_id=ids, enterprise_id=st.none() | ids, bot_user_id=st.just("UBOT"))


def code(person: Person, workspace: Workspace = OURS) -> str | None:
    refusal = refuse(person, workspace)
    return refusal.code if refusal is not None else None


def test_a_full_member_may_use_the_bot() -> None:
    """A full member of the workspace is not refused."""
    assert refuse(MEMBER, OURS) is None


@pytest.mark.parametrize(
    ("person", "expected"),
    [
        (replace(MEMBER, deleted=True), "deactivated"),
        (replace(MEMBER, is_bot=True), "bot"),
        (replace(MEMBER, identity=Identity("T0OURS", "USLACKBOT")), "bot"),
        (replace(MEMBER, identity=Identity("T0OURS", "UBOT")), "bot"),
        (replace(MEMBER, is_guest=True), "guest"),
        (replace(MEMBER, is_stranger=True), "stranger"),
        (replace(MEMBER, identity=Identity("T0OTHER", "U01")), "other_team"),
        (replace(MEMBER, identity=Identity("", "U01")), "other_team"),
    ],
)
def test_everybody_else_is_told_why_not(person: Person, expected: str) -> None:
    """Each who is no full member is refused with their own code and a whole sentence."""
    refusal = refuse(person, OURS)
    assert refusal is not None
    assert refusal.code == expected
    assert refusal.text[0].isupper()
    assert refusal.text.endswith(".")


@pytest.mark.parametrize(
    ("person", "said"),
    [
        (MEMBER, None),
        (replace(MEMBER, deleted=True), "Their Slack account is deactivated."),
        (replace(MEMBER, is_guest=True), "They are only a guest here now."),
        (replace(MEMBER, is_guest=True, deleted=True), "Their Slack account is deactivated."),
        (replace(MEMBER, is_stranger=True), "They are no longer a member of this workspace."),
        (replace(MEMBER, identity=Identity("T0OTHER", "U01")), "They are no longer a member of this workspace."),
        (replace(MEMBER, is_bot=True), "They are no longer a member of this workspace."),
    ],
)
def test_others_are_told_why_somebody_left(person: Person, said: str | None) -> None:
    """Of who is not there to be told, in words for those who are."""
    assert why_left(person, OURS) == said


@pytest.mark.parametrize(
    ("person", "said"),
    [
        (MEMBER, ""),
        (replace(MEMBER, is_guest=True), "only a guest now"),
        (replace(MEMBER, deleted=True), "their account is deactivated"),
        (replace(MEMBER, is_stranger=True), "no longer a member of this workspace"),
        (replace(MEMBER, identity=Identity("T0OTHER", "U01")), "no longer a member of this workspace"),
    ],
)
def test_few_words_say_why_an_approval_does_not_count(person: Person, said: str) -> None:
    """They stand behind a name on the card."""
    assert no_longer(person, OURS) == said


@given(person=people, workspace=workspaces)
def test_who_has_left_is_who_would_be_refused(person: Person, workspace: Workspace) -> None:
    """The sweep and the gate never disagree, and no sentence for others speaks to the person."""
    said = why_left(person, workspace)
    assert (said is None) == (refuse(person, workspace) is None) == (no_longer(person, workspace) == "")
    assert said is None or "you" not in said.lower()


def test_another_workspace_of_the_same_enterprise_is_ours() -> None:
    """A full member elsewhere in the same enterprise counts as a member; of another enterprise not."""
    elsewhere = replace(MEMBER, identity=Identity("T0OTHER", "U01"))
    assert code(replace(elsewhere, enterprise_id="E0OURS"), GRID) is None
    assert code(replace(elsewhere, enterprise_id="E0OTHER"), GRID) == "other_team"
    assert code(replace(elsewhere, enterprise_id=None), GRID) == "other_team"


@given(person=people)
def test_two_absent_enterprises_are_not_the_same_one(person: Person) -> None:
    """Where the workspace has no enterprise, no enterprise of anybody's makes them ours."""
    elsewhere = replace(person, identity=Identity("T0OTHER", "U01"))
    for none in (None, ""):
        assert refuse(elsewhere, Workspace("T0OURS", none, "UBOT")) is not None


@given(person=people, workspace=workspaces)
def test_whoever_is_let_in_is_a_full_member_of_ours(person: Person, workspace: Workspace) -> None:
    """Nobody passes who is deactivated, a bot, a guest, a stranger, or of neither our team nor our enterprise."""
    if refuse(person, workspace) is None:
        assert not any((person.deleted, person.is_bot, person.is_guest, person.is_stranger))
        assert person.identity.user_id not in {"USLACKBOT", workspace.bot_user_id}
        same_team = bool(workspace.team_id) and person.identity.team_id == workspace.team_id
        same_enterprise = bool(workspace.enterprise_id) and person.enterprise_id == workspace.enterprise_id
        assert same_team or same_enterprise


@given(person=people, workspace=workspaces)
def test_groups_and_channels_never_open_the_gate(person: Person, workspace: Workspace) -> None:
    """The answer does not depend on the groups and channels a person is in."""
    bare = replace(person, groups=frozenset(), channels=frozenset())
    assert code(person, workspace) == code(bare, workspace)


@given(person=people, workspace=workspaces, flag=st.sampled_from(["deleted", "is_bot", "is_guest", "is_stranger"]))
def test_one_more_blemish_never_lets_anybody_in(person: Person, workspace: Workspace, flag: str) -> None:
    """Whoever carries one of the four flags is refused, whatever else is true of them."""
    blemishes: dict[str, bool] = {flag: True}
    assert refuse(replace(person, **blemishes), workspace) is not None  # type: ignore[arg-type]  # the blemishes are fields of Person
