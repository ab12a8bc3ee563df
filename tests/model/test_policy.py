"""Session policies allow what was declared, and nothing else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.model.errors import UsageError
from fanout.model.policy import FANOUT_ACTIONS, SESSION_POLICY_LIMIT, allows, session_policy


def statement(policy: str) -> dict:
    document = json.loads(policy)
    assert document["Version"] == "2012-10-17"
    (only,) = document["Statement"]
    return only


def test_declared_actions_and_fanouts_own_are_allowed():
    policy = session_policy(["ec2:DescribeInstances"], FANOUT_ACTIONS)

    assert statement(policy) == {
        "Effect": "Allow",
        "Action": ["ec2:DescribeInstances", "ec2:DescribeRegions"],
        "Resource": "*",
    }


def test_no_actions_deny_all_even_fanouts_own():
    assert statement(session_policy([], FANOUT_ACTIONS)) == {"Effect": "Deny", "Action": "*", "Resource": "*"}


def test_policy_is_compact():
    assert session_policy(["s3:ListBucket"]) == (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"*"}]}'
    )


@pytest.mark.parametrize(
    ("declared", "kept"),
    [
        (["b:Two", "a:One"], ["a:One", "b:Two"]),
        (["ec2:DescribeVpcs", "EC2:describevpcs"], ["ec2:DescribeVpcs"]),
        (["ec2:DescribeVpcs", "ec2:Describe*"], ["ec2:Describe*"]),
        (["ec2:Describe*", "ec2:Desc*"], ["ec2:Desc*"]),
        (["ec2:*", "ec2:**"], ["ec2:*"]),
        (["ec2:?x", "ec2:*x"], ["ec2:*x"]),
        (["ec2:DescribeVpcs", "s3:Describe*"], ["ec2:DescribeVpcs", "s3:Describe*"]),
    ],
)
def test_actions_are_sorted_and_covered_ones_left_out(declared, kept):
    assert statement(session_policy(declared))["Action"] == kept


def test_a_policy_of_exactly_the_limit_passes_and_one_more_is_refused():
    frame = len(session_policy(["a:"])) - 2
    longest = "a:" + "b" * (SESSION_POLICY_LIMIT - frame - 2)

    assert len(session_policy([longest])) == 2048
    with pytest.raises(UsageError, match="2049 characters") as refused:
        session_policy([longest + "b"])
    assert "--no-scope" in refused.value.hint
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    ("action", "actions", "expected"),
    [
        ("ec2:DescribeVpcs", ["ec2:DescribeVpcs"], True),
        ("EC2:describevpcs", ["ec2:DescribeVpcs"], True),
        ("ec2:DescribeVpcs", ["ec2:Describe*"], True),
        ("ec2:DescribeVpcs", ["ec2:DescribeVpc?"], True),
        ("ec2:DescribeVpc", ["ec2:DescribeVpc?"], False),
        ("ec2:DescribeVpcsX", ["ec2:DescribeVpcs"], False),
        ("ec2:DeleteVpc", ["ec2:Describe*", "s3:*"], False),
        ("ec2xDescribeVpcs", ["ec2.DescribeVpcs"], False),
        ("ec2:DescribeVpcs", ["*"], True),
        ("ec2:DescribeVpcs", [], False),
    ],
)
def test_allows_reads_wildcards_as_iam_does(action, actions, expected):
    assert allows(action, actions) is expected


ACTIONS = st.lists(st.from_regex(r"[ab]:[XYxy*?]{1,4}", fullmatch=True), min_size=1, max_size=6)


@given(declared=ACTIONS, asked=st.from_regex(r"[ab]:[XYxy]{1,5}", fullmatch=True))
def test_leaving_out_covered_actions_changes_nothing(declared, asked):
    kept = statement(session_policy(declared))["Action"]

    assert kept
    assert allows(asked, kept) == allows(asked, declared)
