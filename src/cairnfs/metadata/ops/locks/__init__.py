"""Locks: asking, releasing, ending with a session, breaking. One verb a file.

    spots        from paths to keys, and who may lock them
    acquire      ask, and be granted at once, refused, or put in line
    circles      whether waiting would close a circle
    release, upgrade, breaking, ending    the other verbs
    promote      whoever may be granted once something is gone
    standing     how a request stands; renewing: its session's lease
    list         who holds and who waits, for everybody's eyes (`paths`, `queues`); broken: what was broken

All of them decide by `core/locks`, on what `rows/lock_looks` finds.
"""
