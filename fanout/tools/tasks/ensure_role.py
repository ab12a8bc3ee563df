"""Makes a reviewed role in an account, or brings it up to date."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from fanout.model.row import Row
from fanout.model.trust import MANAGED_TAG
from fanout.tasks import Context, task
from fanout.tools.tasks.role_calls import READINGS, carry_out, carry_out_all, code_of, refused
from fanout.tools.tasks.role_documents import Difference, differences, hidden, without_secrets
from fanout.tools.tasks.role_file import RoleFile, RoleName
from fanout.tools.tasks.role_policies import check_managed
from fanout.tools.tasks.role_state import RoleState, read, unlike
from fanout.tools.tasks.role_steps import creation, update

COLUMNS = ("role", "role_arn", "action", "changed", "diff", "notes", "before", "after")
ACTIONS = (
    "iam:GetRole",
    "iam:ListRolePolicies",
    "iam:GetRolePolicy",
    "iam:ListAttachedRolePolicies",
    "iam:GetPolicy",
    "iam:CreateRole",
    "iam:UpdateRole",
    "iam:UpdateAssumeRolePolicy",
    "iam:PutRolePolicy",
    "iam:DeleteRolePolicy",
    "iam:AttachRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary",
    "iam:DeleteRolePermissionsBoundary",
    "iam:TagRole",
)


@task(
    name="ensure-role",
    changes=True,
    example="--spec role.json",
    scope="account",
    service="iam",
    actions=ACTIONS,
    columns=COLUMNS,
)
async def ensure_role(
    ctx: Context, *, spec: RoleFile, role_name: RoleName | None = None, adopt: bool = False
) -> AsyncIterator[Row]:
    """Create a role in each account, or bring it up to date: what `fanout role template --format json` has written.

    Roles that are not tagged as fanout's are left alone, and so are policies that fanout did not give to a role. With
    --dry-run nothing is changed, and `diff` says what would be. External ids are never shown.

    :param spec: the file with the role; {account_id} and {partition} in it are filled in for each account.
    :param role_name: another name than the file's.
    :param adopt: take over a role of that name that is not tagged as fanout's.
    """
    wanted = spec.role(ctx.account.id, ctx.partition, str(role_name) if role_name else None)
    work = _Work(ctx, wanted, adopt)
    found = await read(ctx, wanted.name)
    if found is None:
        await check_managed(ctx, wanted, None)
    if found is None and not ctx.dry_run:
        found = await work.create()
        if found is None:
            yield work.row("create", None, await work.settled(frozenset()))
            return
    yield await work.update(found) if found is not None else work.row("create", None, ())


@dataclass(frozen=True, slots=True)
class _Work:
    """One role in one account."""

    ctx: Context
    wanted: RoleState
    adopt: bool

    async def create(self) -> RoleState | None:
        """Make the role; where IAM has it already, though it did not show it, that one is the answer."""
        first, others = creation(self.wanted)
        try:
            await carry_out(self.ctx, first)
        except Exception as error:
            if code_of(error) != "EntityAlreadyExists":
                raise
            return await self._appeared(error)
        await carry_out_all(self.ctx, others, done=(first,))
        return None

    async def update(self, found: RoleState) -> Row:
        """Bring the role up to date."""
        self._check(found)
        ctx, wanted, remembered = self.ctx, self.wanted, found.remembered
        if not unlike(found, wanted, remembered, ctx.partition):
            return self.row("none", found, ())
        await check_managed(ctx, wanted, found)
        if ctx.dry_run:
            return self.row("update", found, ())
        await carry_out_all(ctx, update(found, wanted, remembered, ctx.partition))
        return self.row("update", found, await self.settled(remembered))

    async def settled(self, remembered: frozenset[str]) -> Sequence[Difference]:
        """Wait until IAM shows the role as it shall be, for up to 60 seconds; what it does not show by then."""
        left: Sequence[Difference] = (Difference("", None, None),)
        for pause in (*READINGS, None):
            found = await read(self.ctx, self.wanted.name)
            if found is not None:
                left = unlike(found, self.wanted, remembered, self.ctx.partition)
            if not left or pause is None:
                break
            await self.ctx.sleep(pause)
        return left

    def row(self, action: str, found: RoleState | None, unseen: Sequence[Difference]) -> Row:
        """What was found, what it shall be, how they differ, and what a person should know."""
        ctx, wanted, partition = self.ctx, self.wanted, self.ctx.partition
        remembered = frozenset() if found is None else found.remembered
        before = None if found is None else found.facts(partition)
        after = wanted.facts(partition)
        changes = list(differences({}, after)) if found is None else unlike(found, wanted, remembered, partition)
        return {
            "role": wanted.name,
            "role_arn": wanted.arn(ctx.account.id, partition),
            "action": action,
            "changed": action != "none" and not ctx.dry_run,
            "diff": hidden(changes),
            "notes": self._notes(found, remembered, unseen),
            "before": without_secrets(before),
            "after": without_secrets(after),
        }

    def _notes(self, found: RoleState | None, remembered: frozenset[str], unseen: Sequence[Difference]) -> list[str]:
        notes = []
        if found is not None:
            notes += [f"left alone, not fanout's: {each}" for each in found.left_alone(self.wanted, remembered)]
            notes += [] if found.managed else ["taken over: it was not tagged as fanout's"]
        if unseen:
            what = ", ".join(sorted({each.path or "the role" for each in unseen}))
            notes.append(f"changed, though IAM did not show it within 60 seconds: {what}")
        return notes

    async def _appeared(self, error: Exception) -> RoleState:
        """The role that IAM has and does not show yet."""
        for pause in READINGS:
            await self.ctx.sleep(pause)
            found = await read(self.ctx, self.wanted.name)
            if found is not None:
                return found
        raise error

    def _check(self, found: RoleState) -> None:
        """Leave alone what is not fanout's, and what IAM cannot change."""
        account, wanted = self.ctx.account.id, self.wanted
        if not (found.managed or self.adopt):
            raise refused(
                "NotFanouts",
                f"account {account} has a role {found.name} that is not tagged {'='.join(MANAGED_TAG)}: it was left alone",
                "look at it; then choose another name with --role-name, or let fanout take it over with --adopt",
            )
        if found.path != wanted.path:
            raise refused(
                "PathDiffers",
                f"role {found.name} in account {account} has the path {found.path}, not {wanted.path}: IAM cannot change "
                "a role's path",
                "write that path into the file, choose another name, or take the role away with `fanout run remove-role`",
            )
