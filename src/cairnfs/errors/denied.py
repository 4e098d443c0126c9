"""Who asks may not."""

from __future__ import annotations

from cairnfs.errors.kinds import Denied


class Forbidden(Denied):
    """The user is known, but has no right to do this here."""


class Unauthenticated(Denied):
    """No token came with the request."""

    code, status, default_hint = "unauthenticated", 401, "log in with: cairn login"


class BadCredentials(Unauthenticated):
    """Unknown user or wrong password; the answer does not say which."""

    code, default_hint = "bad_credentials", "check the name and the password"


class TokenExpired(Unauthenticated):
    """The token's time is over; a client refreshes it and tries again."""

    code = "token_expired"


class TokenInvalid(Unauthenticated):
    """A token that this cluster did not issue, or that was changed or revoked."""

    code = "token_invalid"


class SealInvalid(Denied):
    """A sealed body that cannot be opened, is too old, or came before."""

    code, status = "seal_invalid", 400


class InvitationRequired(Denied):
    """Sign-up is by invitation at this address."""

    code, default_hint = "invitation_required", "ask an administrator for an invitation"


class JoinRefused(Denied):
    """A join token that is unknown, expired or used."""

    code = "join_refused"


class ForeignCluster(Denied):
    """Data, a token or a server of another cluster."""

    code, status = "foreign_cluster", 409


class ReceiptInvalid(Denied):
    """A receipt that no fileserver gave for this session, or whose holders changed since."""

    code, status = "receipt_invalid", 403
