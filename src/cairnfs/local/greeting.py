"""The first file of every cluster, and what it says."""

from __future__ import annotations

PATH = "/Hello.txt"
TEXT = b"""\
Hello! This file lies on your own Cairn, in as many copies as you asked for.
Try: cairn put -r DIRECTORY /home/YOU/DIRECTORY, and read it as it was ten minutes ago with --at 10m.
"""
