"""What is asked: every view keeps Slack's limits, and what comes back is read or refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.core.lifecycle import Loss
from bot.core.model import (
    Answers,
    ApiRef,
    Audience,
    Grant,
    GrantState,
    Identity,
    Limits,
    Plan,
    PolicyTerms,
    Record,
    Request,
    RequestId,
    RequestState,
    Rule,
)
from bot.slack import deciding, modals, request_form, wording
from bot.slack.requesting import decision_line

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ANN = Identity("T1", "U0ANN")
BOB = Identity("T1", "U0BOB")
LIMITS = Limits(rate=100, per=1, quota_max=10000, quota_renewal_rate=86400)
STANDARD = Plan("standard", LIMITS)
GOLD = Plan("gold", LIMITS, tyk_policies=("5f1c0b5c6ad84c3c8d0b5f0e",))
DAY = timedelta(days=1)
CONVERSATION = "<https://slack.com/app_redirect?app=A0BOT&amp;team=T1|Open our conversation>"

NASTY = (
    "<!here> <!channel> <@U0EVE> <!subteam^S0EVE|all> <#C0EVE> <https://evil.example|nice>",
    "@here @channel *bold* _it_ ~gone~ `code` ```block``` :tada: https://evil.example",
    "&amp;&lt;&gt;&&<<>>" * 150,
    "*_~`:a:" * 430,
    "x" * 3000,
    "a\u202egnp.exe\x1b[31m\x00\n> quote\n\n",
    "a\u061c\xad\u2060\U000e0041\ud800b",
    "<!date^1^{date}|>",
    "",
    " ",
)


def nasty() -> st.SearchStrategy[str]:
    typed = st.text(max_size=200)
    marked = st.text(alphabet="<>&;!@#|*_~`: :ahere\n", max_size=700)
    return st.one_of(st.sampled_from(NASTY), typed, marked)


def rule(**changes: Any) -> Rule:
    base = Rule(
        name="payments",
        api=ApiRef("5f1c", "payments", ("Default",)),
        title="Payments",
        description="Moves money",
        docs="https://docs.example.com/payments",
        listen_path="/payments/",
        auth_header="Authorization",
        gateway_url="https://gw.example.com/",
        requesters=Audience(everyone=True),
        approvals=2,
        approvers=Audience(groups=frozenset({"S0LEADS"}), users=frozenset({ANN.user_id, BOB.user_id})),
        approvals_channel="C0APPR",
        plans=(STANDARD, GOLD),
        lifetimes=(timedelta(days=7), DAY, None),
        reason_required=True,
        lapses_after=timedelta(days=7),
        hide_token_after=DAY,
    )
    return replace(base, **changes)


def drawn(filled: request_form.Filled, rules: tuple[Rule, ...], notes: tuple[str, ...] = ()) -> request_form.Form:
    alone = rules[0] if len(rules) == 1 else None
    chosen = next((one for one in rules if one.name == filled.api), alone)
    decision = "2 approvals from <!subteam^S0LEADS> are needed."
    return request_form.Form(filled, rules, chosen, notes, decision, "C0HELP")


def form(*rules: Rule, notes: tuple[str, ...] = (), **filled: Any) -> request_form.Form:
    return drawn(request_form.Filled("req1", **filled), rules, notes)


def again(request: Request, *rules: Rule) -> request_form.Form:
    return drawn(request_form.Filled.like(request, "req1"), rules)


def asked(**changes: Any) -> Record:
    request = Request(
        id=RequestId("req1"),
        number=1042,
        requester=ANN,
        requester_name="Ann",
        rule=rule(),
        digest="0123456789abcdef0123",
        plan=STANDARD,
        lifetime=timedelta(days=7),
        answers=Answers("nightly", "the nightly run"),
        state=RequestState.PENDING,
        created_at=NOW,
        lapses_at=NOW + 7 * DAY,
    )
    return Record(replace(request, **changes))


# --- Slack's limits, as far as they can be checked without Slack ------------------------------------------------------


def walk(node: object) -> Iterator[dict[str, Any]]:
    """Every object in a piece of Block Kit."""
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from walk(value)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value)


def _text(node: dict[str, Any], limit: int, *, only_plain: bool = False) -> None:
    assert node["type"] in (("plain_text",) if only_plain else ("plain_text", "mrkdwn"))
    assert 1 <= len(node["text"]) <= limit, node
    assert node["text"].strip()
    assert node.get("emoji") is False or node.get("verbatim") is True


def _element(node: dict[str, Any]) -> None:
    assert 1 <= len(node["action_id"]) <= 255
    if "placeholder" in node:
        _text(node["placeholder"], 150, only_plain=True)
    if node["type"] == "button":
        _text(node["text"], 75, only_plain=True)
        assert len(node["value"]) <= 2000
        assert len(node["accessibility_label"]) <= 75
        assert node.get("style", "primary") in ("primary", "danger")
        if confirm := node.get("confirm"):
            for part, limit in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
                _text(confirm[part], limit, only_plain=True)
    elif node["type"] == "plain_text_input":
        assert 1 <= node["max_length"] <= 3000
        assert len(node.get("initial_value", "")) <= node["max_length"]
    elif node["type"] == "external_select":
        assert node["min_query_length"] >= 0
    else:
        check_options(node["options"], {"static_select": 100, "radio_buttons": 10}[node["type"]])
        assert "initial_option" not in node or node["options"].count(node["initial_option"]) == 1


def check_options(options: list[dict[str, Any]], most: int) -> None:
    assert 1 <= len(options) <= most
    assert len({option["value"] for option in options}) == len(options)
    for option in options:
        _text(option["text"], 75, only_plain=True)
        assert 1 <= len(option["value"]) <= 150
        if "description" in option:
            _text(option["description"], 75, only_plain=True)


def check_blocks(blocks: list[dict[str, Any]], most: int) -> None:  # noqa: C901 - one case a block
    """The limits of block-kit-limits.json that these blocks can meet, on top of what slack_sdk checks itself."""
    assert 1 <= len(blocks) <= most
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    assert len(set(ids)) == len(ids)
    assert all(1 <= len(one) <= 255 for one in ids)
    for block in blocks:
        parsed = Block.parse(block)
        assert parsed is not None
        parsed.to_dict()
        match block["type"]:
            case "header":
                _text(block["text"], 150, only_plain=True)
            case "section":
                assert ("text" in block) or block["fields"]
                if "text" in block:
                    _text(block["text"], 3000)
                assert len(block.get("fields", [])) <= 10
                for one in block.get("fields", []):
                    _text(one, 2000)
            case "context":
                assert 1 <= len(block["elements"]) <= 10
                for one in block["elements"]:
                    _text(one, 3000)
            case "actions":
                assert 1 <= len(block["elements"]) <= 25
                actions = [one["action_id"] for one in block["elements"]]
                assert len(set(actions)) == len(actions)
                for one in block["elements"]:
                    _element(one)
            case "input":
                _text(block["label"], 2000, only_plain=True)
                if "hint" in block:
                    _text(block["hint"], 2000, only_plain=True)
                _element(block["element"])
            case kind:
                assert kind == "rich_text"


def check_view(view: dict[str, Any]) -> dict[str, Any]:
    View(**view).to_dict()
    for part in ("title", "submit", "close"):
        if part in view:
            _text(view[part], 24, only_plain=True)
    check_blocks(view["blocks"], 100)
    assert ("submit" in view) == any(block["type"] == "input" for block in view["blocks"])
    assert len(view.get("private_metadata", "")) <= 3000
    assert len(json.dumps(view)) <= 250_000
    check_inert(view)
    return view


ALLOWED = re.compile(
    r"<@[A-Za-z0-9]+>|<#[A-Za-z0-9]+>|<!subteam\^[A-Za-z0-9]+>|<https://docs\.example\.com/[a-z]*\|Documentation>"
    r"|<https://acme\.slack\.com/team/U0ANN\|[^<>]+>"
    r"|<!date\^\d+\^\{date_short_pretty\}( at \{time\}\|[\d: -]+UTC|\|[\d-]+)>|" + re.escape(CONVERSATION)
)


def check_mrkdwn(said: str, known: frozenset[str] = frozenset({"U0EVE", "S0EVE", "C0EVE"})) -> None:
    """Only our own mentions, links and dates are live."""
    assert not any(f"{mark}{one}>" in said for one in known for mark in ("<@", "<#", "<!subteam^"))
    rest = ALLOWED.sub("", said)
    assert "<" not in rest, rest
    assert ">" not in rest, rest
    assert not re.search(r"&(?!(amp|lt|gt);)", rest), rest
    assert not re.search(r"@(here|channel|everyone)", rest)


def check_inert(node: object) -> None:
    for one in walk(node):
        if one.get("type") == "mrkdwn":
            check_mrkdwn(one["text"])


# --- views ------------------------------------------------------------------------------------------------------------


def block(view: dict[str, Any], block_id: str) -> dict[str, Any]:
    return next(one for one in view["blocks"] if one.get("block_id") == block_id)


def fill(view: dict[str, Any], **typed: str | None) -> dict[str, Any]:
    """The view as Slack sends it back: what is typed or picked, else what was preselected."""
    values: dict[str, Any] = {}
    for one in view["blocks"]:
        if one["type"] != "input":
            continue
        element, name = one["element"], one["element"]["action_id"]
        if element["type"] == "plain_text_input":
            answer: dict[str, Any] = {"value": typed.get(name, element.get("initial_value"))}
        else:
            picked = typed.get(name, element.get("initial_option", {}).get("value"))
            answer = {"selected_option": {"value": picked} if picked else None}
        values[one["block_id"]] = {name: {"type": element["type"], **answer}}
    return {**view, "state": {"values": values}}


def test_every_view_keeps_the_limits() -> None:
    """Of all views, in each of their shapes."""
    many = tuple(rule(name=f"api-{n}", title=f"API {n}") for n in range(101))
    plans = tuple(replace(STANDARD, name=f"plan {n}") for n in range(8))
    for view in (
        request_form.loading("req1"),
        request_form.request_form(form()),
        request_form.request_form(form(rule())),
        request_form.request_form(form(rule(), rule(name="other"))),
        request_form.request_form(form(*many)),
        request_form.request_form(form(*many, api="api-3", notes=("You already have a token for this.",))),
        request_form.request_form(form(rule(plans=(GOLD,), lifetimes=(None,), docs=None, description="", approvals=0))),
        request_form.request_form(
            form(rule(plans=plans, lifetimes=tuple(n * DAY for n in range(1, 9))), plan="plan 2")
        ),
        request_form.accepted(asked(), conversation=CONVERSATION),
        deciding.deny_form(asked(number=10**12)),
        deciding.revoke_form(asked(number=10**12)),
        deciding.revoke_form(asked(answers=Answers())),
        deciding.replace_form(asked(number=10**12), "form1"),
        modals.notice("Already decided, and by somebody with a long name", "It was denied."),
    ):
        check_view(view)


@given(nasty(), nasty(), nasty())
@example(NASTY[0], NASTY[1], NASTY[2])
def test_whatever_is_typed_or_configured_is_inert(title: str, description: str, typed: str) -> None:
    """No text brings a mention, a link or a broken view."""
    one = rule(title=title, description=description, docs=f"https://x|{typed}")
    check_view(request_form.request_form(form(one, answers=Answers(typed, typed))))
    check_view(request_form.accepted(asked(rule=one, answers=Answers(reason=typed)), conversation=None))
    check_view(deciding.deny_form(asked(rule=one)))
    check_view(deciding.revoke_form(asked(rule=one, answers=Answers(typed))))
    check_view(deciding.replace_form(asked(rule=one), "form1"))
    check_view(request_form.request_form(again(asked(rule=one, answers=Answers(typed, typed)).request, one)))


@given(nasty(), st.integers(5, 80))
@example("00000<&0_00", 17)
@example(NASTY[6], 80)
def test_inert_is_escaped_first_and_cut_afterwards(typed: str, limit: int) -> None:
    """It is within the limit, on one line, with no entity in half and no mark that could format."""
    said = wording.inert(typed, limit)
    assert len(said) <= limit
    assert "\n" not in said
    assert not re.search(r"[<>`\x00\x1b\xad\u061c\u202e\u2060\ud800\U000e0041]", said)
    assert not re.search(r"&(?!(amp|lt|gt);)", said)
    assert not re.search(r"(?<![^\W_])[*_~]|[*_~](?![^\W_])", said)


def test_names_with_marks_inside_stay_as_they_are() -> None:
    """What Slack would not format is not touched: people search for it."""
    assert wording.inert("my_service_name 10:30 a*b R&D", 100) == "my_service_name 10:30 a*b R&amp;D"


def test_one_rule_is_preselected() -> None:
    """Who may ask for one thing sees its form at once."""
    view = request_form.request_form(form(rule()))
    assert block(view, "api")["element"]["initial_option"]["value"] == "payments"
    assert block(view, "reason")["optional"] is False


def test_without_an_api_only_the_api_is_asked() -> None:
    """The rest depends on it."""
    view = request_form.request_form(form(rule(), rule(name="other")))
    assert [one["block_id"] for one in view["blocks"]] == ["api"]
    assert view["blocks"][0]["dispatch_action"] is True


def test_another_api_asks_plan_and_lifetime_anew_and_keeps_what_was_typed() -> None:
    """Slack keeps a value for as long as its block's id stays the same."""
    rules = (rule(), rule(name="other", reason_required=False))
    here, there = (
        {one.get("block_id") for one in request_form.request_form(form(*rules, api=chosen.name))["blocks"]}
        for chosen in rules
    )
    assert {"plan:payments", "lifetime:payments"} <= here - there
    assert {"api", "used_by", "reason"} <= here & there


