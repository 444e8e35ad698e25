"""What may be asked for: everybody's own, in the order of reading, without sorting twice."""

from __future__ import annotations

from typing import NoReturn

from hypothesis import given
from hypothesis import strategies as st

from bot.core import rules
from bot.core.model import Audience, Person, Rule, Rulebook
from bot.slack import request_form
from bot.slack.catalogue import REMEMBERS, Catalogue
from bot.slack.request_form import MAX_OPTIONS
from tests.slack.test_modals import ANN, check_options, check_view, rule

DEVS = Audience(groups=frozenset({"S0DEVS"}))
EVERYBODY = Audience(everyone=True)


class Title(str):
    """A title that counts how often it is made ready to be compared."""

    __slots__ = ()
    read = 0

    def casefold(self) -> str:
        Title.read += 1
        return super().casefold()


class Unread(tuple[Rule, ...]):
    """Rules that nobody may go through."""

    __slots__ = ()

    def __iter__(self) -> NoReturn:
        raise AssertionError("all of them were looked at")


def book(*given: Rule) -> Rulebook:
    return Rulebook("digest", {one.name: one for one in given})


def person(*groups: str) -> Person:
    return Person(ANN, "Ann", groups=frozenset(groups))


def many(count: int) -> tuple[Rule, ...]:
    return tuple(
        rule(name=f"api-{n}", title=Title(f"Service {n:05}"), requesters=DEVS if n % 2 else EVERYBODY)
        for n in range(count)
    )


def test_everybody_sees_their_own_in_the_order_of_reading() -> None:
    """By title, whatever its case, and where titles are the same by name."""
    catalogue = Catalogue(
        book(
            rule(name="z", title="ledger"),
            rule(name="b", title="Payments", requesters=DEVS),
            rule(name="a", title="Ledger"),
        )
    )
    assert [one.name for one in catalogue.offered(person())] == ["a", "z"]
    assert [one.name for one in catalogue.offered(person("S0DEVS"))] == ["a", "z", "b"]


def test_what_is_out_of_force_is_not_offered() -> None:
    """Nobody is left to decide about it: it is neither listed nor found."""
    catalogue = Catalogue(book(rule(name="a", title="Ledger"), rule(name="b", title="Lost", out_of_force=True)))
    assert [one.name for one in catalogue.offered(person())] == ["a"]
    assert catalogue.search(person(), "l", 10).rules == catalogue.offered(person())


def test_ten_thousand_are_sorted_once() -> None:
    """Who asks next, of the same kind or of another, costs no title to be looked at."""
    catalogue = Catalogue(book(*many(10_000)))
    Title.read = 0
    assert len(catalogue.offered(person())) == 5_000
    assert len(catalogue.offered(person("S0DEVS"))) == 10_000
    assert catalogue.offered(person()) is catalogue.offered(person("S0OTHERS"))
    assert Title.read == 0


def test_who_picks_one_is_given_what_they_may_ask_for() -> None:
    """By its name; what they may not ask for, or nobody knows, is nothing, and who may ask for one alone has picked it."""
    catalogue = Catalogue(book(rule(name="open"), rule(name="other"), rule(name="hidden", requesters=DEVS)))
    for somebody in (person(), person("S0DEVS")):
        known = {one.name: one for one in catalogue.offered(somebody)}
        for name in (None, "open", "hidden", "unknown"):
            assert catalogue.picked(somebody, name) == known.get(name or "")
    alone = Catalogue(book(rule(name="open"), rule(name="hidden", requesters=DEVS)))
    assert [alone.picked(person(), name) for name in (None, "hidden")] == [*alone.offered(person())] * 2


