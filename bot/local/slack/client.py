"""A person in front of Slack: what they do, and what they see."""

# ruff: noqa: ASYNC109 - a wait says at its call how long it may take

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.local.slack import payloads
from bot.local.slack.block_kit import Slot, check_options, check_view, element_slots, options_of
from bot.local.slack.delivery import Ack
from bot.local.slack.installed import GLOBAL, MESSAGE, Shortcut
from bot.local.slack.journal import Json
from bot.local.slack.objects import SLACKBOT, Channel, Message, Ring, User, View, texts_in
from bot.local.slack.parts import Parts
from bot.local.slack.posting import ApiError
from bot.local.slack.workspace import NotPossible

TROUBLE = "We had some trouble connecting. Try again?"
TURNED_OFF = "Sending messages to this app has been turned off."
"""What stands where the composer would be."""

INCOMPLETE = "Please complete this required field."
Target = str | tuple[str, str]
"""The target of an act: a block_id, an action_id, a label or a value; or block_id and action_id, which mean one thing alone."""
_MOST_VIEWS = 3


@dataclass(frozen=True)
class CommandOutcome:
    """`error` is the code Slack shows (operation_timeout, dispatch_failed); `text` is what the ack itself said."""

    ack_ms: float | None
    error: str | None = None
    text: str | None = None
    message: Message | None = None


@dataclass(frozen=True)
class SubmitOutcome:
    """`sent` is false when Slack's window itself refused; `response_action` is close, errors, update, push or clear."""

    sent: bool
    response_action: str | None = None
    errors: dict[str, str] = field(default_factory=dict)
    banner: str | None = None
    ack_ms: float | None = None


@dataclass(frozen=True)
class ClickOutcome:
    """`dialog` is the question that was asked first, if any."""

    sent: bool
    ack_ms: float | None = None
    error: str | None = None
    dialog: Json | None = None