def test_what_matters_stands_directly_under_the_api() -> None:
    """Who decides, what is held already and what it opens, then what it is."""
    opens_more = replace(GOLD, also_opens=(ApiRef("2", "ledger", ()),), approvals=3)
    view = request_form.request_form(
        form(rule(plans=(STANDARD, opens_more)), notes=("You already have a token for this.",))
    )
    assert view["blocks"][1]["text"]["text"].splitlines() == [
        "2 approvals from <!subteam^S0LEADS> are needed.",
        "You already have a token for this.",
        "*gold* opens Payments, ledger and needs 3 approvals.",
        "Moves money",
        "<https://docs.example.com/payments|Documentation>",
    ]


def test_an_api_with_one_plan_has_no_plan() -> None:
    """Its limits stand in small print, and the one plan comes back as it was shown."""
    view = request_form.request_form(form(rule(plans=(STANDARD,))))
    assert not [one for one in view["blocks"] if one["type"] == "input" and "Plan" in one["label"]["text"]]
    small = block(view, "fixed:plan:payments:standard")
    assert (small["type"], small["elements"][0]["text"]) == ("context", "Limits: 100 calls per second, 10,000 per day")
    assert request_form.read_form(fill(view, reason="r")).plan == "standard"


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({}, "What do you need it for? Your approvers will see this."),
        ({"approvals": 0}, "What do you need it for? This goes on record."),
        (
            {"approvals": 0, "plans": (replace(GOLD, approvals=1),)},
            "What do you need it for? Your approvers will see this.",
        ),
    ],
)
def test_what_needs_no_approval_does_not_speak_of_approvers(changes: dict[str, Any], hint: str) -> None:
    """The reason goes on record all the same; one plan that needs approval is enough for somebody to read it."""
    view = request_form.request_form(form(rule(**changes)))
    assert block(view, "reason")["hint"]["text"] == hint


