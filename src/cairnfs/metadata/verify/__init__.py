"""The invariants of the database, checked one by one, each named in its finding.

Only reads; it mends nothing.
"""
