"""`python -m cairnfs.cli`: the same as `cairn`."""

from __future__ import annotations

import sys

from cairnfs.cli.main import run

sys.exit(run())
