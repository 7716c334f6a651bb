"""YAML → frozen settings: every problem at once, each with its line.

`load.load` is the way in, `settings` is what comes out. It reads the configuration and the key, and
looks at folders only to tell whether two of them overlap; it never writes and never waits for a share.
"""
