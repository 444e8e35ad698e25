"""The verbs. Each says what is wrong in a sentence and ends with 2 where the input is at fault, with 1 where the world is."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bot import app, config, durations, logs, manifest, online_check, reports, settings, web
from bot.config import Config, ConfigError
from bot.core.faults import Fault
from bot.core.in_force import InForce
from bot.core.model import Effect, EffectState, Rulebook
from bot.operations import Operations
from bot.settings import Need, Settings, SettingsError
from bot.slack.client import PreflightError, pin_proxy
from bot.store import ledger
from bot.store.engine import DatabaseError
from bot.store.ledger import Filter, Holding
from bot.store.seal import new_key
from bot.store.transaction import Transaction
from bot.tyk.dashboard import ApiDefinition, DashboardError, Forbidden, KeysBy, TykPolicy
from bot.tyk.entries import entries

STORIES = ("main", "bad-day")
WRONG_INPUT = 2
FAILED = 1


class UsageError(Exception):
    """The command's own words are off."""


def main(argv: Sequence[str] | None = None) -> None:
    sys.exit(execute(sys.argv[1:] if argv is None else argv, os.environ))


def execute(argv: Sequence[str], environ: Any) -> int:  # noqa: PLR0911 - one return a way to end
    """Run one command. Returns its exit code; every complaint is on standard error."""
    arguments = _parser(argv).parse_args(argv)
    try:
        return int(arguments.verb(arguments, environ) or 0)
    except (ConfigError, SettingsError, UsageError, PreflightError) as error:
        _complain(str(error))
        return WRONG_INPUT
    except (DatabaseError, app.SocketLostError, web.PortError) as error:
        _complain(str(error))
        return FAILED
    except DashboardError as error:
        _complain(f"Tyk did not answer as it should ({error.code}). {error}")
        return FAILED
    except Fault as fault:
        _complain(f"Slack did not answer as it should ({fault.code}).")
        return FAILED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130


def _complain(text: str) -> None:
    print(text, file=sys.stderr)


# --- the bot ----------------------------------------------------------------------------------------------------------


def run(arguments: argparse.Namespace, environ: Any) -> int:
    loaded, found = _load(arguments, environ, Need.SLACK, Need.TYK, Need.DATABASE, Need.SEAL)
    logs.configure(found.log_level, found.log_format)
    return asyncio.run(_until_signal(loaded, found, environ, restored=arguments.restored))


async def _until_signal(loaded: Config, found: Settings, environ: Any, *, restored: bool) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await app.run(loaded, found, environ, stop, restored=restored)
    return 0


def check(arguments: argparse.Namespace, environ: Any) -> int:
    """The file alone; with --online, also what Slack and Tyk know of what it names."""
    if not arguments.online:
        loaded = config.load(arguments.config)
        print(f"{arguments.config}: {len(loaded.apis)} APIs, digest {loaded.digest}. No complaint.")
        return 0
    loaded, found = _load(arguments, environ, Need.SLACK, Need.TYK)
    logs.configure("WARNING", "text")
    notes, complaints = asyncio.run(_check_online(loaded, found, environ))
    for note in notes:
        print(f"note: {note}")
    for complaint in complaints:
        _complain(str(complaint))
    if complaints:
        return WRONG_INPUT
    print(f"{arguments.config}: {len(loaded.apis)} APIs, digest {loaded.digest}. Slack and Tyk know all it names.")
    return 0


async def _check_online(loaded: Config, found: Settings, environ: Any) -> tuple[Sequence[object], Sequence[object]]:
    """What is worth knowing, and what is wrong."""
    proxies = dict(environ)
    pin_proxy(environ)
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(app.connected_slack(loaded, found, proxies))
        keys_by = KeysBy(loaded.tyk.keys_by)
        dashboard = await stack.enter_async_context(
            app.connected_tyk(loaded.tyk.dashboard_url, keys_by, found, proxies)
        )
        rulebook = await online_check.rulebook_of(loaded, slack.directory)
        at_slack = await online_check.slack_complaints(loaded, rulebook, slack.directory, slack.workspace)
        notes = await online_check.slack_notes(loaded, slack.directory)
        return notes, [*at_slack, *await online_check.tyk_complaints(loaded, rulebook, dashboard)]


