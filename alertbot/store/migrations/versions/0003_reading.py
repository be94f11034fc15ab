"""How a portal is read: since when it is being caught up with, and how far its clock is off."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("portals", sa.Column("catching_up_since_us", sa.BigInteger(), nullable=True))
    op.add_column("portals", sa.Column("skew_us", sa.BigInteger(), nullable=True))
