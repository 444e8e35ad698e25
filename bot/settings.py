"""The environment as checked settings: secrets and what differs between places. What is allowed is `config`'s business.

Each variable may be given as `NAME`, or as `NAME_FILE`, the path of a file that holds the value. Complaints name
variables and never repeat a value.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from cryptography.fernet import Fernet

from bot.addresses import base_address
from bot.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_FILE_BYTES = 64 * 1024


class Need(StrEnum):
    """The things a command works with, and so which variables it asks for."""

    SLACK = "slack"
    SLACK_LOOKS = "slack looks"
    """Slack to look things up in, and no more: it is a part of SLACK."""
    TYK = "tyk"
    DATABASE = "database"
    SEAL = "seal"
    COLLECTORS = "collectors"


EVERYTHING = frozenset(Need)
_OVER_TLS = frozenset({Need.SLACK_LOOKS, Need.TYK, Need.COLLECTORS})


class SettingsError(InputError):
    """The environment cannot be used; `complaints` holds everything that is wrong with it, one sentence each."""

    def __init__(self, complaints: list[str]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(complaints))


@dataclass(frozen=True)
class Settings:
    """Checked values. What a command did not need is empty, whatever the environment says of it."""

    slack_bot_token: str = field(default="", repr=False)
    slack_app_token: str = field(default="", repr=False)
    slack_signing_secret: str = field(default="", repr=False)
    slack_api_url: str = "https://slack.com/api/"
    tyk_dashboard_key: str = field(default="", repr=False)
    tyk_dashboard_url: str = ""  # empty: that of config.yaml holds
    database_url: str = field(default="sqlite:///tyk-key-bot.db", repr=False)  # may hold a password
    seal_keys: tuple[str, ...] = field(default=(), repr=False)
    audit_forward_token: str = field(default="", repr=False)
    log_level: str = "INFO"
    log_format: str = "json"
    http_host: str = "127.0.0.1"
    http_port: int = 8080
    metrics_port: int = 9090  # in HTTP mode; in Socket Mode `http_port` is for health and metrics alone

    @property
    def socket_mode(self) -> bool:
        """True where Slack is reached by Socket Mode, which needs no inbound port, and not by HTTP."""
        return bool(self.slack_app_token)


def load(environ: Mapping[str, str], *, needs: frozenset[Need] = EVERYTHING) -> Settings:
    """The settings in an environment. SettingsError with every complaint at once."""
    needs |= {Need.SLACK_LOOKS} if Need.SLACK in needs else frozenset()
    source = _Source(environ)
    values: dict[str, object] = {}
    for variable in _VARIABLES:
        if variable.need is None or variable.need in needs:
            _take(variable, source, values)
    if Need.SLACK in needs:
        _one_transport(source)
    if needs & _OVER_TLS:
        _certificates(source, environ.get("SSL_CERT_FILE"))
    source.notice_misspellings([v.name for v in _VARIABLES if v.need in needs and v.name.endswith("_URL")])
    if source.complaints:
        raise SettingsError(source.complaints)
    return Settings(**values)  # type: ignore[arg-type]  # each check returns its field's type


def log_style(environ: Mapping[str, str]) -> tuple[str, str]:
    """LOG_LEVEL and LOG_FORMAT, for what is said before everything else is known to be right."""
    try:
        found = load(environ, needs=frozenset())
    except SettingsError:
        found = Settings()
    return found.log_level, found.log_format


# --- the variables --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Variable:
    """One variable; `check` turns its text into the value or raises ValueError with a sentence that does not repeat it."""

    name: str
    need: Need | None
    check: Callable[[str], object]
    required: str = ""  # how to come by it, where there is no doing without it


def _token(prefix: str, what: str) -> Callable[[str], str]:
    others = {
        "xoxb-": "a bot token",
        "xapp-": "an app-level token",
        "xoxp-": "a user's token",
        "xoxe.xoxb-": "a bot token that rotates: token rotation must be off (an app that has it on has to be made anew)",
        "xoxe.xoxp-": "a user's token",
        "xoxe-": "a refresh token",
    }

    def check(text: str) -> str:
        if not text.startswith(prefix):
            found = next((f", and this is {name}" for start, name in others.items() if text.startswith(start)), "")
            raise ValueError(f"needs {what}, which begins with {prefix}{found}")
        return _credential(text)

    return check


def _credential(text: str) -> str:
    if not re.fullmatch(r"[!-~]+", text):
        raise ValueError("holds a blank, a line break or another character that no credential has")
    return text


def _database(text: str) -> str:
    scheme, colon, rest = text.partition("://")
    if not colon or scheme not in ("sqlite", "postgresql"):
        meant = {"postgres": "postgresql://", "sqlite+": "sqlite:///", "postgresql+": "postgresql://"}
        hint = next((f": write {form}..." for start, form in meant.items() if scheme.startswith(start) and colon), "")
        raise ValueError("needs sqlite:///path or postgresql://user:password@host/name" + hint)
    if scheme == "sqlite" and (not rest.startswith("/") or rest in ("/", "/:memory:")):
        raise ValueError("needs a file: sqlite:///relative/path or sqlite:////absolute/path")
    try:
        port_is_sound = urlsplit(text).port != 0
    except ValueError:
        port_is_sound = False
    if not port_is_sound or not re.fullmatch(r"[^\s\x00-\x1f]+", text):
        raise ValueError(
            "is no valid address; in a password, characters such as @ : / # and blanks are written %40 and so on"
        )
    return text


def _seal_keys(text: str) -> tuple[str, ...]:
    keys = tuple(key for key in re.split(r"[,\s]+", text) if key)
    for place, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            which = f"key {place} of {len(keys)} is no seal key" if len(keys) > 1 else "is no seal key"
            raise ValueError(f"{which}; `tyk-key-bot seal-key` makes one") from None
    if not keys:
        raise ValueError("holds no key; `tyk-key-bot seal-key` makes one")
    return keys


def _choice(*options: str, change: Callable[[str], str]) -> Callable[[str], str]:
    def check(text: str) -> str:
        if change(text) not in options:
            raise ValueError(f"needs one of {', '.join(options)}")
        return change(text)

    return check


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9.:_-]+", text):
        raise ValueError("needs the address to listen at, such as 127.0.0.1 or 0.0.0.0")
    return text


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise ValueError("needs a port number from 0 (any free one) to 65535")
    return int(text)


_VARIABLES = (
    _Variable(
        "SLACK_BOT_TOKEN",
        Need.SLACK_LOOKS,
        _token("xoxb-", "the app's bot token"),
        "the bot token, under OAuth & Permissions",
    ),
    _Variable("SLACK_APP_TOKEN", Need.SLACK, _token("xapp-", "an app-level token with connections:write")),
    _Variable("SLACK_SIGNING_SECRET", Need.SLACK, _credential),
    _Variable("SLACK_API_URL", Need.SLACK_LOOKS, lambda text: base_address(text) + "/"),
    _Variable(
        "TYK_DASHBOARD_KEY",
        Need.TYK,
        _credential,
        "the Dashboard user's Tyk Dashboard API Access Credentials, shown in the user's profile",
    ),
    _Variable("TYK_DASHBOARD_URL", Need.TYK, base_address),
    _Variable("DATABASE_URL", Need.DATABASE, _database),
    _Variable("SEAL_KEYS", Need.SEAL, _seal_keys, "one or more keys, newest first; `tyk-key-bot seal-key` makes one"),
    _Variable("AUDIT_FORWARD_TOKEN", Need.COLLECTORS, _credential),
    _Variable("LOG_LEVEL", None, _choice("DEBUG", "INFO", "WARNING", "ERROR", change=str.upper)),
    _Variable("LOG_FORMAT", None, _choice("json", "text", change=str.lower)),
    _Variable("HTTP_HOST", None, _host),
    _Variable("HTTP_PORT", None, _port),
    _Variable("METRICS_PORT", None, _port),
)


# --- taking them ----------------------------------------------------------------------------------------------------


class _Source:
    """The environment, `NAME_FILE` followed, with complaints gathered on the way. An empty variable counts as not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.complaints: list[str] = []
        self._environ = environ
        known = {variable.name for variable in _VARIABLES}
        self._strange = [name for name in environ if name.removesuffix("_FILE") not in known and environ[name]]

    def has(self, name: str) -> bool:
        return bool(self._environ.get(name) or self._environ.get(f"{name}_FILE"))

    def text(self, name: str) -> str | None:
        """The variable's text; None if it is not set or has been complained of."""
        value, path = self._environ.get(name), self._environ.get(f"{name}_FILE")
        if value and path:
            self.complaints.append(f"{name}: is set, and {name}_FILE too: keep one")
            return None
        return self._in_file(name, path) if path else value or None

    def _in_file(self, name: str, path: str) -> str | None:
        try:
            with Path(path).open("rb") as file:
                raw = file.read(MAX_FILE_BYTES + 1)
            text = raw.decode("utf-8-sig").rstrip("\r\n")  # an editor of Windows begins a file with a mark
        except UnicodeDecodeError:
            self.complaints.append(f"{name}_FILE: the file does not hold text")
            return None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no file can have this name"
            self.complaints.append(f"{name}_FILE: the file cannot be read: {reason}")
            return None
        if not text or len(raw) > MAX_FILE_BYTES:
            state = "larger than 64 kB" if text else "empty"
            self.complaints.append(f"{name}_FILE: the file is {state}")
            return None
        return text

    def lacks(self, name: str, how: str) -> None:
        alike = self._misspelt(name, 0.8)
        hint = f"; did you mean it by {alike}?" if alike else ""
        self.complaints.append(f"{name}: is not set; it holds {how}{hint}")

    def notice_misspellings(self, names: list[str]) -> None:
        """Complain of a near miss of an optional variable's name: a typo would quietly choose the default."""
        for name in names:
            if not self.has(name) and (alike := self._misspelt(name, 0.92)):
                self.complaints.append(f"{alike}: is no setting of this program; did you mean {name}?")

    def _misspelt(self, name: str, cutoff: float) -> str | None:
        forms = {strange.removesuffix("_FILE").upper(): strange for strange in self._strange}
        found = difflib.get_close_matches(name, forms, n=1, cutoff=cutoff)
        return forms[found[0]] if found else None