class Person:
    def __init__(self, parts: Parts, user: User, publish: Callable[[Json], Any]) -> None:
        self._parts = parts
        self._publish = publish
        self.user = user
        self._last_submission: Json | None = None

    @property
    def id(self) -> str:
        return self.user.id

    @property
    def name(self) -> str:
        return self.user.name

    def __repr__(self) -> str:
        return f"<Person {self.name} {self.id}>"

    # -- what they see ------------------------------------------------------------------------------------------

    @property
    def _view(self) -> View | None:
        stack = self._parts.workspace.stacks.get(self.id)
        return stack[-1] if stack else None

    @property
    def view(self) -> Json | None:
        """The modal on top, with what is typed so far in its state."""
        view = self._view
        return view.as_json() if view else None

    @property
    def views(self) -> list[Json]:
        """The whole stack, the lowest first."""
        return [view.as_json() for view in self._parts.workspace.stacks.get(self.id, [])]

    @property
    def banner(self) -> str | None:
        return self._view.banner if self._view else None

    @property
    def errors(self) -> dict[str, str]:
        """The errors in red under the inputs of the open modal, by block_id."""
        return dict(self._view.errors) if self._view else {}

    @property
    def home(self) -> Json | None:
        view = self._parts.workspace.homes.get(self.id)
        return view.as_json() if view else None

    @property
    def rings(self) -> list[Ring]:
        return [ring for ring in self._parts.workspace.rings if ring.user == self.id]

    def messages(self, channel: str | None = None) -> list[Message]:
        """The messages that this person sees, oldest first; `channel` is a name, an id or "dm"."""
        return self._parts.workspace.visible_to(self.id, self._where(channel).id if channel else None)

    def dm(self) -> list[Message]:
        """The direct messages with the app."""
        return self.messages("dm")

    def channels(self) -> list[Channel]:
        return [c for c in self._parts.workspace.channels.values() if self.id in c.members]

    async def sees(
        self, wanted: str | Callable[[Message], bool], *, channel: str | None = None, timeout: float = 10
    ) -> Message:
        """The newest visible message with this text, or of which this holds; waits for it."""

        def probe() -> Message | None:
            fitting = (m for m in reversed(self.messages(channel)) if _fits(m, wanted))
            return next(fitting, None)

        return await self._parts.changes.until(probe, timeout, f"{self.name}: the message {wanted!r}")

    async def sees_gone(self, message: Message, *, timeout: float = 10) -> None:
        """Waits until the message has been deleted."""
        await self._parts.changes.until(lambda: message.deleted or None, timeout, f"{self.name}: the end of a message")

    async def sees_view(self, wanted: str | Callable[[Json], bool] | None = None, *, timeout: float = 5) -> Json:
        """The modal on top, once it contains this text or this holds of it."""

        def probe() -> Json | None:
            view = self.view
            return view if view is not None and _view_fits(view, wanted) else None

        return await self._parts.changes.until(probe, timeout, f"{self.name}: the view {wanted!r}")

    async def sees_home(self, wanted: str | Callable[[Json], bool] | None = None, *, timeout: float = 5) -> Json:
        def probe() -> Json | None:
            home = self.home
            return home if home is not None and _view_fits(home, wanted) else None

        return await self._parts.changes.until(probe, timeout, f"{self.name}: the Home tab {wanted!r}")

    async def rung(self, wanted: str | None = None, *, timeout: float = 10) -> Ring:
        """The newest ring whose text contains this."""

        def probe() -> Ring | None:
            return next((r for r in reversed(self.rings) if wanted is None or wanted in r.text), None)

        return await self._parts.changes.until(probe, timeout, f"{self.name}: a ring with {wanted!r}")

    # -- commands, messages, tabs -------------------------------------------------------------------------------

    async def runs(self, command: str, text: str = "", channel: str | None = None) -> CommandOutcome:
        """Types a slash command; by default in #general, or where else this person can type."""
        self._alive()
        if self.user.team_id != self._parts.workspace.team_id:
            raise NotPossible(f"{self.name} is external: slash commands are not offered to them")
        where = self._where_to_type(channel or self._default_channel())
        registered = self._parts.commands
        if "commands" not in self._parts.scopes or (registered is not None and command not in registered):
            raise NotPossible(f"{command} is not a valid command")
        self._note("runs", command=command, text=text, channel=where.id)
        payload = payloads.slash_command(self._parts, self.user, where, command, text)
        ack = await self._parts.transport.deliver("slash_commands", payload, answers=True)
        if not ack.ok:
            self._slackbot(where, f'{command} failed with the error "{ack.error}"')
            return CommandOutcome(ack.ms, ack.error)
        return self._command_answer(ack, where)

    def _command_answer(self, ack: Ack, where: Channel) -> CommandOutcome:
        body = {"text": ack.payload} if isinstance(ack.payload, str) else ack.payload
        if not body:
            return CommandOutcome(ack.ms)
        try:
            message = self._parts.response_urls.answer(self.id, where.id, body, "the answer to a command")
        except ApiError as refusal:
            self._parts.journal.blame(refusal.error, f"the answer to a command: {refusal.messages}", body=body)
            return CommandOutcome(ack.ms, "dispatch_failed")
        return CommandOutcome(ack.ms, None, message.text, message)

    def _default_channel(self) -> str:
        general = self._parts.workspace.channels.get("C0GENERAL")
        if general and self.id in general.members:
            return general.id
        if not self._parts.dm_is_read_only:
            return "dm"
        return next((one.id for one in self.channels() if not one.is_im), "dm")

    def _where_to_type(self, channel: str) -> Channel:
        """The conversation, if it has a composer for this person."""
        where = self._where(channel)
        if self.id not in where.members:
            raise NotPossible(f"{self.name} is not in {where.name}")
        if where.is_im and self._parts.dm_is_read_only:
            raise NotPossible(TURNED_OFF)
        return where

    async def uses_shortcut(self, name: str, message: Message | None = None) -> ClickOutcome:
        """Picks an entry of the shortcuts' menu; with a message, of that message's own menu."""
        self._alive()
        if self.user.team_id != self._parts.workspace.team_id:
            raise NotPossible(f"{self.name} is external: shortcuts are not offered to them")
        shortcut = self._shortcut(name, GLOBAL if message is None else MESSAGE)
        if message is None:
            payload = payloads.shortcut(self._parts, self.user, shortcut.callback_id)
        else:
            self._must_see(message)
            if message.is_ephemeral:
                raise NotPossible("a message that only one person sees has no shortcuts")
            payload = payloads.message_action(self._parts, self.user, message, shortcut.callback_id)
        self._note("uses_shortcut", shortcut=name)
        ack = await self._parts.transport.deliver("interactive", payload, answers=False)
        return ClickOutcome(sent=True, ack_ms=ack.ms, error=ack.error)

    def _shortcut(self, name: str, kind: str) -> Shortcut:
        offered = self._parts.shortcuts if "commands" in self._parts.scopes else ()
        found = next((one for one in offered if (one.name, one.type) == (name, kind)), None)
        if found is None:
            there = [one.name for one in offered if one.type == kind]
            raise NotPossible(f"there is no shortcut {name!r} there; there is {there}")
        return found

    def _slackbot(self, where: Channel, text: str) -> None:
        place = self._parts.workspace
        place.show_ephemeral(
            Message(where.id, place.next_ts(where.id), SLACKBOT, text, team_id=place.team_id, ephemeral_to=self.id)
        )

    async def says(self, text: str, channel: str = "dm") -> Message:
        """Writes a message; an app that may read there gets the event."""
        self._alive()
        where = self._where_to_type(channel)
        place = self._parts.workspace
        message = place.post(Message(where.id, place.next_ts(where.id), self.id, text, team_id=self.user.team_id))
        self._note("says", channel=where.id, text=text)
        if place.bot_user in where.members:
            event = message.as_json() | {"channel": where.id, "channel_type": where.type, "event_ts": message.ts}
            await self._publish(event)
        return message

    async def opens_home(self, tab: str = "home") -> None:
        """Looks at the app's own page; `tab` is home or messages."""
        self._alive()
        if self.user.team_id != self._parts.workspace.team_id:
            raise NotPossible(f"{self.name} is external: they have no conversation with the app")
        if tab == "home" and not self._parts.home_tab:
            raise NotPossible("this app has no Home tab")
        channel = self._parts.workspace.dm(self.id)
        event: Json = {"type": "app_home_opened", "user": self.id, "channel": channel.id, "tab": tab}
        if tab == "home" and self.home:
            event["view"] = self.home
        self._note("opens_home", tab=tab)
        await self._publish(event)

    def reloads(self) -> None:
        """Reloads the page: what only this person saw is gone, and so are open modals."""
        place = self._parts.workspace
        place.ephemerals = [m for m in place.ephemerals if m.ephemeral_to != self.id]
        place.clear_views(self.id)

    # -- modals -------------------------------------------------------------------------------------------------

    async def types(self, target: Target, text: str, *, enter: bool = False) -> None:
        """Writes into an input, named by block_id, action_id or label."""
        view = self._open_view()
        slot = self._slot(view.blocks, target)
        if slot.value_key not in ("value", "rich_text_value"):
            raise NotPossible(f"{target} is a {slot.type}, nobody can type there")
        self._set(view, slot, text or None)
        when = (slot.element.get("dispatch_action_config") or {}).get("trigger_actions_on") or ["on_enter_pressed"]
        pressed = enter and "on_enter_pressed" in when
        if slot.block.get("dispatch_action") and (pressed or "on_character_entered" in when):
            await self._act_in_view(view, slot, {"value": text})

    async def picks(self, target: Target, value: Any, *, message: Message | None = None) -> ClickOutcome:
        """Chooses in a select, radio group, checkboxes, overflow or date picker: an option's value or its text, a
        name or an id; a list where several may be chosen; None to clear."""
        view = None if message is not None else self._view_with(target)
        source = self._find_message(target, None) if view is None and message is None else message
        slot = self._slot(view.blocks if view else source.blocks if source else [], target)
        chosen = await self._chosen(slot, value, view, source)
        if slot.type == "overflow":
            return await self._send_action(view, source, slot, {"selected_option": chosen})
        key = slot.value_key
        if key is None or key == "value":
            raise NotPossible(f"{target} is a {slot.type}, there is nothing to pick")
        if view is not None:
            self._set(view, slot, chosen)
        elif source is not None:
            source.state.setdefault(slot.block_id, {})[slot.action_id] = {"type": slot.type, key: chosen}
        if slot.is_input and not slot.block.get("dispatch_action"):
            return ClickOutcome(sent=False)
        return await self._send_action(view, source, slot, {key: chosen})

    async def searches(self, target: Target, query: str, *, message: Message | None = None) -> list[Json]:
        """Types into an external select; the options the app offers, none when it fails."""
        return options_of(await self.is_offered(target, query, message=message))

    async def is_offered(self, target: Target, query: str, *, message: Message | None = None) -> Json:
        """The same with the headings under which the app offers them, if it gives any: its whole answer."""
        view = None if message is not None else self._view_with(target)
        source = self._find_message(target, None) if view is None and message is None else message
        slot = self._slot(view.blocks if view else source.blocks if source else [], target)
        if "external" not in slot.type:
            raise NotPossible(f"{target} is a {slot.type}, its options are not searched for")
        if len(query) < slot.element.get("min_query_length", 3):
            return {}
        self._note("searches", target=target, query=query)
        payload = payloads.suggestion(self._parts, self.user, slot, query, view, source)
        ack = await self._parts.transport.deliver("interactive", payload, answers=True)
        answer = self._offered(ack)
        if view is not None:
            view.loaded[slot.action_id] = options_of(answer)
        return answer

    def _offered(self, ack: Ack) -> Json:
        if not ack.ok or not isinstance(ack.payload, dict):
            return {}
        if complaints := check_options(ack.payload):
            self._parts.journal.blame("invalid_options", "; ".join(complaints), answer=ack.payload)
            return {}
        return ack.payload

    async def _chosen(self, slot: Slot, value: Any, view: View | None, message: Message | None) -> Any:
        several = bool(slot.value_key and slot.value_key.endswith("s"))
        if value is None:
            return [] if several else None
        if several:
            return [
                await self._one(slot, item, view, message) for item in ([value] if isinstance(value, str) else value)
            ]
        return await self._one(slot, value, view, message)

    async def _one(self, slot: Slot, value: Any, view: View | None, message: Message | None) -> Any:
        if "users" in slot.type:
            return self._parts.workspace.user(str(value)).id
        if "channels" in slot.type or "conversations" in slot.type:
            return self._parts.workspace.channel(str(value)).id
        if slot.type in ("datepicker", "timepicker", "datetimepicker"):
            return value
        options = slot.options
        if "external" in slot.type:
            options = view.loaded.get(slot.action_id, []) if view else []
            if not any(_is_option(o, value) for o in options):
                options = await self.searches(slot.action_id, str(value), message=message)
        for option in options:
            if _is_option(option, value):
                return option
        raise NotPossible(f"{value!r} is not offered; there is {[o['text']['text'] for o in options]}")

    def _set(self, view: View, slot: Slot, value: Any) -> None:
        key = slot.value_key or "value"
        view.state.setdefault(slot.block_id, {})[slot.action_id] = {"type": slot.type, key: value}
        view.errors.pop(slot.block_id, None)
        self._note("sets", block_id=slot.block_id, action_id=slot.action_id)

    async def submits(self) -> SubmitOutcome:
        """Presses the modal's submit button."""
        view = self._open_view()
        if not view.content.get("submit"):
            raise NotPossible("this modal has no submit button")
        if missing := _unfinished(view):
            view.errors = missing
            self._parts.changes.notify()
            return SubmitOutcome(sent=False, errors=missing)
        view.errors, view.banner = {}, None
        self._note("submits", view_id=view.id)
        payload = self._last_submission = payloads.view_submission(self._parts, self.user, view)
        ack = await self._parts.transport.deliver("interactive", payload, answers=True)
        if not ack.ok:
            return self._trouble(view, ack)
        return self._submitted(view, ack)

    async def sends_again(self) -> SubmitOutcome:
        """The last form is delivered once more, as after a lost answer; its window shows nothing of it any more."""
        if self._last_submission is None:
            raise NotPossible(f"{self.name} has submitted nothing")
        ack = await self._parts.transport.deliver("interactive", self._last_submission, answers=True)
        answer = ack.payload if isinstance(ack.payload, dict) else {}
        what = str(answer.get("response_action") or "close")
        return SubmitOutcome(sent=True, response_action=what, errors=answer.get("errors") or {}, ack_ms=ack.ms)

    def _trouble(self, view: View, ack: Ack) -> SubmitOutcome:
        view.banner = TROUBLE
        self._parts.changes.notify()
        return SubmitOutcome(sent=True, banner=TROUBLE, ack_ms=ack.ms)

    def _submitted(self, view: View, ack: Ack) -> SubmitOutcome:
        answer = ack.payload if isinstance(ack.payload, dict) else {}
        what = answer.get("response_action")
        place = self._parts.workspace
        if what == "errors":
            return self._show_errors(view, answer.get("errors"), ack)
        if what in ("update", "push"):
            return self._show_next(view, what, answer.get("view"), ack)
        if what == "clear":
            place.clear_views(self.id)
        elif what is None:
            place.close_view(view)
        else:
            self._parts.journal.blame("unknown_response_action", str(what), answer=answer)
            return self._trouble(view, ack)
        return SubmitOutcome(sent=True, response_action=what or "close", ack_ms=ack.ms)

    def _show_errors(self, view: View, errors: Any, ack: Ack) -> SubmitOutcome:
        inputs = {block["block_id"] for block in view.blocks if block["type"] == "input"}
        if not isinstance(errors, dict) or not errors or not errors.keys() <= inputs:
            strange = sorted(errors.keys() - inputs) if isinstance(errors, dict) else errors
            self._parts.journal.blame("unknown_block_id", f"errors for blocks that are no inputs here: {strange}")
            return self._trouble(view, ack)
        view.errors = {key: str(value) for key, value in errors.items()}
        self._parts.changes.notify()
        return SubmitOutcome(sent=True, response_action="errors", errors=dict(view.errors), ack_ms=ack.ms)

    def _show_next(self, view: View, what: str, content: Any, ack: Ack) -> SubmitOutcome:
        place = self._parts.workspace
        complaints = check_view(content)
        stack = place.stacks.get(self.id, [])
        if what == "push" and len(stack) >= _MOST_VIEWS:
            complaints.append("push_limit_reached")
        if complaints:
            self._parts.journal.blame("invalid_view", f"response_action {what}: {'; '.join(complaints)}", view=content)
            return self._trouble(view, ack)
        if what == "update":
            place.replace_view(view, content)
        else:
            place.show_view(place.new_view(content, self.id, over=view))
        return SubmitOutcome(sent=True, response_action=what, ack_ms=ack.ms)

    async def closes(self, *, everything: bool = False) -> None:
        """Cancel, or the cross (`everything`), which closes the whole stack."""
        view = self._open_view()
        place = self._parts.workspace
        cleared = everything or bool(view.content.get("clear_on_close"))
        gone = list(reversed(place.stacks[self.id])) if cleared else [view]
        for each in gone:
            place.close_view(each)
        self._note("closes", view_id=view.id)
        for each in gone:
            if each.content.get("notify_on_close"):
                payload = payloads.view_closed(self._parts, self.user, each, cleared=cleared)
                await self._parts.transport.deliver("interactive", payload, answers=False)

    # -- buttons ------------------------------------------------------------------------------------------------

    async def clicks(
        self, target: Target, message: Message | None = None, *, channel: str | None = None, confirm: bool = True
    ) -> ClickOutcome:
        """Presses the button with this label, action_id or value: in the open modal, in `message` (a snapshot stands
        for an outdated screen), or in the newest message that has it. `confirm` answers the question it may ask."""
        self._alive()
        view = self._view_with(target, ("button",)) if message is None else None
        source = (
            message if message is not None or view is not None else self._find_message(target, channel, ("button",))
        )
        if source is not None:
            self._must_see(source)
        slot = self._slot(view.blocks if view else source.blocks if source else [], target, ("button",))
        dialog: Json | None = slot.element.get("confirm")
        if dialog is not None and not confirm:
            return ClickOutcome(sent=False, dialog=dialog)
        return await self._send_action(view, source, slot, {}, dialog)

    async def clicks_in_home(self, target: Target) -> ClickOutcome:
        """Presses a button of the Home tab."""
        self._alive()
        view = self._parts.workspace.homes.get(self.id)
        if view is None:
            raise NotPossible("the Home tab is empty")
        slot = self._slot(view.blocks, target, ("button",))
        return await self._send_action(view, None, slot, {}, slot.element.get("confirm"))

    async def _act_in_view(self, view: View, slot: Slot, value: Json) -> ClickOutcome:
        return await self._send_action(view, None, slot, value)

    async def _send_action(
        self, view: View | None, message: Message | None, slot: Slot, value: Json, dialog: Json | None = None
    ) -> ClickOutcome:
        self._alive()
        done = payloads.action(slot, value, self._parts.clock())
        if view is not None:
            payload = payloads.actions_in_view(self._parts, self.user, view, done)
        elif message is not None:
            payload = payloads.actions_in_message(self._parts, self.user, message, done)
        else:
            raise NotPossible(f"{self.name} sees nothing to press")
        self._note("acts", action_id=slot.action_id, block_id=slot.block_id)
        ack = await self._parts.transport.deliver("interactive", payload, answers=False)
        return ClickOutcome(sent=True, ack_ms=ack.ms, error=ack.error, dialog=dialog)

    # -- finding ------------------------------------------------------------------------------------------------

    def _where(self, channel: str) -> Channel:
        place = self._parts.workspace
        return place.dm(self.id) if channel == "dm" else place.channel(channel)

    def _alive(self) -> None:
        if self.user.deleted:
            raise NotPossible(f"{self.name} is deactivated")

    def _note(self, what: str, **data: Any) -> None:
        self._parts.journal.write("human", what, user=self.id, **data)

    def _open_view(self) -> View:
        self._alive()
        if self._view is None:
            raise NotPossible(f"{self.name} has no modal open")
        return self._view

    def _view_with(self, target: Target, types: tuple[str, ...] = ()) -> View | None:
        view = self._view
        return view if view is not None and _find(view.blocks, target, types) is not None else None

    def _find_message(self, target: Target, channel: str | None, types: tuple[str, ...] = ()) -> Message:
        for message in reversed(self.messages(channel)):
            if _find(message.blocks, target, types) is not None:
                return message
        raise NotPossible(f"{self.name} sees nothing called {target!r}")

    def _must_see(self, message: Message) -> None:
        if message.is_ephemeral:
            seen = message.ephemeral_to == self.id
        else:
            seen = self.id in self._parts.workspace.channels[message.channel].members
        if not seen or message.deleted:
            raise NotPossible(f"{self.name} does not see this message")

    def _slot(self, blocks: list[Json], target: Target, types: tuple[str, ...] = ()) -> Slot:
        slot = _find(blocks, target, types)
        if slot is None:
            there = [s.action_id for s in element_slots(blocks)]
            raise NotPossible(f"{self.name} sees nothing called {target!r} there; there is {there}")
        return slot


