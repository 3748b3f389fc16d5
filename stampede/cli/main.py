"""The command line. Each command calls its module, and every expected error is one sentence."""

import sys
from pathlib import Path
from uuid import UUID

import rich_click as click

from chassis import settings
from chassis.problems import Problem, ValidationFailed
from chassis.settings import Settings
from stampede.cli import (  # noqa: F401  registers their commands
    events,
    local_cluster,
    measuring,
    migrating,
    planning,
    recovering,
    rehearsing,
    tracing,
)
from stampede.cli.base import OneOf, data_dir_option, load, refuse, say, stampede, with_servers

ROLES = ("customer", "organizer", "staff", "operator", "admin")


@stampede.command()
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the gateway (default: 8000).")
@click.option("--workers", type=click.IntRange(1, 64), help="Web processes (default: 2).")
@click.option(
    "--topology",
    type=OneOf(["single", "cluster"]),
    help="One of everything, or several, for trying what a failover does (default: single).",
)
@click.option(
    "--balancer",
    type=OneOf(["haproxy", "none"]),
    help="Of a cluster, before its gateways (default: HAProxy where it is installed).",
)
@click.option(
    "--promoter",
    type=OneOf(["patroni", "none"]),
    help="Of a cluster's PostgreSQL (default: Patroni where it is installed with etcd).",
)
@data_dir_option
@click.option(
    "--demo/--no-demo", default=None, help="With or without demo shows, accounts and mailbox."
)
def up(
    port: int | None,
    workers: int | None,
    topology: str | None,
    balancer: str | None,
    promoter: str | None,
    data_dir: Path | None,
    demo: bool | None,
) -> None:
    """Runs everything on this machine: servers, web processes, background work."""
    loaded = load(
        port=port,
        workers=workers,
        topology=topology,
        balancer=balancer,
        promoter=promoter,
        data_dir=data_dir,
        demo=demo,
    )
    if loaded.topology == "cluster":
        from runtime.topology.starting import up as start
    else:
        from runtime.starting import up as start
    sys.exit(start(loaded, say))


@stampede.command()
@click.argument(
    "role",
    type=click.Choice(["gateway", "identity", "catalog", "booking", "notification", "sandbox"]),
)
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on.")
@click.option("--workers", type=click.IntRange(1, 64), help="Web processes.")
@data_dir_option
def serve(role: str, port: int | None, workers: int | None, data_dir: Path | None) -> None:
    """Runs one service, which calls the others over HTTP. `sandbox` is the payment provider for tests."""
    from runtime import starting

    loaded = load(port=port, workers=workers, data_dir=data_dir)
    sys.exit(starting.serve(loaded, role, say))


@stampede.command()
@data_dir_option
def worker(data_dir: Path | None) -> None:
    """Runs the background work alone: relay, sweepers, consumers."""
    from runtime import starting

    sys.exit(starting.work(load(data_dir=data_dir), say))


@stampede.group()
def user() -> None:
    """Creates accounts and assigns staff to doors."""


@user.command("create")
@click.option("--email", required=True, help="E-mail address of the account.")
@click.option("--password", required=True, help="Its password.")
@click.option(
    "--role", type=click.Choice(ROLES), default="customer", show_default=True, help="Role to give."
)
@click.option("--full-name", default="", help="Name of the person.")
@click.option(
    "--session",
    "sessions",
    multiple=True,
    type=click.UUID,
    help="For staff: they may scan at this session only. May be repeated.",
)
@click.option(
    "--existing", is_flag=True, help="Give the role to an existing account, whatever its password."
)
@data_dir_option
def user_create(
    email: str,
    password: str,
    role: str,
    full_name: str,
    sessions: tuple[UUID, ...],
    data_dir: Path | None,
    *,
    existing: bool,
) -> None:
    """Creates an account with a role.

    If the address has an account with this password, that account gets the role. Staff may scan at every
    session; with --session at those sessions only.
    """
    from booking.door.administration import put_on_the_door
    from identity.administration import AccountExists, AnotherPassword, create_account
    from identity.store import RoleNotYetKnown

    if sessions and role != "staff":
        raise refuse("--session is for --role staff.")

    async def run(loaded: Settings) -> UUID:
        user_id = await create_account(
            loaded.direct_url,
            email=email,
            password=password,
            role=role,
            full_name=full_name,
            locale=loaded.default_language,
            existing=existing,
        )
        if role == "staff":
            await put_on_the_door(loaded.direct_url, user_id, sessions or None)
        return user_id

    try:
        say(f"{with_servers(load(data_dir=data_dir), run)}")
    except (AccountExists, AnotherPassword, RoleNotYetKnown) as exists:
        raise refuse(str(exists)) from None


@user.command("door")
@click.argument("user_id", type=click.UUID)
@click.option(
    "--session",
    "sessions",
    multiple=True,
    type=click.UUID,
    help="Also at this session. May be repeated.",
)
@click.option(
    "--all/--only-named",
    "everywhere",
    default=None,
    help="At every session, or only at those named for them.",
)
@data_dir_option
def user_door(
    user_id: UUID, sessions: tuple[UUID, ...], everywhere: bool | None, data_dir: Path | None
) -> None:
    """Sets at which sessions a staff account may scan tickets."""
    from booking.door.administration import put_on_the_door, take_off_the_house_door

    if not sessions and everywhere is None:
        raise refuse("Name a --session, or say --all or --only-named.")

    async def run(loaded: Settings) -> None:
        url = loaded.direct_url
        if everywhere is False:
            await take_off_the_house_door(url, user_id)
        if everywhere:
            await put_on_the_door(url, user_id)
        if sessions:
            await put_on_the_door(url, user_id, sessions)

    with_servers(load(data_dir=data_dir), run)
    say(f"{user_id}")


