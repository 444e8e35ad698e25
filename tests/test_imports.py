"""What is loaded where: the fake servers have no place in production."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def loaded_by(statement: str) -> set[str]:
    """The product's modules that a fresh interpreter has loaded after this."""
    script = f"import sys\n{statement}\nprint('loaded:', *(name for name in sys.modules if name.startswith('bot')))"
    done = subprocess.run(  # noqa: S603 - the script is our own
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.rpartition("loaded:")[2].split())


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("import bot.app", id="the bot"),
        pytest.param("from bot import cli; cli.execute(['check'], {})", id="check"),
        pytest.param("from bot import cli; cli.execute(['run'], {})", id="run, which the environment refuses"),
    ],
)
def test_no_fake_servers(statement: str) -> None:
    """`run` and what stands beside it load neither the fake servers nor the sandbox."""
    found = loaded_by(statement)
    assert "bot.app" in found
    assert not [name for name in found if name.startswith(("bot.local", "bot.sandbox"))]


@pytest.mark.parametrize(
    "argv", [["keys"], ["audit"], ["requests"], ["show", "R-1"], ["revoke", "R-1"], ["reconcile"]], ids=" ".join
)
def test_what_does_without_slack_does_not_load_it(argv: list[str]) -> None:
    """Somebody may wait for it in an emergency: neither Slack's libraries, Tyk's client nor what reads config.yaml is loaded."""
    found = loaded_by(f"from bot import cli; cli.execute({argv}, {{'DATABASE_URL': 'sqlite:///nowhere.db'}})")
    assert "bot.opening" in found
    assert not found & {"bot.app", "bot.slack.client", "bot.config.sections", "bot.tyk.dashboard", "bot.tyk.transport"}


def test_sandbox_loads_them() -> None:
    """The sandbox is found by this way of looking."""
    assert "bot.local.world" in loaded_by("import bot.sandbox.run")
