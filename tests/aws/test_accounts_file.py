"""Lists of accounts are read as people and spreadsheets write them; all mistakes are told at once, with their lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.aws.accounts_file import parse_accounts, read_accounts_file
from fanout.model.account import Account
from fanout.model.errors import UsageError

A, B = "111122223333", "222233334444"


def ids(text: str, **options) -> list[str]:
    return [account.id for account in parse_accounts(text, "list", **options)]


def mistakes(text: str, **options) -> list[str]:
    with pytest.raises(UsageError) as caught:
        parse_accounts(text, "list", **options)
    assert caught.value.exit_code == 2
    return caught.value.message.splitlines()


def test_a_plain_list_has_comments_and_blank_lines():
    assert ids(f"# ours\n\n{A}  # web\r\n  {B}\n{A}\n") == [A, B]


def test_csv_may_have_any_order_of_columns_a_bom_and_more_columns():
    text = (
        "\ufeffName,External ID,account_id,owner,Role,regions\r\n"
        f'"Acme, Inc",x:1,{A},me,audit/Reader,eu-west-1; us-east-1|eu-*\r\n\r\n'
        f",,{B},,,\r\n"
    )
    first, second = parse_accounts(text, "list")
    assert first == Account(
        id=A,
        name="Acme, Inc",
        role="audit/Reader",
        external_id="x:1",
        regions=("eu-west-1", "us-east-1", "eu-*"),
    )
    assert second == Account(id=B)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_may_be_separated_as_spreadsheets_do(delimiter):
    rows = [["account_id", "name", "regions"], [A, "web", "eu-west-1 eu-west-2"]]
    text = "\n".join(delimiter.join(row) for row in rows)
    (account,) = parse_accounts(text, "list", kind="csv")
    assert (account.name, account.regions) == ("web", ("eu-west-1", "eu-west-2"))


@pytest.mark.parametrize(
    "value",
    [
        [A, B],
        [int(A), B],
        [{"account_id": A, "extra": 1}, {"account_id": B}],
        {"accounts": [{"account_id": A}, B]},
        {"Accounts": [{"Id": A, "Name": "x"}, {"Id": B, "Name": "y"}]},  # aws organizations list-accounts
    ],
)
def test_json_is_an_array_of_ids_or_objects_or_an_object_with_accounts(value):
    assert ids(json.dumps(value, indent=1)) == [A, B]


def test_json_lines_are_told_from_json():
    assert ids(f'{{"account_id": "{A}", "regions": ["eu-west-1"]}}\n\n{{"account_id": "{B}"}}\n') == [A, B]
    assert ids(f'{{"accounts": ["{A}"]}}') == [A]


def test_rows_that_fanout_printed_are_a_list_of_accounts():
    rows = [
        {"account_id": A, "account_name": "web", "region": "eu-west-1", "id": "i-1", "name": "one"},
        {"account_id": A, "account_name": "web", "region": "eu-west-2", "id": "i-2", "name": "two"},
    ]
    assert parse_accounts("\n".join(map(json.dumps, rows)), "list") == (Account(id=A, name="web"),)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", f"account_id\n{A}\n".encode()),
        ("a.csv", f"account_id;name\n{A};é\n".encode("utf-16")),
        ("a.json", f'["{A}"]'.encode()),
        ("a.jsonl", f'{{"account_id":"{A}"}}'.encode()),
        ("a.txt", A.encode()),
        ("list", f"account_id,name\n{A},x".encode()),
        ("list", f'\ufeff{{"account_id":"{A}"}}\n{{"account_id":"{A}"}}'.encode()),
    ],
)
def test_the_format_is_told_by_the_ending_and_else_by_the_content(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert [account.id for account in read_accounts_file(path)] == [A]


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"missing\.csv cannot be read: No such file"):
        read_accounts_file(tmp_path / "missing.csv")
    with pytest.raises(UsageError, match="cannot be read"):
        read_accounts_file(tmp_path)
    (tmp_path / "latin").write_bytes(b"111122223333\n# caf\xe9\n")
    with pytest.raises(UsageError, match="latin:2: the text is not UTF-8"):
        read_accounts_file(tmp_path / "latin")


def test_all_mistakes_are_told_at_once_with_their_lines():
    def check_region(region: str) -> None:
        if region == "eu-wset-1":
            raise UsageError("there is no region 'eu-wset-1'", "did you mean eu-west-1?")

    text = (
        "account_id,role,regions,external_id,name\n"
        "11112222333,,,,\n"
        "1.2E+11,,,,\n"
        f"{A},bad role,eu-wset-1,no spaces,\n"
        f"{B},,,,Acme, Inc\n"
        ",Reader,,,\n"
    )
    found = mistakes(text, check_region=check_region)
    assert [line.split(" ")[0] for line in found] == [f"list:{n}:" for n in (2, 3, 4, 4, 4, 5, 6)]
    assert "011112222333" in found[0]
    assert "spreadsheet has rounded it" in found[1]
    assert "'bad role'" in found[2]
    assert "no spaces)" in found[3]
    assert "did you mean eu-west-1?" in found[4]
    assert "more cells" in found[5]
    assert "no account_id" in found[6]


def test_an_external_id_is_never_shown():
    text = f"account_id,external_id\n{A},hush hush\n{B},hush1\n{B},hush2\n"
    assert "hush" not in "".join(mistakes(text))


def test_equal_accounts_are_merged_and_differing_ones_refused_naming_both_lines():
    text = f"account_id,role,regions\n{A},Reader,\n{A},,eu-west-1\n"
    assert parse_accounts(text, "list") == (Account(id=A, role="Reader", regions=("eu-west-1",)),)
    assert mistakes(f"account_id,role\n{A},Reader\n{B},\n{A},Writer\n") == [
        f"list:4: account {A} has another role than at list:2"
    ]


def test_a_role_of_another_account_is_refused():
    text = f"account_id,role\n{A},arn:aws:iam::{B}:role/Reader\n{A},arn:aws:iam::{A}:role/Reader\n"
    assert mistakes(text) == [f"list:2: the role arn:aws:iam::{B}:role/Reader is not one of account {A}"]


def test_mistakes_in_json_name_the_line_of_the_element_and_its_index():
    elements = [A, "12", {"name": "x"}, None, True, {"account_id": 1.2e11}, [B], 11112222333]
    found = mistakes("[\n" + ",\n".join(map(json.dumps, elements)) + "\n]")
    assert [line.split(": ")[:2] for line in found] == [[f"list:{n + 2}", f"[{n}]"] for n in (1, 2, 3, 4, 5, 6, 7)]
    assert "011112222333" in found[-1]
    found = mistakes(json.dumps([{"account_id": A, "role": 1, "regions": 5}, {"account_id": B, "regions": [1]}]))
    assert [line.split(": ")[:2] for line in found] == [["list:1", "[0]"], ["list:1", "[0]"], ["list:1", "[1]"]]


@pytest.mark.parametrize("key", ["accounts", "Accounts"])
def test_lines_are_counted_where_the_list_is_one_of_several_members(key):
    text = json.dumps({"note": "a\nb ] , [", "more": {"accounts": []}, key: [{"account_id": A}, {"id": "1"}]}, indent=2)
    (found,) = mistakes(text, kind="json")
    line = next(n for n, each in enumerate(text.splitlines()) if '"id"' in each)  # its brace stands one line above
    assert found.startswith(f"list:{line}: [1]: ")


@given(
    st.lists(st.tuples(st.sampled_from(["", "\n", " \n\n\t"]), st.sampled_from([A, "no ]", None, {"name": "[,"}, [B]])))
)
def test_every_bad_element_of_json_is_told_with_the_line_it_begins_on(elements):
    text, expected = "", []
    for index, (space, value) in enumerate(elements):
        text += ("," if index else "[") + space
        if value != A:
            expected.append([f"list:{text.count(chr(10)) + 1}", f"[{index}]"])
        text += json.dumps(value, indent=1)
    if expected:
        found = [line.split(": ")[:2] for line in mistakes(text + "]") if line != f"… and {len(expected) - 50} more"]
        assert found == expected[:50]


def test_accounts_that_differ_in_json_name_both_lines():
    first, second = {"account_id": A, "role": "Reader"}, {"account_id": A, "role": "Writer"}
    text = f"[{json.dumps(first)},\n{json.dumps(second)}]"
    assert mistakes(text) == [f"list:2: [1]: account {A} has another role than at list:1"]


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ('["1', None, "list:1: not JSON"),
        ('{"account_id": "x"}\n{', "jsonl", "list:2: not JSON"),
        ('{"a": 1}', "json", "list:1: neither a list"),
        ("[" * 100_000, "json", "list:1: not JSON"),
        (A, "csv", "list:1: the first line has no column account_id"),
        ("", "csv", "list:1: the first line has no column account_id; it is empty"),
        ("account_id,Account ID\n", "csv", "list:1: there is more than one column account_id"),
        ('account_id\n"1111\n', "csv", "list:2: not CSV"),
        (f"account_id,name\n{A}\n", None, None),
    ],
)
def test_a_malformed_text_is_refused_with_the_line(text, kind, says):
    if says is None:
        assert ids(text, kind=kind) == [A]
    else:
        assert any(line.startswith(says) for line in mistakes(text, kind=kind))


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "[]", '{"accounts": []}', "account_id\n"])
def test_a_list_of_nothing_is_refused(text):
    with pytest.raises(UsageError, match="names no account"):
        parse_accounts(text, "list")


def test_a_thousand_mistakes_are_not_a_thousand_lines():
    found = mistakes("\n".join(["prod"] * 1000))
    assert len(found) == 51
    assert found[-1] == "… and 950 more"


@given(st.text(max_size=200), st.sampled_from([None, "csv", "json", "jsonl", "plain"]))
def test_any_text_is_accounts_or_a_usage_error(text, kind):
    try:
        accounts = parse_accounts(text, "list", kind=kind)
    except UsageError:
        return
    assert accounts
