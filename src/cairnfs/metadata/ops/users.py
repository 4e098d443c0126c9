"""users: sign up with a home directory in one commit, find, change a password.

What belongs here: the verbs. What does not: the rule for names (`core/accounts`), hashing passwords
(`control/auth`), changing users later (`change_user`). The first administrator becomes the owner of the
root and of `/home`.
"""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from cairnfs.core.accounts import check_name
from cairnfs.core.permissions import DIRECTORY_MODE, Person
from cairnfs.errors import BadCredentials, Exists, Forbidden, NotADirectory, NotFound, SealInvalid
from cairnfs.ids import ROOT, InodeId, Name, Path, UserId
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.ops import invitations, user_groups
from cairnfs.metadata.ops import tokens as secrets
from cairnfs.metadata.ops.invitations import Grant
from cairnfs.metadata.rows import people, tokens, users
from cairnfs.metadata.rows.nodes import Version
from cairnfs.metadata.rows.users import User
from cairnfs.metadata.state import Stamp, State, Want
from cairnfs.metadata.view import DIRECTORY

HOME = Name(b"home")
HOME_MODE = 0o700


class CreateUser:
    """Make a user with `/home/NAME`, in one commit. Answers the user."""

    reply_key = None
    answer_type = None

    def __init__(
        self,
        name: str,
        role: Literal["user", "admin"],
        password_hash: str,
        *,
        invitation: bytes | None = None,
        nonce: tuple[str, int] | None = None,
        deadline: float,
    ) -> None:
        """`invitation`: hash of a one-time secret to spend, which may grant a higher role, and user groups.

        `nonce`: (nonce, expires_us) to spend. `deadline` in seconds of the monotonic clock. Raises BadName.
        """
        check_name(name)
        self.deadline = deadline
        self._name = name
        self._role = role
        self._password_hash = password_hash
        self._invitation = invitation
        self._nonce = nonce
        self._home = Path(b"/" + HOME + b"/" + name.encode())

    def wants(self) -> list[Want]:
        """Its home."""
        return [self._home]

    def apply(self, state: State) -> User:
        """Raises Exists, InvitationRequired, SealInvalid, NotADirectory (where `/home` is a file)."""
        tx = state.tx
        granted = Grant()
        if self._invitation is not None:
            granted = invitations.grant(secrets.check_one_time(tx, self._invitation, secrets.INVITATION))
        user_groups.check_free(tx, self._name)
        if self._nonce is not None and tokens.nonce_known(tx, self._nonce[0]):
            raise SealInvalid("this sealed body came before")
        role: Literal["user", "admin"] = "admin" if "admin" in (self._role, granted.role) else "user"
        user = UserId(state.take("next_user"))
        first_admin = role == "admin" and not users.any_admin(tx)
        self._make_home(state, Person(user, self._name, role), first_admin=first_admin)
        made = User(user, self._name, role, self._password_hash, self._home.decode(), state.now_us)
        users.insert(tx, made)
        people.join(tx, [(user, group) for group in invitations.granted_groups(tx, granted)])
        state.change_people()
        if self._nonce is not None:
            tokens.insert_nonce(tx, *self._nonce)
        if self._invitation is not None:
            secrets.spend_one_time(tx, self._invitation)
        return made

    def _make_home(self, state: State, person: Person, *, first_admin: bool) -> None:
        stamp = state.begin_commit(person.user_id, 1, f"sign up {self._name}")
        view = state.tree.view
        root = view.version(ROOT)
        if first_admin and root.owner != person.user_id:
            _own(state, root, person, stamp)
        homes = view.lookup(ROOT, HOME)
        if homes is not None and homes.kind != DIRECTORY:
            raise NotADirectory("a file has that name", path="/home")
        if homes is None:
            homes_inode = _directory(state, ROOT, HOME, view.version(ROOT).owner, DIRECTORY_MODE, stamp)
        else:
            homes_inode = homes.inode
        own = Name(self._name.encode())
        if view.lookup(homes_inode, own) is not None:
            raise Exists(
                "something already has the name of this home",
                hint="an administrator can move it: cairn mv",
                path=self._home.decode(),
            )
        _directory(state, homes_inode, own, person.user_id, HOME_MODE, stamp)


def _own(state: State, version: Version, person: Person, stamp: Stamp) -> None:
    owned = replace(version, born=stamp.number, owner=person.user_id, owner_group=person.user_id)
    state.tree.change(DIRECTORY, owned, b"", stamp)
    state.tree.note(None, owned, content=False)


def _directory(state: State, parent: InodeId, name: Name, owner: UserId, mode: int, stamp: Stamp) -> InodeId:
    inode = state.next_inode()
    state.tree.make_inode(inode, DIRECTORY, stamp)
    state.tree.add(parent, name, inode, DIRECTORY, stamp)
    version = Version(inode, stamp.number, mode, owner, owner, 0, stamp.at_us, mtime_set=stamp.number)
    state.tree.begin_version(version, b"")
    return inode


def find(tx: Tx, name: str) -> User | None:
    """The user of this name, or None."""
    return users.by_name(tx, name)


def get(tx: Tx, user: UserId) -> User:
    """The user of this id. Raises NotFound."""
    found = users.by_id(tx, user)
    if found is None:
        raise NotFound(f"no user {user}")
    return found


def has_admin(tx: Tx) -> bool:
    """Whether anybody is an administrator yet."""
    return users.any_admin(tx)


def check_unchanged(tx: Tx, seen: User) -> None:
    """Raises BadCredentials unless the user's password still is the one that was seen, and Forbidden unless
    the user is active; it stays so until the tx ends. What a password proved counts only then: a change of
    it, or of the state, ends all logins."""
    found = users.lock_login(tx, seen.id)
    if found is None or found[0] != seen.password_hash:
        raise BadCredentials("the password was changed meanwhile")
    if found[1] != "active":
        raise Forbidden(f"{seen.name} was {found[1]}", hint="ask an administrator")


def set_password(tx: Tx, user: UserId, password_hash: str) -> None:
    """Change a password and end all logins of the user. A light write. Raises NotFound."""
    if not users.set_password(tx, user, password_hash):
        raise NotFound(f"no user {user}")
    tokens.delete_refresh_of(tx, user)