def _find(blocks: list[Json], target: Target, types: tuple[str, ...]) -> Slot | None:
    slots = [slot for slot in element_slots(blocks) if not types or slot.type in types]
    if isinstance(target, tuple):
        return next((slot for slot in slots if (slot.block_id, slot.action_id) == target), None)
    for names in (_ids, _labels):
        for slot in slots:
            if target in names(slot):
                return slot
    return None


def _ids(slot: Slot) -> tuple[Any, ...]:
    block_id = slot.block_id if slot.block.get("type") != "actions" else None
    return (slot.action_id, block_id)


def _labels(slot: Slot) -> tuple[Any, ...]:
    text, label = slot.element.get("text"), slot.block.get("label")
    return (
        text.get("text") if isinstance(text, dict) else None,
        label.get("text") if isinstance(label, dict) else None,
        slot.element.get("value"),
    )


def _is_option(option: Json, value: Any) -> bool:
    return value in (option["value"], option["text"]["text"])


def _fits(message: Message, wanted: str | Callable[[Message], bool]) -> bool:
    if callable(wanted):
        return wanted(message)
    return wanted in message.text or wanted in message.shown


def _view_fits(view: Json, wanted: str | Callable[[Json], bool] | None) -> bool:
    if callable(wanted):
        return wanted(view)
    return wanted is None or wanted in "\n".join(texts_in([view.get("title") or {}, view["blocks"]]))


