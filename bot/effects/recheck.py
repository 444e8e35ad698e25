"""The recheck before a key is made and before a token is shown: may this person still have it, and do the approvals count?"""

from bot.core import lifecycle
from bot.core.facts import Barred
from bot.core.model import Record, Refusal
from bot.effects.claim import Claim
from bot.effects.ports import Ports


async def barred(claim: Claim, ports: Ports, step: str) -> Barred | None:
    """The reason that this person may not have the token any more, or None. Raises a Fault where Slack cannot say."""
    record = claim.story
    try:
        person = await ports.slack.person(record)
        approvers = None if _was_shown(record) else await ports.slack.approvers(record)
        lifecycle.check_still_allowed(record, ports.in_force.rule(record.request.rule.name), person, approvers)
    except Refusal as refusal:
        return Barred(step, refusal.text)
    return None


def _was_shown(record: Record) -> bool:
    """A token was shown on the word of the approvers. One in its place needs nobody's word: the right is the same, and whoever
    lost a token must not lose the right with it because an approver has left since."""
    return any(key.shown_at is not None for key in record.keys)
