"""Faults of Slack and Tyk, named by what they mean for the promise that met them.

Fault
├── Transient           may work later: tried again for as long as the promise matters
│   └── OutcomeUnknown  it may have happened; doing it again must be harmless
├── Permanent           will never work as it is: parked at once
├── Undeliverable       the person can never be reached
└── Gone                the thing acted upon does not exist
"""

from __future__ import annotations


class Fault(Exception):
    """`code` is short and stable, `text` is safe for a log: neither ever holds a token or a credential.

    `method` names the kind of call whose limit was met, where the other side limits each kind by itself.
    """

    def __init__(
        self, code: str, text: str = "", *, retry_after: float | None = None, method: str | None = None
    ) -> None:
        super().__init__(f"{code}: {text}" if text else code)
        self.code = code
        self.text = text
        self.retry_after = retry_after
        self.method = method


class Transient(Fault):
    """An act that may work later. `retry_after`, in seconds, is what the other side asked for."""


class OutcomeUnknown(Transient):
    """An act that may have happened: its answer was lost."""


class Permanent(Fault):
    """An act that will never work as it is."""


class Undeliverable(Fault):
    """The person can never be reached: deactivated, or gone."""


class Gone(Fault):
    """The thing acted upon does not exist."""


class UnconfirmedError(Exception):
    """The database did not answer a commit: what was to be stored may be stored or not. Nothing of ours is done twice."""
