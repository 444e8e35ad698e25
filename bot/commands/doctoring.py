"""`doctor`: whatever the bot needs, looked at from where it stands, each finding with what to do. Nothing is changed.

What one look needs and another found wanting is not guessed at: it is said that it could not be looked at.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from bot import app, config, layout, logs, online_check, opening, settings
from bot.commands import away
from bot.commands.progress import Progress
from bot.config import Config, ConfigError
from bot.core.faults import Fault
from bot.core.model import Rulebook
from bot.errors import FAILED
from bot.settings import Need, Settings, SettingsError
from bot.slack.client import PreflightError, call, date_of, pin_proxy
from bot.store import chain, ledger
from bot.store.engine import DatabaseError, NoDatabaseError, has_worker, lock_path
from bot.store.seal import Seal
from bot.store.store import Store
from bot.tyk.dashboard import Dashboard, DashboardError, Forbidden, KeysBy, Unauthorised

MOST_APART = 60.0
"""Seconds by which a clock may be wrong: ends of keys are reckoned by it, and Slack's signatures hold for five minutes."""

LEAST_FILES = 1024
LEAST_ROOM = 100 << 20
NO_KEY = "tyk-key-bot-doctor"
"""A name that no key has: deleting it changes nothing, and is refused to a user who may not delete keys."""
OF_USE: Mapping[str, str] = {
    "keys": "write",
    **dict.fromkeys(("apis", "policies", "portal", "mcp", "analytics"), "read"),
}
"""What the Dashboard user may do at most, by section: some Dashboards want `portal` for policies, and `who` uses `analytics`."""


class State(StrEnum):
    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """One look and its result; `advice` says what to do."""

    about: str
    state: State
    found: str
    advice: str = ""


Say = Callable[[Finding], None]


def doctor(arguments: argparse.Namespace, environ: Any) -> int:
    """A line for each finding. 0 only where all was looked at and nothing is wrong."""
    logs.configure("CRITICAL", "text")
    with Progress() as progress:
        found = asyncio.run(_examined(arguments.config, environ, progress))
    is_well = not any(one.state in (State.WRONG, State.UNKNOWN) for one in found)
    if arguments.json:
        layout.put(json.dumps({"well": is_well, "findings": [asdict(one) for one in found]}, indent=2))
    else:
        for line in said(found, layout.width_of(sys.stdout)):
            layout.put(line)
    return 0 if is_well else FAILED


def said(findings: Iterable[Finding], width: int | None) -> Iterable[str]:
    """Lines for a person, and how many of them are wrong."""
    counts = dict.fromkeys(State, 0)
    for one in findings:
        counts[one.state] += 1
        line = f"{one.state:<8} {one.about}: {one.found} {one.advice}".rstrip()
        yield from layout.wrapped(line, width, "", " " * 9) if width else [line]
    words = {State.WRONG: "wrong", State.UNKNOWN: "not looked at", State.NOTE: "to know", State.OK: "well"}
    yield ", ".join(f"{counts[state]} {word}" for state, word in words.items()) + "."


async def _examined(path: Path, environ: MutableMapping[str, str], progress: Progress) -> list[Finding]:
    proxies = dict(environ)
    found = [*_machine(), *_environment(environ)]
    loaded = _file(path, found)
    pin_proxy(environ)
    found += _database(_settings(environ, Need.DATABASE), _settings(environ, Need.SEAL))
    rulebook: Rulebook | None = None
    progress.at("Slack")
    if loaded is None or (slack := _settings(environ, Need.SLACK)) is None:
        found.append(_not_yet("slack", loaded))
    else:
        rulebook = await _slack(loaded, slack, proxies, found.append)
    progress.at("Tyk")
    if loaded is None or (tyk := _settings(environ, Need.TYK)) is None:
        found.append(_not_yet("tyk", loaded))
    else:
        await _tyk(loaded, rulebook, tyk, proxies, found.append)
    return found


