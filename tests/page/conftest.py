"""A browser works where other tests wait: whoever runs the tests, however many at a time, two of them have one."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO

import pytest

BROWSERS = 2


@pytest.fixture(autouse=True)
def _one_of_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Wait for one of the places. The folder above is shared by all who run the tests."""
    shared = tmp_path_factory.getbasetemp().parent
    with ExitStack() as stack:
        places = [stack.enter_context((shared / f"browser-{number}").open("w")) for number in range(BROWSERS)]
        while not any(map(_taken, places)):
            time.sleep(0.1)  # a lock of a file cannot be waited for together with another
        yield


def _taken(place: IO[str]) -> bool:
    try:
        fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