def test_an_option_says_whether_somebody_has_to_approve_it_and_what_it_is() -> None:
    """In the 75 characters that Slack gives it, the first of the two whole."""
    offered = request_form.api_options(
        [rule(), rule(approvals=1, description=""), rule(approvals=0, description="x" * 200)]
    )
    assert [one["description"]["text"] for one in offered] == [
        "Needs 2 approvals · Moves money",
        "Needs approval",
        f"No approval needed · {'x' * 53}…",
    ]


def test_more_than_an_answer_holds_is_said_in_its_heading() -> None:
    """Slack shows no more than a hundred."""
    options = request_form.api_options([rule()])
    assert request_form.first_of(options, 1412)["label"]["text"] == "First 1 of 1,412. Type more to find the others."


def test_the_first_lifetime_is_preselected_and_no_plan_is() -> None:
    """A plan is a choice to make, a lifetime has a good answer. They stand in the order of their length."""
    view = request_form.request_form(form(rule(review_every=timedelta(days=90))))
    assert block(view, "lifetime:payments")["element"]["initial_option"]["value"] == "604800"
    assert "initial_option" not in block(view, "plan:payments")["element"]
    assert [one["text"]["text"] for one in block(view, "lifetime:payments")["element"]["options"]] == [
        "1 day",
        "7 days",
        "Doesn't expire (reviewed every 90 days)",
    ]


