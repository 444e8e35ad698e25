from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from bot.core.faults import Transient
from bot.core.model import Audience, Identity, Person, Review, Verdict, Workspace
from bot.slack.client import new_session, web_client
from bot.slack.directory import ChannelFacts, Directory
from bot.slack.errors import CannotSay
from tests.slack.test_client import PROXIES, LocalSlack, local_slack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from slack_sdk.web.async_client import AsyncWebClient

OURS = Workspace("T0OURS", None, "UBOT")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class People(LocalSlack):
    """A server with people, groups and channels; `hold` keeps the answers back until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: list[dict[str, Any]] = []
        self.members: dict[str, list[list[str]]] = {}
        self.held: set[str] = set()
        self.reached = asyncio.Event()
        self.go = asyncio.Event()
        for method, answer in (
            ("users.info", self.users_info),
            ("usergroups.list", self.usergroups_list),
            ("conversations.members", self.conversations_members),
        ):
            self.answers[method] = answer

    def add(self, user_id: str, **more: Any) -> None:
        user = {"id": user_id, "team_id": "T0OURS", "name": "ada", "real_name": "Ada L.", "tz": "Europe/London"}
        signs = dict.fromkeys(("deleted", "is_bot", "is_restricted", "is_ultra_restricted"), False)
        self.users[user_id] = {**user, **signs, "profile": {"display_name": "Ada"}, **more}

    async def wait(self, method: str) -> None:
        if method in self.held:
            self.reached.set()
            await self.go.wait()

    async def users_info(self, arguments: dict[str, Any]) -> web.StreamResponse:
        user = self.users.get(arguments["user"])
        answer = {"ok": True, "user": dict(user)} if user else {"ok": False, "error": "user_not_found"}
        await self.wait("users.info")
        return web.json_response(answer)

    async def usergroups_list(self, arguments: dict[str, Any]) -> web.StreamResponse:
        assert arguments == {"include_users": "1"}
        answer = {"ok": True, "usergroups": list(self.groups)}
        await self.wait("usergroups.list")
        return web.json_response(answer)

    async def conversations_members(self, arguments: dict[str, Any]) -> web.StreamResponse:
        assert arguments["limit"] == "1000"
        pages = self.members[arguments["channel"]]
        page = int(arguments.get("cursor", "0"))
        following = str(page + 1) if page + 1 < len(pages) else ""
        await self.wait("conversations.members")
        return web.json_response({"ok": True, "members": pages[page], "response_metadata": {"next_cursor": following}})


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def slack() -> AsyncIterator[People]:
    people = People()
    async with local_slack(people):
        people.add("U0ADA")
        people.groups = [
            {"id": "S1", "handle": "Payments-Leads", "users": ["U0ADA", "U0BOB"], "date_delete": 0},
            {"id": "S2", "handle": "empty", "date_delete": 0},
            {"id": "S3", "handle": "switched-off", "users": ["U0ADA"], "date_delete": 1700000000},
        ]
        people.members = {"C1": [["U0ADA", "U0BOB"], ["U0EVE"]], "C2": [["U0BOB"]]}
        yield people
        people.go.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(slack: People) -> AsyncIterator[AsyncWebClient]:
    async with new_session() as session:
        yield web_client("xoxb-test", slack.url, session, None)


@pytest.fixture
async def directory(client: AsyncWebClient, clock: Clock) -> AsyncIterator[Directory]:
    directory = Directory(client, OURS, clock=clock)
    yield directory
    await directory.close()


# --- who somebody is ------------------------------------------------------------------------------------------------


async def test_a_person_with_their_groups_and_channels(directory: Directory) -> None:
    """A person comes with what Slack says of them, the groups they are in and those of the named channels."""
    person = await directory.person("U0ADA", channels=frozenset({"C1", "C2"}))
    assert person == Person(
        identity=Identity("T0OURS", "U0ADA"),
        name="Ada",
        groups=frozenset({"S1"}),
        channels=frozenset({"C1"}),
        time_zone="Europe/London",
        real_name="Ada L.",
    )


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"deleted": True}, {"deleted": True}),
        ({"is_bot": True}, {"is_bot": True}),
        ({"is_restricted": True}, {"is_guest": True}),
        ({"is_ultra_restricted": True}, {"is_guest": True}),
        ({"is_stranger": True}, {"is_stranger": True}),
        ({"enterprise_user": {"id": "W1", "enterprise_id": "E0OURS"}}, {"enterprise_id": "E0OURS"}),
        ({"team_id": "T0OTHER"}, {"identity": Identity("T0OTHER", "U1")}),
        ({"team_id": None}, {"identity": Identity("", "U1")}),
        ({"deleted": True, "is_restricted": None}, {"deleted": True, "is_stranger": False}),
        ({"profile": {"title": "Engineer " * 20}}, {"title": ("Engineer " * 20)[:100]}),
        ({"profile": {"title": ["Engineer"]}, "tz": {"x": 1}}, {"title": "", "time_zone": "UTC"}),
        (
            {"real_name": "A\ud800da\x00\n\u202eL.\u061c", "tz": "Eur\ud800ope"},
            {"real_name": "Ada L.", "time_zone": "Europe"},
        ),
        ({"real_name": "\u200b\u2060", "profile": {"display_name": "\u3164"}}, {"name": "ada", "real_name": ""}),
        ({"real_name": "A" * 900_000}, {"real_name": "A" * 100}),
        ({"profile": {"title": None}}, {"title": ""}),
        ({"profile": {"display_name": ""}}, {"name": "Ada L."}),
        ({"profile": None, "real_name": None, "name": None}, {"name": "U1"}),
        ({"tz": None}, {"time_zone": "UTC"}),
    ],
)
async def test_what_slack_says_of_somebody(
    slack: People, directory: Directory, said: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Each thing that Slack says of somebody has its place in the Person."""
    slack.add("U1", **said)
    person = await directory.person("U1")
    assert {name: getattr(person, name) for name in expected} == expected


