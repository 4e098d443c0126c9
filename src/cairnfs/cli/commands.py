"""Which commands there are, in the order of the help, and how the one that was asked for is run.

A command is a module of this package with a function `command`: its parameters are the arguments,
its docstring the help, its result the exit status; SETTINGS, where there are any, are those of its parser.
With BEHIND, what comes after `--` is no argument of its own but kept for `behind`; the help calls it that.
One that has verbs of its own (`cairn user role ...`) has them as functions like that in `VERBS`, by name, in
the help's order, and the help in its docstring from the second line on. Only the module that is needed is
imported. What does not belong here: what a command does. One thread.
"""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from cairnfs.errors import BadRequest

SECTIONS: dict[str, tuple[str, ...]] = {
    "Files": ("ls", "stat", "cat", "put", "get", "mkdir", "rm", "mv", "cp", "ln", "readlink", "touch"),
    "Trees": ("publish", "sync"),
    "Finding": ("find", "du", "df"),
    "Attributes": ("chmod", "chown", "xattr", "policy"),
    "Locks": ("lock", "locks", "unlock"),
    "History": ("log", "history", "diff", "watch", "restore", "snapshot", "retention"),
    "Account": ("signup", "login", "logout", "whoami", "passwd", "invite", "user", "group", "cache"),
    "Cluster": ("up", "down", "status", "logs", "verify", "paths", "serve", "version"),
}
NAMES = tuple(name for names in SECTIONS.values() for name in names)
_HELP = {"help_option_names": ["-h", "--help"]}
_BEHIND = "cairnfs.cli.behind"


class _Plain:
    """Takes texts as they came, and numbers as int reads them. Typer's own way would import a whole
    validation library first, which takes longer than many a command."""

    def __init__(self, kind: object) -> None:
        self._kind = kind

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value as the command's parameter takes it."""
        if self._kind == list[str]:
            return list(value or ())
        if self._kind in (int, float) and value is not None:
            read, what = (int, "a whole number") if self._kind is int else (float, "a number")
            try:
                return read(value)
            except ValueError:
                raise typer.BadParameter(f"{value!r} is not {what}", ctx=ctx, param=param) from None
        return value


def _plain(parameters: list[Any]) -> list[Any]:
    for parameter in parameters:
        kind = getattr(getattr(parameter, "type_descriptor", None), "annotation", None)
        if kind in (str, int, float, bool, list[str]):
            parameter._runtime_param = _Plain(kind)
    return parameters


class Command(TyperCommand):
    """One command, whose help calls arguments by their names alone."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Its arguments and options."""
        return _plain(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What comes after the command's name in the usage line."""
        return ["[OPTIONS]", *(name if needed else f"[{name}]" for name, needed, _ in self._arguments())]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Arguments, then options."""
        arguments = [(name, text) for name, _, text in self._arguments()]
        if arguments:
            with formatter.section("Arguments"):
                formatter.write_dl(arguments)
        records = [
            one.get_help_record(ctx) for one in self.get_params(ctx) if one.param_type_name == "option"
        ]
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record is not None])

    def _arguments(self) -> list[tuple[str, bool, str]]:
        """(name, is it required, help) of each argument."""
        return [
            (f"{one.metavar}{'' if one.nargs == 1 else '...'}", one.required, getattr(one, "help", "") or "")
            for one in self.params
            if one.param_type_name == "argument"
        ]


class Behind(Command):
    """One command that takes another one behind `--`."""

    #: What the help calls that.
    called = ""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Keep what is behind the first `--`."""
        if "--" in args:
            at = args.index("--")
            args, ctx.meta[_BEHIND] = args[:at], args[at + 1 :]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """With what is behind."""
        return [*super().collect_usage_pieces(ctx), f"[-- {self.called}]"]


def behind(context: typer.Context) -> list[str] | None:
    """What the command was given behind `--`; None where there was none."""
    found: list[str] | None = context.meta.get(_BEHIND)
    return found


class Verbs(TyperGroup):
    """One command that has verbs of its own."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Every verb, as the module orders them."""
        return list(self.commands)

    def get_params(self, ctx: Any) -> list[Any]:
        """The options before the verb's name."""
        return _plain(super().get_params(ctx))

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of verbs in the help."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, one.get_short_help_str(80)) for name, one in self.commands.items()])


class Commands(TyperGroup):
    """The `cairn` command, whose subcommands are imported when they are asked for."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options before the command's name."""
        return _plain(super().get_params(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, as the help orders them."""
        return list(NAMES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, or None."""
        return load(cmd_name) if cmd_name in NAMES else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list of commands in the help, by sections."""
        for section, names in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl([(name, load(name).get_short_help_str(80)) for name in names])


def load(name: str) -> Any:
    """The command of this name, ready to be run."""
    module = import_module(f"cairnfs.cli.{name}")
    settings = _HELP | getattr(module, "SETTINGS", {})
    verbs = getattr(module, "VERBS", None)
    if verbs is None:
        app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=settings)
        called = getattr(module, "BEHIND", None)
        kind = Command if called is None else type("Behind", (Behind,), {"called": called})
        app.command(name, cls=kind)(module.command)
        return get_command(app)
    told = (module.__doc__ or "").partition("\n")[2].strip()
    app = typer.Typer(
        cls=Verbs, help=told, add_completion=False, rich_markup_mode=None, context_settings=settings
    )
    app.callback()(_verbless)
    for verb, function in verbs.items():
        app.command(verb, cls=Command)(function)
    return get_command(app)


def _verbless() -> None:
    """Nothing of its own."""


def dispatch(arguments: list[str]) -> int:
    """Run the command with these arguments. Its exit status; raises BadRequest for wrong arguments."""
    app = typer.Typer(cls=Commands, add_completion=False, rich_markup_mode=None, context_settings=_HELP)
    app.callback(invoke_without_command=True)(top)
    group = get_command(app)
    try:
        with group.make_context("cairn", arguments) as context:
            status = group.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except Exception as error:
        if hasattr(error, "format_message"):
            raise _usage(error) from error
        raise
    return status if isinstance(status, int) else 0


def top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Say which version this is, and stop.")] = False,
) -> None:
    """Cairn, a transactional distributed filesystem: many files, one commit.

    Paths in Cairn begin with /. Each command says more: cairn COMMAND --help
    """
    if version:
        from cairnfs.cli.version import command

        raise typer.Exit(command())
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(0)


def _usage(error: Any) -> BadRequest:
    """Typer's complaint as one line with the way to the help."""
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", "cairn")
    what = error.format_message().rstrip(".").replace("\n", " ")
    return BadRequest(what[:1].lower() + what[1:], hint=f"see: {command} --help")
