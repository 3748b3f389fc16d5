"""What every command uses: the group, settings with options, error messages, and servers while it
runs."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import rich_click as click

from chassis import settings
from chassis.settings import Settings

Result = TypeVar("Result")
# what an option decorates
Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)


def say(line: str) -> None:
    click.echo(line)


def refuse(sentence: str) -> "click.ClickException":
    return click.ClickException(sentence)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def stampede() -> None:
    """Stampede, a ticketing platform for on-sales."""


def load(**overrides: Any) -> Settings:
    """Settings from the environment, overridden by the options given."""
    given = {name: value for name, value in overrides.items() if value is not None}
    return msgspec.structs.replace(settings.load(), **given)


class OneOf(click.Choice[str]):
    """A choice whose wrong words are told as those of a setting: one sentence, exit code 1."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.choices:
            option = param.opts[0] if param is not None else "It"
            words = ", ".join(self.choices)
            raise settings.SettingsError([f"{option} must be one of {words}."])
        return super().convert(value, param, ctx)


data_dir_option = click.option(
    "--data-dir", type=click.Path(path_type=Path), help="Folder for data and logs."
)


def with_servers(
    loaded: Settings,
    use: Callable[[Settings], Coroutine[Any, Any, Result]],
    *,
    used: Sequence[str] = ("database_url", "redis_url"),
) -> Result:
    """Runs `use` with servers: those given by URLs, those already running here, or servers started for
    this call. With URLs for all that are `used`, none is started."""
    from runtime import starting

    servers, loaded = starting.attached(loaded, used)
    if servers is None:
        return asyncio.run(use(loaded))
    if starting.is_clusters(loaded):
        servers = starting.cluster_servers(loaded)
    try:
        return asyncio.run(use(starting.with_urls(loaded, servers.start())))
    finally:
        servers.stop()
