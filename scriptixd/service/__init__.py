"""Talking to Scriptix over HTTP: uploads by TUS, sessions, transcripts, and what refusals mean."""
