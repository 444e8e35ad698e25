"""The alerts and the dashboard, loaded by the parsers of Prometheus and Grafana."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus_client import REGISTRY

import bot.metrics  # noqa: F401 - which registers them
from tests.deploy import DEPLOY, of_the_system, run

PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = DEPLOY / "grafana" / "dashboard.json"
FURTHER = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "info": ["_info"], "gauge": [""]}


def _metrics() -> Iterator[str]:
    """The names that a query may use, of all metrics that the bot has."""
    for family in REGISTRY.collect():
        yield from (family.name + further for further in FURTHER[family.type])


@pytest.mark.parametrize(
    "path", sorted(path for path in DEPLOY.rglob("*") if path.is_file()), ids=lambda path: path.name
)
def test_every_metric_exists(path: Path) -> None:
    """What an alert or a panel asks for is a metric of the bot's, by the name that it has there."""
    assert set(re.findall(r"\btyk_key_bot_\w+", path.read_text())) <= set(_metrics())


def test_alerts() -> None:
    """Prometheus takes the rules, and they speak and are silent when they should."""
    promtool = of_the_system("promtool", "prometheus")
    for verb, name in (("check", "alerts.yaml"), ("test", "alerts.test.yaml")):
        done = run(promtool, verb, "rules", PROMETHEUS / name)
        assert done.returncode == 0, done.stdout


def test_every_alert_says_what_to_do() -> None:
    """How bad it is, what is the case, and what to do."""
    for rule in yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"][0]["rules"]:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert all(rule["annotations"][name] for name in ("summary", "description"))


def _expressions(dashboard: Any) -> Iterator[str]:
    for panel in dashboard["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def test_dashboard(tmp_path: Path) -> None:
    """Grafana's own model takes all of it and knows every setting, and Prometheus every query."""
    register_default_plugins()
    given = json.loads(DASHBOARD.read_text())
    understood = json.loads(JSONEncoder().encode(Dashboard.from_json(given)))
    assert list(_lost(given, understood)) == []
    ids = [panel["id"] for panel in given["panels"]]
    assert sorted(set(ids)) == sorted(ids)
    queries = [one.replace("$__rate_interval", "5m") for one in _expressions(given)]
    rules = [{"record": f"panel:{number}", "expr": one} for number, one in enumerate(queries)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    done = run(of_the_system("promtool", "prometheus"), "check", "rules", tmp_path / "rules.yaml")
    assert done.returncode == 0, done.stdout
    assert f"{len(queries)} rules found" in done.stdout


def _lost(given: Any, understood: Any, place: str = "") -> Iterator[str]:
    """The settings that Grafana's model does not know, or takes for something else."""
    if isinstance(given, dict) and isinstance(understood, dict):
        for name, value in given.items():
            yield from _lost(value, understood.get(name, "nothing"), f"{place}.{name}")
    elif isinstance(given, list) and isinstance(understood, list) and len(given) == len(understood):
        for one, other in zip(given, understood, strict=True):
            yield from _lost(one, other, f"{place}[]")
    elif given != understood:
        yield f"{place}: {given!r} became {understood!r}"
