"""The sandbox's HTTP side: which path answers what to which key.

TUS is tuspyserver's, behind a guard that refuses what it would only refuse after having stored the
bytes. Handlers are plain functions, run in threads: none of them may hold the event loop.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from tuspyserver import create_tus_router

from scriptixd.sandbox import answers
from scriptixd.sandbox.records import Records, Session, Status, Upload
from scriptixd.sandbox.uploads import Uploads

PREFIX = "/api/v3"
FILES = f"{PREFIX}/files"
TUS_VERSION = "1.0.0"
TUS_EXTENSIONS = "creation,creation-defer-length,expiration,termination"  # what of tuspyserver works on our storage
LARGEST_UPLOAD = 10 * 1024**3  # bytes, as the service's own uploader allows
KEPT_UNFINISHED = 365  # days; a sandbox never loses a patient upload
PAGE, LARGEST_PAGE = 25, 100  # sessions, as documented


class Refused(Exception):
    """An answer that is not the one hoped for, in the documented shape."""

    def __init__(self, status: int, error: str, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.answer = JSONResponse(answers.refusal(error, message, code), status)


def owner_of(request: Request, key: str | None) -> str:
    """The fingerprint of the API key that came with the request; raises Refused 401 for a wrong one."""
    given = request.headers.get("x-zoom-s2t-key", "").strip()
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if not given and scheme.lower() == "bearer":
        given = token.strip()
    if not given:
        raise Refused(401, "Unauthorized", "An API key is required.", "MISSING_API_KEY")
    if key is not None and not hmac.compare_digest(given.encode(), key.encode()):
        raise Refused(401, "Unauthorized", "The API key is not valid.", "INVALID_API_KEY")
    return hashlib.sha256(given.encode()).hexdigest()


def build_app(records: Records, uploads: Uploads, complete: Callable[[str], None], key: str | None) -> FastAPI:
    """`complete` is called, in a thread, with the id of an upload whose last byte has come; maybe twice."""
    app = FastAPI(openapi_url=None, redirect_slashes=False)

    async def refused(_request: Request, refusal: Exception) -> Response:
        assert isinstance(refusal, Refused)  # noqa: S101 - registered for nothing else
        return refusal.answer

    def owner(request: Request) -> str:
        return owner_of(request, key)

    app.add_exception_handler(Refused, refused)
    app.include_router(_tus(records, uploads, complete, owner))
    app.include_router(_sessions(records, uploads, owner), prefix=f"{PREFIX}/speech-to-text")
    app.include_router(_sandbox_only(records), prefix="/sandbox")
    return app


def _tus(
    records: Records, uploads: Uploads, complete: Callable[[str], None], owner: Callable[[Request], str]
) -> APIRouter:
    def guard(request: Request) -> None:
        fingerprint = owner(request)
        _check_protocol(request)
        uid = request.path_params.get("uuid")
        upload = records.upload(uid) if uid else None
        if uid and (upload is None or upload.owner != fingerprint):
            raise HTTPException(status_code=404, detail="Upload not found")

    def naming(request: Request) -> Callable[[dict[str, str]], dict[str, str]]:
        # Asked for every request, but only a creation uses the name.
        return lambda _metadata: {"uid": uploads.reserve(owner(request))} if request.method == "POST" else {}

    async def completed(path: str, _metadata: dict[str, str]) -> None:
        await run_in_threadpool(complete, Path(path).name)

    def capabilities(request: Request) -> Response:
        owner(request)
        offered = {"Tus-Extension": TUS_EXTENSIONS, "Tus-Max-Size": str(LARGEST_UPLOAD)}
        return Response(status_code=204, headers={"Tus-Resumable": TUS_VERSION, "Tus-Version": TUS_VERSION} | offered)

    def file(request: Request, uid: str) -> JSONResponse:
        asking = owner(request)  # a refused key is told before anything else, also for what does not exist
        upload: Upload | None = records.upload(uid)
        if upload is None or upload.owner != asking:
            raise Refused(404, "Not Found", "There is no such upload.")
        return JSONResponse(answers.file(upload))

    router = APIRouter()
    # Before tuspyserver's own answer, which offers concatenation and creation-with-upload.
    for path in (FILES, f"{FILES}/"):
        router.add_api_route(path, capabilities, methods=["OPTIONS"])
    router.add_api_route(f"{FILES}/{{uid}}", file, methods=["GET"])
    tus = create_tus_router(
        prefix=FILES,
        files_dir=str(uploads.directory),
        max_size=LARGEST_UPLOAD,
        days_to_keep=KEPT_UNFINISHED,
        on_upload_complete=completed,  # type: ignore[arg-type]  # it awaits what comes back, its types do not say so
        file_dep=naming,  # type: ignore[arg-type]  # it uses the answer, its types do not say so
        storage=uploads,
    )
    router.include_router(tus, dependencies=[Depends(guard)])
    return router


def _check_protocol(request: Request) -> None:
    """Refuses early what tuspyserver refuses after it has taken the body, or does not do on our storage."""
    headers = request.headers
    if headers.get("tus-resumable") != TUS_VERSION:
        raise HTTPException(412, f"Tus-Resumable must be {TUS_VERSION}", {"Tus-Version": TUS_VERSION})
    if request.method == "PATCH":
        if headers.get("content-type") != "application/offset+octet-stream":
            raise HTTPException(415, "Content-Type must be application/offset+octet-stream")
        if "content-length" not in headers:
            raise HTTPException(411, "Content-Length is required")
    if request.method == "POST":
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            raise HTTPException(400, "creation-with-upload is not offered: create first, then send by PATCH")
        if "upload-concat" in headers:
            raise HTTPException(400, "concatenation is not offered")
        length = headers.get("upload-length", "")
        if "upload-defer-length" not in headers and not length.isdecimal():
            raise HTTPException(400, "Upload-Length must be a whole number of bytes")
        if length.isdecimal() and int(length) > LARGEST_UPLOAD:
            raise HTTPException(413, f"The sandbox takes files of up to {LARGEST_UPLOAD} bytes")


def _sessions(records: Records, uploads: Uploads, owner: Callable[[Request], str]) -> APIRouter:
    router = APIRouter()

    def own(request: Request, session: str, foreign: Refused) -> Session:
        fingerprint = owner(request)
        found = records.session(session)
        if found is None:
            raise Refused(404, "Not Found", "There is no such session.")
        if found.owner != fingerprint:
            raise foreign
        return found

    def present(found: Session) -> Session:
        if found.status is Status.REMOVED:
            raise Refused(404, "Not Found", "This session has been removed.")
        return found

    hidden = Refused(404, "Not Found", "There is no such session.")
    unauthorized = Refused(401, "Unauthorized", "The session belongs to another API key.", "INVALID_API_KEY")

    @router.get("/session")
    def listing(
        request: Request, offset: Annotated[int, Query(ge=0)] = 0, limit: Annotated[int, Query(ge=1)] = PAGE
    ) -> JSONResponse:
        total, page = records.sessions(owner(request), offset, min(limit, LARGEST_PAGE))
        return JSONResponse(answers.wrapped([answers.session(it) for it in page], len(page), total))

    @router.get("/session/{session}")
    def details(request: Request, session: str) -> JSONResponse:
        return JSONResponse(answers.session(present(own(request, session, hidden))))

    @router.get("/session/{session}/result")
    def result(request: Request, session: str) -> JSONResponse:
        return JSONResponse(answers.result(present(own(request, session, unauthorized))))

    @router.delete("/session/{session}")
    def remove(request: Request, session: str) -> JSONResponse:
        found = own(request, session, hidden)
        if found.status is Status.REMOVED:
            raise Refused(400, "Bad Request", "This session has already been removed.")
        records.remove(found)
        uploads.erase(found.upload)
        return JSONResponse(answers.wrapped({"session_id": found.id, "status": Status.REMOVED}))

    return router


def _sandbox_only(records: Records) -> APIRouter:
    """What tests count by; the service has nothing like it, and it needs no key."""
    router = APIRouter()

    @router.get("/counts")
    def counts() -> JSONResponse:
        return JSONResponse(answers.counts(records.uploads(), records.request_count()))

    @router.get("/requests")
    def requests() -> JSONResponse:
        return JSONResponse([answers.request(seen) for seen in records.requests()])

    return router
