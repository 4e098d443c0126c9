"""What a fake cluster holds at each commit, and how it is looked at."""

from __future__ import annotations

from collections.abc import Callable

from cairnfs.errors import BeforeHorizon, CairnError, IsADirectory, NotADirectory
from cairnfs.net.serving import Context
from cairnfs.wire import directory, problems
from cairnfs.wire.names import to_text
from tests.unit.client.fake_tree import Node, Tree, look


class FakeDirectory:
    """A dictionary for each commit."""

    def __init__(self) -> None:
        self.trees: list[Tree] = [{b"/": Node(1, 0, "directory", mode=0o755)}]
        self.horizon = 0
        #: Files that one reply of `open_many` tells, and the ETags that were known at each asking.
        self.opens_at_once = 1000
        self.unchanged_opens = 0
        self.conditions: list[list[str | None]] = []
        self.after_open_many: Callable[[], None] = _not_at_all

    @property
    def tree(self) -> Tree:
        """What is there now."""
        return self.trees[-1]

    def _at(self, at: str | None) -> tuple[int, Tree]:
        commit = len(self.trees) - 1 if at is None else int(at)
        if commit < self.horizon:
            raise BeforeHorizon(f"commit {commit} is gone")
        return commit, self.trees[commit]

    def _entry(self, path: bytes, node: Node) -> directory.Entry:
        text, base64 = to_text(path.rpartition(b"/")[2])
        target, target_b64 = to_text(node.target) if node.kind == "symlink" else (None, None)
        return directory.Entry(
            name=text,
            name_b64=base64,
            kind=node.kind,  # type: ignore[arg-type]
            inode=node.inode,
            etag=f"1.{node.inode}.{node.commit}",
            commit=node.commit,
            size=node.size,
            mode=node.mode,
            owner="alice",
            group="alice",
            mtime_us=node.mtime_us,
            links=sum(one.inode == node.inode for one in self.tree.values()) if node.linked else 1,
            target=target,
            target_b64=target_b64,
        )

    async def stat(self, context: Context, request: directory.StatRequest) -> directory.StatReply:
        commit, tree = self._at(request.at)
        results = []
        for text in request.paths:
            try:
                path = text.raw()
                results.append(directory.StatResult(entry=self._entry(path, look(tree, path))))
            except CairnError as error:
                results.append(directory.StatResult(error=problems.from_error(error)))
        return directory.StatReply(commit=commit, incarnation=1, results=results)

    async def list(self, context: Context, request: directory.ListRequest) -> directory.ListReply:
        start = b""
        at = request.at
        if request.cursor is not None:
            at, _, name = request.cursor.partition(":")
            start = bytes.fromhex(name)
        commit, tree = self._at(at)
        path = directory.PathText(path=request.path, path_b64=request.path_b64).raw()
        if look(tree, path).kind != "directory":
            raise NotADirectory
        prefix = path.rstrip(b"/") + b"/"
        names = sorted(
            key[len(prefix) :]
            for key in tree
            if key.startswith(prefix) and key != b"/" and b"/" not in key[len(prefix) :]
        )
        page = [name for name in names if name > start][: request.limit]
        more = bool(page) and page[-1] != names[-1]
        return directory.ListReply(
            commit=commit,
            incarnation=1,
            entries=[self._entry(prefix + name, tree[prefix + name]) for name in page],
            cursor=f"{commit}:{page[-1].hex()}" if more else None,
        )

    async def walk(self, context: Context, request: directory.WalkRequest) -> directory.WalkReply:
        at, last = request.at, b""
        if request.cursor is not None:
            at, _, name = request.cursor.partition(":")
            last = bytes.fromhex(name)
        commit, tree = self._at(at)
        path = directory.PathText(path=request.path, path_b64=request.path_b64).raw()
        if look(tree, path).kind != "directory":
            raise NotADirectory
        prefix = path.rstrip(b"/") + b"/"
        below = [key[len(prefix) :] for key in tree if key.startswith(prefix) and key != b"/"]
        rest = sorted(key.split(b"/") for key in below if key.split(b"/") > last.split(b"/"))
        items = []
        for key in (b"/".join(parts) for parts in rest[: request.limit]):
            node = tree[prefix + key]
            text, base64 = to_text(key)
            chunks = None
            if request.contents and node.kind == "file" and len(node.chunks) <= directory.CONTENT_CHUNKS_MAX:
                chunks = node.chunks
            entry = self._entry(prefix + key, node)
            items.append(directory.WalkItem(path=text, path_b64=base64, entry=entry, chunks=chunks))
            last = key
        cursor = f"{commit}:{last.hex()}" if len(rest) > request.limit else None
        return directory.WalkReply(commit=commit, incarnation=1, items=items, cursor=cursor)

    async def open(self, context: Context, request: directory.OpenRequest) -> directory.OpenReply:
        commit, tree = self._at(request.at)
        path = directory.PathText(path=request.path, path_b64=request.path_b64).raw()
        node = look(tree, path)
        if node.kind == "directory":
            raise IsADirectory
        entry = self._entry(path, node)
        if request.known == entry.etag:
            self.unchanged_opens += 1
            return directory.OpenReply(commit=commit, incarnation=1, entry=entry, unchanged=True)
        offset, first = 0, 0
        while first < len(node.chunks) and offset + node.chunks[first].size <= request.start:
            offset += node.chunks[first].size
            first += 1
        page = node.chunks[first : first + request.limit]
        end = offset + sum(chunk.size for chunk in page)
        return directory.OpenReply(
            commit=commit,
            incarnation=1,
            entry=entry,
            offset=offset,
            chunks=page,
            next_start=end if end < node.size else None,
        )

    async def open_many(
        self, context: Context, request: directory.OpenManyRequest
    ) -> directory.OpenManyReply:
        self.conditions.append([one.known for one in request.files])
        at, results, commit = request.at, list[directory.OpenResult](), 0
        for one in request.files[: self.opens_at_once]:
            limit = directory.CONTENT_CHUNKS_MAX
            asked = directory.OpenRequest(
                path=one.path, path_b64=one.path_b64, at=at, known=one.known, limit=limit
            )
            try:
                reply = await self.open(context, asked)
            except CairnError as error:
                results.append(directory.OpenResult(error=problems.from_error(error)))
                continue
            at, commit = str(reply.commit), reply.commit
            opened = directory.Opened(
                entry=reply.entry, unchanged=reply.unchanged, chunks=reply.chunks, next_start=reply.next_start
            )
            results.append(directory.OpenResult(opened=opened))
        self.after_open_many()
        return directory.OpenManyReply(commit=commit or len(self.trees) - 1, incarnation=1, results=results)


def _not_at_all() -> None:
    return
