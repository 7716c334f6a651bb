"""The tables of the state file, as numbered migrations; a migration that was released is never edited.

Paths are BLOBs, for names on disk need not be text. Times are Unix seconds unless they say otherwise.
"""

from __future__ import annotations

from typing import Final

from scriptixd.jobs.store.standings import COUNTING, TALLYING

_FOUNDATION = """
CREATE TABLE contacts (              -- first contact with a root: once per identity of its disk
    folder TEXT NOT NULL,
    identity TEXT NOT NULL,
    begun_at REAL NOT NULL,
    completed_at REAL,
    met_at REAL,                     -- when it became the folder's disk for the last time
    PRIMARY KEY (folder, identity)
) STRICT;

CREATE TABLE sources (               -- owned by the scanner
    id INTEGER PRIMARY KEY,
    folder TEXT NOT NULL,
    directory BLOB NOT NULL,         -- relative to the folder, empty for the folder itself
    name BLOB NOT NULL CHECK (length(name) > 0),
    size INTEGER NOT NULL CHECK (size >= 0),
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    boot_id TEXT NOT NULL,           -- looks count only within one boot
    look_since REAL NOT NULL,        -- s of CLOCK_BOOTTIME
    looks INTEGER NOT NULL CHECK (looks >= 1),
    settled INTEGER NOT NULL CHECK (settled IN (0, 1)),
    present INTEGER NOT NULL CHECK (present IN (0, 1)),
    existing INTEGER NOT NULL CHECK (existing IN (0, 1)),
    ignored INTEGER NOT NULL CHECK (ignored IN (0, 1)),
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (folder, directory, name)
) STRICT;
CREATE INDEX sources_unsettled ON sources (folder) WHERE present = 1 AND settled = 0;

CREATE TABLE jobs (                  -- owned by the pipeline
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    state TEXT NOT NULL CHECK (state IN ('found', 'held', 'uploading', 'closing', 'uploaded', 'transcribing',
                                         'ready', 'failed', 'gone', 'dismissed')),
    folder TEXT NOT NULL,
    request TEXT NOT NULL CHECK (json_valid(request)),
    size INTEGER NOT NULL CHECK (size >= 0),
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    redo INTEGER NOT NULL,
    sha256 TEXT CHECK (length(sha256) = 64),
    media_seconds REAL,
    file_id TEXT,
    service TEXT,
    key_fingerprint TEXT,
    labels TEXT CHECK (labels IS NULL OR json_valid(labels)),
    session_id TEXT,
    closing_at REAL,
    uploaded_at REAL,
    ready_at REAL,
    due_at REAL NOT NULL,
    failures INTEGER NOT NULL,
    unanswered REAL NOT NULL,
    reason TEXT NOT NULL,
    hint TEXT NOT NULL,
    held_for TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    version INTEGER NOT NULL,
    CHECK (state NOT IN ('uploading', 'closing', 'uploaded', 'transcribing', 'ready') OR file_id IS NOT NULL),
    CHECK (state NOT IN ('closing', 'uploaded', 'transcribing', 'ready') OR sha256 IS NOT NULL),
    CHECK (state NOT IN ('transcribing', 'ready') OR session_id IS NOT NULL)
) STRICT;
-- As OR, because SQLite uses a partial index only where one of its terms is literally in the query.
CREATE INDEX jobs_in_turn ON jobs (state, folder, id) WHERE state = 'found' OR state = 'uploading';
CREATE INDEX jobs_by_due ON jobs (state, due_at)
    WHERE state = 'found' OR state = 'uploading' OR state = 'closing' OR state = 'uploaded' OR state = 'transcribing';
CREATE INDEX jobs_by_content ON jobs (size, sha256);
CREATE UNIQUE INDEX jobs_pay_once ON jobs (sha256, request, redo)
    WHERE state IN ('closing', 'uploaded', 'transcribing', 'ready');

CREATE TABLE deliveries (            -- owned by the delivery room
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL REFERENCES jobs (id),
    source_id INTEGER NOT NULL REFERENCES sources (id),
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dropped')),
    due_at REAL NOT NULL,
    failures INTEGER NOT NULL,
    reason TEXT NOT NULL,
    hint TEXT NOT NULL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    UNIQUE (job_id, source_id)
) STRICT;
CREATE INDEX deliveries_by_source ON deliveries (source_id);
CREATE INDEX deliveries_pending ON deliveries (due_at) WHERE state = 'pending';

CREATE TABLE sidecars (              -- a file that we wrote, or are about to: its hash is committed before its rename
    id INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id),
    folder TEXT NOT NULL,
    path BLOB NOT NULL,
    output TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    replaces TEXT CHECK (length(replaces) = 64),  -- our own file that had the name, until this one is written
    written_at REAL,
    UNIQUE (folder, path),
    UNIQUE (delivery_id, output)
) STRICT;

CREATE TABLE results (               -- the service's answer as it came, zlib
    job_id INTEGER PRIMARY KEY REFERENCES jobs (id),
    body BLOB NOT NULL,
    stored_at REAL NOT NULL
) STRICT;

CREATE TABLE ledger (                -- one row a payment, no file name, outlives the job
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,
    day TEXT NOT NULL,               -- local calendar day, ISO 8601
    folder TEXT NOT NULL,
    media_seconds REAL,
    failed INTEGER NOT NULL CHECK (failed IN (0, 1)),
    paid_at REAL NOT NULL
) STRICT;
CREATE INDEX ledger_by_job ON ledger (job_id);

CREATE TABLE requests (              -- what verbs ask of the daemon
    id INTEGER PRIMARY KEY,
    verb TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    asked_at REAL NOT NULL,
    applied_at REAL,
    outcome TEXT
) STRICT;
CREATE INDEX requests_open ON requests (id) WHERE applied_at IS NULL;

CREATE TABLE history (               -- a row for every save of a job or a delivery
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    job_id INTEGER,
    source_id INTEGER,
    event TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX history_by_job ON history (job_id);
CREATE INDEX history_by_source ON history (source_id);
"""

