"""The parser of `tyk-key-bot`: what it does not know is a sentence, with what was meant, and a help ends with the exit codes."""

from __future__ import annotations

import argparse
import difflib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

from bot import version
from bot.errors import EXIT_CODES, WRONG_INPUT
from bot.layout import complain, wrapped

WIDEST = 100
CODES = "exit codes:"
CODE_INDENT = " " * 7


class Help(argparse.RawDescriptionHelpFormatter):
    """As wide as the terminal, and no wider than reads well; an example keeps its lines."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28, width=min(shutil.get_terminal_size().columns, WIDEST) - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """One line, or the exit codes, of which each keeps to itself."""
        if "\n" in text and not text.startswith(CODES):
            return text
        further = CODE_INDENT if text.startswith(CODES) else indent
        return "\n".join(part for line in text.splitlines() for part in wrapped(line, width, indent, further))


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one sentence each; argparse makes one of each verb, too."""

    def __init__(self, **how: Any) -> None:
        super().__init__(formatter_class=Help, **how)
        self.add_argument("--version", action="version", version=version.said(), help="print the version and end")

    def parse_args(self, args: Sequence[str], namespace: Any = None) -> argparse.Namespace:  # type: ignore[override]  # always given
        found: argparse.Namespace
        found, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self._complain_of(unknown, args)
        for name, word in vars(found).items():
            if isinstance(word, str):
                setattr(found, name, self._text(word))
        return found

    def _text(self, word: str) -> str:
        """The word that was typed, as UTF-8 whatever the locale."""
        try:
            return os.fsencode(word).decode()
        except UnicodeError:
            self.error(f"{word!r} is not UTF-8")

    def error(self, message: str) -> NoReturn:
        said = message if message.endswith(("?", ".")) else f"{message}."
        complain(f"{self.prog}: {said} `{self.prog} --help` shows what there is.")
        raise SystemExit(WRONG_INPUT)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Called by argparse for what has choices: verbs, formats, stories."""
        if action.choices is not None and value not in action.choices:
            what = action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest)
            known = [str(one) for one in action.choices]
            hint = meant(str(value), known) or f"; there are {', '.join(known)}"
            raise argparse.ArgumentError(None, f"{what} {value!r} is not known{hint}")

    def _complain_of(self, unknown: Sequence[str], args: Sequence[str]) -> NoReturn:
        verb = next((parser for name, parser in verbs(self).items() if name in args), self)
        word = unknown[0].partition("=")[0]
        if not word.startswith("-"):
            verb.error(f"{unknown[0]!r} is one word too many")
        verb.error(f"there is no option {word}{meant(word, options(verb))}")


def meant(word: str, known: Iterable[str]) -> str:
    """The rest of a sentence that says that there is no such word; empty where none is like it."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def verbs(parser: argparse.ArgumentParser) -> Mapping[str, Parser]:
    """The parsers of a parser's verbs, by their names."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            return dict(action.choices)
    return {}


def arguments(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """The arguments that a parser takes, without its verbs."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to ask
        if not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            yield action


def options(parser: argparse.ArgumentParser) -> list[str]:
    return [name for action in arguments(parser) for name in action.option_strings]


def exit_codes(own: Mapping[int, str]) -> str:
    """The end of a help: each code and what it means, where `own` does not say otherwise."""
    return "\n".join([CODES, *(f"  {code:<4} {what}" for code, what in {**EXIT_CODES, **own}.items())])
