"""Lines with which a token is tried and used. None of them holds the token: each says where it is to be put. Pure."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass

from bot.core.model import Rule


@dataclass(frozen=True)
class Snippet:
    """`about` says what to do with the lines."""

    name: str
    about: str
    lines: Callable[[Rule], str]


def curl(rule: Rule) -> str:
    """A line for a shell, which waits for the token, so that it is in no history and on no screen. It is one line because what is
    pasted behind a `read` would be read."""
    return f'read -rs TOKEN && curl -H "{_header(rule)}: $TOKEN" {shlex.quote(_url(rule))}'


def _python(rule: Rule) -> str:
    headers = f'{{{json.dumps(_header(rule))}: os.environ["TOKEN"]}}'
    return (
        "import os, urllib.request\n\n"
        f"request = urllib.request.Request({json.dumps(_url(rule))}, headers={headers})\n"
        "print(urllib.request.urlopen(request).read().decode())"
    )


def _node(rule: Rule) -> str:
    headers = f"{{ {json.dumps(_header(rule))}: process.env.TOKEN }}"
    return (
        f"const answer = await fetch({json.dumps(_url(rule))}, {{ headers: {headers} }});\n"
        "console.log(answer.status, await answer.text());"
    )


def _env(rule: Rule) -> str:
    return f"{re.sub(r'[^A-Z0-9]+', '_', rule.name.upper()).strip('_') or 'API'}_TOKEN="


SNIPPETS = {
    "python": Snippet("Python", "It takes the token from the variable TOKEN of your environment.", _python),
    "node": Snippet(
        "Node.js", "It takes the token from the variable TOKEN of your environment. Save it as `.mjs`.", _node
    ),
    "env": Snippet(".env line", "Paste the token behind it. Keep the file out of version control.", _env),
}
"""The languages on offer, by the value of their option."""


def _url(rule: Rule) -> str:
    return f"{rule.gateway_url.rstrip('/')}/{rule.listen_path.lstrip('/')}"


def _header(rule: Rule) -> str:
    return re.sub(r"[^A-Za-z0-9!#%&'*+.^_|~-]", "", rule.auth_header) or "Authorization"