def _not_yet(about: str, loaded: Config | None) -> Finding:
    what = "the environment is" if loaded is not None else "the configuration and the environment are"
    return Finding(about, State.UNKNOWN, "not looked at.", f"First {what} to be put right: see above.")


# --- here -------------------------------------------------------------------------------------------------------------


def _machine() -> Iterable[Finding]:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < LEAST_FILES:
        advice = f"Allow {LEAST_FILES} (`ulimit -n`, LimitNOFILE=, --ulimit nofile=)."
        yield Finding(
            "limits", State.WRONG, f"a process may open {files} files here, which a crowd of people exceeds.", advice
        )
    else:
        yield Finding("limits", State.OK, "enough files can be open at once.")


def _environment(environ: Mapping[str, str]) -> Iterable[Finding]:
    """Each complaint about a variable, and one line where there is none."""
    try:
        settings.load(environ)
    except SettingsError as error:
        yield from (Finding("environment", State.WRONG, complaint) for complaint in error.complaints)
    else:
        yield Finding("environment", State.OK, "every variable that `run` needs is there, and looks right.")


def _settings(environ: Mapping[str, str], need: Need) -> Settings | None:
    """Those for one thing, None where they are wrong: that has been said."""
    try:
        return settings.load(environ, needs=frozenset({need}))
    except SettingsError:
        return None


def _file(path: Path, found: list[Finding]) -> Config | None:
    try:
        loaded = config.load(path)
    except ConfigError as error:
        found += [Finding("configuration", State.WRONG, str(one)) for one in error.complaints]
        return None
    found.append(
        Finding("configuration", State.OK, f"{path}: {layout.many(len(loaded.apis), 'API')}, digest {loaded.digest}.")
    )
    return loaded


# --- the database -----------------------------------------------------------------------------------------------------


def _database(found: Settings | None, sealing: Settings | None) -> Iterable[Finding]:
    if found is None:
        yield Finding(
            "database", State.UNKNOWN, "not looked at.", "First the environment is to be put right: see above."
        )
        return
    try:
        with opening.command_store(found) as store:
            _try_to_write(store)
            yield Finding("database", State.OK, "of this version, and it can be written.")
            yield from _clock("database", _now(store))
            yield from _sealed(store, sealing)
    except NoDatabaseError as error:
        yield Finding("database", State.NOTE, error.sentence)
        return
    except DatabaseError as error:
        yield Finding("database", State.WRONG, error.sentence)
        return
    yield from _beside(found.database_url)


def _try_to_write(store: Store) -> None:
    """Write, and take it back. Raises DatabaseError."""
    with store.transaction() as tx:
        tx.remember("doctor", True)
        tx.rollback()


def _now(store: Store) -> datetime:
    with store.reading() as tx:
        return tx.now


def _sealed(store: Store, found: Settings | None) -> Iterable[Finding]:
    if found is None:
        yield Finding("seal keys", State.UNKNOWN, "not tried.", "First SEAL_KEYS is to be put right: see above.")
        return
    seal = Seal(found.seal_keys)
    with store.reading() as tx:
        lost, audit_keys = ledger.lost_tokens(tx, seal), chain.keys(tx, seal)
        older = sum(seal.opens(one.sealed) and not seal.is_newest(one.sealed) for one in ledger.sealed_tokens(tx))
    if lost:
        yield Finding("seal keys", State.WRONG, lost.sentence)
    if audit_keys.lost:
        yield Finding("seal keys", State.WRONG, audit_keys.sentence)
    if not lost and not audit_keys.lost:
        yield Finding("seal keys", State.OK, "they open every sealed token, and the audit's key.")
    if older:
        told = f"{layout.many(older, 'token')} sealed with an older key."
        yield Finding("seal keys", State.NOTE, told, "`tyk-key-bot reseal` seals them anew; then the older key can go.")


