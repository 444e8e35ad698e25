"""Forms and notices as modals, and what comes back in them. Nothing is looked up or decided here.

The ids of callbacks, actions and blocks stand here alone. The configuration keeps the names of APIs and plans below 100
characters, so that they fit into the ids.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

from bot.core import rules
from bot.core.lifecycle import Loss
from bot.core.limits import MAX_REASON, MAX_USED_BY, tidy
from bot.core.model import NEVER, Answers, Lifetime, Plan, Record, Request, RequestState, Rule
from bot.slack import wording
from bot.slack.block_kit import (
    Block,
    choice,
    context,
    input_block,
    modal,
    option,
    plain,
    preformatted,
    section,
    text_input,
    warned,
)
from bot.slack.snippets import Snippet
from bot.slack.wording import inert

CALLBACK_REQUEST = "request"
CALLBACK_APPROVE = "approve"
CALLBACK_ASK = "ask"
CALLBACK_ANSWER = "answer"
CALLBACK_DENY = "deny"
CALLBACK_REVOKE = "revoke"
CALLBACK_REPLACE = "replace"
CALLBACK_HOLDINGS = "holdings"
CALLBACK_NOTICE = "notice"

ACTION_API = "api"
ACTION_PLAN = "plan"
ACTION_LIFETIME = "lifetime"
ACTION_USED_BY = "used_by"
ACTION_REASON = "reason"
ACTION_LOSS = "loss"

_ANSWERS = tuple(one.name for one in fields(Answers))  # each is a block and its action of that name
USED_BY_HINT = "The service or script that will use it. If you leave, this tells others what would break."
NEVER_VALUE = "never"
MAX_OPTIONS = 100
MAX_TIDIED = 10_000  # a text far beyond what any field takes will be refused as it is


class StaleView(Exception):
    """The view that came back is not one that this version draws, or not all of it had been drawn yet."""


class NotDrawnYet(StaleView):
    """The form shows another API than the one that was picked: its redrawing is late or lost. `filled` has what was typed."""

    def __init__(self, filled: Filled) -> None:
        super().__init__("the form was drawn for another API")
        self.filled = filled


# --- the form ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Filled:
    """One request form: what fills it in beforehand, and what comes back.

    `extends` is the id of the request whose token it asks more time or another plan for. What came back as `plan` and
    `lifetime_value` is what was shown, also where there was nothing to choose.
    """

    request_id: str
    api: str | None = None
    plan: str | None = None
    lifetime_value: str | None = None
    answers: Answers = field(default_factory=Answers)
    extends: str | None = None

    @classmethod
    def like(cls, request: Request, request_id: str) -> Filled:
        """A form that asks for the same again."""
        return cls(
            request_id=request_id,
            api=request.rule.name,
            plan=request.plan.name,
            lifetime_value=lifetime_value(request.lifetime),
            answers=request.answers,
        )


@dataclass(frozen=True)
class Form:
    """The request form as it is drawn. `rules` are all that this person may ask for, `chosen` the one that the form is about, if
    it is about one yet; `notes` and `decision` are mrkdwn.

    `held` is what it asks to extend: then the one rule has what that can be extended to.
    """

    filled: Filled
    rules: tuple[Rule, ...]
    chosen: Rule | None
    notes: tuple[str, ...]
    decision: str
    help_channel: str
    held: Record | None = None


def loading(request_id: str) -> Block:
    return modal(
        "Request a token",
        [section("Looking up what you can request…")],
        callback=CALLBACK_REQUEST,
        metadata={"request_id": request_id},
    )


def nothing_to_request(help_channel: str) -> str:
    return f"{wording.NOTHING_OFFERED} If there should be one, ask in {wording.channel(help_channel)}."


def request_form(form: Form) -> Block:
    """The form, as far as an API is chosen. What was typed survives a change of API; plan and lifetime are asked anew."""
    if not form.rules:
        return notice("Nothing to request", nothing_to_request(form.help_channel))
    chosen, filled, held = form.chosen, form.filled, form.held
    blocks = [] if held else [_api_input(form.rules, chosen)]
    if chosen is not None:
        blocks += [
            *warned(chosen.warning),
            _about(chosen, [form.decision, *form.notes]),
            *_plan_blocks(chosen, filled.plan),
            _lifetime_block(chosen, filled.lifetime_value),
            _used_by_input(filled.answers.used_by),
            _reason_input(filled.answers.reason, chosen),
        ]
    at_once = chosen is not None and _at_once(chosen)
    metadata = {"request_id": filled.request_id}
    if held is not None and chosen is not None:
        metadata |= {"extends": held.request.id, "api": chosen.name}
    return modal(
        _extending(held, chosen) if held is not None and chosen is not None else "Request a token",
        blocks,
        submit=("Extend" if held else "Get token") if at_once else "Send request",
        callback=CALLBACK_REQUEST,
        metadata=metadata | _kept(filled.answers if chosen is None else Answers()),
    )


def _kept(answers: Answers) -> dict[str, str]:
    """What is already known of the answers, while there is no field for it yet."""
    return {name: said for name in _ANSWERS if (said := getattr(answers, name))}


def kept_answers(view: Mapping[str, Any]) -> Answers:
    """What was known of the answers before their fields were drawn: they begin with it."""
    known = _metadata(view)
    return Answers(**{name: said for name in _ANSWERS if isinstance(said := known.get(name), str)})


def _extending(held: Record, rule: Rule) -> str:
    same = rule.plan(held.request.plan.name) is not None
    return f"{'Extend' if same else 'Change plan of'} {held.request.label}"


def _api_input(rules: tuple[Rule, ...], chosen: Rule | None) -> Block:
    if len(rules) <= MAX_OPTIONS:
        element: Block = {"type": "static_select", "options": api_options(rules)}
    else:
        element = {"type": "external_select", "min_query_length": 0}
    element |= {"action_id": ACTION_API, "placeholder": plain("Pick an API", 150)}
    if chosen is None:
        element["focus_on_load"] = True
    else:
        element["initial_option"] = _api_option(chosen)
    return input_block("api", "API", element) | {"dispatch_action": True}


def _at_once(rule: Rule) -> bool:
    """No plan of it needs an approval."""
    return not (rule.approvals or any(plan.approvals for plan in rule.plans))


def _about(rule: Rule, first: list[str]) -> Block:
    """Who decides and what is held already, then what it opens and is. Its block_id says which API the rest of the form was drawn
    for."""
    lines = [*filter(None, first), *_about_plans(rule)]
    if rule.description:
        lines.append(inert(rule.description, 1000))
    if rule.docs and (link := wording.link(rule.docs, "Documentation")):
        lines.append(link)
    return section("\n".join(lines) or f"*{inert(rule.title, 150)}*") | {"block_id": f"about:{rule.name}"}


def _plan_blocks(rule: Rule, picked: str | None) -> list[Block]:
    """The choice of a plan; where there is one alone, its limits in small print."""
    if len(rule.plans) == 1:
        limits = context([f"Limits: {wording.plan_limits(rule.plans[0])}"])
        return [_fixed("plan", rule, rule.plans[0].name, limits)]
    options = [plan_option(plan) for plan in rule.plans[:MAX_OPTIONS]]
    return [input_block(f"plan:{rule.name}", "Plan", choice(ACTION_PLAN, options, picked))]


def _lifetime_block(rule: Rule, picked: str | None) -> Block:
    """The lifetimes by their length; the one that the file names first is picked, unless another was."""
    lifetimes = rule.lifetimes[:MAX_OPTIONS]
    first = lifetime_value(lifetimes[0])
    if len(lifetimes) == 1:
        said = section(f"*Lifetime:* {wording.lasting(rule, lifetimes[0])}")
        return _fixed("lifetime", rule, first, said)
    options = [
        option(wording.lasting(rule, lifetime), lifetime_value(lifetime))
        for lifetime in sorted(lifetimes, key=lambda one: timedelta.max if one is NEVER else one)
    ]
    values = [one["value"] for one in options]
    element = choice(ACTION_LIFETIME, options, picked if picked in values else first)
    return input_block(f"lifetime:{rule.name}", "Lifetime", element)


def _used_by_input(typed: str) -> Block:
    element = text_input(ACTION_USED_BY, typed, MAX_USED_BY) | {"placeholder": plain("billing-service, staging", 150)}
    return input_block("used_by", "Used by", element, hint=USED_BY_HINT, optional=True)


def _reason_input(typed: str, rule: Rule) -> Block:
    read_by = "This goes on record." if _at_once(rule) else "Your approvers will see this."
    hint = f"What do you need it for? {read_by}"
    if rule.reason_pattern is not None:
        hint = f"{rule.reason_pattern.says} {hint}"
    element = text_input(ACTION_REASON, typed, MAX_REASON, lines=True)
    return input_block("reason", "Reason", element, hint=hint, optional=not rule.reason_required)


def _fixed(what: str, rule: Rule, value: str, shown: Block) -> Block:
    """A value without a choice: it comes back in the block's id, so that what was shown is what is asked for."""
    return shown | {"block_id": f"fixed:{what}:{rule.name}:{value}"}