@pytest.mark.parametrize("sign", ["deleted", "is_bot", "is_restricted", "is_ultra_restricted"])
async def test_whom_slack_does_not_say_whether_they_are_a_guest(slack: People, directory: Directory, sign: str) -> None:
    """It cannot say who they are: that lets nobody in, and takes nothing from anybody for good."""
    slack.add("U1", **{sign: None})
    with pytest.raises(CannotSay):
        await directory.person("U1")


async def test_slackbot_is_a_bot(slack: People, directory: Directory) -> None:
    """Slackbot is a bot although Slack says it is none."""
    slack.add("USLACKBOT", is_bot=False)
    assert (await directory.person("USLACKBOT")).is_bot


async def test_whom_slack_does_not_know_is_a_stranger(directory: Directory) -> None:
    """A user id that Slack does not know makes a stranger, not an error."""
    person = await directory.person("U0NOBODY")
    assert person.is_stranger
    assert person.identity == Identity("", "U0NOBODY")


@pytest.mark.parametrize("asked", ["U0ADA", "W0ADA"])
@pytest.mark.parametrize("listed", ["U0ADA", "W0ADA"])
async def test_both_ids_of_a_person_are_one_person(
    slack: People, directory: Directory, asked: str, listed: str
) -> None:
    """On Enterprise Grid whoever is asked about, and under whichever id groups and channels list them, it is the same person."""
    slack.add("U0ADA", enterprise_user={"id": "W0ADA", "enterprise_id": "E0OURS"})
    slack.users["W0ADA"] = slack.users["U0ADA"]
    slack.groups = [{"id": "S1", "handle": "leads", "users": [listed], "date_delete": 0}]
    slack.members = {"C1": [[listed]]}
    person = await directory.person(asked, channels=frozenset({"C1"}))
    assert person.identity == Identity("T0OURS", "W0ADA")
    assert person.ids == {"U0ADA", "W0ADA"}
    assert person.groups == {"S1"}
    assert person.channels == {"C1"}


async def test_an_answer_about_somebody_else_is_none(slack: People, directory: Directory) -> None:
    """Slack is asked about Ada and tells of Eve: nobody is taken for another."""
    slack.add("U0EVE", enterprise_user={"id": "W0EVE", "enterprise_id": "E0OURS"})
    slack.users["U0ADA"] = slack.users["U0EVE"]
    with pytest.raises(CannotSay):
        await directory.person("U0ADA")


