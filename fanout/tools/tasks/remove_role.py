"""Takes a role away that is tagged as fanout's."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fanout.model.row import Row
from fanout.model.trust import MANAGED_TAG
from fanout.tasks import Context, task
from fanout.tools.tasks.role_calls import READINGS, carry_out_all, code_of, refused
from fanout.tools.tasks.role_documents import differences, hidden, without_secrets
from fanout.tools.tasks.role_file import RoleName
from fanout.tools.tasks.role_state import RoleState, read
from fanout.tools.tasks.role_steps import removal

COLUMNS = ("role", "role_arn", "action", "changed", "diff", "notes", "before")
ACTIONS = (
    "iam:GetRole",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:ListInstanceProfilesForRole",
    "iam:DetachRolePolicy",
    "iam:DeleteRolePolicy",
    "iam:DeleteRole",
    "sts:GetCallerIdentity",
)


@task(
    name="remove-role",
    changes=True,
    example="--role-name FanoutReader",
    scope="account",
    service="iam",
    actions=ACTIONS,
    columns=COLUMNS,
)
async def remove_role(ctx: Context, *, role_name: RoleName) -> AsyncIterator[Row]:
    """Remove a role that is tagged as fanout's from each account, with all policies that it has.

    A role that is not tagged so, one that an instance profile has, and the one that the run itself is in are left alone.
    Where there is no such role, all is well.

    :param role_name: the role's name, without its path.
    """
    found = await read(ctx, role_name.text)
    if found is None:
        yield _row(ctx, role_name.text, None, [])
        return
    await _check(ctx, found)
    notes = []
    if not ctx.dry_run:
        await carry_out_all(ctx, removal(found))
        notes = await _gone(ctx, found.name)
    yield _row(ctx, found.name, found, notes)


async def _check(ctx: Context, found: RoleState) -> None:
    """Leave alone what is not fanout's, or is in use."""
    account = ctx.account.id
    if not found.managed:
        raise refused(
            "NotFanouts",
            f"role {found.name} in account {account} is not tagged {'='.join(MANAGED_TAG)}: it was left alone",
            "it is not fanout's; remove it by other means if it should go",
        )
    profiles = await _instance_profiles(ctx, found.name)
    if profiles:
        raise refused(
            "InInstanceProfile",
            f"role {found.name} in account {account} is in an instance profile ({', '.join(profiles)}): it was left alone",
            "instances may work with it; take it out of the profile first",
        )
    caller = str((await ctx.client("sts").get_caller_identity())["Arn"])
    if f":{account}:assumed-role/{found.name}/" in caller:
        raise refused(
            "OwnRole",
            f"role {found.name} in account {account} is the one that this run is in: it was left alone",
            "enter the account through another role, with --role",
        )


async def _instance_profiles(ctx: Context, name: str) -> list[str]:
    found = ctx.pages("list_instance_profiles_for_role", "InstanceProfiles[].InstanceProfileName", RoleName=name)
    try:
        return [each async for each in found]
    except Exception as error:
        if code_of(error) == "NoSuchEntity":
            return []
        raise


async def _gone(ctx: Context, name: str) -> list[str]:
    """Wait until IAM no longer shows the role, for up to 60 seconds; what to note if it still does."""
    for pause in READINGS:
        if await read(ctx, name) is None:
            return []
        await ctx.sleep(pause)
    still_there = await read(ctx, name) is not None
    return ["removed, though IAM still showed it 60 seconds later"] if still_there else []


def _row(ctx: Context, name: str, found: RoleState | None, notes: list[str]) -> Row:
    before = None if found is None else found.facts(ctx.partition)
    return {
        "role": name,
        "role_arn": None if found is None else found.arn(ctx.account.id, ctx.partition),
        "action": "none" if found is None else "remove",
        "changed": found is not None and not ctx.dry_run,
        "diff": hidden(list(differences(before or {}, {}))),
        "notes": notes,
        "before": without_secrets(before),
    }