# --- setting it up ----------------------------------------------------------------------------------------------------


def apis(arguments: argparse.Namespace, environ: Any) -> int:
    """Ready entries for config.yaml, from the Dashboard, with nobody allowed yet: a person adds the people."""
    needed = settings.load(environ, needs=frozenset({Need.TYK}))
    url = needed.tyk_dashboard_url or _dashboard_url(arguments.config)
    found, policies = asyncio.run(_catalogue(url, needed, environ))
    wanted = [api for api in found if (arguments.match or "").casefold() in f"{api.name} {api.listen_path}".casefold()]
    if not wanted:
        _complain("Tyk has no such API." if arguments.match else "Tyk has no API that this user may see.")
        return FAILED
    print(entries(wanted, policies), end="")
    return 0


def _dashboard_url(path: Path) -> str:
    if not path.exists():
        raise UsageError(f"Where is the Dashboard? Set TYK_DASHBOARD_URL, or write tyk.dashboard_url into {path}.")
    return config.load(path).tyk.dashboard_url


async def _catalogue(
    url: str, found: Settings, environ: Mapping[str, str]
) -> tuple[list[ApiDefinition], tuple[TykPolicy, ...]]:
    """APIs and policies; of policies that this user may not list, none and a word of it."""
    async with app.connected_tyk(url, KeysBy.ID, found, environ) as dashboard:
        apis = [*await dashboard.apis(), *await dashboard.mcps()]
        try:
            return apis, await dashboard.policies()
        except Forbidden as error:
            _complain(f"The policies are left out: this Dashboard user may not list them ({error.code}).")
            return apis, ()


def print_manifest(arguments: argparse.Namespace, _environ: Any) -> int:
    made = manifest.manifest(
        config.load(arguments.config), socket_mode=arguments.request_url is None, request_url=arguments.request_url
    )
    print(json.dumps(made, indent=2))
    return 0


def seal_key(_arguments: argparse.Namespace, _environ: Any) -> int:
    print(new_key())
    return 0


def schema(_arguments: argparse.Namespace, _environ: Any) -> int:
    print(json.dumps(config.schema(), indent=2))
    return 0


# --- looking and mending ----------------------------------------------------------------------------------------------


def keys(arguments: argparse.Namespace, environ: Any) -> int:
    with _reading(environ) as tx:
        held = ledger.holdings(tx, _filter(arguments))
        _print(map(reports.key_row, held), reports.KEYS, arguments.format)
    return 0


def audit(arguments: argparse.Namespace, environ: Any) -> int:
    with _reading(environ) as tx:
        trail = tx.audit_trail(since=_since(arguments.since), api=arguments.api, person=arguments.person)
        _print(map(reports.audit_row, trail), reports.AUDIT, arguments.format)
    return 0


def requests(arguments: argparse.Namespace, environ: Any) -> int:
    """What waits and what is stuck, with the ids that `retry` takes."""
    with _reading(environ) as tx:
        parked: dict[str | None, list[Effect]] = {}
        for effect in tx.effects(EffectState.PARKED):
            parked.setdefault(effect.request_id, []).append(effect)
        ids = dict.fromkeys([*(one for one in parked if one), *tx.waiting()])
        rows = [reports.request_row(record, parked.get(record.request.id, ())) for record in tx.records(ids)]
    _print(rows, reports.REQUESTS, arguments.format)
    return 0


def retry(arguments: argparse.Namespace, environ: Any) -> int:
    if not arguments.all and not arguments.ids:
        raise UsageError("Say which: `tyk-key-bot retry ID ...`, or --all.")
    with app.command_store(_database(environ)) as store, store.transaction() as tx:
        parked = [effect.id for effect in tx.effects(EffectState.PARKED)]
        chosen = parked if arguments.all else [number for number in parked if number in arguments.ids]
        if not chosen:
            raise UsageError("Nothing parked has such an id: `tyk-key-bot requests` shows what is parked.")
        tx.reopen(chosen)
    print(f"Taken up again: {len(chosen)}.")
    return 0


