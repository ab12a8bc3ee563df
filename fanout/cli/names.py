"""Names of options: looked up, reserved, and kept from certain files."""

from __future__ import annotations

from fanout.cli.options import ALL, EXECUTION, OUTPUT
from fanout.cli.spec import May, OptionSpec

LISTING = tuple(spec for spec in OUTPUT if spec.name in ("output", "out", "columns", "query", "csv-raw"))
"""The options of output that lists have too."""

TIMEOUTS = tuple(
    spec for spec in EXECUTION if spec.name in ("concurrency", "call-timeout", "connect-timeout", "read-timeout")
)
"""The options of execution that lists have too, where AWS is asked."""

LATER_NOT_PROJECT = ("task-path", "notify", "protected-accounts")
"""Names that a project file must not use, although nothing reads them yet."""

COMMAND_LINE_ONLY = ("yes", "force", "yes-print")
"""Names that stand for a person's word, and are refused in files and in the environment."""


def project_may_not(name: str) -> bool:
    """Whether a project file must not decide that option."""
    spec = named(name)
    return name in LATER_NOT_PROJECT or (spec is not None and spec.may is May.NOT_PROJECT)


def named(name: str) -> OptionSpec | None:
    """The option of that long name or alias, with dashes or underscores, if there is one."""
    dashed = name.replace("_", "-")
    return next((spec for spec in ALL if dashed in spec.longs), None)


def reserved() -> frozenset[str]:
    """The names that a task's parameter may not have: every long name, alias and opposite of `fanout run`, and help."""
    names = {name for spec in ALL for name in spec.longs}
    opposites = {spec.opposite for spec in ALL if spec.opposite is not None}
    return frozenset(names | opposites | {"help", "version", "expires"})
