"""`slack run` in a development workspace, as far as the Slack CLI's hooks go: it runs them without a shell, word by word."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

from bot import cli
from bot.version import VERSION
from tests.deploy import ROOT
from tests.running import empty_place
from tests.running.test_start import Process, environ_of

HOOKS = json.loads((ROOT / ".slack" / "hooks.json").read_text())


def hook(name: str) -> subprocess.CompletedProcess[str]:
    """What the Slack CLI would get, with the Python of .venv as it sees to."""
    first, *words = HOOKS["hooks"][name].split()
    assert first == "python3"
    return subprocess.run(  # noqa: S603 - our own words
        [sys.executable, *words], cwd=ROOT, env={}, capture_output=True, text=True, check=False, timeout=60
    )


def test_get_manifest() -> None:
    """The manifest as JSON and nothing else, for Socket Mode: the bot holds the connection itself."""
    done = hook("get-manifest")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["settings"]["socket_mode_enabled"] is True
    assert HOOKS["config"]["sdk-managed-connection-enabled"] is True


def test_the_manifest_follows_the_file_of_the_developer() -> None:
    """What `docs/install.md` puts into .env is what the Slack CLI watches: below a path, and by the file's name. It looks at each
    file of these paths ten times a second, so they are not the whole folder, with its .venv."""
    (named,) = re.findall(r"`TYK_KEY_BOT_CONFIG=(\S+)` into `\.env`", (ROOT / "docs" / "install.md").read_text())
    watch = HOOKS["config"]["watch"]["manifest"]
    assert any(Path(named).is_relative_to(path) for path in watch["paths"])
    assert re.search(watch["filter-regex"], Path(named).name)
    assert "." not in watch["paths"]


def test_doctor() -> None:
    """Each version by name, in the form that the Slack CLI reads."""
    found = {one["name"]: one for one in json.loads(hook("doctor").stdout)["versions"]}
    assert found["tyk-key-bot"]["current"] == VERSION
    assert "error" not in found["python"]


async def test_start(tmp_path: Path) -> None:
    """The bot is started with the two tokens that the Slack CLI hands over, is ready, and stops when the Slack CLI stops it."""
    first, *words = HOOKS["hooks"]["start"].split()
    assert first == "python3"
    async with empty_place() as place:
        path = tmp_path / "config.yaml"
        path.write_text(place.config())
        environ = environ_of(place, tmp_path) | {cli.CONFIG_VARIABLE: str(path)}
        nothing, pipe = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
        bot = Process(
            await asyncio.create_subprocess_exec(
                sys.executable, *words, cwd=ROOT, env=environ, stdout=nothing, stderr=pipe
            )
        )
        try:
            await bot.until("bot.ready")
            assert (await bot.end(signal.SIGINT)).code == 0
        finally:
            await bot.kill()
