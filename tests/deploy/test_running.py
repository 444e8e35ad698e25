"""The ways to run the bot that `deploy/` has, each read by a tool of its field."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from bot import cli, metrics, settings, web
from bot.app import GRACE
from bot.errors import WRONG_INPUT
from bot.settings import Settings
from bot.store.seal import new_key
from tests.deploy import DEPLOY, ROOT, of_the_system, run

COMPOSE = (DEPLOY / "compose.yaml").read_text()
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
DOCKERFILE = (ROOT / "Dockerfile").read_text()
UNIT = (DEPLOY / "systemd" / "tyk-key-bot.service").read_text()
COMMAND = (DEPLOY / "systemd" / "tyk-key-bot").read_text()
CONFIG = Path(re.findall(rf"{cli.CONFIG_VARIABLE}=(\S+)", DOCKERFILE)[0])
OLDEST, NEWEST = "1.30", "1.37"
MOST_EXPOSED = 15  # of 100, as `systemd-analyze security` counts


def test_compose() -> None:
    """It fits the Compose Specification, and all that a service names is declared."""
    compose = PyCompose.from_yaml(COMPOSE)
    compose.validate()
    assert compose.service_names() == ["bot", "database"]
    plain = yaml.safe_load(COMPOSE)
    bot = plain["services"]["bot"]
    assert int(bot["stop_grace_period"].removesuffix("s")) > GRACE
    assert bot["read_only"] is True
    (mounted,) = bot["volumes"]
    assert (mounted["source"], Path(mounted["target"])) == ("../config", CONFIG.parent), (
        "a folder, whose files can be replaced"
    )
    assert all(secret == {"file": f"secrets/{name}"} for name, secret in plain["secrets"].items())


def test_docker_gets_a_folder() -> None:
    """Each `docker` of the pages mounts the folder that the image reads: a file alone would stay the one that it was."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    mounted = {one for page in pages for one in re.findall(r'-v "?(\S+:/etc/\S+?)"?(?= )', page.read_text())}
    assert mounted == {f"$PWD/config:{CONFIG.parent}:ro"}


def _kubernetes(kind: str) -> Any:
    return next(one for one in map(yaml.safe_load, map(Path.read_text, KUBERNETES)) if one["kind"] == kind)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.stem)
def test_kubernetes(path: Path, version: str) -> None:
    """Each object fits the schema of its kind, with no key that the schema does not know."""
    assert kubernetes_validate.validate(yaml.safe_load(path.read_text()), version, strict=True) == version


def test_a_pod_that_may_do_nothing_but_its_work() -> None:
    """Two replicas as an own user on a read-only file system, stopped with time to finish, and one is always left."""
    deployment, budget = _kubernetes("Deployment"), _kubernetes("PodDisruptionBudget")
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert (deployment["spec"]["replicas"], budget["spec"]["minAvailable"]) == (2, 1)
    assert pod["terminationGracePeriodSeconds"] > GRACE
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}, (
        "no older version works on the database of a newer one"
    )
    assert f"\nUSER {pod['securityContext']['runAsUser']}\n" in DOCKERFILE
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounted = {one["mountPath"] for one in container["volumeMounts"]}
    assert str(CONFIG.parent) in mounted
    assert not [one for one in container["volumeMounts"] if one["name"] == "config" and "subPath" in one]
    assert {str(Path(one["value"]).parent) for one in container["env"] if one["value"]} <= mounted
    wanted = deployment["spec"]["selector"]
    assert all(_kubernetes(kind)["spec"][name] == wanted for kind, name in _SELECTORS)


