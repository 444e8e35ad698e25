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
from prometheus_client import REGISTRY, Info

from bot.web import Rejection
from tests.deploy import DEPLOY, of_the_system, run
from tests.test_metrics import ours

PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = DEPLOY / "grafana" / "dashboard.json"
OF_EVERY_TARGET = {"instance", "job"}
BUILD = {"version", "revision", "digest"}
FURTHER = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "info": ["_info"], "gauge": [""]}


def _metrics() -> Iterator[str]:
    """The names that a query may use, of all metrics that the bot has."""
    for family in REGISTRY.collect():
        yield from (family.name + further for further in FURTHER[family.type])


_LABELS = {
    name: {*one._labelnames, *(["le"] if name.endswith("_bucket") else []), *(BUILD if isinstance(one, Info) else [])}
    for one in ours()
    for name in (one._name + further for further in FURTHER[str(one._type)])
}
_VALUES: dict[str, set[str]] = {"reason": {*Rejection}, "state": {"due", "parked"}, "outcome": {"ok"}}


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


def _rules() -> Iterator[Any]:
    for group in yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"]:
        yield from group["rules"]


def test_every_alert_is_tried() -> None:
    """There is a moment at which it speaks, and one at which it is silent."""
    tests = yaml.safe_load((PROMETHEUS / "alerts.test.yaml").read_text())["tests"]
    tried = {(one["alertname"], bool(one.get("exp_alerts"))) for test in tests for one in test["alert_rule_test"]}
    assert tried == {(rule["alert"], speaks) for rule in _rules() for speaks in (True, False)}


def test_every_alert_says_what_to_do() -> None:
    """How bad it is, what is the case, and what to do."""
    for rule in _rules():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert all(rule["annotations"][name] for name in ("summary", "description"))


def _targets(dashboard: Any) -> Iterator[tuple[str, str]]:
    """Each query, and how its lines are named."""
    for panel in dashboard["panels"]:
        yield from ((target["expr"], target.get("legendFormat", "")) for target in panel.get("targets", ()))


def _asked() -> Iterator[tuple[str, str]]:
    """Each query of an alert or a panel, and the text that its labels stand in."""
    yield from ((rule["expr"], rule["annotations"]["summary"]) for rule in _rules())
    yield from _targets(json.loads(DASHBOARD.read_text()))


@pytest.mark.parametrize(("query", "text"), tuple(_asked()))
def test_every_label_exists(query: str, text: str) -> None:
    """What a query groups and selects by, and what a text names, are labels that each of its metrics has, and their values."""
    asked = re.findall(r"\btyk_key_bot_[a-z_]+", query)
    labels = set.intersection(*(_LABELS[one] for one in asked)) | OF_EVERY_TARGET
    grouped = {one for by in re.findall(r"\b(?:by|on) \(([^)]*)\)", query) for one in by.split(", ")}
    selected = re.findall(r'(\w+)(?:=~|!=|=)"([^"]*)"', query)
    shown = set(re.findall(r"{{ ?(?:\$labels\.)?(\w+) ?}}", text))
    assert grouped | {name for name, _ in selected} <= labels
    assert shown <= (grouped if " by (" in query else labels)
    assert all(value in _VALUES[name] for name, values in selected for value in values.split("|"))


def test_dashboard(tmp_path: Path) -> None:
    """Grafana's own model takes all of it and knows every setting, and Prometheus every query."""
    register_default_plugins()
    given = json.loads(DASHBOARD.read_text())
    understood = json.loads(JSONEncoder().encode(Dashboard.from_json(given)))
    assert list(_lost(given, understood)) == []
    ids = [panel["id"] for panel in given["panels"]]
    assert sorted(set(ids)) == sorted(ids)
    queries = [one.replace("$__rate_interval", "5m") for one, _ in _targets(given)]
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
