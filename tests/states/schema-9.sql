BEGIN TRANSACTION;
CREATE TABLE asked (                 -- the requests of the last hour: what the budget has to remember over a restart
    id INTEGER PRIMARY KEY,
    token TEXT NOT NULL,             -- fingerprint of the key: each has a budget of its own
    wall REAL NOT NULL,              -- Unix seconds
    boot_id TEXT NOT NULL,
    boot REAL NOT NULL               -- s of CLOCK_BOOTTIME in that boot
) STRICT;
INSERT INTO "asked" VALUES(1,'01234567',1767225690.0,'6d1f2a5c-0000-4000-8000-000000000001',900.0);
CREATE TABLE contacts (              -- first contact with a root: once per identity of its disk
    folder TEXT NOT NULL,
    identity TEXT NOT NULL,
    begun_at REAL NOT NULL,
    completed_at REAL,                     -- when it became the folder's disk for the last time
    PRIMARY KEY (folder, identity)
) STRICT;
INSERT INTO "contacts" VALUES('council',CAST(X'65787434002f6465762f73646131002f7372762f6d65646961' AS TEXT),1767225600.0,1767225605.0);
INSERT INTO "contacts" VALUES('court',CAST(X'63696673002f2f6e61732f636f757274002f' AS TEXT),1767225600.0,NULL);
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
    updated_at REAL NOT NULL, wishes TEXT CHECK (wishes IS NULL OR json_valid(wishes)),
    UNIQUE (job_id, source_id)
) STRICT;
INSERT INTO "deliveries" VALUES(1,1,1,'delivered',0.0,0,'','',1767225601.0,1767225801.0,NULL);
INSERT INTO "deliveries" VALUES(2,2,2,'pending',1.0e+15,0,'','',1767225602.0,1767225802.0,NULL);
INSERT INTO "deliveries" VALUES(3,3,3,'pending',1.0e+15,0,'','',1767225603.0,1767225803.0,NULL);
INSERT INTO "deliveries" VALUES(4,4,4,'pending',1.0e+15,0,'','',1767225604.0,1767225804.0,NULL);
INSERT INTO "deliveries" VALUES(5,5,5,'pending',1.0e+15,0,'','',1767225605.0,1767225805.0,NULL);
INSERT INTO "deliveries" VALUES(6,6,7,'pending',1.0e+15,0,'','',1767225606.0,1767225806.0,NULL);
INSERT INTO "deliveries" VALUES(7,1,8,'delivered',0.0,0,'','',1767225607.0,1767225807.0,NULL);
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
    hint TEXT NOT NULL, ordered INTEGER NOT NULL DEFAULT 0,
    UNIQUE (kind, remote_id)
) STRICT;
INSERT INTO "erasures" VALUES(1,1,'session','session-1','https://api.scriptix.io','01234567',1767225621.0,1769817621.0,0,'','',0);
INSERT INTO "erasures" VALUES(2,5,'session','session-5','https://api.scriptix.io','fedcba98',1767225630.0,1767225630.0,0,'it belongs to another key (fedcba98) than today''s (01234567)','set that key again, or erase it in Scriptix''s dashboard',0);
CREATE TABLE errands (               -- commands that are still to be run after a delivery
    id INTEGER PRIMARY KEY,
    delivery_id INTEGER NOT NULL UNIQUE REFERENCES deliveries (id) ON DELETE CASCADE,
    since REAL NOT NULL,             -- when the delivery was complete
    due_at REAL NOT NULL,
    failing_since REAL,
    failures INTEGER NOT NULL,
    reason TEXT NOT NULL
) STRICT;
INSERT INTO "errands" VALUES(1,1,1767225710.0,1767226000.0,1767225711.0,2,'ended with status 1');
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
INSERT INTO "forgotten" VALUES('council',X'C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0C0',X'F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0F0',48009,1767200000000000009,5009,1767225760.0);
CREATE TABLE history (               -- a row for every save of a job or a delivery
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    job_id INTEGER,
    source_id INTEGER,
    event TEXT NOT NULL,
    state TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
INSERT INTO "history" VALUES(1,1767225601.0,1,1,'Settled','found','');
INSERT INTO "history" VALUES(2,1767225609.0,1,NULL,'UploadOpened','uploading','upload-1');
INSERT INTO "history" VALUES(3,1767225611.0,1,NULL,'UploadFinished','uploaded','');
INSERT INTO "history" VALUES(4,1767225620.0,1,NULL,'ResultReady','ready','');
INSERT INTO "history" VALUES(5,1767225621.0,1,1,'Delivered','delivered','meeting.srt, meeting.json');
INSERT INTO "history" VALUES(6,1767225622.0,1,8,'SameContent','ready','shares job 1');
INSERT INTO "history" VALUES(7,1767225603.0,3,3,'Settled','found','');
INSERT INTO "history" VALUES(8,1767225603.0,3,NULL,'Held','held','was there before this folder was first watched');
INSERT INTO "history" VALUES(9,1767225630.0,5,NULL,'Rejected','failed','Scriptix could not transcribe it: no speech engine');
INSERT INTO "history" VALUES(10,1767225640.0,6,7,'Missing','found','gone.wav is not there any more');
CREATE TABLE instance (              -- which state file this is, to other daemons
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL CHECK (length(id) = 32)
) STRICT;
INSERT INTO "instance" VALUES(1,'0123456789abcdef0123456789abcdef');
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
    version INTEGER NOT NULL, cleared TEXT NOT NULL DEFAULT '', erased TEXT, looked_at REAL, took REAL, language TEXT,
    CHECK (state NOT IN ('uploading', 'closing', 'uploaded', 'transcribing', 'ready') OR file_id IS NOT NULL),
    CHECK (state NOT IN ('closing', 'uploaded', 'transcribing', 'ready') OR sha256 IS NOT NULL),
    CHECK (state NOT IN ('transcribing', 'ready') OR session_id IS NOT NULL)
) STRICT;
INSERT INTO "jobs" VALUES(1,'ready','council','{"diarization": null, "document": "{}", "document_type": "caption", "language": "nl", "multichannel": false, "punctuation": true}',48044,1767200000000000001,5001,0,'1111111111111111111111111111111111111111111111111111111111111111',3.0,'upload-1','https://api.scriptix.io','01234567','{"filename": "meeting.wav", "folder_id": null, "keep_source": false, "metadata": {}}','session-1',1767225610.0,1767225611.0,1767225620.0,0.0,0,0.0,'','','',1767225601.0,1767225801.0,6,'',NULL,NULL,8.5,NULL);
INSERT INTO "jobs" VALUES(2,'transcribing','council','{"diarization": null, "document": "{}", "document_type": "document", "language": "en", "multichannel": false, "punctuation": true}',48002,1767200000000000002,5002,0,'2222222222222222222222222222222222222222222222222222222222222222',61.5,'upload-2','https://api.scriptix.io','01234567','{"filename": "caf\\udce9.mp4", "folder_id": null, "keep_source": false, "metadata": {}}','session-2',1767225612.0,1767225613.0,NULL,0.0,0,0.0,'processing','','',1767225602.0,1767225802.0,5,'',NULL,1767225618.0,NULL,'en');
INSERT INTO "jobs" VALUES(3,'held','council','{"diarization": null, "document": "{}", "document_type": "caption", "language": "nl", "multichannel": false, "punctuation": true}',48003,1767200000000000003,5003,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,0,0.0,'was there before this folder was first watched','','was there before this folder was first watched',1767225603.0,1767225803.0,1,'',NULL,NULL,NULL,NULL);
INSERT INTO "jobs" VALUES(4,'uploading','council','{"diarization": null, "document": "{}", "document_type": "caption", "language": "nl", "multichannel": false, "punctuation": true}',48004,1767200000000000004,5004,0,NULL,12.0,'upload-4','https://api.scriptix.io','01234567','{"filename": "sending.wav", "folder_id": null, "keep_source": false, "metadata": {}}',NULL,NULL,NULL,NULL,0.0,0,0.0,'','','',1767225604.0,1767225804.0,2,'was there before this folder was first watched',NULL,NULL,NULL,NULL);
INSERT INTO "jobs" VALUES(5,'failed','council','{"diarization": null, "document": "{}", "document_type": "caption", "language": "nl", "multichannel": false, "punctuation": true}',48005,1767200000000000005,5005,0,'5555555555555555555555555555555555555555555555555555555555555555',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,0,0.0,'Scriptix could not transcribe it: no speech engine','listen to the file; scriptixd retry sends and pays for it again','',1767225605.0,1767225805.0,7,'',NULL,NULL,NULL,NULL);
INSERT INTO "jobs" VALUES(6,'gone','council','{"diarization": null, "document": "{}", "document_type": "caption", "language": "nl", "multichannel": false, "punctuation": true}',48007,1767200000000000007,5007,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0.0,0,0.0,'gone.wav is not there any more','','',1767225606.0,1767225806.0,2,'',NULL,NULL,NULL,NULL);
CREATE TABLE ledger (                -- one row a payment, no file name, outlives the job
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,
    day TEXT NOT NULL,               -- local calendar day, ISO 8601
    folder TEXT NOT NULL,
    media_seconds REAL,
    failed INTEGER NOT NULL CHECK (failed IN (0, 1)),
    paid_at REAL NOT NULL
) STRICT;
INSERT INTO "ledger" VALUES(1,1,'2026-01-01','council',3.0,0,1767225612.0);
INSERT INTO "ledger" VALUES(2,2,'2026-01-01','council',61.5,0,1767225613.0);
INSERT INTO "ledger" VALUES(3,5,'2026-01-01','council',NULL,1,1767225614.0);
CREATE TABLE migrations (number INTEGER PRIMARY KEY, at REAL NOT NULL, version TEXT NOT NULL) STRICT;
INSERT INTO "migrations" VALUES(1,1766448000.0,'0.1.0');
INSERT INTO "migrations" VALUES(2,1766534400.0,'0.2.0');
INSERT INTO "migrations" VALUES(3,1766620800.0,'0.3.0');
INSERT INTO "migrations" VALUES(4,1766707200.0,'0.4.0');
INSERT INTO "migrations" VALUES(5,1766793600.0,'0.5.0');
INSERT INTO "migrations" VALUES(6,1766880000.0,'0.6.0');
INSERT INTO "migrations" VALUES(7,1766966400.0,'0.7.0');
INSERT INTO "migrations" VALUES(8,1767052800.0,'0.8.0');
INSERT INTO "migrations" VALUES(9,1767139200.0,'0.9.0');
CREATE TABLE notices (               -- the one file in a folder that tells what waits in it
    folder TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
    replaces TEXT CHECK (length(replaces) = 64),  -- what it held before, until this was written
    written INTEGER NOT NULL CHECK (written IN (0, 1))
) STRICT;
INSERT INTO "notices" VALUES('council','abababababababababababababababababababababababababababababababab',NULL,1);
CREATE TABLE openings (              -- every upload that was opened: what limits count
    id INTEGER PRIMARY KEY,
    job_id INTEGER NOT NULL,         -- outlives the job
    folder TEXT NOT NULL,
    media_seconds REAL,
    opened_at REAL NOT NULL
) STRICT;
INSERT INTO "openings" VALUES(1,1,'council',3.0,1767225609.0);
INSERT INTO "openings" VALUES(2,2,'council',61.5,1767225610.0);
INSERT INTO "openings" VALUES(3,4,'council',12.0,1767225614.0);
CREATE TABLE outputs (               -- directories for outputs
    directory BLOB PRIMARY KEY,      -- absolute
    mountpoint BLOB NOT NULL         -- where its disk was mounted when it was last used
) STRICT;
INSERT INTO "outputs" VALUES(X'2F7372762F7472616E73637269707473',X'2F737276');
CREATE TABLE passes (                -- what was true at the end of a folder's last complete pass
    folder TEXT PRIMARY KEY,
    identity BLOB NOT NULL,          -- of its disk: type, source and sub-path, with a NUL between
    mountpoint BLOB NOT NULL,        -- absolute; empty where only an earlier version met the disk
    nested TEXT NOT NULL CHECK (json_valid(nested)),  -- mounts below the root: [[directory, identity], …]
    scope TEXT,                      -- what was picked up then
    unread TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(unread))  -- directories of which not everything was seen
) STRICT;
INSERT INTO "passes" VALUES('council',X'65787434002F6465762F73646131002F7372762F6D65646961',X'2F737276','[]','{}','["2025"]');
CREATE TABLE questions (             -- what a folder as a whole asks a person: one at a time
    folder TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    about TEXT NOT NULL,             -- a yes holds for just this
    sentence TEXT NOT NULL,
    asked_at REAL NOT NULL,
    answered_at REAL                 -- when somebody said yes
) STRICT;
INSERT INTO "questions" VALUES('court','disk','cifs|//nas/b|/','it is another disk now: //nas/b (cifs)',1767225670.0,NULL);
CREATE TABLE requests (              -- what verbs ask of the daemon
    id INTEGER PRIMARY KEY,
    verb TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    asked_at REAL NOT NULL,
    applied_at REAL,
    outcome TEXT
, folder TEXT, delivery_id INTEGER, wishes TEXT, source_id INTEGER, stays INTEGER) STRICT;
INSERT INTO "requests" VALUES(1,'retry',5,1767225650.0,1767225651.0,'tried again',NULL,NULL,NULL,NULL,NULL);
INSERT INTO "requests" VALUES(2,'approve',3,1767225660.0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "requests" VALUES(3,'approve',0,1767225680.0,NULL,NULL,'court',NULL,NULL,NULL,NULL);
CREATE TABLE results (               -- the service's answer as it came, zlib
    job_id INTEGER PRIMARY KEY REFERENCES jobs (id),
    body BLOB NOT NULL,
    stored_at REAL NOT NULL
) STRICT;
INSERT INTO "results" VALUES(1,X'789C4D8DD10AC2300C457FA5E479964D119DBF32CA0836CEB22E95B59BC2D8BFDBA8E05EC24D4E72B2C04871F2092E6A8198304D3147B081090A05916274815B6765FAEB7695A09BF3C4389080812839EEF41367415FA5889A2C7D10F634CADAC4BDE0EB1D99C9E74999BB442FF90E5D209B857360ABD07B1A10FD5F26AE66BB9351A98F85AAF45E527D36856A607358E98394FA434FC6AC665DDFA0864979',1767225620.0);
CREATE TABLE "sidecars" (
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
INSERT INTO "sidecars" VALUES(1,1,'council',X'6D656574696E672E737274','srt','1111111111111111111111111111111111111111111111111111111111111111',NULL,1767225621.0,0);
INSERT INTO "sidecars" VALUES(2,1,'council',X'6D656574696E672E6A736F6E','json','2222222222222222222222222222222222222222222222222222222222222222',NULL,1767225621.0,0);
INSERT INTO "sidecars" VALUES(3,7,'council',X'636F7079206F66206D656574696E672E737274','srt','3333333333333333333333333333333333333333333333333333333333333333',NULL,1767225621.0,0);
INSERT INTO "sidecars" VALUES(4,7,'council',X'636F7079206F66206D656574696E672E6A736F6E','json','4444444444444444444444444444444444444444444444444444444444444444',NULL,1767225621.0,0);
CREATE TABLE silences (              -- until when the service asked a key not to ask anything
    token TEXT PRIMARY KEY,
    wall REAL NOT NULL,              -- Unix seconds of the end …
    boot_id TEXT NOT NULL,
    boot REAL NOT NULL               -- … and the same in s of CLOCK_BOOTTIME in that boot
) STRICT;
INSERT INTO "silences" VALUES('01234567',1767225740.0,'6d1f2a5c-0000-4000-8000-000000000001',950.0);
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
    updated_at REAL NOT NULL, unsettled_since REAL, arrived_at REAL NOT NULL DEFAULT 0, standing TEXT NOT NULL DEFAULT 'settling',
    UNIQUE (folder, directory, name)
) STRICT;
INSERT INTO "sources" VALUES(1,'council',X'',X'6D656574696E672E776176',48044,1767200000000000001,5001,'6d1f2a5c-0000-4000-8000-000000000001',1001.0,2,1,1,0,0,1767225601.0,1767225701.0,NULL,1767225601.0,'done');
INSERT INTO "sources" VALUES(2,'council',X'32303235',X'636166E92E6D7034',48002,1767200000000000002,5002,'6d1f2a5c-0000-4000-8000-000000000001',1002.0,2,1,1,0,0,1767225602.0,1767225702.0,NULL,1767225602.0,'transcribing');
INSERT INTO "sources" VALUES(3,'council',X'',X'68656C642E776176',48003,1767200000000000003,5003,'6d1f2a5c-0000-4000-8000-000000000001',1003.0,2,1,1,0,0,1767225603.0,1767225703.0,NULL,1767225603.0,'held');
INSERT INTO "sources" VALUES(4,'council',X'',X'73656E64696E672E776176',48004,1767200000000000004,5004,'6d1f2a5c-0000-4000-8000-000000000001',1004.0,2,1,1,0,0,1767225604.0,1767225704.0,NULL,1767225604.0,'uploading');
INSERT INTO "sources" VALUES(5,'council',X'',X'6661696C65642E776176',48005,1767200000000000005,5005,'6d1f2a5c-0000-4000-8000-000000000001',1005.0,2,1,1,0,0,1767225605.0,1767225705.0,NULL,1767225605.0,'failed');
INSERT INTO "sources" VALUES(6,'council',X'',X'67726F77732E776176',48006,1767200000000000006,5006,'6d1f2a5c-0000-4000-8000-000000000001',1006.0,2,0,1,0,0,1767225606.0,1767225706.0,1767225706.0,1767225606.0,'settling');
INSERT INTO "sources" VALUES(7,'council',X'',X'676F6E652E776176',48007,1767200000000000007,5007,'6d1f2a5c-0000-4000-8000-000000000001',1007.0,2,0,0,0,0,1767225607.0,1767225707.0,NULL,1767225607.0,'gone');
INSERT INTO "sources" VALUES(8,'council',X'',X'636F7079206F66206D656574696E672E776176',48044,1767200000000000008,5008,'6d1f2a5c-0000-4000-8000-000000000001',1008.0,2,1,1,0,0,1767225608.0,1767225708.0,NULL,1767225608.0,'done');
CREATE TABLE standstills (           -- what a person has paused
    folder TEXT PRIMARY KEY,         -- empty: everything
    since REAL NOT NULL
) STRICT;
INSERT INTO "standstills" VALUES('court',1767225685.0);
CREATE TABLE tallies (               -- how many sources are at what, in each folder; kept by triggers
    folder TEXT NOT NULL,
    standing TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (folder, standing)
) STRICT, WITHOUT ROWID;
INSERT INTO "tallies" VALUES('council','done',2);
INSERT INTO "tallies" VALUES('council','failed',1);
INSERT INTO "tallies" VALUES('council','gone',1);
INSERT INTO "tallies" VALUES('council','held',1);
INSERT INTO "tallies" VALUES('council','settling',1);
INSERT INTO "tallies" VALUES('council','transcribing',1);
INSERT INTO "tallies" VALUES('council','uploading',1);
CREATE TABLE told (                  -- what notifications have said, so that a restart says nothing twice
    receiver TEXT NOT NULL,          -- fingerprint of its address: the address itself is a secret
    fact TEXT NOT NULL CHECK (fact IN ('news', 'end', 'open', 'mark')),
    subject TEXT NOT NULL,           -- a topic; where something is open, its matter
    folder TEXT NOT NULL,            -- empty where it is about everything
    at REAL NOT NULL,
    mark INTEGER NOT NULL,           -- how far what is counted was told: a row of history, a day
    PRIMARY KEY (receiver, fact, subject, folder)
) STRICT;
INSERT INTO "told" VALUES('89abcdef01234567','mark','summary','',1767225750.0,20454);
CREATE INDEX jobs_in_turn ON jobs (state, folder, id) WHERE state = 'found' OR state = 'uploading';
CREATE INDEX jobs_by_due ON jobs (state, due_at)
    WHERE state = 'found' OR state = 'uploading' OR state = 'closing' OR state = 'uploaded' OR state = 'transcribing';
CREATE INDEX jobs_by_content ON jobs (size, sha256);
CREATE UNIQUE INDEX jobs_pay_once ON jobs (sha256, request, redo)
    WHERE state IN ('closing', 'uploaded', 'transcribing', 'ready');
CREATE INDEX deliveries_by_source ON deliveries (source_id);
CREATE INDEX deliveries_pending ON deliveries (due_at) WHERE state = 'pending';
CREATE INDEX ledger_by_job ON ledger (job_id);
CREATE INDEX requests_open ON requests (id) WHERE applied_at IS NULL;
CREATE INDEX history_by_job ON history (job_id);
CREATE INDEX history_by_source ON history (source_id);
CREATE INDEX sources_restless ON sources (folder, unsettled_since) WHERE present = 1 AND settled = 0;
CREATE INDEX sources_by_inode ON sources (folder, inode);
CREATE INDEX sources_by_arrival ON sources (folder, arrived_at) WHERE existing = 0;
CREATE INDEX jobs_by_arrival ON jobs (folder, created_at);
CREATE INDEX asked_by_token ON asked (token, boot);
CREATE INDEX openings_by_time ON openings (opened_at);
CREATE INDEX openings_by_job ON openings (job_id);
CREATE INDEX erasures_by_due ON erasures (due_at);
CREATE INDEX erasures_by_job ON erasures (job_id);
CREATE INDEX jobs_asked ON jobs (state, folder, due_at) WHERE state = 'uploaded' OR state = 'transcribing';
CREATE INDEX jobs_took ON jobs (service, ready_at) WHERE took IS NOT NULL;
CREATE UNIQUE INDEX sidecars_of_today ON sidecars (delivery_id, output) WHERE former = 0;
CREATE INDEX sidecars_by_delivery ON sidecars (delivery_id);
CREATE INDEX results_by_age ON results (stored_at);
CREATE INDEX sources_missing ON sources (updated_at) WHERE present = 0;
CREATE INDEX jobs_stopped ON jobs (state, updated_at) WHERE state = 'held' OR state = 'failed';
CREATE INDEX errands_by_due ON errands (due_at);
CREATE INDEX forgotten_by_inode ON forgotten (folder, inode);
CREATE INDEX sources_by_standing ON sources (standing, folder);
CREATE TRIGGER standing_of_new_source AFTER INSERT ON sources WHEN NEW.present = 0 OR NEW.settled = 1 BEGIN
    UPDATE sources SET standing = CASE WHEN present = 1 AND settled = 0 THEN 'settling' ELSE coalesce(
    (SELECT CASE WHEN jobs.state != 'ready' THEN jobs.state WHEN sources.present = 0 THEN 'missing'
            WHEN deliveries.state = 'delivered' THEN 'done' ELSE 'delivering' END
        FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id WHERE deliveries.id = (SELECT max(id) FROM deliveries AS share WHERE share.source_id = sources.id AND share.state != 'dropped')),
    iif(present = 0, 'missing', 'ignored')) END WHERE id = NEW.id;
END;
CREATE TRIGGER standing_of_source AFTER UPDATE OF present, settled ON sources
    WHEN OLD.present != NEW.present OR OLD.settled != NEW.settled BEGIN
    UPDATE sources SET standing = CASE WHEN present = 1 AND settled = 0 THEN 'settling' ELSE coalesce(
    (SELECT CASE WHEN jobs.state != 'ready' THEN jobs.state WHEN sources.present = 0 THEN 'missing'
            WHEN deliveries.state = 'delivered' THEN 'done' ELSE 'delivering' END
        FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id WHERE deliveries.id = (SELECT max(id) FROM deliveries AS share WHERE share.source_id = sources.id AND share.state != 'dropped')),
    iif(present = 0, 'missing', 'ignored')) END WHERE id = NEW.id;
END;
CREATE TRIGGER standing_of_new_delivery AFTER INSERT ON deliveries BEGIN
    UPDATE sources SET standing = CASE WHEN present = 1 AND settled = 0 THEN 'settling' ELSE coalesce(
    (SELECT CASE WHEN jobs.state != 'ready' THEN jobs.state WHEN sources.present = 0 THEN 'missing'
            WHEN deliveries.state = 'delivered' THEN 'done' ELSE 'delivering' END
        FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id WHERE deliveries.id = (SELECT max(id) FROM deliveries AS share WHERE share.source_id = sources.id AND share.state != 'dropped')),
    iif(present = 0, 'missing', 'ignored')) END WHERE id = NEW.source_id;
END;
CREATE TRIGGER standing_of_delivery AFTER UPDATE OF state ON deliveries WHEN OLD.state != NEW.state BEGIN
    UPDATE sources SET standing = CASE WHEN present = 1 AND settled = 0 THEN 'settling' ELSE coalesce(
    (SELECT CASE WHEN jobs.state != 'ready' THEN jobs.state WHEN sources.present = 0 THEN 'missing'
            WHEN deliveries.state = 'delivered' THEN 'done' ELSE 'delivering' END
        FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id WHERE deliveries.id = (SELECT max(id) FROM deliveries AS share WHERE share.source_id = sources.id AND share.state != 'dropped')),
    iif(present = 0, 'missing', 'ignored')) END WHERE id = NEW.source_id;
END;
CREATE TRIGGER standing_of_old_delivery AFTER DELETE ON deliveries BEGIN
    UPDATE sources SET standing = CASE WHEN present = 1 AND settled = 0 THEN 'settling' ELSE coalesce(
    (SELECT CASE WHEN jobs.state != 'ready' THEN jobs.state WHEN sources.present = 0 THEN 'missing'
            WHEN deliveries.state = 'delivered' THEN 'done' ELSE 'delivering' END
        FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id WHERE deliveries.id = (SELECT max(id) FROM deliveries AS share WHERE share.source_id = sources.id AND share.state != 'dropped')),
    iif(present = 0, 'missing', 'ignored')) END WHERE id = OLD.source_id;
END;
CREATE TRIGGER standing_of_job AFTER UPDATE OF state ON jobs WHEN OLD.state != NEW.state BEGIN
    UPDATE sources SET standing = CASE WHEN present = 1 AND settled = 0 THEN 'settling' ELSE coalesce(
    (SELECT CASE WHEN jobs.state != 'ready' THEN jobs.state WHEN sources.present = 0 THEN 'missing'
            WHEN deliveries.state = 'delivered' THEN 'done' ELSE 'delivering' END
        FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id WHERE deliveries.id = (SELECT max(id) FROM deliveries AS share WHERE share.source_id = sources.id AND share.state != 'dropped')),
    iif(present = 0, 'missing', 'ignored')) END WHERE id IN (SELECT source_id FROM deliveries WHERE job_id = NEW.id);
END;
CREATE INDEX ledger_by_day ON ledger (day);
CREATE INDEX sources_present ON sources (folder, directory) WHERE present = 1;
CREATE TRIGGER tally_of_new_source AFTER INSERT ON sources BEGIN
    INSERT INTO tallies VALUES (NEW.folder, NEW.standing, 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
END;
CREATE TRIGGER tally_of_old_source AFTER DELETE ON sources BEGIN
    INSERT INTO tallies VALUES (OLD.folder, OLD.standing, -1)
    ON CONFLICT DO UPDATE SET number = number - 1;
END;
CREATE TRIGGER tally_of_source AFTER UPDATE OF folder, standing ON sources
    WHEN OLD.folder != NEW.folder OR OLD.standing != NEW.standing BEGIN
    INSERT INTO tallies VALUES (OLD.folder, OLD.standing, -1)
    ON CONFLICT DO UPDATE SET number = number - 1;
    INSERT INTO tallies VALUES (NEW.folder, NEW.standing, 1)
    ON CONFLICT DO UPDATE SET number = number + 1;
END;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('jobs',6);
COMMIT;
