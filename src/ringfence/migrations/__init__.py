"""Door: Alembic environment and dated migrations."""
