"""The state file: everything that is known, in one local SQLite database; the only room that speaks SQL.

`tables.Store` is for whoever changes something, `glance.Glance` for whoever looks how things stand.
"""
