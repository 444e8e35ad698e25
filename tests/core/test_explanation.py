"""Why somebody may ask or may not: what `explain` says is what the bot does, whoever asks under whatever rule."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.core import explanation, members, rules
from bot.core.deciders import Named
from bot.core.explanation import Answer, Known, Look
from bot.core.in_force import InForce
from bot.core.model import (
    Answers,
    ApiRef,
    Audience,
    Identity,
    Limits,
    Person,
    Plan,
    Refusal,
    RequestId,
    Rule,
    Rulebook,
    Workspace,
)
from bot.operations import Operations, Submission
from bot.store.engine import migrate, open_engine
from bot.store.store import Store
from tests.core.life import ALICE, BOB, CAROL, DAY, NOW, PAYMENTS, Ids, person

HERE = Workspace("T0", None, "UBOT")
LEDGER = ApiRef("0f6d", "ledger", ("Default",), "Ledger", "ledger")
MEMBERS = {"S0DEVS": frozenset({"UALICE"}), "S0LEADS": frozenset({"UBOB", "UCAROL"}), "S0EMPTY": frozenset[str]()}
NAMED = Named(MEMBERS)

audiences = st.builds(
    Audience,
    everyone=st.booleans(),
    groups=st.frozensets(st.sampled_from(["S0DEVS", "S0LEADS"]), max_size=2),
    users=st.frozensets(st.sampled_from(["UALICE", "UBOB"]), max_size=1),
    channels=st.frozensets(st.just("C0DEVS"), max_size=1),
)
approvers = st.builds(
    Audience,
    groups=st.frozensets(st.sampled_from(["S0LEADS", "S0EMPTY"]), max_size=2),
    users=st.frozensets(st.sampled_from(["UALICE", "UDAVE"]), max_size=2),
)
plans = st.builds(
    lambda name, opens, approvals, requesters: Plan(
        name,
        Limits(1, 1, -1, 60),
        ("p",),
        (LEDGER,) if opens else (),
        approvals if opens else 0,
        requesters if opens else (),
    ),
    st.just("standard"),
    st.booleans(),
    st.integers(0, 3),
    st.tuples(audiences),
)
generated_rules = st.builds(
    lambda **terms: replace(PAYMENTS, **terms),
    requesters=audiences,
    approvers=approvers,
    also_may_approve=approvers,
    approvals=st.integers(0, 3),
    plans=st.one_of(st.tuples(plans), st.tuples(plans, plans.map(lambda plan: replace(plan, name="gold")))),
    out_of_force=st.sampled_from([False, False, False, True]),
    max_active=st.integers(1, 2),
)
people = st.builds(
    lambda user, groups, channels, **is_: Person(Identity("T0", user), user, groups=groups, channels=channels, **is_),
    st.sampled_from(["UALICE", "UBOB", "UZED"]),
    st.frozensets(st.sampled_from(["S0DEVS", "S0LEADS"]), max_size=2),
    st.frozensets(st.just("C0DEVS")),
    is_guest=st.sampled_from([False, False, False, True]),
)


def test_explain_says_what_the_bot_does() -> None:
    """Whoever asks under whatever rule: the bot takes the form where `explain` says yes, and refuses it where it says no."""
    engine = open_engine("sqlite://")
    migrate(engine)
    store, ids, seen = Store(engine), Ids("request"), set[bool]()

    @settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(generated_rules, people, st.integers(0, 2))
    def agree(rule: Rule, who: Person, already: int) -> None:
        who = replace(
            who, identity=Identity("T0", f"{who.identity.user_id}{ids()}"), also=who.ids
        )  # nobody has asked before
        bot = Operations(store, InForce(Rulebook("digest", {"payments": rule})), ids)
        for _ in range(already):
            free = replace(
                rule, requesters=Audience(everyone=True), approvals=0, out_of_force=False, plans=PAYMENTS.plans
            )
            asks(
                Operations(store, InForce(Rulebook("digest", {"payments": replace(free, max_active=9)})), ids),
                who,
                None,
                ids,
            )
        able = explanation.able(rule, who, NAMED, NOW)
        is_member = members.refuse(who, HERE) is None
        for place, plan in enumerate(rule.plans):
            with store.reading() as tx:
                held = tx.held(who.identity, "payments")
            told = explanation.explain(rule, Known(who, who), HERE, able, held)
            is_open = all(finding.holds for finding in told.findings) and told.offers[place].holds is True
            accepted = is_member and asks(bot, who, plan.name, ids, able)
            assert accepted is is_open
            assert not accepted or len(able) >= max(rule.approvals, plan.approvals)
            assert told.may is (is_member and len(held) < rule.max_active and any(one.holds for one in told.offers))
            seen.add(accepted)

    agree()
    assert seen == {True, False}
    engine.dispose()


def asks(bot: Operations, who: Person, plan: str | None, ids: Ids, able: frozenset[str] = frozenset()) -> bool:
    form = Submission(RequestId(ids()), "payments", plan, 7 * DAY, Answers(reason="because"))
    try:
        asyncio.run(bot.submit(form, who, able))
    except Refusal:
        return False
    return True


@given(generated_rules, people)
@settings(max_examples=150, deadline=None)
def test_what_nobody_could_look_up_is_no_answer(rule: Rule, who: Person) -> None:
    """Without Slack, a yes or a no holds whatever groups the person is in, and the rest is unknown."""
    bare = replace(who, groups=frozenset(), channels=frozenset())
    in_all = replace(bare, groups=frozenset(MEMBERS), channels=frozenset({"C0DEVS"}))
    told = asked(rule, bare, in_all)
    for place, answer in enumerate(told):
        answers = {asked(rule, one, one)[place] for one in (bare, who, in_all)}
        assert answers == {answer} if answer is not None else True in answers


def asked(rule: Rule, least: Person, most: Person) -> tuple[Answer, Answer]:
    """May they, and are they among the requesters."""
    told = explanation.explain(rule, Known(least, most), None, None, None)
    return told.may, next(one.holds for one in told.findings if one.look is Look.REQUESTERS)


@given(generated_rules, st.sampled_from([ALICE, BOB, person("zed")]))
@settings(max_examples=150, deadline=None)
def test_who_would_decide_may_decide(rule: Rule, asker: Person) -> None:
    """Everybody who is said to decide could press the button, by that which is said, and nobody else of those whom it names."""
    record = explanation.as_if_asked(rule, rule.plans[0], asker, NOW)
    if rule.out_of_force or not rule.approvals:
        return
    told = {one.user_id: one.by for one in explanation.decided_by(record, rule, NAMED)}
    for who in (ALICE, BOB, CAROL, person("dave"), person("zed")):
        groups = frozenset(group for group, listed in MEMBERS.items() if who.identity.user_id in listed)
        counts = allowed(partial(rules.reviewing_by, record, rule, replace(who, groups=groups)))
        assert told.get(who.identity.user_id) == counts


def allowed(ask: Callable[[], str]) -> str | None:
    try:
        return ask()
    except Refusal:
        return None
