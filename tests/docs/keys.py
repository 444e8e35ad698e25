"""The table of every key of `config.yaml`, as its JSON Schema has them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bot import config
from bot.durations import PATTERN

BEGIN, END = "<!-- generated from the JSON Schema by `python -m tests.docs` -->", "<!-- end of what is generated -->"
_HEAD = "| key | value | default | meaning |\n|---|---|---|---|"
_DEFAULTS, _API = "Terms", "ApiSection"


def within(page: str) -> str:
    """The page with the tables of today in it."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    """A table for each section, in the order in which the file has them; `defaults` once, for what each API may say too."""
    schema = config.schema()
    tables: dict[str, str] = {}
    for path, part, rows in _sections("", schema, schema["$defs"]):
        tables.setdefault("\n".join(rows), _table(path, part, rows))
    return "\n".join(tables.values())


Section = tuple[str, Mapping[str, Any], list[str]]


def _sections(path: str, part: Mapping[str, Any], named: Mapping[str, Any]) -> Iterator[Section]:
    shared = set(named[_DEFAULTS]["properties"]) if part is named[_API] else set()
    own = {name: each for name, each in part["properties"].items() if name not in shared}
    rows = [_row(name, each, name in part.get("required", ())) for name, each in own.items()]
    if shared:
        rows.append("| each key of `defaults` | | what `defaults` says | what holds for this API instead |")
    yield path, part, rows
    for name, each in own.items():
        below, step = _below(each)
        if below is not None:
            yield from _sections(f"{path}.{name}{step}".lstrip("."), named[below], named)


def _below(each: Mapping[str, Any]) -> tuple[str | None, str]:
    """The section that this key holds, by its name in the schema, and how it is reached from the key."""
    for step, place in (("", each), (".NAME", each.get("additionalProperties")), ("[]", each.get("items"))):
        if isinstance(place, Mapping) and "$ref" in place:
            return place["$ref"].rpartition("/")[2], step
    return None, ""


def _table(path: str, part: Mapping[str, Any], rows: list[str]) -> str:
    title = f"### `{path}`" if path else "### The file"
    return "\n".join([title, "", part["description"], "", _HEAD, *rows, ""])


def _row(name: str, each: Mapping[str, Any], required: bool) -> str:
    default = "must be given" if required else _default(each)
    cells = (f"`{name}`", _value(each), default, each["description"])
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(each: Mapping[str, Any]) -> str:
    given = each.get("default")
    if given in (None, [], {}) or (isinstance(given, dict) and any(isinstance(one, dict) for one in given.values())):
        return ""
    return f"`{json.dumps(given)}`".replace('"', "")


def _value(each: Mapping[str, Any]) -> str:
    """What may stand there, in a word or two."""
    below, step = _below(each)
    if below is not None:
        return {"": "a section", ".NAME": "sections by name", "[]": "a list of sections"}[step]
    if "enum" in each:
        return ", ".join(f"`{one}`" for one in each["enum"])
    if each["type"] == "array":
        return f"a list: {_value(each['items'])}"
    if each["type"] != "string":
        return {"integer": "a number", "boolean": "`true`, `false`"}[each["type"]]
    return _TEXTS.get(each.get("pattern") or each.get("format", ""), "text")


_TEXTS = {
    "uri": "an address",
    PATTERN: "a duration",
    f"{PATTERN}|^never$": "a duration, or `never`",
    "^https?://": "an address",
    "^[CG][A-Z0-9]{2,30}$": "a channel's id",
    "^/": "a path",
}
