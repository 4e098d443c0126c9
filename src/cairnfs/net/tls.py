"""TLS for both seams: which files a server shows, whom a client trusts. No I/O but reading them."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from cairnfs.errors import BadRequest


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """A certificate chain and its private key, both PEM."""

    certificate: Path
    key: Path


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """What a server needs. Raises BadRequest naming the file that does not serve."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(files.certificate, files.key)
    except (OSError, ssl.SSLError) as error:
        raise BadRequest(f"certificate {files.certificate} or key {files.key}: {error}") from error
    return context


def client_context(authorities: Path | None = None) -> ssl.SSLContext:
    """What a client needs; `authorities` (PEM) are trusted instead of the system's. Raises BadRequest."""
    try:
        context = ssl.create_default_context(cafile=None if authorities is None else str(authorities))
    except (OSError, ssl.SSLError) as error:
        raise BadRequest(f"certificate authorities {authorities}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
