"""`cairn whoami`."""

from __future__ import annotations

from cairnfs.cli import connection
from cairnfs.cli.options import Json, Profile, Url
from cairnfs.cli.output import moment_rfc3339, show, show_json


def command(json: Json = False, profile: Profile = None, url: Url = None) -> int:
    """Say as whom the cluster knows you."""
    with connection.client(url, profile) as client:
        me = client.whoami()
    if json:
        show_json(
            {
                "user": me.user,
                "user_id": me.user_id,
                "role": me.role,
                "user_groups": me.user_groups,
                "home": me.home,
                "cluster_id": me.cluster_id,
                "expires_at": moment_rfc3339(me.expires_at_us),
            }
        )
    else:
        home = f", home {me.home}" if me.home else ""
        groups = f", in {', '.join(me.user_groups)}" if me.user_groups else ""
        show(f"{me.user} ({me.role}){groups}{home}, cluster {me.cluster_id[:8]}")
    return 0
