"""The job queue: procrastinate's own schema, and grants that let the app role enqueue for its own company, no more.

The schema comes from the installed package, which the requirements pin; docs/decisions/0004-job-queue.md says what an
upgrade of the package has to do.
"""

from typing import Any

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

# A trigger and not a row-security policy: under row security PostgreSQL leaves the detail out of a unique violation's
# message, and procrastinate reads it. Compared as text: whatever is no company in its canonical form equals none.
_OWN_COMPANY = """
    CREATE FUNCTION ringfence_own_company() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE company text := current_setting('ringfence.company_id');
    BEGIN
        IF NEW.args ->> 'company_id' IS DISTINCT FROM company
           OR NOT starts_with(COALESCE(NEW.queueing_lock, company || ':'), company || ':') THEN
            RAISE EXCEPTION 'a job must carry its own company' USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN NEW;
    END;
    $$
"""
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
    _OWN_COMPANY,
    f"""CREATE TRIGGER ringfence_own_company BEFORE INSERT ON procrastinate_jobs
        FOR EACH ROW WHEN (current_user = '{APP}') EXECUTE FUNCTION ringfence_own_company()""",
    *(f"REVOKE ALL ON {table} FROM PUBLIC" for table in TABLES),
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
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute(SchemaManager.get_schema())
    for statement in GRANTS:
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table} CASCADE")
    op.execute("DROP FUNCTION ringfence_own_company")
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