# --- options ----------------------------------------------------------------------------------------------------------


def api_options(rules: Iterable[Rule]) -> list[Block]:
    return [_api_option(rule) for rule in rules]


def _api_option(rule: Rule) -> Block:
    """An option with whether somebody has to approve it, and as much of the description as fits."""
    needs = "Needs approval" if rule.approvals == 1 else f"Needs {rule.approvals} approvals"
    said = [needs if rule.approvals else "No approval needed", *filter(None, [rule.description])]
    return option(rule.title, rule.name) | {"description": plain(wording.one_line(" · ".join(said), 75), 75)}


def first_of(options: list[Block], count: int) -> Block:
    """A group whose heading says that a search found more than these."""
    heading = f"First {len(options)} of {count:,}. Type more to find the others."
    return {"label": plain(heading, 75), "options": options}


def lifetime_value(lifetime: Lifetime) -> str:
    return NEVER_VALUE if lifetime is None else str(int(lifetime.total_seconds()))


def read_lifetime(value: str) -> Lifetime:
    """Seconds or `never`. Raises StaleView."""
    if value == NEVER_VALUE:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > 12:
        raise StaleView(f"no lifetime: {value[:20]!r}")
    return timedelta(seconds=int(value))


def plan_option(plan: Plan) -> Block:
    """An option with the plan's limits and, as far as there is room, what it opens besides: `_about_plans` has all of it."""
    said = wording.begun(wording.plan_limits(plan))
    if plan.also_opens:
        further = wording.people([api.called for api in plan.also_opens])
        said = f"{wording.one_line(f'Opens {further}, too', 50)} · {said}"
    return option(plan.name, plan.name) | {"description": plain(said, 75)}


