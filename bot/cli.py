"""The words of `tyk-key-bot`: its verbs, their options, and how each way to end becomes an exit code.

2 where the input is at fault, 1 where the world is; every complaint is a sentence on standard error.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bot import version
from bot.commands.parsing import Parser, exit_codes
from bot.core.faults import Fault
from bot.errors import FAILED, INTERRUPTED, WRONG_INPUT, CommandError
from bot.layout import complain

STORIES = ("main", "bad-day")
CONFIG = Path("config.yaml")
CONFIG_VARIABLE = "TYK_KEY_BOT_CONFIG"
OWN_CODES: Mapping[str, Mapping[int, str]] = {
    "run": {FAILED: "it cannot start or go on: let the supervisor start it again"},
    "check": {
        WRONG_INPUT: "wrong arguments, environment or configuration, or Slack or Tyk does not know what it names"
    },
    "audit": {FAILED: "something failed; of verify: a row does not fit"},
    "reconcile": {FAILED: "a key is not as it should be, was not ended, or could not be looked at"},
    "revoke": {FAILED: "a key is left at Tyk, or nothing that lives matches"},
    "diff": {
        0: "no difference",
        FAILED: "a difference, or of the kind that --fail-on names",
        WRONG_INPUT: "that could not be found out",
    },
    "doctor": {0: "all was looked at and nothing is wrong", FAILED: "something is wrong, or could not be looked at"},
    "explain": {0: "the person may", FAILED: "the person may not", WRONG_INPUT: "that could not be found out"},
}
"""The verbs whose exit codes mean something of their own."""


def main(argv: Sequence[str] | None = None) -> None:
    sys.exit(execute(sys.argv[1:] if argv is None else argv, os.environ))


def execute(argv: Sequence[str], environ: Any) -> int:
    """Run one command. Returns its exit code; every complaint is on standard error."""
    arguments = parser(argv).parse_args(argv)
    if getattr(arguments, "config", None) is CONFIG:
        arguments.config = Path(environ.get(CONFIG_VARIABLE) or CONFIG)
    try:
        return int(_loaded(arguments.verb)(arguments, environ) or 0)
    except CommandError as error:
        complain(error.sentence)
        return error.exit_code
    except Fault as fault:
        from bot.commands import away  # noqa: PLC0415 - what a command that speaks to nobody need not load

        complain(away.sentence(fault, environ))
        return FAILED
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED


Verb = Callable[[argparse.Namespace, Any], int]
Adding = Callable[[str, str, str], argparse.ArgumentParser]


def _loaded(verb: str) -> Verb:
    """The function of `bot.commands`, by its module and name. What other verbs need, such as all of Slack, is not loaded."""
    module, name = verb.split(".")
    found: Verb = getattr(import_module(f"bot.commands.{module}"), name)
    return found


def parser(argv: Sequence[str]) -> Parser:
    """The parser of all commands; what `argv` has no need of is not loaded."""
    made = Parser(prog="tyk-key-bot", description="Self-service Tyk tokens in Slack.", epilog=exit_codes({}))
    made.add_argument("--version", action="version", version=version.said(), help="print the version and end")
    verbs = made.add_subparsers(required=True, metavar="VERB", title="commands")

    def add(name: str, verb: str, about: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=about, description=about, epilog=exit_codes(OWN_CODES.get(name, {})))
        added.set_defaults(verb=verb)
        return added

    made.set_defaults(tree=made)
    _add_running(add, argv)
    _add_setting_up(add)
    _add_looking(add)
    _add_reviewing(add)
    _add_mending(add)
    return made


def _add_running(add: Adding, argv: Sequence[str]) -> None:
    starting = add("run", "running.run", "Start the bot.")
    _takes_config(starting)
    starting.add_argument(
        "--restored",
        action="store_true",
        help="the database is a restored backup: put open keys aside for a person to decide",
    )
    checking = add("check", "running.check", "Check config.yaml; with --online, against the real Slack and Tyk.")
    _takes_config(checking)
    checking.add_argument("--online", action="store_true", help="look up in Slack and Tyk all that the file names")
    examining = add(
        "doctor",
        "doctoring.doctor",
        "Look whether all that the bot needs is there and right: environment, file, database, seal keys, Slack, Tyk, clocks. "
        "Each finding says what to do. Nothing is changed.",
    )
    _takes_config(examining)
    examining.add_argument("--json", action="store_true", help="the findings as JSON")
    playing = add("sandbox", "running.sandbox", "Start a local Slack, a local Tyk and the bot between them.")
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

        playing.epilog = f"A people file, such as people.yaml:\n\n{people.EXAMPLE}\n{exit_codes({})}"


def _add_setting_up(add: Adding) -> None:
    listing = add("apis", "setting_up.apis", "Print ready entries for config.yaml from the Dashboard.")
    _takes_config(listing)
    listing.add_argument("--match", metavar="TEXT", help="only those whose name or path contains it")
    printing = add("manifest", "setting_up.print_manifest", "Print the Slack app manifest that fits config.yaml.")
    _takes_config(printing)
    printing.add_argument("--request-url", metavar="URL", help="for HTTP mode: the https address that Slack sends to")
    completing = add("completion", "completing.completion", "Print the completion of these words for a shell.")
    completing.add_argument(
        "shell",
        choices=("bash", "zsh", "fish"),
        metavar="SHELL",
        help="bash, zsh or fish; the script says where to put it",
    )
    add("seal-key", "setting_up.seal_key", "Print a new key for SEAL_KEYS.")
    add("schema", "setting_up.schema", "Print the JSON Schema of config.yaml, for editors.")


def _add_looking(add: Adding) -> None:
    holding = add("keys", "looking.keys", "Who holds what until when, approved by whom under which rule.")
    _takes_filters(holding)
    _takes_format(holding)
    holding.add_argument("--active", action="store_true", help="only what has not ended")
    holding.add_argument(
        "--expiring", metavar="TIME", help="only what has not ended and ends within 7d or 12h, the soonest first"
    )
    _add_audit(add)
    _add_evidence(add)
    _takes_format(
        add(
            "requests", "looking.requests", "What is stuck or late, and what waits: how long, for whom, who can decide."
        )
    )
    showing = add("show", "looking.show", "Everything of one request: who, reviews, keys, messages, effects, audit.")
    showing.add_argument("number", metavar="R-NUMBER", help="as in R-1042")


def _add_reviewing(add: Adding) -> None:
    comparing = add(
        "diff",
        "reviewing.diff",
        "What another config.yaml changes: who gains and who loses what, and, with a database, what it does to what waits, "
        "is held and was decided.",
    )
    comparing.add_argument("old", type=Path, metavar="OLD", help="the file in force")
    comparing.add_argument("new", type=Path, metavar="NEW", help="the file that is proposed")
    comparing.add_argument(
        "--since", default="90d", metavar="WHEN", help="how far back past requests are replayed; 90d unless given"
    )
    comparing.add_argument(
        "--fail-on",
        choices=("difference", "widening"),
        default="difference",
        help="what ends with 1: any difference, or more access",
    )
    comparing.add_argument(
        "--format",
        choices=("text", "markdown", "json"),
        default="text",
        help="text unless given; markdown is for a pull request",
    )
    explaining = add(
        "explain",
        "reviewing.explain",
        "May this person request this API: for which plans and how long, who would decide, what do they hold, and why.",
    )
    _takes_config(explaining)
    explaining.add_argument(
        "--person", required=True, metavar="WHO", help="an e-mail address, a name or a Slack user id"
    )
    explaining.add_argument(
        "--api", required=True, metavar="NAME", help="an entry of config.yaml, by its name or title"
    )
    explaining.add_argument("--format", choices=("text", "json"), default="text", help="text unless given")


def _add_audit(add: Adding) -> None:
    auditing = add(
        "audit",
        "auditing.audit",
        "What happened, in order; as text, in the words of the audit channel. `audit verify` proves it.",
    )
    auditing.add_argument(
        "action",
        nargs="?",
        choices=("export", "verify", "key"),
        help="export: the rows for another program; verify: prove that no row was changed, dropped or added; key: print the key "
        "that proves an exported audit",
    )
    _takes_filters(auditing)
    auditing.add_argument("--until", metavar="WHEN", help="of export: as --since; rows of before this")
    auditing.add_argument(
        "--format",
        choices=("table", "csv", "jsonl", "text", "ocsf"),
        help="table unless given; of export: jsonl unless given, ocsf or csv",
    )
    auditing.add_argument(
        "--head",
        action="append",
        metavar="NUMBER:DIGEST",
        help="of verify: a head from the audit channel, which must still be there; several times for several",
    )
    auditing.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="of verify: the keys that `audit key` printed, where SEAL_KEYS have changed",
    )


def _add_evidence(add: Adding) -> None:
    writing = add(
        "evidence",
        "evidencing.write",
        "Write a folder for an auditor: requests, decisions and keys, with figures that a program beside them recomputes.",
    )
    writing.add_argument(
        "--period",
        required=True,
        metavar="WHEN",
        help="2026, 2026-Q4, 2026-10, or FROM..TO such as 2026-10-01..2026-11-15; UTC",
    )
    writing.add_argument(
        "--to", type=Path, metavar="DIR", help="the folder, new or empty; evidence-PERIOD unless given"
    )


def _add_mending(add: Adding) -> None:
    retrying = add("retry", "mending.retry", "Take up again what was parked.")
    retrying.add_argument("ids", nargs="*", metavar="R-NUMBER|ID", help="all of a request, or one by its id")
    retrying.add_argument("--all", action="store_true", help="whatever is parked")
    accepting = add(
        "accept", "mending.accept", "Take a handle or an address of config.yaml for what it means in Slack now."
    )
    accepting.add_argument("name", metavar="@HANDLE|E-MAIL", help="as config.yaml writes it")
    denying = add("deny", "mending.deny", "Deny a request that waits for a decision.")
    denying.add_argument("number", metavar="R-NUMBER", help="as in R-1042")
    denying.add_argument("--reason", required=True, metavar="TEXT", help="the requester reads it")
    ending = add(
        "revoke",
        "revoking.revoke",
        "End grants and delete their keys at Tyk; of a person, deny what waits as well. Lists first what it will end.",
    )
    ending.add_argument("number", nargs="?", metavar="R-NUMBER", help="as in R-1042")
    ending.add_argument("--id", metavar="R-NUMBER", help="the same")
    _takes_filters(ending)
    ending.add_argument("--reason", default="revoked by an operator", metavar="TEXT", help="the holder reads it")
    ending.add_argument("--yes", action="store_true", help="do not ask")
    comparing = add(
        "reconcile",
        "reconciling.reconcile",
        "Compare our keys with those that Tyk has: what is gone or changed there, and what bears our mark and is not ours.",
    )
    comparing.add_argument("--end", action="store_true", help="delete at Tyk what bears our mark and is not ours")
    comparing.add_argument("--yes", action="store_true", help="do not ask")
    resealing = add("reseal", "mending.reseal", "Seal the tokens that are held with the newest of SEAL_KEYS.")
    erasing = add(
        "erase-person",
        "erasing.erase_person",
        "Erase what is known of somebody, but for their user id: their name, what was typed about their requests, and what they "
        "typed. Says first what there is.",
    )
    erasing.add_argument("person", metavar="USER-ID", help="a Slack user id, as in U012AB3CD")
    erasing.add_argument("--yes", action="store_true", help="do not ask")
    for one in (retrying, accepting, denying, ending, comparing, resealing, erasing):
        one.add_argument("--as", dest="by", metavar="NAME", help="who you are, for the audit; else your user and host")


def _takes_config(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--config", type=Path, default=CONFIG, metavar="FILE", help=f"else what {CONFIG_VARIABLE} names, else {CONFIG}"
    )


def _takes_filters(one: argparse.ArgumentParser) -> None:
    one.add_argument("--since", metavar="WHEN", help="12h, 7d, or a date")
    one.add_argument("--api", metavar="NAME", help="an entry of config.yaml")
    one.add_argument("--person", metavar="ID", help="a Slack user id")


def _takes_format(one: argparse.ArgumentParser, *more: str) -> None:
    one.add_argument(
        "--format",
        choices=("table", "csv", "jsonl", *more),
        default="table",
        help="table, as wide as the terminal, unless given; csv and jsonl leave nothing out",
    )


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"a port is a number up to 65535, not {text!r}")
    return int(text)
