"""Looks for the managed policies that a role shall have, before anything is changed for it."""

from __future__ import annotations

from fanout.tasks import Context
from fanout.tools.tasks.role_calls import code_of, named, refused
from fanout.tools.tasks.role_state import RoleState

_AWS = "aws"  # stands for the account in the ARNs of AWS's own policies


async def check_managed(ctx: Context, wanted: RoleState, found: RoleState | None) -> None:
    """Check that each managed policy that the role does not have yet can be given to it.

    :raises fanout.aws.faults.CallFailed: if one is of another account, does not exist, cannot be attached, or IAM does not
        say.
    """
    has = {*found.attached, found.boundary} if found is not None else set()
    boundary = (wanted.boundary,) if wanted.boundary is not None else ()
    new = [arn for arn in dict.fromkeys((*wanted.attached, *boundary)) if arn not in has]
    foreign = [arn for arn in new if arn.split(":")[4] not in (_AWS, ctx.account.id)]
    if foreign:
        raise refused(
            "ForeignPolicy",
            f"role {wanted.name} in account {ctx.account.id} cannot have {foreign[0]}, a policy of another account: "
            "nothing was changed",
            "write arn:{partition}:iam::{account_id}:policy/NAME for one that every account has",
        )
    missing = [arn for arn in new if not await _attachable(ctx, arn)]
    if missing:
        raise refused(
            "NoSuchPolicy",
            f"account {ctx.account.id} has no managed policy {', '.join(missing)} that a role can have: nothing was changed",
            "correct the ARN in the file, or make the policy first",
        )


async def _attachable(ctx: Context, arn: str) -> bool:
    try:
        policy = (await ctx.client("iam").get_policy(PolicyArn=arn))["Policy"]
    except Exception as error:
        if code_of(error) == "NoSuchEntity":
            return False
        raise named(ctx, "iam:GetPolicy", error) from error
    return bool(policy.get("IsAttachable", True))
