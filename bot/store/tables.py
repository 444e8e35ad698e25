"""The tables, for SQLite and PostgreSQL alike. Times are whole milliseconds since 1970, UTC; values of the core are JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    literal_column,
)
from sqlalchemy.engine import Dialect


class Moment(TypeDecorator[datetime]):
    """An aware datetime, stored as milliseconds, so that both engines compare it alike."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        return None if value is None else to_ms(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else from_ms(value)


def to_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def from_ms(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


metadata = MetaData()
WHERE = "where"
"""Of an index of some rows alone, which: a keyword of each dialect would load them all."""

requests = Table(
    "requests",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("number", Integer, nullable=False, unique=True),
    Column("team_id", String(32), nullable=False),
    Column("user_id", String(32), nullable=False),
    Column("requester_name", Text, nullable=False),
    Column("api", String(100), nullable=False),
    Column("rule", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("plan", String(100), nullable=False),
    Column(
        "opens", Text, nullable=False, server_default=""
    ),  # entries of the further APIs of the plan, a blank before and after each
    Column("lifetime", BigInteger),
    Column("used_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("lapses_at", Moment, nullable=False),
    Column("decided_at", Moment),
    Column("decided_team", String(32)),
    Column("decided_user", String(32)),
    Column("decision_reason", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("revision", Integer, nullable=False, server_default="1"),
    Column("undecidable", Text, nullable=False, server_default=""),
    Column("undecidable_since", Moment),
    Column("extends", String(64)),  # the request whose grant this one asks to extend, and its number
    Column("extends_number", Integer),
    Column("asked_plan", String(100)),  # with asked_lifetime: what was asked for, where less is given
    Column("asked_lifetime", BigInteger),
    Column("questions", Text, nullable=False, server_default="[]"),
    Column("asker", Text, nullable=False, server_default=""),  # JSON; empty of one that is older than the column
    Column("erased_at", Moment),
)
Index("requests_by_person", requests.c.user_id, requests.c.team_id, requests.c.api)
Index("requests_by_state", requests.c.state, requests.c.number)
Index("requests_by_age", requests.c.erased_at, requests.c.created_at)

reviews = Table(
    "reviews",
    metadata,
    Column("request_id", ForeignKey("requests.id"), primary_key=True),
    Column("team_id", String(32), primary_key=True),
    Column("user_id", String(32), primary_key=True),
    Column("verdict", String(8), nullable=False),
    Column("counted_by", String(32), nullable=False),
    Column("at", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("void", Text, nullable=False, server_default=""),
)
Index("reviews_by_person", reviews.c.user_id, reviews.c.at)

grants = Table(
    "grants",
    metadata,
    Column("request_id", ForeignKey("requests.id"), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
    Column("ended_at", Moment),
    Column("end_reason", Text, nullable=False),
    Column("ended_team", String(32)),
    Column("ended_user", String(32)),
    Column("review_at", Moment),
    Column("asked_at", Moment),
    Column("reminded_at", Moment),
    Column("left_at", Moment),
    Column("extended_at", Moment),
    Column("extended_by", Integer),
    Column("kept_at", Moment),
    Column("kept_team", String(32)),
    Column("kept_user", String(32)),
    Column("holder_asked_at", Moment),
    Column("in_use_at", Moment),
)
Index("grants_by_state", grants.c.state, grants.c.since)

keys = Table(
    "keys",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("request_id", ForeignKey("requests.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("made_at", Moment),
    Column("key_hash", String(128)),
    Column("expires_at", Moment),
    Column("sealed", LargeBinary),
    Column("shown_at", Moment),
    Column("hidden_at", Moment),
    Column("verified_at", Moment),
    Column("gone_at", Moment),
    Column("dead_at", Moment),
)

AT_TYK = keys.c.state.in_([literal_column(f"'{state}'", String()) for state in ("probation", "live")])
"""The key is at Tyk. In words of the statement, as of the effects below: so the index holds what lives alone."""
Index("keys_at_tyk", keys.c.request_id, info={WHERE: AT_TYK})

messages = Table(
    "messages",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("request_id", ForeignKey("requests.id"), nullable=False, index=True),
    Column("position", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("target", String(32), nullable=False),
    Column("topic", String(16)),
    Column("channel", String(32)),
    Column("ts", String(32)),
    Column("shown_version", Integer, nullable=False),
    Column("posted_at", Moment),
    Column("key_id", String(64)),
    Column("question_id", String(64)),
)
Index("messages_by_ts", messages.c.channel, messages.c.ts)

effects = Table(
    "effects",
    metadata,
    # On SQLite a BIGINT primary key would not number itself.
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("subject_id", String(64), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("request_id", ForeignKey("requests.id"), index=True),
    Column("lane", String(32)),
    Column("urgency", Integer, nullable=False, server_default="2"),
    Column("due_at", Moment, nullable=False),
    Column("state", String(8), nullable=False),
    Column("lease_until", Moment),
    Column("epoch", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("bugs", Integer, nullable=False),
    Column("first_failed_at", Moment),
    Column("told", Boolean, nullable=False),
    Column("again", Boolean, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("why", Text, nullable=False, server_default=""),
    UniqueConstraint("subject_id", "kind", name="effects_once"),
)
OPEN, DONE, DROPPED, PARKED = (
    literal_column(f"'{state}'", String()) for state in ("open", "done", "dropped", "parked")
)
"""The states as words of a statement, not as its parameters: else no partial index would fit it."""

# Partial: what is done or waits for its hour costs nothing to find what is due, late, parked or at work.
for name, columns, condition in (
    ("effects_due", ("urgency", "due_at"), effects.c.state == OPEN),
    ("effects_at_work", ("lease_until", "subject_id"), effects.c.lease_until.is_not(None)),
    ("effects_failing", ("first_failed_at",), (effects.c.state == OPEN) & effects.c.first_failed_at.is_not(None)),
    ("effects_parked", ("id",), effects.c.state == PARKED),
    ("effects_over", ("due_at",), effects.c.state.in_((DONE, DROPPED))),
):
    Index(name, *(effects.c[column] for column in columns), info={WHERE: condition})

outages = Table(
    "outages",
    metadata,
    Column("cause", String(64), primary_key=True),
    Column("since", Moment, nullable=False),
    Column("over_at", Moment),
    Column("said", Boolean, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("subject", String(140), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("request_id", ForeignKey("requests.id"), index=True),
    Column("label", String(32), nullable=False),
    Column("key_hash", String(128), nullable=False),
    Column("what", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("look", Integer, nullable=False),
    Column("said", Text, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("event", String(24), nullable=False),
    Column("request_id", String(64), index=True),
    Column("request_number", Integer),
    Column("api", String(100)),
    Column("person_team", String(32)),
    Column("person_user", String(32)),
    Column("actor_team", String(32)),
    Column("actor_user", String(32)),
    Column("details", Text, nullable=False),
    # Of `core.chain`: the digests of the texts beside the row, the link of the row before, the key's id, and the row's own link.
    Column("texts", Text, nullable=False, server_default="{}"),
    Column("prev", String(64)),
    Column("chain_key", String(16)),
    Column("link", String(64)),
)

audit_texts = Table(
    "audit_texts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("request_id", String(64), index=True),
    Column("texts", Text, nullable=False),
)
"""What people typed and what they are called, beside the rows of the audit: JSON, each text with its salt. It can be erased."""

ids = Table(
    "ids",
    metadata,
    Column("user_id", String(32), primary_key=True),
    Column("also", String(32), primary_key=True),
)
"""User ids of one person, each beside each other one: on Enterprise Grid there may be two."""

names = Table(
    "names",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
)
"""What the people and user groups of the audit are called."""

audit_threads = Table(
    "audit_threads",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("channel", String(32), primary_key=True),
    Column("ts", String(32), nullable=False),
)
"""The message of an audit channel under which the others about a request stand."""

counters = Table(
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("head", String(64), nullable=False, server_default=""),  # of the audit: the link of its newest row
)

meta = Table(
    "meta",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
