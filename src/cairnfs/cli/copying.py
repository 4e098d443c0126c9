"""Where `put`, `get` and `mv` put things: the rules of `cp -r`.

A target that is a directory takes the sources below it, under their own names; any other target is
what the one source becomes. Several sources need a directory; one that is named twice is copied once.
A source directory needs -r. A source that ends in `/.` gives what is in it. A symlink as the target is
what it leads to; one that is moved, or lies where something moves to, is a name like a file's. Nothing
is sent before every rule is met. What belongs here: these rules, on kinds that the caller looked up.
What does not: looking or copying. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from cairnfs.errors import BadRequest, IsADirectory, NotADirectory, NotFound
from cairnfs.wire.names import printable

Kind = Literal["file", "directory", "symlink"]


class Source(NamedTuple):
    """What is to be copied. `name` is the name that it takes below a directory, empty for "its contents"."""

    path: bytes
    kind: Kind | None
    name: bytes


class Target(NamedTuple):
    """Where to. `slash`: it was written with a slash at its end, so only a directory can be meant."""

    path: bytes
    kind: Kind | None
    slash: bool


class Copy(NamedTuple):
    """One thing to copy to exactly this place."""

    source: bytes
    target: bytes
    kind: Kind


def plan(
    sources: Sequence[Source],
    target: Target,
    *,
    recursive: bool,
    kinds: Callable[[list[bytes]], list[Kind | None]],
) -> list[Copy]:
    """What to copy where. `kinds` looks up what is at places below the target.

    Raises NotFound, IsADirectory, NotADirectory, BadRequest, naming the path at fault.
    """
    for source in sources:
        if source.kind is None:
            raise NotFound("no such file or directory", path=printable(source.path))
        if source.kind == "directory" and not recursive:
            raise IsADirectory("is a directory", path=printable(source.path), hint="copy it with -r")
    if target.kind == "directory":
        return _below(sources, target, kinds)
    if target.kind is not None and (target.slash or len(sources) > 1):
        raise NotADirectory("is not a directory", path=printable(target.path))
    if target.kind is None and len(sources) > 1:
        raise NotFound("no such directory, and several sources need one", path=printable(target.path))
    (source,) = sources
    if target.kind is None and target.slash and source.kind != "directory":
        raise NotFound("no such directory", path=printable(target.path), hint="leave out the / at its end")
    _check_replacing(source, target.path, target.kind)
    if target.kind is None:
        _check_parent(target.path, kinds)
    return [Copy(source.path, target.path, source.kind or "file")]


def _below(
    sources: Sequence[Source], target: Target, kinds: Callable[[list[bytes]], list[Kind | None]]
) -> list[Copy]:
    sources = list(dict.fromkeys(sources))
    prefix = target.path.rstrip(b"/")
    places = [prefix + b"/" + source.name if source.name else target.path for source in sources]
    taken: dict[bytes, bytes] = {}
    for source, place in zip(sources, places, strict=True):
        if source.name and place in taken:
            raise BadRequest(
                f"would become {printable(place)}, and so would {printable(taken[place])}",
                path=printable(source.path),
                hint="copy them one by one",
            )
        taken[place] = source.path
    named = [place for source, place in zip(sources, places, strict=True) if source.name]
    found = dict(zip(named, kinds(named), strict=True)) if named else {}
    for source, place in zip(sources, places, strict=True):
        _check_replacing(source, place, found.get(place, "directory" if not source.name else None))
    return [
        Copy(source.path, place, source.kind or "file") for source, place in zip(sources, places, strict=True)
    ]


def _check_parent(place: bytes, kinds: Callable[[list[bytes]], list[Kind | None]]) -> None:
    head, slash, _ = place.rpartition(b"/")
    parent = head or (b"/" if slash else b".")
    (there,) = kinds([parent])
    if there is None:
        raise NotFound("no such directory", path=printable(parent))
    if there == "file":
        raise NotADirectory("is not a directory", path=printable(parent))


def _check_replacing(source: Source, place: bytes, there: Kind | None) -> None:
    if there == "directory" and source.kind != "directory":
        raise IsADirectory(
            f"is a directory and cannot become the {source.kind} {printable(source.path)}",
            path=printable(place),
        )
    if there in ("file", "symlink") and source.kind == "directory":
        raise NotADirectory(
            f"is a {there} and cannot become the directory {printable(source.path)}", path=printable(place)
        )
