"""set-ebs-encryption-default and set-s3-public-access-block set what differs, and set back what was before."""

from __future__ import annotations

import pytest

from fanout.cli.parameters import bind_parameters
from fanout.model.account import Account
from fanout.model.errors import UsageError
from fanout.testing import FakeContext, client_error, run_task
from fanout_plugins.set_ebs_encryption_default import set_ebs_encryption_default
from fanout_plugins.set_s3_public_access_block import set_s3_public_access_block

pytestmark = pytest.mark.anyio

OURS = "alias/aws/ebs"
KEY = "arn:aws:kms:us-east-1:111122223333:key/0ea3fef3-80a7-4778-9d8c-1c0c6eaaaaaa"
NAMES = ("block_public_acls", "ignore_public_acls", "block_public_policy", "restrict_public_buckets")
MEMBERS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


class Ebs:
    """EC2's defaults. `denies` are operations that it refuses; those that are `lost` are carried out without an answer."""

    def __init__(self, *, enabled=False, key=OURS, denies=(), lost=(), state="Enabled", **context):
        self.enabled, self.key, self.denies, self.lost = enabled, key, denies, lost
        self.context = FakeContext(
            answers={
                "get_ebs_encryption_by_default": lambda: {"EbsEncryptionByDefault": self.enabled},
                "get_ebs_default_kms_key_id": lambda: {"KmsKeyId": self.key},
                "enable_ebs_encryption_by_default": lambda: self.put("enable", enabled=True),
                "disable_ebs_encryption_by_default": lambda: self.put("disable", enabled=False),
                "modify_ebs_default_kms_key_id": lambda **asked: self.put("modify", key=asked["KmsKeyId"]),
                "reset_ebs_default_kms_key_id": lambda: self.put("reset", key=OURS),
                "kms.describe_key": lambda **_: {"KeyMetadata": {"Arn": KEY, "KeyState": state}},
            },
            **context,
        )

    def put(self, name, **values):
        if name in self.denies:
            return client_error("UnauthorizedOperation", "no", status=403)
        for each, value in values.items():
            setattr(self, each, value)
        return ConnectionError("broke off") if name in self.lost else {}

    @property
    def sent(self):
        return [
            call.operation for call in self.context.calls if call.operation.split("_")[0] not in ("get", "describe")
        ]

    async def rows(self, **typed):
        """The rows, and the error that ended it."""
        rows = []
        try:
            task = set_ebs_encryption_default(self.context, **bind_parameters(set_ebs_encryption_default, typed))
            async for row in task:
                rows.append(row)  # noqa: PERF401  # those before the error count
        except Exception as error:  # it is what is asked
            return rows, error
        return rows, None

    async def undo(self, changes):
        return [row async for row in set_ebs_encryption_default.undo(self.context, changes=changes)]


@pytest.mark.parametrize(
    ("before", "typed", "after", "sent"),
    [
        ({}, {}, {"enabled": True}, ["enable_ebs_encryption_by_default"]),
        ({"enabled": True}, {"enabled": False}, {"enabled": False}, ["disable_ebs_encryption_by_default"]),
        (
            {},
            {"kms_key_id": "alias/ours"},
            {"kms_key_id": KEY, "enabled": True},
            ["modify_ebs_default_kms_key_id", "enable_ebs_encryption_by_default"],
        ),
        (
            {"enabled": True, "key": KEY},
            {"kms_key_id": OURS},
            {"kms_key_id": OURS, "enabled": True},
            ["reset_ebs_default_kms_key_id"],
        ),
    ],
)
async def test_only_what_differs_is_set_the_key_first_and_a_second_run_sets_nothing(before, typed, after, sent):
    ebs = Ebs(**before)

    (row,), _ = await ebs.rows(**typed)
    (again,), _ = await ebs.rows(**typed)

    assert (row["action"], row["after"], row["changed"], row["notes"]) == ("update", after, True, [])
    assert tuple(row) == set_ebs_encryption_default.columns
    assert (again["action"], again["before"], again["after"], again["changed"]) == ("none", after, after, False)
    assert ebs.sent == sent


@pytest.mark.parametrize("named", [KEY, KEY.rpartition("/")[2]])
async def test_a_key_is_the_same_however_ec2_writes_it(named):
    ebs = Ebs(enabled=True, key=named)

    (row,), _ = await ebs.rows(kms_key_id="alias/ours")

    assert (row["action"], ebs.sent) == ("none", [])


