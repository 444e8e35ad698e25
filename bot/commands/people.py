"""Somebody whom the command line names: by their Slack user id, their name in the database, or an e-mail address, which Slack
is asked about."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from bot import meanings, settings
from bot.commands import away, words
from bot.commands.words import UsageError
from bot.core.faults import Fault
from bot.errors import CommandError
from bot.proxies import proxy_for
from bot.settings import Need
from bot.slack.client import call, new_session, web_client
from bot.store import ledger
from bot.store.transaction import Transaction

SOME = 5
INSTEAD = "give their user id, such as U012AB3CD, or their name as `tyk-key-bot keys` shows it."


def at_slack(text: str, environ: Mapping[str, str]) -> str:
    """The user id behind an e-mail address, where Slack can be asked for it; whatever else is given comes back as it is. It may
    take a while, so it has no place inside a transaction."""
    if not _is_address(text) or not (environ.get("SLACK_BOT_TOKEN") or environ.get("SLACK_BOT_TOKEN_FILE")):
        return text
    try:
        return asyncio.run(_by_address(text, environ))
    except Fault as fault:
        raise CommandError(f"{away.sentence(fault, environ)} Or {INSTEAD}") from None


async def _by_address(address: str, environ: Mapping[str, str]) -> str:
    found = settings.load(environ, needs=frozenset({Need.SLACK_LOOKS}))
    url = found.slack_api_url
    proxy = proxy_for(url, environ)
    async with new_session() as session:
        client = web_client(found.slack_bot_token, url, session, proxy)
        client.proxy = proxy  # where it is given none, slack_sdk takes one from the environment, whatever NO_PROXY says
        try:
            answer = await call(client, "users.lookupByEmail", {"email": address}, get=True)
        except Fault as fault:
            if fault.code != "users_not_found":
                raise
            raise UsageError(f"Slack knows no member with the address {address}.") from None
    return str((answer.data.get("user") or {}).get("id"))


def known(tx: Transaction, text: str) -> str:
    """The user id of somebody whom the database has met. Raises UsageError, with whom was meant."""
    if ledger.has_met(tx, text):
        return text
    if _is_address(text):
        return _of_the_file(tx, text)
    wanted = _plain(text.strip().removeprefix("@"))
    if not wanted:
        raise UsageError(f"No person is named: {INSTEAD}")
    names = ledger.people(tx)
    found = sorted(user_id for user_id, name in names.items() if _plain(name) == wanted)
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} people are called {text}: {', '.join(found[:SOME])}. Give the id of the one you mean."
        )
    alike = {one.casefold(): f"{one} ({name})" for one, name in names.items()}
    alike |= {word.casefold(): f"{one} ({name})" for one, name in names.items() for word in (name, *name.split())}
    raise UsageError(f"The database knows nobody by the id or name {text}{words.meant(text.casefold(), alike)}")


def _of_the_file(tx: Transaction, address: str) -> str:
    """The configuration may have named somebody by their address."""
    user_id = meanings.remembered(tx).get(address.lower())
    if user_id is None or not ledger.has_met(tx, user_id):
        raise UsageError(f"Slack was not asked who has the address {address}: set SLACK_BOT_TOKEN, or {INSTEAD}")
    return user_id


def _is_address(text: str) -> bool:
    return "@" in text.strip().lstrip("@")


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()
