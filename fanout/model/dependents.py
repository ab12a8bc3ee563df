"""Dependent actions: what AWS also asks for on behalf of whoever calls a declared action (tags, keys, grants).

They are authorized with the caller's own permissions, so a role without them fails with a denial that names an action
which no task ever called. Sources: SAR is the Service Authorization Reference (column "Dependent actions"); the others
are pages of the user guides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fanout.model.policy import allows


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependent:
    """Actions that come with another one, and the condition under which AWS asks for them.

    `tags_new` says that they tag what the other action just made; `via` is the service that uses a key in the caller's
    name; `grant` says that the grant is for an AWS resource, not for whoever asks.
    """

    actions: tuple[str, ...]
    tags_new: bool = False
    via: str = ""
    grant: bool = False


_TAGS = Dependent(actions=("ec2:CreateTags",), tags_new=True)
"""SAR, Amazon EC2: tags in the request of a creating action are authorized as ec2:CreateTags, in one call or none;
the condition key ec2:CreateAction tells them from tagging later (EC2 user guide, "Grant permission to tag during creation")."""

_EBS_KEYS = (
    # EBS user guide, "Requirements for Amazon EBS encryption", permissions for users. kms:ReEncrypt there stands for the
    # two actions that exist (SAR, AWS KMS).
    Dependent(
        actions=(
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        ),
        via="ec2",
    ),
    # The same page: allow grants only where kms:GrantIsForAWSResource.
    Dependent(actions=("kms:CreateGrant",), grant=True, via="ec2"),
)

_SECURE_STRING_READ = (Dependent(actions=("kms:Decrypt",), via="ssm"),)
"""Systems Manager user guide, "Restricting decryption of SecureString parameter values": whichever operation reads."""

_SECURE_STRING_WRITE = (Dependent(actions=("kms:Encrypt", "kms:GenerateDataKey"), via="ssm"),)
"""Systems Manager user guide, "AWS KMS encryption for SecureString parameters": Encrypt for standard parameters,
GenerateDataKey for advanced ones (envelope encryption)."""

_SECRET_READ = (Dependent(actions=("kms:Decrypt",), via="secretsmanager"),)
"""Secrets Manager user guide, "Secret encryption and decryption", permissions for the KMS key."""

_SECRET_WRITE = (Dependent(actions=("kms:Decrypt", "kms:GenerateDataKey"), via="secretsmanager"),)
"""The same page: writing a version takes both."""

_OBJECT_READ = (Dependent(actions=("kms:Decrypt",), via="s3"),)
"""S3 user guide, "Using server-side encryption with AWS KMS keys", permissions."""

_OBJECT_WRITE = (Dependent(actions=("kms:Decrypt", "kms:GenerateDataKey"), via="s3"),)
"""The same page: GenerateDataKey to upload, and Decrypt for an upload in parts."""

DEPENDENTS: Mapping[str, tuple[Dependent, ...]] = {
    # Images. CreateImage takes its snapshots itself: SAR lists no ec2:CreateSnapshot for it.
    "ec2:CreateImage": (_TAGS, *_EBS_KEYS),
    "ec2:CopyImage": (_TAGS, *_EBS_KEYS),
    "ec2:RegisterImage": (_TAGS, *_EBS_KEYS),
    "ec2:ImportImage": (_TAGS, *_EBS_KEYS),
    "ec2:CreateRestoreImageTask": (_TAGS, *_EBS_KEYS),
    # Snapshots and volumes
    "ec2:CreateSnapshot": (_TAGS, *_EBS_KEYS),
    "ec2:CreateSnapshots": (_TAGS, *_EBS_KEYS),
    "ec2:CopySnapshot": (_TAGS, *_EBS_KEYS),
    "ec2:ImportSnapshot": (_TAGS, *_EBS_KEYS),
    "ec2:CreateVolume": (_TAGS, *_EBS_KEYS),
    "ec2:AttachVolume": _EBS_KEYS,
    "ec2:CreateReplaceRootVolumeTask": (_TAGS, *_EBS_KEYS),
    # Instances: an encrypted volume is opened in the name of whoever starts them.
    "ec2:RunInstances": (_TAGS, *_EBS_KEYS),
    "ec2:StartInstances": _EBS_KEYS,
    # Parameters that may be SecureString
    "ssm:GetParameter": _SECURE_STRING_READ,
    "ssm:GetParameters": _SECURE_STRING_READ,
    "ssm:GetParametersByPath": _SECURE_STRING_READ,
    "ssm:GetParameterHistory": _SECURE_STRING_READ,
    "ssm:PutParameter": _SECURE_STRING_WRITE,
    # Secrets
    "secretsmanager:GetSecretValue": _SECRET_READ,
    "secretsmanager:BatchGetSecretValue": _SECRET_READ,
    "secretsmanager:PutSecretValue": _SECRET_WRITE,
    "secretsmanager:CreateSecret": _SECRET_WRITE,
    "secretsmanager:UpdateSecret": _SECRET_WRITE,
    # Objects under SSE-KMS
    "s3:GetObject": _OBJECT_READ,
    "s3:GetObjectVersion": _OBJECT_READ,
    "s3:PutObject": _OBJECT_WRITE,
}
"""What comes with each action. What depends on names that only a person knows is in `BY_HAND` instead."""

BY_HAND: Mapping[str, tuple[str, str]] = {
    # SAR, Amazon EC2, RunInstances: iam:PassRole is a way to more rights, so it is never given for all roles.
    "ec2:RunInstances": (
        "iam:PassRole",
        "instances with an instance profile need iam:PassRole on that profile's role",
    ),
    "ec2:AssociateIamInstanceProfile": ("iam:PassRole", "it needs iam:PassRole on the profile's role"),
    "ssm:SendCommand": (
        "iam:PassRole",
        "commands with a service role for notifications need iam:PassRole on that role",
    ),
}
"""Actions whose dependents nobody can grant without knowing which resource is meant: that action, and why."""


def dependents(actions: Iterable[str]) -> dict[Dependent, tuple[str, ...]]:
    """Each kind of dependent of some actions, which may hold wildcards, with the actions that bring it, in their order."""
    declared = tuple(actions)
    found: dict[Dependent, tuple[str, ...]] = {}
    for action, kinds in DEPENDENTS.items():
        if allows(action, declared):
            for each in kinds:
                found[each] = (*found.get(each, ()), action)
    return found


def dependent_actions(actions: Iterable[str]) -> tuple[str, ...]:
    """The dependent actions alone, each once: a session policy that leaves them out denies them."""
    return tuple(dict.fromkeys(action for each in dependents(actions) for action in each.actions))


def not_added(actions: Iterable[str], given: Iterable[str]) -> str:
    """What AWS also asks for on behalf of some actions, and is not among those that are `given`; empty where nothing is."""
    has, asking = (*actions, *given), {}
    for each, causes in dependents(actions).items():
        for action in each.actions:
            if not allows(action, has):
                asking[action] = causes
    causes = tuple(dict.fromkeys(cause for found in asking.values() for cause in found))
    if not causes:
        return ""
    some = ", ".join(causes[:3]) + (f" and {len(causes) - 3} more" if len(causes) > 3 else "")
    return f"who calls {some} may be asked for {', '.join(asking)} too, where keys of your own or new tags play a part"


def by_hand(actions: Iterable[str]) -> tuple[str, ...]:
    """One line for each of some actions that needs another one which is not granted by itself."""
    declared = tuple(actions)
    return tuple(
        f"{action}: {why}; add it with --allow {needed}@ARN"
        for action, (needed, why) in BY_HAND.items()
        if allows(action, declared) and not allows(needed, declared)
    )