def _unfinished(view: View) -> dict[str, str]:
    """The complaints of Slack's own window before anything is sent, by block_id."""
    errors: dict[str, str] = {}
    for slot in element_slots(view.blocks):
        if not slot.is_input:
            continue
        value = view.state.get(slot.block_id, {}).get(slot.action_id, {}).get(slot.value_key or "value")
        if value in (None, "", []):
            if not slot.block.get("optional"):
                errors[slot.block_id] = INCOMPLETE
        elif complaint := _misfit(slot, value):
            errors[slot.block_id] = complaint
    return errors


def _misfit(slot: Slot, value: Any) -> str | None:
    element = slot.element
    if slot.type == "plain_text_input":
        if len(value) < element.get("min_length", 0):
            return f"Must be at least {element['min_length']} characters."
        if len(value) > element.get("max_length", 3000):
            return f"Must be no more than {element.get('max_length', 3000)} characters."
    if slot.type == "email_text_input" and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", value):
        return "Must be an email address."
    if slot.type == "url_text_input" and not re.match(r"https?://\S+", value):
        return "Must be a URL."
    if slot.type == "number_input":
        return _misfit_number(element, value)
    return None


def _misfit_number(element: Json, value: str) -> str | None:
    try:
        number = float(value)
    except ValueError:
        return "Must be a number."
    if not element.get("is_decimal_allowed") and not number.is_integer():
        return "Must be a whole number."
    if number < float(element.get("min_value", number)) or number > float(element.get("max_value", number)):
        return "Must be within the range."
    return None
