"""The cache of chunks on this machine's disk: bounded, shared by one user's processes, verified on read.

    directory   where it lies, how large it may be, whose it is
    store       what is in it: chunks by their hashes, and what the directory last said of files (`answers`)
    ring, index the files that it is made of
    front       its face on an event loop, which `download.py` asks
    status      for people

What belongs here: keeping bytes near. What does not: who may read what, which the cluster says at each open.
"""
