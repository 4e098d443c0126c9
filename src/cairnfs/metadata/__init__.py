"""The database of names, versions, locks and transactions, and the one driver that changes it.

Operations decide, the driver repeats, commits and announces; rows speak SQL; databases connect.
"""
