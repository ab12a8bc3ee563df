"""Managed policies are looked for before a role is changed."""

from __future__ import annotations

import pytest

from fanout.aws.faults import CallFailed
from fanout.testing import FakeContext, client_error
from fanout.tools.tasks.role_policies import check_managed
from fanout.tools.tasks.role_state import RoleState

pytestmark = pytest.mark.anyio

ACCOUNT = "111122223333"
OWN, AUDIT = f"arn:aws:iam::{ACCOUNT}:policy/Own", "arn:aws:iam::aws:policy/SecurityAudit"
FOREIGN = "arn:aws:iam::444455556666:policy/Theirs"
GONE = client_error("NoSuchEntity", "Policy was not found.", status=404)


def role(*attached: str, boundary: str | None = None) -> RoleState:
    return RoleState(name="R", path="/", trust={}, attached=attached, boundary=boundary)


def context(answer: object) -> FakeContext:
    return FakeContext(account=ACCOUNT, answers={"get_policy": answer})


async def test_only_those_that_the_role_does_not_have_yet_are_looked_for():
    asked = context({"Policy": {"IsAttachable": True}})

    await check_managed(asked, role(OWN, AUDIT, boundary=OWN), role(AUDIT))

    assert [call.arguments["PolicyArn"] for call in asked.calls] == [OWN]


@pytest.mark.parametrize(
    ("wanted", "answer", "code"),
    [
        (role(FOREIGN), {"Policy": {}}, "ForeignPolicy"),
        (role(boundary=FOREIGN), {"Policy": {}}, "ForeignPolicy"),
        (role(OWN), GONE, "NoSuchPolicy"),
        (role(boundary=OWN), GONE, "NoSuchPolicy"),
        (role(OWN), {"Policy": {"IsAttachable": False}}, "NoSuchPolicy"),
        (role(OWN), client_error("AccessDenied", "no"), "AccessDenied"),
    ],
)
async def test_what_cannot_be_attached_is_refused(wanted, answer, code):
    with pytest.raises(CallFailed) as caught:
        await check_managed(context(answer), wanted, None)

    assert caught.value.fault.code == code
    assert ACCOUNT in caught.value.fault.message
