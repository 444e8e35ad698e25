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
REQUESTS, REVIEWS, KEYS, LEAVERS = LISTS = ("requests.csv", "reviews.csv", "keys.csv", "leavers.csv")
TIMES: dict[str, dict[str, tuple[str, ...]]] = {
    REQUESTS: {
        "asked": ("plan", "extends"),
        "decided": ("state", "decided_by", "approved_by"),
        "granted": ("until",),
        "ended": ("ended_by",),
    },
    REVIEWS: {"at": ("verdict", "counted_by")},
    KEYS: {"made": ("expires",), "deleted": ()},
    LEAVERS: {"left": ("person", "left_row"), "ended": ("end_row", "how")},
}
"""The columns of times of each list, with what else the audit's row of that time says."""
OF_EXTENSION = {"plan", "until", "approved_by", "approved_in", "rule", "verdict", "counted_by", "at", "void", "expires"}
"""The columns that an extension changes."""
HOUR = 60 * 60 * 1000
PROBATION = HOUR / 4
UNREADABLE = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)
"""What comes of reading a file that is not as it was written, or is not there."""
Row = dict[str, Any]


def table(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


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


def some(words: list[str]) -> str:
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "")


def hashes(folder: Path) -> Iterator[str]:
    """Each file is the one that was written, and there is no other."""
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
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