def test_submit_says_what_will_come_of_it() -> None:
    """A token at once, or a question to others."""
    assert request_form.request_form(form(rule()))["submit"]["text"] == "Send request"
    assert request_form.request_form(form(rule(approvals=0)))["submit"]["text"] == "Get token"


def test_a_form_comes_back_as_it_was_filled() -> None:
    """Every answer, trimmed."""
    view = fill(
        request_form.request_form(form(rule())), plan="gold", lifetime="never", used_by=None, reason="  nightly "
    )
    assert request_form.read_form(view) == request_form.Filled(
        "req1", "payments", "gold", "never", Answers(reason="nightly")
    )


def test_what_could_not_be_chosen_comes_back_as_it_was_shown() -> None:
    """So a rule that changed meanwhile grants nothing that nobody saw."""
    one = rule(name="a:b", plans=(STANDARD,), lifetimes=(DAY,))
    filled = request_form.read_form(fill(request_form.request_form(form(one)), reason="r"))
    assert (filled.api, filled.plan, filled.lifetime_value) == ("a:b", "standard", "86400")


def test_a_form_that_was_drawn_for_another_api_gives_back_what_was_typed() -> None:
    """Submitted faster than the form could follow: plan and lifetime were of the other API, so they are asked anew."""
    rules = (rule(), rule(name="other"))
    view = fill(
        request_form.request_form(form(*rules, api="payments")), api="other", used_by="nightly", reason="the run"
    )
    with pytest.raises(request_form.NotDrawnYet) as raised:
        request_form.read_form(view)
    assert raised.value.filled == request_form.Filled("req1", "other", answers=Answers("nightly", "the run"))
    with pytest.raises(request_form.NotDrawnYet) as raised:
        request_form.read_form(fill(request_form.request_form(form(*rules)), api="payments"))
    assert raised.value.filled == request_form.Filled("req1", "payments")


