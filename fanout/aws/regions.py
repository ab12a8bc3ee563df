"""Which regions there are, which of them a run selects, and where AWS keeps what has one place only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import NoRegionError
from botocore.regions import EndpointResolver

from fanout.aws.faults import failed
from fanout.model.errors import SelectionError, UsageError
from fanout.model.fault import FaultKind, Stage
from fanout.model.nearest import did_you_mean
from fanout.model.selection import is_glob

ENABLED = "enabled"
"""The term for what each account has enabled."""

_NAME = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")
_ON = ("opt-in-not-required", "opted-in")
_ENABLED_BY_DEFAULT: Mapping[str, frozenset[str]] = {
    # The regions that need no opt-in. AWS enables no further region by default since March 2019:
    # https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-regions.html
    "aws": frozenset(
        {
            "ap-northeast-1",
            "ap-northeast-2",
            "ap-northeast-3",
            "ap-south-1",
            "ap-southeast-1",
            "ap-southeast-2",
            "ca-central-1",
            "eu-central-1",
            "eu-north-1",
            "eu-west-1",
            "eu-west-2",
            "eu-west-3",
            "sa-east-1",
            "us-east-1",
            "us-east-2",
            "us-west-1",
            "us-west-2",
        }
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """A partition of AWS: `regions` in alphabetical order, and those of them that are enabled `by_default`.

    `first` is the region that AWS's global services of the partition live in, `organizations` the one of Organizations.
    `foreign` are the regions of all other partitions.
    """

    id: str
    regions: tuple[str, ...]
    by_default: tuple[str, ...]
    first: str
    organizations: str
    foreign: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RegionBook:
    """All partitions that the SDK knows, by id."""

    partitions: Mapping[str, Partition]

    def partition(self, partition: str) -> Partition:
        """The partition of that id.

        :raises UsageError: if the SDK does not know it.
        """
        try:
            return self.partitions[partition]
        except KeyError:
            hint = did_you_mean(partition, self.partitions)
            raise UsageError(f"there is no partition {partition!r}", hint) from None

    def partition_of(self, region: str) -> str | None:
        """The id of the partition that a region is in; None for an unknown region."""
        return next((each.id for each in self.partitions.values() if region in each.regions), None)

    def check(self, region: str, partition: str) -> None:
        """Check that a region exists in the partition.

        :raises UsageError: if it does not, with the nearest names.
        """
        regions = self.partition(partition).regions
        if region in regions:
            return
        home = self.partition_of(region)
        if home is not None:
            raise UsageError(
                f"region {region} is in partition {home}, the credentials are in {partition}",
                f"name regions of {partition}, or use credentials of {home}",
            )
        hint = did_you_mean(region, (*regions, ENABLED)) or f"there are {', '.join(regions)}"
        raise UsageError(f"there is no region {region!r}", hint)


@dataclass(frozen=True, slots=True)
class RegionSelection:
    """Which regions a run selects: `fixed` names, and with `enabled` those that each account has enabled.

    `excluded` are left out of what an account has enabled; `fixed` is without them already.
    """

    fixed: tuple[str, ...]
    enabled: bool = False
    excluded: frozenset[str] = frozenset()

    def resolve(self, enabled_regions: Sequence[str] | None = None) -> tuple[str, ...]:
        """One account's regions, given those that it has enabled; these are needed only where `enabled` is true.

        :raises ValueError: if they are needed and not given.
        """
        if not self.enabled:
            return self.fixed
        if enabled_regions is None:
            raise ValueError("the account's enabled regions are needed")
        kept = (region for region in enabled_regions if region not in self.excluded)
        return tuple(dict.fromkeys((*self.fixed, *kept)))


def load_regions(session: Any) -> RegionBook:
    """Read the partitions from the data that botocore brings; `session` is a botocore or aiobotocore session."""
    resolver = EndpointResolver(session.get_data("endpoints"))
    found = [_partition(each, resolver) for each in session.get_data("partitions")["partitions"]]
    everywhere = frozenset(region for each in found for region in each.regions)
    return RegionBook({each.id: replace(each, foreign=everywhere.difference(each.regions)) for each in found})


def _partition(data: Mapping[str, Any], resolver: Any) -> Partition:
    # The data lists pseudo-regions such as aws-global beside the regions; only regions fit the partition's pattern.
    regions = tuple(sorted(region for region in data["regions"] if re.match(data["regionRegex"], region)))
    table = _ENABLED_BY_DEFAULT.get(data["id"])
    first = data["outputs"]["implicitGlobalRegion"]
    return Partition(
        id=data["id"],
        regions=regions,
        by_default=tuple(region for region in regions if table is None or region in table),
        first=first,
        organizations=_organizations_region(data["id"], resolver) or first,
    )


def _organizations_region(partition: str, resolver: Any) -> str | None:
    try:
        endpoint = resolver.construct_endpoint("organizations", None, partition)
    except NoRegionError:
        return None
    region = (endpoint or {}).get("credentialScope", {}).get("region")
    return None if region is None else str(region)


def parse_regions(texts: Iterable[str], exclude: Iterable[str], *, partition: str, book: RegionBook) -> RegionSelection:
    """Read --regions and --exclude-regions: names, globs, and `enabled`; a union, of which the exclusion is taken away.

    Globs are resolved against all regions of the partition. Names come in the order typed, a glob's in alphabetical.

    :raises UsageError: if nothing is named, a region is unknown or in another partition, or a glob fits none.
    :raises SelectionError: if everything is excluded.
    """
    named = _split(texts, "--regions")
    if not named:
        raise UsageError("no region was named", "write --regions eu-west-1, 'eu-*' or enabled")
    excluded_terms = _split(exclude, "--exclude-regions")
    if ENABLED in excluded_terms:
        raise UsageError("--exclude-regions: `enabled` would exclude every region", "name regions or globs")
    excluded = frozenset(_expand(excluded_terms, "--exclude-regions", partition, book))
    wanted = _expand((term for term in named if term != ENABLED), "--regions", partition, book)
    fixed = tuple(region for region in wanted if region not in excluded)
    enabled = ENABLED in named and not excluded.issuperset(book.partition(partition).regions)
    if not fixed and not enabled:
        raise SelectionError(
            "--exclude-regions leaves no region of those that --regions names", "an empty selection never means all"
        )
    return RegionSelection(fixed, enabled, excluded)


def _split(texts: Iterable[str], option: str) -> list[str]:
    terms = [piece.strip() for text in texts for piece in text.split(",")]
    if "" in terms:
        raise UsageError(f"{option}: an empty region", "write names, globs or enabled, separated by commas")
    return terms


def _expand(terms: Iterable[str], option: str, partition: str, book: RegionBook) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for term in terms:
        try:
            found |= dict.fromkeys(_regions(term, partition, book))
        except UsageError as error:
            raise UsageError(f"{option}: {error.message}", error.hint) from None
    return tuple(found)


def _regions(term: str, partition: str, book: RegionBook) -> Sequence[str]:
    if is_glob(term):
        return _fitting(term, partition, book)
    if term.lower() == "all":
        raise UsageError(f"there is no region {term!r}", "did you mean enabled, or '*' for all that there are?")
    if term == "global":
        raise UsageError("`global` is not a region to select", 'tasks of scope="account" run there by themselves')
    book.check(term, partition)
    return (term,)


def _fitting(glob: str, partition: str, book: RegionBook) -> Sequence[str]:
    found = [region for region in book.partition(partition).regions if fnmatchcase(region, glob)]
    if found:
        return found
    for other in book.partitions.values():
        if any(fnmatchcase(region, glob) for region in other.regions):
            raise UsageError(
                f"{glob!r} fits regions of partition {other.id} only, the credentials are in {partition}",
                f"name regions of {partition}, or use credentials of {other.id}",
            )
    raise UsageError(f"no region fits {glob!r}", did_you_mean(glob.rstrip("*?-"), book.partition(partition).regions))


def check_region_term(term: str, *, partition: str, book: RegionBook) -> None:
    """Check one term as an accounts file may hold it: a region, a glob or `enabled`.

    :raises UsageError: as `parse_regions`.
    """
    if term != ENABLED:
        _regions(term, partition, book)


async def enabled_regions(ec2: Any) -> tuple[str, ...]:
    """Ask an account which regions it has enabled: one DescribeRegions call, through an EC2 client in any of them.

    In alphabetical order. Raises what the client raises.

    :raises CallFailed: if the answer is not one that AWS gives.
    """
    answer = await ec2.describe_regions()
    if not answer.get("Regions") or not all(_NAME.fullmatch(each.get("RegionName", "")) for each in answer["Regions"]):
        what = "DescribeRegions was answered without regions, or with names that are none: every account has some"
        raise failed(FaultKind.MALFORMED_RESPONSE, "NoRegions", what, stage=Stage.REGIONS)
    # Without AllRegions, AWS leaves out what is not opted in; simulations do not.
    return tuple(
        sorted(each["RegionName"] for each in answer.get("Regions", ()) if each.get("OptInStatus", _ON[0]) in _ON)
    )


def home_region(partition: Partition, configured: str | None) -> str:
    """The region to ask STS in: the configured one where it is enabled by default, else the partition's first."""
    return configured if configured in partition.by_default else partition.first
