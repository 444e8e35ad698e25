"""Which proxy the environment names for which address."""

from __future__ import annotations

import pytest

from bot.proxies import proxy_for

PROXIES = {
    "HTTPS_PROXY": "http://proxy:3128",
    "http_proxy": "plain:80",
    "NO_PROXY": "internal.example.com,.corp,10.0.0.0/8",
}


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://slack.com/api/", "http://proxy:3128"),
        ("wss://wss-primary.slack.com/link", "http://proxy:3128"),
        ("http://tyk.example.com", "http://plain:80"),
        ("https://internal.example.com", None),
        ("https://tyk.internal.example.com:3000", None),
        ("https://notinternal.example.com", "http://proxy:3128"),
        ("https://tyk.corp", None),
        ("https://10.1.2.3", None),
        ("https://11.1.2.3", "http://proxy:3128"),
        ("https://localhost:8443", None),
        ("http://127.0.0.1:4000", None),
        ("http://[::1]:4000", None),
        ("", None),
    ],
)
def test_proxy(url: str, proxy: str | None) -> None:
    """Slack and Tyk are called through the proxy, but what NO_PROXY names and this machine itself are not."""
    assert proxy_for(url, PROXIES) == proxy


def test_proxy_names() -> None:
    """Small letters win, ALL_PROXY fills in, `*` switches proxies off, a CGI client cannot choose one."""
    url = "https://slack.com"
    assert proxy_for(url, {}) is None
    assert proxy_for(url, {"https_proxy": "http://a", "HTTPS_PROXY": "http://b"}) == "http://a"
    assert proxy_for(url, {"https_proxy": "", "HTTPS_PROXY": "http://b"}) is None
    assert proxy_for(url, {"ALL_PROXY": "http://c"}) == "http://c"
    assert proxy_for(url, {"ALL_PROXY": "http://c", "no_proxy": "*"}) is None
    assert proxy_for(url, {"ALL_PROXY": "http://c", "no_proxy": "slack.com:443"}) is None
    assert proxy_for("http://slack.com", {"HTTP_PROXY": "http://evil", "REQUEST_METHOD": "GET"}) is None