_TRUSTED_WATCHING = """
ALTER TABLE sources ADD COLUMN unsettled_since REAL;  -- Unix seconds; without a break, NULL when settled or missing
UPDATE sources SET unsettled_since = updated_at WHERE present = 1 AND settled = 0;
DROP INDEX sources_unsettled;
CREATE INDEX sources_restless ON sources (folder, unsettled_since) WHERE present = 1 AND settled = 0;
CREATE INDEX sources_by_inode ON sources (folder, inode);        -- what was renamed
ALTER TABLE sources ADD COLUMN arrived_at REAL NOT NULL DEFAULT 0;  -- Unix seconds: when this recording came
UPDATE sources SET arrived_at = created_at;
CREATE INDEX sources_by_arrival ON sources (folder, arrived_at) WHERE existing = 0;

ALTER TABLE jobs ADD COLUMN cleared TEXT NOT NULL DEFAULT '';    -- doubts that a person has said yes to, a line each
CREATE INDEX jobs_by_arrival ON jobs (folder, created_at);

CREATE TABLE passes (                -- what was true at the end of a folder's last complete pass
    folder TEXT PRIMARY KEY,
    identity BLOB NOT NULL,          -- of its disk: type, source and sub-path, with a NUL between
    mountpoint BLOB NOT NULL,        -- absolute; empty where only an earlier version met the disk
    nested TEXT NOT NULL CHECK (json_valid(nested)),  -- mounts below the root: [[directory, identity], …]
    scope TEXT,                      -- what was picked up then
    unread TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(unread))  -- directories of which not everything was seen
) STRICT;
INSERT INTO passes (folder, identity, mountpoint, nested)
    SELECT folder, CAST(identity AS BLOB), x'', '[]' FROM (
        SELECT folder, identity, row_number() OVER (PARTITION BY folder ORDER BY met_at DESC, begun_at DESC) AS place
        FROM contacts WHERE met_at IS NOT NULL) WHERE place = 1;
ALTER TABLE contacts DROP COLUMN met_at;

CREATE TABLE questions (             -- what a folder as a whole asks a person: one at a time
    folder TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    about TEXT NOT NULL,             -- a yes holds for just this
    sentence TEXT NOT NULL,
    asked_at REAL NOT NULL,
    answered_at REAL                 -- when somebody said yes
) STRICT;

ALTER TABLE requests ADD COLUMN folder TEXT;  -- of a request that concerns a folder as a whole; its job_id is 0

CREATE TABLE instance (              -- which state file this is, to other daemons
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL CHECK (length(id) = 32)
) STRICT;
INSERT INTO instance VALUES (1, lower(hex(randomblob(16))));
"""

