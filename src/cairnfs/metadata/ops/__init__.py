"""What can be done to the metadata: one verb a file, read from top to bottom.

An operation is synchronous, runs inside the driver's tx, and returns its result and its effects as
values. It never begins or commits anything, and holds no SQL.
"""
