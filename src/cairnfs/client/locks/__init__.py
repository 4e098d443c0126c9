"""Locks as a client has them: asked for, waited for, kept, shown with every commit, given back.

`held` says which locks are held here (in this task or thread); `guard` ends work whose lock is lost; `desk`
is a connection's part, with `asking`, `grants` (waiting) and `release`; `turns` waits instead of being
refused; `body` and `verbs` are what callers see. What does not belong here: who may have a lock, which only
the cluster knows.
"""
