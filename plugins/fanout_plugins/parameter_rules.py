"""What Parameter Store takes: names, values, tiers, keys, patterns and tags. Reasons never hold a value.

Sources: the API reference of PutParameter, "Creating Parameter Store parameters" and "Managing parameter tiers" in the user
guide of Systems Manager.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

TYPES = ("String", "StringList", "SecureString")
STRING = "String"
STRING_LIST = "StringList"
SECURE = "SecureString"
STANDARD = "Standard"
ADVANCED = "Advanced"
TIERS = (STANDARD, ADVANCED, "Intelligent-Tiering")
MOST_BYTES: Mapping[str, int] = {STANDARD: 4096}
LARGEST = 8192
LONGEST_ARN = 1011
MOST_LEVELS = 15
MOST_TAGS = 50

_SHORTEST_PREFIX = len("arn:aws:ssm:us-east-1:111122223333:parameter/")
_NAME = re.compile(r"[a-zA-Z0-9_.\-/]+", re.ASCII)
_KEY_ID = re.compile(r"[a-zA-Z0-9:/_-]{1,256}", re.ASCII)
_NESTED = re.compile(r"\{\{\s*ssm(?:-secure)?:[^{}]*\}\}")
_TOKEN = re.compile(r"\{(?:account_id|account_name|region|partition|tag:[^{}]{1,128})\}")
_TAG_TOKEN = re.compile(r"\{tag:[^{}]{1,128}\}")
_LIKE_A_TOKEN = re.compile(r"\{([A-Za-z_-]{3,20})(:(?! )[^{}]*)?\}")
_TOKENS = ("account_id", "account_name", "region", "partition", "tag")


def nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """The known name that is most like a mistyped one; empty where none is."""
    by_folded = {each.lower(): each for each in known}
    found = difflib.get_close_matches(name.lower().replace("-", "_"), by_folded, 1, cutoff)
    return by_folded[found[0]] if found else ""


def name_faults(name: str) -> Iterator[str]:
    """Why Parameter Store would not take a name."""
    bare = name.lstrip("/")
    if not _NAME.fullmatch(name):
        # not repeated: where the columns of a file are swapped, it is a value
        yield "a name takes letters, digits and the signs . - _ /"
        return
    if "/" in name and not name.startswith("/"):
        yield f"{name!r}: a name with levels begins with /"
    if name.endswith("/") or "//" in name:
        yield f"{name!r}: a level of it is empty"
    if bare.lower().startswith(("aws", "ssm")):
        yield f"{name!r}: names that begin with aws or ssm are AWS's own"
    if name.count("/") > MOST_LEVELS:
        yield f"{name[:40]!r}…: it has {name.count('/')} levels, and AWS takes {MOST_LEVELS}"
    if len(bare) > LONGEST_ARN - _SHORTEST_PREFIX:
        yield (
            f"{name[:40]!r}…: it has {len(name):,} characters, and with its ARN before it AWS takes {LONGEST_ARN:,} "
            f"({LONGEST_ARN - _SHORTEST_PREFIX} in us-east-1)"
        )


def arn_faults(name: str, partition: str, region: str, account_id: str) -> Iterator[str]:
    """Why the ARN of a parameter would be too long in a region."""
    length = len(f"arn:{partition}:ssm:{region}:{account_id}:parameter/{name.lstrip('/')}")
    if length > LONGEST_ARN:
        yield f"{name[:40]!r}…: its ARN in {region} has {length:,} characters, and AWS takes {LONGEST_ARN:,}"


def value_faults(value: str, tier: str, pattern: str | None) -> Iterator[str]:
    """Why Parameter Store would not take a value."""
    if not value:
        yield "it is empty, and a parameter holds at least one character"
        return
    size, most = len(value.encode("utf-8", "surrogatepass")), MOST_BYTES.get(tier, LARGEST)
    if size > most:
        more = f"; the {ADVANCED} tier, which costs money, takes {LARGEST:,}" if most < size <= LARGEST else ""
        yield f"it has {size:,} bytes, and the {tier} tier takes {most:,}{more}"
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        yield "it holds half a character (a lone surrogate)"
    if _NESTED.search(value):
        yield "it holds {{ssm:…}}, and AWS refuses references to other parameters"
    if pattern and _no_regex(pattern) == "" and not re.search(pattern, value):
        yield "it does not match the allowed pattern"


def template_faults(value: str) -> Iterator[str]:
    """What looks like a token and is none, so that it would be written as it stands."""
    for found in _LIKE_A_TOKEN.finditer(value):
        near = nearest(found[1], _TOKENS, 0.8)
        if near and (near == "tag" or not found[2]) and not _TOKEN.fullmatch(found[0]):
            meant = "{tag:KEY}" if near == "tag" else f"{{{near}}}"
            yield f"{{{found[1]}}} is no token of --template: did you mean {meant}?"


def has_tokens(value: str) -> bool:
    """Whether --template replaces something in a value."""
    return _TOKEN.search(value) is not None


def names_tags(value: str) -> bool:
    """Whether a value names a tag of the account."""
    return _TAG_TOKEN.search(value) is not None


def pattern_faults(pattern: str) -> Iterator[str]:
    """Why Parameter Store would not take an allowed pattern."""
    if len(pattern) > 1024:
        yield f"it has {len(pattern):,} characters, and AWS takes 1,024"
    if (reason := _no_regex(pattern)) and not reason.startswith("bad escape"):
        yield f"it is no regular expression: {reason}"


def _no_regex(pattern: str) -> str:
    """Why Python finds a pattern to be no regular expression; AWS's dialect has escapes that Python's lacks."""
    try:
        re.compile(pattern)
    except re.error as error:
        return error.msg
    return ""


def key_faults(key_id: str, type_: str) -> Iterator[str]:
    """Why a KMS key does not go with a parameter."""
    if not _KEY_ID.fullmatch(key_id):
        yield "it is no id, alias or ARN of a key"
    if type_ in TYPES and type_ != SECURE:
        yield f"a key is for {SECURE} alone, and this is a {type_}"


def description_faults(description: str) -> Iterator[str]:
    """Why Parameter Store would not take a description."""
    if len(description) > 1024:
        yield f"it has {len(description):,} characters, and AWS takes 1,024"


def tags_faults(tags: Mapping[str, str]) -> Iterator[str]:
    """Why AWS would not take the tags of a parameter."""
    if len(tags) > MOST_TAGS:
        yield f"{len(tags)} tags, and AWS takes {MOST_TAGS}"
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or not _is_for_tags(key):
            yield f"the key {key[:40]!r}: 1 to 128 letters, digits, spaces and the signs _ . : / = + - @"
        if key.lower().startswith("aws:"):
            yield f"the key {key[:40]!r}: keys that begin with aws: are AWS's own"
        if len(value) > 256 or not _is_for_tags(value):
            yield f"the value of {key[:40]!r}: at most 256 letters, digits, spaces and the signs _ . : / = + - @"


def _is_for_tags(text: str) -> bool:
    return all(letter in "_.:/=+-@" or unicodedata.category(letter)[0] in "LZN" for letter in text)
