"""The words of `tyk-key-bot`: its verbs, their options, and how each way to end becomes an exit code.

2 where the input is at fault, 1 where the world is; every complaint is a sentence on standard error.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bot import layout
from bot.commands.parsing import Parser, exit_codes
from bot.core.faults import Fault
from bot.errors import FAILED, INTERRUPTED, WRONG_INPUT, CommandError
from bot.layout import complain

WHO = "a Slack user id, a name as the database has it or, with SLACK_BOT_TOKEN, an e-mail address"
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
    "erase-person": {FAILED: "the person still has a token or a request that waits, or nobody said yes"},
    "revoke": {FAILED: "a key is left at Tyk, nothing that lives matches, or nobody said yes"},
    "diff": {
        0: "no difference",
        FAILED: "a difference; with --fail-on widening, one that gives somebody more",
        WRONG_INPUT: "wrong input, or it could not be found out",
    },
    "doctor": {
        0: "all was looked at, and nothing is wrong",
        FAILED: "something is wrong, the configuration and the environment included, or could not be looked at",
        WRONG_INPUT: "wrong arguments: nothing was looked at",
    },
    "explain": {
        0: "the person may request it",
        FAILED: "the person may not",
        WRONG_INPUT: "wrong input, or it could not be found out",
    },
}
"""The verbs whose exit codes mean something of their own."""


def main(argv: Sequence[str] | None = None) -> None:
    layout.prepare_streams()
    sys.exit(execute(sys.argv[1:] if argv is None else argv, os.environ))


def execute(argv: Sequence[str], environ: Any) -> int:
    """Run one command. Returns its exit code; every complaint is on standard error."""
    arguments = parser(argv).parse_args(argv)
    if getattr(arguments, "config", None) is CONFIG:
        arguments.config = Path(environ.get(CONFIG_VARIABLE) or CONFIG)
    code = _ended(arguments, environ)
    if unwritten := layout.finish():
        complain(f"What the command prints cannot be written: {unwritten}.")
    return code or (FAILED if unwritten else 0)


def _ended(arguments: argparse.Namespace, environ: Any) -> int:
    """Each way in which a command ends, as its exit code."""
    try:
        return _loaded(arguments.verb)(arguments, environ)
    except CommandError as error:
        complain(error.sentence)
        return error.exit_code
    except Fault as fault:
        from bot.commands import away  # noqa: PLC0415 - what a command that speaks to nobody need not load

        complain(away.sentence(fault, environ))
        return FAILED
    except KeyboardInterrupt:
        if "by" in arguments and getattr(arguments, "end", True):  # it acts, which `reconcile` does only with --end
            complain("Interrupted: a part of it may be done. Give the command again: nothing is done twice.")
        return INTERRUPTED


Verb = Callable[[argparse.Namespace, Any], int]
Adding = Callable[[str, str, str], argparse.ArgumentParser]


def _loaded(verb: str) -> Verb:
    """The function of `bot.commands`, by its module and name. What other verbs need, such as all of Slack, is not loaded."""
    module, name = verb.split(".")
    gc.disable()  # what importing makes stays, and looking it through for garbage takes a tenth of the start
    found: Verb = getattr(import_module(f"bot.commands.{module}"), name)
    gc.freeze()
    gc.enable()
    return found


def parser(argv: Sequence[str]) -> Parser:
    """The parser of all commands; what `argv` has no need of is not loaded."""
    made = Parser(
        prog="tyk-key-bot",
        description="Self-service Tyk tokens in Slack. `tyk-key-bot VERB --help` explains a command.",
        epilog=exit_codes({}),
    )
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
    starting = add("run", "running.run", "Run the bot, until SIGTERM or Ctrl-C tells it to stop.")
    _takes_config(starting)
    starting.add_argument(
        "--restored",
        action="store_true",
        help="the database was restored from a backup: put open keys aside, for a person to decide on each",
    )
    checking = add("check", "running.check", "Check config.yaml; with --online, also against the real Slack and Tyk.")
    _takes_config(checking)
    checking.add_argument(
        "--online", action="store_true", help="look up in Slack and Tyk everything that the file names"
    )
    examining = add(
        "doctor",
        "doctoring.doctor",
        "Check everything that the bot needs: environment, configuration, database, seal keys, Slack, Tyk, clocks. Each finding "
        "says what to do. Nothing is changed.",
    )
    _takes_config(examining)
    examining.add_argument("--json", action="store_true", help="print the findings as JSON")
    playing = add("sandbox", "running.sandbox", "Start a local Slack, a local Tyk and the bot between them.")
    playing.add_argument(
        "--play",
        nargs="?",
        const="main",
        choices=STORIES,
        help="play a story by itself, the main one unless named, and say whether all of it was seen",
    )
    playing.add_argument("--config", type=Path, metavar="FILE", help="use this configuration")
    playing.add_argument(
        "--people", type=Path, metavar="FILE", help="a file that says who is there; an example is below"
    )
    playing.add_argument(
        "--port",
        type=_port,
        metavar="N",
        help="the page's port, 0 for any free one; 8888 or the next free one unless given",
    )
    playing.add_argument("--no-browser", action="store_true", help="open no browser, only print the page's address")
    if "sandbox" in argv:
        from bot.sandbox import people  # noqa: PLC0415 - `run` in production loads none of the fake servers

        playing.epilog = f"A people file, such as people.yaml:\n\n{people.EXAMPLE}\n{exit_codes({})}"


def _add_setting_up(add: Adding) -> None:
    listing = add(
        "apis",
        "setting_up.apis",
        "Print an entry for config.yaml for each API of the Dashboard; a person adds who may request it.",
    )
    _takes_config(listing)
    listing.add_argument("--match", metavar="TEXT", help="only APIs whose name or path contains this")
    printing = add("manifest", "setting_up.print_manifest", "Print the Slack app manifest that fits config.yaml.")
    _takes_config(printing)
    printing.add_argument(
        "--request-url", metavar="URL", help="for HTTP mode: the https address that Slack sends requests to"
    )
    completing = add(
        "completion", "completing.completion", "Print the script by which a shell completes these commands."
    )
    completing.add_argument(
        "shell",
        choices=("bash", "zsh", "fish"),
        metavar="SHELL",
        help="bash, zsh or fish; the script's first lines say where it goes",
    )
    add("seal-key", "setting_up.seal_key", "Print a new key for SEAL_KEYS.")
    add("schema", "setting_up.schema", "Print the JSON Schema of config.yaml, for editors.")


def _add_looking(add: Adding) -> None:
    holding = add("keys", "looking.keys", "List who holds which token until when, approved by whom under which rule.")
    _takes_filters(holding)
    _takes_format(holding)
    holding.add_argument("--active", action="store_true", help="only tokens that have not ended")
    holding.add_argument(
        "--expiring", metavar="TIME", help="only tokens that end within this time, such as 12h or 7d, the soonest first"
    )
    _add_audit(add)
    _add_evidence(add)
    _takes_format(
        add(
            "requests",
            "looking.requests",
            "List what is stuck or late and what waits: since when, for whom, who can decide.",
        )
    )
    showing = add(
        "show",
        "looking.show",
        "Print everything about one request: who asked, reviews, keys, messages, effects, audit.",
    )
    showing.add_argument("number", metavar="R-NUMBER", help="the request's number, as in R-1042")


def _add_reviewing(add: Adding) -> None:
    comparing = add(
        "diff",
        "reviewing.diff",
        "Say what another config.yaml changes: who gains and who loses what; with a database, also what becomes of waiting "
        "requests, of tokens in use and of past decisions.",
    )
    comparing.add_argument("old", type=Path, metavar="OLD", help="the file in force")
    comparing.add_argument("new", type=Path, metavar="NEW", help="the file that is proposed")
    comparing.add_argument(
        "--since", default="90d", metavar="WHEN", help="replay past requests from then on, 90d ago unless given"
    )
    comparing.add_argument(
        "--fail-on",
        choices=("difference", "widening"),
        default="difference",
        help="what ends with 1: any difference (unless given), or only more access for somebody",
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
        "Say whether a person may request an API, for which plans and how long, who would decide, what they hold, and why.",
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
        "Print what happened, in order; `--format text` has the words of the audit channel. `audit verify` proves that nobody "
        "changed it.",
    )
    auditing.add_argument(
        "action",
        nargs="?",
        choices=("export", "verify", "key"),
        help="export: print the rows for another program; verify: prove that no row was changed, dropped or added; key: print "
        "the key that proves an exported audit",
    )
    _takes_filters(auditing)
    auditing.add_argument("--until", metavar="WHEN", help="of export: only what was before then, given as for --since")
    auditing.add_argument(
        "--format",
        choices=("table", "csv", "jsonl", "text", "ocsf"),
        help="table unless given; of export: jsonl unless given, ocsf or csv",
    )
    auditing.add_argument(
        "--head",
        action="append",
        metavar="NUMBER:DIGEST",
        help="of verify: a head that the audit channel showed, which must still be there; may be given more than once",
    )
    auditing.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="of verify: a file with what `audit key` printed, where SEAL_KEYS have changed since",
    )


def _add_evidence(add: Adding) -> None:
    writing = add(
        "evidence",
        "evidencing.write",
        "Write a folder for an auditor: requests, decisions and keys of a period, with figures and a program that checks them.",
    )
    writing.add_argument(
        "--period",
        required=True,
        metavar="WHEN",
        help="2026, 2026-Q4, 2026-10, or FROM..TO such as 2026-10-01..2026-11-15; UTC",
    )
    writing.add_argument(
        "--to", type=Path, metavar="DIR", help="the folder, which has to be new or empty; evidence-PERIOD unless given"
    )


def _add_mending(add: Adding) -> None:
    retrying = add("retry", "mending.retry", "Try again what was parked.")
    retrying.add_argument(
        "ids", nargs="*", metavar="R-NUMBER|ID", help="all of a request, or one thing by the id that `requests` shows"
    )
    retrying.add_argument("--all", action="store_true", help="everything that is parked")
    accepting = add(
        "accept", "mending.accept", "Let a handle or an e-mail address of config.yaml mean what it means in Slack now."
    )
    accepting.add_argument("name", metavar="@HANDLE|E-MAIL", help="as config.yaml writes it")
    denying = add("deny", "mending.deny", "Deny a request that waits for a decision.")
    denying.add_argument("number", metavar="R-NUMBER", help="the request's number, as in R-1042")
    denying.add_argument("--reason", required=True, metavar="TEXT", help="why; the requester reads it")
    ending = add(
        "revoke",
        "revoking.revoke",
        "End grants and delete their keys at Tyk; with --person, deny that person's waiting requests as well. Lists first what "
        "it will end, and asks.",
    )
    ending.add_argument("number", nargs="?", metavar="R-NUMBER", help="the request's number, as in R-1042")
    ending.add_argument("--id", metavar="R-NUMBER", help="the same, as an option")
    _takes_filters(ending)
    ending.add_argument("--reason", default="revoked by an operator", metavar="TEXT", help="why; the holder reads it")
    ending.add_argument("--yes", action="store_true", help="do not ask first")
    comparing = add(
        "reconcile",
        "reconciling.reconcile",
        "Compare the bot's keys with those at Tyk: what is missing or changed there, and which keys carry the bot's mark without "
        "being the bot's.",
    )
    comparing.add_argument(
        "--end",
        action="store_true",
        help="delete at Tyk the keys that carry the bot's mark without being the bot's, after a yes",
    )
    comparing.add_argument("--yes", action="store_true", help="do not ask first")
    resealing = add("reseal", "mending.reseal", "Seal the tokens in the database anew, with the first of SEAL_KEYS.")
    erasing = add(
        "erase-person",
        "erasing.erase_person",
        "Erase what the database has of somebody, except their user id: their name, what was typed about their requests, and "
        "what they typed. Says first what there is, and asks.",
    )
    erasing.add_argument("person", metavar="WHO", help=WHO)
    erasing.add_argument("--yes", action="store_true", help="do not ask first")
    for one in (retrying, accepting, denying, ending, comparing, resealing, erasing):
        one.add_argument(
            "--as", dest="by", metavar="NAME", help="who you are, for the audit; your user and host unless given"
        )


def _takes_config(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--config",
        type=Path,
        default=CONFIG,
        metavar="FILE",
        help=f"the configuration; unless given, the file that {CONFIG_VARIABLE} names, else {CONFIG}",
    )


def _takes_filters(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--since", metavar="WHEN", help="only from then on: 12h or 7d ago, or a date such as 2026-01-31 (UTC)"
    )
    one.add_argument("--api", metavar="NAME", help="only this API, by the name of its entry in config.yaml")
    one.add_argument("--person", metavar="WHO", help=f"only this person: {WHO}")


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
