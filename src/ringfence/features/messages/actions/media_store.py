"""Stored attachments: files under one folder, named by company and id alone, readable by this server only."""

import asyncio
import os
import shutil
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from ringfence.kit.ids import new_id


class MediaStore:
    """Keeps the bytes of attachments. Blocking work is done in threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, company_id: UUID, media_id: UUID) -> Path:
        """Where an attachment lies (or would)."""
        return self._folder / str(company_id) / str(media_id)

    async def write(self, company_id: UUID, media_id: UUID, data: bytes) -> None:
        """Store an attachment whole; a crash leaves the old file or the new one, never half of one."""
        await asyncio.to_thread(self._write, self.path(company_id, media_id), BytesIO(data))

    async def take(self, company_id: UUID, media_id: UUID, source: BinaryIO) -> None:
        """Store a file from its beginning, a piece at a time; whole or not at all, like `write`."""
        source.seek(0)
        await asyncio.to_thread(self._write, self.path(company_id, media_id), source)

    async def remove(self, company_id: UUID, media_id: UUID) -> None:
        """Delete an attachment; one that is gone already is no error."""
        await asyncio.to_thread(self.path(company_id, media_id).unlink, missing_ok=True)

    async def exists(self, company_id: UUID, media_id: UUID) -> bool:
        """Whether the file is there."""
        return await asyncio.to_thread(self.path(company_id, media_id).is_file)

    @staticmethod
    def _write(path: Path, source: BinaryIO) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{new_id().hex}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                shutil.copyfileobj(source, file, 1 << 16)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
