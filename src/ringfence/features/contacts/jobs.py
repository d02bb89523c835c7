"""Background work of the contacts room: reading an uploaded file."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Final

from ringfence.features.contacts import queries
from ringfence.features.contacts.actions.importing import Batch, Problem, finish_import, store_batch
from ringfence.features.contacts.actions.upload_store import UploadStore
from ringfence.features.contacts.model import ContactImport
from ringfence.features.contacts.values import ImportContacts
from ringfence.features.contacts.values.files import read_rows
from ringfence.features.contacts.values.rows import BadRowError, Row, read_row
from ringfence.jobqueue.jobs import JobContext
from ringfence.kit.sheets import Record

_BATCH: Final = 500
_ORPHANS_AFTER: Final = timedelta(days=1)


class ImportHandler:
    """Does `ImportContacts`. A later run reads the file again and goes on after the last batch that was stored."""

    def __init__(self, uploads: UploadStore) -> None:
        self._uploads = uploads

    async def __call__(self, context: JobContext, job: ImportContacts) -> None:
        """Read to the end, then delete the file."""
        async with context.tenancy.tenant(context.company_id) as session:
            found = await queries.unfinished_import(session, job.import_id)
        if found is not None and not await self._read(context, found):
            # Another run is ahead; it will end what it began.
            return
        await self._uploads.remove(context.company_id, job.import_id)
        async with context.tenancy.tenant(context.company_id) as session:
            keep = await queries.unfinished_import_ids(session)
        await self._uploads.remove_others(
            context.company_id, keep=keep, older_than_seconds=_ORPHANS_AFTER.total_seconds()
        )

    async def _read(self, context: JobContext, found: ContactImport) -> bool:
        path = self._uploads.path(context.company_id, found.id)
        records = read_rows(path, encoding=found.encoding, separator=found.separator, has_header=found.has_header)
        batches = _Batches(records, found)
        failed: str | None = None
        try:
            while (batch := await asyncio.to_thread(batches.next)) is not None:
                if batch.begins_at + batch.size <= found.rows_done:
                    continue
                async with context.tenancy.tenant(context.company_id) as session:
                    if not await store_batch(session, found.id, batch):
                        return False
        except FileNotFoundError:
            failed = "The uploaded file is gone; upload it again."
        async with context.tenancy.tenant(context.company_id) as session:
            await finish_import(session, found.id, failed=failed)
        return True


class _Batches:
    """Cuts a file into batches, the same ones in every run: what was stored is always a whole number of them."""

    def __init__(self, records: Iterator[Record], found: ContactImport) -> None:
        self._records = records
        self._mapping = {int(position): name for position, name in found.mapping.items()}
        self._columns = len(found.columns)
        self._region = found.region
        self._begins_at = 0
        # The line that a number stood in first: at most one entry a row.
        self._lines: dict[str, int] = {}

    def next(self) -> Batch | None:
        """The next batch, or None at the end of the file. Blocking."""
        records = list(islice(self._records, _BATCH))
        if not records:
            return None
        rows: list[Row] = []
        problems: list[Problem] = []
        for record in records:
            try:
                row = read_row(record, self._mapping, columns=self._columns, region=self._region)
            except BadRowError as error:
                problems.append(Problem(line=record.line, kind="bad", reason=str(error)))
                continue
            first = self._lines.setdefault(row.phone_number, row.line)
            if first == row.line:
                rows.append(row)
            else:
                reason = f"the same number stands in line {first} already"
                problems.append(Problem(line=row.line, kind="duplicate", reason=reason))
        batch = Batch(begins_at=self._begins_at, size=len(records), rows=rows, problems=problems)
        self._begins_at += len(records)
        return batch
