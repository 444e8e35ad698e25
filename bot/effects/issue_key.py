"""Make the key at Tyk, on probation. Where the answer is lost it is made again: nobody has seen the first, and it dies soon."""

from bot.core.facts import Fact, KeyIssued
from bot.core.lifecycle import PROBATION
from bot.effects.gate import barred
from bot.effects.hands import Claim, Hands


async def perform(claim: Claim, hands: Hands) -> Fact:
    if (no := await barred(claim, hands, "before the key is made")) is not None:
        return no
    grant = claim.story.grant
    assert grant is not None, "a key belongs to a grant"
    probation_ends = claim.now + PROBATION
    expires_at = probation_ends if grant.until is None else min(probation_ends, grant.until)
    issued = await hands.tyk.issue(claim.story, claim.key, expires_at)
    return KeyIssued(claim.key.id, issued.key_hash, hands.seal.close(issued.token), issued.expires_at)