@stampede.group()
def keys() -> None:
    """Manages the keys that sign access tokens."""


@keys.command("rotate")
@data_dir_option
def keys_rotate(data_dir: Path | None) -> None:
    """Publishes a new signing key. Nobody is logged out."""
    from identity.administration import rotate_keys

    async def run(loaded: Settings) -> str:
        return await rotate_keys(loaded.direct_url, access_token_ttl_s=loaded.access_token_ttl_s)

    say(f"{with_servers(load(data_dir=data_dir), run)}")


@stampede.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@data_dir_option
def audit(as_json: bool, data_dir: Path | None) -> None:
    """Checks the invariants over PostgreSQL and Redis. Exit code 1 if one is broken."""
    from runtime.operations.auditing import audit_all, print_findings

    findings = with_servers(load(data_dir=data_dir), audit_all)
    print_findings(findings, as_json=as_json, say=say)
    sys.exit(0 if all(finding.ok for finding in findings) else 1)


@stampede.command()
@click.argument("session_id", required=False, type=click.UUID)
@click.option("--all", "everything", is_flag=True, help="Every session with claimed seats.")
@data_dir_option
def rebuild(session_id: UUID | None, everything: bool, data_dir: Path | None) -> None:
    """Rebuilds a session's seats in Redis from PostgreSQL."""
    from runtime.operations.auditing import rebuild_sessions

    if (session_id is None) != everything:
        raise refuse("Name one session, or say --all.")

    async def run(loaded: Settings) -> list[UUID]:
        return await rebuild_sessions(loaded, session_id)

    for done in with_servers(load(data_dir=data_dir), run):
        say(f"rebuilt {done}")


@stampede.group()
def dlq() -> None:
    """Lists, retries and deletes dead letters: events that a consumer could not process."""


_letters = click.argument("event_ids", nargs=-1, type=click.UUID)


@dlq.command("list")
@data_dir_option
def dlq_list(data_dir: Path | None) -> None:
    """Lists events that wait for another try and events that were given up."""
    from runtime.operations.dead_letters import list_letters

    letters = with_servers(load(data_dir=data_dir), list_letters)
    for consumer, letter in letters:
        state = "dead" if letter.next_attempt is None else "waiting"
        say(f"{state:<8} {consumer:<13} {letter.event_id} {letter.type} attempts={letter.attempts}")
        say(f"         {letter.first_failed:%FT%TZ} … {letter.last_failed:%FT%TZ}  {letter.reason}")
    say(f"{len(letters)} dead letters")


@dlq.command("retry")
@_letters
@data_dir_option
def dlq_retry(event_ids: tuple[UUID, ...], data_dir: Path | None) -> None:
    """Sends events back to their consumers; without ids all that were given up."""
    from runtime.operations.dead_letters import retry_letters

    count = with_servers(load(data_dir=data_dir), lambda now: retry_letters(now, event_ids or None))
    if event_ids and not count:
        raise refuse("No dead letter has such an id; `stampede dlq list` names them.")
    say(f"{count} sent back")


@dlq.command("purge")
@_letters
@click.option("--all", "everything", is_flag=True, help="All events that were given up.")
@data_dir_option
def dlq_purge(event_ids: tuple[UUID, ...], everything: bool, data_dir: Path | None) -> None:
    """Deletes events for good."""
    from runtime.operations.dead_letters import purge_letters

    if bool(event_ids) == everything:
        raise refuse("Name event ids, or say --all.")
    count = with_servers(load(data_dir=data_dir), lambda now: purge_letters(now, event_ids or None))
    if event_ids and not count:
        raise refuse("No dead letter has such an id; `stampede dlq list` names them.")
    say(f"{count} thrown away")


def _run() -> None:
    """The command. What one of the services met while it started comes in groups of one."""
    try:
        stampede()
    except BaseExceptionGroup as met:
        only: BaseException = met
        while isinstance(only, BaseExceptionGroup) and len(only.exceptions) == 1:
            only = only.exceptions[0]
        raise only from None


def main() -> None:
    """The entry point. An expected error is one sentence and exit code 1, never a traceback."""
    from chassis.postgres.connecting import NoPrimary
    from chassis.postgres.migrations import MigrationError
    from chassis.postgres.pooler import PoolerError
    from runtime.embedded import EmbeddedError
    from runtime.starting import StartError

    expected = (
        settings.SettingsError,
        EmbeddedError,
        MigrationError,
        NoPrimary,
        PoolerError,
        StartError,
        Problem,
    )
    try:
        _run()
    except ValidationFailed as wrong:
        found = "; ".join(f"{error.field} {error.message}" for error in wrong.errors)
        click.echo(f"stampede: {found or wrong}", err=True)
        sys.exit(1)
    except expected as trouble:
        click.echo(f"stampede: {trouble}", err=True)
        sys.exit(1)
    except OSError as trouble:
        click.echo(f"stampede: {trouble}. Check the server URLs and the data directory.", err=True)
        sys.exit(1)
