"""`fanout config show`: each setting, its value, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typer.core import TyperCommand

from fanout.cli import listing
from fanout.cli.command import Example, Verb
from fanout.cli.invocation import begin, warn_of_sections
from fanout.cli.nested import Lower, nest
from fanout.cli.options import SETTINGS
from fanout.cli.resolve import Resolved, Setting, Source
from fanout.model.errors import UsageError

_COLUMNS = ("setting", "value", "source", "where")
_MASK = "********"


def command() -> TyperCommand:
    """`fanout config`."""
    upper = Verb(
        name="config",
        help="Show how fanout is configured.",
        function=_bare,
        usage="VERB [OPTIONS]",
        examples=(Example("Each setting and its source", "fanout config show"),),
    )
    return nest(upper, {"show": Lower("Each setting, its value, and where it came from.", _show_verb)})


def _bare(flags: Mapping[str, Any]) -> int:
    del flags
    raise UsageError("`fanout config` needs a verb", "there is: show")


def _show_verb() -> Verb:
    return Verb(
        name="show",
        help="Show each setting, its value, and where it came from.\n\n"
        "A flag wins over an environment variable (FANOUT_CONCURRENCY for --concurrency), that over the project file "
        "./fanout.toml, that over your own config.toml in $XDG_CONFIG_HOME/fanout (~/.config/fanout), "
        "and that over the default.",
        function=_show,
        specs=SETTINGS,
        examples=(
            Example("All settings", "fanout config show"),
            Example("What a flag would change, as JSON", "fanout config show --concurrency 10 -o json"),
            Example("One setting", "fanout config show -o jsonl | grep '\"concurrency\"'"),
        ),
    )


def _show(flags: Mapping[str, Any]) -> int:
    invocation = begin(flags)
    warn_of_sections(invocation)
    listing.check(invocation)
    resolved = invocation.resolved
    rows = [_row(resolved.settings[spec.name]) for spec in SETTINGS]
    listing.show(invocation, [*rows, _home(resolved)], _COLUMNS)
    return 0


def _home(resolved: Resolved) -> dict[str, Any]:
    where = "FANOUT_HOME" if resolved.home_source is Source.ENVIRONMENT else ""
    return {"setting": "home", "value": str(resolved.home), "source": resolved.home_source.value, "where": where}


def _row(setting: Setting) -> dict[str, Any]:
    return {
        "setting": setting.spec.name,
        "value": _value(setting),
        "source": setting.source.value,
        "where": setting.where,
    }


def _value(setting: Setting) -> Any:
    if setting.value is None:
        return None
    if setting.spec.secret:
        return _MASK
    show = setting.spec.kind.show
    return [show(each) for each in setting.value] if setting.spec.multiple else show(setting.value)
