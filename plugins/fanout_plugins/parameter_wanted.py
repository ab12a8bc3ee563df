"""Which parameters are asked for: by options, or by a file of many; and all that can be said against them beforehand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import fanout_plugins.parameter_rules as rules
from fanout import Content, Context, UsageError

Format = Literal["yaml", "json", "csv"]
Type = Literal["String", "StringList", "SecureString"]
Tier = Literal["Standard", "Advanced", "Intelligent-Tiering"]

FIELDS = ("name", "value", "type", "key_id", "tier", "description", "tags", "allowed_pattern", "overwrite")
_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag as an option: KEY=VALUE; the value may be empty."""

    key: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Tag:
        """Read KEY=VALUE.

        :raises ValueError: if it is not that.
        """
        key, equals, value = text.partition("=")
        if not key.strip() or not equals:
            raise ValueError(f"{text!r} is not a tag: write KEY=VALUE")
        return cls(key.strip(), value.strip())

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of put-parameters, as they were given."""

    name: str | None
    value_file: Content | None
    type: Type | None
    file: Content | None
    file_format: Format | None
    template: bool
    key_id: str | None
    tier: Tier | None
    description: str | None
    tag: Sequence[Tag]
    allowed_pattern: str | None
    overwrite: bool
    compare: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a parameter was asked for; the source is empty for the command line. `lines` are those of its fields."""

    source: str
    line: int
    lines: Mapping[str, int]

    def of(self, name: str) -> str:
        """What a message begins with that is about one field: the file's own, or that of the option."""
        if self.source and name in self.lines:
            return f"{self.source}:{self.lines[name]}: {name}"
        option = {"value": "value-file", "tags": "tag"}.get(name, name)
        return f"--{option.replace('_', '-')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One parameter as it shall be. What is None was not asked for, and stays as it is."""

    name: str
    value: str = field(repr=False)
    type: str
    key_id: str | None = None
    tier: str = rules.STANDARD
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    allowed_pattern: str | None = None
    overwrite: bool = False
    place: Place = field(default=Place("", 0, {}), compare=False)

    @property
    def secret(self) -> bool:
        """Whether its value may be shown to nobody."""
        return self.type == rules.SECURE


def refuse(mistakes: Sequence[str], hint: str = "nothing was sent") -> None:
    """Refuse all mistakes at once, if there are any.

    :raises UsageError: with each of them.
    """
    if len(mistakes) == 1:
        raise UsageError(mistakes[0], hint)
    if mistakes:
        raise UsageError("".join([f"{len(mistakes)} mistakes:", *(f"\n  {each}" for each in mistakes)]), hint)


def check(asked: Asked) -> None:
    """Judge what is asked for, as far as that can be done without AWS.

    :raises UsageError: with all mistakes at once, each with its file, line and field, and no value.
    """
    refuse(list(_of_options(asked)))
    wanted, mistakes = collected(asked)
    seen: dict[str, Place] = {}
    for each in wanted:
        mistakes += _faults(each, template=asked.template)
        if each.name in seen:
            mistakes.append(
                f"{each.place.of('name')}: {each.name!r} stands twice, first in line {seen[each.name].line}"
            )
        seen.setdefault(each.name, each.place)
    refuse(mistakes)


def wanted_of(asked: Asked) -> list[Wanted]:
    """The parameters that are asked for, once `check` has found nothing against them."""
    return collected(asked)[0]


def collected(asked: Asked) -> tuple[list[Wanted], list[str]]:
    """The parameters that are asked for, as far as they can be told, and what is wrong with their form.

    :raises UsageError: if the file cannot be read at all.
    """
    if asked.file is None:
        place = Place("", 0, {})
        fields: dict[str, Any] = {"name": asked.name, "value": asked.value_file.text if asked.value_file else None}
        found, wrong = _wanted(asked, fields, place)
        return [found] if found else [], wrong
    wanted: list[Wanted] = []
    mistakes: list[str] = []
    for record in asked.file.records(asked.file_format):
        place = Place(asked.file.named, record.line, {name: each.line for name, each in record.fields.items()})
        wrong = [_placed(asked.file.named, each.line, each.field, each.reason) for each in record.mistakes]
        skipped = {each.field for each in record.mistakes}
        fields = {name: each.value for name, each in record.fields.items() if name not in skipped}
        found, of_form = (None, []) if "" in skipped else _wanted(asked, fields, place, skipped)
        mistakes += wrong + of_form
        wanted += [found] if found else []
    return wanted, mistakes


