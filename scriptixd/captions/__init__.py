"""Captions: a result's words → cues → formats. Pure: bytes and records in, records and text out.

`result.read_result` is the way in, `cue.cues` and `writing.formatted` are the ways out. It must never touch a file, the
network or the clock, and imports nothing but the standard library and errors; docx.py alone needs a library.
"""
