"""The ways to run the bot that `deploy/` has, each read by a tool of its field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from bot import settings
from bot.app import GRACE
from tests.deploy import DEPLOY, ROOT, of_the_system, run

COMPOSE = (DEPLOY / "compose.yaml").read_text()
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
UNIT = (DEPLOY / "systemd" / "tyk-key-bot.service").read_text()
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
    assert all(secret == {"file": f"secrets/{name}"} for name, secret in plain["secrets"].items())


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
    assert f"\nUSER {pod['securityContext']['runAsUser']}\n" in (ROOT / "Dockerfile").read_text()
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounted = {one["mountPath"] for one in container["volumeMounts"]}
    assert {str(Path(one["value"]).parent) for one in container["env"] if one["value"]} <= mounted
    wanted = deployment["spec"]["selector"]
    assert all(_kubernetes(kind)["spec"][name] == wanted for kind, name in _SELECTORS)


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


@pytest.mark.parametrize(
    "text",
    [pytest.param(COMPOSE, id="compose"), pytest.param(str(_kubernetes("Deployment")), id="kubernetes"), UNIT],
)
def test_every_secret_has_its_file(text: str) -> None:
    """Each variable is one that the bot reads, by a file where it is a secret: none stands in an environment."""
    given = set(re.findall(r"\b([A-Z]+_[A-Z_]+)_FILE\b", text)) - {"POSTGRES_PASSWORD"}
    assert {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "TYK_DASHBOARD_KEY", "SEAL_KEYS"} <= given
    assert given <= {variable.name for variable in settings._VARIABLES}
