"""The timeline of what happens underneath, as lines a person can read, in groups: one for each thing that somebody did.

Made from the journals of the local Slack and the local Tyk, and from what the page is told of the bot's own side.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from bot.local.page.folding import INTERACTION, Concerns, Folding, Line
from bot.local.page.mask import Mask
from bot.local.slack import Entry, LocalSlack
from bot.local.tyk import Call, LocalTyk

Json = dict[str, Any]
MOST_LINES = 500
PAUSE = 4.0
"""Seconds without anything, after which what comes next is nobody's doing."""
AT_ONCE = 1.0
KINDS = {"slash_commands": "command", "interactive": "interaction", "events_api": "event"}
WORDS = {
    "block_actions": "action",
    "view_submission": "submission",
    "view_closed": "form closed",
    "block_suggestion": "search",
    "shortcut": "shortcut",
    "message_action": "message shortcut",
}
BY_ITSELF = "The bot, by itself"


@dataclass
class Group:
    id: int
    at: float
    title: str
    last: float
    revision: int = 0


class Timeline:
    def __init__(self, slack: LocalSlack, tyk: LocalTyk, mask: Mask) -> None:
        self._slack = slack
        self._place = slack.workspace
        self._tyk = tyk
        self._mask = mask
        self.revision = 0
        self._lines: dict[str, Line] = {}
        self._groups: list[Group] = []
        self._read = (0, 0)
        self._pending: dict[int, Call] = {}
        self._of: dict[str, int] = {}
        self._noted: Group | None = None
        self._concerns = Concerns(tyk, self._lines)
        self._folding = Folding(mask)

    # --- what is shown ---

    def since(self, revision: int) -> Json:
        """Lines and groups that are new or changed since then, secrets masked; `revision` is what to ask with next."""
        self.read()
        lines = [line for line in self._lines.values() if line.revision > revision][-MOST_LINES:]
        used = {line.group for line in lines}
        newest = len(self._groups) - MOST_LINES
        groups = [one for one in self._groups if one.revision > revision and (one.id > newest or one.id in used)]
        told = {"lines": [self._shown(line) for line in lines], "groups": [asdict(group) for group in groups]}
        masked: Json = self._mask.json(told)
        return masked | {"revision": self.revision}

    def details(self, line_id: str) -> Any:
        """KeyError where there is no such line."""
        return self._mask.json(self._lines[line_id].details)

    @staticmethod
    def _shown(line: Line) -> Json:
        shown = asdict(line)
        shown["has_details"] = shown.pop("details") is not None
        for inner in ("calls", "where", "is_secret", "of"):
            del shown[inner]
        return shown

    # --- what is read ---

    def tell(self, line: Json) -> None:
        """A line from the bot's own side; one with an `id` that is there already takes its place. `cause`: a line's id."""
        given = {"at": self._slack.clock(), **line}
        known = self._lines.get(given["id"])
        self.read()
        cause = self._lines.get(given.pop("cause", ""))
        group = known.group if known else self._group_by(cause, given)
        self._put(Line(group=group, **given))

    def note(self, what: str) -> None:
        """Something that a person did to the world, which begins a group."""
        self.read()
        self._noted = self._begin(self._slack.clock(), what)

    def read(self) -> None:
        """Takes in what the journals have got since."""
        slack, tyk = self._read
        entries, calls = self._slack.journal.entries[slack:], self._tyk.journal[tyk:]
        self._read = (slack + len(entries), tyk + len(calls))
        found: list[tuple[float, int, Entry | Call]] = [(one.at, 0, one) for one in entries]
        found += [(call.at, tyk + number + 1, call) for number, call in enumerate(calls)]
        for _, number, one in sorted(found, key=lambda each: each[:1]):
            if isinstance(one, Entry):
                self._entry(one)
            else:
                self._pending[number] = one
                self._call(number, one)
        for number, call in list(self._pending.items()):
            if call.ms is not None:
                del self._pending[number]
                self._call(number, call)

    # --- groups ---

    def _begin(self, at: float, title: str) -> Group:
        group = Group(len(self._groups) + 1, at, title, at)
        self._groups.append(group)
        self._touch(group)
        return group

    def _group_at(self, at: float) -> Group:
        last = self._groups[-1] if self._groups else None
        if last is None or at - last.last > PAUSE:
            return self._begin(at, BY_ITSELF)
        last.last = max(last.last, at)
        return last

    def _group_then(self, at: float) -> Group:
        """The group of that time: the bot's own side is heard of a moment later."""
        then = next((group for group in reversed(self._groups) if group.at <= at + 0.05), None)
        if then is None or at - then.last > PAUSE:
            return self._begin(at, BY_ITSELF)
        then.last = max(then.last, at)
        return then

    def _group_by(self, cause: Line | None, given: Json) -> int:
        """The group of its cause, however late it comes, unless somebody did something about the same request since."""
        acts = (line for line in self._lines.values() if line.source == INTERACTION and given["label"] in line.requests)
        if cause is None or any(act.group > cause.group for act in acts):
            return self._group_then(given["at"]).id
        return cause.group

    def _group_of(self, name: str | None, at: float) -> Group:
        """The group that this trigger, envelope or view belongs to, else the one of this moment."""
        number = self._of.get(name or "")
        return self._groups[number - 1] if number else self._group_at(at)

    def _retitle(self, group: Group, title: str) -> None:
        if title and group.title != title:
            group.title = title
            self._touch(group)

    def _touch(self, one: Line | Group) -> None:
        self.revision += 1
        one.revision = self.revision

    def _put(self, line: Line) -> None:
        before = self._lines.get(line.id)
        if before is not None:
            line.at, line.head, line.group = before.at, before.head, before.group
        self._lines[line.id] = line
        for one in (line, *self._concerns.learn(line), *self._folding.fold(line)):
            self._touch(one)

    # --- Slack ---

    def _entry(self, entry: Entry) -> None:
        reader = getattr(self, f"_slack_{entry.kind}", None)
        if reader is not None:
            reader(entry)

    def _slack_human(self, entry: Entry) -> None:
        if entry.name == "sets":
            return
        who, data = self._name(entry.data["user"]), entry.data
        said = {
            "runs": f"runs {data.get('command', '')} {data.get('text', '')}".rstrip(),
            "says": "writes a message",
            "submits": "submits a form",
            "acts": "acts",
            "searches": f"searches “{data.get('query', '')}”",
            "closes": "closes a form",
            "opens_home": "opens the app's page",
            "uses_shortcut": f"picks the shortcut “{data.get('shortcut', '')}”",
        }
        group = self._begin(entry.at, f"{who} {said.get(entry.name, entry.name)}")
        self._of[f"of:{data['user']}"] = group.id

    def _slack_frame(self, entry: Entry) -> None:
        frame = entry.data["frame"]
        if entry.data["direction"] != "out" or "envelope_id" not in frame:
            return
        payload = frame["payload"]
        user = payload.get("user_id") or (payload.get("user") or {}).get("id")
        group = self._group_of(f"of:{user}", entry.at) if user else self._group_at(entry.at)
        group.last = max(group.last, entry.at)
        self._retitle(group, self._deed(payload))
        for name in (frame["envelope_id"], payload.get("trigger_id"), (payload.get("view") or {}).get("id")):
            if name:
                self._of[name] = group.id
        what = (
            WORDS.get(payload.get("type", "")) or f"{KINDS.get(frame['type'], frame['type'])} {_sort(payload)}".rstrip()
        )
        state = {"what": what, "state": "wait", "note": "waiting for the bot", "details": payload}
        self._put(Line(f"envelope:{frame['envelope_id']}", group.id, entry.at, "Slack → bot", **state))

    def _deed(self, payload: Json) -> str:
        """Words for what somebody did, from what Slack sends of it."""
        who = self._name(payload["user"]["id"]) if "user" in payload and "type" in payload else ""
        match payload.get("type"):
            case "block_actions":
                return f"{who} {_action(payload['actions'][0])}"
            case "view_submission":
                return f"{who} presses “{payload['view']['submit']['text']}”"
            case "view_closed":
                return f"{who} closes “{payload['view']['title']['text']}”"
            case "block_suggestion":
                return f"{who} searches “{payload['value']}”"
        return ""

    def _slack_ack(self, entry: Entry) -> None:
        data = entry.data
        status, ms = data["status"], data.get("ms")
        said = {
            "acked": ("ok", "acknowledged"),
            "timeout": ("error", "not acknowledged within 3 s"),
            "unreachable": ("error", "the bot is not connected"),
            "refused": ("error", "refused by the bot"),
        }
        state, note = said[status]
        line = self._lines.get(f"envelope:{data.get('envelope_id')}")
        if line is None:
            group, what = self._group_at(entry.at), KINDS.get(entry.name, entry.name)
            self._put(Line(f"slack:{entry.number}", group.id, entry.at, "Slack → bot", what, state, note, ms))
            return
        details = line.details if data.get("answer") is None else {"sent": line.details, "answer": data["answer"]}
        self._put(
            Line(line.id, line.group, line.at, line.source, line.what, state=state, note=note, ms=ms, details=details)
        )

    def _slack_call(self, entry: Entry) -> None:
        args, answer, data = entry.args, entry.answer, entry.data
        view = args.get("view_id") or (answer.get("view") or {}).get("id")
        group = self._group_of(args.get("trigger_id") or view, entry.at)
        group.last = max(group.last, entry.at)
        if view:
            self._of[view] = group.id
        if data["status"] == 429:
            state, note = "warn", f"429, wait {data['retry_after']} s"
        elif data["status"] == 0:
            state, note = "error", f"the {data.get('lost', 'call')} was lost"
        else:
            state, note = ("ok", "ok") if entry.ok else ("error", entry.error or str(data["status"]))
        if entry.name == "auth.test" and group.title == BY_ITSELF:
            self._retitle(group, "The bot starts")
        what = f"{entry.name} {self._aim(args)}".rstrip()
        line = Line(f"slack:{entry.number}", group.id, entry.at, "bot → Slack", what, state, note, data.get("ms"))
        line.details, line.where = {"arguments": args, "answer": answer}, str(args.get("channel") or "")
        self._put(line)

    def _aim(self, args: Json) -> str:
        """The channel or person that a call is about, in words."""
        target = args.get("channel") or args.get("user") or args.get("users") or ""
        if target in self._place.channels:
            channel = self._place.channels[target]
            return f"→ {self._name(channel.im_user)}" if channel.im_user else f"→ #{channel.name}"
        if target in self._place.users:
            return f"→ {self._name(target)}"
        view = args.get("view")
        title = view.get("title") if isinstance(view, dict) else None
        return f"“{title['text']}”" if isinstance(title, dict) else str(args.get("usergroup") or "")

    def _slack_response_url(self, entry: Entry) -> None:
        group, state = self._group_at(entry.at), "ok" if entry.name == "ok" else "error"
        line = ("bot → Slack", "response_url", state, entry.name)
        self._put(Line(f"slack:{entry.number}", group.id, entry.at, *line, details=entry.data.get("body")))

    def _slack_event(self, entry: Entry) -> None:
        """Add an event of Slack's: one about something that was done here just now is a part of that."""
        noted = self._noted
        if noted is None or noted is not self._groups[-1] or entry.at - noted.at > AT_ONCE:
            self._begin(entry.at, f"Slack tells: {entry.name}")

    def _slack_connection(self, entry: Entry) -> None:
        group, state = self._group_at(entry.at), "ok" if entry.name == "opened" else "warn"
        what = f"connection {entry.data['connection']}"
        self._put(Line(f"slack:{entry.number}", group.id, entry.at, "Socket Mode", what, state, entry.name))

    def _slack_error(self, entry: Entry) -> None:
        self._complain(entry, "error")

    def _slack_warning(self, entry: Entry) -> None:
        self._complain(entry, "warn")

    def _complain(self, entry: Entry, state: str) -> None:
        """Add a line about what a correct app would not have done, with the pointer to the field where there is one."""
        group = self._group_at(entry.at)
        line = ("Slack objects", entry.data["detail"], state, entry.name)
        self._put(Line(f"slack:{entry.number}", group.id, entry.at, *line, details=entry.data))

    def _name(self, user_id: str) -> str:
        user = self._place.users.get(user_id)
        return user.real_name if user else user_id

    # --- Tyk ---

    def _call(self, number: int, call: Call) -> None:
        known = self._lines.get(f"tyk:{number}")
        group = known.group if known else self._group_at(call.at).id
        if call.ms is None:
            state, note = "wait", "waiting for Tyk"
        elif call.status is None:
            state, note = "error", "no answer"
        else:
            state, note = "ok" if call.status < 400 else "warn" if call.status == 404 else "error", str(call.status)
        path = re.sub(r"\b([0-9a-f]{6})[0-9a-f]{6,}\b", r"\1…", call.path.partition("?")[0])
        what = f"{call.method} {path}"
        details = {"method": call.method, "path": call.path, "body": call.body, "status": call.status}
        self._put(Line(f"tyk:{number}", group, call.at, "bot → Tyk", what, state, note, call.ms, details=details))


def _sort(payload: Json) -> str:
    """The payload's own word for itself."""
    if "command" in payload:
        return f"{payload['command']} {payload.get('text', '')}".rstrip()
    return str((payload.get("event") or payload).get("type", ""))


def _action(action: Json) -> str:
    if action["type"] == "button":
        return f"presses “{action['text']['text']}”"
    option = action.get("selected_option") or {}
    chosen = (option.get("text") or {}).get("text")
    return f"picks “{chosen}”" if chosen else f"changes {action['action_id']}"
