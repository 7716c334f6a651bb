"""TUS 1.0.0: tuspy for the protocol's words, our own exchange for its transport.

One upload at a time, one request a call. The server's offset is the only truth; bytes sent are none.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from tusclient.client import TusClient
from tusclient.uploader.uploader import Uploader

from scriptixd.errors import Away, Trouble
from scriptixd.jobs.ports import Body, Lane
from scriptixd.service.access import is_segment
from scriptixd.service.exchange import Exchange, Method
from scriptixd.service.reply import Reply
from scriptixd.service.trouble import PASSING, Asked, refusal

_GONE = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE, HTTPStatus.FORBIDDEN)  # without an offset: tus.io, "Offset"
_DISCARDED = (200, 202, 204, 400, 403, 404, 410)  # done, or gone already
_DIGITS = 19  # as many as the largest file's size has
_NOT_OFFERED = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)  # termination is an extension


class _NoBody:
    """The content of an upload that only asks."""

    def __len__(self) -> int:
        return 0

    def read(self, _count: int = -1, /) -> bytes:
        return b""


class Upload(Uploader):
    """tuspy's uploader with its three network calls, and its reading of files, replaced.

    tuspy's own have no timeouts, follow redirects, do not look at the status of a creation, and hold
    a chunk in memory; it also asks for the offset when it is made with a url, so it is given none.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        size: int = 0,
        body: Body | None = None,
        metadata: Mapping[str, str] | None = None,
        secrets: tuple[str, ...] = (),
    ) -> None:
        self._exchange = exchange
        self._size = size
        self._body = body or _NoBody()
        self._secrets = secrets
        super().__init__(
            file_stream=self._body,  # type: ignore[arg-type]  # never touched: get_file_size is ours
            client=TusClient(exchange.access.files),
            metadata=dict(metadata or {}),
            retries=0,
            store_url=False,
        )

    @classmethod
    def at(cls, exchange: Exchange, file_id: str, offset: int = 0, body: Body | None = None) -> Upload:
        """An upload that exists already."""
        upload = cls(exchange, body=body)
        upload.set_url(exchange.access.file(file_id))
        upload.offset = offset
        return upload

    def get_file_size(self) -> int:
        return self._size

    def create_url(self) -> str:
        """POST: the file id, which is the last segment of `Location`; the rest of it is not used."""
        reply = self._exchange.ask(Method.POST, self._exchange.access.files, self._creation_headers(), Lane.UPLOAD)
        location = reply.headers.get("Location", "")
        if not 200 <= reply.status < 300 or (reply.status != HTTPStatus.CREATED and not location):
            raise self._refused(reply, Asked.CREATE)
        file_id = self._last_segment(location)
        if file_id is None:
            raise Away(f"{self._exchange.access.origin} opened an upload and did not say where")
        return file_id

    def get_offset(self, size: int | None = None) -> int | None:
        """HEAD: what the server has of an upload of `size` bytes, None if it does not know the upload."""
        reply = self._exchange.ask(Method.HEAD, self._url(), self._headers(), Lane.UPLOAD)
        if reply.status in _GONE:
            return None
        if not 200 <= reply.status < 300:
            raise self._refused(reply, Asked.OFFSET)
        length = _count(reply.headers.get("Upload-Length"))
        if length is not None and size is not None and length != size:
            raise Away(f"{self._exchange.access.origin} says that an upload of {size} bytes is to have {length}")
        return self._offset_in(reply, 0, length if size is None else size)

    def upload_chunk(self) -> None:
        """PATCH: send the body at `offset`, and take over the offset that comes back."""
        headers = {
            **self._headers(),
            "Upload-Offset": str(self.offset),
            "Content-Type": "application/offset+octet-stream",
        }
        reply = self._exchange.ask(Method.PATCH, self._url(), headers, Lane.UPLOAD, body=self._body)
        if not 200 <= reply.status < 300:
            raise self._refused(reply, Asked.SEND)
        before, most = self.offset, self.offset + len(self._body)
        self.offset = self._offset_in(reply, before, most)
        if self.offset == before:
            raise Away(f"{self._exchange.access.origin} took nothing of the {len(self._body)} bytes that it was sent")

    def discard(self) -> str:
        """DELETE: the server may forget it; what it answered. Where that is not offered, nothing was lost."""
        reply = self._exchange.ask(Method.DELETE, self._url(), self._headers(), Lane.ASK)
        if reply.status in _NOT_OFFERED:
            return f"{reply.status}, not offered"
        page = reply.status < 300 and reply.is_page
        interrupted = reply.status == HTTPStatus.BAD_REQUEST and reply.complaint().code in PASSING
        if reply.status not in _DISCARDED or page or interrupted:  # the last two say nothing about the upload
            raise self._refused(reply, Asked.DISCARD)
        return str(reply.status)

    def _headers(self) -> dict[str, str]:
        headers: dict[str, str] = self.get_headers()  # type: ignore[no-untyped-call]
        return headers

    def _creation_headers(self) -> dict[str, str]:
        headers: dict[str, str] = self.get_url_creation_headers()  # type: ignore[no-untyped-call]
        return headers

    def _refused(self, reply: Reply, asked: Asked) -> Trouble:
        return refusal(reply, asked, self._exchange.access, self._secrets, self.metadata.get("filename", ""))

    def _url(self) -> str:
        if self.url is None:
            raise ValueError("this upload was not opened")
        return str(self.url)

    def _offset_in(self, reply: Reply, least: int, most: int | None) -> int:
        text = reply.headers.get("Upload-Offset")
        offset = _count(text)
        if offset is None or offset < least or (most is not None and offset > most):
            says = "without an Upload-Offset" if offset is None else f"with the impossible Upload-Offset {offset}"
            raise Away(f"{self._exchange.access.origin} answered {reply.status} {says}")
        return offset

    def _last_segment(self, location: str) -> str | None:
        try:
            path = urlsplit(location).path
        except ValueError:
            return None
        if path in ("", urlsplit(self._exchange.access.files).path):
            return None
        segment = path.rstrip("/").rsplit("/", 1)[-1]
        return segment if is_segment(segment) else None


def _count(text: str | None) -> int | None:
    """A header's number of bytes; None if it holds none."""
    digits = (text or "").strip()
    return int(digits) if len(digits) <= _DIGITS and digits.isascii() and digits.isdecimal() else None