def _about_plans(rule: Rule) -> list[str]:
    """A line for each plan that opens further APIs: all of them, and the approvals where they are more than the rule's own."""
    lines = []
    for plan in rule.plans:
        if opened := wording.opens(rule, plan):
            needs = f" and needs {plan.approvals} approvals" if plan.approvals > rule.approvals else ""
            lines.append(f"*{inert(plan.name, 80)}* opens {opened}{needs}.")
    if len(rule.plans) == 1 and (opened := wording.opens(rule, rule.plans[0])):
        return [f"*Opens:* {opened}"]
    return lines


# --- what comes back --------------------------------------------------------------------------------------------------


def request_id(view: Mapping[str, Any]) -> str:
    """The id that was minted when the view was opened. Raises StaleView."""
    return kept_name(view, "request_id")


def kept_name(view: Mapping[str, Any], name: str) -> str:
    """What stood under this name in the view, beside what people see. Raises StaleView."""
    value = _metadata(view).get(name)
    if not isinstance(value, str) or not value:
        raise StaleView(f"no {name}")
    return value


def _metadata(view: Mapping[str, Any]) -> dict[str, Any]:
    """What the view carries along; nothing where it cannot be read."""
    try:
        kept = json.loads(view["private_metadata"])
    except (KeyError, TypeError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _given(view: Mapping[str, Any], name: str) -> str | None:
    """A text that the view carries along, where it does."""
    said = _metadata(view).get(name)
    return said if isinstance(said, str) and said else None


def read_form(view: Mapping[str, Any]) -> Filled:
    """A submitted form. Raises NotDrawnYet where it was drawn for another API, StaleView on anything odd."""
    number, values, shown = request_id(view), _values(view), _block_ids(view)
    extends = _given(view, "extends")
    api = _given(view, "api") if extends else _picked(values, "api", ACTION_API)
    if api is None:
        return Filled(number)
    if f"about:{api}" not in shown:
        typed = {name: _written(values, name, name) for name in _ANSWERS if name in values}
        raise NotDrawnYet(Filled(number, api, answers=replace(kept_answers(view), **typed)))
    return Filled(
        request_id=number,
        api=api,
        plan=_picked(values, f"plan:{api}", ACTION_PLAN) or _fixed_value(shown, "plan", api),
        lifetime_value=_picked(values, f"lifetime:{api}", ACTION_LIFETIME) or _fixed_value(shown, "lifetime", api),
        answers=Answers(**{name: _written(values, name, name) for name in _ANSWERS}),
        extends=extends,
    )


def error_block(view: Mapping[str, Any], field: str) -> str:
    """The id of the input that a Refusal's field belongs to; the API's, or whatever input there is, where it is not asked."""
    blocks = view.get("blocks")
    inputs = [
        str(block.get("block_id"))
        for block in (blocks if isinstance(blocks, list) else [])
        if isinstance(block, dict) and block.get("type") == "input"
    ]
    mine = (one for one in inputs if one == field or one.startswith(f"{field}:"))
    return next(mine, "api" if "api" in inputs or not inputs else inputs[0])


def _values(view: Mapping[str, Any]) -> dict[str, Any]:
    state = view.get("state")
    values = state.get("values") if isinstance(state, dict) else None
    if not isinstance(values, dict):
        raise StaleView("no values")
    return values


def _block_ids(view: Mapping[str, Any]) -> list[str]:
    blocks = view.get("blocks")
    if not isinstance(blocks, list):
        raise StaleView("no blocks")
    return [str(block.get("block_id", "")) for block in blocks if isinstance(block, dict)]


def _answer(values: dict[str, Any], block_id: str, action_id: str) -> Mapping[str, Any] | None:
    block = values.get(block_id)
    if block is None:
        return None
    answer = block.get(action_id) if isinstance(block, dict) else None
    if not isinstance(answer, dict):
        raise StaleView(f"no answer in {action_id}")
    return answer


def _picked(values: dict[str, Any], block_id: str, action_id: str) -> str | None:
    answer = _answer(values, block_id, action_id)
    option = None if answer is None else answer.get("selected_option")
    if option is None:
        return None
    value = option.get("value") if isinstance(option, dict) else None
    if not isinstance(value, str):
        raise StaleView(f"no value in {action_id}")
    return value


def picked(view: Mapping[str, Any], block_id: str, action_id: str) -> str | None:
    """The value that was picked in this block; None where there is no such block. Raises StaleView."""
    return _picked(_values(view), block_id, action_id)


def written(view: Mapping[str, Any], block_id: str, action_id: str) -> str:
    """What was typed into this block. Raises StaleView."""
    return _written(_values(view), block_id, action_id)


def _written(values: dict[str, Any], block_id: str, action_id: str) -> str:
    answer = _answer(values, block_id, action_id)
    if answer is None:
        raise StaleView(f"no {block_id}")
    value = answer.get("value")
    if value is not None and not isinstance(value, str):
        raise StaleView(f"no text in {action_id}")
    return value if value is not None and len(value) > MAX_TIDIED else tidy(value or "")


def _fixed_value(shown: list[str], what: str, api: str) -> str | None:
    prefix = f"fixed:{what}:{api}:"
    return next((one.removeprefix(prefix) for one in shown if one.startswith(prefix)), None)


# --- answers ----------------------------------------------------------------------------------------------------------


def accepted(record: Record, *, conversation: str | None) -> Block:
    """That it is sent, and what happens now. `conversation` is a link to where it will be told."""
    request = record.request
    title = "Request sent"
    if request.state is RequestState.PENDING:
        who = wording.audience(rules.to_call(request.rule, request.requester), except_=request.requester)
        need = "approval" if request.rule.approvals == 1 else f"{request.rule.approvals} approvals"
        now = f"Waiting for {need} from {who}. I'll message you when they decide."
    elif request.state is RequestState.APPROVED and request.extends is not None:
        title, now = "Extending", f"I'll message you when {request.extends.label} is extended."
    elif request.state is RequestState.APPROVED and (record.grant is None or record.lives):
        title, now = "Token on its way", "It will appear in our conversation in a moment."
    else:
        now = "Our conversation says how it went."
    asked = f"*{request.label}* · {wording.asked_for(request)}, {wording.duration(request.lifetime)}."
    return notice(title, "\n".join(filter(None, [f"{asked} {now}", conversation])))


def notice(title: str, said: str) -> Block:
    """A small modal that asks nothing: for a click that lost or was refused. `said` is mrkdwn of our own."""
    return modal(title, [section(said)], close="Close", callback=CALLBACK_NOTICE)


def snippet(record: Record, snippet: Snippet) -> Block:
    """Lines that use a token of this request, without the token."""
    blocks = [section(snippet.about), preformatted(snippet.lines(record.request.rule))]
    return modal(snippet.name, blocks, close="Close", callback=CALLBACK_NOTICE)


def deny_form(record: Record) -> Block:
    """A no needs a reason."""
    request = record.request
    asked_for = f"{wording.asked_for(request)}, {wording.duration(request.lifetime)}"
    said = f"{wording.person(request.requester)} requested {asked_for}."
    return modal(
        f"Deny {request.label}",
        [
            section(said),
            _why_input(f"{request.requester_name} will see this, with your name."),
        ],
        submit="Deny",
        callback=CALLBACK_DENY,
        metadata={"request_id": request.id},
    )


def revoke_form(record: Record) -> Block:
    """A form for somebody other than the holder, who is told who ended it and why."""
    request = record.request
    whose = f"The token of {wording.person(request.requester)} for {wording.asked_for(request)}"
    said = f"{whose} stops working within about ten seconds."
    return modal(
        f"Revoke {request.label}?",
        [
            section(f"{said} This can't be undone."),
            *([section(f"*Used by:* {inert(request.answers.used_by, 80)}")] if request.answers.used_by.strip() else []),
            _why_input(f"{request.requester_name} will see this, with your name."),
        ],
        submit="Revoke",
        close="Keep it",
        callback=CALLBACK_REVOKE,
        metadata={"request_id": request.id},
    )


def _why_input(hint: str) -> Block:
    element = text_input(ACTION_REASON, "", MAX_REASON, lines=True) | {"focus_on_load": True}
    return input_block("reason", "Reason", element, hint=hint)


def read_reason(view: Mapping[str, Any]) -> tuple[str, str]:
    """The request's id and the reason, of a no or a revocation. Raises StaleView."""
    return request_id(view), _written(_values(view), "reason", ACTION_REASON)


def replace_form(record: Record, form_id: str) -> Block:
    """A form that asks what happened to the token: that decides when the old one ends. `form_id` is this form's own."""
    request = record.request
    options = [
        option("I lost it", Loss.LOST.value)
        | {"description": plain("The old token keeps working until you have the new one.", 75)},
        option("Others may have seen it", Loss.LEAKED.value)
        | {"description": plain("The old token stops within seconds, and the approvers are told.", 75)},
    ]
    said = f"I'll send you a new token for {wording.asked_for(request)} ({request.label}). Its expiry stays the same."
    return modal(
        "Replace token",
        [section(said), input_block("loss", "What happened?", choice(ACTION_LOSS, options, Loss.LOST.value))],
        submit="Replace",
        callback=CALLBACK_REPLACE,
        metadata={"request_id": request.id, "form_id": form_id},
    )


def read_replace(view: Mapping[str, Any]) -> tuple[str, Loss, str]:
    """The request's id, what happened, and the form's own id. Raises StaleView."""
    picked = _picked(_values(view), "loss", ACTION_LOSS)
    try:
        return request_id(view), Loss(picked or ""), kept_name(view, "form_id")
    except ValueError as error:
        raise StaleView("no such loss") from error
