"""The local record: what local trees and directories in Cairn had in common when they were last compared.

`record` is its face, `table` its file, `walk_merge` lays what it knows beside what is here and there. It is a
help and never a proof: what it says counts only where the local file and the cluster agree with it.
"""
