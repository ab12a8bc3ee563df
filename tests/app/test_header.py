"""What a ledger says of its run before anything runs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fanout.ledger.reader import LedgerReader
from fanout.tasks import task
from fanout.testing import SimRole, World
from fanout.testing.world import DEFAULT_ROLE, MANAGEMENT_ID
from tests.app.conftest import whoami

pytestmark = pytest.mark.anyio


@task(actions=[], columns=["n"])
async def counted(ctx, *, size: int = 1, wait: timedelta = timedelta(0), label: list[str] | None = None):
    """Count."""
    yield {"n": size}


async def header(lab, *arguments, **flat):
    return LedgerReader((await lab.run(*arguments, **flat)).ledger).header()


async def test_the_header_says_what_was_asked_by_whom(lab):
    parameters = {"size": 3, "wait": timedelta(minutes=2), "label": ["a", "b"]}

    found = await header(lab, counted, parameters=parameters, role="CMDBDiscovery", per_account=3, exclude=("self",))

    assert found.task == "counted"
    assert found.columns == ("n",)
    assert dict(found.parameters) == {"size": "3", "wait": "120.000000s", "label": ["a", "b"]}
    assert found.selection["accounts"] == ["org"]
    assert found.selection["exclude"] == ["self"]
    assert found.limits["per_account"] == 3
    assert found.caller_account == MANAGEMENT_ID
    assert found.caller_arn.endswith(":user/hub")
    assert (found.role, found.partition, found.organization_id) == ("CMDBDiscovery", "aws", "o-fanout0local")
    assert found.created.endswith("Z")
    assert not found.changes


@pytest.mark.parametrize(
    ("flat", "scope"),
    [({}, "session-policy"), ({"scoped": False}, "none"), ({"accounts": ("self",)}, "client")],
)
async def test_the_scope_says_what_keeps_the_task_to_its_actions(lab, flat, scope):
    assert (await header(lab, whoami, **flat)).scope == scope


async def test_an_external_id_is_nowhere_in_the_ledger(start):
    role = SimRole(name="OrganizationAccountAccessRole", external_id="open-sesame-42")
    world = World.generate(3, roles=(DEFAULT_ROLE,))
    member = world.accounts[1].id
    lab = start(world.with_accounts({member: {"roles": (role,)}}))

    ran = await lab.run(whoami, accounts=(member,), external_id="open-sesame-42")

    assert ran.coverage == {"ok": 1}
    assert b"open-sesame" not in ran.ledger.read_bytes()