def _beside(url: str) -> Iterable[Finding]:
    """The file's folder, and whether a bot runs on it; of PostgreSQL neither can be told from here."""
    path = lock_path(url)
    if path is None:
        return
    room = shutil.disk_usage(path.parent).free
    if room < LEAST_ROOM:
        told = f"{room >> 20} MB are left on the disk of {path.parent.absolute()}."
        yield Finding("limits", State.WRONG, told, "Make room: a database that cannot grow takes no request.")
    runs = has_worker(url)
    if runs is None:
        yield Finding("database", State.UNKNOWN, "whether a bot runs on it cannot be told from here.")
    else:
        yield Finding(
            "database", State.OK if runs else State.NOTE, "a bot runs on it." if runs else "no bot runs on it."
        )


# --- Slack ------------------------------------------------------------------------------------------------------------


async def _slack(loaded: Config, found: Settings, environ: Mapping[str, str], say: Say) -> Rulebook | None:
    """The rules in force, where Slack could be asked for them."""
    rulebook: Rulebook | None = None
    try:
        async with app.connected_slack(loaded, found, environ) as slack:
            team = slack.workspace.team_id
            say(
                Finding(
                    "slack", State.OK, f"it takes the tokens, for workspace {team}, with every scope that is needed."
                )
            )
            answer = await call(slack.client, "auth.test", {})
            for one in _clock("slack", date_of(answer.headers.get("Date"))):
                say(one)
            rulebook = await online_check.rulebook_of(loaded, slack.directory)
            complaints = await online_check.slack_complaints(loaded, rulebook, slack.directory, slack.workspace)
            for complaint in complaints:
                say(Finding("slack", State.WRONG, str(complaint)))
            if not complaints:
                say(
                    Finding(
                        "slack", State.OK, "every channel, group and person of the file is there, and can be asked."
                    )
                )
            for note in (
                *await online_check.slack_notes(loaded, slack.directory),
                *await online_check.stale_ids(loaded, slack.directory),
            ):
                say(Finding("slack", State.NOTE, str(note)))
    except (PreflightError, ConfigError) as error:
        say(Finding("slack", State.WRONG, str(error)))
    except Fault as fault:
        say(Finding("slack", State.UNKNOWN, away.sentence(fault, environ)))
    return rulebook


# --- Tyk --------------------------------------------------------------------------------------------------------------


async def _tyk(
    loaded: Config, rulebook: Rulebook | None, found: Settings, environ: Mapping[str, str], say: Say
) -> None:
    keys_by = KeysBy(loaded.tyk.keys_by)
    async with opening.connected_tyk(loaded.tyk.dashboard_url, keys_by, found, environ) as dashboard:
        try:
            await dashboard.apis()
        except Forbidden:
            say(Finding("tyk", State.WRONG, "the Dashboard user may not list APIs.", "Give it `apis: read`."))
        except DashboardError as error:
            state = State.WRONG if isinstance(error, Unauthorised) else State.UNKNOWN
            say(Finding("tyk", state, error.told(dashboard.url)))
            return
        else:
            say(Finding("tyk", State.OK, "the Dashboard takes the credential, and lists its APIs."))
        for one in _clock("tyk", date_of(dashboard.date)):
            say(one)
        await _permissions(dashboard, say)
        for note in await online_check.tyk_notes(loaded, dashboard):
            say(Finding("tyk", State.NOTE, str(note)))
        await _catalogue(loaded, rulebook or _as_written(loaded), dashboard, say)
    if keys_by is KeysBy.HASH:
        told = "whether keys are changed and deleted by their hash is seen with the first key."
        advice = "The Dashboard needs enable_update_key_by_hash and enable_delete_key_by_hash."
        say(Finding("tyk", State.NOTE, told, advice))


async def _catalogue(loaded: Config, rulebook: Rulebook, dashboard: Dashboard, say: Say) -> None:
    """The APIs and policies of the file beside Tyk's."""
    try:
        complaints = await online_check.tyk_complaints(loaded, rulebook, dashboard)
    except DashboardError as error:
        say(Finding("tyk", State.UNKNOWN, f"its APIs and policies: {error.told(dashboard.url)}"))
        return
    for complaint in complaints:
        say(Finding("tyk", State.WRONG, str(complaint)))
    if not complaints:
        say(Finding("tyk", State.OK, "it has every API and policy of the file, as the file says."))


