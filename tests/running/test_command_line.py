"""The words of the command line: what each option is for, what was meant by a mistyped one, and how long something waits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bot import cli, durations
from bot.commands.parsing import Parser, arguments, verbs
from bot.errors import EXIT_CODES

PARSER = cli.parser([])


def each() -> Iterator[tuple[str, Parser]]:
    """Every verb, and every verb of a verb."""
    todo = list(verbs(PARSER).items())
    while todo:
        name, parser = todo.pop(0)
        yield name, parser
        todo += [(f"{name} {verb}", inner) for verb, inner in verbs(parser).items()]


@pytest.mark.parametrize("parser", [pytest.param(parser, id=name) for name, parser in each()])
def test_the_help_explains_everything(parser: Parser) -> None:
    """Each option and each word has a sentence of its own, the verb says what it is for, and each exit code what it means."""
    assert parser.description
    assert [action.dest for action in arguments(parser) if not action.help] == []
    assert all(f"\n  {code:<4} " in parser.format_help() for code in EXIT_CODES)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["kesy"], "VERB 'kesy' is not known; did you mean keys?"),
        (["keys", "--format", "cvs"], "--format 'cvs' is not known; did you mean csv?"),
        (["keys", "--format", "pdf"], "--format 'pdf' is not known; there are table, csv, jsonl."),
        (["keys", "--expirng", "7d"], "tyk-key-bot keys: there is no option --expirng; did you mean --expiring?"),
        (["revoke", "R-1001", "--raeson=leaked"], "there is no option --raeson; did you mean --reason?"),
        (["sandbox", "--play", "badday"], "--play 'badday' is not known; did you mean bad-day?"),
        (["show", "R-1001", "R-1002"], "'R-1002' is one word too many."),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_what_was_meant(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistyped verb, option or value is a sentence with the nearest one, and 2."""
    with pytest.raises(SystemExit) as ended:
        cli.execute(argv, {})
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0s"), (59, "59s"), (3600, "1h"), (90 * 60, "1h 30m"), (86400 * 3 + 7200 + 59, "3d 2h"), (86400 + 60, "1d")],
)
def test_an_age_is_said_in_two_units(seconds: int, said: str) -> None:
    """As long as somebody needs to know, and no longer."""
    assert durations.rough(timedelta(seconds=seconds)) == said
