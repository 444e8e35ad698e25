"""Validation of blocks and views as Slack does it: every complaint names its place by a JSON pointer."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from bot.local.slack.journal import Json

_TEXT_KEYS = {"type", "text", "emoji", "verbatim"}
_STATELESS = {"button", "overflow", "image", "workflow_button"}
_VALUE_KEYS = {
    "static_select": ("selected_option", "initial_option"),
    "external_select": ("selected_option", "initial_option"),
    "radio_buttons": ("selected_option", "initial_option"),
    "checkboxes": ("selected_options", "initial_options"),
    "multi_static_select": ("selected_options", "initial_options"),
    "multi_external_select": ("selected_options", "initial_options"),
    "users_select": ("selected_user", "initial_user"),
    "multi_users_select": ("selected_users", "initial_users"),
    "conversations_select": ("selected_conversation", "initial_conversation"),
    "multi_conversations_select": ("selected_conversations", "initial_conversations"),
    "channels_select": ("selected_channel", "initial_channel"),
    "multi_channels_select": ("selected_channels", "initial_channels"),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "plain_text_input": ("value", "initial_value"),
    "email_text_input": ("value", "initial_value"),
    "url_text_input": ("value", "initial_value"),
    "number_input": ("value", "initial_value"),
    "rich_text_input": ("rich_text_value", "initial_value"),
    "file_input": ("files", "initial_files"),
}


@cache
def figures() -> Json:
    """The limits and shapes, as data."""
    loaded: Json = json.loads(files(__package__).joinpath("block_kit.json").read_text("utf-8"))
    return loaded


@dataclass
class Slot:
    """An element and the block it stands in."""

    block: Json
    element: Json

    @property
    def block_id(self) -> str:
        return str(self.block.get("block_id", ""))

    @property
    def action_id(self) -> str:
        return str(self.element.get("action_id", ""))

    @property
    def type(self) -> str:
        return str(self.element.get("type", ""))

    @property
    def is_interactive(self) -> bool:
        return self.type != "image"

    @property
    def is_input(self) -> bool:
        return self.block.get("type") == "input"

    @property
    def value_key(self) -> str | None:
        keys = _VALUE_KEYS.get(self.type)
        return keys[0] if keys else None

    @property
    def options(self) -> list[Json]:
        return options_of(self.element)


def options_of(holder: Json) -> list[Json]:
    """The options of a select or of an answer to a search, those in groups included."""
    flat = list(holder.get("options") or [])
    for group in holder.get("option_groups") or []:
        flat += group.get("options") or []
    return flat


def element_slots(blocks: list[Json]) -> Iterator[Slot]:
    """The interactive elements in reading order."""
    for block in blocks:
        kind = block.get("type")
        if kind == "input" and isinstance(block.get("element"), dict):
            yield Slot(block, block["element"])
        elif kind == "section" and isinstance(block.get("accessory"), dict):
            yield Slot(block, block["accessory"])
        elif kind == "actions":
            for element in block.get("elements") or []:
                if isinstance(element, dict):
                    yield Slot(block, element)


def initial_state(blocks: list[Json]) -> dict[str, dict[str, Json]]:
    """`state.values` before anybody touched anything."""
    state: dict[str, dict[str, Json]] = {}
    for slot in element_slots(blocks):
        keys = _VALUE_KEYS.get(slot.type)
        if keys is None or slot.type in _STATELESS:
            continue
        empty: Any = [] if keys[0].endswith("s") else None
        value = slot.element.get(keys[1], empty)
        state.setdefault(slot.block_id, {})[slot.action_id] = {"type": slot.type, keys[0]: value}
    return state


class _Check:
    """Collects complaints while it walks a message or a view."""

    def __init__(self, surface: str) -> None:
        self.surface = surface
        self.complaints: list[str] = []
        self._checks: dict[str, Callable[[Json, Any, str], None]] = {
            "plain": self._text,
            "text": self._text,
            "string": self._string,
            "int": self._int,
            "bool": self._bool,
            "enum": self._enum,
            "list": self._list,
            "object": self._object,
            "element": self._element,
            "context": self._context,
            "rich": self._rich,
            "any": self._any,
        }

    def say(self, what: str, at: str) -> None:
        self.complaints.append(f"{what} [json-pointer:{at}]")

    def value(self, spec: Json, value: Any, at: str) -> None:
        self._checks[spec["is"]](spec, value, at)

    def fields(self, specs: Json, holder: Json, at: str, own: frozenset[str]) -> None:
        for key in holder:
            if key not in specs and key not in own:
                self.say(f"no more keys are allowed: {key}", f"{at}/{key}")
        for key, spec in specs.items():
            if holder.get(key) is not None:
                self.value(spec, holder[key], f"{at}/{key}")
            elif spec.get("required") or key in holder:
                self.say(f"missing required field: {key}", at)

    def _length(self, spec: Json, text: str, at: str, least: int) -> None:
        if len(text) < least:
            self.say(f"must be more than {least - 1} characters", at)
        if "max" in spec and len(text) > spec["max"]:
            self.say(f"must be less than {spec['max'] + 1} characters", at)

    def _text(self, spec: Json, value: Any, at: str) -> None:
        if not isinstance(value, dict):
            self.say("must be an object", at)
            return
        kinds = ("plain_text",) if spec["is"] == "plain" else ("plain_text", "mrkdwn")
        if value.get("type") not in kinds:
            self.say(f"must be one of {', '.join(kinds)}", f"{at}/type")
            return
        foreign = "verbatim" if value["type"] == "plain_text" else "emoji"
        for key in value:
            if key not in _TEXT_KEYS or key == foreign:
                self.say(f"no more keys are allowed: {key}", f"{at}/{key}")
        if not isinstance(value.get("text"), str):
            self.say("must be a string", f"{at}/text")
        else:
            self._length(spec, value["text"], f"{at}/text", 1)

    def _string(self, spec: Json, value: Any, at: str) -> None:
        if not isinstance(value, str):
            self.say("must be a string", at)
        else:
            self._length(spec, value, at, spec.get("min", 0))

    def _int(self, spec: Json, value: Any, at: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            self.say("must be an integer", at)
        elif value < spec.get("min", value):
            self.say(f"must be greater than or equal to {spec['min']}", at)
        elif value > spec.get("max", value):
            self.say(f"must be less than or equal to {spec['max']}", at)

    def _any(self, spec: Json, value: Any, at: str) -> None:
        """Accept any value unseen."""

    def _bool(self, spec: Json, value: Any, at: str) -> None:
        if not isinstance(value, bool):
            self.say("must be a boolean", at)

    def _enum(self, spec: Json, value: Any, at: str) -> None:
        if value not in spec["values"]:
            self.say(f"must be one of {', '.join(spec['values'])}", at)

    def _list(self, spec: Json, value: Any, at: str) -> None:
        if not isinstance(value, list):
            self.say("must be an array", at)
            return
        if len(value) < spec.get("min", 0):
            self.say(f"no less than {spec['min']} items required", at)
        if len(value) > spec.get("max", len(value)):
            self.say(f"no more than {spec['max']} items allowed", at)
        for index, item in enumerate(value):
            self.value(spec["of"], item, f"{at}/{index}")

    def _object(self, spec: Json, value: Any, at: str) -> None:
        if not isinstance(value, dict):
            self.say("must be an object", at)
        else:
            self.fields(figures()["objects"][spec["name"]], value, at, frozenset())

    def _element(self, spec: Json, value: Any, at: str) -> None:
        data = figures()
        kind = _kind(value)
        if kind not in data["elements"]:
            self.say(f"unsupported element type: {kind}", f"{at}/type")
            return
        if kind not in data["placing"][spec["placing"]]:
            self.say(f"element {kind} is not allowed in a block of type {spec['placing']}", f"{at}/type")
        if kind in data["modal_only"] and self.surface == "message":
            self.say(f"element {kind} is not allowed in a message", f"{at}/type")
        own = frozenset({"type"} if kind == "image" else {"type", "action_id"})
        self.fields(data["elements"][kind], value, at, own)
        self._identifier(value, "action_id", at)
        self._across(kind, value, at)

    def _identifier(self, holder: Json, key: str, at: str) -> None:
        if key in holder:
            self._string({"min": 1, "max": 255}, holder[key], f"{at}/{key}")

    def _across(self, kind: str, value: Json, at: str) -> None:
        """Check what concerns several fields of one element."""
        if kind in ("static_select", "multi_static_select") and ("options" in value) == ("option_groups" in value):
            self.say("exactly one of options and option_groups is required", at)
        if kind in ("static_select", "multi_static_select", "radio_buttons", "checkboxes"):
            self._initial(value, at)
        shortest, longest = value.get("min_length"), value.get("max_length")
        if isinstance(shortest, int) and isinstance(longest, int) and shortest > longest:
            self.say("min_length must not be greater than max_length", at)
        started = value.get("initial_value")
        if isinstance(started, str) and isinstance(longest, int) and len(started) > longest:
            self.say("initial_value is longer than max_length", f"{at}/initial_value")
        if kind == "image" and ("image_url" in value) == ("slack_file" in value):
            self.say("exactly one of image_url and slack_file is required", at)

    def _initial(self, value: Json, at: str) -> None:
        options = options_of(value)
        for option in [value["initial_option"]] if value.get("initial_option") else []:
            if option not in options:
                self.say("initial_option must be one of the options", f"{at}/initial_option")
        for index, option in enumerate(value.get("initial_options") or []):
            if option not in options:
                self.say("initial_options must be among the options", f"{at}/initial_options/{index}")

    def _context(self, spec: Json, value: Any, at: str) -> None:
        kind = _kind(value)
        if kind == "image":
            self.fields(figures()["elements"]["image"], value, at, frozenset({"type"}))
        else:
            self._text({"is": "text", "max": 3000}, value, at)

    def _rich(self, spec: Json, value: Any, at: str) -> None:
        if not isinstance(value, list) or not value:
            self.say("must be an array with at least one item", at)
            return
        for index, element in enumerate(value):
            kind = _kind(element)
            if kind not in figures()["rich_text"]:
                self.say(f"unsupported rich text element: {kind}", f"{at}/{index}/type")
            elif not isinstance(element.get("elements"), list):
                self.say("missing required field: elements", f"{at}/{index}")
            else:
                self._rich_parts(kind, element["elements"], f"{at}/{index}/elements")

    def _rich_parts(self, kind: str, parts: list[Any], at: str) -> None:
        allowed = ["rich_text_section"] if kind == "rich_text_list" else figures()["rich_text_parts"]
        for index, part in enumerate(parts):
            what = _kind(part)
            if what not in allowed:
                self.say(f"unsupported rich text element: {what}", f"{at}/{index}/type")
            elif what == "rich_text_section":
                self._rich_parts(what, part.get("elements") or [], f"{at}/{index}/elements")
            elif what == "text" and not part.get("text"):
                self.say("must be more than 0 characters", f"{at}/{index}/text")

    def blocks(self, blocks: Any, at: str) -> None:
        if not isinstance(blocks, list):
            self.say("must be an array", at)
            return
        limit = figures()["blocks_per"][self.surface]
        if len(blocks) > limit:
            self.say(f"no more than {limit} items allowed", at)
        for index, block in enumerate(blocks):
            self._block(block, f"{at}/{index}")
        self._unique([b for b in blocks if isinstance(b, dict)], at)

    def _block(self, block: Any, at: str) -> None:
        data = figures()
        kind = _kind(block)
        if kind not in data["blocks"]:
            self.say(f"unsupported type: {kind}", f"{at}/type")
            return
        if kind in data["message_only_blocks"] and self.surface != "message":
            self.say(f"block {kind} is only allowed in messages", f"{at}/type")
        self.fields(data["blocks"][kind], block, at, frozenset({"type", "block_id"}))
        self._identifier(block, "block_id", at)
        if kind == "section" and not block.get("text") and not block.get("fields"):
            self.say("text or fields is required", at)
        if kind == "image" and ("image_url" in block) == ("slack_file" in block):
            self.say("exactly one of image_url and slack_file is required", at)

    def _unique(self, blocks: list[Json], at: str) -> None:
        names: set[str] = set()
        for index, block in enumerate(blocks):
            name = block.get("block_id")
            if isinstance(name, str) and name in names:
                self.say(f"block_id {name} already exists", f"{at}/{index}/block_id")
            if isinstance(name, str):
                names.add(name)
            self._unique_actions(block, f"{at}/{index}")
        focused = [slot for slot in element_slots(blocks) if slot.element.get("focus_on_load")]
        if len(focused) > 1:
            self.say("only one element may have focus_on_load", at)
        total = sum(len(str(b.get("text"))) for b in blocks if b.get("type") == "markdown")
        if total > figures()["markdown_total"]:
            self.say(f"markdown blocks must together be less than {figures()['markdown_total'] + 1} characters", at)

    def _unique_actions(self, block: Json, at: str) -> None:
        actions: set[str] = set()
        for position, slot in enumerate(element_slots([block])):
            if slot.action_id and slot.action_id in actions:
                self.say(f"action_id {slot.action_id} already exists", f"{at}/elements/{position}/action_id")
            actions.add(slot.action_id)

    def view(self, view: Json, at: str) -> None:
        limits, modal = figures()["view"], self.surface == "modal"
        allowed = {"type", "blocks", "private_metadata", "callback_id", "external_id"}
        if modal:
            allowed |= {"title", "submit", "close", "clear_on_close", "notify_on_close", "submit_disabled"}
        for key in view:
            if key not in allowed:
                self.say(f"no more keys are allowed: {key}", f"{at}/{key}")
        specs: Json = {
            key: {"is": "string", "max": limits[key]} for key in ("private_metadata", "callback_id", "external_id")
        }
        if modal:
            specs |= {key: {"is": "plain", "max": limits[key]} for key in ("title", "submit", "close")}
            specs |= {key: {"is": "bool"} for key in ("clear_on_close", "notify_on_close", "submit_disabled")}
        for key, spec in specs.items():
            if view.get(key) is not None:
                self.value(spec, view[key], f"{at}/{key}")
        if modal and view.get("title") is None:
            self.say("missing required field: title", at)
        self.blocks(view.get("blocks"), f"{at}/blocks")
        if modal and not view.get("submit") and any(b.get("type") == "input" for b in _dicts(view.get("blocks"))):
            self.say("submit is required when the view has an input block", f"{at}/submit")


def _kind(value: Any) -> str:
    return str(value.get("type")) if isinstance(value, dict) else "none"


def _dicts(value: Any) -> list[Json]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def check_blocks(blocks: Any, at: str = "/blocks") -> list[str]:
    """Complaints about the blocks of a message."""
    check = _Check("message")
    check.blocks(blocks, at)
    return check.complaints


def check_view(view: Any, surfaces: tuple[str, ...] = ("modal",), at: str = "/view") -> list[str]:
    """Complaints about a view, which must be of one of these types."""
    if not isinstance(view, dict):
        return [f"must be an object [json-pointer:{at}]"]
    if view.get("type") not in surfaces:
        return [f"must be one of {', '.join(surfaces)} [json-pointer:{at}/type]"]
    check = _Check(view["type"])
    check.view(view, at)
    return check.complaints


def view_is_too_large(view: Json) -> bool:
    most: int = figures()["view"]["bytes"]
    return len(json.dumps(view, separators=(",", ":")).encode()) > most


def check_options(answer: Json) -> list[str]:
    """Complaints about the answer to a search in an external select."""
    if ("options" in answer) == ("option_groups" in answer):
        return ["exactly one of options and option_groups is required [json-pointer:]"]
    check = _Check("modal")
    name = "options" if "options" in answer else "option_groups"
    of = "plain_option" if name == "options" else "option_group"
    spec = {"is": "list", "max": 100, "of": {"is": "object", "name": of}}
    check.value(spec, answer[name], f"/{name}")
    return check.complaints
