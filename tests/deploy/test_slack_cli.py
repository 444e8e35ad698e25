"""`slack run` in a development workspace, as far as the Slack CLI's hooks go: it runs them without a shell, word by word."""

from __future__ import annotations

import json
import subprocess
import sys

from bot.version import VERSION
from tests.deploy import ROOT

HOOKS = json.loads((ROOT / ".slack" / "hooks.json").read_text())


def hook(name: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """What the Slack CLI would get, with the Python of .venv as it sees to."""
    first, *words = HOOKS["hooks"][name].split()
    assert first == "python3"
    return subprocess.run(  # noqa: S603 - our own words
        [sys.executable, *words], cwd=ROOT, env=environ, capture_output=True, text=True, check=False, timeout=60
    )


def test_get_manifest() -> None:
    """The manifest as JSON and nothing else, for Socket Mode: the bot holds the connection itself."""
    done = hook("get-manifest")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["settings"]["socket_mode_enabled"] is True
    assert HOOKS["config"]["sdk-managed-connection-enabled"] is True


def test_doctor() -> None:
    """Each version by name, in the form that the Slack CLI reads."""
    found = {one["name"]: one for one in json.loads(hook("doctor").stdout)["versions"]}
    assert found["tyk-key-bot"]["current"] == VERSION
    assert "error" not in found["python"]


def test_start() -> None:
    """The bot is started, with the two tokens that the Slack CLI hands over, and says what else it needs."""
    done = hook("start", SLACK_BOT_TOKEN="xoxb-1-2-a", SLACK_APP_TOKEN="xapp-1-2-b")
    assert done.returncode == 2
    said = [json.loads(line)["what"] for line in done.stderr.splitlines()]
    assert [what.partition(":")[0] for what in said] == ["TYK_DASHBOARD_KEY", "SEAL_KEYS"]