# --- who approved -----------------------------------------------------------------------------------------------------


async def test_who_said_yes_is_looked_up(slack: People, directory: Directory) -> None:
    """Those whose yes counts so far come with their groups and with why they may not use the bot; of others nothing is asked."""
    slack.add("U0BOB", deleted=True)
    said = [
        ("U0ADA", Verdict.YES, ""),
        ("U0BOB", Verdict.YES, ""),
        ("U0EVE", Verdict.NO, ""),
        ("U0MAX", Verdict.YES, "gone"),
    ]
    reviews = [Review(Identity("T0OURS", user), verdict, "S1", NOW, void=void) for user, verdict, void in said]
    ada, bob = await directory.approvers(reviews)
    assert (ada.person.identity.user_id, ada.barred) == ("U0ADA", "")
    assert ada.person.groups == {"S1"}
    assert (bob.person.identity.user_id, bob.barred) == ("U0BOB", "their account is deactivated")
    assert sorted(args["user"] for args in slack.asked("users.info")) == ["U0ADA", "U0BOB"]


async def test_where_slack_cannot_say_of_one_of_them_it_says_of_none(slack: People, directory: Directory) -> None:
    """An approval that cannot be looked at is not called good."""
    slack.fails("users.info", "internal_error")
    with pytest.raises(CannotSay):
        await directory.approvers([Review(Identity("T0OURS", "U0ADA"), Verdict.YES, "S1", NOW)])


# --- groups -----------------------------------------------------------------------------------------------------------


async def test_what_a_group_is_called(directory: Directory) -> None:
    """The handle that people call it by; a group that is switched off, or none of ours, has none."""
    assert await directory.group_handle("S1") == "payments-leads"
    assert await directory.group_handle("S3") == ""


async def test_a_handle_that_looks_like_another_is_none(slack: People, directory: Directory) -> None:
    """A group whose handle holds what cannot be seen is not found by the handle it looks like, and nothing of it is stored."""
    slack.groups.append({"id": "S4", "handle": "payments-\u200bleads", "users": ["U0EVE"]})
    slack.groups.append({"id": "S5", "handle": "lea\ud800ds", "users": ["U0EVE"]})
    assert await directory.resolve({"@payments-leads", "@leads"}, set()) == {"@payments-leads": "S1"}
    assert [await directory.group_handle(one) for one in ("S4", "S5")] == ["", ""]


async def test_a_switched_off_group_has_nobody(directory: Directory) -> None:
    """A group that was switched off has no members and no handle, whatever list Slack still keeps."""
    assert await directory.group_members("S3") == frozenset()
    assert await directory.resolve({"@switched-off"}, set()) == {}


@pytest.mark.parametrize(
    "odd", [{"id": "S9", "user_count": 3}, {"id": "S9", "user_count": "3"}, {"id": "S1", "users": []}]
)
async def test_a_group_of_which_slack_does_not_say_who_is_in_it(
    slack: People, directory: Directory, odd: dict[str, Any]
) -> None:
    """One without its members, or listed twice, is no empty group: nobody loses an approval over it. One by which nobody may do
    anything holds up nobody."""
    slack.groups.append(odd)
    with pytest.raises(CannotSay):
        await directory.group_members(odd["id"])
    assert (await directory.person("U0ADA")).groups >= {"S1"}
    directory.named_groups = lambda: [odd["id"]]
    with pytest.raises(CannotSay):
        await directory.person("U0ADA")
    assert directory.known("U0ADA") is None


# --- asking once ----------------------------------------------------------------------------------------------------


async def test_a_hundred_at_once_ask_once(slack: People, directory: Directory) -> None:
    """A hundred who ask for the same person at the same time cause one call of each kind."""
    slack.held = {"users.info"}
    tasks = [asyncio.create_task(directory.person("U0ADA", channels=frozenset({"C2"}))) for _ in range(100)]
    await slack.reached.wait()
    slack.go.set()
    people = await asyncio.gather(*tasks)
    assert len(set(people)) == 1
    assert sorted(name for name, _ in slack.calls) == ["conversations.members", "usergroups.list", "users.info"]


