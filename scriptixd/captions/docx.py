"""Owns the document to be worked on in a word processor; python-docx writes it, and is installed with the extra `docx`.

The same transcript gives the same bytes, so that a file can be known again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from io import BytesIO
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from scriptixd.captions.paragraphs import NO_SPEECH, Paragraph
from scriptixd.captions.wording import one_line

_NO_DATE: Final = datetime(1980, 1, 1, tzinfo=UTC)  # the first that a ZIP file knows


def docx(paragraphs: Sequence[Paragraph], title: str) -> bytes:
    """A title, and each paragraph below its time (from the start, h:mm:ss) and its speaker. ImportError without it.

    A title may be the name of a file, with bytes in it that no XML can hold: these are left out.
    """
    from docx import Document  # noqa: PLC0415 - an extra, and as long to import as everything else together

    document, title = Document(), one_line(title)
    document.core_properties.title = title
    document.core_properties.author = ""
    document.core_properties.created = document.core_properties.modified = _NO_DATE
    if title:
        document.add_heading(title, level=1)
    if not paragraphs:
        document.add_paragraph(NO_SPEECH)
    for one in paragraphs:
        head = document.add_paragraph()
        head.paragraph_format.keep_with_next = True
        head.add_run("  ".join(filter(None, (_time(one.start_ms), one.speaker)))).bold = True
        document.add_paragraph(one.text)
    written = BytesIO()
    document.save(written)
    return _undated(written)


def _time(milliseconds: int) -> str:
    minutes, seconds = divmod(milliseconds // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def _undated(archive: BytesIO) -> bytes:
    """The same archive without the times at which its parts were made."""
    undated = BytesIO()
    with ZipFile(archive) as parts, ZipFile(undated, "w", ZIP_DEFLATED) as written:
        for name in parts.namelist():
            written.writestr(ZipInfo(name, _NO_DATE.timetuple()[:6]), parts.read(name), ZIP_DEFLATED)
    return undated.getvalue()
