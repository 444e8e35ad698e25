"""Which request a line of the timeline is about."""

from __future__ import annotations

from typing import Any

from bot.local.page.folding import Concerns, Line
from bot.local.tyk import LocalTyk

TS = "1795686974.000100"


def _line(number: int, channel: str, text: str = "") -> Line:
    details: dict[str, Any] = {"answer": {"ok": True, "channel": channel, "ts": TS}, "arguments": {"text": text}}
    return Line(f"slack:{number}", 1, float(number), "bot → Slack", "chat.postMessage", details=details)


def test_messages_of_one_second_in_two_channels() -> None:
    """Slack numbers the messages of each channel by themselves: the audit's first line is not about what Alice is sent."""
    lines: dict[str, Line] = {}
    concerns = Concerns(LocalTyk(), lines)
    for line in (_line(1, "C0AUDIT"), _line(2, "D0ALICE", "Requested · R-1001"), _line(3, "D0ALICE")):
        lines[line.id] = line
        concerns.learn(line)
    assert [line.requests for line in lines.values()] == [(), ("R-1001",), ("R-1001",)]
