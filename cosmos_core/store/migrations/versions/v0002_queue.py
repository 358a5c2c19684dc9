"""The place of a run in its host's line for GPUs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add it."""
    op.add_column("runs", sa.Column("queue", sa.JSON(none_as_null=True), nullable=True))
