"""Calls that change a role: in IAM's own time, tried again where that passes, and named where they fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fanout.model.fault import FaultKind, Stage
from fanout.tasks import Context

PAUSES = (0.5, 1.0, 2.0, 4.0, 7.5, 15.0)
"""Seconds between tries of a call that IAM will take soon: 30 together."""

READINGS = (0.5, 1.0, 2.0, 4.0, 7.5, 15.0, 15.0, 15.0)
"""Seconds between looks at a change that IAM will show soon: 60 together."""

_PASSING = ("ConcurrentModification", "EntityTemporarilyUnmodifiable")
_QUOTAS = ("LimitExceeded",)


@dataclass(frozen=True, slots=True)
class Step:
    """One call of IAM that changes a role. `fresh` says that the role was made just now: IAM may not know it yet."""

    operation: str
    arguments: Mapping[str, Any] = field(repr=False)
    fresh: bool = False

    @property
    def action(self) -> str:
        """The IAM action."""
        return f"iam:{''.join(word.title() for word in self.operation.split('_'))}"

    @property
    def takes_away(self) -> bool:
        """Whether it is done as well where there is nothing left to take away."""
        return self.operation.startswith(("delete_", "detach_"))


def code_of(error: Exception) -> str:
    """The code of AWS's answer; empty where the error is none."""
    fault = getattr(error, "fault", None)
    if fault is not None:
        return str(fault.code)
    return str(_answer(error).get("Code", ""))


def refused(code: str, message: str, hint: str) -> Exception:
    """What a task raises where it leaves a role alone."""
    from fanout.aws.faults import failed

    return failed(FaultKind.REFUSED, code, message, stage=Stage.TASK, hint=hint)


async def carry_out(ctx: Context, step: Step) -> None:
    """Make a call, again where IAM is only late, for up to 30 seconds.

    :raises fanout.aws.faults.CallFailed: naming action and account.
    """
    for pause in (*PAUSES, None):
        try:
            await getattr(ctx.client("iam"), step.operation)(**step.arguments)
        except Exception as error:
            if step.takes_away and code_of(error) == "NoSuchEntity":
                return
            if pause is None or not _passes(step, error):
                raise named(ctx, step.action, error) from error
            ctx.log.debug("IAM is late", action=step.action, code=code_of(error))
            await ctx.sleep(pause)
        else:
            return


async def carry_out_all(ctx: Context, steps: Sequence[Step], done: Sequence[Step] = ()) -> None:
    """Make calls one after the other; `done` are those that were made before.

    :raises fanout.aws.faults.CallFailed: as `carry_out`, saying what stands by then.
    """
    from fanout.aws.faults import CallFailed

    for number, step in enumerate(steps):
        try:
            await carry_out(ctx, step)
        except CallFailed as error:
            standing = _standing([*done, *steps[:number]])
            if not standing:
                raise
            fault = error.fault
            raise CallFailed(replace(fault, message=f"{fault.message.rstrip('.')}; {standing}")) from error


def _standing(done: Sequence[Step]) -> str:
    """What stands where a call failed after others."""
    if not done:
        return ""
    again = "mend that and run it again, it goes on from there"
    if done[0].operation != "create_role":
        return f"done before that: {', '.join(dict.fromkeys(each.action for each in done))}: {again}"
    permissions = "its permissions are not there yet" if len(done) == 1 else "not all of its permissions are there yet"
    return f"the role was made, {permissions}: {again}"


def _passes(step: Step, error: Exception) -> bool:
    """Whether IAM may take the same call a little later."""
    code, message = code_of(error), str(_answer(error).get("Message", "")).lower()
    if code == "MalformedPolicyDocument":
        # A principal that was made just now is not known everywhere yet (IAM user guide, "Changes that I make are not
        # always immediately visible"); any other fault of a policy stays.
        return "invalid principal" in message
    if code == "NoSuchEntity":
        return step.fresh and "role with name" in message
    if code == "DeleteConflict":
        return step.operation == "delete_role"
    return code in _PASSING


def named(ctx: Context, action: str, error: Exception) -> Exception:
    """The error with the action and the account that it is about: IAM's own words often have neither."""
    from fanout.aws.faults import CallFailed, classify

    fault = classify(error, Stage.CALL)
    if fault.code in _QUOTAS:
        hint = "a quota of IAM in that account: take something away, or have it raised"
        fault = replace(fault, kind=FaultKind.QUOTA, hint=hint)
    return CallFailed(replace(fault, message=f"{action} in account {ctx.account.id}: {fault.message}"))


def _answer(error: Exception) -> Mapping[str, Any]:
    response = getattr(error, "response", None)
    found = response.get("Error") if isinstance(response, Mapping) else None
    return found if isinstance(found, Mapping) else {}
