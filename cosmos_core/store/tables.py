"""The tables. Nothing about a model is a column: what is a model's own lies in JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    TypeDecorator,
)
from sqlalchemy import String as Characters
from sqlalchemy import Text as AnyCharacters
from sqlalchemy.types import TypeEngine

from cosmos_core.convert import time_of, time_text

metadata = MetaData(naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s"})


class String(TypeDecorator[str]):
    """Text, told apart and ordered by its code points, whatever is in it and whichever database it is in.

    In PostgreSQL a length would be a limit, and the order that of a language. It holds no NUL, either: that character
    and the next one in the order are written as two there, so that all sort as they do elsewhere.
    """

    impl = AnyCharacters
    cache_ok = True

    def __init__(self, length: int | None = None) -> None:
        super().__init__()
        self.length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Characters(collation="C"))
        return dialect.type_descriptor(Characters(self.length) if self.length else AnyCharacters())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "postgresql":
            return value
        return value.replace("\1", "\1\2").replace("\0", "\1\1")

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or dialect.name != "postgresql" or "\1" not in value:
            return value
        return value.replace("\1\1", "\0").replace("\1\2", "\1")


class Text(String):
    """Text of any length."""

    cache_ok = True


class Time(TypeDecorator[datetime]):
    """A moment as RFC 3339 text in UTC: it sorts as time does, in every database."""

    impl = Characters(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return String(27).load_dialect_impl(dialect)

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        return None if value is None else time_text(value)

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        return None if value is None else time_of(value)


store = Table(
    "store",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("created_at", Time, nullable=False),
    Column("ever_real", Boolean, nullable=False),
)

prompts = Table(
    "prompts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("model_type", String(64), nullable=False),
    Column("prompt_text", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("inputs", JSON, nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("model_config", JSON, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("parent_id", ForeignKey("prompts.id")),
    Index(None, "created_at", "id"),
    Index(None, "model_type", "created_at"),
    Index(None, "parent_id"),
)

groups = Table(
    "groups",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("created_at", Time, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("target", String(128), nullable=False),
    Column("dir", Text, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("document", JSON, nullable=False),
    Column("bundle", JSON, nullable=False),
    Column("command", JSON, nullable=False),
    Column("exit_code", Integer),
    Column("listing", JSON(none_as_null=True)),
    Column("epoch", Integer, nullable=False),
    Column("holder", Text),
    Column("lease_until", Time),
    Column("removed_at", Time),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("prompt_id", ForeignKey("prompts.id"), nullable=False),
    Column("group_id", ForeignKey("groups.id")),
    Column("job_id", ForeignKey("jobs.id")),
    Column("retry_of", ForeignKey("runs.id")),
    Column("model_type", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("target", String(128), nullable=False),
    Column("toolkit", String(128), nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("submitted_at", Time),
    Column("started_at", Time),
    Column("completed_at", Time),
    Column("execution_config", JSON, nullable=False),
    Column("outputs", JSON, nullable=False),  # {"values": ..., "text": ...}; files are artifacts
    Column("metadata", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("paused", JSON(none_as_null=True)),
    Column("queue", JSON(none_as_null=True)),
    Column("cancel_requested_at", Time),
    Column("reachable", Boolean),
    Column("checked_at", Time),
    Column("error", JSON(none_as_null=True)),
    Column("rating", Integer),
    Column("scores", JSON, nullable=False),
    Index(None, "created_at", "id"),
    Index(None, "status", "created_at"),
    Index(None, "model_type", "created_at"),
    Index(None, "target", "created_at"),
    Index(None, "prompt_id"),
    Index(None, "group_id"),
    Index(None, "job_id"),
    Index(None, "retry_of"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("role", String(32), nullable=False),
    Column("remote", Text, nullable=False),
    Column("path", Text),
    Column("bytes", BigInteger),
    Column("sha256", String(64)),
    Column("media", JSON(none_as_null=True)),
    Index(None, "sha256"),
)

input_digests = Table(
    "input_digests",
    metadata,
    Column("prompt_id", ForeignKey("prompts.id", ondelete="CASCADE"), primary_key=True),
    Column("slot", String(64), primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Index(None, "sha256"),
)

links = Table(
    "links",
    metadata,
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True),
    Column("slot", String(64), primary_key=True),
    Column("parent_id", ForeignKey("runs.id"), primary_key=True),
    Column("artifact", Text, primary_key=True),
    Index(None, "parent_id"),
)

tags = Table(
    "tags",
    metadata,
    Column("owner_id", String(32), primary_key=True),  # of a prompt or a run
    Column("tag", String(128), primary_key=True),
    Index(None, "tag", "owner_id"),
)

progress = Table(
    "progress",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("timestamp", Time, nullable=False),
    Column("stage", String(32), nullable=False),
    Column("percentage", Float),
    Column("message", Text, nullable=False),
    Index(None, "run_id", "id"),
)

digests = Table(
    "digests",
    metadata,
    Column("path", Text, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("media", JSON(none_as_null=True)),
)
