"""The three standard streams, where whoever started the command had closed some of them.

Python then has None for a stream, and the next file to be opened would take its number. Here each gets
something to stand for it: reading and writing fail as on a closed file, except that what is said on
standard error goes nowhere. What does not belong here: what is read and written. At the start, one thread.
"""

from __future__ import annotations

import os
import sys

#: (name, how the operating system opens it: the wrong way round, so that its use fails; how Python does)
_STREAMS = (("stdin", os.O_WRONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w"))


def stand_in_for_closed() -> None:
    """See that none of the three is missing."""
    for number, (name, flags, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, flags)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, mode))  # noqa: SIM115 -- it lives as long as the process