async def test_a_key_is_named_by_tokens_of_the_target_too():
    account = Account(id="111122223333", name="web", tags={"key": "web"})
    ebs = Ebs(account=account)
    typed = {"kms_key_id": "arn:{partition}:kms:{region}:{account_id}:alias/{tag:key}"}

    await ebs.rows(**typed)

    (asked,) = [call for call in ebs.context.calls if call.service == "kms"]
    assert asked.arguments == {"KeyId": "arn:aws:kms:us-east-1:111122223333:alias/web"}
    assert set_ebs_encryption_default.tags(**set_ebs_encryption_default.defaults() | typed) is True
    assert set_ebs_encryption_default.tags(**set_ebs_encryption_default.defaults()) is False


async def test_a_key_that_cannot_be_used_is_refused_before_anything_is_set():
    ebs = Ebs(state="PendingDeletion")

    rows, error = await ebs.rows(kms_key_id="alias/ours")

    assert (rows, ebs.sent) == ([], [])
    assert "the key alias/ours is PendingDeletion" in str(error)


async def test_a_dry_run_of_ebs_says_what_would_be_and_sets_nothing():
    ebs = Ebs(dry_run=True)

    (row,), _ = await ebs.rows(kms_key_id="alias/ours")

    assert (row["action"], row["before"]) == ("update", {"enabled": False, "kms_key_id": OURS})
    assert (row["after"], row["changed"], ebs.sent) == ({"enabled": True, "kms_key_id": KEY}, False, [])


async def test_where_the_second_half_fails_the_row_tells_of_the_first():
    ebs = Ebs(denies=["enable"])

    (row,), error = await ebs.rows(kms_key_id="alias/ours")

    assert (row["after"], row["changed"]) == ({"enabled": False, "kms_key_id": KEY}, True)
    assert row["notes"] == ["not done: UnauthorizedOperation"]
    assert "account 111122223333, us-east-1: to set EBS encryption by default failed for 1: enabled" in str(error)


async def test_a_lost_answer_of_ebs_is_looked_up():
    ebs = Ebs(lost=["modify", "enable"])

    (row,), error = await ebs.rows(kms_key_id="alias/ours")

    assert (row["changed"], row["after"], error) == (True, {"enabled": True, "kms_key_id": KEY}, None)
    assert len(ebs.sent) == 2


async def test_undo_of_ebs_sets_back_and_refuses_where_somebody_has_set_it_since():
    ebs = Ebs()
    changes, _ = await ebs.rows(kms_key_id="alias/ours")

    (row,) = await ebs.undo(changes)
    assert (ebs.enabled, ebs.key, row["changed"]) == (False, OURS, True)
    (again,) = await ebs.undo(changes)
    assert (again["action"], again["changed"]) == ("none", False)

    ebs.key = "arn:another"
    with pytest.raises(UsageError, match="somebody has set it since"):
        await ebs.undo(changes)
    assert ebs.key == "arn:another"


async def test_undo_of_ebs_goes_back_through_several_attempts_in_a_dry_run_too():
    ebs = Ebs(denies=["enable"])
    first, _ = await ebs.rows(kms_key_id="alias/ours")
    ebs.denies = ()
    second, _ = await ebs.rows(kms_key_id="alias/ours")

    ebs.context.dry_run = True
    assert [row["after"] for row in await ebs.undo([*second, *first])] == [second[0]["before"], first[0]["before"]]
    ebs.context.dry_run = False
    await ebs.undo([*second, *first])
    assert (ebs.enabled, ebs.key) == (False, OURS)


@pytest.mark.parametrize(
    ("typed", "actions", "undo"),
    [
        ({}, {"GetEbsEncryptionByDefault", "EnableEbsEncryptionByDefault"}, "DisableEbsEncryptionByDefault"),
        (
            {"enabled": False},
            {"GetEbsEncryptionByDefault", "DisableEbsEncryptionByDefault"},
            "EnableEbsEncryptionByDefault",
        ),
        (
            {"kms_key_id": "alias/ours"},
            {
                "GetEbsEncryptionByDefault",
                "GetEbsDefaultKmsKeyId",
                "DescribeKey",
                "ModifyEbsDefaultKmsKeyId",
                "EnableEbsEncryptionByDefault",
            },
            "ResetEbsDefaultKmsKeyId",
        ),
        (
            {"kms_key_id": OURS},
            {
                "GetEbsEncryptionByDefault",
                "GetEbsDefaultKmsKeyId",
                "ResetEbsDefaultKmsKeyId",
                "EnableEbsEncryptionByDefault",
            },
            "ModifyEbsDefaultKmsKeyId",
        ),
    ],
)
def test_the_actions_are_those_of_the_options(typed, actions, undo):
    fitted = set_ebs_encryption_default.fitted(typed)

    assert {action.partition(":")[2] for action in fitted.actions} == actions
    assert f"ec2:{undo}" in fitted.undo_actions


