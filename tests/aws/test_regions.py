"""Regions come from the SDK's own data; a mistyped one fails at once with the nearest names."""

from __future__ import annotations

import aiobotocore.session
import botocore.session
import pytest

from fanout.aws.faults import CallFailed
from fanout.aws.regions import (
    ENABLED,
    RegionBook,
    RegionSelection,
    check_region_term,
    enabled_regions,
    home_region,
    load_regions,
    parse_regions,
)
from fanout.model.errors import SelectionError, UsageError
from fanout.model.fault import FaultKind


@pytest.fixture(scope="module")
def book() -> RegionBook:
    return load_regions(botocore.session.get_session())


def parse(book, *texts, exclude=(), partition="aws") -> RegionSelection:
    return parse_regions(texts, exclude, partition=partition, book=book)


def test_an_aiobotocore_session_serves_as_well(book):
    assert load_regions(aiobotocore.session.get_session()) == book


def test_partitions_hold_their_regions_without_pseudo_regions(book):
    assert book.partition("aws-cn").regions == ("cn-north-1", "cn-northwest-1")
    assert book.partition("aws-us-gov").regions == ("us-gov-east-1", "us-gov-west-1")
    assert {"us-east-1", "eu-south-2", "il-central-1"} <= set(book.partition("aws").regions)
    assert not [each for partition in book.partitions.values() for each in partition.regions if "global" in each]
    assert book.partition_of("us-gov-east-1") == "aws-us-gov"
    assert book.partition_of("mars-1") is None


def test_an_unknown_partition_is_refused(book):
    with pytest.raises(UsageError, match="no partition 'aws-uk'"):
        book.partition("aws-uk")


def test_seventeen_regions_of_aws_are_enabled_by_default_and_all_of_other_partitions(book):
    by_default = book.partition("aws").by_default
    assert len(by_default) == 17
    assert "af-south-1" not in by_default
    for partition in ("aws-cn", "aws-us-gov", "aws-iso"):
        assert book.partition(partition).by_default == book.partition(partition).regions


@pytest.mark.parametrize(
    ("partition", "region"),
    [
        ("aws", "us-east-1"),
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-cn", "cn-northwest-1"),
        ("aws-iso", "us-iso-east-1"),
        ("aws-eusc", "eusc-de-east-1"),  # the SDK knows no endpoint of its own for it: the partition's first region
    ],
)
def test_organizations_is_where_aws_keeps_it(book, partition, region):
    assert book.partition(partition).organizations == region


@pytest.mark.parametrize(
    ("partition", "configured", "home"),
    [
        ("aws", "eu-west-1", "eu-west-1"),
        ("aws", None, "us-east-1"),
        ("aws", "eu-south-2", "us-east-1"),
        ("aws", "cn-north-1", "us-east-1"),
        ("aws-cn", "cn-north-1", "cn-north-1"),
        ("aws-cn", "eu-west-1", "cn-northwest-1"),
        ("aws-us-gov", None, "us-gov-west-1"),
    ],
)
def test_the_home_region_is_the_configured_one_where_it_is_enabled_by_default(book, partition, configured, home):
    assert home_region(book.partition(partition), configured) == home


def test_names_and_globs_are_a_union_in_the_order_typed(book):
    found = parse(book, "us-west-2, eu-west-*", "eu-west-1", "us-west-2")
    assert found == RegionSelection(("us-west-2", "eu-west-1", "eu-west-2", "eu-west-3"))
    assert (
        parse(book, "eu-west-?").fixed == parse(book, "eu-west-[123]").fixed == ("eu-west-1", "eu-west-2", "eu-west-3")
    )


def test_the_exclusion_wins_over_names_and_globs(book):
    assert parse(book, "eu-west-*,us-east-1", exclude=["eu-west-[12]"]).fixed == ("eu-west-3", "us-east-1")


def test_enabled_is_resolved_for_each_account_and_joined_with_names(book):
    found = parse(book, "us-west-2", ENABLED, exclude=["eu-*"])
    assert found.enabled
    assert found.resolve(("ap-south-1", "eu-west-1", "us-west-2")) == ("us-west-2", "ap-south-1")
    with pytest.raises(ValueError, match="needed"):
        found.resolve()
    assert parse(book, "us-west-2").resolve() == ("us-west-2",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("eu-wset-1", "eu-west-1"),
        ("EU-WEST-1", "eu-west-1"),
        ("us-east-1a", "us-east-1"),
        ("us-gov-west-1", "partition aws-us-gov"),
        ("cn-*", "partition aws-cn"),
        ("mars-*", "no region fits"),
        ("eu-wset-*", "eu-west"),
        ("all", "enabled"),
        ("global", 'scope="account"'),
        ("enable", "did you mean enabled?"),
        ("us-east-1,,us-east-2", "empty region"),
        ("", "empty region"),
    ],
)
def test_a_mistyped_region_is_refused_with_what_may_be_meant(book, text, says):
    for option, named, excluded in (("--regions", [text], []), ("--exclude-regions", ["us-east-1"], [text])):
        with pytest.raises(UsageError) as caught:
            parse_regions(named, excluded, partition="aws", book=book)
        assert says in f"{caught.value.message} | {caught.value.hint}"
        assert caught.value.message.startswith(option)


def test_no_region_is_not_every_region(book):
    with pytest.raises(UsageError, match="no region was named"):
        parse(book)
    with pytest.raises(UsageError, match="exclude every region"):
        parse(book, "us-east-1", exclude=["enabled"])


def test_a_term_of_an_accounts_file_is_checked_alone(book):
    for term in ("eu-west-1", "eu-*", ENABLED):
        check_region_term(term, partition="aws", book=book)
    with pytest.raises(UsageError, match="no region 'eu-wset-1'"):
        check_region_term("eu-wset-1", partition="aws", book=book)


@pytest.mark.parametrize("named", ["eu-west-1", "enabled"])
def test_excluding_everything_is_an_empty_selection(book, named):
    with pytest.raises(SelectionError):
        parse(book, named, exclude=["*"])


class FakeEC2:
    def __init__(self, *regions: dict[str, str]) -> None:
        self.regions = list(regions)

    async def describe_regions(self, **arguments):
        assert not arguments.get("AllRegions")
        return {"Regions": self.regions}


@pytest.mark.anyio
async def test_an_accounts_enabled_regions_leave_out_what_is_not_opted_in():
    found = await enabled_regions(
        FakeEC2(
            {"RegionName": "us-east-1", "OptInStatus": "opt-in-not-required"},
            {"RegionName": "af-south-1", "OptInStatus": "not-opted-in"},
            {"RegionName": "eu-south-1", "OptInStatus": "opted-in"},
            {"RegionName": "eu-west-1"},
        )
    )
    assert found == ("eu-south-1", "eu-west-1", "us-east-1")


@pytest.mark.anyio
@pytest.mark.parametrize("regions", [(), ({"RegionName": "../../x"},), ({"OptInStatus": "opted-in"},)])
async def test_an_answer_that_names_no_regions_is_not_believed(regions):
    with pytest.raises(CallFailed) as caught:
        await enabled_regions(FakeEC2(*regions))
    assert caught.value.fault.kind is FaultKind.MALFORMED_RESPONSE
