"""What Twilio charged for texts and calls, in millionths of a unit of the currency."""

import sqlalchemy as sa
from alembic import op

revision = "20261124_1325"
down_revision = "20261124_0800"
branch_labels = None
depends_on = None

_TABLES = ("sms_messages", "calls", "call_legs")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("price_micros", sa.BigInteger(), nullable=True))
        op.add_column(table, sa.Column("price_currency", sa.Text(), nullable=True))


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_column(table, "price_currency")
        op.drop_column(table, "price_micros")