def revoke(arguments: argparse.Namespace, environ: Any) -> int:
    """Ends grants. The list comes first; nothing happens without --yes or a person's yes."""
    if arguments.number and arguments.id:
        raise UsageError("Say the number once: R-1042, or --id R-1042.")
    arguments.number = arguments.number or arguments.id
    if not (arguments.number or arguments.person or arguments.api):
        raise UsageError("Say what to end: a number such as R-1042, --person or --api.")
    wanted = replace(_filter(arguments), number=_number(arguments.number) if arguments.number else None, living=True)
    with _reading(environ) as tx:
        found = list(ledger.holdings(tx, wanted))
    if not found:
        print("Nothing that lives matches.")
        return 0
    _print(map(reports.key_row, found), reports.KEYS, "table")
    if not arguments.yes and not _says_yes(f"End these {len(found)}? [y/N] "):
        print("Nothing was done.")
        return 0
    ended = asyncio.run(_revoke(found, arguments.reason, environ))
    print(f"Ended: {ended}. A running bot deletes the keys at Tyk now; without one, they are deleted when it starts.")
    return 0


def _says_yes(question: str) -> bool:
    try:
        return input(question).strip().lower() == "y"
    except EOFError:
        raise UsageError("Nobody is there to say yes, so nothing was done: --yes does not ask.") from None


async def _revoke(found: Sequence[Holding], reason: str, environ: Any) -> int:
    with app.command_store(_database(environ)) as store:
        operations = Operations(store, InForce(Rulebook("", {})), app.new_id)
        outcomes = [await operations.revoke(held.request_id, None, reason) for held in found]
    return sum(outcome.refusal is None for outcome in outcomes)


@contextmanager
def _reading(environ: Any) -> Iterator[Transaction]:
    with app.command_store(_database(environ)) as store, store.reading() as tx:
        yield tx


def _filter(arguments: argparse.Namespace) -> Filter:
    return Filter(since=_since(arguments.since), api=arguments.api, person=arguments.person)


def _database(environ: Mapping[str, str]) -> Settings:
    return settings.load(environ, needs=frozenset({Need.DATABASE}))


def _print(rows: Any, columns: Sequence[str], how: str) -> None:
    for line in reports.render(rows, columns, how):
        print(line)


def _number(text: str) -> int:
    found = re.fullmatch(r"(?:R-)?([0-9]{1,9})", text.strip(), re.IGNORECASE)
    if found is None:
        raise UsageError(f"{text!r} is no request's number; they look like R-1042.")
    return int(found[1])


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is a number up to 65535, not {text!r}")
    return int(text)


def _since(text: str | None) -> datetime | None:
    """`7d`, `12h` ago, or a date."""
    if text is None:
        return None
    if (ago := durations.in_seconds(text)) is not None:
        with suppress(OverflowError):
            return datetime.now(UTC) - timedelta(seconds=ago)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--since takes 12h, 7d or 2026-01-31, not {text!r}.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


# --- the sandbox ------------------------------------------------------------------------------------------------------


def sandbox(arguments: argparse.Namespace, _environ: Any) -> int:
    from bot.sandbox import run as here  # noqa: PLC0415 - `run` in production loads none of the fake servers
    from bot.sandbox.demos import main_story as stories  # noqa: PLC0415 - as above

    logs.configure("WARNING", "text")
    if arguments.play:
        return asyncio.run(stories.play(arguments.play))
    browser = not arguments.no_browser
    return asyncio.run(here.stay(arguments.config, arguments.people, port=arguments.port, browser=browser))


# --- the words --------------------------------------------------------------------------------------------------------


