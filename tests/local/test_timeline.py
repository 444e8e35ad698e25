"""The groups of the page's timeline: what comes of an act stands with it, also where others act meanwhile."""

from __future__ import annotations

from typing import Any

from bot.local.page.mask import Mask
from bot.local.page.timeline import Timeline
from bot.local.slack import LocalSlack
from bot.local.tyk import LocalTyk


def _titles(timeline: Timeline) -> dict[str, str]:
    """The title of the group that each line stands in."""
    shown = timeline.since(0)
    titles = {group["id"]: group["title"] for group in shown["groups"]}
    return {line["id"]: titles[line["group"]] for line in shown["lines"]}


def _promised(line_id: str, **more: Any) -> dict[str, Any]:
    return {"id": line_id, "source": "promise", "what": "deliver token", "label": "R-1001", **more}


def test_what_a_kept_promise_promises_stands_with_it() -> None:
    """Bob approved, then Dave came: what the delivery brings with it is of Bob's group; what has no cause is of its time."""
    slack, tyk = LocalSlack(), LocalTyk()
    timeline = Timeline(slack, tyk, Mask(slack, tyk))
    timeline.note("Bob approves")
    timeline.tell(_promised("effect:1:1"))
    timeline.note("Dave comes")
    timeline.tell(_promised("effect:2:1", cause="effect:1:1"))
    timeline.tell(_promised("effect:3:1", cause="effect:0:1"))
    assert _titles(timeline) == {
        "effect:1:1": "Bob approves",
        "effect:2:1": "Bob approves",
        "effect:3:1": "Dave comes",
    }
    timeline.tell({"id": "envelope:1", "source": "Slack → bot", "what": "action", "label": "R-1001"})
    timeline.tell(_promised("effect:4:1", cause="effect:1:1"))
    assert _titles(timeline)["effect:4:1"] == "Dave comes", "he acted on the same request"
