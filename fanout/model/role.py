"""How to get in: hops of a role chain, session tags, and a session policy that a person chose."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from fanout.model.checks import check_external_id, check_role, role_account
from fanout.model.errors import UsageError
from fanout.model.policy import SESSION_POLICY_LIMIT, document_text

MOST_TAGS = 50
"""Session tags that AssumeRole takes (the STS API reference)."""

_TAG_KEY = re.compile(r"[\w .:/=+\-@]{1,128}")
_TAG_VALUE = re.compile(r"[\w .:/=+\-@]{0,256}")
_POLICY_ARN = re.compile(r"arn:aws(?:-[a-z]+)*:iam::(aws|\d{12}|\{account_id\}):policy/[\w+=,.@/-]{1,512}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hop:
    """One role on the way to all accounts, before their own."""

    arn: str
    external_id: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, text: str) -> Hop:
        """Read `ARN[,external-id=…]`.

        :raises UsageError: if it is anything else.
        """
        arn, *rest = (part.strip() for part in text.split(","))
        filled = arn.replace("{partition}", "aws")
        check_role(filled)
        if role_account(filled) is None:
            raise UsageError(
                f"{arn!r} is not the ARN of a role",
                "each hop is one role in one account: arn:aws:iam::111122223333:role/NAME[,external-id=…]",
            )
        external_id: str | None = None
        for part in rest:
            name, _, value = part.partition("=")
            if name != "external-id" or external_id is not None:
                raise UsageError(
                    f"the hop {arn} is followed by {name!r}", "after its ARN a hop takes external-id=… alone"
                )
            check_external_id(value)
            external_id = value
        return cls(arn=arn, external_id=external_id)

    def __str__(self) -> str:
        return self.arn + (",external-id=***" if self.external_id is not None else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTag:
    """A tag of the session in the account; a transitive one goes on with every further role."""

    key: str
    value: str
    transitive: bool = False

    @classmethod
    def parse(cls, text: str) -> SessionTag:
        """Read `KEY=VALUE[,transitive]`.

        :raises UsageError: if STS would not take it.
        """
        pair, comma, word = text.partition(",")
        key, sign, value = (part.strip() for part in pair.partition("="))
        if comma and word.strip() != "transitive":
            raise UsageError(f"the session tag {key!r} is followed by {word!r}", "only ,transitive may follow")
        if not sign or not _TAG_KEY.fullmatch(key):
            raise UsageError(
                f"{text!r} is not a session tag",
                "write KEY=VALUE or KEY=VALUE,transitive; a key has 1 to 128 letters, digits, spaces or any of _.:/=+-@",
            )
        if key.lower().startswith("aws:"):
            raise UsageError(f"the session tag {key!r} begins with aws:, which AWS keeps for itself")
        if not _TAG_VALUE.fullmatch(value):
            raise UsageError(
                f"the value of the session tag {key!r} is not one that STS takes",
                "it has at most 256 letters, digits, spaces or any of _.:/=+-@",
            )
        return cls(key=key, value=value, transitive=bool(comma))

    def __str__(self) -> str:
        return f"{self.key}={self.value}" + (",transitive" if self.transitive else "")


def check_tags(tags: tuple[SessionTag, ...]) -> None:
    """Check that tags fit together.

    :raises UsageError: if there are too many, or two of one key (AWS ignores their case).
    """
    if len(tags) > MOST_TAGS:
        raise UsageError(f"{len(tags)} session tags were given, and STS takes {MOST_TAGS}")
    seen: set[str] = set()
    for tag in tags:
        if tag.key.lower() in seen:
            raise UsageError(f"the session tag {tag.key!r} was given twice", "AWS ignores the case of keys")
        seen.add(tag.key.lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPolicy:
    """What a session may do at most, as a person chose it: the ARN of a managed policy, or a document of their own.

    `arn` may hold {account_id} and {partition}; `document` is compact JSON; `origin` is the file that it came from.
    """

    arn: str | None = None
    document: str | None = field(default=None, repr=False)
    origin: str = ""

    @classmethod
    def of_arn(cls, text: str) -> SessionPolicy:
        """Read the ARN of a managed policy.

        :raises UsageError: if it is none.
        """
        if not _POLICY_ARN.fullmatch(text.replace("{partition}", "aws")):
            raise UsageError(
                f"{text!r} is not the ARN of a managed policy",
                "write arn:aws:iam::aws:policy/ReadOnlyAccess, or arn:{partition}:iam::{account_id}:policy/NAME",
            )
        return cls(arn=text, origin=text)

    @classmethod
    def of_document(cls, text: str, origin: str) -> SessionPolicy:
        """Read a policy document; `origin` names it in messages.

        :raises UsageError: with line and column where it is no JSON; if it is no policy, or too long.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            where = f"line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else "it"
            raise UsageError(f"the session policy {origin} is not JSON: {where}: {error}") from None
        for mistake in _mistakes(document):
            raise UsageError(f"the session policy {origin} is not a policy: {mistake}")
        compact = document_text(document)
        if len(compact) > SESSION_POLICY_LIMIT:
            raise UsageError(
                f"the session policy {origin} is {len(compact)} characters long, and AWS takes {SESSION_POLICY_LIMIT}",
                "write fewer statements, or give the ARN of a managed policy",
            )
        return cls(document=compact, origin=origin)

    def __str__(self) -> str:
        return self.origin


def _mistakes(document: object) -> list[str]:
    """Why AWS would not take a document as a session policy."""
    if not isinstance(document, dict) or not document.get("Statement"):
        return ["it is no object with a Statement"]
    statements = document["Statement"]
    found: list[str] = []
    for number, each in enumerate(statements if isinstance(statements, list) else [statements], start=1):
        found += [f"statement {number} {what}" for what in _mistakes_in(each)]
    return found


def _mistakes_in(statement: object) -> list[str]:
    if not isinstance(statement, dict):
        return ["is no object"]
    found = [] if statement.get("Effect") in ("Allow", "Deny") else ["has no Effect of Allow or Deny"]
    if "Principal" in statement or "NotPrincipal" in statement:
        found.append("has a Principal, which belongs in a trust policy")
    if ("Action" in statement) == ("NotAction" in statement):
        found.append("needs either Action or NotAction")
    if ("Resource" in statement) == ("NotResource" in statement):
        found.append("needs either Resource or NotResource")
    return found
