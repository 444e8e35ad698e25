"""The chain of the audit: the canonical form of a row, the link that ties it to the row before, and the proof of all of it. Pure.

A row's link is an HMAC-SHA256 over the row's canonical form, which holds the link of the row before: whoever can write to the
database but has no key cannot change, drop, move or add a row unseen. Free text and names stand beside the row: the row holds a
salted digest of each, so that the text can be erased and the chain still fits. `docs/audit.md` describes the form, and
`scripts/verify_audit.py` proves an exported file without any of this.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from bot.core.model import Answers, AuditEvent

VERSION = 1
SHORT = 20
"""So many hexadecimal digits of a link make the head that people copy."""

WITHOUT_KEY = frozenset(
    one.value
    for one in (
        AuditEvent.DELAYED,
        AuditEvent.DENIED,
        AuditEvent.ERASED,
        AuditEvent.EXPIRED,
        AuditEvent.KEY_DELETED,
        AuditEvent.LAPSED,
        AuditEvent.NAME_ACCEPTED,
        AuditEvent.RECOVERED,
        AuditEvent.REMINDED,
        AuditEvent.RETRIED,
        AuditEvent.REVOKED,
        AuditEvent.STUCK,
    )
)
"""The events that a command may write which was not given the key, such as an emergency's `revoke`: none of them gives anybody
anything."""

_TEXTS = frozenset({*(one.name for one in fields(Answers)), "reason_link", "question", "answer", "operator", "name"})
"""The details that somebody typed, or that name somebody: they can be erased."""

Line = Mapping[str, Any]
"""A row as it is exported: `row` is what is chained, `link` its link, `texts` what stands beside it, each with its salt."""


@dataclass(frozen=True)
class ChainKey:
    """The key of the rows from number `first` on. Its id is in each of them."""

    id: str
    first: int
    secret: bytes = field(repr=False)

    @classmethod
    def new(cls, first: int) -> ChainKey:
        return cls.of(secrets.token_bytes(32), first)

    @classmethod
    def of(cls, secret: bytes, first: int) -> ChainKey:
        return cls(hashlib.sha256(b"tyk-key-bot audit key" + secret).hexdigest()[:16], first, secret)

    @property
    def line(self) -> str:
        """The key as a line of the file that an auditor keeps."""
        return f"{self.first} {self.secret.hex()}"

    @classmethod
    def parse(cls, line: str) -> ChainKey:
        """Raises ValueError."""
        first, secret = line.split()
        return cls.of(bytes.fromhex(secret), int(first))


@dataclass(frozen=True)
class Head:
    """The newest row: its number, and its link. Before the first one, number 0 and no link."""

    number: int = 0
    link: str = ""

    @property
    def short(self) -> str:
        return f"{self.number}:{self.link[:SHORT]}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Raises ValueError for what is no head."""
        number, _, link = text.strip().partition(":")
        if not (number.isascii() and number.isdigit()) or len(link) < SHORT or set(link) - set("0123456789abcdef"):
            raise ValueError(text)
        return cls(int(number), link)


_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode


def canonical(value: Any) -> bytes:
    """JSON with its names sorted, no blanks, and in ASCII alone: one form for one value."""
    return _encode(value).encode()


def link(row: Mapping[str, Any], secret: bytes | None) -> str:
    """The link of a row: with the key, or, where a command has none, without."""
    if secret is None:
        return hashlib.sha256(canonical(row)).hexdigest()
    return hmac.digest(secret, canonical(row), "sha256").hex()


def commitment(salt: str, value: Any) -> str:
    """The digest of a text that stands beside its row. Without the salt, which goes with the text, it tells nothing of it."""
    return hashlib.sha256(salt.encode() + canonical(value)).hexdigest()


def is_text(event: str, name: str) -> bool:
    """True for a detail that somebody typed, or that names somebody: it stands beside the row."""
    return name in _TEXTS or (name == "why" and event == AuditEvent.REVOKED.value)


def parted(event: str, details: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, tuple[str, Any]]]:
    """The details that are chained, and those that stand beside the row, each with a salt of its own."""
    texts = {name for name, value in details.items() if value and is_text(event, name)}
    chained = {name: value for name, value in details.items() if name not in texts}
    return chained, {name: (secrets.token_hex(16), details[name]) for name in texts}


# --- the proof --------------------------------------------------------------------------------------------------------