async def test_what_is_asked_whether_the_bot_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes' three probes and the image's health check ask what the bot answers, at its port in both modes."""
    (container,) = _kubernetes("Deployment")["spec"]["template"]["spec"]["containers"]
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    probes = {name: container[f"{name}Probe"] for name in ("startup", "liveness", "readiness")}
    assert {name: one["httpGet"]["path"] for name, one in probes.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {ports[one["httpGet"]["port"]] for one in probes.values()} == {Settings.http_port}
    assert f"\nEXPOSE {Settings.http_port} {Settings.metrics_port}\n" in DOCKERFILE
    assert all(f"or '{port}'" in DOCKERFILE for port in (Settings.http_port, Settings.metrics_port))
    (check,) = re.findall(r"^HEALTHCHECK .*\\\n +CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    first, *words = json.loads(check)
    assert first == "python"
    rejections, pages = web.Rejections(metrics.REJECTED_REQUESTS), web.health_pages(_is_ready)
    async with web.serving(pages, "127.0.0.1", 0, rejections) as port:
        monkeypatch.setenv("HTTP_PORT", str(port))
        assert (await asyncio.to_thread(run, sys.executable, *words)).returncode == 0
        monkeypatch.setenv("SLACK_SIGNING_SECRET_FILE", "/run/secrets/slack-signing-secret")
        monkeypatch.setenv("METRICS_PORT", str(port))
        monkeypatch.setenv("HTTP_PORT", "1")
        assert (await asyncio.to_thread(run, sys.executable, *words)).returncode == 0
    assert run(sys.executable, *words).returncode == 1, "nobody is there"


async def _is_ready() -> Mapping[str, object]:
    return {"ready": True}


_WAYS = ("compose", "kubernetes", "systemd")
_SELECTORS = (("PodDisruptionBudget", "selector"), ("NetworkPolicy", "podSelector"))


def test_systemd(tmp_path: Path) -> None:
    """The unit is taken by systemd as it is, and leaves the bot hardly anything that it could do to the machine."""
    analyze = of_the_system("systemd-analyze", "systemd")
    unit = tmp_path / "tyk-key-bot.service"
    unit.write_text(UNIT.replace("/opt/tyk-key-bot/.venv/bin/python", "/bin/true"))  # which is nowhere here
    done = run(analyze, "verify", unit)
    assert (done.returncode, done.stdout) == (0, "")
    done = run(analyze, "security", "--offline=yes", "--no-pager", f"--threshold={MOST_EXPOSED}", unit)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_the_commands_beside_systemd(tmp_path: Path) -> None:
    """They get what the unit gives to the bot, each secret from root's own file, and they do not start a second bot."""
    python, config = re.findall(r"^ExecStart=(\S+ -m bot) run --config (\S+)$", UNIT, re.MULTILINE)[0]
    command = tmp_path / "tyk-key-bot"
    command.write_text(COMMAND.replace(f"exec {python}", "exec env"))
    done = run("env", "--ignore-environment", "sh", command)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines() if not line.startswith("PWD="))
    secrets = re.findall(r"^LoadCredential=(.*)$", UNIT, re.MULTILINE)
    given = {name: text.replace("%d/", "/etc/tyk-key-bot/secrets/") for name, text in _environ_of_systemd().items()}
    assert found == given | {cli.CONFIG_VARIABLE: config}
    assert {f"{Path(text).name}:{text}" for text in given.values() if "secrets" in text} == set(secrets)
    assert run("sh", DEPLOY / "systemd" / "tyk-key-bot", "run").returncode == WRONG_INPUT


def test_install_makes_every_secret() -> None:
    """`docs/install.md` writes each file that Compose, Kubernetes or systemd wants, and names what the cluster must have."""
    page = (ROOT / "docs" / "install.md").read_text()
    written = set(re.findall(r"^printf .* > (\S+)$|^openssl .* > (\S+)$", page, re.MULTILINE))
    assert {one or other for one, other in written} == set(yaml.safe_load(COMPOSE)["secrets"])
    wanted = {Path(text).name for name, text in _environ_of_kubernetes().items() if name.endswith("_FILE")}
    assert set(re.findall(r"--from-file=deploy/secrets/(\S+)", page)) == wanted
    (rule,) = _kubernetes("NetworkPolicy")["spec"]["ingress"]
    (namespace,) = rule["from"][0]["namespaceSelector"]["matchLabels"].values()
    volumes = _kubernetes("Deployment")["spec"]["template"]["spec"]["volumes"]
    assert f"`{namespace}`" in page
    assert {volumes[0]["configMap"]["name"], volumes[1]["secret"]["secretName"]} == {"tyk-key-bot"}


def test_a_start_after_a_restore_beside_systemd() -> None:
    """What `docs/operate.md` has in place of the unit's start is that start with one word more."""
    (start,) = re.findall(r"^ExecStart=.*$", UNIT, re.MULTILINE)
    assert f"\nExecStart=\n{start} --restored\n" in (ROOT / "docs" / "operate.md").read_text()


def _environ_of_compose() -> dict[str, str]:
    return dict(yaml.safe_load(COMPOSE)["services"]["bot"]["environment"])


def _environ_of_kubernetes() -> dict[str, str]:
    (container,) = _kubernetes("Deployment")["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container["env"]}


def _environ_of_systemd() -> dict[str, str]:
    lines = re.findall(r"^Environment=(.*)$", UNIT, re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


SECRETS = {
    "slack-bot-token": "xoxb-1-2-a",
    "slack-app-token": "xapp-1-2-b",
    "tyk-dashboard-key": "c3d4",
    "seal-keys": new_key(),
    "database-url": "postgresql://bot:secret@database/bot",
}


@pytest.mark.parametrize("environ", [_environ_of_compose(), _environ_of_kubernetes(), _environ_of_systemd()], ids=_WAYS)
def test_the_bot_finds_its_secrets(environ: dict[str, str], tmp_path: Path) -> None:
    """Over what the image sets, each way gives what the bot needs, every secret by its file: none stands in an environment."""
    for name, secret in SECRETS.items():
        (tmp_path / name).write_text(secret)
    of_the_image = {"DATABASE_URL": "sqlite:////data/tyk-key-bot.db", "HTTP_HOST": "0.0.0.0"}
    given = of_the_image | {
        name: str(tmp_path / Path(text).name) if name.endswith("_FILE") else text for name, text in environ.items()
    }
    found = settings.load(given)
    assert (found.slack_bot_token, found.slack_app_token) == (SECRETS["slack-bot-token"], SECRETS["slack-app-token"])
    assert (found.tyk_dashboard_key, found.seal_keys) == (SECRETS["tyk-dashboard-key"], (SECRETS["seal-keys"],))
    assert found.database_url in (SECRETS["database-url"], environ.get("DATABASE_URL"))
