"""The bot as a process that stops dead in the middle of a transaction: after its statements, before its commit.

It does so once, at the first transaction that stores something while the file named by FREEZE_FILE is there, and takes the file
with it.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from sqlalchemy import Connection

from bot.cli import main
from bot.store.store import Store

_commit = Store._commit


def _commit_or_freeze(store: Store, connection: Connection) -> None:
    marker = Path(os.environ["FREEZE_FILE"])
    if marker.exists():
        marker.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
    _commit(store, connection)


setattr(Store, "_commit", _commit_or_freeze)  # noqa: B010 - a method, changed here and nowhere else

if __name__ == "__main__":
    main()