@pytest.mark.parametrize(
    "view",
    [
        {},
        {"private_metadata": "{}", "state": {"values": {}}},
        {"private_metadata": "nonsense"},
        {"private_metadata": '{"request_id": 7}'},
        {"private_metadata": "[]"},
        {"private_metadata": '{"request_id": "r"}'},
        {"private_metadata": '{"request_id": "r"}', "state": {"values": []}},
        {"private_metadata": '{"request_id": "r"}', "state": {"values": {"api": 3}}, "blocks": []},
        {
            "private_metadata": '{"request_id": "r"}',
            "state": {"values": {"api": {"api": {"selected_option": {}}}}},
            "blocks": [],
        },
        {
            "private_metadata": '{"request_id": "r"}',
            "state": {"values": {"api": {"api": {"selected_option": {"value": "x"}}}}},
            "blocks": [{"block_id": "about:x"}],
        },
    ],
)
def test_anything_odd_is_stale(view: dict[str, Any]) -> None:
    """Never a KeyError, never a guess."""
    with pytest.raises(modals.StaleView):
        request_form.read_form(view)


@pytest.mark.parametrize("value", ["", "-1", "7d", "٣", "1" * 13, "1.5", "None"])
def test_an_odd_lifetime_is_stale(value: str) -> None:
    """Seconds or never."""
    with pytest.raises(modals.StaleView):
        request_form.read_lifetime(value)


@pytest.mark.parametrize("lifetime", [None, DAY, timedelta(minutes=90)])
def test_a_lifetime_survives_the_form(lifetime: timedelta | None) -> None:
    """There and back."""
    assert request_form.read_lifetime(request_form.lifetime_value(lifetime)) == lifetime


def test_an_error_stands_at_its_field_or_else_at_the_api() -> None:
    """Slack shows errors at inputs only."""
    view = request_form.request_form(form(rule(plans=(STANDARD,))))
    assert modals.error_block(view, "lifetime") == "lifetime:payments"
    assert modals.error_block(view, "reason") == "reason"
    assert modals.error_block(view, "plan") == "api"
    assert modals.error_block(deciding.deny_form(asked()), "api") == "reason"


