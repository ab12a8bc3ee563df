"""put-parameters reads before it writes, writes once, shows no secret, and can be taken back."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fanout import Content, UsageError
from fanout.model.account import Account
from fanout.model.operations import reads
from fanout.testing import FakeContext, run_task
from fanout_plugins.put_parameters import put_parameters
from tests.plugins.parameter_store import Store, calls, ended

pytestmark = pytest.mark.anyio

SECRET = "hunter2-canary"  # a value that must be seen nowhere


@pytest.fixture
def store() -> Store:
    return Store()


def file(*records: dict[str, Any]) -> dict[str, Any]:
    return {"file": Content("params.json", json.dumps(list(records), indent=1))}


def one(name: str = "/app/a", value: str = "one", type_: str = "String", **more: Any) -> dict[str, Any]:
    return {"name": name, "value_file": Content("-", value), "type": type_, **more}


def record(name: str = "/app/a", value: str = "one", type_: str = "String", **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, "type": type_, **more}


async def run(context: FakeContext, **options: Any) -> list[dict[str, Any]]:
    return await run_task(put_parameters, context, **options)


async def ran(context: FakeContext, **options: Any) -> tuple[list[dict[str, Any]], Exception | None]:
    return await ended(put_parameters(context, **options))


async def undo(context: FakeContext, changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert put_parameters.undo is not None
    told = [json.loads(json.dumps(row)) for row in reversed(changes) if row["changed"]]
    return [dict(row) async for row in put_parameters.undo(context, changes=told)]


def short(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(row["action"], row["version_before"], row["version_after"], row["changed"]) for row in rows]


def mistakes(**options: Any) -> str:
    with pytest.raises(UsageError) as error:
        put_parameters.check(**put_parameters.defaults() | options)
    return error.value.message


# What it writes


async def test_a_parameter_without_a_type_is_a_string(store):
    (row,) = await run(store.context(), **one(type_=None))

    assert row["type"] == "String"


async def test_a_second_run_changes_nothing_and_an_update_takes_overwrite(store):
    assert short(await run(store.context(), **one())) == [("create", None, 1, True)]
    again = store.context()
    assert short(await run(again, **one())) == [("none", 1, 1, False)]
    assert calls(again) == {"get_parameters": 1}

    context = store.context()
    rows = await run(context, **one(value="two", overwrite=True))

    assert short(rows) == [("update", 1, 2, True)]
    assert (rows[0]["before"], rows[0]["after"]) == (
        {"type": "String", "value": "one"},
        {"type": "String", "value": "two"},
    )
    assert tuple(rows[0]) == put_parameters.columns
    assert calls(context) == {"get_parameters": 1, "put_parameter": 1}


async def test_another_value_is_refused_without_overwrite_and_the_rest_is_written(store):
    store.put("/app/b", "other")
    many = [record(f"/app/{letter}") for letter in "abc"]

    rows, error = await ran(store.context(), **file(*many))

    assert short(rows) == [("create", None, 1, True), ("none", 1, 1, False), ("create", None, 1, True)]
    assert isinstance(error, UsageError)
    assert error.message.endswith("account 111122223333: /app/b: it exists with another value")
    assert store.value("/app/b") == "other"


async def test_each_record_may_say_for_itself_whether_it_replaces(store):
    store.put("/app/a")
    store.put("/app/b")
    many = [record("/app/a", "two", overwrite=True), record("/app/b", "two", overwrite=False)]

    rows, error = await ran(store.context(), overwrite=True, **file(*many))

    assert [row["changed"] for row in rows] == [True, False]
    assert "1 parameter was left" in str(error)


async def test_twenty_parameters_cost_two_requests_to_read_and_one_each_to_write(store):
    many = [record(f"/app/{number:02d}", tags={"env": "prod"}) for number in range(20)]
    first, second = store.context(), store.context()
    await run(first, **file(*many))
    await run(second, **file(*many))

    assert calls(first) == {"get_parameters": 2, "put_parameter": 20}
    assert calls(second) == {"get_parameters": 2, "describe_parameters": 1}

    changed = store.context()
    await run(changed, overwrite=True, **file(*(each | {"value": "two", "tags": {}} for each in many)))
    assert calls(changed) == {"get_parameters": 2, "put_parameter": 20}


async def test_the_tier_is_always_sent_and_advanced_stays_advanced(store):
    for name in "ab":
        store.put(f"/app/{name}", Tier="Advanced")
    context = store.context()

    rows = await run(context, overwrite=True, **file(*(record(f"/app/{name}", "two") for name in "abc")))

    sent = [call.arguments["Tier"] for call in context.calls if call.operation == "put_parameter"]
    assert sent == ["Standard", "Advanced", "Advanced", "Standard"]
    assert calls(context) == {"get_parameters": 1, "put_parameter": 4, "describe_parameters": 1}
    assert short(rows) == [("update", 1, 2, True), ("update", 1, 2, True), ("create", None, 1, True)]
    assert store.described("/app/a")["Tier"] == "Advanced"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"tier": "Advanced"}, {"Tier": "Advanced"}),
        ({"description": "what it is for"}, {"Description": "what it is for"}),
        ({"allowed_pattern": "^o"}, {"AllowedPattern": "^o"}),
        ({"type_": "SecureString", "key_id": "alias/mine"}, {"KeyId": "alias/mine"}),
    ],
)
async def test_what_else_is_asked_for_is_compared_too(store, options, found):
    plain = {"type_": options["type_"]} if "type_" in options else {}
    store.put("/app/a", type_=options.get("type_", "String"))
    _, error = await ran(store.context(), **put_parameters.defaults() | one(**plain) | one(**options))
    assert "it exists with another" in str(error)

    assert short(await run(store.context(), overwrite=True, **one(**options))) == [("update", 1, 2, True)]
    assert found.items() <= store.described("/app/a").items()
    assert short(await run(store.context(), **one(**options))) == [("none", 2, 2, False)]


async def test_a_secret_keeps_its_key(store):
    store.put("/app/a", SECRET, "SecureString", KeyId="alias/mine")

    await run(store.context(), overwrite=True, **one(value="another-secret", type_="SecureString"))

    assert store.described("/app/a")["KeyId"] == "alias/mine"


async def test_tags_go_along_with_a_new_parameter_and_are_added_where_they_differ(store):
    store.put("/app/b", Tags=[{"Key": "env", "Value": "dev"}, {"Key": "team", "Value": "web"}])
    store.put("/app/c", Tags=[{"Key": "env", "Value": "prod"}])
    context = store.context()

    rows = await run(context, **file(*(record(f"/app/{name}", tags={"env": "prod"}) for name in "abc")))

    assert calls(context)["add_tags_to_resource"] == 1
    assert short(rows) == [("create", None, 1, True), ("update", 1, 1, True), ("none", 1, 1, False)]
    assert rows[1]["before"]["tags"] == {"env": "dev", "team": "web"}
    assert rows[1]["after"]["tags"] == store.tags("/app/b") == {"env": "prod", "team": "web"}
    assert store.tags("/app/a") == {"env": "prod"}


async def test_a_dry_run_reads_the_same_and_calls_nothing_that_changes(store):
    store.put("/app/b", "other", Tags=[{"Key": "env", "Value": "dev"}])
    many = [record(f"/app/{name}", tags={"env": "prod"}) for name in "ab"]
    context = store.context(dry_run=True)

    rows = await run(context, overwrite=True, **file(*many))

    assert short(rows) == [("create", None, None, False), ("update", 1, None, False)]
    assert (rows[1]["before"]["value"], rows[1]["after"]["value"], rows[1]["after"]["tags"]) == (
        "other",
        "one",
        {"env": "prod"},
    )
    names = ["".join(word.title() for word in call.operation.split("_")) for call in context.calls]
    assert all(reads(name) for name in names)


async def test_templates_are_filled_for_each_target_and_other_braces_stay(store):
    account = Account(id="111122223333", name="shop", tags={"stage": "prod"})
    context = store.context()
    context.account = account
    value = '{account_id} {account_name} {region} {partition} {tag:stage} {"a": {other}} {{}}'

    rows = await run(context, template=True, **one(value=value))

    assert rows[0]["after"]["value"] == '111122223333 shop us-east-1 aws prod {"a": {other}} {{}}'


async def test_without_template_every_brace_stays(store):
    rows = await run(store.context(), **one(value="{account_id}"))

    assert rows[0]["after"]["value"] == "{account_id}"


async def test_sizes_are_judged_again_once_templates_are_filled(store):
    context = store.context()
    context.account = Account(id="111122223333", name="n" * 128)
    many = [record("/app/a"), record("/app/b", "{account_name}" * 40), record("/app/c", "{tag:none}")]

    _, error = await ran(context, template=True, **file(*many[:2]))
    _, no_tag = await ran(context, template=True, **file(*many))

    assert "of /app/b: it has 5,120 bytes" in str(error)
    assert "no tag 'none'" in str(no_tag)
    assert calls(context) == {}


# Secrets


async def test_a_secret_is_in_no_row_no_log_and_no_message(store):
    store.put("/app/a", f"old-{SECRET}", "SecureString")
    context = store.context()

    rows, error = await ran(
        context, **file(record("/app/a", SECRET, "SecureString"), record("/app/b", SECRET, "SecureString"))
    )

    assert SECRET not in f"{rows}{error}{context.log.entries}"
    assert {SECRET, f"old-{SECRET}"} <= set(context.concealed)
    assert rows[0]["before"]["value"] == context.fingerprint(f"old-{SECRET}")
    assert rows[1]["after"]["value"] == context.fingerprint(SECRET)


async def test_what_becomes_a_secret_is_shown_as_one_before_and_after(store):
    store.put("/app/a", SECRET)

    rows, error = await ran(
        store.context(dry_run=True), overwrite=True, **file(record(value=SECRET, type_="SecureString"))
    )

    assert error is None
    assert SECRET not in str(rows)
    assert rows[0]["before"]["value"] == rows[0]["after"]["value"]


async def test_no_compare_decrypts_nothing_and_writes_without_looking(store):
    store.put("/app/a", SECRET, "SecureString")
    context = store.context()

    rows = await run(context, compare=False, overwrite=True, **one(value=SECRET, type_="SecureString"))

    assert short(rows) == [("update", 1, 2, True)]
    assert rows[0]["before"]["value"] is None
    assert not any(call.arguments.get("WithDecryption") for call in context.calls)
    _, error = await ran(store.context(), **put_parameters.defaults() | one(type_="SecureString", compare=False))
    assert "with --no-compare nobody looks" in str(error)


async def test_plain_values_alone_are_read_without_decryption(store):
    context = store.context()
    await run(context, **one())

    assert context.calls[0].arguments["WithDecryption"] is False


# Lost answers


async def test_a_lost_answer_is_looked_for(store):
    store.lose("put_parameter", carried_out=True)
    context = store.context()

    assert short(await run(context, **one(value=SECRET, type_="SecureString"))) == [("create", None, 1, True)]
    assert calls(context)["put_parameter"] == 1
    assert context.slept


@pytest.mark.parametrize("more", [{"carried_out": False}, {"carried_out": True, "compare": False}])
async def test_what_cannot_be_found_is_raised_and_the_rows_before_it_stay(store, more):
    options = {"compare": more.pop("compare", True)}
    context = store.context()
    store.lose("put_parameter", after=1, **more)

    rows, error = await ran(context, **options, **file(*(record(f"/{n}", SECRET, "SecureString") for n in "ab")))

    assert isinstance(error, ConnectionError)
    assert [row["name"] for row in rows] == ["/a"]
    assert calls(context)["put_parameter"] == 2


async def test_a_new_version_without_its_tags_is_told_before_the_error(store):
    store.put("/app/a")
    store.lose("add_tags_to_resource", carried_out=False)

    rows, error = await ran(
        store.context(), **put_parameters.defaults() | file(record(value="two", overwrite=True, tags={"a": "b"}))
    )

    assert isinstance(error, ConnectionError)
    assert short(rows) == [("update", 1, 2, True)]
    assert "tags" not in rows[0]["after"]


async def test_one_that_somebody_made_meanwhile_is_judged_again(store):
    store.put("/app/a", "other")
    store.put("/app/b")
    store.hide("/app/a", "/app/b")
    context = store.context()

    rows, error = await ran(context, **file(record("/app/a"), record("/app/b")))

    assert [(row["action"], row["reason"]) for row in rows] == [
        ("none", "somebody made it while this job ran"),
        ("none", None),
    ]
    assert isinstance(error, UsageError)


async def test_reconciling_looks_and_says_that_the_task_may_run(store):
    reconcile = put_parameters.reconcile
    assert reconcile is not None
    options = put_parameters.defaults() | one()
    waiting = store.context()
    assert await reconcile(waiting, **options) is True
    assert sum(waiting.slept) > 5

    store.put("/app/a")
    context = store.context()
    assert await reconcile(context, **options) is True
    assert context.slept == []
    assert await reconcile(context, **options | {"compare": False}) is False


# Taking back


async def test_undo_brings_back_the_version_before_and_removes_what_was_made(store):
    store.put("/app/a", SECRET, "SecureString", KeyId="alias/mine", Tags=[{"Key": "env", "Value": "dev"}])
    many = [record("/app/a", "newer-secret", "SecureString", tags={"env": "prod", "x": "y"}), record("/app/b")]
    changes = await run(store.context(), overwrite=True, **file(*many))

    rehearsal = store.context(dry_run=True)
    assert [row["action"] for row in await undo(rehearsal, changes)] == ["delete", "update"]
    rows = await undo(store.context(), changes)

    assert short(rows) == [("delete", 1, None, True), ("update", 2, 3, True)]
    assert store.value("/app/a") == SECRET
    assert store.described("/app/a")["KeyId"] == "alias/mine"
    assert store.tags("/app/a") == {"env": "dev"}
    assert SECRET not in str(rows)
    assert [row["action"] for row in await undo(store.context(), changes)] == ["none", "none"]


async def test_undo_leaves_what_somebody_has_changed_since(store):
    store.put("/app/a")
    changes = await run(store.context(), overwrite=True, **file(record("/app/a", "two"), record("/app/b")))
    store.put("/app/a", "three", Overwrite=True)
    store.put("/app/b", "three", Overwrite=True)

    rows, error = await ended(put_parameters.undo(store.context(), changes=changes[::-1]))

    assert re.search(r"/app/b: somebody has changed it since: it is at version 2.*; /app/a: ", str(error))
    assert [row["changed"] for row in rows] == [False, False]
    assert (store.value("/app/a"), store.value("/app/b")) == ("three", "three")


async def test_undo_leaves_tags_that_somebody_has_changed_since(store):
    store.put("/app/a")
    changes = await run(store.context(), **file(record(tags={"env": "prod", "x": "y"})))
    store.do("add_tags_to_resource", ResourceType="Parameter", ResourceId="/app/a", Tags=[{"Key": "x", "Value": "z"}])

    with pytest.raises(UsageError, match="these tags since: x"):
        await undo(store.context(), changes)

    assert store.tags("/app/a") == {"x": "z"}


async def test_undo_looks_where_the_answer_of_deleting_is_lost(store):
    changes = await run(store.context(), **one())
    store.lose("delete_parameter", carried_out=True)
    assert short(await undo(store.context(), changes)) == [("delete", 1, None, True)]

    changes = await run(store.context(), **one())
    store.lose("delete_parameter", carried_out=False)
    with pytest.raises(ConnectionError):
        await undo(store.context(), changes)


async def test_undo_says_what_it_cannot_bring_back(store):
    for name in ("/app/a", "/app/b"):
        store.put(name)
    changes = await run(store.context(), overwrite=True, **file(record("/app/a", "two"), record("/app/b", "two")))
    old = [{**row, "version_before": 99} if row["name"] == "/app/b" else row for row in changes]
    store.do("delete_parameter", Name="/app/a")

    with pytest.raises(UsageError, match=r"/app/b: version 99 is no longer kept; /app/a: it is gone"):
        await undo(store.context(), old)


async def test_undo_restores_what_was_described(store):
    store.put("/app/a", Description="old")
    changes = await run(store.context(), **one(description="new", overwrite=True))

    await undo(store.context(), changes)

    assert store.described("/app/a")["Description"] == "old"


# What is refused before anything is sent


def test_all_mistakes_are_told_at_once_with_file_line_and_field_and_no_value():
    text = f"""\