def _as_written(loaded: Config) -> Rulebook:
    """The rules with each name for itself, where Slack could not be asked: of APIs and policies they say the same."""
    return loaded.rulebook({mention.text: mention.text for mention in loaded.mentions()})


async def _permissions(dashboard: Dashboard, say: Say) -> None:
    """Tell what the Dashboard user may do with policies and keys."""
    try:
        await dashboard.policies()
    except Forbidden:
        advice = "Where plans name policies, give it `policies: read`, and `portal: read` where that is not enough."
        say(Finding("tyk", State.NOTE, "the Dashboard user may not list policies.", advice))
    except DashboardError as error:
        say(Finding("tyk", State.UNKNOWN, f"its policies: {error.told(dashboard.url)}"))
    try:
        await dashboard.delete_key(NO_KEY)
    except Forbidden:
        say(Finding("tyk", State.WRONG, "the Dashboard user may not write keys.", "Give it `keys: write`."))
    except DashboardError as error:
        say(Finding("tyk", State.UNKNOWN, f"whether its user may write keys: {error.told(dashboard.url)}"))
    else:
        say(
            Finding(
                "tyk", State.OK, "the Dashboard user may write keys: deleting one that nobody has was not forbidden."
            )
        )
    await _privileges(dashboard, say)
    try:
        listed = await dashboard.keys_page(1)
    except DashboardError as error:
        say(Finding("tyk", State.UNKNOWN, f"its list of keys: {error.told(dashboard.url)}"))
        return
    if listed is None:
        told = "its list of keys is off, so that `reconcile` does not find keys that are not the bot's."
        say(
            Finding(
                "tyk", State.NOTE, told, "enable_hashed_keys_listing, in the Gateway and in the Dashboard, turns it on."
            )
        )


async def _privileges(dashboard: Dashboard, say: Say) -> None:
    """Tell where the Dashboard user may do more than is of use, as far as Tyk says: to those who may read the list of users."""
    try:
        told = await dashboard.permissions()
    except Forbidden:
        lesser = "the Dashboard user is no administrator, nor sees the credentials of one. What else it may do, Tyk does not say."
        say(Finding("tyk", State.OK, lesser))
        return
    except DashboardError as error:
        say(Finding("tyk", State.UNKNOWN, f"whether its user may do more than it needs: {error.told(dashboard.url)}"))
        return
    if told is None:
        much = "may read all users, with their credentials"
    elif not told or "IsAdmin" in told:
        much = "is an administrator"
    else:
        enough = (("deny", "read", OF_USE[one]) if one in OF_USE else ("deny",) for one in told)
        more = [f"{one} {may}" for (one, may), less in zip(told.items(), enough, strict=True) if may not in less]
        much = f"may do more than it needs: {', '.join(sorted(more))}"
    advice = "Leave it keys write, apis read, policies read, and deny all else: the bot's host holds its credentials."
    say(Finding("tyk", State.NOTE, f"the Dashboard user {much}.", advice))


# --- clocks -----------------------------------------------------------------------------------------------------------


def _clock(about: str, theirs: datetime | None) -> Iterable[Finding]:
    if theirs is None:
        yield Finding(about, State.UNKNOWN, "its clock: the answer has no Date.")
        return
    apart = time.time() - theirs.timestamp()
    if abs(apart) <= MOST_APART:
        yield Finding(about, State.OK, "its clock and the one here agree.")
        return
    which = "ahead of" if apart > 0 else "behind"
    told = f"the clock here is {abs(apart):.0f} seconds {which} its own."
    yield Finding(about, State.WRONG, told, "Let both follow a time server: keys end by these clocks.")
