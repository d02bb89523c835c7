"""Taking an uploaded file over into contacts, a batch of rows a transaction.

The batch and how far it went are one commit, under a lock of the import's row: a run that begins anew, or a second
one beside it, takes no row twice and leaves none out.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from uuid import UUID

from sqlalchemy import Row as Result
from sqlalchemy import insert, select

from ringfence.errors import InvalidInputError
from ringfence.features.audit_log.actions import record
from ringfence.features.audit_log.values import Actor
from ringfence.features.contacts.model import Contact, ContactImport, ContactImportProblem
from ringfence.features.contacts.values import ImportContacts, with_custom_fields
from ringfence.features.contacts.values.files import Layout
from ringfence.features.contacts.values.rows import Row
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.ids import new_id
from ringfence.tenancy.sessions import TenantSession
from ringfence.tenancy.statements import register

_ROWS = """
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r(
        id uuid, phone_number text, first_name text, last_name text, email text, organisation text, time_zone text,
        custom_fields jsonb
    )
    ON CONFLICT (company_id, phone_number) WHERE deleted_at IS NULL AND phone_number IS NOT NULL
"""
_INSERT = """
    INSERT INTO contacts AS c (
        company_id, id, phone_number, first_name, last_name, email, organisation, time_zone, custom_fields,
        created_at, updated_at
    )
    SELECT :company_id, r.id, r.phone_number, r.first_name, r.last_name, r.email, r.organisation, r.time_zone,
           r.custom_fields, :now, :now
"""
# What is empty in the file erases nothing.
_UPDATE = register(
    "contacts.import_update",
    _INSERT
    + _ROWS
    + """
    DO UPDATE SET
        first_name = CASE WHEN excluded.first_name = '' THEN c.first_name ELSE excluded.first_name END,
        last_name = CASE WHEN excluded.last_name = '' THEN c.last_name ELSE excluded.last_name END,
        email = COALESCE(excluded.email, c.email),
        organisation = COALESCE(excluded.organisation, c.organisation),
        time_zone = COALESCE(excluded.time_zone, c.time_zone),
        custom_fields = c.custom_fields || excluded.custom_fields,
        updated_at = excluded.updated_at
    RETURNING c.id, c.phone_number, c.xmax = 0 AS is_new
    """,
)
_SKIP = register("contacts.import_skip", _INSERT + _ROWS + "DO NOTHING RETURNING c.id, c.phone_number, true AS is_new")
_TAG = register(
    "contacts.import_tags",
    """
    INSERT INTO contact_tags (company_id, contact_id, tag)
    SELECT :company_id, t.contact_id, t.tag
    FROM jsonb_to_recordset(CAST(:tags AS jsonb)) AS t(contact_id uuid, tag text)
    ON CONFLICT DO NOTHING
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A row that is not taken over. `kind` is `bad` or `duplicate`."""

    line: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a number of rows in a row became: contacts, and problems. `begins_at` counts the rows before it."""

    begins_at: int
    size: int
    rows: list[Row] = field(repr=False)
    problems: list[Problem]


async def start_import(
    session: TenantSession,
    import_id: UUID,
    *,
    layout: Layout,
    file_name: str,
    size_bytes: int,
    region: str,
    existing: str,
    actor: Actor,
) -> ContactImport:
    """Enter an upload that was looked through, and the job that reads it."""
    now = utc_now()
    found = ContactImport(
        id=import_id,
        status="queued",
        file_name=file_name,
        size_bytes=size_bytes,
        encoding=layout.encoding,
        separator=layout.separator,
        has_header=layout.has_header,
        columns=layout.columns,
        mapping={str(position): name for position, name in layout.mapping.items()},
        region=region,
        existing=existing,
        rows_total=layout.rows,
        rows_done=0,
        created_count=0,
        updated_count=0,
        skipped_count=0,
        duplicate_count=0,
        bad_count=0,
        created_by=actor.user_id,
        created_at=now,
        updated_at=now,
    )
    session.add(found)
    record(
        session,
        actor=actor,
        action="contacts.import_started",
        target_kind="contact_import",
        target_id=import_id,
        after={"file_name": file_name, "rows": layout.rows, "existing": existing},
    )
    await session.flush()
    await enqueue(session, ImportContacts(import_id=import_id))
    return found


