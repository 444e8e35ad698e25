"""Asked once more before a key is made and before a token is shown: may this person still have it?"""

from bot.core import lifecycle
from bot.core.facts import Barred
from bot.core.model import Refusal
from bot.effects.claim import Claim
from bot.effects.ports import Ports


async def barred(claim: Claim, ports: Ports, step: str) -> Barred | None:
    """Why not, or None. A Slack that cannot say raises a Fault, and the promise is tried again."""
    record = claim.story
    try:
        person = await ports.slack.person(record)
        lifecycle.check_still_allowed(record, ports.in_force.rule(record.request.rule.name), person)
    except Refusal as refusal:
        return Barred(step, refusal.text)
    return None