async def test_an_answer_is_fresh_for_a_minute(slack: People, directory: Directory, clock: Clock) -> None:
    """Within a minute memory answers, after it Slack is asked again."""
    await directory.person("U0ADA")
    clock.now += 59.9
    assert directory.known("U0ADA") == await directory.person("U0ADA")
    assert len(slack.asked("users.info")) == 1
    clock.now += 0.1
    assert directory.known("U0ADA") is None
    slack.add("U0ADA", deleted=True)
    assert (await directory.person("U0ADA")).deleted
    assert len(slack.asked("users.info")) == 2


async def test_an_answers_age_counts_from_the_question(slack: People, directory: Directory, clock: Clock) -> None:
    """An answer that was long on its way is as old as its question."""
    slack.held = {"users.info"}
    task = asyncio.create_task(directory.person("U0ADA"))
    await slack.reached.wait()
    clock.now += 60
    slack.go.set()
    await task
    assert directory.known("U0ADA") is None


async def test_who_wants_it_fresher_asks_again(slack: People, directory: Directory, clock: Clock) -> None:
    """A smaller age than a minute is honoured, a greater one is not."""
    await directory.person("U0ADA")
    clock.now += 5
    await directory.person("U0ADA", max_age=10)
    assert len(slack.asked("users.info")) == 1
    await directory.person("U0ADA", max_age=5)
    assert len(slack.asked("users.info")) == 2
    clock.now += 60
    await directory.person("U0ADA", max_age=3600)
    assert len(slack.asked("users.info")) == 3


async def test_groups_are_one_call_for_everybody(slack: People, directory: Directory) -> None:
    """All groups of all people come from one call."""
    for user_id in ("U1", "U2", "U3"):
        slack.add(user_id)
        await directory.person(user_id)
    await directory.group_members("S1")
    await directory.resolve({"@empty"}, set())
    assert len(slack.asked("usergroups.list")) == 1


async def test_without_groups_none_are_asked_for(slack: People, client: AsyncWebClient, clock: Clock) -> None:
    """Where no rule names a group, Slack is never asked for groups."""
    directory = Directory(client, OURS, clock=clock, uses_groups=False)
    assert (await directory.person("U0ADA")).groups == frozenset()
    assert directory.known("U0ADA") is not None
    assert not slack.asked("usergroups.list")


async def test_memory_alone_says_nothing_it_does_not_know(slack: People, directory: Directory) -> None:
    """Somebody is known from memory only with the person, the groups and each named channel in it."""
    assert directory.known("U0ADA") is None
    await directory.person("U0ADA", channels=frozenset({"C1"}))
    asked = len(slack.calls)
    known = directory.known("U0ADA", frozenset({"C1"}))
    assert known is not None
    assert known.channels == {"C1"}
    assert directory.known("U0ADA", frozenset({"C1", "C2"})) is None
    directory.forget_groups()
    assert directory.known("U0ADA") is None
    assert len(slack.calls) == asked


async def test_memory_is_bounded(slack: People, client: AsyncWebClient, clock: Clock) -> None:
    """No more people are remembered than was said; the one asked for longest ago goes first."""
    directory = Directory(client, OURS, clock=clock, people=2)
    for user_id in ("U1", "U2", "U1", "U3"):
        slack.add(user_id)
        await directory.person(user_id)
    assert [directory.known(user_id) is not None for user_id in ("U1", "U2", "U3")] == [True, False, True]
    assert len(directory._people) == 2


async def test_a_channels_members_are_read_to_the_last_page(slack: People, directory: Directory) -> None:
    """Members on a later page are members."""
    slack.add("U0EVE")
    assert (await directory.person("U0EVE", channels=frozenset({"C1"}))).channels == {"C1"}
    assert [page.get("cursor") for page in slack.asked("conversations.members")] == [None, "1"]


async def test_pages_that_come_to_no_end_are_given_up(slack: People, directory: Directory) -> None:
    """A list whose next page is itself is no answer."""
    slack.says(
        "conversations.members", {"ok": True, "members": ["U0ADA"], "response_metadata": {"next_cursor": "again"}}
    )
    with pytest.raises(CannotSay):
        await directory.person("U0ADA", channels=frozenset({"C1"}))
    assert len(slack.asked("conversations.members")) == 2