def test_accepted_says_that_it_is_sent_and_what_happens_now() -> None:
    """With the way to where it will be told; also to a second submission, whatever became of the first."""
    alone_may = Audience(groups=frozenset({"S0ONCALL"}))
    waiting = request_form.accepted(asked(), conversation=CONVERSATION)
    assert waiting["title"]["text"] == "Request sent"
    assert waiting["blocks"][0]["text"]["text"] == (
        "*R-1042* · Payments, 7 days. Waiting for 2 approvals from <!subteam^S0LEADS> or <@U0BOB>. I'll message you when they "
        f"decide.\n{CONVERSATION}"
    )
    alone = request_form.accepted(
        asked(rule=rule(approvals=1, approvers=Audience(users=frozenset({BOB.user_id})))), conversation=None
    )
    assert "Waiting for approval from <@U0BOB>." in alone["blocks"][0]["text"]["text"]
    her_own = rule(approvals=1, approvers=Audience(users=frozenset({ANN.user_id})), also_may_approve=alone_may)
    assert (
        "from <!subteam^S0ONCALL>."
        in request_form.accepted(asked(rule=her_own), conversation=None)["blocks"][0]["text"]["text"]
    )
    assert decision_line(her_own, ANN) == "<!subteam^S0ONCALL> needs to approve this."
    granted = request_form.accepted(
        replace(asked(state=RequestState.APPROVED), grant=Grant(GrantState.ISSUING, NOW, None)), conversation=None
    )
    assert granted["title"]["text"] == "Token on its way"
    assert "It will appear in our conversation in a moment." in granted["blocks"][0]["text"]["text"]
    denied = request_form.accepted(asked(state=RequestState.DENIED), conversation=None)
    assert "how it went" in denied["blocks"][0]["text"]["text"]


def test_the_way_to_the_conversation_is_slacks_own() -> None:
    """The address that Slack documents for links in an app's messages; nothing else gets into it."""
    assert wording.conversation("A0BOT", "T1") == CONVERSATION
    assert wording.conversation("A0|<!here>", "T1") == CONVERSATION.replace("A0BOT", "A0here")


def test_a_denial_comes_back_with_its_reason() -> None:
    """And with the request it is for."""
    view = deciding.deny_form(asked())
    assert json.loads(view["private_metadata"]) == {"request_id": "req1"}
    assert deciding.read_reason(fill(view, reason=" no ")) == ("req1", "no")
    with pytest.raises(modals.StaleView):
        deciding.read_reason({**view, "state": {"values": {}}})


def test_a_revocation_says_whose_token_stops_and_what_uses_it() -> None:
    """And comes back with the reason, which the holder is told."""
    view = check_view(deciding.revoke_form(asked()))
    assert [one["text"]["text"] for one in view["blocks"] if one["type"] == "section"] == [
        "The token of <@U0ANN> for Payments stops working within about ten seconds. This can't be undone.",
        "*Used by:* nightly",
    ]
    assert (view["title"]["text"], view["submit"]["text"], view["close"]["text"]) == (
        "Revoke R-1042?",
        "Revoke",
        "Keep it",
    )
    assert block(view, "reason")["optional"] is False
    assert "Ann will see this, with your name." in block(view, "reason")["hint"]["text"]
    assert deciding.read_reason(fill(view, reason=" on GitHub ")) == ("req1", "on GitHub")
    assert deciding.read_reason(fill(view)) == ("req1", "")
    unused = deciding.revoke_form(asked(answers=Answers("  ")))
    assert "Used by" not in json.dumps(unused)


def test_a_replacement_asks_what_happened() -> None:
    """Lost is preselected: the old token goes on for a moment; leaked stops it at once and tells others."""
    view = check_view(deciding.replace_form(asked(), "form1"))
    element = block(view, "loss")["element"]
    assert (element["type"], element["initial_option"]["value"]) == ("radio_buttons", "lost")
    assert {one["value"]: one["description"]["text"] for one in element["options"]} == {
        "lost": "The old token keeps working until you have the new one.",
        "leaked": "The old token stops within seconds, and the approvers are told.",
    }
    assert deciding.read_replace(fill(view)) == ("req1", Loss.LOST, "form1")
    assert deciding.read_replace(fill(view, loss="leaked")) == ("req1", Loss.LEAKED, "form1")


@pytest.mark.parametrize(
    "change",
    [
        {"state": {"values": {}}},
        {"state": {"values": {"loss": {"loss": {"selected_option": None}}}}},
        {"state": {"values": {"loss": {"loss": {"selected_option": {"value": "stolen"}}}}}},
        {"state": None},
        {"private_metadata": "{}"},
    ],
)
def test_an_odd_replacement_is_stale(change: dict[str, Any]) -> None:
    """Which token ends when is never guessed."""
    with pytest.raises(modals.StaleView):
        deciding.read_replace({**fill(deciding.replace_form(asked(), "form1")), **change})