- name: /app/a
  value: {SECRET}{"x" * 5000}
  type: SecureString
- name: /app/a
  value: {SECRET}
  type: {SECRET}
  tier: advanced
  key_id: "no key"
- name: {SECRET} with spaces
  vlaue: {SECRET}
  type: String
  tags: {{"aws:x": "{SECRET}!"}}
- name: /app/c
  value: {SECRET}
  type: String
  key_id: alias/x
  allowed_pattern: "^[0-9]+$"
  overwrite: maybe
"""
    told = mistakes(file=Content("params.yaml", text))

    assert SECRET not in told
    assert [re.match(r"params.yaml:\d+: \w*", line.strip())[0] for line in told.splitlines()[1:]] == [
        "params.yaml:10: ",
        "params.yaml:9: value",
        "params.yaml:18: overwrite",
        "params.yaml:2: value",
        "params.yaml:6: type",
        "params.yaml:7: tier",
        "params.yaml:8: key_id",
        "params.yaml:4: name",
        "params.yaml:14: value",
        "params.yaml:16: key_id",
    ]
    assert "'vlaue' is no field of a parameter; did you mean value?" in told
    assert "'advanced' is no tier of a parameter; did you mean Advanced?" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "- {name: /a, value: [x, y]}",
            "params.yaml:1: value: a list is the value of a StringList, and this is a String",
        ),
        ("- name: /a\n  value: x\n  name: /b", "params.yaml:3: name"),
        ("- name: /a\n  value: &a [*a]", "params.yaml"),
        ("- name: /a\n  value: !!python/object/apply:os.getcwd []", "params.yaml:2: value"),
        ("- name: /a\n  value: !!python/object/apply:os.system ['id']", "params.yaml:2: value"),
    ],
)
def test_a_file_that_says_something_else_than_a_text_is_refused_with_its_line(text, told):
    assert told in mistakes(file=Content("params.yaml", text))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"name": "with space"}, "--name: a name takes letters"),
        ({"name": "a/b"}, "begins with /"),
        ({"name": "/a//b"}, "a level of it is empty"),
        ({"name": "/AWS/x"}, "AWS's own"),
        ({"name": "ssmx"}, "AWS's own"),
        ({"name": "/a" * 16}, "it has 16 levels, and AWS takes 15"),
        ({"name": "/" + "a" * 967}, "it has 968 characters"),
        ({"value": ""}, "--value-file: it is empty"),
        ({"value": "é" * 2049}, "it has 4,098 bytes, and the Standard tier takes 4,096; the Advanced tier"),
        ({"value": "x" * 8193, "tier": "Advanced"}, "it has 8,193 bytes, and the Advanced tier takes 8,192"),
        ({"value": "{{ssm:other}}"}, "references to other parameters"),
        ({"value": "abc", "allowed_pattern": r"^\d+$"}, "it does not match the allowed pattern"),
        ({"allowed_pattern": "("}, "--allowed-pattern: it is no regular expression"),
        ({"allowed_pattern": "o" * 1025}, "it has 1,025 characters"),
        ({"description": "d" * 1025}, "--description: it has 1,025 characters"),
        ({"key_id": "alias/x"}, "--key-id: a key is for SecureString alone"),
        ({"type_": "SecureString", "key_id": "alias x"}, "it is no id, alias or ARN"),
        (
            {"value": "{acount_id}", "template": True},
            "{acount_id} is no token of --template: did you mean {account_id}?",
        ),
        ({"value": "{tag}", "template": True}, "did you mean {tag:KEY}?"),
    ],
)
def test_what_parameter_store_would_refuse_is_refused_first(given, reason):
    assert reason in mistakes(**one(**given))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"tags": {f"k{number}": "v" for number in range(51)}}, "51 tags, and AWS takes 50"),
        ({"tags": "a=b;c"}, "'c' has no value"),
        ({"tags": "a=b;a=c"}, "a key stands twice"),
        ({"tags": {"k" * 129: "v"}}, "1 to 128 letters"),
        ({"tags": ["a"]}, "write a map"),
        ({"value": {"a": "b"}}, "params.json:4: value: it is a list or a map"),
        ({"value": ["a,b"], "type": "StringList"}, "holds a comma"),
        ({"value": None}, "value is missing"),
        ({"name": None}, "name is missing"),
        ({"nonsense": "x"}, "'nonsense' is no field of a parameter; there are name, value"),
    ],
)
def test_a_bad_record_is_refused_by_its_field(given, reason):
    assert reason in mistakes(**file(record() | given))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "name a parameter"),
        ({"name": "/a"}, "--name needs --value-file"),
        ({"name": "/a", **file(record())}, "leave out --name"),
        ({**one(), "file_format": "csv"}, "--file-format is about --file"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, reason):
    assert reason in mistakes(**options)


def test_good_parameters_are_not_objected_to():
    good = [
        record("/" + "/".join("a" * 15)),
        record("plain.name_-1", "{other} {'region'} ${x} {region: eu} {stage}"),
        record("/b", ["a", "b"], "StringList"),
        record("/c", SECRET, "SecureString", key_id="arn:aws:kms:us-east-1:111122223333:key/0-1"),
        record("/d", "x" * 8192, tier="Intelligent-Tiering", allowed_pattern=r"^\p{L}+$"),
        record("/e", "12", tags="env=prod; owner=web team", overwrite="no"),
    ]

    put_parameters.check(**put_parameters.defaults() | file(*good) | {"template": True, "key_id": "alias/mine"})


async def test_a_csv_file_has_tags_in_one_cell_and_options_fill_what_it_leaves_out(store):
    text = "name,value,type,tags\n/app/a,one,,env=prod;team=web\n/app/b,two,StringList,\n"

    await run(store.context(), file=Content("-", text), type="String", description="of a table")

    assert store.tags("/app/a") == {"env": "prod", "team": "web"}
    assert (store.described("/app/a")["Type"], store.described("/app/b")["Type"]) == ("String", "StringList")
    assert store.described("/app/b")["Description"] == "of a table"


@pytest.mark.parametrize("text", ["env", "=prod", " =x"])
def test_a_tag_option_without_key_or_equals_sign_is_refused(text):
    tag = put_parameters.parameter("tag")
    assert str(tag.parse_one("env = a=b")) == "env=a=b"
    with pytest.raises(UsageError, match="write KEY=VALUE"):
        tag.parse_one(text)


async def test_tags_of_options_and_of_a_record_come_together(store):
    tag = put_parameters.parameter("tag").parse_one
    await run(store.context(), tag=[tag("env=prod"), tag("team=web")], **file(record(tags={"team": "shop", "x": ""})))

    assert store.tags("/app/a") == {"env": "prod", "team": "shop", "x": ""}
    assert [row["action"] for row in await run(store.context(), **file(record(tags={"x": ""})))] == ["none"]
    assert "'env' stands twice" in mistakes(tag=[tag("env=a"), tag("env=b")], **one())


async def test_a_lost_answer_of_tagging_is_looked_for(store):
    store.put("/app/a")
    store.lose("add_tags_to_resource", carried_out=True)

    assert short(await run(store.context(), **file(record(tags={"a": "b"})))) == [("update", 1, 1, True)]


# What it declares


@pytest.mark.parametrize(
    ("options", "actions"),
    [
        (one(), {"GetParameters", "PutParameter"}),
        (one(overwrite=True), {"GetParameters", "PutParameter", "DescribeParameters"}),
        (one(description="x"), {"GetParameters", "PutParameter", "DescribeParameters"}),
        (
            file(record(tags={"a": "b"})),
            {"GetParameters", "PutParameter", "DescribeParameters", "ListTagsForResource", "AddTagsToResource"},
        ),
    ],
)
def test_only_the_actions_that_are_needed_are_declared(options, actions):
    assert set(put_parameters.fitted(options).actions) == {f"ssm:{action}" for action in actions}
    assert put_parameters.fitted({}).actions == put_parameters.actions


@pytest.mark.parametrize(("value", "asked"), [("{tag:env}", True), ("{account_id}", False), ("{tag:}", False)])
def test_tags_of_accounts_are_asked_for_where_a_value_names_one(value, asked):
    assert put_parameters.tags(**put_parameters.defaults() | one(value=value, template=True)) is asked
    assert put_parameters.tags(**put_parameters.defaults() | one(value=value)) is False
