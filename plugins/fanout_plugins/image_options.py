"""The options of the tasks that make and remove images: what each takes, and what is refused before anything runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fanout import UsageError
from fanout_plugins.image_names import DEFAULT_NAME, NameTemplate

LONGEST_DESCRIPTION = 255
_INSTANCE = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_ACCOUNT = re.compile(r"\d{12}")
_REGION = re.compile(r"[a-z]{2,4}(?:-[a-z]+)+-\d+")
_KEY_ARN = re.compile(r"arn:[\w-]+:kms:(?P<region>[\w-]+):\d{12}:\S+")


@dataclass(frozen=True, slots=True)
class InstanceId:
    """The id of an instance, as in i-0123456789abcdef0."""

    text: str

    @classmethod
    def parse(cls, text: str) -> InstanceId:
        """Read an id.

        :raises ValueError: if it is none.
        """
        if not _INSTANCE.fullmatch(text):
            raise ValueError(f"{text!r} is not the id of an instance: i- and 17 (or 8) of 0-9 and a-f")
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class TagChoice:
    """A tag that instances shall have: a key and a value, in which * stands for any characters."""

    key: str
    value: str

    @classmethod
    def parse(cls, text: str) -> TagChoice:
        """Read Key=Value.

        :raises ValueError: if it is none.
        """
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ValueError(f"{text!r} is not a tag: write Key=Value, as in env=prod")
        return cls(key, value)

    def __str__(self) -> str:
        return f"{self.key}={self.value}"

    @property
    def pattern(self) -> str:
        """The value as a filter of EC2 takes it, where ? would stand for a character and a backslash takes that away."""
        return self.value.replace("\\", "\\\\").replace("?", "\\?")


@dataclass(frozen=True, slots=True)
class NewTag:
    """A tag that images shall get."""

    key: str
    value: str

    @classmethod
    def parse(cls, text: str) -> NewTag:
        """Read Key=Value; the value may be empty.

        :raises ValueError: if AWS would not take it, or it is one of fanout's own.
        """
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise ValueError(f"{text!r} is not a tag: write Key=Value, as in cost-center=42")
        if key.lower().startswith(("aws:", "fanout:")):
            raise ValueError(f"the key {key!r} cannot be given: aws: is AWS's, fanout: is fanout's own")
        if len(key) > 128 or len(value) > 256:
            raise ValueError(f"the tag {key[:40]!r} is too long: 128 characters for the key, 256 for the value")
        return cls(key, value)

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True, slots=True)
class AccountId:
    """The id of an account: 12 digits."""

    text: str

    @classmethod
    def parse(cls, text: str) -> AccountId:
        """Read an id.

        :raises ValueError: if it is none.
        """
        if not _ACCOUNT.fullmatch(text):
            raise ValueError(f"{text!r} is not the id of an account: 12 digits")
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class RegionName:
    """The name of a region. Whether there is such a region, and the account has it, is asked in each account."""

    text: str

    @classmethod
    def parse(cls, text: str) -> RegionName:
        """Read a name.

        :raises ValueError: if no region is called so.
        """
        if not _REGION.fullmatch(text):
            raise ValueError(f"{text!r} is not the name of a region, such as eu-west-1")
        return cls(text)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What images shall be made, of which instances, and what shall become of them: the task's options."""

    instance: Sequence[InstanceId] = ()
    tag: Sequence[TagChoice] = ()
    name: NameTemplate = DEFAULT_NAME
    description: str = ""
    reboot: bool = False
    copy_tags: bool = True
    add_tag: Sequence[NewTag] = ()
    wait: bool = False
    copy_to: Sequence[RegionName] = ()
    kms_key_id: str = ""
    share_with: Sequence[AccountId] = ()

    @property
    def waits(self) -> bool:
        """Whether an image must be available before all is done: only then can it be copied or shared."""
        return self.wait or bool(self.copy_to or self.share_with)

    @property
    def awaits_copies(self) -> bool:
        """The same for copies."""
        return self.wait or bool(self.share_with)

    @property
    def accounts(self) -> list[str]:
        """The accounts to share with."""
        return list(dict.fromkeys(each.text for each in self.share_with))

    def regions(self, own: str) -> list[str]:
        """The regions to copy to from a region; an image is there already where it was made."""
        return [each for each in dict.fromkeys(region.text for region in self.copy_to) if each != own]


def check_order(
    *,
    instance: Sequence[InstanceId],
    tag: Sequence[TagChoice],
    description: str,
    add_tag: Sequence[NewTag],
    copy_to: Sequence[RegionName],
    kms_key_id: str,
    **_others: object,
) -> None:
    """Judge the options of create-images together.

    :raises UsageError: if they name no instances, or contradict each other.
    """
    if not instance and not tag:
        hint = "choose with --tag Key=Value, as in --tag env=prod, or with --instance i-0123456789abcdef0"
        raise UsageError("no instances are chosen", hint)
    if len(description) > LONGEST_DESCRIPTION:
        raise UsageError(f"--description has {len(description)} characters, AWS takes {LONGEST_DESCRIPTION}")
    keys = [each.key for each in add_tag]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise UsageError(f"--add-tag gives {', '.join(twice)} more than once", "give each key one value")
    _check_key(kms_key_id, {each.text for each in copy_to})


def _check_key(key: str, regions: Collection[str]) -> None:
    if not key:
        return
    if not regions:
        hint = "an image's own snapshots are encrypted as the instance's volumes are"
        raise UsageError("--kms-key-id is the key of copies, and there are none: give --copy-to", hint)
    arn = _KEY_ARN.fullmatch(key)
    if arn and set(regions) != {arn["region"]}:
        hint = "name the key by an alias that each of the regions has, or by the id of a multi-Region key"
        raise UsageError(f"--kms-key-id is a key of {arn['region']}, --copy-to is {', '.join(sorted(regions))}", hint)