# --- failing closed -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["users.info", "usergroups.list", "conversations.members"])
@pytest.mark.parametrize("way", ["lost", "error", "status", "shape", "nonsense"])
async def test_where_slack_cannot_say_nobody_is_anybody(
    slack: People, directory: Directory, method: str, way: str
) -> None:
    """Whichever look-up fails, and however, the answer is CannotSay, and the failure is not remembered."""
    working = slack.answers[method]
    match way:
        case "lost":
            slack.lost.add(method)
        case "error":
            slack.fails(method, "missing_scope")
        case "status":
            slack.says(method, {}, status=503)
        case "shape":
            slack.says(method, {"ok": True})
        case _:
            slack.says(method, {"ok": True, "user": {"id": "U0EVE"}, "usergroups": [7], "members": [7]})
    with pytest.raises(CannotSay) as raised:
        await directory.person("U0ADA", channels=frozenset({"C1"}))
    assert isinstance(raised.value, Transient)
    assert directory.known("U0ADA", frozenset({"C1"})) is None
    slack.lost.clear()
    slack.answers[method] = working
    assert (await directory.person("U0ADA", channels=frozenset({"C1"}))).groups == {"S1"}


async def test_a_limit_says_how_long(slack: People, directory: Directory) -> None:
    """A limit of Slack's is CannotSay with the time to wait."""
    slack.says("usergroups.list", {"ok": False, "error": "ratelimited"}, status=429, Retry_After="30")
    with pytest.raises(CannotSay) as raised:
        await directory.person("U0ADA")
    fault = raised.value
    assert (fault.code, fault.retry_after, fault.method) == ("ratelimited", 30.0, "usergroups.list")


async def test_a_slack_that_does_not_answer_in_time(slack: People, client: AsyncWebClient, clock: Clock) -> None:
    """No answer in time is CannotSay."""
    slack.held = {"users.info"}
    directory = Directory(client, OURS, clock=clock, within=0.1)
    with pytest.raises(CannotSay) as raised:
        await directory.person("U0ADA")
    assert raised.value.code == "timeout"


async def test_an_outdated_answer_is_never_given_for_a_failed_one(
    slack: People, directory: Directory, clock: Clock
) -> None:
    """Where Slack fails after a minute, what it said before does not count."""
    await directory.person("U0ADA")
    clock.now += 61
    slack.fails("users.info", "internal_error")
    with pytest.raises(CannotSay):
        await directory.person("U0ADA")


async def test_each_who_waits_gets_their_own_error(slack: People, directory: Directory) -> None:
    """Two who wait for a look-up that fails do not share the exception."""
    slack.fails("users.info", "internal_error")
    one, other = await asyncio.gather(directory.person("U0ADA"), directory.person("U0ADA"), return_exceptions=True)
    assert isinstance(one, CannotSay)
    assert isinstance(other, CannotSay)
    assert one is not other
    assert len(slack.asked("users.info")) == 1


# --- events ---------------------------------------------------------------------------------------------------------


async def test_an_event_drops_the_answer(slack: People, directory: Directory) -> None:
    """After a membership event the next question goes to Slack."""
    both = frozenset({"C1"})
    slack.says("conversations.info", {"ok": True, "channel": {"id": "C1"}})
    await directory.person("U0ADA", channels=both)
    assert not await directory.is_shared_outside("C1")
    slack.says("conversations.info", {"ok": True, "channel": {"id": "C1", "is_ext_shared": True}})
    slack.groups = []
    slack.members["C1"] = [[]]
    slack.add("U0ADA", is_restricted=True)
    directory.forget_person("U0ADA")
    directory.forget_groups()
    directory.forget_channel("C1")
    person = await directory.person("U0ADA", channels=both)
    assert (person.is_guest, person.groups, person.channels) == (True, frozenset(), frozenset())
    assert await directory.is_shared_outside("C1")


async def test_an_event_drops_nobody_elses_answer(slack: People, directory: Directory) -> None:
    """An event about one person leaves what is known of another."""
    slack.add("U0BOB")
    await directory.person("U0ADA")
    await directory.person("U0BOB")
    directory.forget_person("U0BOB")
    directory.forget_channel("C1")
    assert directory.known("U0ADA") is not None
    assert directory.known("U0BOB") is None


