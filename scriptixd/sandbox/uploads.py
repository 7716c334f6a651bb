"""Where uploaded bytes lie: tuspyserver's storage backend over Records and one file an upload.

The offset is committed only after its bytes are synced, and each PATCH begins by cutting the file to
the offset, so what a killed or refused PATCH left behind never becomes part of an upload. It never
blocks the event loop on the disk, and never waits for another PATCH of the same upload.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import HTTPException
from tuspyserver.storage import TusStorage

from scriptixd.sandbox.records import Records, Session, Status, Upload

WRITE_SIZE = 1024 * 1024  # bytes; one hop to a thread a MiB instead of one for each 64 KiB off the socket


class Reception:
    """The file of one upload while one PATCH feeds it."""

    def __init__(self, path: Path, offset: int) -> None:
        # A cancelled request leaves its write running in a thread: closing has to wait for that.
        self._lock = threading.Lock()
        self._waiting = bytearray()
        self._position = offset
        self._file = path.open("r+b", buffering=0)
        try:
            if os.fstat(self._file.fileno()).st_size < offset:
                raise HTTPException(status_code=410, detail="The bytes of this upload are gone")
            self._file.truncate(offset)
        except BaseException:
            self._file.close()
            raise

    def take(self, chunk: bytes) -> bool:
        """Keeps the chunk in memory; True when it is time to write."""
        self._waiting += chunk
        return len(self._waiting) >= WRITE_SIZE

    def write(self) -> None:
        # By position, not by appending: a write that failed half-way is simply repeated in its place.
        with self._lock:
            view, at = memoryview(bytes(self._waiting)), self._position
            while view:
                written = os.pwrite(self._file.fileno(), view, at)
                view, at = view[written:], at + written
            self._position = at
            self._waiting.clear()

    def sync(self) -> None:
        self.write()
        with self._lock:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        with self._lock:
            self._file.close()


class Uploads(TusStorage):
    """The uploads of a sandbox: their records and their files."""

    def __init__(self, records: Records, directory: Path) -> None:
        self._records = records
        self.directory = directory
        self._owners: dict[str, str] = {}
        self._receptions: dict[str, Reception | None] = {}

    def path(self, uid: str) -> Path:
        return self.directory / uid

    def reserve(self, owner: str) -> str:
        """A new upload id; the upload that will be created under it belongs to `owner`."""
        uid = secrets.token_hex(16)
        self._owners[uid] = owner
        return uid

    def complete(self, uid: str) -> str | None:
        """Opens the session of a complete upload; None when it has one, so that asking twice is harmless."""
        upload = self._records.upload(uid)
        if upload is None or upload.session is not None:
            return None
        with self.path(uid).open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return self._records.complete(uid, sha256)

    def erase(self, uid: str) -> None:
        self.path(uid).unlink(missing_ok=True)

    def sweep(self) -> list[Upload]:
        """What a start has to settle: erases media nobody needs, answers complete uploads without a session."""
        uploads = self._records.uploads()
        waiting = [upload for upload in uploads if upload.size == upload.offset and upload.session is None]
        needed = {upload.id for upload in uploads if upload.session is None and self._records.upload(upload.id)}
        needed |= {session.upload for session in self._records.all_sessions() if keeps_media(session)}
        for file in self.directory.iterdir():
            if file.name not in needed:
                file.unlink()
        return [upload for upload in waiting if upload.id in needed]

    # data, called by tuspyserver

    async def create(self, uid: str) -> None:
        await asyncio.to_thread(_touch, self.path(uid))

    async def exists(self, uid: str) -> bool:
        return await asyncio.to_thread(self._records.upload, uid) is not None

    async def size(self, uid: str) -> int:
        upload = await asyncio.to_thread(self._records.upload, uid)
        return upload.offset if upload else 0

    async def append(self, uid: str, chunk: bytes) -> None:
        reception = self._receptions[uid]
        assert reception is not None  # noqa: S101 - inside lock()
        if reception.take(chunk):
            await asyncio.to_thread(reception.write)

    async def flush(self, uid: str) -> None:
        if reception := self._receptions.get(uid):
            await asyncio.to_thread(reception.sync)

    async def finalize(self, uid: str) -> None:
        """Nothing to seal: flush has synced every byte."""

    async def read(self, uid: str) -> bytes | None:
        path = self.path(uid)
        return await asyncio.to_thread(path.read_bytes) if path.exists() else None

    async def delete(self, uid: str) -> None:
        upload = await asyncio.to_thread(self._records.upload, uid)
        async with self.lock(uid):
            await asyncio.to_thread(self._records.terminate, uid)
            # What is complete is the session's; its end decides about the media.
            if upload is not None and upload.session is None:
                await asyncio.to_thread(self.erase, uid)

    # tuspyserver's own record of an upload

    async def read_info(self, uid: str) -> dict[str, Any] | None:
        upload = await asyncio.to_thread(self._records.upload, uid)
        if upload is None:
            return None
        # HEAD refuses uploads without filename and filetype; it takes an empty `name` and `type` instead.
        return upload.info | {"metadata": {"name": "", "type": ""} | upload.metadata}

    async def write_info(self, uid: str, data: dict[str, Any]) -> None:
        if owner := self._owners.pop(uid, None):
            await asyncio.to_thread(self._records.create_upload, uid, owner, data)
            return
        upload = await asyncio.to_thread(self._records.upload, uid)
        if upload is None:
            return
        if data["offset"] > upload.offset:
            await self.flush(uid)
        # Not the metadata that comes along: it has the empty names that read_info put in.
        await asyncio.to_thread(self._records.save_upload, uid, data | {"metadata": upload.metadata})

    async def list_uids(self) -> list[str]:
        uploads = await asyncio.to_thread(self._records.uploads)
        return [upload.id for upload in uploads]

    def location(self, uid: str) -> str:
        return str(self.path(uid))

    @asynccontextmanager
    async def lock(self, uid: str) -> AsyncIterator[None]:  # type: ignore[override]  # theirs is declared by what it wraps
        """The right to change one upload; whoever comes second is told 423 at once."""
        if uid in self._receptions:
            raise HTTPException(status_code=423, detail="Another request is writing to this upload")
        self._receptions[uid] = None
        try:
            upload = await asyncio.to_thread(self._records.upload, uid)
            if upload is None:
                raise HTTPException(status_code=404, detail="Upload not found")
            reception = None
            if upload.session is None:
                reception = await asyncio.to_thread(Reception, self.path(uid), upload.offset)
                self._receptions[uid] = reception
            try:
                yield
            finally:
                if reception:
                    reception.close()
        finally:
            del self._receptions[uid]


def keeps_media(session: Session) -> bool:
    """Media is kept while it is listened to, and afterwards only where `keep_source` asks for it."""
    kept = session.status in {Status.DONE, Status.ERROR} and session.metadata.get("keep_source") == "true"
    return session.status is Status.PROCESSING or kept


def _touch(path: Path) -> None:
    path.touch(mode=0o600)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
