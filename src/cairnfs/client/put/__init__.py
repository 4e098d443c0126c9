"""Putting local files and trees into the cluster, each tree in one commit.

`tree` is the way from local files to the commit, `plan` what is done, `places` and `pages` where it is
gathered, `stash` and `notes` how an interrupted put is gone on with. What does not belong here: making a
directory exactly the local one (`publish/`).
"""
