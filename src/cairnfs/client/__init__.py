"""The client library: one filesystem face that every door uses, and what it needs below.

Asynchronous throughout, with one synchronous portal over it (`sync`). From the top: `filesystem`
(the verbs), `upload` and `download` (files), `put_tree` and `get_tree` (trees), `courier` (chunks to
and from the members of their groups), `transfer` (one exchange with one fileserver), `cluster` (the
map), `session`, `commit`, `control` (calls with token and retries), `credentials`, `profile`.
"""
