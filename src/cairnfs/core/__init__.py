"""Pure rules: names, permissions, chunking, manifests, placement, leases, two-phase commit as tables.

No input or output, no await, no clock, no logging: a rule takes values and gives values.
"""
