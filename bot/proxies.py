"""The proxy that the environment names for an address."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.addresses import is_loopback


def proxy_for(url: str, environ: Mapping[str, str]) -> str | None:
    """The proxy through which the environment wants this address called, None for none. This machine itself and what
    NO_PROXY names are called directly; small-letter names win over capitals, as with curl."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not host or is_loopback(host):
        return None
    if any(_covers(entry, host) for entry in re.split(r"[,\s]+", _either(environ, "no_proxy") or "")):
        return None
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    proxy = _either(environ, f"{scheme}_proxy") or _either(environ, "all_proxy")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _covers(entry: str, host: str) -> bool:
    """True where an entry of NO_PROXY names the host: `*`, a domain with all below it, an address or a network."""
    name = re.sub(r":[0-9]+$", "", entry.lower()) if entry.count(":") == 1 else entry.lower().strip("[]")
    if name == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    except ValueError:
        domain = name.removeprefix("*").removeprefix(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _either(environ: Mapping[str, str], name: str) -> str | None:
    """A variable by its small-letter name, else in capitals; `HTTP_PROXY` of a CGI request is the client's, not ours."""
    if name in environ:
        return environ[name] or None
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return None
    return environ.get(name.upper()) or None
