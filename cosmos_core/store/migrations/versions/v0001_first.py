"""The first tables: prompts, runs, jobs, groups, artifacts, links, tags, progress, digests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(length: int | None = None) -> sa.String:
    """Text by its code points: in PostgreSQL a length is a limit, and the order that of a language."""
    kind = sa.String(length) if length else sa.Text()
    return kind.with_variant(sa.String(collation="C"), "postgresql")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "digests",
        sa.Column("path", _text(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("mtime_ns", sa.BigInteger(), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("sha256", _text(64), nullable=False),
        sa.Column("media", sa.JSON(none_as_null=True), nullable=True),
        sa.PrimaryKeyConstraint("path"),
    )
    op.create_table(
        "groups",
        sa.Column("id", _text(32), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("created_at", _text(27), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "jobs",
        sa.Column("id", _text(32), nullable=False),
        sa.Column("target", _text(128), nullable=False),
        sa.Column("dir", _text(), nullable=False),
        sa.Column("created_at", _text(27), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("bundle", sa.JSON(), nullable=False),
        sa.Column("command", sa.JSON(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("listing", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("holder", _text(), nullable=True),
        sa.Column("lease_until", _text(27), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "prompts",
        sa.Column("id", _text(32), nullable=False),
        sa.Column("model_type", _text(64), nullable=False),
        sa.Column("prompt_text", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("model_config", sa.JSON(), nullable=False),
        sa.Column("created_at", _text(27), nullable=False),
        sa.Column("parent_id", _text(32), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["prompts.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_prompts_parent_id"), "prompts", ["parent_id"], unique=False)
    op.create_index(op.f("ix_prompts_created_at_id"), "prompts", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_prompts_model_type_created_at"), "prompts", ["model_type", "created_at"], unique=False)
    op.create_table(
        "store",
        sa.Column("id", _text(36), nullable=False),
        sa.Column("created_at", _text(27), nullable=False),
        sa.Column("ever_real", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "tags",
        sa.Column("owner_id", _text(32), nullable=False),
        sa.Column("tag", _text(128), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "tag"),
    )
    op.create_index(op.f("ix_tags_tag_owner_id"), "tags", ["tag", "owner_id"], unique=False)
    op.create_table(
        "input_digests",
        sa.Column("prompt_id", _text(32), nullable=False),
        sa.Column("slot", _text(64), nullable=False),
        sa.Column("sha256", _text(64), nullable=False),
        sa.ForeignKeyConstraint(["prompt_id"], ["prompts.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("prompt_id", "slot", "sha256"),
    )
    op.create_index(op.f("ix_input_digests_sha256"), "input_digests", ["sha256"], unique=False)
    op.create_table(
        "runs",
        sa.Column("id", _text(32), nullable=False),
        sa.Column("prompt_id", _text(32), nullable=False),
        sa.Column("group_id", _text(32), nullable=True),
        sa.Column("job_id", _text(32), nullable=True),
        sa.Column("retry_of", _text(32), nullable=True),
        sa.Column("model_type", _text(64), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("status", _text(16), nullable=False),
        sa.Column("target", _text(128), nullable=False),
        sa.Column("toolkit", _text(128), nullable=False),
        sa.Column("simulated", sa.Boolean(), nullable=False),
        sa.Column("created_at", _text(27), nullable=False),
        sa.Column("submitted_at", _text(27), nullable=True),
        sa.Column("started_at", _text(27), nullable=True),
        sa.Column("completed_at", _text(27), nullable=True),
        sa.Column("execution_config", sa.JSON(), nullable=False),
        sa.Column("outputs", sa.JSON(), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("paused", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("cancel_requested_at", _text(27), nullable=True),
        sa.Column("reachable", sa.Boolean(), nullable=True),
        sa.Column("checked_at", _text(27), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.Column("scores", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"],
            ["groups.id"],
        ),
        sa.ForeignKeyConstraint(
            ["job_id"],
            ["jobs.id"],
        ),
        sa.ForeignKeyConstraint(
            ["prompt_id"],
            ["prompts.id"],
        ),
        sa.ForeignKeyConstraint(
            ["retry_of"],
            ["runs.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_runs_created_at_id"), "runs", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_runs_group_id"), "runs", ["group_id"], unique=False)
    op.create_index(op.f("ix_runs_job_id"), "runs", ["job_id"], unique=False)
    op.create_index(op.f("ix_runs_model_type_created_at"), "runs", ["model_type", "created_at"], unique=False)
    op.create_index(op.f("ix_runs_retry_of"), "runs", ["retry_of"], unique=False)
    op.create_index(op.f("ix_runs_prompt_id"), "runs", ["prompt_id"], unique=False)
    op.create_index(op.f("ix_runs_status_created_at"), "runs", ["status", "created_at"], unique=False)
    op.create_index(op.f("ix_runs_target_created_at"), "runs", ["target", "created_at"], unique=False)
    op.create_table(
        "artifacts",
        sa.Column("run_id", _text(32), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("role", _text(32), nullable=False),
        sa.Column("remote", _text(), nullable=False),
        sa.Column("path", _text(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", _text(64), nullable=True),
        sa.Column("media", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "position"),
    )
    op.create_index(op.f("ix_artifacts_sha256"), "artifacts", ["sha256"], unique=False)
    op.create_table(
        "links",
        sa.Column("run_id", _text(32), nullable=False),
        sa.Column("slot", _text(64), nullable=False),
        sa.Column("parent_id", _text(32), nullable=False),
        sa.Column("artifact", _text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["parent_id"],
            ["runs.id"],
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "slot", "parent_id", "artifact"),
    )
    op.create_index(op.f("ix_links_parent_id"), "links", ["parent_id"], unique=False)
    op.create_table(
        "progress",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", _text(32), nullable=False),
        sa.Column("timestamp", _text(27), nullable=False),
        sa.Column("stage", _text(32), nullable=False),
        sa.Column("percentage", sa.Float(), nullable=True),
        sa.Column("message", _text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_progress_run_id_id"), "progress", ["run_id", "id"], unique=False)
