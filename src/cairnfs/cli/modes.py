"""What `chmod` is told: `640`, `u+rwX,g-w`, `o=`, `a+t`, `u+s`, `g=u`.

Read once, then applied to the mode that each file has. What belongs here: POSIX's language of modes. What
does not: who may set which. Pure, any thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from cairnfs.core.permissions import MODE_MAX, SET_GROUP, SET_USER, STICKY
from cairnfs.errors import BadRequest

_OCTAL = re.compile(r"0*([0-7]{1,4})")
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=](?:[rwxXst]*|[ugo]))+)")
_ACTION = re.compile(r"([-+=])([rwxXst]*|[ugo])(?=[-+=]|$)")
_SHIFTS = {"u": 6, "g": 3, "o": 0}
_BITS = {"r": 0o4, "w": 0o2, "x": 0o1}
#: A directory keeps these where a short number, or `=`, does not speak of them.
_KEPT = SET_USER | SET_GROUP


class _Action(NamedTuple):
    who: str  # of u, g, o
    masked: bool  # nobody was named: the umask's bits stay out of it
    sign: str
    what: str


#: (the mode it has, is it a directory) -> the mode that it gets
Change = Callable[[int, bool], int]


def parse(text: str, umask: int) -> Change:
    """Read what chmod is told. Raises BadRequest."""
    octal = _OCTAL.fullmatch(text)
    if octal is not None:
        return _number(int(octal[1], 8), exact=len(text) > 4)
    actions: list[_Action] = []
    for clause in text.split(","):
        read = _CLAUSE.fullmatch(clause)
        if read is None:
            raise BadRequest(
                f"cannot read {text[:80]!r} as a mode", hint="modes are like 640, u+rwX, g-w, o=, a+t"
            )
        who = "ugo" if not read[1] or "a" in read[1] else read[1]
        actions += [_Action(who, not read[1], sign, what) for sign, what in _ACTION.findall(read[2])]
    return lambda mode, directory: _applied(actions, mode, directory, umask)


def _number(wanted: int, *, exact: bool) -> Change:
    """A number says all bits; but a directory's that are inherited only if it is written out in full."""

    def change(mode: int, directory: bool) -> int:
        return wanted | (mode & _KEPT) if directory and not exact else wanted

    return change


def _applied(actions: list[_Action], mode: int, directory: bool, umask: int) -> int:
    for action in actions:
        mode = _act(action, mode, directory, umask)
    return mode & MODE_MAX


def _act(action: _Action, mode: int, directory: bool, umask: int) -> int:
    spoken_of = sum(0o7 << _SHIFTS[who] for who in set(action.who))
    wanted = sum(_triple(action.what, mode, directory) << _SHIFTS[who] for who in set(action.who))
    if action.masked:
        wanted &= ~umask
    if "s" in action.what:
        wanted |= (SET_USER if "u" in action.who else 0) | (SET_GROUP if "g" in action.who else 0)
    if "t" in action.what and "o" in action.who:
        wanted |= STICKY
    if action.sign == "+":
        return mode | wanted
    if action.sign == "-":
        return mode & ~wanted
    spoken_of |= (SET_USER if "u" in action.who else 0) | (SET_GROUP if "g" in action.who else 0)
    spoken_of |= STICKY if "o" in action.who else 0
    kept = mode & _KEPT if directory else 0
    return (mode & ~spoken_of) | wanted | kept


def _triple(what: str, mode: int, directory: bool) -> int:
    """The three bits that letters stand for, of which X depends on what is there."""
    if what in _SHIFTS:
        return (mode >> _SHIFTS[what]) & 0o7
    bits = sum(_BITS[letter] for letter in set(what) & set(_BITS))
    return bits | 0o1 if "X" in what and (directory or mode & 0o111) else bits
