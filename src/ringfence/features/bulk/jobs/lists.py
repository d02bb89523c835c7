"""Background work of recipient lists."""

import asyncio
from datetime import timedelta
from typing import Final

from ringfence.features.bulk.actions.list_files import ListFiles
from ringfence.features.bulk.actions.lists import delete_list
from ringfence.features.bulk.actions.reading import Parcel, finish_list, store_contacts, store_parcels
from ringfence.features.bulk.model.lists import RecipientList
from ringfence.features.bulk.queries.lists import drafts_before, ids_with_files, list_being_read
from ringfence.features.bulk.schemas.lists import layout_of
from ringfence.features.bulk.values.files import Batches, open_records
from ringfence.features.bulk.values.lists import ReadList, SweepLists
from ringfence.jobqueue.jobs import JobContext
from ringfence.jobqueue.queue import enqueue
from ringfence.kit.clock import utc_now
from ringfence.kit.sheets import UnreadableSheetError

_PARCELS_AT_ONCE: Final = 20
_ABANDONED_AFTER: Final = timedelta(days=1)
_NEXT_TRY: Final = timedelta(seconds=2)


class ReadListHandler:
    """Does `ReadList`. A later run reads the file again and goes on after the last parcel that was stored.

    The numbers of a file are kept while it is read, about 100 MB for a million. So one file is read at a time in a
    process; the job of another comes again, and holds nobody up meanwhile.
    """

    def __init__(self, files: ListFiles) -> None:
        self._files = files
        self._turn = asyncio.Lock()

    async def __call__(self, context: JobContext, job: ReadList) -> None:
        """Read to the end, then delete the file."""
        async with context.tenancy.tenant(context.company_id) as session:
            found = await list_being_read(session, job.list_id)
        if found is not None and found.source == "contacts":
            await self._take_contacts(context, job)
            return
        if found is not None:
            # Between the question and the taking nothing is awaited: two that come at once cannot both find it free.
            if self._turn.locked():
                async with context.tenancy.tenant(context.company_id) as session:
                    await enqueue(session, job, run_at=utc_now() + _NEXT_TRY)
                return
            async with self._turn:
                if not await self._read(context, found):
                    # Another run is ahead; it will end what it began.
                    return
        await self._files.remove(context.company_id, job.list_id)

    async def _take_contacts(self, context: JobContext, job: ReadList) -> None:
        more = True
        while more:
            async with context.tenancy.tenant(context.company_id) as session:
                more = await store_contacts(session, job.list_id)

    async def _read(self, context: JobContext, found: RecipientList) -> bool:
        path = self._files.path(context.company_id, found.id)
        records = open_records(path, found.encoding, found.separator)
        batches = Batches(records, layout_of(found), region=found.region)
        failed: str | None = None
        try:
            # In turns: a thread that reads on meanwhile would make each step of the storing wait for it.
            while parcels := await asyncio.to_thread(_next_parcels, batches, found.rows_done):
                async with context.tenancy.tenant(context.company_id) as session:
                    if not await store_parcels(session, found.id, parcels):
                        return False
        except FileNotFoundError:
            failed = "The uploaded file is gone; upload it again."
        except (UnreadableSheetError, UnicodeDecodeError) as error:
            failed = str(error) if isinstance(error, UnreadableSheetError) else "The file changed while it was read."
        async with context.tenancy.tenant(context.company_id) as session:
            await finish_list(session, found.id, failed=failed)
        return True


class SweepListsHandler:
    """Does `SweepLists`."""

    def __init__(self, files: ListFiles) -> None:
        self._files = files

    async def __call__(self, context: JobContext, _job: SweepLists) -> None:
        """Drafts that nobody touched for a day go, and then files of no list."""
        async with context.tenancy.tenant(context.company_id) as session:
            for list_id in await drafts_before(session, utc_now() - _ABANDONED_AFTER):
                await delete_list(session, list_id, actor=None)
        async with context.tenancy.tenant(context.company_id) as session:
            keep = await ids_with_files(session)
        await self._files.remove_others(
            context.company_id, keep=keep, older_than_seconds=_ABANDONED_AFTER.total_seconds()
        )


def _next_parcels(batches: Batches, rows_done: int) -> list[Parcel]:
    """The next parcels of those that are not stored yet; none at the end of the file. Blocking."""
    parcels: list[Parcel] = []
    while len(parcels) < _PARCELS_AT_ONCE and (batch := batches.next()) is not None:
        if batch.begins_at >= rows_done:
            parcels.append(Parcel.of(batch))
    return parcels
