"""Names of images, made of a template, and the tags by which fanout knows what it made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches

from fanout import Context, UsageError

TAG_RUN = "fanout:run"
"""The tag that holds the run that made an image or a snapshot."""

TAG_INSTANCE = "fanout:instance"
"""The tag that holds the instance that an image or a snapshot is of."""

TAG_TASK = "fanout:task"
"""The tag that holds the task that made an image or a snapshot."""

TASK = "create-images"
"""The value of `TAG_TASK` on what this task made."""

FIELDS = ("run", "time", "name", "instance_id", "account_id", "account_name", "region")
"""What a template may hold between braces."""

UNNAMED = "unnamed"
"""What {name} is of an instance without the tag Name."""

SHORTEST, LONGEST = 3, 128
"""How many characters the name of an image has (API reference of EC2, CreateImage)."""

_FIELD = re.compile(r"\{([^{}]*)\}")
_FOREIGN = re.compile(r"[^A-Za-z0-9()\[\] ./\-'@_]")
_TIME = re.compile(r"\d{8}-\d{6}")


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """What images are called, with fields between braces, as in nightly-{name}-{time}."""

    text: str

    @classmethod
    def parse(cls, text: str) -> NameTemplate:
        """Read a template.

        :raises UsageError: if a field is unknown, or the rest holds what no name of an image may.
        """
        for field in _FIELD.findall(text):
            if field not in FIELDS:
                near = get_close_matches(field.lower(), FIELDS, n=1, cutoff=0.5)
                there_are = ", ".join(f"{{{each}}}" for each in FIELDS)
                hint = f"did you mean {{{near[0]}}}?" if near else f"there are {there_are}"
                raise UsageError(f"{text!r} has the unknown field {{{field}}}", hint)
        if found := _FOREIGN.search(_FIELD.sub("", text)):
            hint = "AWS takes letters, digits, spaces, and ( ) [ ] . / - ' @ _; fields stand between braces"
            raise UsageError(f"{text!r}: the name of an image cannot hold {found[0]!r}", hint)
        if not text:
            raise UsageError("a name for images cannot be empty", "leave it out for the default")
        return cls(text)

    def __str__(self) -> str:
        return self.text

    @property
    def is_fixed(self) -> bool:
        """Whether each run gives an image the same name: the template has neither {run} nor {time}."""
        return not {"run", "time"} & set(_FIELD.findall(self.text))

    def of(self, ctx: Context, instance_id: str, name: str | None) -> str:
        """The name of an instance's image in this run; `name` is the instance's tag Name.

        What names of images cannot hold becomes a dash.

        :raises UsageError: if the name is too short or too long for AWS.
        """
        fields = {
            "run": ctx.run_id,
            "time": time_of(ctx.run_id),
            "name": name or UNNAMED,
            "instance_id": instance_id,
            "account_id": ctx.account.id,
            "account_name": ctx.account.name or UNNAMED,
            "region": ctx.region,
        }
        made = _FIELD.sub(lambda found: _FOREIGN.sub("-", fields[found[1]]), self.text)
        if not SHORTEST <= len(made) <= LONGEST:
            what = f"the name of its image would be {made!r}: {len(made)} characters, where AWS takes {SHORTEST} to {LONGEST}"
            raise UsageError(what, "give another --name")
        return made


DEFAULT_NAME = NameTemplate("fanout-{name}-{instance_id}-{run}")
"""What images are called where nothing else is said."""


def time_of(run_id: str) -> str:
    """The time of a run as its id tells it, so that it stays the same when the run is resumed: 20261122-093558."""
    found = _TIME.match(run_id)
    return found[0] if found else run_id


def own_tags(run_id: str, instance_id: str) -> dict[str, str]:
    """The tags of an image that this run makes of an instance, and of its snapshots."""
    return {TAG_RUN: run_id, TAG_INSTANCE: instance_id, TAG_TASK: TASK}