@dataclass
class Proof:
    """The result of a proof: how far the chain fits, and the first row that does not, in a sentence.

    `older` rows are from before the chain began; `without_key` are the numbers of those that commands wrote without the key;
    `erased` texts are gone, `accounted` for as many erasures say so.
    """

    rows: int = 0
    older: int = 0
    begins: int = 0
    head: Head = field(default_factory=Head)
    without_key: list[int] = field(default_factory=list)
    erased: int = 0
    accounted: int = 0
    misfit: str = ""


class _MisfitError(Exception):
    """A row does not fit."""


def prove(lines: Iterable[Line], keys: Sequence[ChainKey], heads: Sequence[Head] = ()) -> Proof:
    """Go through all rows, in the order in which they come, without holding them. `heads` were noted elsewhere."""
    proof = Proof(begins=min(key.first for key in keys))
    try:
        _Prover(proof, keys, heads).go(iter(lines))
    except _MisfitError as misfit:
        proof.misfit = str(misfit)
    return proof


def _is_salted(text: object) -> bool:
    return isinstance(text, list | tuple) and len(text) == 2 and isinstance(text[0], str)


class _Prover:
    def __init__(self, proof: Proof, keys: Sequence[ChainKey], heads: Sequence[Head]) -> None:
        self._proof = proof
        self._keys = {key.id: key for key in keys}
        self._heads = heads

    def go(self, lines: Iterator[Line]) -> None:
        proof = self._proof
        for line in lines:
            row = line["row"]
            self._check_place(row["number"], lines)
            if line["link"] is not None:
                self._check_link(row, line["link"])
                proof.rows += 1
            elif row["number"] < proof.begins and not proof.rows:
                proof.older += 1
            else:
                told = "is not chained: this program did not write it, or an older version did."
                raise _MisfitError(f"Row {row['number']} {told}")
            self._check_texts(row, line["texts"])
            if line["link"] is not None:  # of what is older nothing is proved, and so nothing accounted for
                self._count_texts(row, line["texts"])
            self._check_heads(row["number"], line["link"] or "")
            proof.head = Head(row["number"], line["link"] or "")
        self._check_end()

    def _check_place(self, number: int, rest: Iterator[Line]) -> None:
        last = self._proof.head.number
        if number == last:
            raise _MisfitError(f"Row {number} stands there twice: the chain forks.")
        if number < last:
            raise _MisfitError(f"Row {number} is out of order: it comes behind row {last}.")
        if number > last + 1:
            if any(line["row"]["number"] == last + 1 for line in rest):
                raise _MisfitError(f"Row {last + 1} is out of order: it comes behind row {number}.")
            raise _MisfitError(f"Row {last + 1} is missing.")

    def _check_link(self, row: Mapping[str, Any], found: str) -> None:
        number, key_id = row["number"], row["key"]
        if key_id is not None and key_id not in self._keys:
            raise _MisfitError(f"Row {number} is chained with a key that is not given: {key_id}.")
        if link(row, None if key_id is None else self._keys[key_id].secret) != found:
            raise _MisfitError(f"Row {number} was edited.")
        if row["prev"] != self._proof.head.link:
            raise _MisfitError(f"Row {number} does not follow the row {number - 1} that stands there: the chain forks.")
        if key_id is None:
            if row["event"] not in WITHOUT_KEY:
                raise _MisfitError(f"Row {number} is chained without the key, which only the bot may write.")
            self._proof.without_key.append(number)

    def _check_texts(self, row: Mapping[str, Any], texts: Mapping[str, Sequence[Any]]) -> None:
        digests = row["texts"]
        for name, text in texts.items():
            if not _is_salted(text) or commitment(*text) != digests.get(name):
                raise _MisfitError(f"Row {row['number']} was edited: its {name} is not what was written.")

    def _count_texts(self, row: Mapping[str, Any], texts: Mapping[str, Sequence[Any]]) -> None:
        self._proof.erased += len(row["texts"]) - len(texts)
        many = row["details"].get("texts")
        if row["event"] == AuditEvent.ERASED.value and isinstance(
            many, int
        ):  # a command without the key may say anything
            self._proof.accounted += max(0, many)

    def _check_heads(self, number: int, found: str) -> None:
        for head in self._heads:
            if head.number == number and not found.startswith(head.link):
                raise _MisfitError(
                    f"Row {number} is not the one of the head that was noted: the chain forks there or before."
                )

    def _check_end(self) -> None:
        last = self._proof.head.number
        for head in self._heads:
            if head.number > last:
                raise _MisfitError(f"The end is cut off: the last row is {last}, and the head {head.number} was noted.")
        if self._proof.erased > self._proof.accounted:
            told = f"{self._proof.erased} texts are gone, and erasures account for {self._proof.accounted} of them"
            raise _MisfitError(f"{told}: the others were removed by hand.")
