"""Reaching a folder's files: one contract, and the disks that keep it."""
