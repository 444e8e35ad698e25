"""How many connections a stranger's address may open."""

from __future__ import annotations

from bot.peers import Peers

MALLORY, SLACK = "203.0.113.7", "198.51.100.1"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_and_then_twenty_a_second() -> None:
    """What is refused costs nothing; another address is another bucket."""
    clock = Clock()
    peers = Peers(clock, burst=100, every=0.05)
    assert [peers.admits(MALLORY) for _ in range(150)] == [True] * 100 + [False] * 50
    assert peers.admits(SLACK)
    clock.now = 1.0
    assert [peers.admits(MALLORY) for _ in range(50)].count(True) == 20


def test_who_sent_something_right_has_no_limit_for_an_hour() -> None:
    """After that it is a stranger's again."""
    clock = Clock()
    peers = Peers(clock, burst=10, every=1.0)
    peers.trust(SLACK)
    assert all(peers.admits(SLACK) for _ in range(1000))
    clock.now = 3600.0
    assert [peers.admits(SLACK) for _ in range(20)].count(True) == 10


def test_a_flood_of_addresses_is_no_flood_of_memory() -> None:
    """The longest unused are forgotten."""
    peers = Peers(Clock(), addresses=100)
    for number in range(1000):
        peers.admits(f"203.0.113.{number}")
        peers.trust(f"198.51.100.{number}")
    assert len(peers) <= 200
