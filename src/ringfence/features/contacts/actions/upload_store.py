"""Uploaded files on their way in: one folder, named by company and id alone, readable by this server only."""

import asyncio
import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

from ringfence.kit.clock import utc_now


class UploadStore:
    """Keeps uploaded files until they are read. API and workers share the folder. Blocking work is done in threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, company_id: UUID, upload_id: UUID) -> Path:
        """Where an upload lies (or would)."""
        return self._folder / str(company_id) / str(upload_id)

    async def write(self, company_id: UUID, upload_id: UUID, source: BinaryIO) -> int:
        """Copy a file in from its beginning, a piece at a time; its size in bytes."""
        return await asyncio.to_thread(self._write, self.path(company_id, upload_id), source)

    async def remove(self, company_id: UUID, upload_id: UUID) -> None:
        """Delete an upload; one that is gone already is no error."""
        await asyncio.to_thread(self.path(company_id, upload_id).unlink, missing_ok=True)

    async def remove_others(self, company_id: UUID, *, keep: Collection[UUID], older_than_seconds: float) -> None:
        """Delete a company's files that nothing will read: left by a process that died while taking them in."""
        await asyncio.to_thread(self._remove_others, self._folder / str(company_id), keep, older_than_seconds)

    @staticmethod
    def _write(path: Path, source: BinaryIO) -> int:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        source.seek(0)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            shutil.copyfileobj(source, file, 1 << 16)
            file.flush()
            os.fsync(file.fileno())
            return file.tell()

    @staticmethod
    def _remove_others(folder: Path, keep: Collection[UUID], older_than_seconds: float) -> None:
        kept = {str(item) for item in keep}
        for path in folder.iterdir() if folder.is_dir() else ():
            try:
                age = utc_now().timestamp() - path.stat().st_mtime
                if path.name not in kept and age > older_than_seconds:
                    path.unlink()
            except FileNotFoundError:
                continue
