"""Put the token into the message that announced it. An edit made twice is one edit; a post made twice would be two tokens."""

from bot.core.facts import Fact, MessageGone, TokenShown, Unreachable
from bot.core.faults import Gone, Undeliverable
from bot.effects.gate import barred
from bot.effects.hands import Claim, Hands


async def perform(claim: Claim, hands: Hands) -> Fact:
    if (no := await barred(claim, hands, "before the token is shown")) is not None:
        return no
    record, key = claim.story, claim.key
    message = record.token_message(key.id)
    assert message is not None, "a token is delivered into the message that announced it"
    until = claim.now + record.request.rule.hide_token_after
    try:
        await hands.slack.show_token(record, key, hands.token_of(key), message, until)
    except Gone:
        return MessageGone(message.id)
    except Undeliverable as fault:
        return Unreachable(fault.code)
    return TokenShown(key.id)
