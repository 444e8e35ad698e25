"""The world of the sandbox: a workspace with its people, groups and channels, and a Tyk with its APIs and policies."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk, Switches

CONFIG = Path(__file__).parent / "config.yaml"
BOT_TOKEN = "xoxb-sandbox"
APP_TOKEN = "xapp-sandbox"


# --- who and what is in it --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Someone:
    """A person to be. `kind` is one of the workspace's; `about` says in a few words what they are there for."""

    name: str
    kind: str = "member"
    about: str = ""
    real_name: str | None = None
    id: str | None = None
    email: str | None = None
    time_zone: str = "Europe/Amsterdam"
    title: str = ""


@dataclass(frozen=True)
class Group:
    handle: str
    members: tuple[str, ...]
    id: str | None = None


@dataclass(frozen=True)
class Room:
    """A channel. `shared`: with another company, and then without the bot."""

    name: str
    members: tuple[str, ...]
    id: str | None = None
    shared: bool = False


@dataclass(frozen=True)
class Cast:
    """Everybody. Groups and channels name people by their `name`."""

    people: tuple[Someone, ...]
    groups: tuple[Group, ...] = ()
    channels: tuple[Room, ...] = ()


@dataclass(frozen=True)
class Api:
    api_id: str
    name: str
    listen_path: str
    auth_header: str = "Authorization"
    versions: tuple[str, ...] = ("Default",)


@dataclass(frozen=True)
class Policy:
    """`opens` are ids of APIs."""

    id: str
    opens: tuple[str, ...]
    key_expires_in: int = 0


@dataclass(frozen=True)
class Catalogue:
    """The APIs and policies that the local Tyk has."""

    apis: tuple[Api, ...]
    policies: tuple[Policy, ...] = ()


PEOPLE = (
    Someone("alice", about="asks", real_name="Alice Adams", title="Backend engineer"),
    Someone("bob", about="approves", real_name="Bob Brown", title="Payments lead"),
    Someone(
        "carol",
        about="approves, audits",
        real_name="Carol Clark",
        time_zone="America/New_York",
        title="Security engineer",
    ),
    Someone("dave", about="asks, approves", real_name="Dave Diaz", title="Data engineer"),
    Someone("gwen", kind="guest", about="guest", real_name="Gwen Green"),
    Someone("oscar", kind="external", about="outsider", real_name="Oscar Olsen"),
)
SHARED = Room("partners", ("alice", "oscar"), "C0PARTNERS", shared=True)
CAST = Cast(
    PEOPLE,
    groups=(
        Group("payments-devs", ("alice", "bob", "dave"), "S0DEVS"),
        Group("payments-leads", ("bob", "carol", "dave"), "S0LEADS"),
        Group("api-owners", ("carol", "dave"), "S0OWNERS"),
    ),
    channels=(
        Room("approvals", ("bob", "carol", "dave"), "C0APPROVALS"),
        Room("audit", ("carol",), "C0AUDIT"),
        Room("help", ("alice", "bob", "carol", "dave", "gwen"), "C0HELP"),
        SHARED,
    ),
)
_PAYMENTS, _LEDGER = "5f1c0b5c6ad84c3c8d0b5f0d7d6e9a11", "0f6de3a3b0f04b7f9f5a4b8a2c1d7e90"
CATALOGUE = Catalogue(
    apis=(
        Api("ad5004d961a147d4649fd3216694ebe2", "test-api", "/test-api/"),
        Api(_PAYMENTS, "payments", "/payments/"),
        Api(_LEDGER, "ledger", "/ledger/"),
    ),
    policies=(Policy("5f1c0b5c6ad84c3c8d0b5f0e", (_PAYMENTS, _LEDGER), key_expires_in=90 * 86400),),
)


# --- the world --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    slack: LocalSlack
    tyk: LocalTyk
    cast: Cast = CAST

    def config(self, text: str | None = None) -> str:
        """The configuration that fits this world; `text` is one of somebody's own."""
        return (CONFIG.read_text() if text is None else text).replace("GATEWAY", self.tyk.gateway_url)

    def environ(self) -> dict[str, str]:
        """The bot's environment variables, with which it talks to this world and to no other."""
        return {
            "SLACK_API_URL": self.slack.url,
            "SLACK_BOT_TOKEN": BOT_TOKEN,
            "SLACK_APP_TOKEN": APP_TOKEN,
            "TYK_DASHBOARD_URL": self.tyk.dashboard_url,
            "TYK_DASHBOARD_KEY": self.tyk.credential,
        }


@asynccontextmanager
async def world(
    scopes: Sequence[str],
    *,
    clock: Callable[[], float] = time.time,
    rate_limits: bool = True,
    cast: Cast = CAST,
    catalogue: Catalogue = CATALOGUE,
) -> AsyncIterator[World]:
    """Both servers, running on loopback. `scopes` are those that the app was granted."""
    slack = LocalSlack(
        bot_token=BOT_TOKEN, app_token=APP_TOKEN, scopes=list(scopes), rate_limits=rate_limits, clock=clock
    )
    by_hash = Switches(enable_update_key_by_hash=True, enable_delete_key_by_hash=True, enable_hashed_keys_listing=True)
    tyk = LocalTyk(clock=clock, switches=by_hash)
    _settle(slack, cast)
    _stock(tyk, catalogue)
    await slack.start()
    await tyk.start()
    try:
        yield World(slack, tyk, cast)
    finally:
        await slack.stop()
        await tyk.stop()


def _settle(slack: LocalSlack, cast: Cast) -> None:
    workspace = slack.workspace
    for one in cast.people:
        user = workspace.add_user(one.name, kind=one.kind, id=one.id, real_name=one.real_name, email=one.email)
        user.tz, user.title = one.time_zone, one.title
    for group in cast.groups:
        workspace.add_group(group.handle, id=group.id, members=group.members)
    for room in cast.channels:
        workspace.add_channel(
            room.name, id=room.id, members=room.members, bot_is_member=not room.shared, is_ext_shared=room.shared
        )


def _stock(tyk: LocalTyk, catalogue: Catalogue) -> None:
    for api in catalogue.apis:
        tyk.add_api(api.api_id, api.name, api.listen_path, auth_header=api.auth_header, versions=api.versions)
    for policy in catalogue.policies:
        tyk.add_policy(policy.id, opens=policy.opens, key_expires_in=policy.key_expires_in)
