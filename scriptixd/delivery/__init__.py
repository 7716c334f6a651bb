"""Sidecars: what they hold, what they are called, and putting them beside the source without hurting a file."""
