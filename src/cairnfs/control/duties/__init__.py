"""Work the control plane does unasked: expiry, the detector, repair, collection.

A duty runs in at most one process at a time and can be stopped between any two of its steps.
"""