def _take(variable: _Variable, source: _Source, values: dict[str, object]) -> None:
    if not source.has(variable.name):
        if variable.required:
            source.lacks(variable.name, variable.required)
        return
    text = source.text(variable.name)
    if text is None:
        return
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        what = "begins and ends with a quotation mark, which is taken as a part of it (as by `docker run --env-file`)"
        source.complaints.append(f"{variable.name}: {what}: leave both out")
        return
    try:
        values[variable.name.lower()] = variable.check(text)
    except ValueError as error:
        source.complaints.append(f"{variable.name}: {error}")


def _certificates(source: _Source, path: str | None) -> None:
    """Check the certificates to trust instead of the usual authorities, where the environment names them."""
    if not path:
        return
    import ssl  # noqa: PLC0415 - what a command without this variable need not load

    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        source.complaints.append("SSL_CERT_FILE: the file holds no certificate in PEM form")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "no file can have this name"
        source.complaints.append(f"SSL_CERT_FILE: the file cannot be read: {reason}")


def _one_transport(source: _Source) -> None:
    app, secret = source.has("SLACK_APP_TOKEN"), source.has("SLACK_SIGNING_SECRET")
    if app and secret:
        source.complaints.append(
            "SLACK_APP_TOKEN: is set, and SLACK_SIGNING_SECRET too: keep the first for Socket Mode, the second for HTTP"
        )
    if not app and not secret:
        source.lacks(
            "SLACK_APP_TOKEN", "an app-level token for Socket Mode (SLACK_SIGNING_SECRET instead of it chooses HTTP)"
        )