def filled(ctx: Context, asked: Asked) -> list[Wanted]:
    """The parameters as they shall be on this target: tokens replaced, secrets concealed, sizes and patterns checked.

    :raises UsageError: with all mistakes at once, and no value.
    """
    wanted, mistakes = [], []
    for each in wanted_of(asked):
        text = ctx.fill(each.value) if asked.template else each.value
        if each.secret:
            ctx.conceal(text)
        wanted.append(replace(each, value=text))
        faults = rules.value_faults(text, each.tier, each.allowed_pattern) if asked.template else ()
        mistakes += [f"{each.place.of('value')}: of {each.name}: {reason}" for reason in faults]
        too_long = rules.arn_faults(each.name, ctx.partition, ctx.region, ctx.account.id)
        mistakes += [f"{each.place.of('name')}: {reason}" for reason in too_long]
    refuse(mistakes, f"nothing was written in account {ctx.account.id}, {ctx.region}")
    return wanted


def _of_options(asked: Asked) -> Iterator[str]:
    """What does not go together."""
    if asked.file is None and asked.name is None:
        yield "name a parameter with --name and --value-file, or a file of many with --file"
    elif asked.file is not None and (asked.name is not None or asked.value_file is not None):
        yield "--file has names and values of its own: leave out --name and --value-file"
    elif asked.file is None and asked.value_file is None:
        yield "--name needs --value-file: PATH, - for stdin, or env:NAME; a value is never typed on the command line"
    if asked.file is None and asked.file_format is not None:
        yield "--file-format is about --file, and there is none"
    keys = [each.key for each in asked.tag]
    for key in dict.fromkeys(key for key in keys if keys.count(key) > 1):
        yield f"--tag: {key!r} stands twice"


def _placed(source: str, line: int, name: str, reason: str) -> str:
    return f"{source}:{line}: {f'{name}: ' if name else ''}{reason}"


def _wanted(
    asked: Asked, fields: Mapping[str, Any], place: Place, skipped: Collection[str] = ()
) -> tuple[Wanted | None, list[str]]:
    """One parameter of its fields, with the options for what they leave out, and the mistakes in its form.

    What has no form is left out of it, so that all else can be judged too; None where name or value cannot be told.
    """
    mistakes = [*_unknown(fields, place), *_forms(fields, place)]
    told = {name: value for name, value in fields.items() if isinstance(value, str)}
    type_ = told.get("type", asked.type or rules.STRING)
    for name, value in (("name", fields.get("name")), ("value", fields.get("value"))):
        if name not in skipped and (value is None or (name != "value" and not value)):
            mistakes.append(f"{_missing_place(place, name)} is missing")
    value = fields.get("value")
    if isinstance(value, list) and type_ != rules.STRING_LIST:
        mistakes.append(f"{place.of('value')}: a list is the value of a StringList, and this is a {type_}")
    tags = _tags(fields.get("tags"), place, mistakes)
    if not told.get("name") or not isinstance(value, str | list) or any(not isinstance(each, str) for each in value):
        return None, mistakes
    wanted = Wanted(
        name=told["name"],
        value=_text(value),
        type=type_,
        key_id=told.get("key_id", asked.key_id if type_ == rules.SECURE or asked.file is None else None),
        tier=told.get("tier", asked.tier or rules.STANDARD),
        description=told.get("description", asked.description),
        tags={each.key: each.value for each in asked.tag} | tags,
        allowed_pattern=told.get("allowed_pattern", asked.allowed_pattern),
        overwrite=told["overwrite"].lower() in _YES if "overwrite" in told else asked.overwrite,
        place=place,
    )
    return wanted, mistakes


