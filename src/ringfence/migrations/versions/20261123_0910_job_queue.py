"""The job queue: procrastinate's own schema, and grants that let the app role enqueue for its own company, no more.

The schema comes from the installed package, which the requirements pin; docs/decisions/0003-job-queue.md says what an
upgrade of the package has to do.
"""

from alembic import op
from procrastinate.schema import SchemaManager

from ringfence.tenancy.policies import APP, PLATFORM

revision = "20261123_0910"
down_revision = "20261123_0900"
branch_labels = None
depends_on = None

TABLES = (
    "procrastinate_events",
    "procrastinate_periodic_defers",
    "procrastinate_jobs",
    "procrastinate_workers",
)

SEQUENCES = ("procrastinate_jobs_id_seq", "procrastinate_events_id_seq", "procrastinate_periodic_defers_id_seq")

# As text, for the context is text: whatever is no company in its canonical form equals none.
_OWN = "args ->> 'company_id' = current_setting('ringfence.company_id')"
_OWN_ONCE_KEY = "(queueing_lock IS NULL OR starts_with(queueing_lock, current_setting('ringfence.company_id') || ':'))"

_FUNCTIONS = """
    DO $$
    DECLARE item record;
    BEGIN
        FOR item IN SELECT oid::regprocedure AS name FROM pg_proc
                    WHERE pronamespace = 'public'::regnamespace AND starts_with(proname, 'procrastinate_')
        LOOP
            EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', item.name);
            EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO ringfence_platform', item.name);
        END LOOP;
    END $$
"""

GRANTS = (
    "ALTER TABLE procrastinate_jobs ENABLE ROW LEVEL SECURITY",
    f"CREATE POLICY platform ON procrastinate_jobs FOR ALL TO {PLATFORM} USING (true) WITH CHECK (true)",
    f"CREATE POLICY enqueue ON procrastinate_jobs FOR INSERT TO {APP} WITH CHECK ({_OWN} AND {_OWN_ONCE_KEY})",
    # Without any SELECT: not even the ids of jobs, its own included, come back to the app role.
    f"GRANT INSERT (queue_name, task_name, queueing_lock, args, scheduled_at) ON procrastinate_jobs TO {APP}",
    # The insert triggers of procrastinate_jobs write its history with the rights of whoever inserts.
    f"GRANT INSERT (job_id, type, at) ON procrastinate_events TO {APP}",
    f"GRANT USAGE ON SEQUENCE procrastinate_jobs_id_seq, procrastinate_events_id_seq TO {APP}",
    f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(TABLES)} TO {PLATFORM}",
    f"GRANT USAGE ON SEQUENCE {', '.join(SEQUENCES)} TO {PLATFORM}",
    _FUNCTIONS,
)


def upgrade() -> None:
    # Several statements in one text, with percent signs: only the driver itself takes that as it is.
    op.get_bind().connection.driver_connection.execute(SchemaManager.get_schema())
    for statement in GRANTS:
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table} CASCADE")
    op.execute("""
        DO $$
        DECLARE item record;
        BEGIN
            FOR item IN SELECT oid::regprocedure AS name FROM pg_proc
                        WHERE pronamespace = 'public'::regnamespace AND starts_with(proname, 'procrastinate_')
            LOOP EXECUTE format('DROP FUNCTION %s CASCADE', item.name); END LOOP;
            FOR item IN SELECT oid::regtype AS name FROM pg_type
                        WHERE typnamespace = 'public'::regnamespace AND starts_with(typname, 'procrastinate_')
                          AND typelem = 0
            LOOP EXECUTE format('DROP TYPE %s CASCADE', item.name); END LOOP;
        END $$
    """)
