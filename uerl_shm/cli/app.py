"""The typer app: its commands, its help, and what becomes of errors."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from uerl_shm.cli import (
    bench,
    bridge,
    check,
    clean,
    describe,
    doctor,
    export,
    k8s,
    ls,
    probe,
    record,
    replay,
    serve,
    serve_metrics,
    shm_init,
    top,
    train,
    tune,
    view,
)
from uerl_shm.cli import inspect as inspect_segment
from uerl_shm.cli.output import BAD_EXIT, ERROR_EXIT, warn
from uerl_shm.errors import UerlError


class _ExamplesFirst:
    """Help that begins with what it is for and with examples, then usage and options."""

    help: str | None

    def format_help(self, ctx: Any, formatter: Any) -> None:
        text = inspect.cleandoc(self.help or "").rstrip() + "\n"
        formatter.write(text)  # type: ignore[attr-defined]
        formatter.write_paragraph()
        self.format_usage(ctx, formatter)  # type: ignore[attr-defined]
        self.format_options(ctx, formatter)  # type: ignore[attr-defined]


class Command(_ExamplesFirst, TyperCommand):
    """One command."""


class Group(_ExamplesFirst, TyperGroup):
    """Commands that belong together."""


class Commands(Group):
    """All commands: one clear line for an error that was raised on purpose."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        except BrokenPipeError:  # whoever read us has read enough
            raise typer.Exit(BAD_EXIT) from None
        except (UerlError, OSError) as error:
            if ctx.params["debug"] or not (isinstance(error, UerlError) or error.filename):
                raise
            warn(f"uerl-shm: {_text(error)}")
            raise typer.Exit(ERROR_EXIT) from None


def _text(error: BaseException) -> str:
    if isinstance(error, OSError) and not isinstance(error, UerlError):
        return f"{error.filename}: {(error.strerror or 'failed').lower()}"
    return str(error)


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import uerl_shm

        print(f"uerl_shm {uerl_shm.__version__}, layout {uerl_shm.spec.LAYOUT_VERSION}")
        raise typer.Exit()


@app.callback()
def _root(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Run, judge, watch and tidy simulators that share a segment with a learner.

    Examples:
        uerl-shm train --simulator "uerl-sim apples" --num-envs 8
        uerl-shm check --simulator ./MyGame.sh
        uerl-shm bench --simulator "./MyGame.sh -RenderOffScreen" --num-envs 4
        uerl-shm top NAME
        uerl-shm doctor
    """


_COMMANDS: dict[str, Callable[..., None]] = {
    "train": train.train,
    "export": export.export,
    "serve": serve.serve,
    "check": check.check,
    "bench": bench.bench,
    "tune": tune.tune,
    "describe": describe.describe,
    "ls": ls.ls,
    "inspect": inspect_segment.inspect,
    "top": top.top,
    "view": view.view,
    "probe": probe.probe,
    "serve-metrics": serve_metrics.serve_metrics,
    "bridge": bridge.bridge,
    "record": record.record,
    "replay": replay.replay,
    "clean": clean.clean,
    "doctor": doctor.doctor,
    "shm-init": shm_init.shm_init,
}
for _name, _function in _COMMANDS.items():
    _passes_on = {"allow_extra_args": True, "ignore_unknown_options": True}
    _settings = _passes_on if _name == "train" else None
    app.command(_name, cls=Command, context_settings=_settings)(_function)

_kubernetes = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None)
_kubernetes.command("render", cls=Command)(k8s.render)
app.add_typer(_kubernetes, name="k8s", help=k8s.HELP)
