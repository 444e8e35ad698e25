"""Put the token into the message that announced it. An edit made twice is one edit; a post made twice would be two tokens."""

from bot.core.facts import Fact, MessageGone, TokenShown, Unreachable
from bot.core.faults import Gone, Undeliverable
from bot.effects.claim import Claim
from bot.effects.ports import Ports
from bot.effects.recheck import barred


async def perform(claim: Claim, ports: Ports) -> Fact:
    if (no := await barred(claim, ports, "before the token is shown")) is not None:
        return no
    record, key = claim.story, claim.key
    message = record.token_message(key.id)
    assert message is not None, "a token is delivered into the message that announced it"
    until = claim.now + record.request.rule.hide_token_after
    try:
        await ports.slack.show_token(record, key, ports.token_of(key), message, until)
    except Gone:
        return MessageGone(message.id)
    except Undeliverable as fault:
        return Unreachable(fault.code)
    return TokenShown(key.id)
