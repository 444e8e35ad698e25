"""Recompute each figure of summary.md from the rows in this folder, and say what does not agree.

Usage: python3 check.py [FOLDER]. It needs nothing but Python 3.11, and changes nothing. It ends with 0 where all agree, with 1
where something does not, and with 2 where the folder holds no evidence.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

DECIDED = ("approved", "denied", "withdrawn", "lapsed")
LISTS: dict[str, dict[str, tuple[str, ...]]] = {
    "requests.csv": {
        "asked": ("plan", "extends"),
        "decided": ("state", "decided_by", "approved_by"),
        "granted": ("until",),
        "ended": ("ended_by",),
    },
    "reviews.csv": {"at": ("verdict", "counted_by")},
    "keys.csv": {"made": ("expires",), "deleted": ()},
    "leavers.csv": {"left": ("person", "left_row"), "ended": ("end_row", "how")},
}
"""Each list, with its columns of times, and what else the audit's row of that time says."""
OF_EXTENSION = {"plan", "until", "approved_by", "approved_in", "rule", "verdict", "counted_by", "at", "void", "expires"}
"""The columns that an extension changes: in requests.csv, reviews.csv and keys.csv."""
HOUR = 60 * 60 * 1000
PROBATION = HOUR / 4
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


def said(at: int) -> str:
    """A time of the audit as the lists have it."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def same(text: str | None) -> str:
    """A time in the details of a row as the lists have it."""
    return said(round(moment(text))) if text else ""


def is_end(row: Row) -> bool:
    """The row ends what was granted or waited: so does a refusal by the bot itself, before a key is made or its token shown."""
    return row["event"] in {"expired", "revoked", "withdrawn"} or (row["event"] == "refused" and row["actor"] is None)


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
    """The lists of the folder."""

    def __init__(self, folder: Path, start: str) -> None:
        self.start = start
        self.rows = {name: list(table(folder / name)) for name in LISTS}
        self.requests = {one["request"]: one for one in self.rows["requests.csv"]}
        self.asked = [int(label[2:]) for label, one in self.requests.items() if one["asked"] >= start]
        self.said_yes: defaultdict[str, set[str]] = defaultdict(set)
        for one in self.rows["reviews.csv"]:
            if one["verdict"] == "yes" and not one["void"]:
                self.said_yes[one["request"]].add(one["reviewer"])
        self.keys: defaultdict[str, list[str]] = defaultdict(list)
        for one in self.rows["keys.csv"]:
            self.keys[one["request"]].append(one["deleted"])
        self.keys_past_their_end = sum(self.keys[label].count("") for label in self.requests if self.of(label, "ended"))

    def of(self, label: str, column: str) -> str:
        return str(self.requests.get(label, {}).get(column, ""))

    def keys_deleted(self, label: str) -> str:
        """When the last key of a request was deleted, empty where one is there, or nobody knows."""
        deleted = self.keys[label]
        return "" if {"", "unknown"} & {*deleted} else max(deleted, default="")


class Told:
    """What the audit's rows say of each list: by request, and by reviewer or key; each column with its value, and where that
    stands. `notes` is what no row of the folder can prove."""

    def __init__(self, lists: Lists) -> None:
        self.lists = lists
        self.told: dict[str, defaultdict[str, dict[str, Row]]] = {name: defaultdict(dict) for name in LISTS}
        self.newest: dict[str, str] = {}
        self.sent: set[tuple[str, str]] = set()
        self.untils: defaultdict[str, set[str]] = defaultdict(set)
        self.elsewhere: set[str] = set()
        self.found: list[str] = []
        self.notes: list[str] = []

    def say(self, name: str, label: str, key: str, where: str, columns: dict[str, str]) -> None:
        self.told[name][label].setdefault(key, {}).update({column: (value, where) for column, value in columns.items()})

    def take(self, row: Row) -> None:
        label, event, where = f"R-{row['request']}", row["event"], f"row {row['number']}"
        before = self.told["requests.csv"][label].get("", {}).get("requester", (row["person"], ""))
        if before[0] != row["person"]:
            self.found.append(
                f"audit.jsonl: {label} is of {row['person']} in {where}, and of {before[0]} in {before[1]}."
            )
        self.say("requests.csv", label, "", where, self.of_request(row, label))
        if event == "extended":
            self.extended(label, row["details"], where)
        elif event in ("reviewed", "recounted"):
            self.say("reviews.csv", label, row["details"]["reviewer"], where, of_review(row))
        elif event in ("key created", "key deleted", "sent", "replaced"):
            self.of_key(row, label, where)
        elif event == "left":
            columns = {"person": row["person"] or "", "left": said(row["at"]), "left_row": str(row["number"])}
            self.told["leavers.csv"].pop(label, None)
            self.say("leavers.csv", label, "", where, columns | {"ended": "", "end_row": "", "how": ""})
        elif (event == "returned" or is_end(row)) and self.is_left(label):
            columns = {"ended": said(row["at"]), "end_row": str(row["number"]), "how": event}
            self.say("leavers.csv", label, "", where, columns)

    def is_left(self, label: str) -> bool:
        """Its holder left, and it goes on."""
        return label in self.told["leavers.csv"] and not self.told["leavers.csv"][label][""]["how"][0]

    def of_request(self, row: Row, label: str) -> dict[str, str]:
        event, details, at, actor = row["event"], row["details"], said(row["at"]), row["actor"] or ""
        told = {"requester": row["person"] or "", "api": row["api"] or ""}
        if event == "asked":
            return told | {"asked": at, "plan": details["plan"], "extends": details.get("extends", "")}
        if event in DECIDED:
            told |= {"state": event, "decided": at, "decided_by": actor, "approved_by": "", "approved_in": ""}
        if event == "approved":
            told |= {"approved_by": " ".join(sorted(details["approvers"])) or "rule", "approved_in": label}
            told |= {"rule": f"{details['rule']}@{details['rule_digest']}"}
            told |= {"plan": details["plan"]} if "plan" in details else {}
            if not self.extends(label):
                told |= {"granted": at, "until": same(details["until"]) or "never"}
        elif is_end(row) and event != "withdrawn" and not self.extends(label):
            told |= {"ended": at, "ended_by": actor}
        return told

    def of_key(self, row: Row, label: str, where: str) -> None:
        details, keys = row["details"], self.told["keys.csv"][label]
        if row["event"] == "key created":
            keys.pop(self.newest.get(label, ""), None)  # Tyk lost it before anybody saw it: this one is in its place
            self.newest[label] = details["key_hash"]
            made = {"made": said(row["at"]), "expires": same(details["expires"])}
            self.say("keys.csv", label, details["key_hash"], where, made)
        elif row["event"] == "key deleted":
            self.say("keys.csv", label, details["key_hash"] or "", where, {"deleted": said(row["at"])})
        elif row["event"] == "sent":
            self.sent.add((label, self.newest.get(label, "")))
        else:
            self.newest.pop(label, None)

    def extends(self, label: str) -> bool:
        told = self.told["requests.csv"][label].get("", {}).get("extends")
        return bool(told[0] if told else self.lists.of(label, "extends"))

    def extended(self, label: str, details: Row, where: str) -> None:
        """What was held takes over plan, rule, end and approvals of the request that extends it."""
        by, until, reviews = details["by"], same(details["until"]), self.told["reviews.csv"]
        held, other = self.told["requests.csv"][label][""], self.told["requests.csv"][by].get("", {})
        self.untils[label].add(until)
        if "approved_by" not in other or "plan" not in other:
            self.elsewhere.add(label)
        held |= {name: other[name] for name in ("plan", "rule", "approved_by") if name in other}
        held |= {"until": (until or "never", where), "approved_in": (by, where)}
        yes = {who: one for who, one in reviews[by].items() if one["verdict"][0] == "yes" and not one["void"][0]}
        for who, one in reviews[label].items():
            if who not in yes and not one["void"][0]:
                one["void"] = (f"it was for the time before {by}", where)
        reviews[label] |= {who: dict(one) for who, one in yes.items()}

    def differences(self) -> Iterator[str]:
        """What the lists say otherwise than the audit's rows."""
        yield from self.extended_elsewhere()
        for label in self.told["leavers.csv"]:
            self.say("leavers.csv", label, "", "keys.csv", {"keys_deleted": self.lists.keys_deleted(label)})
        before: defaultdict[str, list[str]] = defaultdict(list)
        for name in LISTS:
            left = {label: dict(of) for label, of in self.told[name].items()}
            for one in self.lists.rows[name]:
                told = left.get(one["request"], {}).pop(self.key(name, one), {})
                yield from self.compared(name, one, told, before)
            for label, of in left.items():
                for key, told in of.items():
                    yield from self.missing(name, label, key, told)
        unknown = [label for label, one in self.lists.requests.items() if one["review_due"] == "unknown"]
        if unknown:
            before["requests.csv: review_due"] = unknown
        for columns, whose in before.items():
            some = ", ".join(whose[:5]) + (f" and {len(whose) - 5} more" if len(whose) > 5 else "")
            self.notes.append(f"{columns} of {some}: not of the period, so nothing here proves it.")

    def compared(self, name: str, one: Row, told: Row, before: defaultdict[str, list[str]]) -> Iterator[str]:
        """Each column that a row states, and whether there is a row for each time in the period."""
        what = " ".join(filter(None, (one["request"], one.get("reviewer"), one.get("key_hash"))))
        for column, (value, where) in told.items():
            if one[column] != value and not self.may_differ(name, one, column, told):
                yield f"{name}: {column} of {what} is {one[column] or 'empty'}, and {value or 'empty'} in {where}."
        latest = ""
        for time, others in LISTS[name].items():
            latest = max(latest, one[time])
            if not one[time] and any(one[other] not in ("", "pending") for other in others):
                yield f"{name}: {time} of {what} is empty."
            if not one[time] or time in told or (name == "reviews.csv" and one["request"] in self.elsewhere):
                continue
            is_known = name != "keys.csv" or one[time] != "unknown"
            if is_known and self.lists.start <= latest:  # nothing ends before the period that began in it
                yield f"{name}: {time} of {what} is {one[time]}, and no row of the audit says so."
            else:
                before[f"{name}: {', '.join((time, *others))}"].append(what)

    def key(self, name: str, one: Row) -> str:
        """What names the row beside its request. A key that Tyk lost has no hash any more."""
        if name == "keys.csv" and not one["key_hash"] and one["deleted"] in ("", "unknown"):
            self.notes.append(f"keys.csv: a key of {one['request']} has no hash, so no row here proves which it was.")
            return self.newest.get(one["request"], "")
        return str(one.get("reviewer", one.get("key_hash", "")))

    def may_differ(self, name: str, one: Row, column: str, told: Row) -> bool:
        """The list has this as it is now, and not as it was at the end of the period; or a key was never confirmed."""
        label = one["request"]
        if label in self.elsewhere and column in OF_EXTENSION:
            return True
        if column != "expires":
            return name == "reviews.csv" and column == "void" and self.waited(label)
        was_seen = (label, one["key_hash"]) in self.sent
        is_short = bool(one[column]) and moment(one[column]) <= moment(told["made"][0]) + PROBATION
        return one[column] in self.untils[label] or (is_short and not was_seen)

    def waited(self, label: str) -> bool:
        """The request had not been decided by the end of the period, so what was said of it may have changed since."""
        return "decided" not in self.told["requests.csv"][label].get("", {}) and not self.lists.of(label, "decided")

    def missing(self, name: str, label: str, key: str, told: Row) -> Iterator[str]:
        where = next((where for column, (_, where) in told.items() if column not in ("requester", "api")), None)
        if where is None:
            return  # of what was over before, and is in no list
        if name == "reviews.csv" and (label in self.elsewhere or self.waited(label)):
            self.notes.append(f"reviews.csv: what {key} said of {label} in {where} was changed after the period.")
        else:
            yield f"{name}: {' '.join(filter(None, (label, key)))} is missing, and {where} tells of it."

    def extended_elsewhere(self) -> Iterator[str]:
        """Which were extended before the period or after it: they have the plan, the end and the approvals of then."""
        for label, one in self.lists.requests.items():
            by, told = one["approved_in"], self.told["requests.csv"][label].get("", {})
            if by in ("", told.get("approved_in", (label,))[0]):
                continue
            is_known = by in self.lists.requests or int(by[2:]) <= max(self.lists.asked, default=0)
            if is_known and self.lists.of(by, "extends") != label:
                yield f"requests.csv: {label} was not approved in {by}, which does not extend it."
            else:
                self.elsewhere.add(label)
        for label in sorted(self.elsewhere):
            by = self.lists.of(label, "approved_in")
            told_not = "no row here proves its plan, end and approvals"
            self.notes.append(f"{label} was extended in {by}, outside the period: {told_not}.")


