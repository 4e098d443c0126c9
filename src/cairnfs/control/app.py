"""The control plane put together: driver, auth, routes, duties.

    app = build(open_database(path, clock), clock, open_signup=True, transport=transport)
    ... serve app.asgi ...
    await app.start()

What belongs here: composition, and the order of starting and stopping. What does not: any rule. The
database stays the caller's to close, after `stop`. One event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cairnfs.clock import Clock
from cairnfs.control.auth.keys import SEALING, SIGNING, Keys, new_sealing_key, new_signing_key
from cairnfs.control.auth.limits import FailedLogins
from cairnfs.control.auth.logins import Logins, SignupRule
from cairnfs.control.auth.passwords import Cost, Passwords
from cairnfs.control.auth.people import PeopleRoutes
from cairnfs.control.auth.routes import AuthRoutes
from cairnfs.control.auth.seal import Opener
from cairnfs.control.auth.tokens import Issuer
from cairnfs.control.cluster.inventories import CallsTo, Inventories, Listed
from cairnfs.control.cluster.routes import ClusterRoutes
from cairnfs.control.cluster.verification import VerificationRoutes
from cairnfs.control.directory.history import HistoryRoutes
from cairnfs.control.directory.routes import DirectoryRoutes
from cairnfs.control.directory.search import SearchRoutes
from cairnfs.control.directory.snapshots import SnapshotRoutes
from cairnfs.control.duties.detached import Detached
from cairnfs.control.duties.detector import Detector
from cairnfs.control.duties.forgetting import Forgetting
from cairnfs.control.duties.horizon import Horizon
from cairnfs.control.duties.leadership import Leadership
from cairnfs.control.duties.orphans import Orphans
from cairnfs.control.duties.reconcile import Reconcile
from cairnfs.control.duties.sessions import SessionExpiry
from cairnfs.control.duties.turns import Duty, Turns
from cairnfs.control.feed import Feed
from cairnfs.control.locks.news import News
from cairnfs.control.locks.routes import LockRoutes, SessionRoutes
from cairnfs.control.people import Standing
from cairnfs.control.transactions.copies import CopyRoutes
from cairnfs.control.transactions.receipts import Receipts
from cairnfs.control.transactions.routes import TransactionRoutes
from cairnfs.control.transactions.together import Together
from cairnfs.control.transactions.trees import TreeRoutes
from cairnfs.core.leases import Times
from cairnfs.core.manifest import hash_bytes
from cairnfs.errors import InvitationRequired
from cairnfs.ids import ClusterId
from cairnfs.metadata.databases.opening import Origin, open_database
from cairnfs.metadata.databases.seam import Database, Tx
from cairnfs.metadata.driver import Driver
from cairnfs.metadata.ops import groups, secrets, tokens, users
from cairnfs.metadata.rows import clock as clock_row
from cairnfs.net.asgi import ASGIApp
from cairnfs.net.calls import Calls
from cairnfs.net.serving import Handler, application
from cairnfs.net.tokens import TokenChecker
from cairnfs.net.transport import Transport
from cairnfs.wire import endpoints

__all__ = ["ControlApp", "Cost", "Origin", "build", "has_admin", "open_database"]

_FIRST_ADMIN_TTL_US = 100 * 365 * 24 * 3600 * 1_000_000


@dataclass(frozen=True, slots=True)
class ControlApp:
    """One control-plane process. `asgi` is what to serve; `start` and `stop` bracket its life."""

    asgi: ASGIApp
    driver: Driver
    cluster_id: ClusterId
    news: News
    _feed: Feed
    _leadership: Leadership
    _turns: Turns
    _passwords: Passwords
    _copies: CopyRoutes

    @property
    def leads(self) -> bool:
        """Whether this process does the duties now."""
        return self._leadership.term is not None

    async def start(self) -> None:
        """Stand for election and do the duties when elected. Requests are answered without it."""
        self._leadership.start()
        self._turns.start()

    async def stop(self) -> None:
        """End the duties, leave the lead, answer what waits."""
        await self._turns.stop()
        await self._leadership.stop()
        await self.news.close()
        await self._feed.close()
        await self._copies.close()
        await self.driver.close()
        self._passwords.close()


@dataclass(frozen=True, slots=True)
class _Identity:
    """What all control-plane processes of a cluster share."""

    cluster_id: ClusterId
    keys: Keys


def has_admin(database: Database) -> bool:
    """Whether the cluster has an administrator; else `build` wants a `first_admin_secret`. Blocks."""
    return database.read(users.has_admin)


def build(
    database: Database,
    clock: Clock,
    *,
    open_signup: bool,
    transport: Transport,
    first_admin_secret: str | None = None,
    first_admin_made: Callable[[], None] = lambda: None,
    mounts: Mapping[str, ASGIApp] | None = None,
    password_cost: Cost | None = None,
    times: Times | None = None,
) -> ControlApp:
    """Put a control-plane process together. Makes the cluster's keys if there are none; blocks meanwhile.

    `transport` reaches fileservers. `first_admin_secret` makes the first administrator, who signs up
    with it as invitation; `first_admin_made` is called then. `mounts` are more ASGI applications, by
    path prefix. `password_cost` is for tests. `times` are those of all leases.
    """
    times = times or Times()
    identity = _identity(database, first_admin_secret)
    driver = Driver(database, clock)
    feed = Feed(driver, clock)
    news = News(driver, feed, clock)
    issuer = Issuer(identity.keys.signing, identity.cluster_id, clock)
    passwords = Passwords(password_cost)
    rule = SignupRule(open_signup, first_admin_secret, first_admin_made)
    logins = _logins(driver, clock, identity, issuer=issuer, passwords=passwords, rule=rule)

    def calls_to(address: str) -> Calls:
        return Calls(transport, address, clock=clock, token=issuer.own)

    inventories = _inventories(driver, calls_to, clock)
    auth = AuthRoutes(driver, clock, logins=logins, keys=identity.keys, cluster_id=identity.cluster_id)
    copies = CopyRoutes(driver, clock)
    handlers: dict[str, Handler] = {
        **auth.handlers(),
        **PeopleRoutes(driver).handlers(),
        **DirectoryRoutes(driver).handlers(),
        **SearchRoutes(driver).handlers(),
        **HistoryRoutes(driver, feed, clock).handlers(),
        **SnapshotRoutes(driver).handlers(),
        **SessionRoutes(driver, times.sessions).handlers(),
        **LockRoutes(driver, news, clock).handlers(),
        **_transactions(driver, clock, identity.cluster_id),
        **copies.handlers(),
        **ClusterRoutes(driver, clock, issuer, database.kind).handlers(),
        **VerificationRoutes(driver, inventories, clock).handlers(),
    }
    leadership = Leadership(driver, clock, times.lead)
    return ControlApp(
        asgi=application(
            endpoints=endpoints.CONTROL,
            handlers=handlers,
            authenticate=TokenChecker(identity.keys.public(), identity.cluster_id, clock),
            standing=Standing(driver),
            clock=clock,
            mounts=mounts,
            title="Cairn control plane",
        ),
        driver=driver,
        cluster_id=identity.cluster_id,
        news=news,
        _feed=feed,
        _leadership=leadership,
        _turns=Turns(leadership, _duties(driver, inventories, calls_to, clock, times), clock),
        _passwords=passwords,
        _copies=copies,
    )


def _inventories(driver: Driver, calls_to: CallsTo, clock: Clock) -> Inventories:
    async def list_chunks(low: bytes, high: bytes | None, limit: int) -> Sequence[Listed]:
        rows = await driver.survey(lambda tx: groups.listed(tx, low, high, limit))
        return [Listed(*row) for row in rows]

    return Inventories(list_chunks, calls_to, clock)


def _logins(
    driver: Driver,
    clock: Clock,
    identity: _Identity,
    *,
    issuer: Issuer,
    passwords: Passwords,
    rule: SignupRule,
) -> Logins:
    opener, failed = Opener(identity.keys.sealing, clock), FailedLogins(clock)
    return Logins(driver, clock, opener=opener, issuer=issuer, passwords=passwords, failed=failed, rule=rule)


def _transactions(driver: Driver, clock: Clock, cluster_id: ClusterId) -> Mapping[str, Handler]:
    receipts = Receipts(driver, cluster_id)
    single, trees = TransactionRoutes(driver, receipts, clock), TreeRoutes(driver, receipts, clock)
    return {**single.handlers(), **Together(single).handlers(), **trees.handlers()}


def _duties(
    driver: Driver, inventories: Inventories, calls_to: CallsTo, clock: Clock, times: Times
) -> Sequence[Duty]:
    return (
        SessionExpiry(driver, clock, times.sessions),
        Detector(driver, clock, times.heartbeats),
        Orphans(driver, clock),
        Detached(driver, clock),
        Horizon(driver, clock),
        Forgetting(driver),
        Reconcile(driver, inventories, calls_to, clock),
    )


def _identity(database: Database, first_admin_secret: str | None) -> _Identity:
    """The cluster's id and keys, made now if there are none; the first administrator's invitation."""
    fresh = {SIGNING: new_signing_key(), SEALING: new_sealing_key()}

    def learn(tx: Tx) -> tuple[ClusterId, dict[str, bytes]]:
        kept = secrets.keep(tx, fresh)
        if first_admin_secret is not None and not users.has_admin(tx):
            _invite(tx, first_admin_secret)
        return clock_row.read(tx).cluster_id, kept

    cluster_id, kept = database.write(learn)
    return _Identity(cluster_id, Keys.load(kept[SIGNING], kept[SEALING]))


def _invite(tx: Tx, secret: str) -> None:
    """Let the secret be an invitation, unless it already is one."""
    digest = hash_bytes(secret.encode())
    try:
        tokens.check_one_time(tx, digest, tokens.INVITATION)
    except InvitationRequired:
        expires_us = tx.now_us() + _FIRST_ADMIN_TTL_US
        tokens.issue_one_time(tx, digest, tokens.INVITATION, expires_us)