async def test_a_look_up_that_an_event_overtook_is_asked_again(slack: People, directory: Directory) -> None:
    """An answer that was on its way when the event came is neither given nor remembered."""
    slack.held = {"users.info"}
    task = asyncio.create_task(directory.person("U0ADA"))
    await slack.reached.wait()
    slack.add("U0ADA", deleted=True)
    directory.forget_person("U0ADA")
    slack.go.set()
    assert (await task).deleted
    assert len(slack.asked("users.info")) == 2
    known = directory.known("U0ADA")
    assert known is not None
    assert known.deleted


async def test_an_overtaken_answer_does_not_replace_a_newer_one(slack: People, directory: Directory) -> None:
    """Where the newer answer comes first, the older one that comes later is thrown away."""
    slack.held = {"users.info"}
    first = asyncio.create_task(directory.person("U0ADA"))
    await slack.reached.wait()
    slack.add("U0ADA", deleted=True)
    directory.forget_person("U0ADA")
    slack.held = set()
    assert (await directory.person("U0ADA")).deleted
    slack.go.set()
    assert (await first).deleted
    known = directory.known("U0ADA")
    assert known is not None
    assert known.deleted


async def test_the_newer_question_is_the_one_remembered(slack: People, directory: Directory, clock: Clock) -> None:
    """Where somebody wanted it fresher and was answered first, the older answer that comes later is not kept."""
    slack.held = {"users.info"}
    first = asyncio.create_task(directory.person("U0ADA"))
    await slack.reached.wait()
    slack.add("U0ADA", deleted=True)
    slack.held = set()
    clock.now += 1
    assert (await directory.person("U0ADA", max_age=0)).deleted
    slack.go.set()
    await first
    known = directory.known("U0ADA")
    assert known is not None
    assert known.deleted


async def test_look_ups_that_are_always_overtaken_end(slack: People, directory: Directory) -> None:
    """Where each look-up is overtaken by another event, the answer is CannotSay, not a question for ever."""

    async def moving(_: dict[str, Any]) -> web.StreamResponse:
        directory.forget_groups()
        return web.json_response({"ok": True, "usergroups": []})

    slack.answers["usergroups.list"] = moving
    with pytest.raises(CannotSay) as raised:
        await directory.group_members("S1")
    assert raised.value.code == "moving"


async def test_who_stops_waiting_does_not_end_it_for_others(slack: People, directory: Directory) -> None:
    """Cancelling one who waits leaves the shared look-up to the others, and its answer to memory."""
    slack.held = {"users.info"}
    first = asyncio.create_task(directory.person("U0ADA"))
    await slack.reached.wait()
    second = asyncio.create_task(directory.person("U0ADA"))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    slack.go.set()
    assert (await second).name == "Ada"
    assert len(slack.asked("users.info")) == 1


async def test_a_look_up_nobody_waits_for_is_remembered(slack: People, directory: Directory) -> None:
    """Where all who waited gave up, the answer still comes to memory for the next."""
    slack.held = {"users.info"}
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await directory.person("U0ADA")
    slack.go.set()
    await asyncio.gather(*(lookup.task for lookup in directory._people._under_way))
    await directory.group_members("S1")
    assert directory.known("U0ADA") is not None


async def test_closing_ends_the_look_ups(slack: People, directory: Directory) -> None:
    """Who still waits when the directory closes is told that it cannot say."""
    slack.held = {"users.info"}
    task = asyncio.create_task(directory.person("U0ADA"))
    await slack.reached.wait()
    await directory.close()
    with pytest.raises(CannotSay):
        await task


# --- whom rules name ------------------------------------------------------------------------------------------------


async def test_everybody_a_rule_names(directory: Directory) -> None:
    """The people of an audience are its users and the members of its groups and channels."""
    assert await directory.members_of(Audience(users=frozenset({"U9"}))) == {"U9"}
    named = Audience(users=frozenset({"U9"}), groups=frozenset({"S1", "S2", "S9"}), channels=frozenset({"C1"}))
    assert await directory.members_of(named) == {"U9", "U0ADA", "U0BOB", "U0EVE"}
    with pytest.raises(ValueError, match="everyone"):
        await directory.members_of(Audience(everyone=True))


