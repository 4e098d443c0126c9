"""Publishing: a remote directory becomes exactly what a local one is, in one commit.

`look` finds what differs, `plan` puts it into an order in which it can be done, `send` makes the commit,
`rows` says what the record knows afterwards, `publish` begins anew where others were faster.
"""
