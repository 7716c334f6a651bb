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

# Our own table: the system's differs from host to host, and a minimal one knows none of these. It has every
# extension that is picked up by itself, for the vendor's uploader takes nothing but audio and video.
_EXTENSIONS: Mapping[str, str] = {
    "application/mxf": "mxf",
    "audio/3gpp": "3ga",
    "audio/aac": "aac adts",
    "audio/ac3": "ac3",
    "audio/aiff": "aif aifc aiff",
    "audio/amr": "amr",
    "audio/amr-wb": "awb",
    "audio/basic": "au snd",
    "audio/eac3": "eac3",
    "audio/flac": "flac",
    "audio/gsm": "gsm",
    "audio/mp4": "m4a m4b m4r",
    "audio/mpeg": "mp1 mp2 mp3 mpa mpga",
    "audio/ogg": "oga ogg opus spx",
    "audio/vnd.dts": "dts",
    "audio/vnd.rn-realaudio": "ra",
    "audio/wav": "rf64 wav wave",
    "audio/webm": "weba",
    "audio/x-alac": "alac",
    "audio/x-ape": "ape",
    "audio/x-caf": "caf",
    "audio/x-ds2": "ds2",
    "audio/x-dss": "dss",
    "audio/x-matroska": "mka",
    "audio/x-ms-wma": "wma",
    "audio/x-msv": "msv",
    "audio/x-musepack": "mpc",
    "audio/x-tta": "tta",
    "audio/x-voc": "voc",
    "audio/x-w64": "w64",
    "audio/x-wavpack": "wv",
    "video/3gpp": "3gp 3gpp",
    "video/3gpp2": "3g2 3gp2",
    "video/dv": "dv",
    "video/h264": "264 h264",
    "video/h265": "265 h265 hevc",
    "video/mp2t": "m2t m2ts mts tod trp ts",
    "video/mp4": "f4v ismv mp4 mpg4",
    "video/mpeg": "m1v m2p m2v mod mpe mpeg mpg mpv vob",
    "video/ogg": "ogm ogv",
    "video/quicktime": "mov qt",
    "video/vnd.rn-realvideo": "rm rmvb",
    "video/webm": "webm",
    "video/x-amv": "amv",
    "video/x-braw": "braw",
    "video/x-flv": "flv",
    "video/x-gxf": "gxf",
    "video/x-lxf": "lxf",
    "video/x-m4v": "m4v",
    "video/x-matroska": "mk3d mkv",
    "video/x-ms-asf": "asf",
    "video/x-ms-dvr": "dvr-ms",
    "video/x-ms-wmv": "wmv",
    "video/x-msvideo": "avi divx xvid",
    "video/x-nsv": "nsv",
    "video/x-nut": "nut",
    "video/x-wtv": "wtv",
}
MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {f".{extension}": kind for kind, extensions in _EXTENSIONS.items() for extension in extensions.split()}
)

_SURROGATES = re.compile("[\ud800-\udfff]")


def of_upload(request: Request, labels: Labels, name: str) -> dict[str, str]:
    """All metadata of one upload; `name` is the source's, which gives the extension.

    The webhook's options are keys of their own. One page shows them so, another inside `document`; but
    `document` has options of the same names that call for every change of the document, and what we
    promise is one call when the transcript is ready. Both at once would call twice.
    """
    extension = PurePosixPath(name).suffix
    kind = MEDIA_TYPES.get(extension.lower())
    hidden = NEUTRAL + extension if kind else NEUTRAL  # the suffix of "talk with Mrs. Smith" is none
    ours = {
        "language": request.language,
        "document_type": request.document_type.value,
        "filetype": kind or UNKNOWN_TYPE,
        "filename": hidden if labels.filename is None else labels.filename,
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
