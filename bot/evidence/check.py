"""Recompute each figure of summary.md from the rows in this folder, and say what does not agree.

Usage: python3 check.py [FOLDER]. It needs nothing but Python 3.11, and changes nothing. It ends with 0 where all agree, with 1
where something does not, and with 2 where the folder holds no evidence.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

ENDS = {"expired", "revoked", "withdrawn"}
DECIDED = ("approved", "denied", "withdrawn", "lapsed")
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What comes of reading a file that is not as it was written, or is not there."""
Row = dict[str, Any]


def table(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or f"it is not as it was written ({type(error).__name__})"


def moment(text: str) -> float:
    """Milliseconds since 1970, as the audit has them."""
    return datetime.fromisoformat(text).timestamp() * 1000


def said(at: int | None) -> str:
    """A time of the audit as the lists have it."""
    return (
        ""
        if at is None
        else datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )


def hashes(folder: Path) -> Iterator[str]:
    """Each file is the one that was written, and there is no other."""
    listed = {}
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    for name, digest in listed.items():
        try:
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    yield f"{name} is not the file that was written: its hash differs from SHA256SUMS."
        except FileNotFoundError:
            yield f"{name} is missing."
        except (OSError, ValueError) as error:
            yield f"{name} cannot be read: {reason(error)}."
    for path in sorted(folder.iterdir()):
        if path.name not in {*listed, "SHA256SUMS"}:
            yield f"{path.name} is in the folder and not in SHA256SUMS."


class Lists:
    """The requests, with who said yes to them."""

    def __init__(self, folder: Path, start: str) -> None:
        self.requests = {one["request"]: one for one in table(folder / "requests.csv")}
        self.asked = [int(label[2:]) for label, one in self.requests.items() if one["asked"] >= start]
        self.said_yes: defaultdict[str, set[str]] = defaultdict(set)
        for one in table(folder / "reviews.csv"):
            if one["verdict"] == "yes" and not one["void"]:
                self.said_yes[one["request"]].add(one["reviewer"])
        ended = {label for label, one in self.requests.items() if one["ended"]}
        self.keys: defaultdict[str, list[str]] = defaultdict(list)
        for one in table(folder / "keys.csv"):
            self.keys[one["request"]].append(one["deleted"])
        self.keys_past_their_end = sum(self.keys[label].count("") for label in ended)

    def ids(self, label: str) -> set[str]:
        """Every id of whoever asked."""
        return set(self.requests.get(label, {"requester_ids": ""})["requester_ids"].split())

    def keys_deleted(self, label: str) -> str:
        """When the last key of a request was deleted, empty where one is there, or nobody knows."""
        deleted = self.keys[label]
        return "" if {"", "unknown"} & {*deleted} else max(deleted, default="")


class Audit:
    """The audit's rows, one after the other. `found` is what does not agree, in sentences."""

    def __init__(self, lists: Lists, start: float, end: float) -> None:
        self.lists, self.start, self.end = lists, start, end
        self.found: list[str] = []
        self.first = self.last = self.rows = self.by_people = self.by_the_requester = 0
        self.link: str | None = None
        self.events: Counter[str] = Counter()
        self.asked: set[int] = set()
        self.approvers: dict[str, tuple[set[str], int]] = {}
        self.left: dict[int, Row] = {}
        self.over: dict[int, Row] = {}
        self.reviews: Counter[str] = Counter()
        self.waits: set[int] = set()

    def take(self, line: Row) -> None:
        """No row is missing or was moved, each follows the one before, and each text is the one that was written."""
        row, number = line["row"], line["row"]["number"]
        if self.rows and number != self.last + 1:
            self.found.append(
                f"audit.jsonl: row {self.last + 1} is missing, or out of order: row {number} comes behind row {self.last}."
            )
        elif self.link and row["prev"] != self.link:
            self.found.append(f"audit.jsonl: row {number} does not follow the row {self.last} that stands there.")
        for name, (salt, value) in line["texts"].items():
            text = json.dumps(value, sort_keys=True, separators=(",", ":"))
            if hashlib.sha256((salt + text).encode()).hexdigest() != row["texts"].get(name):
                self.found.append(f"audit.jsonl: in row {number}, {name} is not what was written.")
        self.first, self.last, self.link, self.rows = self.first or number, number, line["link"], self.rows + 1
        if self.start <= row["at"] < self.end:
            self.count(row)

    def count(self, row: Row) -> None:
        event, request = row["event"], row["request"]
        self.events[event] += 1
        if event == "asked":
            self.asked.add(request)
        if event in DECIDED:
            self.decided(row)
        if event == "left" and request:
            self.left[request] = row
            self.over.pop(request, None)
        elif request in self.left and event in ENDS | {"returned"}:
            self.over.setdefault(request, row)
        if event == "reminded" and row["details"].get("of") == "renewal":
            self.reviews["asked"] += 1
            self.waits.add(request)
        elif request in self.waits and (event == "renewed" or event in ENDS):
            self.reviews["kept" if event == "renewed" else "ended"] += 1
            self.waits.remove(request)

    def decided(self, row: Row) -> None:
        """The request is decided as the audit says; approved by as many as it takes, and never by who asked."""
        label, number, one = f"R-{row['request']}", row["number"], self.lists.requests.get(f"R-{row['request']}")
        if one is None:
            self.found.append(f"{label} is not in requests.csv.")
            return
        if one["state"] != row["event"]:
            self.found.append(f"{label} is {one['state']} in requests.csv, and {row['event']} in row {number}.")
        if row["event"] != "approved":
            return
        told, need = set(row["details"]["approvers"]), row["details"]["need"]
        self.approvers[label] = told, number
        if len(told) < need:
            self.found.append(f"{label} needed {need} approval{'' if need == 1 else 's'} and had {len(told)}.")
        self.by_people += bool(told)
        if told & self.lists.ids(label):
            self.by_the_requester += 1
            self.found.append(f"{label} was approved by its own requester.")

    def approvals(self) -> Iterator[str]:
        """Whoever approved in the lists is who the audit says: of a grant that was extended, in the last extension."""
        for label, one in self.lists.requests.items():
            told, number = self.approvers.get(one["approved_in"], (None, 0))
            listed = {
                "reviews.csv": self.lists.said_yes[label],
                "requests.csv": set(one["approved_by"].split()) - {"rule"},
            }
            for where, who in listed.items():
                if told is not None and who != told:
                    names = [", ".join(sorted(some)) or "nobody" for some in (who, told)]
                    yield f"{label} was approved by {names[0]} in {where}, and by {names[1]} in row {number}."
            if one["state"] == "approved" and not one["approved_in"]:
                yield f"requests.csv: {label} does not say in which request it was approved."

    def population(self) -> Iterator[str]:
        """Every request of the period is there, once."""
        for before, number in pairwise(self.lists.asked):
            if number != before + 1:
                yield f"requests.csv: R-{before + 1} is missing, or out of order."
        for number in sorted(self.asked ^ set(self.lists.asked)):
            yield f"R-{number} is not in {'requests.csv' if number in self.asked else 'audit.jsonl, as asked for'}."

    def leavers(self, path: Path) -> Iterator[str]:
        """What is told of those who left is what the rows say."""
        left = dict(self.left)
        for one in table(path):
            number, nothing = int(one["request"][2:]), {"number": "", "event": "", "person": None, "at": None}
            row, end = left.pop(number, nothing), self.over.get(number, nothing)
            told = {
                "person": row["person"] or "",
                "left": said(row["at"]),
                "left_row": str(row["number"]),
                "ended": said(end["at"]),
                "end_row": str(end["number"]),
                "how": end["event"],
            }
            if {name: one[name] for name in told} != told:
                yield f"leavers.csv: {one['request']} is not what the audit's rows say."
            if one["keys_deleted"] != self.lists.keys_deleted(one["request"]):
                yield f"leavers.csv: the end of the keys of {one['request']} is not the one in keys.csv."
        yield from (f"leavers.csv: R-{number} is missing." for number in left)

    def figures(self, start: str) -> dict[str, int]:
        requests, events, asked = self.lists.requests.values(), self.events, self.lists.asked
        came_back = sum(row["event"] == "returned" for row in self.over.values())
        return {
            "audit.rows": self.rows,
            "audit.first": self.first,
            "audit.last": self.last,
            "requests.asked": len(asked),
            "requests.first": min(asked, default=0),
            "requests.last": max(asked, default=0),
            **{f"decisions.{event}": events[event] for event in DECIDED},
            "approvals.by_people": self.by_people,
            "approvals.by_rule": events["approved"] - self.by_people,
            "approvals.by_the_requester": self.by_the_requester,
            "access.given": sum(one["granted"] >= start for one in requests if one["granted"]),
            "access.living": sum(bool(one["granted"]) and not one["ended"] for one in requests),
            "keys.made": events["key created"],
            "keys.deleted": events["key deleted"],
            "keys.past_their_end": self.lists.keys_past_their_end,
            "leavers.found": len(self.left),
            "leavers.ended": len(self.over) - came_back,
            "leavers.returned": came_back,
            "leavers.open": len(self.left) - len(self.over),
            **{f"reviews.{what}": self.reviews[what] for what in ("asked", "kept", "ended")},
            "reviews.open": len(self.waits),
            "configuration.changes": events["configured"],
            "configuration.groups_changed": events["group changed"],
        }


def findings(folder: Path) -> tuple[list[str], int]:
    """Everything that does not agree, in sentences; and how many figures there are. A file that is not as it was written may keep
    all the others from being compared."""
    found = list(hashes(folder))
    try:
        more, many = differences(folder)
    except UNREADABLE as error:
        name = Path(getattr(error, "filename", None) or "").name
        what = f"{name} cannot be read" if name else "A file cannot be read"
        return [*found, f"{what}: {reason(error)}. So no figure was recomputed."], 0
    return [*found, *more], many


def differences(folder: Path) -> tuple[list[str], int]:
    """What the rows and the lists say otherwise than each other, or than the summary."""
    summary = (folder / "summary.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| ([a-z_]+\.[a-z_]+) \| (\S+) \|", summary, re.MULTILINE))
    start, end = (told.pop(name, "1970-01-01T00:00:00Z") for name in ("period.from", "period.to"))
    audit = Audit(Lists(folder, start), moment(start), moment(end))
    with (folder / "audit.jsonl").open(encoding="utf-8") as file:
        for line in file:
            audit.take(json.loads(line))
    found = [*audit.found, *audit.population(), *audit.approvals()]
    found += audit.leavers(folder / "leavers.csv")
    right = audit.figures(start)
    found += (
        f"summary.md: {name} is {told.get(name, 'not there')}, and the rows give {right.get(name)}."
        for name in sorted({*right, *told})
        if str(right.get(name)) != told.get(name)
    )
    return found, len(right)


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    if not (folder / "SHA256SUMS").is_file():
        sys.stderr.write(f"{folder} holds no evidence: there is no SHA256SUMS in it.\n")
        return 2
    found, many = findings(folder)
    sys.stdout.write("\n".join(found or [f"All {many} figures agree with the rows."]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
