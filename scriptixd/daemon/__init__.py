"""The composition root: builds the rooms, starts and supervises their loops, stops them.

`daemon.Daemon` is the way in; `folders` is for verbs too, which must not load the network with it.
"""
