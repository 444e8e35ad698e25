"""Where to go, in words: the help, what to try instead of words that mean nothing, the first message to somebody."""

from __future__ import annotations

from hypothesis import example, given

from bot.slack import buttons, guide
from bot.slack.block_kit import Body
from tests.slack.test_modals import NASTY, asked, check_blocks, check_inert, check_mrkdwn, nasty, rule

HELP = "C0HELP"


def pressed(told: Body) -> list[tuple[str, str]]:
    """The buttons beside the rows: what a screen reader says, and what a click sends."""
    offered = [block["accessory"] for block in told.blocks if "accessory" in block]
    return [(one["accessibility_label"], one["value"]) for one in offered]


def test_help_names_each_command_with_a_button_that_does_the_same() -> None:
    """What can be requested, what waits, and whom to ask."""
    told = guide.help_((rule(), rule(title="Ledger")), (asked(),), command="/tyk-key", help_channel=HELP)
    assert told.text == (
        "*Request a token:* `/tyk-key`, or `/tyk-key payments` for one API\nYou can request tokens for Payments and Ledger.\n"
        "*See your tokens, and what waits for you:* `/tyk-key list`\nWaiting for a decision: R-1042 (Payments).\n"
        "Questions: <#C0HELP>."
    )
    check_blocks(told.blocks, 50)
    assert pressed(told) == [
        ("Request a token", "api:"),
        ("Open list of your tokens and requests", "list"),
    ]


def test_help_names_the_look_up_to_those_who_may() -> None:
    """With an API that they may look up."""
    told = guide.help_((rule(),), (), command="/k", help_channel=HELP, looks_up="payments")
    assert "*See who holds a token:* `/k who payments`, or `/k who @somebody`" in told.text
    assert pressed(told)[-1] == ("Look it up: who holds a token for payments", "payments")


def test_help_of_very_many_apis_names_some_and_counts_the_others() -> None:
    """Twenty by name; and where there are none it says so."""
    told = guide.help_(tuple(rule() for _ in range(500)), (), command="/k", help_channel=HELP)
    assert "and 480 more." in told.text
    check_blocks(told.blocks, 50)
    nothing = guide.help_((), (), command="/k", help_channel=HELP)
    assert "There is no API that you can request a token for." in nothing.text


def test_words_that_mean_nothing_are_repeated_but_not_obeyed() -> None:
    """What there is instead, and the API that was probably meant, with its button."""
    told = guide.unknown("<!here> *now*", None, command="/tyk-key", help_channel=HELP)
    assert told.text == (
        "I don't know “&lt;!here&gt; \u2217now\u2217”. Try `/tyk-key` to request a token, `/tyk-key list` for your tokens and "
        "approvals, `/tyk-key help`.\nQuestions: <#C0HELP>."
    )
    assert pressed(told) == []
    near = guide.unknown("paymnets", rule(), command="/tyk-key", help_channel=HELP)
    assert "Did you mean *Payments*?" in near.text
    assert pressed(near) == [("Request a token for Payments", "api:payments")]


def test_several_that_begin_so_are_on_offer() -> None:
    """Five at the most; the form searches among all."""
    many = tuple(rule(name=f"pay-{n}", title=f"Pay {n}", description="Moves money.") for n in range(6))
    told = guide.ambiguous("pay", many, command="/tyk-key")
    assert told.text.startswith("Several APIs begin with “pay”. Which one?\n*Pay 0* (`pay-0`)\nMoves money.\n")
    assert [value for _, value in pressed(told)] == [f"api:pay-{n}" for n in range(5)]
    assert told.text.endswith("And more: `/tyk-key` finds them all.")
    assert guide.ambiguous("pay", many[:2], command="/tyk-key").text.endswith("`/tyk-key` alone lets you search.")


def test_the_first_message_says_where_to_go() -> None:
    """It stays, and nothing in it can become false."""
    told = guide.welcome(command="/tyk-key", help_channel=HELP)
    assert "You can't write to me here" in told.text
    check_blocks(told.blocks, 50)


def test_a_button_says_for_which_api_it_is() -> None:
    """Or for none; a name of any kind comes back as it was."""
    for name in ("payments", "api:x", "new"):
        assert buttons.requested_api(buttons.request(name, "Title")["value"]) == name
    assert buttons.requested_api(buttons.request()["value"]) is None


@given(nasty(), nasty(), nasty())
@example(NASTY[0], NASTY[1], NASTY[2])
def test_whatever_is_typed_or_configured_is_inert(title: str, description: str, typed: str) -> None:
    """No text brings a mention, a link or a broken message."""
    one = rule(title=title, description=description)
    for told in (
        guide.help_((one,), (asked(rule=one),), command="/key", help_channel=HELP),
        guide.unknown(typed, one, command="/key", help_channel=HELP),
        guide.ambiguous(typed, (one, one), command="/key"),
    ):
        check_blocks(told.blocks, 50)
        check_mrkdwn(told.text)
        check_inert(told.blocks)
