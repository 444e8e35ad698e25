"""Make the key at Tyk, on probation. Where the answer is lost it is made again: nobody has seen the first, and it dies soon."""

from bot.core.facts import Barred, Fact, KeyIssued
from bot.core.lifecycle import PROBATION
from bot.core.model import Refusal
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.effects.recheck import barred


async def perform(claim: Claim, ports: Ports) -> Fact:
    if (no := await barred(claim, ports, "before the key is made")) is not None:
        return no
    grant = claim.story.grant
    assert grant is not None, "a key belongs to a grant"
    probation_ends = claim.now + PROBATION
    expires_at = probation_ends if grant.until is None else min(probation_ends, grant.until)
    try:
        issued = await ports.tyk.issue(claim.story, claim.key, expires_at)
    except Refusal as refusal:
        return Barred("before the key is made", refusal.text)
    return KeyIssued(claim.key.id, issued.key_hash, ports.seal.close(issued.token), issued.expires_at)
