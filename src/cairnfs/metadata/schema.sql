-- The schema of the metadata database, for SQLite and PostgreSQL alike: the reference for every
-- column, sentinel and invariant. Three words are translated when it is run (databases/*.py):
--   BYTES      BLOB in SQLite, BYTEA in PostgreSQL
--   BIGINT     INTEGER in SQLite (all tables are STRICT there)
--   CLUSTERED  at a table's end: WITHOUT ROWID in SQLite, nothing in PostgreSQL
-- Words:
--   born, died   commit numbers. A row is visible at commit N if born <= N and N < died.
--   NEVER        9223372036854775807, the `died` of a row that is alive. No row has born >= died.
--   *_us         microseconds since 1970, for people; nothing is decided by them.
-- Every tx that changes anything but renewals, heartbeats and logins first locks the clock row, so
-- the order of commit numbers is the order of visibility. Invariants are named in [brackets];
-- verify/ checks each of them under that name.

-- The one row that orders everything. Counters live here and never in sequences: a number is taken
-- only by a tx that commits. [clock: no row anywhere was born after commit_number; commit_number is
-- the highest in commits; commit_at_us is that commit's at_us]
CREATE TABLE clock (
    id             BIGINT PRIMARY KEY CHECK (id = 1),
    schema_version BIGINT NOT NULL,      -- 4; a newer one is refused, an older one migrated
    cluster_id     TEXT   NOT NULL,      -- 128 random bits in hex, never changes
    incarnation    BIGINT NOT NULL,      -- grows when history may have been cut
    timeline       BIGINT NOT NULL,      -- PostgreSQL's timeline when last seen; 0 in SQLite
    commit_number  BIGINT NOT NULL,      -- the newest commit; 0 before the first
    commit_at_us   BIGINT NOT NULL,      -- its time; the next is at least 1 us later
    fence          BIGINT NOT NULL,      -- the newest fence: each grant of a lock takes the next
    next_inode     BIGINT NOT NULL,      -- 1 is the root
    next_user      BIGINT NOT NULL,      -- of users and user groups: no number is both
    next_fileserver BIGINT NOT NULL,
    horizon        BIGINT NOT NULL,      -- commits below it cannot be read (410), but for snapshots'
    retention_us   BIGINT NOT NULL,      -- how much history the horizon leaves; 0: all of it
    copies         BIGINT NOT NULL,      -- the policy's number of copies, 1 to 7
    map_version    BIGINT NOT NULL,      -- grows when the cluster map changes
    people_version BIGINT NOT NULL,      -- grows when users, user groups or their members change
    next_lock      BIGINT NOT NULL,      -- numbers of locks: the order of arrival
    locks          BIGINT NOT NULL       -- rows of lock: while it is 0, commits look for none
);

-- User commits, one number each. [commits: numbers and times grow together]
CREATE TABLE commits (
    number     BIGINT PRIMARY KEY,
    at_us      BIGINT NOT NULL,
    user_id    BIGINT NOT NULL,
    operations BIGINT NOT NULL,
    message    TEXT   NOT NULL
);
CREATE INDEX commits_at ON commits (at_us);

-- What a commit changed, one row for all of it: MessagePack of a list of (what, kind, inode, parent,
-- name, from_parent, from_name), see metadata/state/changes.py. Paths are found when it is read, as of
-- the commit. A recursive removal, or a tree that was copied, is one change. [change: its commit exists]
CREATE TABLE change (
    commit_number BIGINT PRIMARY KEY,
    entries       BYTES  NOT NULL
);

-- Commits that can be read however far the horizon has moved. [snapshot: its commit exists]
CREATE TABLE snapshot (
    name          TEXT   PRIMARY KEY,    -- begins with a letter: no number, age or time does
    commit_number BIGINT NOT NULL,
    user_id       BIGINT NOT NULL,
    created_us    BIGINT NOT NULL
);

-- What exists whatever it is called. [inode: links is the number of live dentries that lead to it
-- (the root and the top of a detached tree count one); alive versions exist exactly where links > 0,
-- or where all names that are left are below orphans]
CREATE TABLE inode (
    id         BIGINT PRIMARY KEY,
    kind       TEXT   NOT NULL CHECK (kind IN ('file', 'directory', 'symlink')),
    links      BIGINT NOT NULL,
    changed    BIGINT NOT NULL,          -- directories: the last commit that changed an entry
    changed_us BIGINT NOT NULL           -- its time: a directory's mtime. A current row, not versions
);

-- A name in a directory, for a span of commits. Renaming a directory of a million files is one row.
-- [dentry: spans of one (parent, name) do not overlap; parent is a directory that is alive
-- throughout the span; a directory has at most one live dentry; from every live dentry the way up
-- ends at the root or at a row of orphan or detached; of an inode with several live dentries all are
-- traced; every directory's is]
CREATE TABLE dentry (
    parent BIGINT NOT NULL,
    name   BYTES  NOT NULL,              -- 1 to 255 bytes, no NUL, no /, not . or ..
    born   BIGINT NOT NULL,
    died   BIGINT NOT NULL,
    inode  BIGINT NOT NULL,
    kind   TEXT   NOT NULL,              -- the inode's kind, here so that a listing need not ask
    traced BIGINT NOT NULL,              -- 1: can be found from its inode; every directory, and each
                                         -- name of a file that has, or had, several. Else 0
    PRIMARY KEY (parent, name, born)
) CLUSTERED;
-- `died` stands in it, though it is always the same, so that SQLite prefers it to the primary key:
-- listing what lives must not walk over all that died.
CREATE UNIQUE INDEX dentry_live ON dentry (parent, died, name) WHERE died = 9223372036854775807;
CREATE INDEX dentry_traced ON dentry (inode, died) WHERE traced = 1;
-- Finding by name. Only what lives: as of an earlier commit one has to walk.
CREATE INDEX dentry_name ON dentry (name, parent) WHERE died = 9223372036854775807;

-- One state of an inode, for a span of commits. manifest: the hashes of its leaves, concatenated
-- (32 bytes each); empty for all but files, and for an empty file. A directory's own time is mtime
-- where no entry was changed after the commit mtime_set, else inode.changed_us. [version: spans of one
-- inode do not overlap; size is the sum of its leaves' sizes, or the length of its target; each leaf
-- and each set of attributes exists; only a symlink has a target, only a directory a policy]
CREATE TABLE version (
    inode       BIGINT NOT NULL,
    born        BIGINT NOT NULL,
    died        BIGINT NOT NULL,
    mode        BIGINT NOT NULL,         -- permission bits, at most 0o7777
    owner       BIGINT NOT NULL,         -- users.id
    owner_group BIGINT NOT NULL,         -- user_group.id, or users.id: each user's own group
    size        BIGINT NOT NULL,         -- bytes
    mtime_us    BIGINT NOT NULL,
    mtime_sub_ns BIGINT NOT NULL,        -- nanoseconds beyond mtime_us, 0 to 999
    mtime_set   BIGINT NOT NULL,         -- the commit at which mtime was set, by hand or by making it
    manifest    BYTES  NOT NULL,
    target      BYTES  NOT NULL,         -- where a symlink leads; empty for all else
    xattrs      BYTES  NOT NULL,         -- xattr_set.hash; empty where there are none
    policy      TEXT   NOT NULL,         -- directories: the durability of what is below; '' as above it
    PRIMARY KEY (inode, born)
) CLUSTERED;
CREATE UNIQUE INDEX version_live ON version (inode) WHERE died = 9223372036854775807;

-- Extended attributes: MessagePack of a list of (name, value) in the names' order, named by the BLAKE3
-- of exactly those bytes. [xattr_set: refs is the number of versions that name it]
CREATE TABLE xattr_set (
    hash    BYTES  PRIMARY KEY,
    refs    BIGINT NOT NULL,
    entries BYTES  NOT NULL
) CLUSTERED;

-- A piece of manifests, up to 256 chunks: (hash 32 bytes, size 4 bytes little-endian) each; named by
-- the BLAKE3 of entries, computed by the server. A hash of zeros is a hole: bytes that are zero and
-- stored nowhere. [leaf: refs is the number of times that manifests
-- name it; size is the sum of its entries' sizes; every chunk it names exists, holes aside]
CREATE TABLE leaf (
    hash    BYTES  PRIMARY KEY,
    size    BIGINT NOT NULL,
    refs    BIGINT NOT NULL,
    entries BYTES  NOT NULL
) CLUSTERED;

-- What fileservers must hold. The group is the first ten bits of the hash, so a group is a range.
-- [chunk: refs is the number of times that leaves name it; copies is at least what a majority of
-- the policy's copies was when it was committed, or 1 where a directory's policy was `async`]
CREATE TABLE chunk (
    hash   BYTES  PRIMARY KEY,
    size   BIGINT NOT NULL,              -- 1 to 4 MiB
    refs   BIGINT NOT NULL,
    copies BIGINT NOT NULL               -- holders proven by the receipt that brought it in
) CLUSTERED;

-- Directories taken out of the tree by a recursive removal, one row for the whole subtree. Nothing
-- below is reachable at or after `died`; a duty walks it in pages and sets every row's died to
-- exactly that number, which no reader can tell from its having been done at once.
CREATE TABLE orphan (
    inode BIGINT PRIMARY KEY,
    died  BIGINT NOT NULL
);

-- Trees in the making: directories that no name leads to until a commit gives them one. What is below
-- was born earlier than that commit and is reached by nobody before it. One that is left behind (older
-- than any request may last) becomes an orphan. [detached: no live dentry leads to it]
CREATE TABLE detached (
    inode BIGINT PRIMARY KEY,
    at_us BIGINT NOT NULL                -- when somebody last worked at it; 0: given up
);

-- First answers, by which a request that is sent again is answered again, never done again.
CREATE TABLE reply (
    user_id    BIGINT NOT NULL,
    request_id TEXT   NOT NULL,          -- of what nobody settles, "people:", "snapshot:" or "tree:" before it
    body_hash  BYTES  NOT NULL,          -- BLAKE3 of the body: another body is an error; empty for an abort
    outcome    TEXT   NOT NULL CHECK (outcome IN ('committed', 'refused', 'aborted')),
    answer     BYTES  NOT NULL,          -- the reply, or the problem, as JSON; empty for an abort
    at_us      BIGINT NOT NULL,          -- forgotten a day later
    PRIMARY KEY (user_id, request_id)
) CLUSTERED;
CREATE INDEX reply_at ON reply (at_us);

-- Commits in the making: what a commit of many operations brought beforehand, page by page. They take no
-- part in anything until the request comes that commits them all. Forgotten then, or an hour after the last.
CREATE TABLE shadow (
    user_id    BIGINT NOT NULL,
    request_id TEXT   NOT NULL,          -- of the commit
    page       BIGINT NOT NULL,
    session    TEXT   NOT NULL,          -- which its receipts and bases are for; empty: none
    body_hash  BYTES  NOT NULL,          -- BLAKE3 of the operations: others under that number are an error
    body       BYTES  NOT NULL,          -- MessagePack of a Page, see metadata/ops/staged.py
    at_us      BIGINT NOT NULL,
    PRIMARY KEY (user_id, request_id, page)
);
CREATE INDEX shadow_at ON shadow (at_us);

-- One live client process each. counter is raised by renewals; a session whose counter the duty
-- leader has seen unchanged for a full lease is over. [session: needs <= clock.commit_number]
CREATE TABLE session (
    id         TEXT   PRIMARY KEY,
    user_id    BIGINT NOT NULL,
    label      TEXT   NOT NULL,
    counter    BIGINT NOT NULL,
    needs      BIGINT NOT NULL,          -- the oldest commit it may read or upload for
    created_us BIGINT NOT NULL,
    lease_ms   BIGINT NOT NULL           -- as it was promised: by this the leader judges it
);

-- Requests for locks, granted or waiting, one row each however many paths it is for. A request is
-- granted, and has a fence then, once it conflicts with nothing held and nothing that came before it
-- (core/locks). [lock: its session lives; its number is below next_lock, its fence at most clock.fence,
-- no two the same; clock.locks counts the rows; no two held conflict; what waits conflicts with
-- something held or before it]
CREATE TABLE lock (
    id         BIGINT PRIMARY KEY,       -- in the order of arrival; never given again
    session    TEXT   NOT NULL,
    owner      TEXT   NOT NULL,          -- within the session: its requests do not exclude each other
    user_id    BIGINT NOT NULL,          -- the session's
    token_hash BYTES  NOT NULL,          -- BLAKE3 of the token; the token itself is nowhere
    exclusive  BIGINT NOT NULL,          -- 0: shared
    subtree    BIGINT NOT NULL,          -- 1: with everything below
    fence      BIGINT NOT NULL,          -- 0: it waits
    asked_us   BIGINT NOT NULL,
    granted_us BIGINT NOT NULL           -- 0: it waits
);
CREATE INDEX lock_of ON lock (session, owner);
CREATE INDEX lock_fence ON lock (fence);

-- What a request is for. kind 0: the name in the directory `inode`; 1: the inode, whatever it is
-- called; 2: something below the directory `inode`, one row for each directory on the way up, the root
-- included (name is empty for 1 and 2). A path is one key of kind 0, unless it is the root, and one of
-- kind 1 where its name leads to something. held repeats whether lock.fence > 0.
-- [lock_key: its lock exists; where the directory of a key 0 is alive, its keys 1 and 2 are what the
-- tree says now]
CREATE TABLE lock_key (
    inode     BIGINT NOT NULL,
    kind      BIGINT NOT NULL,
    name      BYTES  NOT NULL,
    held      BIGINT NOT NULL,
    lock      BIGINT NOT NULL,
    PRIMARY KEY (inode, kind, name, held, lock)
) CLUSTERED;
CREATE INDEX lock_key_of ON lock_key (lock);

-- Locks that were broken, for people and for the holder who asks why; the latest 10,000.
CREATE TABLE broken_lock (
    id      BIGINT PRIMARY KEY,          -- lock.id
    fence   BIGINT NOT NULL,             -- 0: it waited
    user_id BIGINT NOT NULL,             -- whose it was
    broken_by BIGINT NOT NULL,           -- users.id
    at_us   BIGINT NOT NULL,
    reason  TEXT   NOT NULL
);
CREATE INDEX broken_lock_at ON broken_lock (at_us);

-- state: up, suspect (3 s without a heartbeat), down (5 s), full.
CREATE TABLE fileserver (
    id          BIGINT PRIMARY KEY,
    user_id     BIGINT NOT NULL,         -- its service identity
    address     TEXT   NOT NULL,
    zone        TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    boot        TEXT   NOT NULL,         -- new at each start: receipts of an earlier one do not count
    counter     BIGINT NOT NULL,         -- heartbeats raise it
    receipt_key BYTES  NOT NULL,
    used_bytes  BIGINT NOT NULL,
    free_bytes  BIGINT NOT NULL,
    chunks      BIGINT NOT NULL
);

-- The 1,024 replica groups. dirty: 0 clean; 1 a member may miss a chunk; 2 the same, and nothing
-- was missed since a comparison of its members with this database began. [group: members are known
-- fileservers, each once; a clean group's members all hold all its chunks]
CREATE TABLE replica_group (
    id    BIGINT PRIMARY KEY,
    epoch BIGINT NOT NULL,               -- grows at every change of members
    dirty BIGINT NOT NULL
);
CREATE TABLE group_member (
    group_id   BIGINT NOT NULL,
    position   BIGINT NOT NULL,          -- 0 is the primary
    fileserver BIGINT NOT NULL,
    PRIMARY KEY (group_id, position)
) CLUSTERED;

CREATE TABLE users (
    id            BIGINT PRIMARY KEY,
    name          TEXT   NOT NULL UNIQUE,
    role          TEXT   NOT NULL CHECK (role IN ('user', 'admin', 'fileserver')),
    password_hash TEXT   NOT NULL,       -- argon2id; empty: no password was set
    home          TEXT   NOT NULL,       -- path of the home directory; empty: none
    created_us    BIGINT NOT NULL,
    state         TEXT   NOT NULL CHECK (state IN ('active', 'disabled', 'removed'))
);                                       -- a removed user's row stays, its name is '#ID'; only an active
                                         -- user has refresh tokens and sessions

-- Groups of people. A removed one's row goes; its id is never given again, and whatever it still owns
-- shows '#ID', as with users. Names have 1 to 32 of a-z 0-9 . _ -, so nobody is called that. [people: names
-- and ids are unlike all users' names and ids; once there was an administrator, one is active]
CREATE TABLE user_group (
    id         BIGINT PRIMARY KEY,
    name       TEXT   NOT NULL UNIQUE,
    created_us BIGINT NOT NULL
);

-- Who is in which, disabled users too. [people: both exist; a removed user is in none]
CREATE TABLE membership (
    user_id    BIGINT NOT NULL,
    user_group BIGINT NOT NULL,
    PRIMARY KEY (user_id, user_group)
) CLUSTERED;
CREATE INDEX membership_of ON membership (user_group);

-- Refresh tokens, by the BLAKE3 of the secret: the secret itself is nowhere.
CREATE TABLE refresh_token (
    hash       BYTES  PRIMARY KEY,
    user_id    BIGINT NOT NULL,
    expires_us BIGINT NOT NULL
);

-- Join tokens and invitations that work once, by the BLAKE3 of the secret, whose first 8 hexadecimal
-- digits are what people call them. [people: issuer is an active administrator, or 0]
CREATE TABLE one_time (
    hash       BYTES  PRIMARY KEY,
    purpose    TEXT   NOT NULL,          -- join, invitation
    expires_us BIGINT NOT NULL,
    issuer     BIGINT NOT NULL,          -- users.id of whom asked for it; 0: nobody
    detail     TEXT   NOT NULL           -- of an invitation, JSON: role, ids of user groups, note; or empty
);

-- Nonces of sealed bodies, so that none counts twice. Forgotten when too old to be accepted anyway.
CREATE TABLE nonce (
    nonce      TEXT   PRIMARY KEY,
    expires_us BIGINT NOT NULL
);

-- The cluster's own keys, shared by all control-plane processes.
CREATE TABLE secret (
    name  TEXT  PRIMARY KEY,             -- signing (Ed25519, JWK), sealing (P-256 or X25519, JWK),
                                         -- cursors (AES-SIV, 64 bytes)
    value BYTES NOT NULL
);

-- Which control-plane process does the duties. counter is raised every second; another process takes
-- over, with a higher term, when it has seen it unchanged for three seconds of its own time.
CREATE TABLE leader (
    id      BIGINT PRIMARY KEY CHECK (id = 1),
    term    BIGINT NOT NULL,
    holder  TEXT   NOT NULL,
    counter BIGINT NOT NULL
);