async def store_batch(session: TenantSession, import_id: UUID, batch: Batch) -> bool:
    """Take a batch over, unless another run did; False when the import is not where the batch begins."""
    found = await _lock(session, import_id)
    if found is None or found.rows_done != batch.begins_at:
        return False
    rows, problems = await _without_overfull(session, batch)
    stored = await _upsert(session, rows, update=found.existing == "update")
    await _tag(session, rows, stored)
    if problems:
        await session.execute(
            insert(ContactImportProblem),
            [
                {"company_id": session.company_id, "id": new_id(), "import_id": import_id, **asdict(problem)}
                for problem in problems
            ],
        )
    created = sum(1 for item in stored if item.is_new)
    found.status = "running"
    found.rows_done += batch.size
    found.created_count += created
    found.updated_count += len(stored) - created
    found.skipped_count += len(rows) - len(stored)
    found.duplicate_count += sum(1 for problem in problems if problem.kind == "duplicate")
    found.bad_count += sum(1 for problem in problems if problem.kind == "bad")
    found.updated_at = utc_now()
    await session.flush()
    return True


async def finish_import(session: TenantSession, import_id: UUID, *, failed: str | None = None) -> None:
    """Note that the file is through, or why it never will be. An import that ended stays as it ended."""
    found = await _lock(session, import_id)
    if found is not None:
        found.status, found.reason = ("failed", failed) if failed else ("done", None)
        found.finished_at = found.updated_at = utc_now()
        await session.flush()


async def _lock(session: TenantSession, import_id: UUID) -> ContactImport | None:
    return await session.scalar(
        select(ContactImport)
        .where(
            ContactImport.company_id == session.company_id,
            ContactImport.id == import_id,
            ContactImport.finished_at.is_(None),
        )
        .with_for_update()
    )


async def _without_overfull(session: TenantSession, batch: Batch) -> tuple[list[Row], list[Problem]]:
    """Rows that would give a contact more custom fields than it may have are problems, too."""
    numbers = [row.phone_number for row in batch.rows if row.custom_fields]
    if not numbers:
        return batch.rows, batch.problems
    found = await session.execute(
        select(Contact.phone_number, Contact.custom_fields).where(
            Contact.company_id == session.company_id,
            Contact.phone_number.in_(numbers),
            Contact.deleted_at.is_(None),
        )
    )
    stored = {item.phone_number: item.custom_fields for item in found}
    rows: list[Row] = []
    problems = list(batch.problems)
    for row in batch.rows:
        try:
            with_custom_fields(stored.get(row.phone_number, {}), dict(row.custom_fields))
            rows.append(row)
        except InvalidInputError as error:
            problems.append(Problem(line=row.line, kind="bad", reason=error.detail))
    return rows, problems


async def _upsert(session: TenantSession, rows: Sequence[Row], *, update: bool) -> Sequence[Result[UUID, str, bool]]:
    if not rows:
        return []
    given = [{"id": str(new_id()), **asdict(row)} for row in rows]
    parameters = {"company_id": session.company_id, "rows": json.dumps(given), "now": utc_now()}
    return (await session.execute(_UPDATE if update else _SKIP, parameters)).all()


async def _tag(session: TenantSession, rows: Sequence[Row], stored: Sequence[Result[UUID, str, bool]]) -> None:
    ids = {item.phone_number: item.id for item in stored}
    tags = [
        {"contact_id": str(ids[row.phone_number]), "tag": tag}
        for row in rows
        if row.phone_number in ids
        for tag in row.tags
    ]
    if tags:
        await session.execute(_TAG, {"company_id": session.company_id, "tags": json.dumps(tags)})
