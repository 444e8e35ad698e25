"""`erase-person`: removes somebody's name, what was typed about their requests, and what they typed; their user id stays."""

from __future__ import annotations

import argparse
from typing import Any

from bot import opening
from bot.commands import people
from bot.commands.looking import writable
from bot.commands.operator import Operator
from bot.commands.revoking import says_yes
from bot.errors import FAILED
from bot.layout import complain, print_wrapped
from bot.opening import new_id
from bot.store import erasing
from bot.store.erasing import Traces

_ELSEWHERE = (
    "What stays: the user id, which proves who asked and who approved. What Slack, Tyk, backups, logs and forwarded rows keep is "
    "theirs to erase."
)


def erase_person(arguments: argparse.Namespace, environ: Any) -> int:
    """Print what there is of a person, then erase it: never without --yes or a person's yes."""
    who = people.at_slack(arguments.person, environ)
    with opening.command_store(writable(environ)) as store:
        with store.reading() as tx:
            found = erasing.traces(tx, people.known(tx, who))
        if found.living:
            complain(_still_there(found))
            return FAILED
        print_wrapped(_told(found))
        if not arguments.yes and not says_yes(f"Erase what is known of {found.user_id}? [y/N] "):
            print_wrapped("Nothing was erased.")
            return FAILED
        with store.transaction() as tx:
            found = erasing.traces(tx, found.user_id)
            if found.living:  # asked again meanwhile
                tx.rollback()
                complain(_still_there(found))
                return FAILED
            erased = erasing.person(tx, found, Operator.named(arguments.by).name, new_id)
    print_wrapped(
        f"Erased: requests {erased.requests}, texts in the audit {erased.texts}. A running bot repaints their cards."
    )
    print_wrapped(_ELSEWHERE)
    return 0


def _still_there(found: Traces) -> str:
    labels = ", ".join(record.request.label for record in found.living)
    return f"{found.user_id} still has {labels}. End that first: `tyk-key-bot revoke --person {found.user_id}`."


def _told(found: Traces) -> str:
    also = sorted(found.ids - {found.user_id})
    said = [
        f"{' and '.join([found.user_id, *also])}.",
        f"Their requests: {len(found.own)}.",
        f"Requests of others that they decided or asked about: {len(found.others)}.",
        f"Texts in the audit about them or by them: {found.texts}.",
    ]
    return " ".join(said)
