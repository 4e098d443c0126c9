"""The statements, written once for all databases; each takes or gives many rows at a time.

Nothing here decides: what is allowed belongs to the operations.
"""