async def test_handles_and_addresses_become_ids(slack: People, directory: Directory) -> None:
    """Handles and addresses are found as they were written; who is unknown is absent, not an error."""

    async def by_email(arguments: dict[str, Any]) -> web.StreamResponse:
        if arguments["email"] == "ada@example.com":
            return web.json_response({"ok": True, "user": {"id": "U0ADA"}})
        return web.json_response({"ok": False, "error": "users_not_found"})

    slack.answers["users.lookupByEmail"] = by_email
    found = await directory.resolve({"@payments-leads", "@nobody"}, {"ada@example.com", "eve@example.com"})
    assert found == {"@payments-leads": "S1", "ada@example.com": "U0ADA"}


async def test_nothing_to_find_asks_nothing(slack: People, directory: Directory) -> None:
    """Without handles and addresses Slack is not asked."""
    assert await directory.resolve(set(), set()) == {}
    assert not slack.calls


async def test_the_loader_waits_as_long_as_slack_says(slack: People, directory: Directory) -> None:
    """A limit while names are looked up is waited for; another failure is CannotSay."""
    answers = [
        web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": "0"}),
        web.json_response({"ok": True, "user": {"id": "U0ADA"}}),
        web.json_response({"ok": False, "error": "missing_scope"}),
    ]

    async def by_email(_: dict[str, Any]) -> web.StreamResponse:
        return answers.pop(0)

    slack.answers["users.lookupByEmail"] = by_email
    assert await directory.resolve(set(), {"ada@example.com"}) == {"ada@example.com": "U0ADA"}
    with pytest.raises(CannotSay):
        await directory.resolve(set(), {"ada@example.com"})


# --- channels -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            {"id": "C1", "name": "cards", "is_member": True},
            ChannelFacts(
                "cards", is_member=True, is_archived=False, is_shared_outside=False, is_im=False, is_open=True
            ),
        ),
        (
            {"id": "C1", "name": "old", "is_archived": True},
            ChannelFacts("old", is_member=False, is_archived=True, is_shared_outside=False, is_im=False, is_open=True),
        ),
        (
            {"id": "C1", "name": "out", "is_member": True, "is_ext_shared": True},
            ChannelFacts("out", is_member=True, is_archived=False, is_shared_outside=True, is_im=False, is_open=True),
        ),
        (
            {"id": "C1", "name": "soon", "is_member": True, "is_pending_ext_shared": True},
            ChannelFacts("soon", is_member=True, is_archived=False, is_shared_outside=True, is_im=False, is_open=True),
        ),
        (
            {"id": "C1", "name": "odd", "is_member": True, "is_shared": True},
            ChannelFacts("odd", is_member=True, is_archived=False, is_shared_outside=True, is_im=False, is_open=True),
        ),
        (
            {"id": "C1", "name": "grid", "is_member": True, "is_shared": True, "is_org_shared": True},
            ChannelFacts("grid", is_member=True, is_archived=False, is_shared_outside=False, is_im=False, is_open=True),
        ),
        (
            {"id": "C1", "name": "own", "is_member": True, "is_private": True},
            ChannelFacts("own", is_member=True, is_archived=False, is_shared_outside=False, is_im=False, is_open=False),
        ),
        (
            {"id": "D1", "is_im": True},
            ChannelFacts("", is_member=True, is_archived=False, is_shared_outside=False, is_im=True, is_open=False),
        ),
    ],
)
async def test_what_a_channel_is(
    slack: People, directory: Directory, said: dict[str, Any], expected: ChannelFacts
) -> None:
    """The start-up checks learn of a channel what they must refuse."""
    slack.says("conversations.info", {"ok": True, "channel": said})
    assert await directory.channel("C1") == expected


async def test_a_channel_that_is_not_there(slack: People, directory: Directory) -> None:
    """A channel that the bot cannot see is None; a Slack that fails is CannotSay."""
    slack.fails("conversations.info", "channel_not_found")
    assert await directory.channel("C9") is None
    slack.fails("conversations.info", "missing_scope")
    with pytest.raises(CannotSay):
        await directory.channel("C9")
