"""What each source is at, and how many are at what: migrations like those in schema.py, which are never edited either.

Both are kept by triggers, in the transaction that changes a source, its delivery or its job: whoever asks neither
joins four tables for a word nor counts a million rows for a number.
"""

from __future__ import annotations

from typing import Final

# What a source is at, as people are told: counting a million of them takes an index, and no look at jobs.
_NEWEST = "(SELECT max(id) FROM deliveries AS share WHERE share.source_id = sources.id AND share.state != 'dropped')"
_STANDING = f"""UPDATE sources SET standing = CASE WHEN present = 1 AND settled = 0 THEN 'settling' ELSE coalesce(
    (SELECT CASE WHEN jobs.state != 'ready' THEN jobs.state WHEN sources.present = 0 THEN 'missing'
            WHEN deliveries.state = 'delivered' THEN 'done' ELSE 'delivering' END
        FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id WHERE deliveries.id = {_NEWEST}),
    iif(present = 0, 'missing', 'ignored')) END"""
COUNTING: Final = f"""
ALTER TABLE sources ADD COLUMN standing TEXT NOT NULL DEFAULT 'settling';  -- kept by triggers
{_STANDING};
CREATE INDEX sources_by_standing ON sources (standing, folder);
CREATE TRIGGER standing_of_new_source AFTER INSERT ON sources WHEN NEW.present = 0 OR NEW.settled = 1 BEGIN
    {_STANDING} WHERE id = NEW.id;
END;
CREATE TRIGGER standing_of_source AFTER UPDATE OF present, settled ON sources
    WHEN OLD.present != NEW.present OR OLD.settled != NEW.settled BEGIN
    {_STANDING} WHERE id = NEW.id;
END;
CREATE TRIGGER standing_of_new_delivery AFTER INSERT ON deliveries BEGIN
    {_STANDING} WHERE id = NEW.source_id;
END;
CREATE TRIGGER standing_of_delivery AFTER UPDATE OF state ON deliveries WHEN OLD.state != NEW.state BEGIN
    {_STANDING} WHERE id = NEW.source_id;
END;
CREATE TRIGGER standing_of_old_delivery AFTER DELETE ON deliveries BEGIN
    {_STANDING} WHERE id = OLD.source_id;
END;
CREATE TRIGGER standing_of_job AFTER UPDATE OF state ON jobs WHEN OLD.state != NEW.state BEGIN
    {_STANDING} WHERE id IN (SELECT source_id FROM deliveries WHERE job_id = NEW.id);
END;
CREATE INDEX ledger_by_day ON ledger (day);
CREATE INDEX sources_present ON sources (folder, directory) WHERE present = 1;  -- a million may be missing
"""

_ONE_MORE = """INSERT INTO tallies VALUES (NEW.folder, NEW.standing, 1)
    ON CONFLICT DO UPDATE SET number = number + 1"""
_ONE_LESS = """INSERT INTO tallies VALUES (OLD.folder, OLD.standing, -1)
    ON CONFLICT DO UPDATE SET number = number - 1"""
# The order of two triggers of one event is not defined: a number may be below zero until both have run.
TALLYING: Final = f"""
CREATE TABLE tallies (               -- how many sources are at what, in each folder; kept by triggers
    folder TEXT NOT NULL,
    standing TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (folder, standing)
) STRICT, WITHOUT ROWID;
INSERT INTO tallies SELECT folder, standing, count(*) FROM sources GROUP BY standing, folder;
CREATE TRIGGER tally_of_new_source AFTER INSERT ON sources BEGIN
    {_ONE_MORE};
END;
CREATE TRIGGER tally_of_old_source AFTER DELETE ON sources BEGIN
    {_ONE_LESS};
END;
CREATE TRIGGER tally_of_source AFTER UPDATE OF folder, standing ON sources
    WHEN OLD.folder != NEW.folder OR OLD.standing != NEW.standing BEGIN
    {_ONE_LESS};
    {_ONE_MORE};
END;
"""