_ASKING_LITTLE = """
CREATE TABLE asked (                 -- the requests of the last hour: what the budget has to remember over a restart
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL,             -- fingerprint of the key: each has a budget of its own
    wall REAL NOT NULL,              -- Unix seconds
    boot_id TEXT NOT NULL,
    boot REAL NOT NULL               -- s of CLOCK_BOOTTIME in that boot
) STRICT;
CREATE INDEX asked_by_token ON asked (token, boot);

CREATE TABLE silences (              -- until when the service asked a key not to ask anything
    token TEXT PRIMARY KEY,
    wall REAL NOT NULL,              -- Unix seconds of the end …
    boot_id TEXT NOT NULL,
    boot REAL NOT NULL               -- … and the same in s of CLOCK_BOOTTIME in that boot
) STRICT;

CREATE TABLE openings (              -- every upload that was opened: what limits count
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,         -- outlives the job
    folder TEXT NOT NULL,
    media_seconds REAL,
    opened_at REAL NOT NULL
) STRICT;
CREATE INDEX openings_by_time ON openings (opened_at);
CREATE INDEX openings_by_job ON openings (job_id);

CREATE TABLE standstills (           -- what a person has paused
    folder TEXT PRIMARY KEY,         -- empty: everything
    since REAL NOT NULL
) STRICT;

CREATE TABLE erasures (              -- what is still to be erased at the service
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,         -- outlives the job
    kind TEXT NOT NULL CHECK (kind IN ('session', 'upload')),
    remote_id TEXT NOT NULL,
    service TEXT NOT NULL,           -- scheme and host where it is
    key_fingerprint TEXT NOT NULL,   -- of the key that may erase it
    since REAL NOT NULL,             -- from when on it is wanted no more: what delete_remote counts from
    due_at REAL NOT NULL,
    failures INTEGER NOT NULL,
    reason TEXT NOT NULL,
    hint TEXT NOT NULL,
    UNIQUE (kind, remote_id)
) STRICT;
CREATE INDEX erasures_by_due ON erasures (due_at);
CREATE INDEX erasures_by_job ON erasures (job_id);

ALTER TABLE jobs ADD COLUMN erased TEXT;      -- its last session that was erased at the service
ALTER TABLE jobs ADD COLUMN looked_at REAL;   -- Unix seconds of the last look that found it still at work
ALTER TABLE jobs ADD COLUMN took REAL;        -- s from the end of the upload to the result, as far as can be told
CREATE INDEX jobs_asked ON jobs (state, folder, due_at) WHERE state = 'uploaded' OR state = 'transcribing';
CREATE INDEX jobs_took ON jobs (service, ready_at) WHERE took IS NOT NULL;
"""