def of_review(row: Row) -> dict[str, str]:
    details = row["details"]
    if row["event"] == "recounted":
        return {"void": details["why"]}
    return {"at": said(row["at"]), "verdict": details["verdict"], "counted_by": details["counted_by"], "void": ""}


class Audit:
    """The audit's rows, one after the other. `found` is what does not agree, in sentences."""

    def __init__(self, lists: Lists, start: float, end: float) -> None:
        self.lists, self.start, self.end, self.told = lists, start, end, Told(lists)
        self.found: list[str] = []
        self.first = self.last = self.rows = self.by_people = self.by_the_requester = 0
        self.link: str | None = None
        self.events: Counter[str] = Counter()
        self.approvers: dict[str, tuple[set[str], int]] = {}
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
        if request:
            self.told.take(row)
        if event in DECIDED:
            self.decided(row)
        if event == "reminded" and row["details"].get("of") == "renewal":
            self.reviews["asked"] += 1
            self.waits.add(request)
        elif request in self.waits and (event == "renewed" or is_end(row)):
            self.reviews["kept" if event == "renewed" else "ended"] += 1
            self.waits.remove(request)

    def decided(self, row: Row) -> None:
        """What was approved was approved by as many as it takes, and never by who asked: the row says who that is."""
        if row["event"] != "approved":
            return
        label, told, need = f"R-{row['request']}", set(row["details"]["approvers"]), row["details"]["need"]
        self.approvers[label] = told, row["number"]
        if len(told) < need:
            self.found.append(f"{label} needed {need} approval{'' if need == 1 else 's'} and had {len(told)}.")
        self.by_people += bool(told)
        if told & {row["person"], *self.lists.of(label, "requester_ids").split()}:
            self.by_the_requester += 1
            self.found.append(f"{label} was approved by its own requester.")

    def approvals(self) -> Iterator[str]:
        """Whoever approved in reviews.csv is who the audit says: of a grant that was extended, in the last extension. And the
        columns of which no row tells fit the others."""
        for label, one in self.lists.requests.items():
            told, number = self.approvers.get(one["approved_in"], (None, 0))
            if told is not None and self.lists.said_yes[label] != told:
                names = [", ".join(sorted(some)) or "nobody" for some in (self.lists.said_yes[label], told)]
                yield f"{label} was approved by {names[0]} in reviews.csv, and by {names[1]} in row {number}."
            fits = {
                "requester_ids": one["requester"] in one["requester_ids"].split(),
                "rule": one["rule"].startswith(f"{one['api']}@"),
                "approved_in": not one["approved_in"] or one["state"] in ("approved", "pending"),
                "review_due": not one["review_due"] or one["until"] == "never",
            }
            for column in (column for column, is_so in fits.items() if not is_so):
                yield f"requests.csv: {column} of {label} is {one[column] or 'empty'}, which does not fit the rest of its line."

    def population(self) -> Iterator[str]:
        """The requests of the period are numbered without a gap."""
        for before, number in pairwise(self.lists.asked):
            if number != before + 1:
                yield f"requests.csv: R-{before + 1} is missing, or out of order."

    def figures(self, start: str, end: str) -> dict[str, int]:
        requests, events, asked = self.lists.requests.values(), self.events, self.lists.asked
        leavers = [one[""] for one in self.told.told["leavers.csv"].values()]
        how = Counter(one["how"][0] for one in leavers)
        deleted = [self.lists.keys_deleted(label) for label in self.told.told["leavers.csv"]]
        took = [
            math.ceil(max(moment(last) - moment(one["left"][0]), 0) / HOUR)
            for one, last in zip(leavers, deleted, strict=True)
            if last and one["how"][0] not in ("", "returned")
        ]
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
            "leavers.found": len(leavers),
            "leavers.ended": len(leavers) - how["returned"] - how[""],
            "leavers.returned": how["returned"],
            "leavers.open": how[""],
            "leavers.hours_at_most": max(took, default=0),
            "leavers.over_a_day": sum(hours > 24 for hours in took),
            **{f"reviews.{what}": self.reviews[what] for what in ("asked", "kept", "ended")},
            "reviews.open": len(self.waits),
            "reviews.due": sum("" < one["review_due"] < end and not one["ended"] for one in requests),
            "configuration.changes": events["configured"],
            "configuration.groups_changed": events["group changed"],
        }


