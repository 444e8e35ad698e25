"""Post the audit lines that wait, as one message, in order. The table is exact; the channel may see a line twice."""

from bot.effects.ports import Claim, Ports

BATCH = 40


async def perform(claim: Claim, ports: Ports) -> int | None:
    """The number of the last line that is in the channel now; None where none was waiting."""
    channel = claim.effect.subject_id
    async with ports.store.reading() as tx:
        entries = await tx.audit_after(await tx.cursor(channel), BATCH)
    if not entries:
        return None
    posted = await ports.slack.post_audit(channel, entries)
    return entries[posted - 1].number
