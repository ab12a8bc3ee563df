"""What people type about a role is checked before anything is written."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from fanout.model.errors import UsageError
from fanout.tools.roles import checks


@pytest.mark.parametrize(("text", "path"), [("/", "/"), ("audit", "/audit/"), ("/a/b/", "/a/b/"), ("", "/")])
def test_a_path_gets_its_slashes(text: str, path: str):
    assert checks.checked_path(text) == path


@pytest.mark.parametrize("text", ["/a b/", "/a//b/", f"/{'x' * 520}/", "/ä/"])
def test_a_path_that_iam_would_not_take_is_refused(text: str):
    with pytest.raises(UsageError):
        checks.checked_path(text)


@pytest.mark.parametrize("text", ["a/b", "a b", "", "x" * 65, "{x}"])
def test_a_name_that_iam_would_not_take_is_refused(text: str):
    with pytest.raises(UsageError):
        checks.check_name(text)


@pytest.mark.parametrize(("text", "taken"), [("1h", True), ("12h", True), ("59m59s", False), ("12h1s", False)])
def test_a_session_is_as_long_as_a_role_can_have_it(text: str, taken: bool):
    if taken:
        assert checks.session_length(text) >= timedelta(hours=1)
    else:
        with pytest.raises(UsageError, match="maximum session"):
            checks.session_length(text)


@pytest.mark.parametrize("text", ["0", "36h1s", "0.5s"])
def test_an_age_that_no_code_can_have_is_refused(text: str):
    with pytest.raises(UsageError, match="none for an MFA code"):
        checks.mfa_age(text)


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("2031-05-01", 0),
        ("2031-05-01T08:00", 8),
        ("2031-05-01T08:00Z", 8),
        ("2031-05-01T08:00+02:00", 6),
        ("20310501", 0),
    ],
)
def test_a_point_in_time_is_utc_unless_it_says_otherwise(text: str, hour: int):
    assert checks.moment(text) == datetime(2031, 5, 1, hour, tzinfo=timezone.utc)


@pytest.mark.parametrize("text", ["tomorrow", "2031-13-01", "08:00", "0001-01-01T00:00+14:00"])
def test_what_is_no_point_in_time_is_refused(text: str):
    with pytest.raises(UsageError, match="not a point in time"):
        checks.moment(text)


def test_a_window_that_ends_before_it_begins_is_refused():
    begin, end = datetime(2031, 5, 2, tzinfo=timezone.utc), datetime(2031, 5, 1, tzinfo=timezone.utc)

    checks.check_window(end, begin)
    for wrong in ((begin, end), (begin, begin)):
        with pytest.raises(UsageError, match="before it begins"):
            checks.check_window(*wrong)


@pytest.mark.parametrize(
    ("text", "network"),
    [("203.0.113.0/24", "203.0.113.0/24"), ("203.0.113.7", "203.0.113.7/32"), ("2001:db8::/32", "2001:db8::/32")],
)
def test_a_range_of_addresses_is_written_as_aws_takes_it(text: str, network: str):
    assert checks.checked_network(text) == network


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("203.0.113.300", "not a range"),
        ("203.0.113.7/24", "bits behind"),
        ("0.0.0.0/0", "every address"),
        ("10.1.0.0/16", "private"),
        ("172.31.255.0/24", "private"),
        ("fd00::/8", "private"),
    ],
)
def test_a_range_that_means_nothing_is_refused(text: str, why: str):
    with pytest.raises(UsageError, match=why):
        checks.checked_network(text)


def test_a_range_around_private_addresses_is_not_private():
    assert checks.checked_network("172.0.0.0/8") == "172.0.0.0/8"


@pytest.mark.parametrize(
    "texts",
    [
        ["team"],
        ["=x"],
        ["aws:x=1"],
        ["fanout:managed=false"],
        ["a=1", "A=2"],
        ["a=#"],
        [f"k{number}=v" for number in range(50)],
    ],
)
def test_tags_that_iam_would_not_take_are_refused(texts: list[str]):
    with pytest.raises(UsageError):
        checks.checked_tags(texts)


def test_tags_may_be_empty_and_have_signs():
    assert checks.checked_tags(["cost center=a=b", "x="]) == (("cost center", "a=b"), ("x", ""))


def test_all_arns_are_of_one_partition():
    own, other = "arn:aws-cn:iam::111122223333:role/Hub", "arn:aws:iam::aws:policy/ReadOnlyAccess"

    assert checks.checked_partition(None, [own, "111122224444", "arn:{partition}:iam::aws:policy/X"]) == "aws-cn"
    assert checks.checked_partition(None, []) == "aws"
    for given, arns in ((None, [own, other]), ("aws", [own]), ("china", [])):
        with pytest.raises(UsageError, match="partition"):
            checks.checked_partition(given, arns)
