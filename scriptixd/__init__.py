"""scriptixd: drop a recording into a folder, find its transcript beside it."""

__version__ = "0.1.0"
