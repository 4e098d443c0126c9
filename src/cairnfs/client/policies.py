"""Which durability directories ask for, as far as this client has been told.

Chunks are sent before the commit that is judged by the policy of its directory, so the client guesses:
from the entries that it has seen, else `majority`. A guess that was too weak is refused (NotDurable), and
then the directories on the way are asked. What belongs here: that memory. Used from one event loop.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from cairnfs.client.control import Control
from cairnfs.client.results import Durability
from cairnfs.core import names
from cairnfs.core.durability import strongest
from cairnfs.ids import Path
from cairnfs.wire import endpoints
from cairnfs.wire.directory import Entry, PathText, StatRequest

_REMEMBERED_MAX = 1000
#: What counts where no directory on the way says anything.
DEFAULT: Durability = "majority"
_NAMED: dict[str, Durability] = {"async": "async", "majority": "majority", "all": "all"}


class Policies:
    """What directories asked for when they were last seen. What is wrong costs a repetition, no more."""

    def __init__(self, control: Control) -> None:
        self._control = control
        self._said: OrderedDict[Path, Durability | None] = OrderedDict()

    def see(self, path: Path, entry: Entry) -> None:
        """Take note of what is at a path, where it is worth it."""
        if entry.policy is not None or path in self._said:
            self.note(path, _NAMED.get(entry.policy or ""))

    def note(self, path: Path, policy: Durability | None) -> None:
        """A directory asks for this; None: for what is asked for above it."""
        self._said[path] = policy
        self._said.move_to_end(path)
        if len(self._said) > _REMEMBERED_MAX:
            self._said.popitem(last=False)

    def guess(self, path: Path, asked: Durability | None) -> Durability:
        """What chunks of a file at this path have to be sent with: at least what was `asked`."""
        said = next((said for up in _above(path) if (said := self._said.get(up)) is not None), DEFAULT)
        return said if asked is None else _NAMED[strongest(said, asked)]

    async def learn(self, path: Path, *, refused: bool = False) -> None:
        """Ask the directories above a path. `refused`: where a symlink is among them, expect the worst."""
        above = list(_above(path))
        if not above:
            return
        request = StatRequest(paths=[PathText.of(one) for one in above], follow=False)
        reply = await self._control.ask(endpoints.STAT, request)
        for one, result in zip(above, reply.results, strict=True):
            if result.entry is None:
                self._said.pop(one, None)
            elif result.entry.kind == "symlink" and refused:
                self.note(one, "all")
            else:
                self.see(one, result.entry)


def _above(path: Path) -> Iterator[Path]:
    """The directories above a path, the nearest first."""
    parts = names.split(path)
    for length in range(len(parts) - 1, -1, -1):
        yield Path(b"/" + b"/".join(parts[:length]))
