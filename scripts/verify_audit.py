#!/usr/bin/env python3
"""Prove an exported audit, with Python's standard library alone and without the bot: docs/audit.md describes what is proved.

    tyk-key-bot audit export > audit.jsonl       tyk-key-bot audit key > audit.key
    python3 verify_audit.py audit.jsonl audit.key --head 1042:0123456789abcdef0123

It ends with 0 where every row fits, with 1 where one does not, which it names, and with 2 where it was given something else.
"""

import argparse
import hashlib
import hmac
import json
import sys

VERSION = "0.1.0"  # of the bot that it came with
COMMANDS = {  # the events that a command may write without the key: none of them gives anybody anything
    "delayed", "denied", "erased", "expired", "key deleted", "lapsed", "name accepted", "recovered", "reminded", "retried",
    "revoked", "stuck",
}  # fmt: skip
ROW = {"details", "event", "key", "number", "prev", "texts"}


class Misfit(Exception):
    """A row does not fit."""


class Unreadable(Exception):
    """A file that is something else than what it was given for."""


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def salted(text):
    return isinstance(text, (list, tuple)) and len(text) == 2 and isinstance(text[0], str)


def digest(salt, text):
    return hashlib.sha256(salt.encode() + canonical(text)).hexdigest()


def read_keys(path):
    """The keys by their ids, and the number of the first row that is chained; a line is a number and a key in hexadecimal."""
    try:
        pairs = [
            (int(first), bytes.fromhex(key)) for first, key in (line.split() for line in lines_of(path) if line.strip())
        ]
    except ValueError:
        pairs = []
    if not pairs:
        raise Unreadable(f"{path} holds no keys of an audit: `tyk-key-bot audit key` prints them.")
    ids = {hashlib.sha256(b"tyk-key-bot audit key" + key).hexdigest()[:16]: key for _, key in pairs}
    return ids, min(first for first, _ in pairs)


def read_rows(path):
    """The lines of an export, one after the other."""
    number = 0
    for number, line in enumerate(lines_of(path), 1):
        try:
            row = json.loads(line)
            known = (
                {"link", "row", "texts"} <= row.keys() and row["row"].keys() >= ROW and isinstance(row["texts"], dict)
            )
        except (ValueError, AttributeError, TypeError, RecursionError):
            known = False
        if not known:
            raise Unreadable(f"{path}, line {number}, is no row of an audit: `tyk-key-bot audit export` writes them.")
        yield row
    if not number:
        raise Unreadable(f"{path} is empty: nothing was proved.")


def lines_of(path):
    try:
        with open(path, encoding="utf-8") as file:
            yield from file
    except UnicodeDecodeError:
        raise Unreadable(f"{path} is no text.") from None
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from None


def verify(lines, keys, begins, heads, part=False):
    """Go through the lines. Returns what is to be said, a sentence each; raises Misfit.

    Of a part nothing is said of what is before it, nor of texts that are gone: an erasure behind it may account for them."""
    last, link, chained, older, erased, accounted, without_key = 0, "", 0, 0, 0, 0, []
    for line in lines:
        row, found, number = line["row"], line["link"], line["row"]["number"]
        if part and not last:
            last, link = number - 1, row["prev"] or ""
            if before := [noted for noted, _ in heads if noted < number]:
                raise Misfit(f"The head {before[0]} is of a row before this part, which begins with row {number}.")
        if number == last:
            raise Misfit(f"Row {number} stands there twice: the chain forks.")
        if number < last:
            raise Misfit(f"Row {number} is out of order: it comes behind row {last}.")
        if number > last + 1:
            if any(one["row"]["number"] == last + 1 for one in lines):
                raise Misfit(f"Row {last + 1} is out of order: it comes behind row {number}.")
            raise Misfit(f"Row {last + 1} is missing.")
        if found is None and number < begins and not chained:
            older += 1
        elif found is None:
            raise Misfit(f"Row {number} is not chained: this program did not write it, or an older version did.")
        elif row["key"] is not None and row["key"] not in keys:
            raise Misfit(f"Row {number} is chained with a key that is not given: {row['key']}.")
        else:
            key = None if row["key"] is None else keys[row["key"]]
            made = hashlib.sha256(canonical(row)) if key is None else hmac.new(key, canonical(row), "sha256")
            if made.hexdigest() != found:
                raise Misfit(f"Row {number} was edited.")
            if row["prev"] != link:
                raise Misfit(f"Row {number} does not follow the row {number - 1} that stands there: the chain forks.")
            if key is None and row["event"] not in COMMANDS:
                raise Misfit(f"Row {number} is chained without the key, which only the bot may write.")
            chained += 1
            without_key += [number] if key is None else []
        for name, text in line["texts"].items():
            if not salted(text) or digest(*text) != row["texts"].get(name):
                raise Misfit(f"Row {number} was edited: its {name} is not what was written.")
        if found is not None:  # of what is older nothing is proved, and so nothing accounted for
            erased += len(row["texts"]) - len(line["texts"])
            many = row["details"].get("texts")
            if row["event"] == "erased" and isinstance(many, int):  # a command without the key may say anything
                accounted += max(0, many)
        last, link = number, found or ""
        for noted, begins_with in heads:
            if noted == number and not link.startswith(begins_with):
                raise Misfit(
                    f"Row {number} is not the one of the head that was noted: the chain forks there or before."
                )
    for noted, _ in heads:
        if noted > last:
            raise Misfit(f"The end is cut off: the last row is {last}, and the head {noted} was noted.")
    if erased > accounted and not part:
        told = f"{erased} texts are gone, and erasures account for {accounted} of them"
        raise Misfit(f"{told}: the others were removed by hand.")
    yield f"Rows {last - chained + 1} to {last} fit ({chained}). The head is {last}:{link[:20]}."
    yield f"Rows that are older than the chain: {older}. Rows that commands wrote without the key: {without_key or 0}."
    yield f"Texts that were erased: {erased}."


def head(text):
    number, _, digest = text.partition(":")
    if len(digest) < 20 or not number.isdecimal():
        raise argparse.ArgumentTypeError(
            f"a head is as the audit channel shows it, 1042:0123456789abcdef0123, not {text!r}"
        )
    return int(number), digest


def main():
    parser = argparse.ArgumentParser(description="Prove an exported audit.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {VERSION}")
    parser.add_argument("export", help="what `tyk-key-bot audit export` wrote")
    parser.add_argument("keys", help="what `tyk-key-bot audit key` printed")
    parser.add_argument(
        "--head", action="append", default=[], type=head, metavar="NUMBER:DIGEST", help="a head that was noted"
    )
    parser.add_argument(
        "--part",
        action="store_true",
        help="prove some rows, as `tyk-key-bot evidence` writes them: each follows the one before",
    )
    given = parser.parse_args()
    try:
        for sentence in verify(read_rows(given.export), *read_keys(given.keys), given.head, given.part):
            print(sentence)
    except Misfit as misfit:
        print(misfit)
        sys.exit(1)
    except Unreadable as unreadable:
        print(unreadable, file=sys.stderr)
        sys.exit(2)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        print(f"{given.export} holds a row that is not as it was written ({type(error).__name__}).", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