_MADE_ANEW = """
ALTER TABLE deliveries ADD COLUMN wishes TEXT CHECK (wishes IS NULL OR json_valid(wishes));  -- while it is made anew
ALTER TABLE requests ADD COLUMN delivery_id INTEGER;  -- of a request that concerns one source's sidecars
ALTER TABLE requests ADD COLUMN wishes TEXT;

CREATE TABLE sidecars_by_now (
    id INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id),
    folder TEXT NOT NULL,
    path BLOB NOT NULL,
    output TEXT NOT NULL,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    replaces TEXT CHECK (length(replaces) = 64),  -- our own file that had the name, until this one is written
    written_at REAL,
    former INTEGER NOT NULL DEFAULT 0 CHECK (former IN (0, 1)),  -- of an earlier rendering, and still there
    UNIQUE (folder, path)
) STRICT;
INSERT INTO sidecars_by_now SELECT id, delivery_id, folder, path, output, sha256, replaces, written_at, 0 FROM sidecars;
DROP TABLE sidecars;
ALTER TABLE sidecars_by_now RENAME TO sidecars;
CREATE UNIQUE INDEX sidecars_of_today ON sidecars (delivery_id, output) WHERE former = 0;
CREATE INDEX sidecars_by_delivery ON sidecars (delivery_id);

CREATE INDEX results_by_age ON results (stored_at);
CREATE INDEX sources_missing ON sources (updated_at) WHERE present = 0;

CREATE TABLE outputs (               -- directories for outputs
    directory BLOB PRIMARY KEY,      -- absolute
    mountpoint BLOB NOT NULL         -- where its disk was mounted when it was last used
) STRICT;

CREATE TABLE notices (               -- the one file in a folder that tells what waits in it
    folder TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    replaces TEXT CHECK (length(replaces) = 64),  -- what it held before, until this was written
    written INTEGER NOT NULL CHECK (written IN (0, 1))
) STRICT;
CREATE INDEX jobs_stopped ON jobs (state, updated_at) WHERE state = 'held' OR state = 'failed';
"""

_TELLING = """
CREATE TABLE told (                  -- what notifications have said, so that a restart says nothing twice
    receiver TEXT NOT NULL,          -- fingerprint of its address: the address itself is a secret
    fact TEXT NOT NULL CHECK (fact IN ('news', 'end', 'open', 'mark')),
    subject TEXT NOT NULL,           -- a topic; where something is open, its matter
    folder TEXT NOT NULL,            -- empty where it is about everything
    at REAL NOT NULL,
    mark INTEGER NOT NULL,           -- how far what is counted was told: a row of history, a day
    PRIMARY KEY (receiver, fact, subject, folder)
) STRICT;

CREATE TABLE errands (               -- commands that are still to be run after a delivery
    id INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL UNIQUE REFERENCES deliveries (id) ON DELETE CASCADE,
    since REAL NOT NULL,             -- when the delivery was complete
    due_at REAL NOT NULL,
    failing_since REAL,
    failures INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
CREATE INDEX errands_by_due ON errands (due_at);
"""

_FORGETTING = """
ALTER TABLE requests ADD COLUMN source_id INTEGER;  -- of a request that concerns one file; its job_id is 0
ALTER TABLE requests ADD COLUMN stays INTEGER;      -- whether that file still lies there, if it is to be forgotten
ALTER TABLE erasures ADD COLUMN ordered INTEGER NOT NULL DEFAULT 0;  -- by a person: no setting takes it back

CREATE TABLE forgotten (             -- files that lie there still: left alone for as long as they stay as they are
    folder TEXT NOT NULL,
    directory BLOB NOT NULL,         -- digests, from which no name can be read
    name BLOB NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    inode INTEGER NOT NULL,
    since REAL NOT NULL,
    PRIMARY KEY (folder, directory, name)
) STRICT;
CREATE INDEX forgotten_by_inode ON forgotten (folder, inode);    -- what was renamed
"""

_IN_ANOTHER_LANGUAGE = """
ALTER TABLE jobs ADD COLUMN language TEXT;    -- what `redo` asked for, instead of the folder's
"""

MIGRATIONS: Final = (
    _FOUNDATION,
    _TRUSTED_WATCHING,
    _ASKING_LITTLE,
    _MADE_ANEW,
    _TELLING,
    _FORGETTING,
    COUNTING,
    _IN_ANOTHER_LANGUAGE,
    TALLYING,
)  # number n is MIGRATIONS[n - 1]
