"""The ledger's tables. The migrations make them; a test compares both."""

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
    UniqueConstraint,
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

# One row: the ledger's own name, made at random with its tables. By it another ledger in its place is told apart. And
# when it was made; none of a ledger from before there was this table.
ledger = Table(
    "ledger",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("made_at", UtcDateTime),
)

# The provider accounts whose answers these are, each under the name that the settings give it. None changes hands.
provider = Table(
    "provider",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String(60), nullable=False, unique=True),
    Column("service", String(2000), nullable=False),
    Column("account_id", BigInteger, nullable=False),
    Column("username", String(60), nullable=False),
    Column("claimed_at", UtcDateTime, nullable=False),
    # When connections and shares were first compared with what was decided: what stood then was there before us.
    Column("watched_since", UtcDateTime),
    # When that was done last.
    Column("watched_at", UtcDateTime),
    # Until which time what names people was last masked.
    Column("masked_at", UtcDateTime),
    UniqueConstraint("service", "account_id"),
)


def _provider_id(*, primary_key: bool = False) -> Column[int]:
    """The provider account that a row belongs to."""
    return Column("provider_id", Integer, ForeignKey("provider.id"), nullable=False, primary_key=primary_key)


# What was asked, when it was seen, and what became of it in the end.
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
    # When a whole read first came back without it, and how many did since it was last seen.
    Column("absent_since", UtcDateTime),
    Column("absent_reads", Integer, nullable=False, default=0),
    # The unreadable elements, by their digests, that it was once read beside: they are not this request.
    Column("seen_with", JSON),
    # The intent whose reject may also reject this request: the last one in `cascaded_reject` that may have taken
    # effect. Not a foreign key, because intents point back here.
    Column("cascade_intent_id", Integer),
    # How many whole reads, begun after its open answer was sent last, showed it pending still.
    Column("present_reads", Integer, nullable=False, default=0),
    # The rule that holds it in enforce mode, and since when: what `expire` counts from.
    Column("held_rule", Text),
    Column("held_since", UtcDateTime),
    Column("outcome", String(20)),
    Column("outcome_at", UtcDateTime),
    Column("outcome_text", Text, nullable=False, default=""),
    Column("retry_not_before", UtcDateTime),
    # When it was noted that what our accept brought has ended, and when a read began with that known: what pends from
    # then on is the next time. Within a cycle it stays what it was when the cycle's lists were recorded.
    Column("end_noted_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    # When names, e-mail addresses, phone numbers and what was typed were taken out of it for good.
    Column("masked_at", UtcDateTime),
    UniqueConstraint("provider_id", "kind", "pm_id", "content_digest", "occurrence"),
    Index(None, "outcome"),
    Index(None, "cascade_intent_id"),
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
    # The group of people to be told of it.
    Column("tell", Text),
    # What rules with `enforce: false` would have decided; none in rows from before there were such rules.
    Column("shadows", JSON),
)

# Durable before the POST leaves.
intent = Table(
    "intent",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request_id", Integer, ForeignKey("request.id"), nullable=False, index=True),
    Column("decision_id", Integer, ForeignKey("decision.id"), nullable=False, index=True),
    Column("action", String(10), nullable=False),
    Column("note", Text),
    # Names what the note was made from. With the request, the action and the decision's rule it says which answer this
    # is: the words may be others, since ages grow.
    Column("template", String(64)),
    # The program's version: what it was refused, a newer one may try again.
    Column("program", String(40), nullable=False),
    Column("intended_at", UtcDateTime, nullable=False),
    # How often it was sent, and when last, by our clock and by the service's: by the rule of unknowns the same answer
    # may be sent again.
    Column("attempts", Integer, nullable=False, default=1),
    Column("sent_at", UtcDateTime, nullable=False),
    Column("service_sent_at", UtcDateTime),
    # What came of it; `open` until it is known, `not_sent` where it never left.
    Column("outcome", String(20), nullable=False),
    Column("outcome_at", UtcDateTime),
    Column("outcome_text", Text, nullable=False, default=""),
    # What must change before the same may be sent again, where the last attempt was refused so.
    Column("awaits", String(10)),
    Index(None, "outcome"),
    Index(None, "sent_at"),
    Index(None, "service_sent_at"),
)

