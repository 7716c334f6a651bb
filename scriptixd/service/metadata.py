"""What a request and its labels are in a TUS upload's metadata (Scriptix, "Upload and process": all values are text).

Pure. Never lets free metadata replace what the configuration says elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType

from scriptixd.jobs.job import Labels, Request

NEUTRAL = "recording"  # the name that is sent for a file whose own is hidden
UNKNOWN_TYPE = "application/octet-stream"

# Our own table: the system's differs from host to host, and a minimal one knows none of these.
MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        ".3gp": "video/3gpp",
        ".aac": "audio/aac",
        ".ac3": "audio/ac3",
        ".aif": "audio/aiff",
        ".aiff": "audio/aiff",
        ".amr": "audio/amr",
        ".avi": "video/x-msvideo",
        ".caf": "audio/x-caf",
        ".flac": "audio/flac",
        ".flv": "video/x-flv",
        ".m2ts": "video/mp2t",
        ".m4a": "audio/mp4",
        ".m4b": "audio/mp4",
        ".m4v": "video/x-m4v",
        ".mka": "audio/x-matroska",
        ".mkv": "video/x-matroska",
        ".mov": "video/quicktime",
        ".mp2": "audio/mpeg",
        ".mp3": "audio/mpeg",
        ".mp4": "video/mp4",
        ".mpeg": "video/mpeg",
        ".mpg": "video/mpeg",
        ".mts": "video/mp2t",
        ".mxf": "application/mxf",
        ".oga": "audio/ogg",
        ".ogg": "audio/ogg",
        ".ogv": "video/ogg",
        ".opus": "audio/ogg",
        ".ts": "video/mp2t",
        ".wav": "audio/wav",
        ".webm": "video/webm",
        ".wma": "audio/x-ms-wma",
        ".wmv": "video/x-ms-wmv",
    }
)

_SURROGATES = re.compile("[\ud800-\udfff]")


def of_upload(request: Request, labels: Labels, name: str) -> dict[str, str]:
    """All metadata of one upload; `name` is the source's, which gives the extension.

    The webhook's options are keys of their own. One page shows them so, another inside `document`; but
    `document` has options of the same names that call for every change of the document, and what we
    promise is one call when the transcript is ready. Both at once would call twice.
    """
    extension = PurePosixPath(name).suffix
    ours = {
        "language": request.language,
        "document_type": request.document_type.value,
        "filetype": MEDIA_TYPES.get(extension.lower(), UNKNOWN_TYPE),
        "filename": NEUTRAL + extension if labels.filename is None else labels.filename,
        "punctuation": _flag(request.punctuation),
        "multichannel": _flag(request.multichannel),
        "keep_source": _flag(labels.keep_source),
    }
    if request.diarization is not None:
        ours["diarization"] = _flag(request.diarization)
    if labels.folder_id is not None:
        ours["folder_id"] = str(labels.folder_id)
    if json.loads(request.document):
        ours["document"] = request.document
    if labels.webhook is not None:
        ours["webhook_url"] = labels.webhook.url
        ours["webhook_method"] = labels.webhook.method
        if labels.webhook.headers:
            ours["webhook_headers"] = json.dumps(labels.webhook.headers, ensure_ascii=False)
    free = {key: value for key, value in labels.metadata if key not in ours}
    return {key: _SURROGATES.sub("\ufffd", value) for key, value in (ours | free).items()}


def _flag(value: bool) -> str:
    return "true" if value else "false"
