"""The words of the command line: what each option is for, what was meant by a mistyped one, and how long something waits."""

from __future__ import annotations

import io
import shlex
import shutil
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot import cli, durations
from bot.commands import completing
from bot.commands.parsing import Parser, arguments, options, verbs
from bot.commands.progress import Progress
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


def test_the_exit_codes_are_on_their_page() -> None:
    """Each code that `--help` names has its row, with the same words."""
    page = (Path(__file__).parents[2] / "docs" / "operate.md").read_text()
    assert [code for code, what in EXIT_CODES.items() if f"\n| {code} | {what}" not in page] == []


# --- progress ---------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A terminal that says when something was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        self.written.set()


def test_a_person_sees_what_it_is_at() -> None:
    """What takes long says on a terminal what it is at, also where it is one thing that takes long, and takes it away again."""
    terminal = Terminal()
    with Progress(stream=terminal, patience=0.01) as progress:
        progress.at("people")
        assert terminal.written.wait(60)
        assert "Looking at people ..." in terminal.getvalue()
        progress.at("past requests, 500 so far")
        assert "Looking at past requests, 500 so far ..." in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_what_is_done_at_once_has_no_progress() -> None:
    """Nor has a file."""
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        with Progress(stream=stream, patience=3600 if stream is terminal else 0) as progress:
            progress.at("people")
        assert stream.getvalue() == ""


# --- completion -------------------------------------------------------------------------------------------------------


def completed(*words: str) -> list[str]:
    """What bash offers for the last of these words."""
    script = "\n".join(completing.bash(list(completing.places(PARSER))))
    given = " ".join(f"'{word}'" for word in words)
    ask = f'COMP_WORDS=({given}); COMP_CWORD={len(words) - 1}; _tyk_key_bot; printf "%s\\n" "${{COMPREPLY[@]}}"'
    bash = shutil.which("bash")
    assert bash is not None
    done = subprocess.run(  # noqa: S603 - the script is our own
        [bash, "--norc", "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


def test_bash_completes() -> None:
    """Verbs, the options of the verb that was typed, and their values, also behind other options."""
    assert completed("tyk-key-bot", "rec") == ["reconcile"]
    assert completed("tyk-key-bot", "keys", "--exp") == ["--expiring"]
    assert completed("tyk-key-bot", "keys", "--active", "--format", "") == ["table", "csv", "jsonl"]
    assert completed("tyk-key-bot", "keys", "--since", "") == [], "nobody can know"
    assert completed("tyk-key-bot", "completion", "f") == ["fish"]


@pytest.mark.parametrize("shell", completing.SHELLS)
def test_every_word_is_in_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb and each option, for each shell, as the parser has them today."""
    assert cli.execute(["completion", shell], {}) == 0
    script = capsys.readouterr().out
    words = [name for name, _ in each()] + [
        option.lstrip("-") for _, parser in each() for option in options(parser) if option.startswith("--")
    ]
    assert [word for word in words if word.split()[-1] not in script] == []


def test_an_apostrophe_ends_no_word() -> None:
    """What a help says stands for itself in the script: no quotation mark and no backtick of it is the shell's."""
    said = "the Dashboard's list, `reconcile` and $HOME"
    assert shlex.split(completing._quoted(said)) == [said]
    assert completing._fish([], "-a x", said).endswith("-d 'the Dashboard\\'s list, `reconcile` and $HOME'")
