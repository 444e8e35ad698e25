"""Tokens at rest: sealed with the newest key, opened with any that is still listed."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class SealLost(Exception):
    """No listed seal key opens this token: the key it was sealed with is gone from SEAL_KEYS."""


class Seal:
    """`keys` are Fernet keys, the newest first. Rotation is prepending one; the old one stays until nothing needs it."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._newest = Fernet(keys[0])
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def close(self, token: str) -> bytes:
        return self._fernet.encrypt(token.encode())

    def open(self, sealed: bytes) -> str:
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise SealLost("no key in SEAL_KEYS opens this token") from None

    def is_newest(self, sealed: bytes) -> bool:
        """True where it is sealed with the newest key, so that no other is needed for it."""
        try:
            self._newest.decrypt(sealed)
        except InvalidToken:
            return False
        return True

    def opens(self, sealed: bytes) -> bool:
        try:
            self.open(sealed)
        except SealLost:
            return False
        return True

    def anew(self, sealed: bytes) -> bytes:
        """The same token, sealed with the newest key. Raises SealLost."""
        return self.close(self.open(sealed))


def new_key() -> str:
    return Fernet.generate_key().decode()
