"""`python -m tests.image` builds the image and tries it: as root, with Debian's buildah and mmdebstrap."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from bot import config, manifest
from bot.local.world import world
from bot.store.seal import new_key
from bot.version import VERSION
from tests.image.building import NEEDED, ROOT, Image, built, missing

USER = "10001"
WITHIN = 60.0

# As an engine does with `--read-only --tmpfs /tmp -v ...:/data -v ...:/etc/tyk-key-bot:ro --user 10001`.
CONTAINER = """
mount --make-rprivate /
mount --bind "$FILES" "$FILES"
mount --rbind /proc "$FILES/proc"
mount --rbind /dev "$FILES/dev"
mount -t tmpfs -o mode=1777 tmpfs "$FILES/tmp"
mount --bind "$DATA" "$FILES/data"
mount --bind "$CONFIG" "$FILES/etc/tyk-key-bot"
mount -o remount,bind,ro "$FILES/etc/tyk-key-bot"
mount -o remount,bind,ro "$FILES"
exec chroot --userspec "$USER:$USER" --groups "" "$FILES" /usr/bin/env -i -C /data "$@"
"""


class Trial:
    """One image, and what is found of it."""

    def __init__(self, image: Image, folder: Path, text: str) -> None:
        self.image = image
        self.data = folder / "data"
        self.data.mkdir()
        os.chown(self.data, int(USER), int(USER))
        self.config = folder / "config"
        self.config.mkdir(mode=0o755)
        (self.config / "config.yaml").write_text(text)

    def command(self, *words: str, **environ: str) -> tuple[list[str], dict[str, str]]:
        """The words that start this in a container, and the environment of those words."""
        inside = [f"{name}={text}" for name, text in (self.image.environ | environ).items()]
        given = {"FILES": str(self.image.files), "DATA": str(self.data), "CONFIG": str(self.config), "USER": USER}
        start = ["unshare", "--mount", "sh", "-euc", CONTAINER, "container", *inside, *words]
        return start, given | {"PATH": os.environ["PATH"]}

    def says(self, *words: str, **environ: str) -> tuple[int, str]:
        """The exit code, and all that was said."""
        start, given = self.command(*words, **environ)
        done = subprocess.run(start, env=given, capture_output=True, text=True, check=False, timeout=WITHIN)  # noqa: S603 - our own words
        return done.returncode, done.stdout + done.stderr

    def verb(self, *words: str) -> tuple[int, str]:
        """The same, of what `docker run IMAGE WORDS` starts."""
        return self.says(*self.image.config["Entrypoint"], *words)


def look(trial: Trial, revision: str) -> None:
    """What stands in the image, and what does not."""
    image = trial.image
    assert (image.labels["version"], image.labels["revision"], image.labels["licenses"]) == (VERSION, revision, "MIT")
    assert image.config["User"] == USER
    assert (image.files / "app/LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    left = [*image.files.rglob("*-packages/pip"), *image.files.rglob("*-packages/setuptools")]
    left += [*image.files.glob("usr/bin/pip*"), *image.files.glob("venv/bin/pip*")]
    assert left == []
    for module in ("pip", "setuptools", "ensurepip"):
        assert trial.says("python", "-c", f"import {module}")[0] == 1, module


def try_commands(trial: Trial, revision: str) -> None:
    """What answers without anything outside."""
    assert trial.verb("--version") == (0, f"tyk-key-bot {VERSION} (revision {revision})\n")
    code, said = trial.verb("check")
    assert code == 0, said
    assert said.startswith("/etc/tyk-key-bot/config.yaml: "), said
    for path in ("/app", "/venv/bin", "/etc/tyk-key-bot"):
        code, said = trial.says("touch", f"{path}/new")
        assert code == 1, path
        assert "Read-only file system" in said, said
    assert trial.says("touch", "/data/new", "/tmp/new") == (0, "")  # noqa: S108 - inside the container


async def try_running(trial: Trial, environ: dict[str, str], revision: str) -> float:
    """The bot gets ready, says what it is, is well by the image's own check, and stops when told to. Returns the seconds."""
    words = [*trial.image.config["Entrypoint"], *trial.image.config["Cmd"]]
    start, given = trial.command(*words, **environ, SEAL_KEYS=new_key(), HTTP_PORT="0", HTTP_HOST="127.0.0.1")
    began = time.monotonic()
    bot = await asyncio.create_subprocess_exec(*start, env=given, stderr=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(WITHIN):
            ready, log = await _until_ready(bot)
            took = time.monotonic() - began
            port = next(line["port"] for line in log if line["event"] == "web.ready")
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                assert answer.status == 200
                found = await answer.json()
            assert (found["version"], found["revision"], found["digest"]) == (VERSION, revision, ready["digest"])
            how, *check = trial.image.config["Healthcheck"]["Test"]
            assert how == "CMD"
            assert await asyncio.to_thread(partial(trial.says, *check, HTTP_PORT=str(port))) == (0, "")
            bot.send_signal(signal.SIGTERM)
            _, rest = await bot.communicate()
    finally:
        if bot.returncode is None:
            bot.kill()
    assert bot.returncode == 0, rest.decode()
    assert '"bot.stopped"' in rest.decode()
    return took


async def _until_ready(bot: asyncio.subprocess.Process) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    assert bot.stderr is not None, "it has a pipe"
    log: list[dict[str, Any]] = []
    async for line in bot.stderr:
        log.append(json.loads(line))
        if log[-1]["event"] == "bot.ready":
            return log[-1], log
    raise AssertionError(f"the bot ended: {log}")


async def _try(image: Image, folder: Path, revision: str) -> None:
    async with world(sorted(manifest.SCOPES)) as place:
        text = place.config()
        place.slack.install(manifest.manifest(config.parse(text), socket_mode=True))
        trial = Trial(image, folder, text)
        look(trial, revision)
        print("Inside: the licence and labels; neither pip nor setuptools.")
        try_commands(trial, revision)
        print(f"Read-only, as uid {USER}: --version and check answer; only /data and /tmp can be written.")
        took = await try_running(trial, place.environ(), revision)
        print(
            f"run: ready after {took:.1f} s, says what it is, is well by the image's own check, and stops on SIGTERM with 0."
        )


def main() -> int:
    if lacks := missing():
        print(
            f"This needs root, and Debian's {' and '.join(NEEDED)}; here is no {', no '.join(lacks)}.", file=sys.stderr
        )
        return 1
    git = shlex.split("git rev-parse HEAD")
    revision = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603 - our own words
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="image-") as folder, built(Path(folder), revision) as image:
        print(f"The image is built: {time.monotonic() - began:.0f} s.")
        asyncio.run(_try(image, Path(folder), revision))
    return 0


if __name__ == "__main__":
    sys.exit(main())
