"""Which found job waits for another one, as SQL: while that is on its way, and its content may be the same.

This saves bandwidth; that nothing is paid twice is the work of `Jobs.close_or_fold`.
"""

from __future__ import annotations

TWIN_PATIENCE = 86400.0  # s: nobody waits for one of which nothing was heard for so long, as in a folder that is away
TWIN_FAILURES = 5  # in a row, after which nobody waits for a job any more: it may be stuck for as long as its disk is


def readable(job: str) -> str:
    """Whether the content of one of a job's sources is there, and still its own: a copy has another mtime."""
    return f"""EXISTS (SELECT 1 FROM deliveries AS share JOIN sources ON sources.id = share.source_id
        WHERE share.job_id = {job}.id AND share.state != 'dropped' AND sources.present = 1 AND sources.settled = 1
        AND NOT EXISTS (SELECT 1 FROM deliveries AS later WHERE later.source_id = share.source_id
            AND later.id > share.id AND later.state != 'dropped'))"""


# An earlier one has the content of `jobs`, or may have: only the size and the request are the same, and it has not
# been read yet.
WAITED_FOR = f"""jobs AS twin
    WHERE twin.size = jobs.size AND (twin.sha256 IS NULL OR twin.sha256 = jobs.sha256)
    AND twin.request = jobs.request AND twin.redo = jobs.redo AND twin.id < jobs.id AND twin.failures < {TWIN_FAILURES}
    AND twin.updated_at > ? AND (twin.state = 'uploading' OR twin.state = 'found' AND {readable("twin")})"""
