"""The environment: what each command asks for, what is said of what is wrong, and that no value is ever repeated."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.settings import EVERYTHING, Need, Settings, SettingsError, load

KEY = "c2FtcGxlIHNlYWwga2V5IG9mIGEgdGVzdCwgMzIgYiE="
GOOD = {
    "SLACK_BOT_TOKEN": "xoxb-1-a",
    "SLACK_APP_TOKEN": "xapp-1-b",
    "TYK_DASHBOARD_KEY": "s3cr3t",
    "SEAL_KEYS": KEY,
}


def complaints(environ: dict[str, str], needs: frozenset[Need] = EVERYTHING) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(environ, needs=needs)
    assert str(caught.value) == "\n".join(caught.value.complaints)
    return list(caught.value.complaints)


def only(environ: dict[str, str], needs: frozenset[Need] = EVERYTHING) -> str:
    (complaint,) = complaints(environ, needs)
    return complaint


def test_four_secrets_suffice() -> None:
    """Two Slack tokens, the Dashboard key and a seal key are all that `run` asks for."""
    settings = load(GOOD)
    assert settings == Settings("xoxb-1-a", "xapp-1-b", tyk_dashboard_key="s3cr3t", seal_keys=(KEY,))
    assert settings.socket_mode
    assert settings.database_url == "sqlite:///tyk-key-bot.db"
    assert (settings.http_host, settings.http_port, settings.metrics_port) == ("127.0.0.1", 8080, 9090)
    assert (settings.log_level, settings.log_format) == ("INFO", "json")
    assert settings.slack_api_url == "https://slack.com/api/"


def test_everything_missing() -> None:
    """All that is missing is told at once, each with what it is."""
    said = complaints({})
    assert [line.split(":")[0] for line in said] == [
        "SLACK_BOT_TOKEN",
        "TYK_DASHBOARD_KEY",
        "SEAL_KEYS",
        "SLACK_APP_TOKEN",
    ]
    assert "tyk-key-bot seal-key" in said[2]
    assert "SLACK_SIGNING_SECRET" in said[3]


@pytest.mark.parametrize(
    ("need", "names"),
    [
        (Need.SLACK, {"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"}),
        (Need.TYK, {"TYK_DASHBOARD_KEY"}),
        (Need.SEAL, {"SEAL_KEYS"}),
    ],
)
def test_needs(need: Need, names: set[str]) -> None:
    """A command is asked only for what it works with."""
    assert {line.split(":")[0] for line in complaints({}, frozenset({need}))} == names


def test_needs_nothing_more() -> None:
    """A command that reads the database asks for no secret, and does not judge those that it does not need."""
    assert load({"SLACK_BOT_TOKEN": "wrong", "SEAL_KEYS": "wrong"}, needs=frozenset({Need.DATABASE})) == Settings()


def test_secrets_are_in_no_repr() -> None:
    """A logged or printed `Settings` shows no credential."""
    shown = repr(load({**GOOD, "DATABASE_URL": "postgresql://bot:hunter2@db/keys"}))
    assert not any(secret in shown for secret in [*GOOD.values(), "hunter2"])


def test_http_mode() -> None:
    """A signing secret instead of the app token chooses HTTP."""
    settings = load({**GOOD, "SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": "abc"})
    assert not settings.socket_mode


def test_both_transports() -> None:
    """App token and signing secret together leave open which transport is meant."""
    assert "keep the first for Socket Mode" in only({**GOOD, "SLACK_SIGNING_SECRET": "abc"})


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SLACK_BOT_TOKEN", "xapp-SECRET", "begins with xoxb-, and this is an app-level token"),
        ("SLACK_BOT_TOKEN", "SECRET", "begins with xoxb-"),
        ("SLACK_BOT_TOKEN", "xoxe.xoxb-1-SECRET", "and this is a bot token that rotates: token rotation must be off"),
        ("SLACK_BOT_TOKEN", "xoxe-1-SECRET", "begins with xoxb-, and this is a refresh token"),
        ("SLACK_APP_TOKEN", "xoxb-SECRET", "begins with xapp-, and this is a bot token"),
        ("SLACK_BOT_TOKEN", "xoxb-SECRET ", "holds a blank"),
        ("TYK_DASHBOARD_KEY", "SEC RET", "holds a blank"),
        ("TYK_DASHBOARD_URL", "http://SECRET.example.com", "must begin with https://"),
        ("TYK_DASHBOARD_URL", "https://admin:SECRET@example.com", "must not hold a user name or password"),
        ("TYK_DASHBOARD_URL", "SECRET", "needs an address"),
        ("TYK_DASHBOARD_URL", "https://[SECRET", "no valid address"),
        ("TYK_DASHBOARD_URL", "https://x.example.com/?SECRET", "? or #"),
        ("SLACK_API_URL", "ftp://SECRET", "needs an address"),
        ("DATABASE_URL", "mysql://bot:SECRET@db/keys", "sqlite:///path or postgresql://"),
        ("DATABASE_URL", "postgres://bot:SECRET@db/keys", "write postgresql://"),
        ("DATABASE_URL", "postgresql+psycopg://bot:SECRET@db/keys", "write postgresql://"),
        ("DATABASE_URL", "sqlite+aiosqlite:///SECRET", "write sqlite:///"),
        ("DATABASE_URL", "postgresql://bot:SEC/RET@db/keys", "written %40"),
        ("DATABASE_URL", "sqlite://SECRET.db", "needs a file"),
        ("DATABASE_URL", "sqlite:///:memory:", "needs a file"),
        ("DATABASE_URL", "SECRET", "sqlite:///path"),
        ("SEAL_KEYS", "SECRET", "is no seal key; `tyk-key-bot seal-key` makes one"),
        ("SEAL_KEYS", f"{KEY},SECRET", "key 2 of 2 is no seal key"),
        ("SEAL_KEYS", " , ", "holds no key"),
        ("LOG_LEVEL", "SECRET", "DEBUG, INFO, WARNING, ERROR"),
        ("LOG_FORMAT", "SECRET", "json, text"),
        ("HTTP_HOST", "SECRET!", "0.0.0.0"),
        ("HTTP_PORT", "70000", "65535"),
        ("HTTP_PORT", "SECRET", "port number"),
        ("METRICS_PORT", "-1", "65535"),
    ],
)
def test_wrong_values(name: str, value: str, sentence: str) -> None:
    """Each wrong value has its sentence, which names the variable, says what was meant and repeats no value."""
    said = only({**GOOD, name: value})
    assert said.startswith(f"{name}: ")
    assert sentence in said
    assert "SECRET" not in said
    assert "SEC" not in said.replace("SLACK_SIGNING_SECRET", "")


@pytest.mark.parametrize("name", [*GOOD, "DATABASE_URL", "SLACK_API_URL", "LOG_LEVEL"])
@pytest.mark.parametrize("mark", ["'", '"'])
def test_quoted_values(name: str, mark: str) -> None:
    """As `docker run --env-file` hands on what a file quotes: a credential would be refused far away, and nobody see why."""
    said = only({**GOOD, name: f"{mark}{GOOD.get(name, 'SECRET')}{mark}"})
    assert said.startswith(f"{name}: begins and ends with a quotation mark, which is taken as a part of it")
    assert said.endswith("leave both out")


def test_whom_to_trust(tmp_path: Path) -> None:
    """A file that SSL_CERT_FILE names and that is missing, or holds no certificate, is told of by everything that uses it."""
    other = tmp_path / "other.pem"
    other.write_text("no certificate")
    missing = GOOD | {"SSL_CERT_FILE": str(tmp_path / "missing.pem")}
    for need in (Need.SLACK_LOOKS, Need.TYK):
        assert only(missing, frozenset({need})) == "SSL_CERT_FILE: the file cannot be read: No such file or directory"
    assert only(GOOD | {"SSL_CERT_FILE": str(other)}) == "SSL_CERT_FILE: the file holds no certificate in PEM form"
    assert load(GOOD | {"SSL_CERT_FILE": certifi.where()}) == load(GOOD)
    assert load(missing, needs=frozenset({Need.DATABASE})) == Settings()


@pytest.mark.parametrize(
    ("name", "value", "field", "taken"),
    [
        ("SLACK_API_URL", "http://localhost:4000/api", "slack_api_url", "http://localhost:4000/api/"),
        ("SLACK_API_URL", "http://127.0.0.1:4000/api/", "slack_api_url", "http://127.0.0.1:4000/api/"),
        ("TYK_DASHBOARD_URL", "https://tyk.example.com/", "tyk_dashboard_url", "https://tyk.example.com"),
        ("DATABASE_URL", "sqlite:////var/lib/bot.db", "database_url", "sqlite:////var/lib/bot.db"),
        ("DATABASE_URL", "postgresql://b:p%40@h:5432/k", "database_url", "postgresql://b:p%40@h:5432/k"),
        ("DATABASE_URL", "postgresql:///keys", "database_url", "postgresql:///keys"),
        ("SEAL_KEYS", f"{KEY}, {KEY}\n{KEY}", "seal_keys", (KEY, KEY, KEY)),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("LOG_FORMAT", "text", "log_format", "text"),
        ("HTTP_HOST", "0.0.0.0", "http_host", "0.0.0.0"),
        ("HTTP_PORT", "0", "http_port", 0),
        ("METRICS_PORT", "9100", "metrics_port", 9100),
    ],
)
def test_right_values(name: str, value: str, field: str, taken: object) -> None:
    """What each variable may be."""
    assert getattr(load({**GOOD, name: value}), field) == taken


def test_empty_is_not_set() -> None:
    """An empty variable, as compose files leave them, counts as not set."""
    assert load({**GOOD, "DATABASE_URL": "", "SLACK_SIGNING_SECRET": "", "HTTP_PORT": ""}) == load(GOOD)


@pytest.mark.parametrize(("wrong", "right"), [("SLACK_BOT_TOKN", "SLACK_BOT_TOKEN"), ("SEAL_KEY", "SEAL_KEYS")])
def test_misspelt_names(wrong: str, right: str) -> None:
    """A missing variable that stands there misspelt is pointed out."""
    environ = {wrong if name == right else name: value for name, value in GOOD.items()}
    said = only(environ)
    assert said.startswith(f"{right}: is not set")
    assert said.endswith(f"did you mean it by {wrong}?")


def test_misspelt_optional_names() -> None:
    """A near miss of a variable with a default is told too: a typo would quietly choose the default database."""
    assert "did you mean DATABASE_URL?" in only({**GOOD, "DATABSE_URL": "postgresql://db/keys"})
    assert load({**GOOD, "DATABASE_URL": "sqlite:///a.db", "DATABASE_URLS": "x", "TYK_DASHBOARD_PORT": "80"})


def test_files(tmp_path: Path) -> None:
    """`NAME_FILE` names a file that holds the value; a mark at its beginning and the line break at its end are no part of it."""
    secret = tmp_path / "token"
    secret.write_text("\ufeffxoxb-from-file\r\n")
    environ = {**GOOD, "SLACK_BOT_TOKEN": "", "SLACK_BOT_TOKEN_FILE": str(secret)}
    assert load(environ).slack_bot_token == "xoxb-from-file"
    assert only(environ | {"SLACK_BOT_TOKEN": "xoxb-1"}) == (
        "SLACK_BOT_TOKEN: is set, and SLACK_BOT_TOKEN_FILE too: keep one"
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "does not hold text"),
        (b"x" * 70_000, "larger than 64 kB"),
    ],
)
def test_wrong_files(tmp_path: Path, content: bytes | None, sentence: str) -> None:
    """A file that is missing, empty, huge or no text is told of, without its path or content."""
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    said = only({**GOOD, "SEAL_KEYS": "", "SEAL_KEYS_FILE": str(path)})
    assert said.startswith("SEAL_KEYS_FILE: ")
    assert sentence in said


def test_impossible_file_names() -> None:
    """A file name that no system accepts is a complaint, not a traceback."""
    assert "cannot be read" in only({**GOOD, "SEAL_KEYS": "", "SEAL_KEYS_FILE": "a\0b"})


@given(st.dictionaries(st.sampled_from([*GOOD, "DATABASE_URL", "SLACK_API_URL", "HTTP_PORT", "LOG_LEVEL"]), st.text()))
def test_any_environment(environ: dict[str, str]) -> None:
    """Whatever the environment holds, the answer is settings or complaints."""
    with suppress(SettingsError):
        assert isinstance(load(environ), Settings)