def _load(arguments: argparse.Namespace, environ: Any, *needs: Need) -> tuple[Config, Settings]:
    """Both, or every complaint about either at once."""
    complaints, loaded, found = [], None, None
    try:
        loaded = config.load(arguments.config)
    except ConfigError as error:
        complaints.append(str(error))
    try:
        found = settings.load(environ, needs=frozenset(needs))
    except SettingsError as error:
        complaints.append(str(error))
    if loaded is None or found is None:
        raise UsageError("\n".join(complaints))
    return loaded, found


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tyk-key-bot", description="Self-service Tyk tokens in Slack.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, action: Any, about: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=about, description=about)
        added.set_defaults(verb=action)
        return added

    def takes_config(one: argparse.ArgumentParser) -> None:
        one.add_argument(
            "--config", type=Path, default=Path("config.yaml"), metavar="FILE", help="config.yaml unless given"
        )

    def filters(one: argparse.ArgumentParser) -> None:
        one.add_argument("--since", metavar="WHEN", help="12h, 7d, or a date")
        one.add_argument("--api", metavar="NAME", help="an entry of config.yaml")
        one.add_argument("--person", metavar="ID", help="a Slack user id")

    def formats(one: argparse.ArgumentParser) -> None:
        one.add_argument("--format", choices=("table", "csv", "jsonl"), default="table")

    running = verb("run", run, "Start the bot.")
    takes_config(running)
    running.add_argument(
        "--restored",
        action="store_true",
        help="the database is a restored backup: put open keys aside for a person to decide",
    )
    checking = verb("check", check, "Check config.yaml; with --online, against the real Slack and Tyk.")
    takes_config(checking)
    checking.add_argument("--online", action="store_true")
    playing = verb("sandbox", sandbox, "Start a local Slack, a local Tyk and the bot between them.")
    playing.add_argument(
        "--play",
        nargs="?",
        const="main",
        choices=STORIES,
        help="play a story without a person, the main one unless named, and say whether all of it was seen",
    )
    playing.add_argument("--config", type=Path, metavar="FILE", help="try this configuration")
    playing.add_argument("--people", type=Path, metavar="FILE", help="who is there; see below")
    playing.add_argument(
        "--port", type=_port, metavar="N", help="where the page is, 0 for any; 8888 or the next unless given"
    )
    playing.add_argument("--no-browser", action="store_true", help="only print the page's address")
    if "sandbox" in argv:
        from bot.sandbox import people  # noqa: PLC0415 - `run` in production loads none of the fake servers

        playing.formatter_class = argparse.RawDescriptionHelpFormatter
        playing.epilog = f"A people file, such as people.yaml:\n\n{people.EXAMPLE}"
    listing = verb("apis", apis, "Print ready entries for config.yaml from the Dashboard.")
    takes_config(listing)
    listing.add_argument("--match", metavar="TEXT", help="only those whose name or path contains it")
    manifesting = verb("manifest", print_manifest, "Print the Slack app manifest that fits config.yaml.")
    takes_config(manifesting)
    manifesting.add_argument("--request-url", metavar="URL", help="for HTTP mode: where Slack sends to")
    verb("seal-key", seal_key, "Print a new key for SEAL_KEYS.")
    verb("schema", schema, "Print the JSON Schema of config.yaml, for editors.")
    for name, action, about in (
        ("keys", keys, "Who holds what until when, approved by whom under which rule."),
        ("audit", audit, "What happened, in order."),
    ):
        one = verb(name, action, about)
        filters(one)
        formats(one)
    formats(verb("requests", requests, "What waits, and what is stuck."))
    retrying = verb("retry", retry, "Take up again what was parked.")
    retrying.add_argument("ids", nargs="*", type=int, metavar="ID")
    retrying.add_argument("--all", action="store_true")
    revoking = verb("revoke", revoke, "End grants; lists first what it will end.")
    revoking.add_argument("number", nargs="?", metavar="R-NUMBER")
    revoking.add_argument("--id", metavar="R-NUMBER", help="the same")
    filters(revoking)
    revoking.add_argument("--reason", default="revoked by an operator", metavar="TEXT")
    revoking.add_argument("--yes", action="store_true", help="do not ask")
    return parser
