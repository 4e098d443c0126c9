"""The ``cairn`` command: one command a file, which parses, calls and prints."""
