"""Commands for a cluster that runs on this machine: what it consists of, and killing parts of it."""

from pathlib import Path

import rich_click as click

from stampede.cli.base import data_dir_option, load, say, stampede


@stampede.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Even if its standby or replica is not in sync.")
@click.option(
    "--planned", is_flag=True, help="postgresql with Patroni: hands over in order, kills nothing."
)
@data_dir_option
def failover(name: str, data_dir: Path | None, *, force: bool, planned: bool) -> None:
    """Kills a part of the running cluster: valkey, postgresql, nats, etcd, haproxy, a service, worker, or one
    by its name.

    For postgresql Patroni promotes the standby, or this command does where Patroni is not installed; the old
    primary becomes the new one's standby. Whatever is killed is started again.
    """
    _do("failover", data_dir, name=name, force=force, planned=planned)


@stampede.command()
@data_dir_option
def restart(data_dir: Path | None) -> None:
    """Replaces the processes of the running cluster one after the other. No request fails."""
    _do("restart", data_dir)


@stampede.command()
@data_dir_option
def status(data_dir: Path | None) -> None:
    """Lists the parts of the running cluster with their roles, process ids and ports."""
    _do("status", data_dir)


def _do(
    what: str,
    data_dir: Path | None,
    *,
    name: str = "",
    force: bool = False,
    planned: bool = False,
) -> None:
    from runtime.starting import StartError
    from runtime.topology.control import Refused, Request, ask
    from runtime.topology.starting import control_of

    path = control_of(load(data_dir=data_dir).data_dir)
    try:
        for reply in ask(path, Request(what, name, force, planned)):
            if reply.say:
                say(reply.say)
            for part in reply.parts:
                port = f"port {part.port}" if part.port else ""
                say(f"{part.name:<15} {part.role:<24} pid {part.pid or '-':<8} {port}".rstrip())
    except Refused as refused:
        raise StartError(str(refused)) from None
