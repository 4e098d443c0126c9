"""A fileserver: chunks in append-only segments, their index, receipts, forwarding, inventory.

Knows nothing of names or users. Never imports the control plane: the two speak over the network.
"""
