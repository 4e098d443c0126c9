"""What names the local system can hold, found out by trying.

Different filesystems of one machine hold different names, so the platform says little: `probe` tries in
the directory that matters. What belongs here: what one name may be, and which names are one. What does
not: the trying (`probe.py`), whole trees (`clashes.py`), making anything.
Synchronous: callers run it on another thread.
"""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from cairnfs.client.local import probe as local_probe
from cairnfs.client.local.files import LocalPath, local_errors
from cairnfs.core.names import NAME_MAX_BYTES
from cairnfs.errors import BadName
from cairnfs.wire.names import printable

#: Which letters of both cases are one: none, those of ASCII, those with one counterpart, all (ß is ss).
Case = Literal["kept", "ascii", "simple", "full"]
#: Which names are held at all: any bytes, UTF-8, UTF-8 up to U+FFFF, ASCII.
Charset = Literal["bytes", "utf-8", "bmp", "ascii"]

#: Characters that some system refuses in any place.
DOUBTFUL = frozenset('"*:<>?\\|\x7f' + "".join(map(chr, range(1, 32))))
DOUBTFUL_LAST = frozenset(". ")
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789")]
)
#: Names of this form can be held everywhere, unless they are reserved.
_PLAIN = re.compile(rb"(?:[A-Za-z0-9_.,+=@#()-][A-Za-z0-9_.,+=@#() -]{0,98})?[A-Za-z0-9_)-]")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one local directory holds. As it is made by default, everything that Cairn does.

    `refused`, `refused_last`: characters in no name, at no name's end. `folds_unicode`: NFC and NFD are
    one name; `renormalises`: and it is stored as another one than was given. `reserved`: names such as
    `con` are devices. `longest`: in bytes, or in UTF-16 units where `counts_utf16`.
    """

    case: Case = "kept"
    charset: Charset = "bytes"
    folds_unicode: bool = False
    renormalises: bool = False
    refused: frozenset[str] = frozenset()
    refused_last: frozenset[str] = frozenset()
    reserved: bool = False
    longest: int = NAME_MAX_BYTES
    counts_utf16: bool = False
    symlinks: bool = True
    hard_links: bool = True

    @classmethod
    def probe(cls, directory: LocalPath) -> Capabilities:
        """What this directory holds, or its nearest parent that is there.

        It costs a temporary directory, `.cairn-` and digits, and leaves nothing. Where none can be made,
        what the platform usually holds. Raises NoSpace, CairnError.
        """
        place = _nearest(os.path.abspath(os.fsencode(directory)))
        with local_errors(place), local_probe.trial(place) as trial:
            return assumed() if trial is None else found(trial)

    @property
    def folds(self) -> bool:
        """Whether some different names are one here."""
        return self.case != "kept" or self.folds_unicode

    @property
    def unlimited(self) -> bool:
        """Whether every name and every set of names can be held, and symlinks: there is nothing to check."""
        return self == Capabilities(hard_links=self.hard_links)

    def why_not(self, name: bytes, kind: str = "file") -> str | None:
        """Why this name, or what it is the name of, cannot be held here; None where it can."""
        if kind == "symlink" and not self.symlinks:
            return "there are no symlinks here"
        try:
            text = name.decode()
        except UnicodeDecodeError:
            if self.charset != "bytes":
                return "names have to be UTF-8 here"
            text = name.decode("latin-1")
        beyond = {"bmp": 0xFFFF, "ascii": 0x7F}.get(self.charset, sys.maxunicode)
        if any(ord(char) > beyond for char in text):
            return f"characters beyond U+{beyond:04X} cannot be in a name here"
        if found := sorted(self.refused.intersection(text)):
            return f"{_listed(found)} cannot be in a name here"
        if text[-1] in self.refused_last:
            return f"{_listed(text[-1])} cannot end a name here"
        if self.reserved and text.split(".")[0].rstrip(" ").lower() in _RESERVED:
            return "it is the name of a device here"
        length = len(text.encode("utf-16-le")) // 2 if self.counts_utf16 else len(name)
        if length > self.longest:
            return (
                f"names have at most {self.longest} {'UTF-16 units' if self.counts_utf16 else 'bytes'} here"
            )
        return None

    def key(self, name: bytes) -> bytes:
        """What all names have in common that are one name here, and no others (of a few, more do)."""
        if not self.folds:
            return name
        if name.isascii():
            return name.lower() if self.case != "kept" else name
        try:
            text = name.decode()
        except UnicodeDecodeError:
            return name.lower() if self.case != "kept" else name
        if self.folds_unicode:
            text = unicodedata.normalize("NFD", text)
        if self.case == "full":
            text = text.casefold()
        elif self.case == "simple":
            text = "".join(map(_folded, text))
        if self.folds_unicode:
            text = unicodedata.normalize("NFD", text)
        return text.encode().lower() if self.case == "ascii" else text.encode()

    def stored_as(self, name: bytes, present: bytes) -> bool:
        """Whether a listing that says `present` may mean what was made under `name`."""
        return name == present or (self.renormalises and _nfd(name) == _nfd(present))


WINDOWS = Capabilities(
    case="simple",
    charset="utf-8",
    refused=DOUBTFUL - {"\x7f"},
    refused_last=DOUBTFUL_LAST,
    reserved=True,
    symlinks=False,
)
MACOS = Capabilities(case="full", charset="utf-8", folds_unicode=True)


def assumed(platform: str = sys.platform) -> Capabilities:
    """What a platform's usual filesystem holds, where it cannot be tried."""
    return {"win32": WINDOWS, "darwin": MACOS}.get(platform, Capabilities())


