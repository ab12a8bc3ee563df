"""Writes parameters: one request for each, its tier and key kept, and a lost answer looked for before anything is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from fanout import Context
from fanout_plugins.parameter_reading import Details, State, code_of, read_details, read_tags, read_values, tag_list
from fanout_plugins.parameter_rules import ADVANCED
from fanout_plugins.parameter_wanted import Wanted

PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between looks at what a lost answer may have changed."""

Action = Literal["create", "update", "none", "refuse"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be done about a parameter; `reason` says why it is refused."""

    action: Action
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What PutParameter made. `tier` is None where its answer was lost."""

    version: int
    tier: str | None = None


@dataclass(slots=True)
class Writer:
    """Writes the parameters of one target.

    `compare` says that secrets may be decrypted. `updates` are the names that are to be overwritten, `known` the details
    of those about which something was asked.
    """

    ctx: Context
    compare: bool
    updates: Sequence[str] = ()
    known: dict[str, Details] = field(default_factory=dict)

    async def put(self, wanted: Wanted, before: State | None) -> Written:
        """Write one parameter. An Advanced one stays Advanced, a secret keeps its key unless another was asked for.

        Where the answer is lost it is looked for; the error is raised where it is still not known.
        """
        request = self._request(wanted, before)
        try:
            return await self._send(wanted, before, request)
        except Exception as error:
            if not await self._would_downgrade(error, wanted, request):
                self.ctx.log.warning("a parameter was not written", parameter=wanted.name, code=code_of(error))
                raise
        return await self._send(wanted, before, {**request, "Tier": ADVANCED})

    async def add_tags(self, name: str, tags: Mapping[str, str]) -> None:
        """Add tags to a parameter; where the answer is lost, they are looked for."""
        try:
            await self.ctx.client("ssm").add_tags_to_resource(
                ResourceType="Parameter", ResourceId=name, Tags=tag_list(tags)
            )
        except Exception as error:
            if not self.ctx.lost(error) or not await self._tagged(name, tags):
                self.ctx.log.warning("tags were not added to a parameter", parameter=name, code=code_of(error))
                raise

    def _request(self, wanted: Wanted, before: State | None) -> dict[str, Any]:
        details = self.known.get(wanted.name)
        kept = details.key_id if details and wanted.secret and before and before.secret else None
        optional = {
            "KeyId": wanted.key_id or kept,
            "Description": wanted.description,
            "AllowedPattern": wanted.allowed_pattern,
            "Tags": tag_list(wanted.tags) if before is None and wanted.tags else None,
            "Overwrite": None if before is None else True,
        }
        advanced = details is not None and details.tier == ADVANCED
        return {
            "Name": wanted.name,
            "Value": wanted.value,
            "Type": wanted.type,
            # always sent: the account's default tier may be one that costs money
            "Tier": ADVANCED if advanced else wanted.tier,
            **{name: value for name, value in optional.items() if value is not None},
        }

    async def _send(self, wanted: Wanted, before: State | None, request: Mapping[str, Any]) -> Written:
        try:
            answer = await self.ctx.client("ssm").put_parameter(**request)
        except Exception as error:
            found = await self._arrived(wanted, before) if self.ctx.lost(error) else None
            if found is None:
                raise
            return found
        return Written(int(answer["Version"]), answer.get("Tier"))

    async def _arrived(self, wanted: Wanted, before: State | None) -> Written | None:
        """The version that a lost answer would have told, if it is there within some seconds."""
        if wanted.secret and not self.compare:
            return None
        known = before.version if before else 0
        for pause in PAUSES:
            await self.ctx.sleep(pause)
            state = (await read_values(self.ctx, [wanted.name], _secrets([wanted]))).get(wanted.name)
            if state and state.version > known and (state.type, state.value) == (wanted.type, wanted.value):
                return Written(state.version)
        return None

    async def _would_downgrade(self, error: Exception, wanted: Wanted, request: Mapping[str, Any]) -> bool:
        """Whether AWS refused because the parameter is Advanced; what else is to be overwritten is asked for along with it."""
        refused = code_of(error) == "ValidationException" and "Overwrite" in request and request["Tier"] != ADVANCED
        if not refused or wanted.name in self.known:
            return False
        names = dict.fromkeys([wanted.name, *(name for name in self.updates if name not in self.known)])
        self.known |= await read_details(self.ctx, list(names))
        return wanted.name in self.known and self.known[wanted.name].tier == ADVANCED

    async def _tagged(self, name: str, tags: Mapping[str, str]) -> bool:
        for pause in PAUSES:
            await self.ctx.sleep(pause)
            have = await read_tags(self.ctx, name)
            if all(have.get(key) == value for key, value in tags.items()):
                return True
        return False


def judge(wanted: Wanted, state: State | None, *, compare: bool) -> Judgement:
    """What is to be done about a parameter that is as `state` says (None: there is none)."""
    if state is None:
        return Judgement("create")
    if not compare:
        reason = "it exists, and with --no-compare nobody looks whether it has this value"
        return Judgement("update") if wanted.overwrite else Judgement("refuse", reason)
    different = differences(wanted, state)
    if not different:
        return Judgement("none")
    reason = f"it exists with another {', '.join(different)}"
    return Judgement("update") if wanted.overwrite else Judgement("refuse", reason)


def differences(wanted: Wanted, state: State) -> list[str]:
    """In what a parameter is not as it shall be, tags aside."""
    found = [] if wanted.type == state.type else ["type"]
    found += [] if wanted.value == state.value else ["value"]
    details = state.details
    if details is None:
        return found
    found += ["tier"] if wanted.tier == ADVANCED != details.tier else []
    found += ["key"] if wanted.key_id is not None and not _same_key(wanted.key_id, details.key_id) else []
    found += ["description"] if _other(wanted.description, details.description) else []
    found += ["allowed pattern"] if _other(wanted.allowed_pattern, details.allowed_pattern) else []
    return found


def needs_details(wanted: Wanted) -> bool:
    """Whether more than value and type was asked for, so that more has to be compared."""
    told = (wanted.key_id, wanted.description, wanted.allowed_pattern)
    return wanted.tier == ADVANCED or any(each is not None for each in told)


def keeps_key(wanted: Wanted, state: State) -> bool:
    """Whether the key that a secret has must be known, so that it does not become the account's default."""
    return wanted.secret and state.secret and wanted.key_id is None and state.details is None


def with_tags(state: State, tags: Mapping[str, str] | None) -> State:
    """The state with its tags, where they are known."""
    return state if tags is None else replace(state, tags=tags)


def _secrets(wanted: Sequence[Wanted]) -> set[str]:
    return {each.name for each in wanted if each.secret}


def _other(wanted: str | None, there: str | None) -> bool:
    return wanted is not None and (wanted or None) != there


def _same_key(one: str, other: str | None) -> bool:
    """Whether two ids, aliases or ARNs name the same key, as far as they tell."""
    return other is not None and _bare_key(one) == _bare_key(other)


def _bare_key(key: str) -> str:
    return key.rpartition(":")[2].removeprefix("key/")
