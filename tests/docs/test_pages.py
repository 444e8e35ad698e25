"""What the pages say exists: links, files, tests, commands with their options, variables, keys."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from bot import cli, config, settings
from bot.commands import parsing
from tests.docs import CONFIGURATION, DOCS, ROOT, blocks
from tests.docs.keys import within

PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

FOLDERS = ("bot", "tests", "scripts", "deploy", "docs", ".slack")
NOT_OURS = {"HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"}  # what others give every program
VARIABLES = {variable.name for variable in settings._VARIABLES}
OF_THE_IMAGE = {cli.CONFIG_VARIABLE, "IMAGE_REVISION"}
MADE_ON_THE_WAY = {"deploy/secrets"}


def test_every_key_of_the_configuration() -> None:
    """The page has the keys of today; `python -m tests.docs` writes them."""
    text = CONFIGURATION.read_text()
    assert text == within(text)


def test_every_variable() -> None:
    """The page has every variable that the bot reads, and none that it does not."""
    rows = [line for line in CONFIGURATION.read_text().splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([A-Z]+(?:_[A-Z]+)+)`", row.split(" | ")[0])}
    assert named == VARIABLES | NOT_OURS | {cli.CONFIG_VARIABLE}


def test_what_else_reads_the_environment() -> None:
    """No module of what `run` loads reads a variable by a name that the page does not have."""
    read = re.compile(r"""\benviron(?:\.get\(|\[)"(\w+)"|_either\(environ, "(\w+)"\)""")
    ours = [path for path in (ROOT / "bot").rglob("*.py") if path.parts[-2] not in ("sandbox", "local")]
    code = re.sub(r"f'.*'", "", "\n".join(path.read_text() for path in ours))  # lines of a token for people
    names = {(one or other).upper().removesuffix("_FILE") for one, other in read.findall(code)}
    ours_or_not = VARIABLES | {one.removesuffix("_FILE") for one in NOT_OURS} | OF_THE_IMAGE
    assert {"IMAGE_REVISION", "ALL_PROXY"} <= names <= ours_or_not


@by_page
def test_variables(page: Path) -> None:
    """What looks like a variable of the bot's is one."""
    words = set(re.findall(r"(?:`|-e |export |\$)\"?([A-Z]{3,}(?:_[A-Z]+)+)\b", page.read_text()))
    known = VARIABLES | NOT_OURS | OF_THE_IMAGE | {"NAME_FILE"}
    assert {word for word in words if word not in known and word.removesuffix("_FILE") not in known} == set()


def _anchors(page: Path) -> set[str]:
    """The names by which GitHub links to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@by_page
def test_links(page: Path) -> None:
    """Every relative link leads to a file, and to a heading where it names one."""
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        name, _, anchor = target.partition("#")
        found = (page.parent / name).resolve() if name else page
        assert found.exists(), target
        assert not anchor or anchor in _anchors(found), target


@by_page
def test_files(page: Path) -> None:
    """Every file that is named is there, and every test in it."""
    folders = "|".join(map(re.escape, FOLDERS))
    text = " ".join([*_spans(page), *_shell(page)])
    for path, name in re.findall(rf"(?<![\w/.-])((?:{folders})/[\w./-]*)(?:::(\w+))?", text):
        if not any(path.startswith(made) for made in MADE_ON_THE_WAY):
            assert (ROOT / path).exists(), path
        assert not name or f"def {name}(" in (ROOT / path).read_text(), name


def _spans(page: Path) -> list[str]:
    """What stands between backticks in the running text."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))


def _shell(page: Path) -> list[str]:
    """The command lines of a page, each whole."""
    return [line for block in blocks(page, "") for line in block.replace("\\\n", " ").splitlines()]


_IN_A_CONTAINER = r"(?:docker exec (?:-it )?tyk-key-bot |docker compose \S+ \S+ exec bot |kubectl exec -it \S+ -- )?"


def _commands(page: Path) -> Iterator[list[str]]:
    """The words behind each `tyk-key-bot` of a page, in a container too."""
    spans = re.findall(rf"`{_IN_A_CONTAINER}(tyk-key-bot [^`\n]+)`", page.read_text())
    lines = [
        match
        for line in _shell(page)
        for match in re.findall(rf"(?:^|\$\(){_IN_A_CONTAINER}(tyk-key-bot [^)|#]+)", line)
    ]
    for text in [*spans, *lines]:
        yield shlex.split(text.replace("\\|", "|").replace("[", "").replace("]", ""))[1:]


@by_page
def test_commands(page: Path) -> None:
    """Every command that is named is one, and so is each of its options."""
    parser = cli.parser([])
    verbs = parsing.verbs(parser)
    for words in _commands(page):
        verb, *rest = words
        if verb.startswith("--"):
            assert verb in parser._option_string_actions, words
        elif verb not in ("COMMAND", "..."):
            assert verb in verbs, words
            options = verbs[verb]._option_string_actions
            assert [one for one in rest if one.startswith("--") and one not in options] == [], words


def test_options() -> None:
    """Each option that `docs/commands.md` names by itself is one of some command's."""
    parser = cli.parser([])
    known = {option for one in (parser, *parsing.verbs(parser).values()) for option in one._option_string_actions}
    named = re.findall(r"--[a-z-]+", " ".join(span for span in _spans(DOCS / "commands.md") if span.startswith("--")))
    assert set(named) <= known


def test_every_command_is_told_of() -> None:
    """`docs/commands.md` has each."""
    assert set(parsing.verbs(cli.parser([]))) <= {words[0] for words in _commands(DOCS / "commands.md")}


def test_what_an_assessor_asks_is_shown() -> None:
    """Each row by OWASP's or NIST's name that says what is done names a test, a command, or the page that shows it."""
    rows = re.findall(r"^\| (?:NHI\d+|[A-Z]{2}-\d+).*$", (DOCS / "security.md").read_text(), re.MULTILINE)
    assert len(rows) > 15
    for row in rows:
        done = row.strip("|").split("|")[1].strip()
        assert not done or re.search(r"`(?:tests/|deploy/|tyk-key-bot |\.venv)|\]\(", done), row


def test_examples_of_the_configuration() -> None:
    """Each YAML example is a part of a file that has no complaint, and the first one is a whole."""
    whole = blocks(DOCS / "install.md", "yaml")
    assert [len(config.parse(text).apis) for text in whole] == [1]
    for page in PAGES:
        for text in blocks(page, "yaml"):
            part = yaml.safe_load(text)
            if part.keys() <= config.schema()["properties"].keys():
                config.parse(yaml.safe_dump(yaml.safe_load(whole[0]) | part))