def require_nameable(local: LocalPath) -> None:
    """Raise BadName where what is written to this path would have another name, or replace what has one.

    Costs next to nothing for the names that any system holds.
    """
    path = os.fsencode(local)
    directory, name = os.path.split(path)
    if not name:
        return
    if os.path.lexists(path):
        other = _spelled(directory or b".", name)
        if other is not None:
            raise BadName(f"local: {other} is there, the same name here", path=os.fsdecode(path))
        return
    if _plain(name):
        return
    reason = Capabilities.probe(directory or b".").why_not(name)
    if reason is not None:
        raise BadName(f"local: {reason}", path=os.fsdecode(path))


def _nearest(path: bytes) -> bytes:
    """The nearest directory that is there, upwards."""
    while not os.path.isdir(path) and (parent := os.path.dirname(path)) != path:
        path = parent
    return path


def found(trial: local_probe.Trial) -> Capabilities:
    """What can be held where this is tried. Raises OSError."""
    holds, same = trial.holds, trial.same
    if not same("é", "é"):
        charset: Charset = "bytes" if holds(b"\xff") else "ascii"
    elif holds(b"\xff"):
        charset = "bytes"
    else:
        charset = "utf-8" if holds("\U0001f600") else "bmp"
    case: Case = "kept"
    if same("a", "A"):
        case = "ascii" if not same("é", "É") else "simple" if not same("ß", "ss") else "full"
    nfc, nfd = "\u00e9", "e\u0301"
    folds_unicode = same(nfc, nfd)
    longest = trial.longest(NAME_MAX_BYTES)
    return Capabilities(
        case=case,
        charset=charset,
        folds_unicode=folds_unicode,
        renormalises=folds_unicode and not (holds(nfc) and holds(nfd)),
        refused=frozenset(_not_held(trial, DOUBTFUL)),
        refused_last=frozenset(char for char in DOUBTFUL_LAST if not holds("a" + char)),
        # Where these are devices, they had better not be opened.
        reserved=sys.platform == "win32" or not (holds("con") and holds("aux.txt")),
        longest=longest,
        counts_utf16=longest < NAME_MAX_BYTES and holds("é" * min(longest, NAME_MAX_BYTES // 2)),
        symlinks=trial.symlinks(),
        hard_links=trial.hard_links(),
    )


def _not_held(trial: local_probe.Trial, doubtful: Iterable[str]) -> list[str]:
    together = sorted(doubtful)
    if trial.holds("a" + "".join(together) + "a"):
        return []
    return [char for char in together if not trial.holds("a" + char + "a")]


def _folded(char: str) -> str:
    """One character without case, where that is one character too."""
    upper = char.upper()
    lower = (upper if len(upper) == 1 else char).lower()
    return lower if len(lower) == 1 else char


def _nfd(name: bytes) -> str:
    return unicodedata.normalize("NFD", name.decode(errors="surrogateescape"))


def _listed(chars: Iterable[str]) -> str:
    return " ".join("a space" if char == " " else printable(char.encode()) for char in chars)


def _spelled(directory: bytes, name: bytes) -> str | None:
    """Says under which name something is there that answers to `name`, where that is another one."""
    text = name.decode(errors="surrogateescape")
    others = {text.swapcase(), *(unicodedata.normalize(form, text) for form in ("NFC", "NFD"))} - {text}
    # Their numbers do not tell: some systems give one file as many inodes as it was asked for by names.
    if _plain(name) and not any(_there(directory, other) for other in others):
        return None
    try:
        present = os.listdir(directory)
    except OSError:
        return None  # whoever writes there will be told
    if name in present:
        return None
    other = next((one for one in present if _nfd(one).casefold() == _nfd(name).casefold()), None)
    if other is None:
        return "something with another name"
    if _nfd(other) == _nfd(name) and Capabilities.probe(directory).stored_as(name, other):
        return None
    return printable(other)


def _there(directory: bytes, name: str) -> bool:
    try:
        return os.path.lexists(os.path.join(directory, name.encode(errors="surrogateescape")))
    except ValueError:
        return False


def _plain(name: bytes) -> bool:
    """Whether any system holds this name."""
    return bool(_PLAIN.fullmatch(name)) and name.split(b".")[0].lower().decode() not in _RESERVED
