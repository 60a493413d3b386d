"""The ledger's tables: columns, types and indexes. The migrations create them; a test compares both."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
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
    TextClause,
    UniqueConstraint,
    text,
)

from pm_autoaccept.ledger.db.column_types import UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# One row: the ledger's random id, which tells it apart from another ledger in its place, and when it was created (NULL
# if it is older than this table).
ledger = Table(
    "ledger",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("made_at", UtcDateTime),
)

# The provider accounts, each under its name in the settings. An account's name never passes to another account.
provider = Table(
    "provider",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(60), nullable=False, unique=True),
    Column("service", String(2000), nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("username", String(60), nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    # When connections and shares were first compared with our decisions. What existed then was there before us.
    Column("watched_since", UtcDateTime),
    # When they were last compared.
    Column("watched_at", UtcDateTime),
    # When a read last showed all current connections, except those that have an `absent_since`. So that a read of many
    # connections need not change them all, this counts as their `last_seen` if it is later than the one in their rows.
    Column("connections_seen_at", UtcDateTime),
    # The time before which personal data was last masked.
    Column("masked_at", UtcDateTime),
    # The mode of the last cycle: in observe mode, answers by people are recorded and never sent.
    Column("mode", String(10)),
    UniqueConstraint("service", "account_id"),
)


# Conditions of partial indexes. To use such an index, a query must repeat its condition exactly as written here. With
# parameters instead of values, neither database uses the index.
OPEN_REQUEST = text("outcome = 'open'")
MAY_STILL_GO_MISSING = text("(absent_reads < 2 OR outcome IS NULL OR outcome IN ('open', 'refused'))")
END_JUST_NOTED = text("(end_noted_at IS NOT NULL AND ended_at IS NULL)")
METER_REQUEST = text("kind = 'meter'")
WAITING_NOTIFICATION = text("effect IS NULL")
CURRENT_ITEM = text("ended_at IS NULL")
ABSENT_ITEM = text("(ended_at IS NULL AND absent_since IS NOT NULL)")
WAITING_ANSWER = text("state = 'waiting'")
ANSWER_IN_FORCE = text("state IN ('waiting', 'sent')")
WAITING_NOTICE = text("state = 'waiting'")
DEAD_NOTICE = text("state = 'dead'")
STOPPED_NOTICE = text("kind IN ('stopped', 'over')")
UNDECIDED_ITEM = text("(origin = 'undecided' AND ended_at IS NULL AND acknowledged_at IS NULL)")


def _partial_index(name: str, *columns: str, where: TextClause, unique: bool = False) -> Index:
    """An index of the rows that meet a condition, so that it stays small however old the ledger is.

    The migration names the condition for PostgreSQL too. Here SQLAlchemy would load that dialect to check its name.
    """
    return Index(name, *columns, sqlite_where=where, unique=unique)


def _provider_id(*, primary_key: bool = False) -> Column[int]:
    """The provider account that a row belongs to."""
    return Column("provider_id", Integer, ForeignKey("provider.id"), nullable=False, primary_key=primary_key)


# Requests: content, when they were seen, and their outcome.
request = Table(
    "request",
    metadata,
    Column("id", Integer, primary_key=True),
    _provider_id(),
    Column("kind", String(10), nullable=False),
    Column("pm_id", BigInteger, nullable=False),
    Column("content_digest", String(64), nullable=False),
    Column("occurrence", Integer, nullable=False),
    Column("account_id", BigInteger),
    Column("username", Text),
    Column("sender_id", BigInteger),
    Column("sender_username", Text),
    Column("property_id", BigInteger),
    Column("access_level", Text),
    Column("custom", JSON, nullable=False),
    Column("requested_at", UtcDateTime),
    Column("source", LargeBinary, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    # When a whole read first missed it, and how many whole reads have missed it since it was last seen.
    Column("absent_since", UtcDateTime),
    Column("absent_reads", Integer, nullable=False, default=0),
    # The digests of unreadable elements once read together with it, which therefore are not this request.
    Column("seen_with", JSON),
    # The intent whose reject may also reject this request: the last one in `cascaded_reject` that may have taken
    # effect. Not a foreign key, because intents point back here.
    Column("cascade_intent_id", Integer),
    # How many whole reads since its open answer was last sent still showed it pending.
    Column("present_reads", Integer, nullable=False, default=0),
    # The rule that holds it in enforce mode, and since when: the start of the `expire` period.
    Column("held_rule", Text),
    Column("held_since", UtcDateTime),
    Column("outcome", String(20)),
    Column("outcome_at", UtcDateTime),
    Column("outcome_text", Text, nullable=False, default=""),
    Column("retry_not_before", UtcDateTime),
    # When it was noted that what our accept created has ended, and when a read began with that known. A request pending
    # from then on is the next occurrence. Within a cycle the state stays as when the cycle's lists were recorded.
    Column("end_noted_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    # When its personal data was permanently masked.
    Column("masked_at", UtcDateTime),
    UniqueConstraint("provider_id", "kind", "pm_id", "content_digest", "occurrence"),
    Index(None, "cascade_intent_id"),
    _partial_index("ix_request_open", "provider_id", "kind", where=OPEN_REQUEST),
    _partial_index("ix_request_may_still_go_missing", "provider_id", "kind", where=MAY_STILL_GO_MISSING),
    _partial_index("ix_request_end_just_noted", "provider_id", where=END_JUST_NOTED),
    _partial_index("ix_request_meter_of_property", "provider_id", "property_id", where=METER_REQUEST),
)

# Append-only: a new row when verdict, rule or kind of reason changes.
decision = Table(
    "decision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", Integer, ForeignKey("request.id"), nullable=False, index=True),
    Column("decided_at", UtcDateTime, nullable=False),
    Column("mode", String(10), nullable=False),
    Column("verdict", String(10), nullable=False),
    Column("rule", Text),
    Column("reason", String(40), nullable=False),
    Column("reason_text", Text, nullable=False),
    Column("kept_back", String(40)),
    Column("kept_back_text", Text, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("unknown", JSON, nullable=False),
    Column("note", Text),
    Column("policy_digest", String(64), nullable=False),
    Column("sources", JSON, nullable=False),
    # The group of people to notify.
    Column("tell", Text),
    # Who may answer it while it is held, and how many people must agree; NULL for everybody and for one.
    Column("answer_by", Text),
    Column("answer_people", Integer),
    # What rules with `enforce: false` would have decided; NULL in older rows.
    Column("shadows", JSON),
)

# Intents: durable before the POST.
intent = Table(
    "intent",
    metadata,
    Column("id", Integer, primary_key=True),
    # The request's, repeated here so that limits count an account's answers by their times without reading requests.
    _provider_id(),
    Column("request_id", Integer, ForeignKey("request.id"), nullable=False, index=True),
    Column("decision_id", Integer, ForeignKey("decision.id"), nullable=False, index=True),
    Column("action", String(10), nullable=False),
    Column("note", Text),
    # Identifies the note's template. With the request, the action and the decision's rule it identifies the answer; the
    # note's words can differ, because ages grow.
    Column("template", String(64)),
    # The program version: a newer one may retry what this one was refused.
    Column("program", String(40), nullable=False),
    Column("intended_at", UtcDateTime, nullable=False),
    # How often it was sent, and when last, by our clock and by the service's. The rule of unknowns may send the same
    # answer again.
    Column("attempts", Integer, nullable=False, default=1),
    Column("sent_at", UtcDateTime, nullable=False),
    Column("service_sent_at", UtcDateTime),
    # The outcome: `open` until it is known, `not_sent` if it was never sent.
    Column("outcome", String(20), nullable=False),
    Column("outcome_at", UtcDateTime),
    Column("outcome_text", Text, nullable=False, default=""),
    # What must change before the same answer may be sent again, if the last attempt was refused.
    Column("awaits", String(10)),
    # The answer by people that it sends; NULL if a policy answers. Not a foreign key, because answers point back here.
    Column("human_answer_id", Integer),
    # More columns than they search by, so that counting a limit reads few rows for what it leaves out.
    Index("ix_intent_sent", "provider_id", "sent_at", "action"),
    Index("ix_intent_service_sent", "provider_id", "service_sent_at", "sent_at", "action"),
)

# Answers by people to held requests. At most one of a request is waiting or sent (`ledger/human_answers.py`).
human_answer = Table(
    "human_answer",
    metadata,
    Column("id", Integer, primary_key=True),
    _provider_id(),
    Column("request_id", Integer, ForeignKey("request.id"), nullable=False, index=True),
    # What the reviewer saw: the decision, and what else the answer does.
    Column("decision_id", Integer, ForeignKey("decision.id"), nullable=False),
    Column("goes_along", JSON, nullable=False),
    Column("action", String(10), nullable=False),
    Column("note", Text),
    Column("recorded_at", UtcDateTime, nullable=False),
    # When it may be sent; NULL while another person must agree, and if it is never sent.
    Column("due_at", UtcDateTime),
    # Who gave this answer and when, in this order, and how many people must.
    Column("people", JSON, nullable=False),
    Column("people_needed", Integer, nullable=False),
    # `waiting`, `sent`, `taken_back`, `void`, `refused` or `observed`.
    Column("state", String(10), nullable=False),
    # When and why it ended, if it was taken back, void or refused.
    Column("ended_at", UtcDateTime),
    Column("ended_why", Text, nullable=False, default=""),
    # The intent that sends it. Not a foreign key, because intents point back here.
    Column("intent_id", Integer),
    _partial_index("uq_human_answer_in_force", "request_id", where=ANSWER_IN_FORCE, unique=True),
    _partial_index("ix_human_answer_waiting", "provider_id", "due_at", where=WAITING_ANSWER),
)

# Notices to people and other systems: one row for each event and target (`ledger/notices.py`).
notice = Table(
    "notice",
    metadata,
    Column("id", Integer, primary_key=True),
    # Identifies the event, for every target and in every attempt.
    Column("event_id", String(40), nullable=False),
    # The target's name in the settings.
    Column("target", String(60), nullable=False),
    # The provider account's name in the settings; empty for the program as a whole.
    Column("account", String(60), nullable=False),
    # The request that it is about. Notices about one request are delivered in order.
    Column("request_id", Integer, ForeignKey("request.id")),
    # What one target is told only once, for example the digest of a day; NULL for everything else.
    Column("once", String(100)),
    Column("kind", String(30), nullable=False),
    # What it says, without personal data of customers, which is added when it is sent.
    Column("body", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # When it may be sent, and how often that was tried.
    Column("due_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    # `waiting`, `delivered`, `dead` or `observed`, and since when.
    Column("state", String(10), nullable=False),
    Column("ended_at", UtcDateTime),
    # Until when a sender has claimed it.
    Column("claimed_until", UtcDateTime),
    # Why the last attempt failed.
    Column("error", Text, nullable=False),
    UniqueConstraint("event_id", "target"),
    UniqueConstraint("target", "once"),
    Index(None, "request_id", "target"),
    _partial_index("ix_notice_waiting", "target", "due_at", where=WAITING_NOTICE),
    _partial_index("ix_notice_dead", "target", where=DEAD_NOTICE),
    _partial_index("ix_notice_stopped", "account", where=STOPPED_NOTICE),
)

# Which requests have changed in a way that may change the claims of accepted requests, and in which transaction.
# Triggers write it, so that no process can change a claim unnoticed (`ledger/claims.py`).
claim_change = Table(
    "claim_change",
    metadata,
    Column("tx", BigInteger, primary_key=True, autoincrement=False),
    Column("request_id", Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

# The requests that Portfolio Manager will or may reject together with a reject.
cascaded_reject = Table(
    "cascaded_reject",
    metadata,
    Column("intent_id", Integer, ForeignKey("intent.id"), primary_key=True),
    Column("request_id", Integer, ForeignKey("request.id"), primary_key=True, index=True),
)

notification = Table(
    "notification",
    metadata,
    _provider_id(primary_key=True),
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("type", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("account_id", BigInteger),
    Column("username", Text),
    Column("property_id", BigInteger),
    Column("meter_id", BigInteger),
    Column("created_at", UtcDateTime),
    Column("created_by", Text),
    Column("created_by_account_id", Text),
    Column("first_seen", UtcDateTime, nullable=False),
    # What it changed in the ledger, in words, even if nothing; NULL until that is known. Each is applied once.
    Column("effect", Text),
    Index(None, "provider_id", "property_id"),
    _partial_index("ix_notification_waiting", "provider_id", where=WAITING_NOTIFICATION),
)

# Elements without a readable id, stored so that people can look at them.
unreadable = Table(
    "unreadable",
    metadata,
    Column("id", Integer, primary_key=True),
    _provider_id(),
    Column("kind", String(10), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("why", Text, nullable=False),
    Column("source", LargeBinary, nullable=False),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    UniqueConstraint("provider_id", "digest"),
)

# The inventory of connections and shares, current and ended, and whether we decided each.
inventory = Table(
    "inventory",
    metadata,
    Column("id", Integer, primary_key=True),
    _provider_id(),
    Column("kind", String(10), nullable=False),
    Column("pm_id", BigInteger, nullable=False),
    Column("owner_id", BigInteger),
    Column("property_id", BigInteger),
    Column("access_level", Text),
    # `before_us`, `decided` or `undecided`.
    Column("origin", String(10), nullable=False),
    # The request whose accept created it; NULL if none did.
    Column("request_id", Integer, ForeignKey("request.id"), index=True),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    # When a whole read first missed it.
    Column("absent_since", UtcDateTime),
    # When it ended, and by what: a notification, reads that missed it, or a command.
    Column("ended_at", UtcDateTime),
    Column("ended_by", Text),
    # Who acknowledged it as undecided, when and why. Then it is no longer listed and counted.
    Column("acknowledged_at", UtcDateTime),
    Column("acknowledged_by", Text),
    Column("acknowledged_why", Text),
    Index(None, "provider_id", "kind", "pm_id"),
    # With `ended_at`, SQLite reads owners and ids from the index alone.
    _partial_index("ix_inventory_current", "provider_id", "kind", "owner_id", "pm_id", "ended_at", where=CURRENT_ITEM),
    _partial_index("ix_inventory_current_property", "provider_id", "property_id", where=CURRENT_ITEM),
    _partial_index("ix_inventory_absent", "provider_id", "kind", where=ABSENT_ITEM),
    _partial_index("ix_inventory_undecided", "provider_id", where=UNDECIDED_ITEM),
)

# When a read of each owner's shares was last tried, and when it last succeeded.
owner = Table(
    "owner",
    metadata,
    _provider_id(primary_key=True),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("tried_at", UtcDateTime, nullable=False),
    Column("read_at", UtcDateTime),
    Index(None, "provider_id", "tried_at", "account_id"),
)

# Removals by command (disconnect, unshare): an intent before the POST, and its outcome.
removal = Table(
    "removal",
    metadata,
    Column("id", Integer, primary_key=True),
    _provider_id(),
    Column("kind", String(10), nullable=False),
    Column("pm_id", BigInteger, nullable=False),
    # Connections only.
    Column("keep_shares", Boolean),
    Column("note", Text),
    Column("removed_by", Text, nullable=False),
    Column("program", String(40), nullable=False),
    Column("intended_at", UtcDateTime, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("outcome_at", UtcDateTime),
    Column("outcome_text", Text, nullable=False, default=""),
    Index(None, "provider_id", "kind", "pm_id"),
)

# Leases: which replica answers which account. `until` is by the database's clock; `epoch` grows with each holder.
lease = Table(
    "lease",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("holder", Text),
    Column("epoch", Integer, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    # Until when an earlier holder could still have been sending.
    Column("held_before_until", UtcDateTime),
)

# Heartbeats of the running replicas, by the database's clock, so that each takes its share of the accounts.
replica = Table(
    "replica",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("until", UtcDateTime, nullable=False),
)

# Sign-in attempts, so that a wrong password is not tried again and again, across restarts and replicas.
sign_in = Table(
    "sign_in",
    metadata,
    Column("name", String(60), primary_key=True),
    # A slow digest of service, username and password. Empty in the row with the account's salt.
    Column("credential", LargeBinary, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    # When it was last tried, and whether the result is still unknown.
    Column("tried_at", UtcDateTime, nullable=False),
    Column("trying", Boolean, nullable=False),
    # Whether this credential was ever accepted, and how often it was refused since.
    Column("taken_before", Boolean, nullable=False),
    Column("refusals", Integer, nullable=False),
    Column("not_before", UtcDateTime),
    # Until when a Retry-After asked the account not to call, in the row with its salt.
    Column("rest_until", UtcDateTime),
)

# Pauses: who paused answering and who resumed it. A NULL name means all accounts of the ledger.
pause = Table(
    "pause",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(60)),
    Column("paused_at", UtcDateTime, nullable=False),
    Column("paused_by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("resumed_at", UtcDateTime),
    Column("resumed_by", Text),
)

# Lifted limits: who lifted which limit until when. A NULL name means all accounts.
lifted_limit = Table(
    "lifted_limit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(60)),
    Column("action", String(10), nullable=False),
    Column("lifted_at", UtcDateTime, nullable=False),
    Column("lifted_by", Text, nullable=False),
    Column("until", UtcDateTime, nullable=False),
)

# Policy revisions: each policy that came into force, or was refused while `digest` stayed in force.
policy_revision = Table(
    "policy_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    _provider_id(),
    Column("at", UtcDateTime, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("rules", Integer, nullable=False),
    # Why the new policy was refused; NULL if it came into force.
    Column("refused", Text),
    # Name → SHA-256 of each file.
    Column("files", JSON, nullable=False),
    Column("program", String(40), nullable=False),
    Index(None, "provider_id", "id"),
)

# Row counts of each data source while it was good, one row per change of its contents. Keyed by the account's name in
# the settings, because sources are read before sign-in.
source_count = Table(
    "source_count",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(60), nullable=False),
    Column("source", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("first_read", UtcDateTime, nullable=False),
    Column("last_read", UtcDateTime, nullable=False),
    Index(None, "name", "source", "last_read"),
)

# Confirmations: who confirmed which contents of a data source.
confirmation = Table(
    "confirmation",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(60), nullable=False),
    Column("source", Text, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("confirmed_at", UtcDateTime, nullable=False),
    Column("confirmed_by", Text, nullable=False),
    Index(None, "name", "source"),
)
