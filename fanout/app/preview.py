"""What a person is shown before a task changes things: the plan in a few lines."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fanout.app.header import plain_parameters
from fanout.app.planning import Planned
from fanout.engine.limits import FailureLimit
from fanout.engine.waves import Waves
from fanout.model.account import Account
from fanout.model.printable import printable
from fanout.model.settings import ExecutionSettings
from fanout.tasks import Task

_SHOWN = 4
_LABEL = 12


def preview(
    task: Task,
    parameters: Mapping[str, Any],
    planned: Planned,
    execution: ExecutionSettings,
    limit: FailureLimit,
    *,
    role: str,
    scope: str,
) -> str:
    """The lines, each with a line break; texts that come from files or variables are named, not shown."""
    rows = [
        ("parameters", _typed(task, parameters)),
        ("accounts", _accounts(planned)),
        ("skipped", _skipped(planned.skipped)),
        ("regions", _regions(planned)),
        ("targets", f"{planned.targets:,}"),
        ("role", f"{role} · scope: {scope}"),
        ("limits", " · ".join(_limits(execution, limit, planned))),
    ]
    heading = f"{task.name} is about to change things{' (a dry run: nothing is sent)' if execution.dry_run else ''}:"
    lines = [heading, *(f"  {label:<{_LABEL}}{text}" for label, text in rows if text)]
    return "".join(f"{printable(line)}\n" for line in lines)


def _typed(task: Task, parameters: Mapping[str, Any]) -> str:
    plain = plain_parameters(task, parameters)
    return " ".join(_option(name.replace("_", "-"), value) for name, value in plain.items() if value is not None)


def _option(name: str, value: Any) -> str:
    """An option as one would type it in a shell."""
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no-{name}"
    many = value if isinstance(value, list) else [value]
    if name == "command":
        return f"-- {shlex.join(str(each) for each in many)}"
    return " ".join(f"--{name} {shlex.quote(str(each))}" for each in many)


def _accounts(planned: Planned) -> str:
    named = [_named(account) for account, _ in planned.accounts[:_SHOWN]]
    more = len(planned.accounts) - len(named)
    return f"{len(planned.accounts):,}: {', '.join(named)}{f' and {more:,} more' if more else ''}"


def _named(account: Account) -> str:
    return f"{account.id} {account.name}".strip()


def _skipped(skipped: Sequence[tuple[Account, str]]) -> str:
    counts = Counter(reason for _, reason in skipped)
    return " · ".join(f"{count:,} {reason}" for reason, count in counts.most_common())


def _regions(planned: Planned) -> str:
    found = tuple(dict.fromkeys(region for _, regions in planned.accounts for region in regions or ()))
    more = f" and {len(found) - 2 * _SHOWN} more" if len(found) > 2 * _SHOWN else ""
    return ", ".join(found[: 2 * _SHOWN]) + more


def _limits(execution: ExecutionSettings, limit: FailureLimit, planned: Planned) -> Iterator[str]:
    allowed = limit.allowed(planned.targets + len(planned.skipped))
    if allowed is not None:
        yield f"stops at more than {allowed:,} failure{'' if allowed == 1 else 's'}"
        if not execution.soft:
            yield f"at most {allowed + 1:,} change{'s' if allowed else ''} in flight (--soft lifts that)"
    if execution.wave is not None:
        counts = Waves.parse(execution.wave).counts(len(planned.accounts))
        yield f"waves of {', '.join(f'{count:,}' for count in counts)} accounts in all"
    if execution.regions_in_sequence:
        yield "regions one after another"