def _missing_place(place: Place, name: str) -> str:
    return f"{place.source}:{place.lines.get(name, place.line)}: {name}" if place.source else place.of(name)


def _unknown(fields: Mapping[str, Any], place: Place) -> Iterator[str]:
    for name in fields:
        if name not in FIELDS:
            near = rules.nearest(name, FIELDS)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(FIELDS)}"
            yield f"{place.source}:{place.lines[name]}: {name[:40]!r} is no field of a parameter; {hint}"


def _forms(fields: Mapping[str, Any], place: Place) -> Iterator[str]:
    """Fields that are lists or maps where a text is meant, and the other way round."""
    for name, value in fields.items():
        if name not in FIELDS or name == "tags" or isinstance(value, str) or value is None:
            continue
        if name != "value" or not isinstance(value, list):
            yield f"{place.of(name)}: it is a list or a map, and a text is meant"
        elif any(item is None or "," in item for item in value):
            yield f"{place.of(name)}: an item of the list is null, or holds a comma, which separates items"
    overwrite = fields.get("overwrite")
    if isinstance(overwrite, str) and overwrite.lower() not in (*_YES, *_NO):
        yield f"{place.of('overwrite')}: write true or false"


def _text(value: str | list[str]) -> str:
    """A value as Parameter Store takes it: a list becomes the text that a StringList is."""
    return value if isinstance(value, str) else ",".join(value)


def _tags(told: Any, place: Place, mistakes: list[str]) -> dict[str, str]:
    """Tags of a map, or of a text such as key=value;key2=value2."""
    pairs: list[tuple[str, Any]] = []
    if isinstance(told, Mapping):
        pairs = list(told.items())
    elif isinstance(told, str):
        pairs = [(key, value if equals else None) for key, equals, value in _parts(told)]
    elif told is not None:
        mistakes.append(f"{place.of('tags')}: write a map of keys and values, or key=value;key2=value2")
    mistakes += [f"{place.of('tags')}: {key[:40]!r} has no value" for key, value in pairs if value is None]
    if len({key for key, _ in pairs}) < len(pairs):
        mistakes.append(f"{place.of('tags')}: a key stands twice")
    return {key: value for key, value in pairs if value is not None}


def _parts(told: str) -> list[tuple[str, str, str]]:
    parts = (part.strip().partition("=") for part in told.split(";") if part.strip())
    return [(key.strip(), equals, value.strip()) for key, equals, value in parts]


def _faults(wanted: Wanted, *, template: bool) -> list[str]:
    """What Parameter Store would not take of one parameter; what a template fills is judged on the target."""
    found = [("name", reason) for reason in rules.name_faults(wanted.name)]
    found += [(name, reason) for name, reason in _word_faults(wanted)]
    if template:
        found += [("value", reason) for reason in rules.template_faults(wanted.value)]
    if not (template and rules.has_tokens(wanted.value)):
        found += [("value", reason) for reason in rules.value_faults(wanted.value, wanted.tier, wanted.allowed_pattern)]
    if wanted.allowed_pattern:
        found += [("allowed_pattern", reason) for reason in rules.pattern_faults(wanted.allowed_pattern)]
    if wanted.key_id is not None:
        found += [("key_id", reason) for reason in rules.key_faults(wanted.key_id, wanted.type)]
    found += [("description", reason) for reason in rules.description_faults(wanted.description or "")]
    found += [("tags", reason) for reason in rules.tags_faults(wanted.tags)]
    return [f"{wanted.place.of(name)}: {reason}" for name, reason in found]


def _word_faults(wanted: Wanted) -> Iterator[tuple[str, str]]:
    for name, word, known in (("type", wanted.type, rules.TYPES), ("tier", wanted.tier, rules.TIERS)):
        if word not in known:
            # a column that slipped may have put a secret here: the word is told only where it is like a known one
            near = rules.nearest(word, known, 0.7)
            said = f"{word!r} is no {name} of a parameter; did you mean {near}?" if near else "it is none that there is"
            yield name, said if near else f"{said}: {', '.join(known)}"
