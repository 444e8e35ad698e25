"""Addresses to which credentials are sent: read strictly, for the file and the environment alike."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

_PRIVATE_SUFFIXES = (".localhost", ".local", ".internal", ".lan", ".svc", ".svc.cluster.local")


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private(host: str) -> bool:
    """True of a host that can only be one inside: a private address, a single word such as `dashboard`, or an inner domain."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(_PRIVATE_SUFFIXES)


def web_address(value: str) -> str:
    """An absolute http or https address without credentials. ValueError with a sentence that never repeats it."""
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("is no valid address: write one like https://admin.cloud.tyk.io") from None
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password; credentials go into the environment")
    if parts.scheme not in ("http", "https") or not host or not re.fullmatch(r"[!-~]+", value):
        raise ValueError("needs an address that begins with https://, like https://admin.cloud.tyk.io")
    return value


def base_address(value: str) -> str:
    """A `web_address` to add paths to: https (http only inside), no query; a last slash is dropped."""
    parts = urlsplit(web_address(value))
    if parts.scheme == "http" and not is_private(parts.hostname or ""):
        raise ValueError("must begin with https://: over http the credentials could be read on the way")
    if parts.query or parts.fragment:
        raise ValueError("must not hold a ? or # part")
    return value.rstrip("/")
