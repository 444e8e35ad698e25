"""The lines of the pages for Docker, Compose, Kubernetes and systemd: each as the program takes it, and true of `deploy/`."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy import DEPLOY
from tests.docs import DOCS, ROOT, blocks

PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
NAME = "tyk-key-bot"
SERVICES = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
DEPLOYMENT = yaml.safe_load((DEPLOY / "kubernetes" / "deployment.yaml").read_text())
OF_COMPOSE = {
    "build": set[str](),
    "exec": {"-T"},
    "logs": {"--no-log-prefix"},
    "restart": set[str](),
    "run": {"--rm"},
    "stop": set[str](),
    "up": {"-d"},
}
"""What the pages give of Compose, each with its options as docs.docker.com has them."""
PLUGINS = {"buildx", "compose", "login"}
"""What may not be installed, and what would ask a registry."""
MENTIONS = {(), ("...",), ("secret",), ("...", NAME, "run", "--restored")}
"""Words behind a command that is spoken of, not given."""
OBJECT = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}})
OF_SYSTEMD = {"daemon-reload", "edit", "enable", "reload", "restart", "start", "stop"}


@cache
def commands(program: str) -> list[tuple[str, ...]]:
    """The words of each command of this program, in blocks, aliases and in the running text, each once."""
    found: dict[tuple[str, ...], None] = {}
    for page in PAGES:
        text = page.read_text()
        spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL))
        shell = "\n".join(block for language in ("", "yaml") for block in blocks(page, language)).replace("\\\n", " ")
        for line in [*spans, *shell.splitlines(), *re.findall(r"^alias \S+='([^']+)'$", shell, re.MULTILINE)]:
            for words in _simple(line.replace("\\|", "|").strip()):
                if words[0] == program and len(words) > 1 and words[1:] != ("...",):
                    found[words] = None
    return list(found)


def _simple(line: str) -> Iterator[tuple[str, ...]]:
    """The simple commands of a line, without what is redirected. Text that is no shell has none."""
    lexer = shlex.shlex(re.sub(r'"?\$\(.*?\)"?', "it", line), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    try:
        for word in [*lexer, ";"]:
            if set(word) <= set("|&;"):
                if words:
                    yield tuple(words[: next((at for at, one in enumerate(words) if set(one) <= set("<>")), None)])
                words = []
            else:
                words.append(word)
    except ValueError:  # a quotation mark of a sentence
        return


def _of_docker(subcommand: str) -> list[tuple[str, ...]]:
    return [words[2:] for words in commands("docker") if words[1] == subcommand and words[2:] not in ((), ("...",))]


# --- as the program takes it ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "nobody_there"), [("docker", "Cannot connect to the Docker"), ("kubectl", "refused")]
)
def test_the_program_takes_each(program: str, nobody_there: str, tmp_path: Path) -> None:
    """The real one, with nobody to talk to: it reads all its words before it finds that out."""
    found = shutil.which(program)
    if found is None:
        why = f"No {program}: its lines in the pages are not read by itself"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    for name in ("Dockerfile", "config/config.yaml", *(f"deploy/secrets/{one}" for one in SERVICES["bot"]["secrets"])):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("FROM scratch")
    (tmp_path / "deploy" / "kubernetes").symlink_to(DEPLOY / "kubernetes")
    cluster = {"cluster": {"server": "http://127.0.0.1:1"}, "name": "nobody"}
    context = {"context": {"cluster": "nobody", "user": ""}, "name": "nobody"}
    nobody = {"apiVersion": "v1", "kind": "Config", "clusters": [cluster], "contexts": [context]}
    (tmp_path / "kubeconfig").write_text(json.dumps(nobody | {"current-context": "nobody"}))
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DOCKER_HOST": f"unix://{tmp_path}/nobody.sock",
        "KUBECONFIG": str(tmp_path / "kubeconfig"),
    }
    for words in commands(program):
        if words[1] in PLUGINS or words[2:] in MENTIONS:
            continue
        given = [word.replace("$PWD", str(tmp_path)).replace("$IMAGE", "rules") for word in words[1:] if word != "..."]
        done = subprocess.run(  # noqa: S603 - our own pages' words, to nobody
            [found, *given],
            cwd=tmp_path,
            env=environ,
            input=OBJECT,
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        assert done.returncode == 0 or nobody_there in done.stderr, f"{words}: {done.stderr}"


def test_compose_has_each() -> None:
    """The file, the services and the subcommands with their options."""
    lines = _of_docker("compose")
    assert len(lines) > 10
    for words in lines:
        flag, file, subcommand, *rest = words
        assert (flag, (ROOT / file).resolve()) == ("-f", DEPLOY / "compose.yaml"), words
        options = rest[: _first_name(rest)]
        assert set(options) <= OF_COMPOSE[subcommand], words
        service = rest[len(options) :][:1]
        assert set(service) <= SERVICES.keys(), words
        assert service or subcommand == "up", words


def _first_name(words: list[str]) -> int:
    return next((at for at, word in enumerate(words) if not word.startswith("-")), len(words))


def test_systemd_has_each() -> None:
    """Each verb, and the unit that `docs/install.md` puts in place."""
    assert (DEPLOY / "systemd" / f"{NAME}.service").is_file()
    for _, verb, *rest in commands("systemctl"):
        assert verb in OF_SYSTEMD
        assert [word for word in rest if not word.startswith("-")] == ([] if verb == "daemon-reload" else [NAME])
    assert {words[1:3] for words in commands("journalctl")} == {("--unit", NAME)}


# --- true of deploy/ --------------------------------------------------------------------------------------------------


def test_one_name_for_the_container_and_the_image() -> None:
    """What is run by a name is stopped, removed, entered and read by it, and the image is the one that is built."""
    named = [words[words.index("--name") + 1] for words in _of_docker("run") if "--name" in words]
    assert set(named) == {NAME}
    entered = [words[_first_name(list(words))] for words in _of_docker("exec")]
    ended = [words[-1] for subcommand in ("stop", "rm", "kill", "logs") for words in _of_docker(subcommand)]
    assert {*entered, *ended} == {NAME}
    assert {words[words.index("-t") + 1] for words in _of_docker("build") if "-t" in words} == {NAME}
    assert SERVICES["bot"]["image"] == NAME
    exposed = re.findall(r"^EXPOSE (\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    published = {words[words.index("-p") + 1] for words in _of_docker("run") if "-p" in words}
    assert published == set(SERVICES["bot"]["ports"]) == {f"127.0.0.1:{exposed[0]}:{exposed[0]}"}
    assert "VOLUME /data" in (ROOT / "Dockerfile").read_text()


def test_kubernetes_has_what_is_named() -> None:
    """The Deployment, its container, its labels, and the place that a patch changes."""
    pod = DEPLOYMENT["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert DEPLOYMENT["metadata"]["name"] == NAME
    for words in commands("kubectl"):
        text = " ".join(words)
        assert set(re.findall(r"deployment[/ ](\S+)", text)) <= {NAME}, text
        assert set(re.findall(r"--container=(\S+)", text)) <= {container["name"]}, text
        for label, value in re.findall(r"--selector (\S+?)=(\S+)", text):
            assert pod["metadata"]["labels"][label] == value, text
        if words[1] == "patch":
            assert [_parent(DEPLOYMENT, one["path"]) for one in json.loads(words[-1])] == [container]


def _parent(found: Any, path: str) -> Any:
    for step in path.strip("/").split("/")[:-1]:
        found = found[int(step)] if isinstance(found, list) else found[step]
    return found
