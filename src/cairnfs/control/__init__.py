"""The control plane: auth, directory, locks and transactions as four sets of routes of one application.

Routes translate between the wire and the metadata operations; they hold no rules of their own. Never
imports the fileserver: the two speak over the network.
"""
