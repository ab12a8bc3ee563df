"""delete-parameters deletes by exact names, tens at a time, and looks where an answer is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fanout import Content, UsageError
from fanout.testing import FakeContext, run_task
from fanout_plugins.delete_parameters import delete_parameters
from tests.plugins.parameter_store import Store, calls, ended

pytestmark = pytest.mark.anyio


@pytest.fixture
def store() -> Store:
    return Store()


async def run(context: FakeContext, *names: str, **options: Any) -> list[dict[str, Any]]:
    return await run_task(delete_parameters, context, name=names, **options)


async def test_what_is_there_goes_and_what_is_not_is_well(store):
    store.put("/app/a", "hunter2-canary", "SecureString")

    rows = await run(store.context(), "/app/a", "/app/none")

    assert rows == [
        {
            "name": "/app/a",
            "action": "delete",
            "changed": True,
            "before": {"type": "SecureString", "version": 1},
            "after": None,
        },
        {"name": "/app/none", "action": "none", "changed": False, "before": None, "after": None},
    ]
    assert [row["action"] for row in await run(store.context(), "/app/a")] == ["none"]


async def test_they_are_read_and_deleted_in_tens_and_never_decrypted(store):
    names = [f"/app/{number:02d}" for number in range(25)]
    for name in names:
        store.put(name)
    context = store.context()

    rows = await run(context, *names, names[0])

    assert [row["name"] for row in rows] == names
    assert calls(context) == {"get_parameters": 3, "delete_parameters": 3}
    assert not any(call.arguments.get("WithDecryption") for call in context.calls)


async def test_a_dry_run_says_what_would_go_and_deletes_nothing(store):
    store.put("/app/a")
    context = store.context(dry_run=True)

    assert [(row["action"], row["changed"]) for row in await run(context, "/app/a")] == [("delete", False)]
    assert calls(context) == {"get_parameters": 1}


async def test_names_come_from_the_file_of_put_parameters_too(store):
    store.put("/app/a")
    text = json.dumps([{"name": "/app/a", "value": "x", "type": "String"}])

    rows = await run(store.context(), "/app/a", file=Content("p.json", text))

    assert [(row["name"], row["changed"]) for row in rows] == [("/app/a", True)]


async def test_a_lost_answer_is_looked_for(store):
    store.put("/app/a")
    store.lose("delete_parameters", carried_out=True)
    context = store.context()

    assert [row["changed"] for row in await run(context, "/app/a")] == [True]
    assert calls(context)["delete_parameters"] == 1


async def test_what_is_still_there_after_a_lost_answer_is_raised_after_the_rows_of_the_rest(store):
    store.put("/app/a")
    store.lose("delete_parameters", carried_out=False)
    context = store.context()

    rows, error = await ended(delete_parameters(context, name=["/app/none", "/app/a"]))

    assert isinstance(error, ConnectionError)
    assert [row["name"] for row in rows] == ["/app/none"]
    assert store.value("/app/a") == "one"
    assert sum(context.slept) > 5


async def test_it_may_be_run_again_after_an_unknown_end(store):
    assert delete_parameters.reconcile is not None
    assert await delete_parameters.reconcile(store.context(), **delete_parameters.defaults()) is True


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "name the parameters with --name"),
        ({"name": ["/app/*"]}, "--name: it has a wildcard, and only exact names are deleted"),
        ({"name": ["/app/a?"]}, "it has a wildcard"),
        ({"name": ["/app/"]}, "--name: it is a path, and only exact names are deleted"),
        ({"name": ["/app/a:3"]}, "it has a colon"),
        ({"name": ["arn:aws:ssm:us-east-1:111122223333:parameter/a"]}, "it has a colon"),
        ({"name": ["/aws/service/x"]}, "AWS's own"),
        ({"name": ["/a"], "file_format": "csv"}, "--file-format is about --file"),
        ({"file": Content("p.yaml", "- name: /app/*\n- nmae: /b")}, "p.yaml:1: name: it has a wildcard"),
        (
            {"file": Content("p.yaml", "- name: /app/*\n- nmae: /b")},
            "p.yaml:2: 'nmae' is no field of a parameter; did you",
        ),
        ({"file": Content("p.yaml", "- value: x")}, "p.yaml:1: name is missing"),
        ({"file": Content("p.csv", "name\n/a,/b")}, "p.csv:2: it has 2 cells"),
    ],
)
def test_anything_but_exact_names_is_refused_before_anything_is_sent(options, reason):
    with pytest.raises(UsageError) as error:
        delete_parameters.check(**delete_parameters.defaults() | options)

    assert reason in error.value.message


def test_it_changes_things_and_declares_what_it_calls():
    assert delete_parameters.changes
    assert delete_parameters.undo is None
    assert delete_parameters.actions == ("ssm:GetParameters", "ssm:DeleteParameters")
