"""The law of locks, without a database: what conflicts, who is granted what and when, who waits in a circle.

    request    keys, owners, requests, and what a request asks of others (`Look`)
    conflict   who is in whose way; what an owner has already
    claims     who has been seen at a key, in two owners however many they are
    circle     waits that would close a circle
    table      all of it on a dictionary: the law as a whole, by which the database's is tested

What belongs here: rules that both the table and `metadata/ops/locks` stand on. Pure, any thread.
"""