def findings(folder: Path) -> tuple[list[str], list[str], int]:
    """Everything that does not agree, in sentences; what no row proves; and how many figures there are. A file that is not as it
    was written may keep all the others from being compared."""
    found = list(hashes(folder))
    try:
        more, notes, many = differences(folder)
    except UNREADABLE as error:
        name = Path(getattr(error, "filename", None) or "").name
        what = f"{name} cannot be read" if name else "A file cannot be read"
        return [*found, f"{what}: {reason(error)}. So no figure was recomputed."], [], 0
    return [*found, *more], notes, many


def differences(folder: Path) -> tuple[list[str], list[str], int]:
    """What the rows and the lists say otherwise than each other, or than the summary."""
    summary = (folder / "summary.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| ([a-z_]+\.[a-z_]+) \| (\S+) \|", summary, re.MULTILINE))
    start, end = (told.pop(name, "1970-01-01T00:00:00Z") for name in ("period.from", "period.to"))
    audit = Audit(Lists(folder, start), moment(start), moment(end))
    with (folder / "audit.jsonl").open(encoding="utf-8") as file:
        for line in file:
            audit.take(json.loads(line))
    found = [*audit.found, *audit.told.found, *audit.population(), *audit.told.differences(), *audit.approvals()]
    right = audit.figures(start, end)
    found += (
        f"summary.md: {name} is {told.get(name, 'not there')}, and the rows give {right.get(name)}."
        for name in sorted({*right, *told})
        if str(right.get(name)) != told.get(name)
    )
    return found, audit.told.notes, len(right)


def main() -> int:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent)
    if not (folder / "SHA256SUMS").is_file():
        sys.stderr.write(f"{folder} holds no evidence: there is no SHA256SUMS in it.\n")
        return 2
    found, notes, many = findings(folder)
    found_or_not = found or [f"All {many} figures agree with the rows, and so do the lists."]
    sys.stdout.write("\n".join([*found_or_not, *(f"Note: {one}" for one in notes)]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
