"""`completion`: a shell's completion of this program's words, written from the parser that reads them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.commands.parsing import arguments as arguments_of
from bot.commands.parsing import verbs
from bot.layout import put

PROGRAM = "tyk-key-bot"


@dataclass(frozen=True)
class Option:
    """An option with its names. `takes_value`, of which `choices` are known, or which is a file."""

    names: Sequence[str]
    about: str
    takes_value: bool = False
    is_file: bool = False
    choices: Sequence[str] = ()


@dataclass(frozen=True)
class Place:
    """A place in a command: behind these verbs, with what can come next."""

    behind: tuple[str, ...]
    verbs: Mapping[str, str]
    options: Sequence[Option]

    @property
    def path(self) -> str:
        return " ".join(self.behind)


def completion(arguments: argparse.Namespace, _environ: Any) -> int:
    """Print the script for a shell."""
    put("\n".join(SHELLS[arguments.shell](list(places(arguments.tree)))))
    return 0


def places(parser: argparse.ArgumentParser, behind: tuple[str, ...] = ()) -> Iterator[Place]:
    inner = verbs(parser)
    about = {name: _one_line(one.description) for name, one in inner.items()}
    options = [_option(action) for action in arguments_of(parser) if action.option_strings]
    words = {
        str(choice): ""
        for action in arguments_of(parser)
        if not action.option_strings
        for choice in action.choices or ()
    }
    yield Place(behind, about | words, options)
    for name, one in inner.items():
        yield from places(one, (*behind, name))


def _option(action: argparse.Action) -> Option:
    return Option(
        action.option_strings,
        _one_line(action.help),
        takes_value=action.nargs != 0,
        is_file=action.type is Path,
        choices=[str(one) for one in action.choices or ()],
    )


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _steps(found: Sequence[Place]) -> str:
    """Each verb behind those before it, as a pattern of a shell's `case`."""
    return "|".join(f'"{place.path}/{verb}"' for place in found for verb in place.verbs)


def _values(found: Sequence[Place]) -> Iterator[tuple[str, Option]]:
    """Each option that takes a value, behind its verbs, as a pattern of a shell's `case`."""
    for place in found:
        for option in place.options:
            if option.takes_value:
                yield "|".join(f'"{place.path} {name}"' for name in option.names), option


# --- bash -------------------------------------------------------------------------------------------------------------


def bash(found: Sequence[Place]) -> Iterator[str]:
    yield f"# {PROGRAM} for bash. In ~/.bashrc: source <({PROGRAM} completion bash)"
    yield "_tyk_key_bot() {"
    yield '    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" verb="" word'
    yield '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield f'        case "$verb/$word" in {_steps(found)}) verb="${{verb:+$verb }}$word" ;; esac'
    yield "    done"
    yield '    case "$verb $prev" in'
    for pattern, option in _values(found):
        words = f'-W "{" ".join(option.choices)}"' if option.choices else "-f" if option.is_file else ""
        reply = f'COMPREPLY=($(compgen {words} -- "$cur")); ' if words else ""
        yield f"        {pattern}) {reply}return ;;"
    yield "    esac"
    yield '    case "$verb" in'
    for place in found:
        words = " ".join([*place.verbs, *(name for option in place.options for name in option.names)])
        yield f'        "{place.path}") COMPREPLY=($(compgen -W "{words}" -- "$cur")) ;;'
    yield "    esac"
    yield "}"
    yield f"complete -o filenames -F _tyk_key_bot {PROGRAM}"


# --- zsh --------------------------------------------------------------------------------------------------------------


def zsh(found: Sequence[Place]) -> Iterator[str]:
    yield f"#compdef {PROGRAM}"
    yield f"# In ~/.zshrc, behind compinit: source <({PROGRAM} completion zsh)"
    yield "_tyk_key_bot() {"
    yield '  local verb="" word'
    yield "  local -a commands options"
    yield "  for word in ${words[2,CURRENT-1]}; do"
    yield f'    case "$verb/$word" in ({_steps(found)}) verb="${{verb:+$verb }}$word" ;; esac'
    yield "  done"
    yield '  case "$verb ${words[CURRENT-1]}" in'
    for pattern, option in _values(found):
        reply = f"compadd {' '.join(option.choices)}; " if option.choices else "_files; " if option.is_file else ""
        yield f"    ({pattern}) {reply}return ;;"
    yield "  esac"
    yield '  case "$verb" in'
    for place in found:
        commands = " ".join(_quoted(_described(*verb)) for verb in place.verbs.items())
        options = " ".join(_quoted(_described(name, option.about)) for option in place.options for name in option.names)
        yield f'    ("{place.path}") commands=({commands}); options=({options}) ;;'
    yield "  esac"
    yield "  (( $#commands )) && _describe -t commands command commands"
    yield "  _describe -o option options"
    yield "}"
    yield f'if [[ "${{funcstack[1]}}" == _tyk_key_bot ]]; then _tyk_key_bot "$@"; else compdef _tyk_key_bot {PROGRAM}; fi'


def _described(name: str, about: str) -> str:
    return f"{name.replace(':', chr(92) + ':')}:{about}" if about else name


def _quoted(text: str) -> str:
    """A word of bash and zsh that stands for itself."""
    return "'" + text.replace("'", "'\\''") + "'"


# --- fish -------------------------------------------------------------------------------------------------------------


def fish(found: Sequence[Place]) -> Iterator[str]:
    yield f"# {PROGRAM} for fish. In ~/.config/fish/config.fish: {PROGRAM} completion fish | source"
    yield f"complete -c {PROGRAM} -f"
    for place in found:
        here = [f"__fish_seen_subcommand_from {verb}" for verb in place.behind]
        if place.verbs:
            others = f"not __fish_seen_subcommand_from {' '.join(place.verbs)}"
            for verb, about in place.verbs.items():
                yield _fish([*here, others], f"-a {verb}", about)
        for option in place.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            value = f" -x -a '{' '.join(option.choices)}'" if option.choices else " -r -F" if option.is_file else " -x"
            yield _fish(here, names + (value if option.takes_value else ""), option.about)


def _fish(conditions: Sequence[str], what: str, about: str) -> str:
    when = f" -n '{'; and '.join(conditions)}'" if conditions else ""
    said = about.replace("\\", "\\\\").replace("'", "\\'")
    return f"complete -c {PROGRAM}{when} {what}" + (f" -d '{said}'" if said else "")


SHELLS = {"bash": bash, "zsh": zsh, "fish": fish}
