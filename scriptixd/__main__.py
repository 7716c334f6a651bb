"""`python -m scriptixd` is `scriptixd`."""

from __future__ import annotations

from scriptixd.cli import main

if __name__ == "__main__":
    main()
