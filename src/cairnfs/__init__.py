"""Cairn, a transactional distributed filesystem.

This module is the public face of the package: what a user of the library imports, and nothing
else. The rooms below it are internal and may change from one version to the next.
"""

__version__ = "0.1.0"