class Evidence:
    """The lists, and what the audit's rows say of them: `told` has it by list, request, and reviewer or key: for each column its
    value and the row that says so. `found` is what does not agree, in sentences, and `notes` what no row of the folder proves."""

    def __init__(self, folder: Path, start: str, end: str) -> None:
        self.start, self.end = start, end
        self.since, self.until = moment(start), moment(end)
        self.lists = {name: table(folder / name) for name in LISTS}
        self.requests = {one["request"]: one for one in self.lists[REQUESTS]}
        self.asked = [int(label[2:]) for label, one in self.requests.items() if one["asked"] >= start]
        self.told: dict[str, defaultdict[str, dict[str, Row]]] = {name: defaultdict(dict) for name in LISTS}
        self.found: list[str] = []
        self.notes: list[str] = []
        self.first = self.last = self.rows = 0
        self.link: str | None = None
        self.counts: Counter[str] = Counter()
        self.waits: set[str] = set()
        self.sent: set[tuple[str, str]] = set()
        self.untils: defaultdict[str, set[str]] = defaultdict(set)
        self.elsewhere: set[str] = set()
        """Extended before the period or after it: they have the plan, the end and the approvals of then."""

    def of(self, label: str, column: str) -> str:
        return str(self.requests.get(label, {}).get(column, ""))

    # --- the audit's rows, one after the other

    def take(self, line: Row) -> None:
        """No row is missing or was moved, each follows the one before, and each text is the one that was written."""
        row, number = line["row"], line["row"]["number"]
        if self.rows and number != self.last + 1:
            missing = f"row {self.last + 1} is missing, or out of order"
            self.found.append(f"audit.jsonl: {missing}: row {number} comes behind row {self.last}.")
        elif self.link and row["prev"] != self.link:
            self.found.append(f"audit.jsonl: row {number} does not follow the row {self.last} that stands there.")
        for name, (salt, value) in line["texts"].items():
            text = json.dumps(value, sort_keys=True, separators=(",", ":"))
            if hashlib.sha256((salt + text).encode()).hexdigest() != row["texts"].get(name):
                self.found.append(f"audit.jsonl: in row {number}, {name} is not what was written.")
        self.first, self.last, self.link, self.rows = self.first or number, number, line["link"], self.rows + 1
        if self.since <= row["at"] < self.until:
            self.counts[row["event"]] += 1
            if row["request"]:
                self.tell(row, f"R-{row['request']}", f"row {number}")

    def tell(self, row: Row, label: str, where: str) -> None:
        event, details, at = row["event"], row["details"], row["at"]
        person, api, actor = (str(row[name] or "") for name in ("person", "api", "actor"))

        def say(name: str, key: str = "", **cells: str) -> None:
            self.told[name][label].setdefault(key, {}).update({column: (one, where) for column, one in cells.items()})

        request, leaver = (self.told[name].get(label, {}).get("", {}) for name in (REQUESTS, LEAVERS))
        of, told_in = request.get("requester", (person, ""))
        if of != person:
            self.found.append(f"audit.jsonl: {label} is of {person} in {where}, and of {of} in {told_in}.")
        say(REQUESTS, requester=person, api=api)
        extends = request["extends"][0] if "extends" in request else self.of(label, "extends")
        # What was granted or waited ends, also by a refusal of the bot itself, before a key is made or its token shown.
        is_end = event in {"expired", "revoked", "withdrawn"} or (event == "refused" and row["actor"] is None)
        if event == "asked":
            say(REQUESTS, asked=said(at), plan=details["plan"], extends=details.get("extends", ""))
        elif event in DECIDED:
            say(REQUESTS, state=event, decided=said(at), decided_by=actor, approved_by="", approved_in="")
        elif is_end and not extends:
            say(REQUESTS, ended=said(at), ended_by=actor)
        if event == "approved":
            self.approved(label, person, details)
            say(REQUESTS, approved_by=" ".join(sorted(details["approvers"])) or "rule", approved_in=label)
            say(REQUESTS, rule=f"{details['rule']}@{details['rule_digest']}")
            say(REQUESTS, **({"plan": details["plan"]} if "plan" in details else {}))
            if not extends:
                say(REQUESTS, granted=said(at), until=same(details["until"]) or "never")
        elif event == "extended":
            self.extended(label, details["by"], same(details["until"]), where)
        elif event == "reviewed":
            cells = {name: details[name] for name in ("verdict", "counted_by")}
            say(REVIEWS, details["reviewer"], at=said(at), void="", **cells)
        elif event == "recounted":
            say(REVIEWS, details["reviewer"], void=details["why"])
        elif event == "key created":
            say(KEYS, details["key_hash"], made=said(at), expires=same(details["expires"]))
        elif event == "key deleted":
            say(KEYS, details["key_hash"] or "", deleted=said(at))
        elif event == "sent":
            self.sent.add((label, self.newest_key(label)))
        elif event == "left":
            self.told[LEAVERS].pop(label, None)
            say(LEAVERS, person=person, left=said(at), left_row=str(row["number"]), ended="", end_row="", how="")
        elif event == "reminded" and details.get("of") == "renewal":
            self.counts["reviews.asked"] += 1
            self.waits.add(label)
        if (event == "returned" or is_end) and leaver and not leaver["how"][0]:
            say(LEAVERS, ended=said(at), end_row=str(row["number"]), how=event)
        if (event == "renewed" or is_end) and label in self.waits:
            self.counts["reviews.kept" if event == "renewed" else "reviews.ended"] += 1
            self.waits.remove(label)

    def newest_key(self, label: str) -> str:
        return next(reversed(self.told[KEYS][label]), "")

    def approved(self, label: str, person: str, details: Row) -> None:
        """An approval is of as many as it takes, and never of who asked: the row says who that is."""
        approvers, need = set(details["approvers"]), details["need"]
        if len(approvers) < need:
            self.found.append(f"{label} needed {need} approval{'' if need == 1 else 's'} and had {len(approvers)}.")
        self.counts["approvals.by_people" if approvers else "approvals.by_rule"] += 1
        if approvers & {person, *self.of(label, "requester_ids").split()}:
            self.counts["approvals.by_the_requester"] += 1
            self.found.append(f"{label} was approved by its own requester.")

    def extended(self, label: str, by: str, until: str, where: str) -> None:
        """A held token takes over plan, rule, end and approvals of the request that extends it."""
        reviews, held, other = self.told[REVIEWS], self.told[REQUESTS][label][""], self.told[REQUESTS][by].get("", {})
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

    # --- the lists beside them

    def differences(self) -> Iterator[str]:
        """The differences of the lists from the audit's rows, or from each other."""
        yield from self.found
        for before, number in pairwise(self.asked):
            if number != before + 1:
                yield f"requests.csv: R-{before + 1} is missing, or out of order."
        yield from self.extended_elsewhere()
        self.deleted: defaultdict[str, list[str]] = defaultdict(list)
        for one in self.lists[KEYS]:
            self.deleted[one["request"]].append(one["deleted"])
        for label, of in self.told[LEAVERS].items():
            is_over = not {"", "unknown"} & set(self.deleted[label])
            of[""]["keys_deleted"] = max(self.deleted[label], default="") if is_over else "", KEYS
        unproved: defaultdict[str, list[str]] = defaultdict(list)
        for name in LISTS:
            left = {label: dict(of) for label, of in self.told[name].items()}
            for one in self.lists[name]:
                yield from self.compared(name, one, left.get(one["request"], {}), unproved)
            for label, of in left.items():
                for key, cells in of.items():
                    yield from self.missing(name, label, key, cells)
        if unknown := [label for label, one in self.requests.items() if one["review_due"] == "unknown"]:
            unproved["requests.csv: review_due"] = unknown
        for columns, whose in unproved.items():
            self.notes.append(f"{columns} of {some(whose)}: not of the period, so nothing here proves it.")
        yield from self.approvals()

    def extended_elsewhere(self) -> Iterator[str]:
        for label, one in self.requests.items():
            by, told = one["approved_in"], self.told[REQUESTS][label].get("", {})
            if by in ("", told.get("approved_in", (label,))[0]):
                continue
            is_known = by in self.requests or int(by[2:]) <= max(self.asked, default=0)
            if is_known and self.of(by, "extends") != label:
                yield f"requests.csv: {label} was not approved in {by}, which does not extend it."
            else:
                self.elsewhere.add(label)
        for label in sorted(self.elsewhere):
            outside = f"{label} was extended in {self.of(label, 'approved_in')}, outside the period"
            self.notes.append(f"{outside}: no row here proves its plan, end and approvals.")

    def compared(self, name: str, one: Row, told: Row, unproved: defaultdict[str, list[str]]) -> Iterator[str]:
        """Each column that a row states, and whether there is a row for each time in the period."""
        label, key = one["request"], str(one.get("reviewer", one.get("key_hash", "")))
        what = f"{label} {key}".strip()
        if name == KEYS and not key and one["deleted"] in ("", "unknown"):  # Tyk lost it, and it has no hash any more
            self.notes.append(f"keys.csv: a key of {label} has no hash, so no row here proves which it was.")
            key = self.newest_key(label)
        cells = told.pop(key, {})
        for column, (value, where) in cells.items():
            if one[column] != value and not self.may_differ(name, one, column, cells):
                yield f"{name}: {column} of {what} is {one[column] or 'empty'}, and {value or 'empty'} in {where}."
        latest = ""
        for time, others in TIMES[name].items():
            latest = max(latest, one[time])
            if not one[time] and any(one[other] not in ("", "pending") for other in others):
                yield f"{name}: {time} of {what} is empty."
            if not one[time] or time in cells or (name == REVIEWS and label in self.elsewhere):
                continue
            if self.start <= latest and (name, one[time]) != (KEYS, "unknown"):  # it ends after it began in the period
                yield f"{name}: {time} of {what} is {one[time]}, and no row of the audit says so."
            else:
                unproved[f"{name}: {', '.join((time, *others))}"].append(what)

    def may_differ(self, name: str, one: Row, column: str, cells: Row) -> bool:
        """The list has this as it is now, and not as it was at the end of the period; or a key was never confirmed."""
        label, is_expiry = one["request"], column == "expires"
        if label in self.elsewhere and column in OF_EXTENSION:
            return True
        if not is_expiry:
            return name == REVIEWS and column == "void" and self.waited(label)
        is_short = bool(one[column]) and moment(one[column]) <= moment(cells["made"][0]) + PROBATION
        return one[column] in self.untils[label] or (is_short and (label, one["key_hash"]) not in self.sent)

    def waited(self, label: str) -> bool:
        """The request had not been decided by the end of the period, so what was said of it may have changed since."""
        return "decided" not in self.told[REQUESTS][label].get("", {}) and not self.of(label, "decided")

    def missing(self, name: str, label: str, key: str, cells: Row) -> Iterator[str]:
        where = next((where for column, (_, where) in cells.items() if column not in ("requester", "api")), None)
        was_seen = (label, key) in self.sent or "deleted" in cells or key == self.newest_key(label)
        if name == REVIEWS and (label in self.elsewhere or self.waited(label)):
            self.notes.append(f"reviews.csv: what {key} said of {label} in {where} was changed after the period.")
        elif name == KEYS and not was_seen:
            self.notes.append(f"keys.csv: {key} of {label} in {where} was made again before anybody saw its token.")
        elif where is not None:  # else it was over before, and is in no list
            yield f"{name}: {f'{label} {key}'.strip()} is missing, and {where} tells of it."

    def approvals(self) -> Iterator[str]:
        """Whoever approved in reviews.csv is who the audit says: of a grant that was extended, in the last extension. And the
        columns of which no row tells fit the others."""
        said_yes: defaultdict[str, set[str]] = defaultdict(set)
        for one in self.lists[REVIEWS]:
            if one["verdict"] == "yes" and not one["void"]:
                said_yes[one["request"]].add(one["reviewer"])
        for label, one in self.requests.items():
            told, where = self.told[REQUESTS][one["approved_in"]].get("", {}).get("approved_by", (None, ""))
            yes = " ".join(sorted(said_yes[label])) or "rule"
            if told not in (None, yes):
                names = [names.replace(" ", ", ") for names in (yes, told)]
                yield f"{label} was approved by {names[0]} in reviews.csv, and by {names[1]} in {where}."
            fits = {
                "requester_ids": one["requester"] in one["requester_ids"].split(),
                "rule": one["rule"].startswith(f"{one['api']}@"),
                "approved_in": not one["approved_in"] or one["state"] in ("approved", "pending"),
                "review_due": not one["review_due"] or one["until"] == "never",
            }
            for column in (column for column, is_so in fits.items() if not is_so):
                yield f"requests.csv: {column} of {label} is {one[column] or 'empty'}, which does not fit the rest of its line."

    def figures(self) -> dict[str, int]:
        requests, counts, asked = self.requests.values(), self.counts, self.asked
        leavers = [{column: value for column, (value, _) in of[""].items()} for of in self.told[LEAVERS].values()]
        how = Counter(one["how"] for one in leavers)
        took = [
            math.ceil(max(moment(one["keys_deleted"]) - moment(one["left"]), 0) / HOUR)
            for one in leavers
            if one["keys_deleted"] and one["how"] not in ("", "returned")
        ]
        return {
            "audit.rows": self.rows,
            "audit.first": self.first,
            "audit.last": self.last,
            "requests.asked": len(asked),
            "requests.first": min(asked, default=0),
            "requests.last": max(asked, default=0),
            **{f"decisions.{event}": counts[event] for event in DECIDED},
            **{name: counts[name] for name in (f"approvals.by_{who}" for who in ("people", "rule", "the_requester"))},
            "access.given": sum(one["granted"] >= self.start for one in requests if one["granted"]),
            "access.living": sum(bool(one["granted"]) and not one["ended"] for one in requests),
            "keys.made": counts["key created"],
            "keys.deleted": counts["key deleted"],
            "keys.past_their_end": sum(self.deleted[one["request"]].count("") for one in requests if one["ended"]),
            "leavers.found": len(leavers),
            "leavers.ended": len(leavers) - how["returned"] - how[""],
            "leavers.returned": how["returned"],
            "leavers.open": how[""],
            "leavers.hours_at_most": max(took, default=0),
            "leavers.over_a_day": sum(hours > 24 for hours in took),
            **{name: counts[name] for name in ("reviews.asked", "reviews.kept", "reviews.ended")},
            "reviews.open": len(self.waits),
            "reviews.due": sum("" < one["review_due"] < self.end and not one["ended"] for one in requests),
            "configuration.changes": counts["configured"],
            "configuration.groups_changed": counts["group changed"],
        }


def findings(folder: Path) -> tuple[list[str], list[str], int]:
    """Everything that does not agree, in sentences; what no row proves; and how many figures there are. A file that is not as it
    was written may keep all the others from being compared."""
    found = list(hashes(folder))
    try:
        summary = (folder / "summary.md").read_text(encoding="utf-8")
        told = dict(re.findall(r"^\| ([a-z_]+\.[a-z_]+) \| (\S+) \|", summary, re.MULTILINE))
        start, end = (told.pop(name, "1970-01-01T00:00:00Z") for name in ("period.from", "period.to"))
        evidence = Evidence(folder, start, end)
        with (folder / "audit.jsonl").open(encoding="utf-8") as file:
            for line in file:
                evidence.take(json.loads(line))
        found += evidence.differences()
        right = evidence.figures()
    except UNREADABLE as error:
        name = Path(getattr(error, "filename", None) or "").name or "A file"
        return [*found, f"{name} cannot be read: {reason(error)}. So no figure was recomputed."], [], 0
    for name in sorted({*right, *told}):
        if str(right.get(name)) != told.get(name):
            found.append(f"summary.md: {name} is {told.get(name, 'not there')}, and the rows give {right.get(name)}.")
    return found, evidence.notes, len(right)


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