@pytest.mark.parametrize("key", ["", "alias/", "my key", "arn:aws:s3:::bucket", "0ea3fef3"])
def test_what_names_no_key_is_refused(key):
    with pytest.raises(UsageError, match="names no key"):
        set_ebs_encryption_default.check(enabled=True, kms_key_id=key)


class Block:
    """An account's block of public access. `answers` to putting: carried out, or an error; `lost` is carried out as well."""

    def __init__(self, block=None, *, error=None, lost=False, **context):
        self.block, self.error, self.lost = block, error, lost
        self.context = FakeContext(
            answers={"get_public_access_block": self.get, "put_public_access_block": self.put},
            region="global",
            **context,
        )

    def get(self, **asked):
        assert asked == {"AccountId": "111122223333"}
        if self.block is None:
            return client_error("NoSuchPublicAccessBlockConfiguration", status=404)
        return {"PublicAccessBlockConfiguration": dict(zip(MEMBERS, self.block, strict=True))}

    def put(self, **asked):
        if self.error:
            return self.error
        self.block = tuple(asked["PublicAccessBlockConfiguration"][name] for name in MEMBERS)
        return ConnectionError("broke off") if self.lost else {}

    @property
    def sent(self):
        return [call.arguments for call in self.context.calls if call.operation.startswith("put")]

    async def run(self, **typed):
        return await run_task(
            set_s3_public_access_block, self.context, **bind_parameters(set_s3_public_access_block, typed)
        )

    async def undo(self, changes):
        return [row async for row in set_s3_public_access_block.undo(self.context, changes=changes)]


@pytest.mark.parametrize(
    ("before", "typed", "after"),
    [
        (None, {}, (True, True, True, True)),
        ((True, False, True, False), {}, (True, True, True, True)),
        ((True, True, True, True), {"block_public_policy": False}, (True, True, False, True)),
    ],
)
async def test_all_four_settings_are_set_and_a_second_run_sets_nothing(before, typed, after):
    s3 = Block(before)

    (row,) = await s3.run(**typed)
    (again,) = await s3.run(**typed)

    assert row == {
        "action": "update",
        "before": dict(zip(NAMES, before or (False,) * 4, strict=True)),
        "after": dict(zip(NAMES, after, strict=True)),
        "changed": True,
        "notes": [],
    }
    assert tuple(row) == set_s3_public_access_block.columns
    assert (again["action"], again["changed"]) == ("none", False)
    assert s3.sent == [
        {"AccountId": "111122223333", "PublicAccessBlockConfiguration": dict(zip(MEMBERS, after, strict=True))}
    ]


async def test_a_dry_run_of_s3_says_what_would_be_and_sets_nothing():
    s3 = Block(dry_run=True)

    (row,) = await s3.run()

    assert (row["action"], set(row["after"].values()), row["changed"], s3.sent) == ("update", {True}, False, [])


async def test_a_lost_answer_of_s3_is_looked_up():
    s3 = Block(lost=True)

    (row,) = await s3.run()

    assert (row["changed"], len(s3.sent)) == (True, 1)


async def test_a_refusal_of_s3_is_an_error_that_names_the_account():
    s3 = Block(error=client_error("AccessDenied", "no", status=403))

    with pytest.raises(Exception, match="account 111122223333, global: to set the public access block failed"):
        await s3.run()


async def test_another_error_of_reading_is_none_of_a_missing_block():
    context = FakeContext(answers={"get_public_access_block": client_error("AccessDenied", status=403)})

    with pytest.raises(Exception, match="AccessDenied"):
        await run_task(set_s3_public_access_block, context)


async def test_undo_of_s3_sets_back_and_refuses_where_somebody_has_set_it_since():
    s3 = Block((True, False, False, False))
    changes = await s3.run()

    (row,) = await s3.undo(changes)
    assert (s3.block, row["changed"]) == ((True, False, False, False), True)

    s3.block = (False, True, False, False)
    with pytest.raises(UsageError, match="somebody has set it since"):
        await s3.undo(changes)
    assert s3.block == (False, True, False, False)


@pytest.mark.parametrize("task", [set_ebs_encryption_default, set_s3_public_access_block])
async def test_a_job_whose_end_is_not_known_may_run_again(task):
    assert await task.reconcile(FakeContext(), **task.defaults()) is True
