"""Cairn's processes on this machine: starting, stopping, watching them, and where their files lie."""