def test_asking_again_fills_in_what_was_asked() -> None:
    """API, plan, lifetime, use and reason are as they were; sent as it is, it asks for the same."""
    before = asked(plan=GOLD, lifetime=DAY).request
    view = check_view(request_form.request_form(again(before, rule(), rule(name="other"))))
    assert request_form.read_form(fill(view)) == request_form.Filled(
        "req1", "payments", "gold", "86400", Answers("nightly", "the nightly run")
    )
    endless = again(asked(lifetime=None).request, rule())
    assert request_form.read_form(fill(request_form.request_form(endless))).lifetime_value == "never"


def test_what_is_no_longer_on_offer_is_asked_anew() -> None:
    """A lifetime that was taken out of the file gives way to the first, a plan to a choice."""
    before = asked(lifetime=30 * DAY, plan=Plan("silver", LIMITS)).request
    view = check_view(request_form.request_form(again(before, rule())))
    assert block(view, "lifetime:payments")["element"]["initial_option"]["value"] == "604800"
    assert "initial_option" not in block(view, "plan:payments")["element"]


def test_a_lost_click_is_told_in_a_modal_that_asks_nothing() -> None:
    """With the date and the names still alive."""
    sentence = f"R-1042 was approved by <@U0BOB>, {wording.date(NOW)}."
    view = check_view(modals.notice("Already decided", sentence))
    assert view["blocks"][0]["text"]["text"] == sentence
    assert "submit" not in view


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        (LIMITS, "100 calls per second, 10,000 per day"),
        (Limits(1, 60, -1, 0), "1 call per minute"),
        (Limits(5, 10, 100, 5400), "5 calls per 10 seconds, 100 per 1 hour 30 minutes"),
        (Limits(0, 0, 5, 0), "no rate limit, 5 in all"),
    ],
)
def test_limits_read_as_words(limits: Limits, said: str) -> None:
    """Calls per time."""
    assert wording.limits(limits) == said


def test_limits_of_a_tyk_policy_are_not_ours_to_make_up() -> None:
    """Where Tyk could not say them, that they are the policy's is all there is to say."""
    assert wording.plan_limits(GOLD) == "limits set by its Tyk policy"


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ((PolicyTerms("p", "Gold", 5, 60, 1000, 3600),), "5 calls per minute, 1,000 per hour (Tyk policy Gold)"),
        ((PolicyTerms("p", "Gold", 0, 1, -1, 60),), "no rate limit (Tyk policy Gold)"),
        ((PolicyTerms("p", "5f1c0b5c6ad84c3c8d0b5f0e", 0, 1, -1, 60),), "no rate limit (its Tyk policy)"),
        ((PolicyTerms("p", "<!here>"),), "100 calls per second, 10,000 per day (Tyk policy &lt;!here&gt;)"),
        ((PolicyTerms("p", "Gold", each_api=True),), "limits of its own for each API (Tyk policy Gold)"),
        (
            (PolicyTerms("p", "A", 5, 1, 0), PolicyTerms("q", "B", 9, 1, 0)),
            "the most generous of 5 calls per second (Tyk policy A) and 9 calls per second (Tyk policy B)",
        ),
    ],
)
def test_limits_of_a_tyk_policy_in_numbers(terms: tuple[PolicyTerms, ...], said: str) -> None:
    """As Tyk has them, with the policy's own name; what it leaves to the key is the plan's."""
    assert wording.plan_limits(replace(GOLD, terms=terms)) == said


def test_an_audience_is_counted_where_it_is_too_long() -> None:
    """And leaves out the one who asks."""
    crowd = Audience(users=frozenset(f"U{n:05}" for n in range(500)) | {ANN.user_id})
    said = wording.audience(crowd, ANN, limit=200)
    assert len(said) <= 200
    assert said.endswith(" more")
    assert wording.audience(rule().approvers, ANN) == "<!subteam^S0LEADS> or <@U0BOB>"
    assert (
        wording.audience(Audience(everyone=True, channels=frozenset({"C1"}))) == "everyone here or the members of <#C1>"
    )
