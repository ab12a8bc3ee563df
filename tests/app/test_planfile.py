"""Plan files: written, reviewed, refused, carried out."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta, timezone

import pytest

from fanout import app
from fanout.app.planfile import read_plan
from fanout.model.errors import UsageError
from fanout.tasks import Content, task
from fanout.testing import HubKey, World
from tests.app.changing import set_level
from tests.app.conftest import Lab, touch

pytestmark = pytest.mark.anyio


@pytest.fixture
def lab(start) -> Lab:
    return start(World.generate(6))


async def make(lab, what=set_level, *, parameters=None, expires=timedelta(hours=1), task_hash="cafe", **flat):
    lab.streams = app.Streams(io.StringIO(), io.StringIO(), io.StringIO())
    text = await app.make_plan(
        lab.settings(**flat),
        what,
        parameters or {"level": "5"},
        lab.streams,
        task_source="fanout 0",
        task_hash=task_hash,
        expires=expires,
    )
    path = lab.home.parent / "plan.json"
    app.write_plan(path, text)
    return path


async def apply(lab, path, what=set_level, *, parameters=None, task_hash="cafe", **flat):
    lab.streams = app.Streams(io.StringIO(), io.StringIO(), io.StringIO())
    plan = read_plan(path)
    settings = app.as_it_was(lab.settings(**flat), plan.header(), ())
    return await app.apply_plan(
        settings,
        plan,
        what,
        parameters or {"level": "5"},
        lab.streams,
        task_source="fanout 0",
        task_hash=task_hash,
    )


def puts(lab) -> list[str]:
    return sorted(each.account for each in lab.endpoint.log() if each.action == "PutParameter")


async def test_a_plan_says_what_a_reviewer_wants_to_know(lab):
    path = await make(lab, role="CMDBDiscovery", wave="1,100%", max_failures="2")

    facts = json.loads(path.read_text())

    assert facts["task"]["name"] == "set-level"
    assert facts["parameters"] == {"level": "5"}
    assert facts["targets"] == 5
    assert (facts["role"], facts["hub_account"], facts["partition"]) == ("CMDBDiscovery", "999900000000", "aws")
    assert facts["planned_by"].endswith(":user/hub")
    assert (facts["limits"]["wave"], facts["limits"]["max_failures"]) == ("1,100%", "2")
    assert [each["reason"] for each in facts["skipped"]] == ["protected"]
    assert all(each["name"] and each["ou"].startswith("/") and each["regions"] for each in facts["accounts"])
    assert puts(lab) == []


async def test_a_plan_is_carried_out_without_a_question_and_names_both(lab):
    path = await make(lab)

    result = await apply(lab, path)

    assert result.summary.coverage.changed == 5
    assert result.summary.coverage.skipped == 1
    assert puts(lab) == sorted(lab.members)
    assert any("planned by arn:aws:iam::999900000000:user/hub, carried out by" in note for note in result.summary.notes)
    header = app.past_run(lab.settings(), "last").header
    assert header.plan_hash == read_plan(path).hash


@pytest.mark.parametrize("byte", ["first", "middle", "last", "in the hash", "added", "lost"])
async def test_a_plan_that_is_changed_by_one_byte_is_refused(lab, byte):
    path = await make(lab, accounts=(lab.members[0],))
    content = bytearray(path.read_bytes())
    place = {"first": 1, "middle": len(content) // 2, "last": len(content) - 1}.get(byte)
    if byte == "in the hash":
        place = content.index(b"sha256:") + 9
    if place is not None:
        content[place] ^= 1
    if byte == "added":
        content += b"\n"
    if byte == "lost":
        del content[len(content) // 3]
    path.write_bytes(content)

    with pytest.raises(UsageError, match=r"was altered|no hash"):
        read_plan(path)


async def test_a_plan_expires(lab):
    path = await make(lab, expires=timedelta(hours=2))

    read_plan(path, datetime.now(timezone.utc) + timedelta(hours=1))
    with pytest.raises(UsageError, match="has expired on"):
        read_plan(path, datetime.now(timezone.utc) + timedelta(hours=3))


@pytest.mark.parametrize(("name", "text"), [("none.json", None), ("other.json", '{"hash": 1}')])
async def test_what_is_no_plan_is_refused(tmp_path, name, text):
    if text is not None:
        (tmp_path / name).write_text(text)

    with pytest.raises(UsageError, match=r"cannot be read|is no plan"):
        read_plan(tmp_path / name)


async def test_another_code_of_the_task_is_refused(lab):
    path = await make(lab)

    with pytest.raises(UsageError, match="the code of set-level is not the one"):
        await apply(lab, path, task_hash="beef")
    assert puts(lab) == []


async def test_credentials_of_another_hub_are_refused(lab, start):
    path = await make(lab)
    other = start(World.generate(6, hub_keys=(HubKey(account=lab.members[0], user="else"),)))
    other.home = lab.home

    with pytest.raises(UsageError, match="the plan is of account 999900000000, and these credentials are of account"):
        await apply(other, path)


async def test_another_identity_of_the_same_hub_may_carry_it_out(lab, start):
    path = await make(lab)
    other = start(World.generate(6, hub_keys=(HubKey(user="ci"),)))
    other.home = lab.home

    result = await apply(other, path)

    assert result.summary.coverage.changed == 5
    assert any("carried out by arn:aws:iam::999900000000:user/ci" in note for note in result.summary.notes)


async def test_another_role_is_refused(lab):
    path = await make(lab, role="CMDBDiscovery")

    with pytest.raises(UsageError, match="the role ReadOnly was given, and this was planned with CMDBDiscovery"):
        await apply(lab, path, role="ReadOnly")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"unit": "/sandbox"}, "have moved to another unit"),
        ({"state": "SUSPENDED"}, "cannot be entered any more"),
    ],
)
async def test_accounts_that_have_moved_or_left_are_named(lab, start, change, said):
    path = await make(lab)
    one = next(each.id for each in lab.endpoint.world.accounts if each.unit == "/prod")
    other = start(lab.endpoint.world.with_accounts({one: change}))
    other.home = lab.home

    with pytest.raises(UsageError, match=f"accounts of the plan .*{said}: {one}"):
        await apply(other, path)
    assert puts(other) == []


async def test_another_organization_is_refused(lab, start):
    path = await make(lab)
    other = start(World.generate(6, organization_id="o-another0one"))
    other.home = lab.home

    with pytest.raises(UsageError, match=r"organization o-fanout0local, and these credentials see o-another0one"):
        await apply(other, path)


async def test_accounts_that_have_come_since_are_told_and_not_touched(lab, start):
    path = await make(lab)
    other = start(World.generate(8))
    other.home = lab.home

    result = await apply(other, path)

    assert puts(other) == sorted(lab.members)
    assert any("2 accounts match by now without being in the plan" in note for note in result.summary.notes)


async def test_ids_alone_need_no_organization(lab):
    path = await make(lab, accounts=tuple(lab.members[:2]))

    await apply(lab, path)

    assert puts(lab) == sorted(lab.members[:2])
    assert not [each for each in lab.endpoint.log() if each.service == "organizations"]


async def test_a_text_is_in_the_plan_by_reference_and_has_to_be_the_same(lab, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("tell-no-one-8471")

    @task(actions=["sts:GetCallerIdentity"], changes=True)
    async def with_text(ctx, *, text: Content):
        """Take a text."""
        await ctx.client("sts").get_caller_identity()
        yield {"length": len(text.text), "changed": True}

    def given():
        return {"text": Content(str(secret))}

    path = await make(lab, with_text, parameters=given())
    written = path.read_text()
    result = await apply(lab, path, with_text, parameters=given())
    secret.write_text("another text")

    assert str(secret) in written
    assert "tell-no-one-8471" not in written
    assert result.summary.coverage.changed == 5
    with pytest.raises(UsageError, match=r"--text .*: the text is not the one that the plan was begun with"):
        await apply(lab, path, with_text, parameters=given())


async def test_regions_that_accounts_have_enabled_are_resolved_when_planning(lab):
    path = await make(lab, touch, parameters={"level": "5"}, regions=("enabled",), accounts=(lab.members[0],))

    (account,) = json.loads(path.read_text())["accounts"]

    assert len(account["regions"]) == 17


async def test_what_has_become_protected_since_is_refused(lab):
    path = await make(lab)
    one, two, *_ = lab.members

    with pytest.raises(UsageError, match=f"protected by now, and not named by their ids when this was planned: {one}"):
        await apply(lab, path, protected=(one, "999900000000"))
    named = await make(lab, accounts=(one, two), protected=(two,))
    await apply(lab, named, protected=(one, two))

    assert puts(lab) == sorted((one, two))
