"""When a job's folder was removed from its host."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add it."""
    moment = sa.String(27).with_variant(sa.String(collation="C"), "postgresql")
    op.add_column("jobs", sa.Column("removed_at", moment, nullable=True))