def test_a_form_goes_through_none_of_the_others() -> None:
    """It costs the same however many there are, whether it is about one of them already or not."""
    catalogue, dev = Catalogue(book(*many(1000))), person("S0DEVS")
    catalogue._offered = {frozenset({DEVS, EVERYBODY}): Unread(catalogue.offered(dev))}
    for name in ("api-999", None):
        chosen = catalogue.picked(dev, name)
        assert (chosen and chosen.name) == name
        filled = request_form.Filled("req1", name)
        check_view(
            request_form.request_form(request_form.Form(filled, catalogue.offered(dev), chosen, (), "", "C0HELP"))
        )


def test_a_search_makes_no_title_ready_again() -> None:
    """Among ten thousand each letter that is typed costs one look at what was made ready before, and fits an answer."""
    catalogue, dev = Catalogue(book(*many(10_000))), person("S0DEVS")
    Title.read = 0
    assert [one.name for one in catalogue.search(dev, "09999", MAX_OPTIONS).rules] == ["api-9999"]
    assert Title.read == 0
    for typed in ("", "service", "9"):
        check_options(
            request_form.api_options(catalogue.search(dev, typed, MAX_OPTIONS).rules),
            MAX_OPTIONS,
        )


def test_what_begins_with_what_was_typed_comes_first() -> None:
    """Then what contains it, by title or name, in any case; what this person may not ask for is not found."""
    named = (("x", "Old Pay"), ("pay", "Zed"), ("y", "PAYMENTS"), ("z", "Z"))
    hidden = rule(name="payroll", title="Payroll", requesters=DEVS)
    catalogue = Catalogue(book(hidden, *(rule(name=name, title=title) for name, title in named)))
    assert [one.name for one in catalogue.search(person(), " pay ", 100).rules] == ["y", "pay", "x"]
    assert [one.name for one in catalogue.search(person(), "pay", 2).rules] == ["y", "pay"]
    assert catalogue.search(person(), "nothing", 100) == ((), 0)
    assert "payroll" in [one.name for one in catalogue.search(person("S0DEVS"), "pay", 100).rules]


def test_words_are_found_in_any_order_and_in_the_description() -> None:
    """What has them in its title or name comes before what is only described by them, and all are counted."""
    catalogue = Catalogue(
        book(
            rule(name="a", title="Archive", description="Old bookings, by the ledger's month"),
            rule(name="b", title="Ledger Bookings", description="What was booked"),
            rule(name="c", title="Payments", description="Moves money"),
        )
    )
    assert [one.name for one in catalogue.search(person(), "bookings ledger", 10).rules] == ["b", "a"]
    assert [one.name for one in catalogue.search(person(), "MONEY moves", 10).rules] == ["c"]
    assert catalogue.search(person(), "money ledger", 10).in_all == 0
    assert catalogue.search(person(), "bookings", 1) == (catalogue.search(person(), "b", 10).rules[:1], 2)


def test_what_is_remembered_is_bounded() -> None:
    """However many kinds of people there are, each gets their own."""
    own = [rule(name=f"api-{n:03}", requesters=Audience(groups=frozenset({f"S{n}"}))) for n in range(3 * REMEMBERS)]
    catalogue = Catalogue(book(*own))
    for n in range(3 * REMEMBERS):
        assert [one.name for one in catalogue.offered(person(f"S{n}"))] == [f"api-{n:03}"]
    assert len(catalogue._offered) <= REMEMBERS


@given(st.lists(st.tuples(st.sampled_from("abcABC"), st.sampled_from([DEVS, EVERYBODY, Audience()])), max_size=8))
def test_it_offers_what_the_rules_allow(drawn: list[tuple[str, Audience]]) -> None:
    """The same as asking each rule."""
    rulebook = book(*(rule(name=f"{n}", title=title, requesters=who) for n, (title, who) in enumerate(drawn)))
    for somebody in (person(), person("S0DEVS")):
        allowed = [rule for rule in rulebook.rules.values() if rules.may_ask(rule, somebody)]
        assert Catalogue(rulebook).offered(somebody) == tuple(sorted(allowed, key=_in_order_of_reading))


def _in_order_of_reading(rule: Rule) -> tuple[str, str]:
    return rule.title.casefold(), rule.name
