"""Recompute each figure of summary.md from the rows in this folder, and say what does not agree.

Usage: python3 check.py [FOLDER]. It needs nothing but Python 3.11, and changes nothing. It ends with 0 where all agree.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

Row = dict[str, Any]

ENDS = {"expired", "revoked", "withdrawn"}
DECIDED = {"approved": "approved", "denied": "denied", "withdrawn": "withdrawn", "lapsed": "lapsed"}


def table(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def moment(text: str) -> float:
    """Milliseconds since 1970, as the audit has them."""
    return datetime.fromisoformat(text).timestamp() * 1000


def hashes(folder: Path) -> Iterator[str]:
    """Each file is the one that was written, and there is no other."""
    sums = (line.split("  ", 1) for line in (folder / "SHA256SUMS").read_text().splitlines())
    listed = {name: digest for digest, name in sums}
    for name, digest in listed.items():
        path = folder / name
        if not path.exists():
            yield f"{name} is missing."
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            yield f"{name} is not the file that was written: its hash differs from SHA256SUMS."
    for path in sorted(folder.iterdir()):
        if path.name not in {*listed, "SHA256SUMS"}:
            yield f"{path.name} is in the folder and not in SHA256SUMS."


def rows_follow(lines: list[Row]) -> Iterator[str]:
    """No row of the audit is missing or was moved, each follows the one before, and each text is the one that was written."""
    for before, line in pairwise(lines):
        number, last = line["row"]["number"], before["row"]["number"]
        if number != last + 1:
            yield f"audit.jsonl: row {last + 1} is missing, or out of order: row {number} comes behind row {last}."
        elif before["link"] and line["row"]["prev"] != before["link"]:
            yield f"audit.jsonl: row {number} does not follow the row {last} that stands there."
    for line in lines:
        for name, (salt, value) in line["texts"].items():
            text = json.dumps(value, sort_keys=True, separators=(",", ":"))
            if hashlib.sha256((salt + text).encode()).hexdigest() != line["row"]["texts"].get(name):
                yield f"audit.jsonl: in row {line['row']['number']}, {name} is not what was written."


def population(rows: list[Row], requests: list[Row], start: str) -> Iterator[str]:
    """Every request of the period is there, once, and decided as the audit says."""
    numbers = [int(one["request"][2:]) for one in requests if one["asked"] >= start]
    for before, number in pairwise(numbers):
        if number != before + 1:
            yield f"requests.csv: R-{before + 1} is missing, or out of order."
    asked = {row["request"] for row in rows if row["event"] == "asked"}
    for number in sorted(asked ^ set(numbers)):
        where = "requests.csv" if number in asked else "audit.jsonl, as asked for"
        yield f"R-{number} is not in {where}."
    known = {one["request"]: one for one in requests}
    for row in rows:
        one = known.get(f"R-{row['request']}")
        if row["event"] in DECIDED and one and one["state"] != DECIDED[row["event"]]:
            yield f"R-{row['request']} is {one['state']} in requests.csv, and {row['event']} in row {row['number']}."


def four_eyes(rows: list[Row], requests: list[Row], reviews: list[Row]) -> Iterator[str]:
    """Whoever approved is who the audit says, enough of them, and never who asked."""
    known = {one["request"]: one for one in requests}
    said_yes: defaultdict[str, set[str]] = defaultdict(set)
    for one in reviews:
        if one["verdict"] == "yes" and not one["void"]:
            said_yes[one["request"]].add(one["reviewer"])
    for row in (row for row in rows if row["event"] == "approved"):
        label, told = f"R-{row['request']}", set(row["details"]["approvers"])
        one = known.get(label, {"approved_by": "", "requester_ids": ""})
        for where, found in (("reviews.csv", said_yes[label]), ("requests.csv", set(one["approved_by"].split()))):
            if found != told:
                names = [", ".join(sorted(some)) or "nobody" for some in (found, told)]
                yield f"{label} was approved by {names[0]} in {where}, and by {names[1]} in row {row['number']}."
        if told & set(one["requester_ids"].split()):
            yield f"{label} was approved by its own requester."
        if len(told) < row["details"]["need"]:
            yield f"{label} needed {row['details']['need']} approvals and had {len(told)}."


def leavers(rows: list[Row]) -> tuple[dict[int, Row], dict[int, Row]]:
    """For each request whose holder left: the row of that, and the row that ended it or said that they are back, if any."""
    left: dict[int, Row] = {}
    over: dict[int, Row] = {}
    for row in rows:
        request = row["request"]
        if request and row["event"] == "left":
            left[request] = row
            over.pop(request, None)
        elif request in left and row["event"] in ENDS | {"returned"}:
            over.setdefault(request, row)
    return left, over


def periodic(rows: list[Row]) -> tuple[Counter[str], int]:
    """How often approvers were asked whether access is still needed, and what came of each time."""
    counts: Counter[str] = Counter()
    waits: set[int] = set()
    for row in rows:
        if row["event"] == "reminded" and row["details"].get("of") == "renewal":
            counts["asked"] += 1
            waits.add(row["request"])
        elif row["request"] in waits and (row["event"] == "renewed" or row["event"] in ENDS):
            counts["kept" if row["event"] == "renewed" else "ended"] += 1
            waits.remove(row["request"])
    return counts, len(waits)


def figures(rows: list[Row], requests: list[Row], reviews: list[Row], keys: list[Row], start: str) -> dict[str, int]:
    events = Counter(row["event"] for row in rows)
    asked = [int(one["request"][2:]) for one in requests if one["asked"] >= start]
    approved = [row for row in rows if row["event"] == "approved"]
    ids = {one["request"]: set(one["requester_ids"].split()) for one in requests}
    decided_now = {f"R-{row['request']}" for row in approved}
    own = {
        one["request"]
        for one in reviews
        if one["verdict"] == "yes" and not one["void"] and one["reviewer"] in ids.get(one["request"], ())
    }
    ended = {one["request"] for one in requests if one["ended"]}
    left, over = leavers(rows)
    came_back = sum(row["event"] == "returned" for row in over.values())
    reviewed, waits = periodic(rows)
    return {
        "requests.asked": len(asked),
        "requests.first": min(asked, default=0),
        "requests.last": max(asked, default=0),
        **{f"decisions.{event}": events[event] for event in DECIDED},
        "approvals.by_people": sum(bool(row["details"]["approvers"]) for row in approved),
        "approvals.by_rule": sum(not row["details"]["approvers"] for row in approved),
        "approvals.by_the_requester": len(own & decided_now),
        "access.given": sum(one["granted"] >= start for one in requests if one["granted"]),
        "access.living": sum(bool(one["granted"]) and not one["ended"] for one in requests),
        "keys.made": events["key created"],
        "keys.deleted": events["key deleted"],
        "keys.past_their_end": sum(one["request"] in ended and not one["deleted"] for one in keys),
        "leavers.found": len(left),
        "leavers.ended": len(over) - came_back,
        "leavers.returned": came_back,
        "leavers.open": len(left) - len(over),
        "reviews.asked": reviewed["asked"],
        "reviews.kept": reviewed["kept"],
        "reviews.ended": reviewed["ended"],
        "reviews.open": waits,
        "configuration.changes": events["configured"],
        "configuration.groups_changed": events["group changed"],
    }


def findings(folder: Path) -> tuple[list[str], int]:
    """Everything that does not agree, in sentences; and how many figures there are."""
    found = list(hashes(folder))
    summary = (folder / "summary.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| ([a-z_]+\.[a-z_]+) \| (\S+) \|", summary, re.MULTILINE))
    with (folder / "audit.jsonl").open(encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    start, end = (told.pop(name, "1970-01-01T00:00:00Z") for name in ("period.from", "period.to"))
    rows = [line["row"] for line in lines if moment(start) <= line["row"]["at"] < moment(end)]
    requests, reviews, keys = (table(folder / f"{name}.csv") for name in ("requests", "reviews", "keys"))
    found += [*rows_follow(lines), *population(rows, requests, start), *four_eyes(rows, requests, reviews)]
    left, over = leavers(rows)
    for one in table(folder / "leavers.csv"):
        row, end = left.pop(int(one["request"][2:]), None), over.get(int(one["request"][2:]))
        if row is None or int(one["left_row"]) != row["number"] or one["end_row"] != str(end["number"] if end else ""):
            found.append(f"leavers.csv: {one['request']} is not what the audit's rows say.")
    found += [f"leavers.csv: R-{number} is missing." for number in left]
    right = {"audit.rows": len(lines), "audit.first": 0, "audit.last": 0}
    if lines:
        right |= {"audit.first": lines[0]["row"]["number"], "audit.last": lines[-1]["row"]["number"]}
    right |= figures(rows, requests, reviews, keys, start)
    for name in sorted({*right, *told}):
        if str(right.get(name)) != told.get(name):
            found.append(f"summary.md: {name} is {told.get(name, 'not there')}, and the rows give {right.get(name)}.")
    return found, len(right)


def main() -> int:
    found, many = findings(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent))
    sys.stdout.write("\n".join(found or [f"All {many} figures agree with the rows."]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
