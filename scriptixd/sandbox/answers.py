"""The shapes of the sandbox's JSON answers, as the service's public pages show them.

Pure: records in, JSON-ready values out. The paths and statuses are app.py's.
"""

from __future__ import annotations

import mimetypes
from typing import Any

from scriptixd.sandbox.records import SeenRequest, Session, Status, Upload, Word

Answer = dict[str, Any]

NOTE = "The scriptixd sandbox listens in English, whatever language is asked for."
UNKNOWN_SPEAKER = "unk"


def wrapped(result: object, count: int = 1, total: int = 1) -> Answer:
    return {"count": count, "total_results": total, "result": result}


def refusal(error: str, message: str, error_code: str | None = None) -> Answer:
    return {"error": error, "message": message} | ({"error_code": error_code} if error_code else {})


def file(upload: Upload) -> Answer:
    """`GET /files/<id>`: the session id is null until the last byte has come."""
    return wrapped({"session_id": upload.session, "metadata": {"folder_id": None} | upload.metadata})


def session(it: Session) -> Answer:
    """`GET …/session/<id>`, not wrapped, as documented."""
    filename = it.metadata.get("filename")
    return {
        "id": it.number,
        "session_id": it.id,
        "status": it.status,
        "filename": filename,
        "duration": it.heard.duration,
        "language": it.metadata.get("language"),
        "media_type": _mime_type(it),
        "media_url": None,
        "error": it.heard.error,
        "created_at": it.created_at,
        "started_at": it.started_at,
        "finished_at": it.finished_at,
        "document": {"id": it.number, "name": filename, "type": it.metadata.get("document_type")},
        "session_mode": "decode",
        "custom_model_id": None,
        "sandbox_note": NOTE,
    }


def result(it: Session) -> Answer:
    """`GET …/session/<id>/result`; times are seconds."""
    return wrapped(
        {
            "session_id": it.id,
            "status": it.status,
            "error": it.heard.error,
            "duration": it.heard.duration,
            "filename": it.metadata.get("filename"),
            "media_type": "video" if (_mime_type(it) or "").startswith("video/") else "audio",
            "media_url": None,
            "results": [_utterance(words) for words in it.heard.utterances] if it.status is Status.DONE else None,
        }
    )


def counts(uploads: list[Upload], requests: int) -> Answer:
    """`GET /sandbox/counts`, for tests; the service has nothing like it."""
    return {
        "created": len(uploads),
        "completed": sum(upload.completed for upload in uploads),
        "requests": requests,
        "uploads": [
            {
                "id": upload.id,
                "filename": upload.metadata.get("filename"),
                "language": upload.metadata.get("language"),
                "document_type": upload.metadata.get("document_type"),
                "size": upload.size,
                "completed": upload.completed,
                "sha256": upload.sha256,
            }
            for upload in uploads
        ],
    }


def request(seen: SeenRequest) -> Answer:
    """One line of `GET /sandbox/requests`, for tests."""
    return {"at": seen.at, "method": seen.method, "path": seen.path, "status": seen.status}


def _utterance(words: tuple[Word, ...]) -> Answer:
    return {
        "result": [[word.text, word.start, word.stop, word.confidence] for word in words],
        "speaker": UNKNOWN_SPEAKER,
        "text": " ".join(word.text for word in words),
        "sconf": round(sum(word.confidence for word in words) / len(words), 4),
        "channel": 0,
    }


def _mime_type(it: Session) -> str | None:
    return it.metadata.get("filetype") or mimetypes.guess_type(it.metadata.get("filename") or "")[0]
