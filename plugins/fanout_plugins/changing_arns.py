"""Resources by their ARNs: which target they belong to, and which actions their services ask for when they are tagged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from fanout import Context

_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>\d{12})?:(?P<resource>\S+)"
)

_HOMES = {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}
_OTHER_HOMES = {"globalaccelerator": "us-west-2", "networkmanager": "us-west-2"}
"""Where resources of services without regions are tagged (each service's API reference, "endpoints")."""


@dataclass(frozen=True, slots=True)
class Arn:
    """The name of a resource. `region` and `account` are empty where its service leaves them out."""

    text: str
    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> Arn:
        """Read an ARN.

        :raises ValueError: if it is none.
        """
        found = _ARN.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is not an ARN: write arn:aws:SERVICE:REGION:ACCOUNT:RESOURCE")
        return cls(
            text, found["partition"], found["service"], found["region"], found["account"] or "", found["resource"]
        )

    def __str__(self) -> str:
        return self.text

    def may_be_in(self, ctx: Context) -> bool:
        """Whether the resource belongs to this target, as far as its ARN says."""
        home = _OTHER_HOMES.get(self.service) or _HOMES.get(self.partition, ctx.region)
        region = self.region or (ctx.region if self.is_bucket else home)
        return (self.partition, region, self.account or ctx.account.id) == (ctx.partition, ctx.region, ctx.account.id)

    @property
    def is_bucket(self) -> bool:
        """Whether it is a bucket of S3, whose ARN says neither region nor account."""
        return self.service == "s3" and not self.region and "/" not in self.resource


@dataclass(frozen=True, slots=True)
class ResourceType:
    """A kind of resources as the Resource Groups Tagging API names it: SERVICE or SERVICE:TYPE."""

    service: str
    kind: str

    @classmethod
    def parse(cls, text: str) -> ResourceType:
        """Read ec2, or ec2:instance.

        :raises ValueError: if it is neither.
        """
        found = re.fullmatch(r"([a-z0-9-]+)(?::([\w/-]+))?", text)
        if found is None:
            raise ValueError(f"{text!r} is not a type of resources: write SERVICE or SERVICE:TYPE, as in ec2:instance")
        return cls(found[1], found[2] or "")

    def __str__(self) -> str:
        return f"{self.service}:{self.kind}" if self.kind else self.service


_USUAL = (("TagResource",), ("UntagResource",))
_TAGGING: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "acm": (("AddTagsToCertificate",), ("RemoveTagsFromCertificate",)),
    "acm-pca": (("TagCertificateAuthority",), ("UntagCertificateAuthority",)),
    "apigateway": (("PUT", "POST"), ("DELETE",)),
    "cloudtrail": (("AddTags",), ("RemoveTags",)),
    "datapipeline": (("AddTags",), ("RemoveTags",)),
    "dms": (("AddTagsToResource",), ("RemoveTagsFromResource",)),
    "ds": (("AddTagsToResource",), ("RemoveTagsFromResource",)),
    "ec2": (("CreateTags",), ("DeleteTags",)),
    "elasticache": (("AddTagsToResource",), ("RemoveTagsFromResource",)),
    "elasticbeanstalk": (("AddTags", "UpdateTagsForResource"), ("RemoveTags", "UpdateTagsForResource")),
    "elasticfilesystem": (("TagResource", "CreateTags"), ("UntagResource", "DeleteTags")),
    "elasticloadbalancing": (("AddTags",), ("RemoveTags",)),
    "elasticmapreduce": (("AddTags",), ("RemoveTags",)),
    "es": (("AddTags",), ("RemoveTags",)),
    "firehose": (("TagDeliveryStream",), ("UntagDeliveryStream",)),
    "glacier": (("AddTagsToVault",), ("RemoveTagsFromVault",)),
    "iam": (
        (
            "TagInstanceProfile",
            "TagMFADevice",
            "TagOpenIDConnectProvider",
            "TagPolicy",
            "TagSAMLProvider",
            "TagServerCertificate",
        ),
        (
            "UntagInstanceProfile",
            "UntagMFADevice",
            "UntagOpenIDConnectProvider",
            "UntagPolicy",
            "UntagSAMLProvider",
            "UntagServerCertificate",
        ),
    ),
    "kinesis": (("AddTagsToStream", "TagResource"), ("RemoveTagsFromStream", "UntagResource")),
    "logs": (("TagResource", "TagLogGroup"), ("UntagResource", "UntagLogGroup")),
    "mq": (("CreateTags",), ("DeleteTags",)),
    "rds": (("AddTagsToResource",), ("RemoveTagsFromResource",)),
    "redshift": (("CreateTags",), ("DeleteTags",)),
    "resource-groups": (("Tag",), ("Untag",)),
    "route53": (("ChangeTagsForResource",), ("ChangeTagsForResource",)),
    "s3": (
        ("GetBucketTagging", "PutBucketTagging", "TagResource"),
        ("GetBucketTagging", "PutBucketTagging", "UntagResource"),
    ),
    "sagemaker": (("AddTags",), ("DeleteTags",)),
    "sqs": (("TagQueue",), ("UntagQueue",)),
    "ssm": (("AddTagsToResource",), ("RemoveTagsFromResource",)),
    "storagegateway": (("AddTagsToResource",), ("RemoveTagsFromResource",)),
    "workspaces": (("CreateTags",), ("DeleteTags",)),
}
"""What a service asks of whoever adds or removes tags through the Resource Groups Tagging API, besides `tag:TagResources`
and `tag:UntagResources`, where it is not TagResource and UntagResource (Service Authorization Reference of each)."""


def tagging_actions(services: Iterable[str], *, add: bool, remove: bool) -> tuple[str, ...]:
    """The IAM actions of the services themselves, each once."""
    found: dict[str, None] = {}
    for service in services:
        adding, removing = _TAGGING.get(service, _USUAL)
        for name in (*(adding if add else ()), *(removing if remove else ())):
            found[f"{service}:{name}"] = None
    return tuple(found)
