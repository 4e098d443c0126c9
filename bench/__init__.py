"""What Cairn does on this machine, beside what the machine itself can do: `python -m bench`.

Every figure is the median of several runs against a real cluster, with the machine's own limit
measured in the same minute by a few plain lines of code. Nothing here asserts a time: the bench
prints, people judge. `docs/design/0008-measurements.md` says what each figure means and how to
measure other systems beside Cairn.
"""
