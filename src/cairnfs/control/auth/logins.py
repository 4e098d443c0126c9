"""Logins: sign-up, login, refresh, logout, change of password; what each proves and what it gives.

What belongs here: the order of the checks. A sealed body's nonce is spent before a password is looked
at, or in the very tx that makes the user. An attempt counts as failed until it succeeded. What does
not: hashing, sealing, signing and counting, which have modules of their own. One event loop.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from cairnfs.clock import Clock
from cairnfs.control.auth.limits import FailedLogins
from cairnfs.control.auth.passwords import Passwords, check_length
from cairnfs.control.auth.seal import NONCE_KEPT_US, Opener
from cairnfs.control.auth.tokens import Issuer, RefreshTtl, new_secret
from cairnfs.core.accounts import check_name
from cairnfs.core.manifest import hash_bytes
from cairnfs.errors import BadCredentials, BadName, BadRequest, Forbidden, InvitationRequired
from cairnfs.metadata.databases.seam import Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import tokens, user_groups, users
from cairnfs.metadata.rows.users import User
from cairnfs.net.serving import Context
from cairnfs.wire.auth import LoginSealed, PasswordSealed, SealedRequest, SignupSealed, TokenReply
from cairnfs.wire.codec import Empty


@dataclass(frozen=True, slots=True)
class SignupRule:
    """Who may sign up: anyone, where `open`; else by invitation. `first_admin` makes the first admin."""

    open: bool
    first_admin: str | None = field(default=None, repr=False)
    #: Called once the first administrator was made.
    first_admin_made: Callable[[], None] = lambda: None


class Logins:
    """The sealed requests, and the tokens that they give."""

    def __init__(
        self,
        driver: Driver,
        clock: Clock,
        *,
        opener: Opener,
        issuer: Issuer,
        passwords: Passwords,
        failed: FailedLogins,
        rule: SignupRule,
    ) -> None:
        self._driver = driver
        self._clock = clock
        self._opener = opener
        self._issuer = issuer
        self._passwords = passwords
        self._failed = failed
        self._rule = rule
        self._ttl = RefreshTtl(clock)

    async def signup(self, context: Context, request: SealedRequest) -> TokenReply:
        """Make a user with a home. Raises Exists, BadName, InvitationRequired, BadRequest."""
        message = self._opener.open(request.sealed, SignupSealed, "signup")
        first = self._is_first_admin(message.invitation)
        if message.invitation is None and not self._rule.open:
            raise InvitationRequired("sign-up is by invitation here")
        if message.password is None and not first:
            raise BadRequest("a password is needed")
        check_name(message.name)
        invitation = None if message.invitation is None else hash_bytes(message.invitation.encode())
        await self._worth_hashing(message.name, invitation)
        made = await self._driver.submit(
            users.CreateUser(
                message.name,
                "admin" if first else "user",
                "" if message.password is None else await self._passwords.hash(message.password),
                invitation=invitation,
                nonce=(message.nonce, self._nonce_ends_us()),
                deadline=context.deadline,
            )
        )
        if first:
            self._rule.first_admin_made()
        return await self._admit(made)

    async def login(self, context: Context, request: SealedRequest) -> TokenReply:
        """Exchange a password for tokens. Raises BadCredentials, TooManyLogins; Forbidden to the disabled."""
        message = self._opener.open(request.sealed, LoginSealed, "login")
        user = await self._prove(message.name, message.password, message.nonce, context.peer)
        return await self._admit(user)

    async def password(self, context: Context, request: SealedRequest) -> Empty:
        """Change the caller's password and end all logins. Raises BadCredentials, TooManyLogins."""
        caller = context.user
        if caller.role == "fileserver":
            raise Forbidden("a fileserver has no password")
        message = self._opener.open(request.sealed, PasswordSealed, "password")
        check_length(message.new)
        user = await self._driver.read(lambda tx: users.get(tx, caller.user_id))
        if user.password_hash:
            user = await self._prove(user.name, message.old or "", message.nonce, context.peer)
        else:
            await self._spend(message.nonce)
        fresh = await self._passwords.hash(message.new)

        def change(tx: Tx) -> None:
            users.check_unchanged(tx, user)
            users.set_password(tx, user.id, fresh)

        await self._driver.light(change)
        return Empty()

    async def refresh(self, secret: str) -> TokenReply:
        """A new access token by a refresh token, which lives on. Raises TokenInvalid, TokenExpired."""
        digest = hash_bytes(secret.encode())
        user = await self._driver.read(lambda tx: tokens.refresh(tx, digest))
        if self._ttl.is_due(digest):
            expires_us = self._ttl.expires_us(user.role)
            await self._driver.light(lambda tx: tokens.extend_refresh(tx, digest, expires_us))
        return self._reply(user, secret)

    async def logout(self, secret: str) -> None:
        """Revoke a refresh token; one that is unknown is fine."""
        digest = hash_bytes(secret.encode())
        await self._driver.light(lambda tx: tokens.revoke(tx, digest))

    async def _prove(self, name: str, password: str, nonce: str, peer: str) -> User:
        """The user whose password this is. Counts the attempt; spends the nonce whatever comes of it."""
        self._failed.attempt(name, peer)
        judged = False
        try:
            await self._spend(nonce)
            user = await self._find(name)
            right = await self._passwords.verify(None if user is None else user.password_hash, password)
            judged = True
        finally:
            if not judged:
                self._failed.withdraw(name, peer)
        if user is None or not right:
            raise BadCredentials("the name or the password is wrong")
        self._failed.succeeded(name, peer)
        return user

    async def _find(self, name: str) -> User | None:
        try:
            check_name(name)
        except BadName:
            return None
        return await self._driver.read(lambda tx: users.find(tx, name))

    async def _worth_hashing(self, name: str, invitation: bytes | None) -> None:
        """Refuse cheaply what the sign-up's tx would refuse after an expensive hash."""

        def look(tx: Tx) -> None:
            if invitation is not None:
                tokens.check_one_time(tx, invitation, tokens.INVITATION)
            user_groups.check_free(tx, name)

        await self._driver.read(look)

    async def _spend(self, nonce: str) -> None:
        ends_us = self._nonce_ends_us()
        await self._driver.light(lambda tx: tokens.spend_nonce(tx, nonce, ends_us))

    async def _admit(self, user: User) -> TokenReply:
        secret = new_secret()
        digest, expires_us = hash_bytes(secret.encode()), self._ttl.expires_us(user.role)

        def issue(tx: Tx) -> None:
            users.check_unchanged(tx, user)
            tokens.issue_refresh(tx, digest, user.id, expires_us)

        await self._driver.light(issue)
        return self._reply(user, secret)

    def _reply(self, user: User, secret: str) -> TokenReply:
        issued = self._issuer.issue(user.id, user.name, user.role)
        return TokenReply(
            user=user.name,
            role=user.role,
            token=issued.token,
            expires_at_us=issued.expires_at_us,
            refresh_token=secret,
            home=user.home or None,
        )

    def _is_first_admin(self, invitation: str | None) -> bool:
        expected = self._rule.first_admin
        return (
            expected is not None
            and invitation is not None
            and hmac.compare_digest(expected.encode(), invitation.encode())
        )

    def _nonce_ends_us(self) -> int:
        return self._clock.now_us() + NONCE_KEPT_US
