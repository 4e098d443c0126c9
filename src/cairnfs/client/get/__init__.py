"""Getting files and trees out of the cluster, and syncing: a local directory becomes what a remote one is.

`tree` and `sync` are the ways from the cluster to local files, `batches` moves many short ones at one go,
`unchanged` sees that nothing is to be done. What does not belong here: local files themselves (`local/`).
"""
