"""This machine's files, as sources and targets of transfers.

What belongs here: finding, reading, comparing and making them, what names and attributes they can have, and
local failures as Cairn's errors. What does not: anything that asks the cluster. Synchronous: callers run it
on another thread.
"""
