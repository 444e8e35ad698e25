"""The form with which a token is requested: how it is drawn, and what comes back in it. Nothing is looked up or decided here.

The configuration keeps the names of APIs and plans below 100 characters, so that they fit into the ids of blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

from bot.core import rules
from bot.core.limits import MAX_REASON, MAX_USED_BY
from bot.core.model import NEVER, Answers, Lifetime, Plan, Record, Request, RequestState, Rule
from bot.slack import modals, wording
from bot.slack.block_kit import (
    Block,
    choice,
    context,
    input_block,
    modal,
    option,
    plain,
    section,
    text_input,
    warned,
)
from bot.slack.modals import ACTION_REASON, StaleView, notice
from bot.slack.wording import inert

CALLBACK_REQUEST = "request"
ACTION_API = "api"
ACTION_PLAN = "plan"
ACTION_LIFETIME = "lifetime"
ACTION_USED_BY = "used_by"
_ANSWERS = tuple(one.name for one in fields(Answers))  # each is a block and its action of that name
USED_BY_HINT = "The service or script that will use it. If you leave, this tells others what would break."
NEVER_VALUE = "never"
MAX_OPTIONS = 100


class NotDrawnYet(StaleView):
    """The form shows another API than the one that was picked: its redrawing is late or lost. `filled` has what was typed."""

    def __init__(self, filled: Filled) -> None:
        super().__init__("the form was drawn for another API")
        self.filled = filled


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
    """The answers that are known already, while there is no field for them yet."""
    return {name: said for name in _ANSWERS if (said := getattr(answers, name))}


def kept_answers(view: Mapping[str, Any]) -> Answers:
    """The answers that were known before their fields were drawn, which begin with them."""
    return Answers(**{name: said for name in _ANSWERS if (said := modals.kept(view, name)) is not None})


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
    """A section with who decides and what is held already, then with what the API opens and is.

    Its block_id says which API the rest of the form was drawn for."""
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


def read_form(view: Mapping[str, Any]) -> Filled:
    """A submitted form. Raises NotDrawnYet where it was drawn for another API, StaleView on anything odd."""
    number, shown, extends = modals.request_id(view), modals.block_ids(view), modals.kept(view, "extends")
    api = modals.kept(view, "api") if extends else modals.picked(view, "api", ACTION_API)
    if api is None:
        return Filled(number)
    if f"about:{api}" not in shown:
        typed = {name: modals.written(view, name, name) for name in _ANSWERS if name in modals.values(view)}
        raise NotDrawnYet(Filled(number, api, answers=replace(kept_answers(view), **typed)))
    return Filled(
        request_id=number,
        api=api,
        plan=modals.picked(view, f"plan:{api}", ACTION_PLAN) or _fixed_value(shown, "plan", api),
        lifetime_value=modals.picked(view, f"lifetime:{api}", ACTION_LIFETIME) or _fixed_value(shown, "lifetime", api),
        answers=Answers(**{name: modals.written(view, name, name) for name in _ANSWERS}),
        extends=extends,
    )


def _fixed_value(shown: list[str], what: str, api: str) -> str | None:
    prefix = f"fixed:{what}:{api}:"
    return next((one.removeprefix(prefix) for one in shown if one.startswith(prefix)), None)


def accepted(record: Record, *, conversation: str | None) -> Block:
    """A notice that it is sent, and of what happens now. `conversation` is a link to where it will be told."""
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