# What Portfolio Manager will, or may, reject along with a reject.
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
    # What it changed in what we know, in words, also where it changed nothing; none while that cannot be said yet.
    # Each has its effect once.
    Column("effect", Text),
)

# Elements without a readable id, kept so that people can look at them.
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

# What is connected and shared, as far as we know, and whether we decided it.
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
    # The request whose accept brought it; none where nothing was decided.
    Column("request_id", Integer, ForeignKey("request.id"), index=True),
    Column("first_seen", UtcDateTime, nullable=False),
    Column("last_seen", UtcDateTime, nullable=False),
    # When a whole read first came back without it.
    Column("absent_since", UtcDateTime),
    # When it was over, and by what: the notification that said so, or a read that did not show it any more.
    Column("ended_at", UtcDateTime),
    Column("ended_by", Text),
    # Who took note of what came in undecided, when and why: it is listed and counted no more.
    Column("acknowledged_at", UtcDateTime),
    Column("acknowledged_by", Text),
    Column("acknowledged_why", Text),
    Index(None, "provider_id", "kind", "pm_id"),
)

# When each owner's shares were last asked for, and last read whole.
owner = Table(
    "owner",
    metadata,
    _provider_id(primary_key=True),
    Column("account_id", BigInteger, primary_key=True, autoincrement=False),
    Column("tried_at", UtcDateTime, nullable=False),
    Column("read_at", UtcDateTime),
)

# What people ended by a command of ours: an intent before the POST leaves, and what came of it.
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

# Which replica answers which account. `until` is by the database's clock; `epoch` grows with each holder.
lease = Table(
    "lease",
    metadata,
    Column("name", String(60), primary_key=True),
    Column("holder", Text),
    Column("epoch", Integer, nullable=False),
    Column("until", UtcDateTime, nullable=False),
    # When the holder before this one could still have been sending.
    Column("held_before_until", UtcDateTime),
)

# The replicas that are alive, so that each takes its share of the accounts. By the database's clock.
replica = Table(
    "replica",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("until", UtcDateTime, nullable=False),
)

# What became of signing in, so that a wrong password is not tried again and again, over restarts and replicas.
sign_in = Table(
    "sign_in",
    metadata,
    Column("name", String(60), primary_key=True),
    # A slow digest of service, username and password. Empty in the row that keeps the account's salt.
    Column("credential", LargeBinary, primary_key=True),
    Column("salt", LargeBinary, nullable=False),
    # When it was last tried, and whether it was not known yet what came of that.
    Column("tried_at", UtcDateTime, nullable=False),
    Column("trying", Boolean, nullable=False),
    # Whether this very credential was ever taken, and how often it was refused since.
    Column("taken_before", Boolean, nullable=False),
    Column("refusals", Integer, nullable=False),
    Column("not_before", UtcDateTime),
    # Until when a Retry-After asked the account to call nothing: in the row that keeps its salt.
    Column("rest_until", UtcDateTime),
)

# Each time that somebody paused answering and resumed it. Without a name: all accounts of the ledger.
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

# Each time that somebody lifted a limit, until when.
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

# Each policy that came into force, and each that was refused while `digest` stayed in force.
policy_revision = Table(
    "policy_revision",
    metadata,
    Column("id", Integer, primary_key=True),
    _provider_id(),
    Column("at", UtcDateTime, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("rules", Integer, nullable=False),
    # Why the new one was refused; none where it came into force.
    Column("refused", Text),
    # Name → SHA-256 of each file.
    Column("files", JSON, nullable=False),
    Column("program", String(40), nullable=False),
    Index(None, "provider_id", "id"),
)

# What each data source held while it was good, one row for each time that its contents changed: by the settings' name
# of the account, since sources are read before anybody has signed in.
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

# Each time that somebody took the contents of a data source as good.
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
