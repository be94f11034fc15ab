"""What people do: silences, wishes for rules, and what waits for them on incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "silences",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("until_us", sa.BigInteger(), nullable=False),
        sa.Column("over", sa.Boolean(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("silences_by_end", "silences", ["over", "until_us"], unique=False)
    op.create_table(
        "wishes",
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("at_us", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("incident"),
    )
    op.create_index("wishes_of_rule", "wishes", ["rule", "at_us"], unique=False)
    op.add_column("incidents", sa.Column("revision", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("incidents", sa.Column("escalate_at_us", sa.BigInteger(), nullable=True))
    op.add_column("incidents", sa.Column("silence", sa.Text(), nullable=True))
    op.add_column("incidents", sa.Column("restate", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.create_index("incidents_to_escalate", "incidents", ["escalate_at_us"], unique=False)
    op.create_index("incidents_to_restate", "incidents", ["restate"], unique=False)
    op.create_index("incidents_of_silence", "incidents", ["silence"], unique=False)
