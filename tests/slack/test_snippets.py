"""Lines to copy: each uses a token that it does not hold, and runs nothing else, whatever the configuration says."""

from __future__ import annotations

import ast

import pytest

from bot.slack.snippets import SNIPPETS, curl
from tests.slack.test_modals import rule

ODD = rule(
    name="pay/ments v2",
    auth_header='X-Key"; rm -rf $HOME',
    gateway_url='https://gw/$(id)"+exit()+"',
    listen_path="/a b/",
)


def test_a_shell_waits_for_the_token() -> None:
    """Read without being shown, so that it is in no history and on no screen."""
    assert curl(rule()) == 'read -rs TOKEN && curl -H "Authorization: $TOKEN" https://gw.example.com/payments/'
    assert curl(ODD).endswith(' && curl -H "X-Keyrm-rfHOME: $TOKEN" \'https://gw/$(id)"+exit()+"/a b/\'')


def test_python_takes_it_from_the_environment() -> None:
    """With nothing to install."""
    assert SNIPPETS["python"].lines(rule()) == (
        "import os, urllib.request\n\n"
        'request = urllib.request.Request("https://gw.example.com/payments/", headers={"Authorization": os.environ["TOKEN"]})\n'
        "print(urllib.request.urlopen(request).read().decode())"
    )
    calls = [one.func for one in ast.walk(ast.parse(SNIPPETS["python"].lines(ODD))) if isinstance(one, ast.Call)]
    assert [one.id for one in calls if isinstance(one, ast.Name)] == ["print"], "no exit()"


def test_node_takes_it_from_the_environment() -> None:
    """What the configuration says stays inside its string."""
    assert SNIPPETS["node"].lines(rule()).splitlines()[0] == (
        'const answer = await fetch("https://gw.example.com/payments/", { headers: { "Authorization": process.env.TOKEN } });'
    )
    assert r'fetch("https://gw/$(id)\"+exit()+\"/a b/", ' in SNIPPETS["node"].lines(ODD)


@pytest.mark.parametrize(
    ("name", "line"), [("payments", "PAYMENTS_TOKEN="), ("pay/ments v2", "PAY_MENTS_V2_TOKEN="), ("¿?", "API_TOKEN=")]
)
def test_a_line_for_a_file_of_the_environment_has_the_name_of_the_api(name: str, line: str) -> None:
    """So that two tokens can stand in one file."""
    assert SNIPPETS["env"].lines(rule(name=name)) == line
