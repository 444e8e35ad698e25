"""Building the image where there is neither an engine nor a registry, on a base of Debian's own packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NEEDED = ("buildah", "mmdebstrap")
PACKAGES = "python3,python3-pip,ca-certificates,passwd,login,dash,coreutils,findutils,base-passwd"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
MOUNT_POINTS = ("proc", "dev", "tmp", "etc/tyk-key-bot")


@dataclass(frozen=True)
class Image:
    """The image's files, mounted, and what its configuration says."""

    files: Path
    config: dict[str, Any]

    @property
    def environ(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.config["Env"])

    @property
    def labels(self) -> dict[str, str]:
        return {name.removeprefix("org.opencontainers.image."): text for name, text in self.config["Labels"].items()}


def missing() -> list[str]:
    """What this machine lacks."""
    lacks = [] if os.geteuid() == 0 else ["root"]
    return [*lacks, *(one for one in NEEDED if shutil.which(one) is None)]


@contextmanager
def built(folder: Path, revision: str) -> Iterator[Image]:
    """The image. All that it takes lives in `folder`."""

    def buildah(*words: str | Path) -> str:
        own = ("buildah", "--root", folder / "layers", "--runroot", folder / "running")
        done = subprocess.run([*own, *words], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own words
        return done.stdout.strip()

    _bootstrap(folder / "base.tar")
    base = buildah("from", "scratch")
    buildah("add", "--quiet", base, folder / "base.tar", "/")
    _settle(Path(buildah("mount", base)))
    buildah("commit", "--quiet", "--disable-compression", base, "localhost/base")
    buildah(
        "build", "--quiet", "--isolation=chroot", "--pull-never", "--format=docker",
        "--build-arg=BASE=localhost/base", f"--build-arg=REVISION={revision}", "--tag=localhost/tyk-key-bot", ".",
    )  # fmt: skip
    container = buildah("from", "--pull-never", "localhost/tyk-key-bot")
    config = json.loads(buildah("inspect", "--type=image", "localhost/tyk-key-bot"))["Docker"]["config"]
    try:
        yield Image(Path(buildah("mount", container)), config)
    finally:
        buildah("umount", "--all")


def _bootstrap(archive: Path) -> None:
    """Unpack the packages and run nothing of theirs: a few seconds, where a whole installation takes half a minute."""
    debian = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    release = debian["VERSION_CODENAME"]
    words = ["mmdebstrap", "--quiet", "--variant=extract", f"--include={PACKAGES}", release, str(archive)]
    subprocess.run(words, check=True)  # noqa: S603 - as above


def _settle(base: Path) -> None:
    """What those packages would have done when they were installed, as far as it matters here."""
    for name in ("passwd", "group"):
        shutil.copy(base / f"usr/share/base-passwd/{name}.master", base / "etc" / name)
    (base / "etc/ssl/certs").mkdir(parents=True, exist_ok=True)
    shutil.copy(CERTIFICATES, base / "etc/ssl/certs")
    for name in MOUNT_POINTS:
        (base / name).mkdir(parents=True, exist_ok=True)
    (base / "tmp").chmod(0o1777)
