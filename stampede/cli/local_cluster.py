"""Commands for a cluster that runs on this machine: what it consists of, and killing parts of it."""

from pathlib import Path

import rich_click as click

from stampede.cli.base import data_dir_option, load, say, stampede


@stampede.command()
@click.argument("name")
@click.option("--force", is_flag=True, help="Even if its standby or replica is not in sync.")
@data_dir_option
def failover(name: str, data_dir: Path | None, *, force: bool) -> None:
    """Kills a part of the running cluster: valkey, postgresql, nats, a service, worker, or one by its name.

    For postgresql it promotes the standby, and turns the old primary into the new one's standby. Whatever
    is killed is started again.
    """
    _do("failover", data_dir, name=name, force=force)


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


def _do(what: str, data_dir: Path | None, *, name: str = "", force: bool = False) -> None:
    from runtime.starting import StartError
    from runtime.topology.control import Refused, Request, ask
    from runtime.topology.starting import control_of

    path = control_of(load(data_dir=data_dir).data_dir)
    try:
        for reply in ask(path, Request(what, name, force)):
            if reply.say:
                say(reply.say)
            for part in reply.parts:
                port = f"port {part.port}" if part.port else ""
                say(f"{part.name:<15} {part.role:<24} pid {part.pid or '-':<8} {port}".rstrip())
    except Refused as refused:
        raise StartError(str(refused)) from None
