"""The regions that a simulated organization knows, by partition, with their opt-in state."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition: the regions enabled by default, those to opt in to, and where Organizations lives."""

    name: str
    default_regions: tuple[str, ...]
    opt_in_regions: tuple[str, ...]
    home: str
    suffix: str


_AWS = Partition(
    name="aws",
    default_regions=(
        "us-east-1",
        "us-east-2",
        "us-west-1",
        "us-west-2",
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
    ),
    opt_in_regions=("af-south-1", "ap-east-1", "eu-central-2", "eu-south-1", "il-central-1", "me-south-1"),
    home="us-east-1",
    suffix="amazonaws.com",
)
_GOV = Partition("aws-us-gov", ("us-gov-west-1", "us-gov-east-1"), (), "us-gov-west-1", "amazonaws.com")
_CHINA = Partition("aws-cn", ("cn-north-1", "cn-northwest-1"), (), "cn-northwest-1", "amazonaws.com.cn")

PARTITIONS: dict[str, Partition] = {each.name: each for each in (_AWS, _GOV, _CHINA)}
"""The simulated partitions; the 17 default regions of `aws` are those of the EC2 user guide."""
