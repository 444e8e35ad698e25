"""Complaints about `config.yaml` in plain words: a setting that is missing, unknown or of the wrong kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.config.positions import Trail
from bot.config.sections import (
    SINGLE_PLAN,
    ApiSection,
    AuditSection,
    File,
    ForwardSection,
    LimitsSection,
    PlanSection,
    ReasonPatternSection,
    Section,
    SlackSection,
    Terms,
    TykSection,
)
from bot.config.values import shown
from bot.spelling import did_you_mean

RESERVED = frozenset(
    {
        "admins",
        "delivery",
        "rotation_overlap",
        "remind_approvers_after",
        "offboarding_grace",
    }
)
_SECTIONS: dict[tuple[str, ...], type[Section]] = {
    (): File,
    ("tyk",): TykSection,
    ("slack",): SlackSection,
    ("audit",): AuditSection,
    ("audit", "forward", "*"): ForwardSection,
    ("defaults",): Terms,
    ("defaults", "limits"): LimitsSection,
    ("defaults", "reason_pattern"): ReasonPatternSection,
    ("apis", "*"): ApiSection,
    ("apis", "*", "limits"): LimitsSection,
    ("apis", "*", "reason_pattern"): ReasonPatternSection,
    ("apis", "*", "plans", "*"): PlanSection,
    ("apis", "*", "plans", "*", "limits"): LimitsSection,
}


def missing(trail: Trail) -> str:
    """A key that the section has to have is not there."""
    section = _section(trail[:-1])
    about = section.model_fields[str(trail[-1])].description if section else None
    return f"{_owner(trail)} lacks `{trail[-1]}`" + (f": {about}" if about else "")


def unknown(trail: Trail) -> str:
    """A key that the section does not have."""
    key = str(trail[-1])
    if key in RESERVED:
        return f"`{key}` is reserved for a later version: leave it out"
    section = _section(trail[:-1])
    if section is ApiSection and key in ("tyk_policies", "also_opens"):
        return f"`{key}` belongs to a plan, as in `plans: {{{SINGLE_PLAN}: {{{key}: [...]}}}}`"
    if len(trail) == 1 and key.startswith("x-"):
        return f"the file has no place for anchors alone, such as `{key}`: write the & where its value stands first"
    known = list(section.model_fields) if section else []
    meant = hint(did_you_mean(key, known)) or f": it may have {', '.join(known)}"
    return f"{_owner(trail)} has no setting `{key}`{meant}"


def count(number: int, one: str, many: str = "") -> str:
    return f"{number} {one}" if number == 1 else f"{number} {many or one + 's'}"


def hint(option: str | None) -> str:
    return f"; did you mean `{option}`?" if option else ""


def _section(trail: Trail) -> type[Section] | None:
    shape = tuple(
        "*" if isinstance(step, int) or (place in (1, 3) and trail[0] == "apis") else step
        for place, step in enumerate(trail)
    )
    return _SECTIONS.get(shape)


def label(trail: Trail) -> str:
    """The name of the nearest key."""
    return next((step for step in reversed(trail) if isinstance(step, str)), "the file")


def _owner(trail: Trail) -> str:
    return f"`{label(trail[:-1])}`" if trail[:-1] else "the file"


_SENTENCES = {
    "int_type": "needs a whole number, got {got}",
    "int_from_float": "needs a whole number, got {got}",
    "greater_than_equal": "must be at least {ge}, got {got}",
    "less_than_equal": "must be at most {le}, got {got}",
    "literal_error": "needs {expected}, got {got}",
    "model_type": "needs `key: value` lines of its own, got {got}",
    "dict_type": "needs `key: value` lines of its own, got {got}",
}


def of_error(error: Mapping[str, Any]) -> str:
    """Pydantic's finding in words for a person."""
    found, context = error["input"], error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if error["type"] == "string_type":
        return f"needs text, got {shown(found)}" + ("" if isinstance(found, list | dict) else ": put quotes around it")
    if "expected" in context:
        context = {"expected": context["expected"].replace("'", "")}
    return _SENTENCES.get(error["type"], "cannot be {got}").format(**context, got=shown(found))
