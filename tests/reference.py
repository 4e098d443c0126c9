"""The tables in docs/PROTOCOL.md that come from the code. `python tests/reference.py` writes them.

`test_docs.py` compares; `make docs` writes.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from cairnfs.errors import BY_CODE
from cairnfs.wire import endpoints

PROTOCOL = Path(__file__).resolve().parents[1] / "docs" / "PROTOCOL.md"


def endpoint_table() -> str:
    """One row per endpoint."""
    rows = ["| method and path | who | what | errors to expect |", "|---|---|---|---|"]
    for endpoint in (*endpoints.CONTROL, *endpoints.FILESERVER):
        codes = ", ".join(f"`{error.code}`" for error in endpoint.errors)
        rows.append(
            f"| `{endpoint.method} {endpoint.path}` | {endpoint.access} | {endpoint.summary} | {codes} |"
        )
    return "\n".join(rows)


def error_table() -> str:
    """One row per code."""
    rows = ["| code | HTTP | exit | again? | meaning |", "|---|---|---|---|---|"]
    for code, kind in sorted(BY_CODE.items()):
        if code != "error":
            meaning = (kind.__doc__ or "").splitlines()[0]
            again = "yes" if kind.retryable else "no"
            rows.append(f"| `{code}` | {kind.status} | {kind.exit_status} | {again} | {meaning} |")
    return "\n".join(rows)


def _between(table: str, found: re.Match[str]) -> str:
    return f"{found[1]}{table}\n{found[2]}"


def written(text: str) -> str:
    """The document with its tables as the code has them now."""
    for name, table in (("endpoints", endpoint_table()), ("errors", error_table())):
        place = re.compile(rf"(<!-- {name}:[^\n]*-->\n).*?(<!-- /{name} -->)", re.DOTALL)
        # Not a replacement text: a table's backslashes stand for themselves.
        text, found = place.subn(partial(_between, table), text)
        if found != 1:
            raise ValueError(f"docs/PROTOCOL.md has {found} places for the table of {name}")
    return text


if __name__ == "__main__":
    PROTOCOL.write_text(written(PROTOCOL.read_text()))
