"""Names of profiles: a template filled for each account, made fit for every AWS tool, and never twice the same."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence

from fanout.app.profiling import Way
from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean

DEFAULT_TEMPLATE = "{account_name}-{role}"
TOKENS = ("account_id", "account_name", "role", "ou", "partition")

_KEPT = "default"  # every tool that is told no profile works in it
_TOKEN = re.compile(r"\{([^{}]*)\}")
_UNFIT = re.compile(r"[^A-Za-z0-9_.+@-]+")
_FITS = "letters, digits and any of _.+@- (what every AWS tool takes), and begins with a letter or digit"


def check_template(template: str) -> None:
    """Check a template of names.

    :raises UsageError: if it has a token that there is not, or what no name may have.
    """
    for found in _TOKEN.finditer(template):
        if found[1] not in TOKENS:
            hint = "; ".join(filter(None, [did_you_mean(found[1], TOKENS), f"there are {', '.join(TOKENS)}"]))
            raise UsageError(f"--name: there is no token {found[0]}", hint)
    literal = _TOKEN.sub("", template)
    if "{" in literal or "}" in literal:
        raise UsageError(f"--name: {template!r} has a brace without its partner", "tokens are written {account_id}")
    if not template or _UNFIT.search(literal) or not re.match(r"[A-Za-z0-9{]", template):
        raise UsageError(f"--name: {template!r} cannot be the name of a profile", f"it consists of {_FITS}")


def clean(text: str) -> str:
    """The text with a dash for all that a name may not have; accents go, their letters stay."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return _UNFIT.sub("-", plain).strip("-.+@")


def name_profiles(template: str, ways: Sequence[Way], partition: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """A name for each account, by its id, and lines on those that got their id behind it.

    They got it to stay apart, or as `default` would be another thing.

    :raises UsageError: if a name cannot be, or stays the same for two accounts.
    """
    first = {way.account.id: _filled(template, way, partition) for way in ways}
    often = Counter(first.values())
    kept = [each for each, name in first.items() if name == _KEPT and often[name] == 1 and _TOKEN.search(template)]
    names = {each: f"{name}-{each}" if often[name] > 1 or each in kept else name for each, name in first.items()}
    _check(names)
    alike = sorted(name for name, count in often.items() if count > 1)
    notes = tuple(f"{often[name]} accounts would be {name}: their ids stand behind it" for name in alike)
    return names, (*notes, *(f"account {each} would be {_KEPT}: its id stands behind it" for each in kept))


def _filled(template: str, way: Way, partition: str) -> str:
    if "{ou}" in template and not way.account.ou_path:
        raise UsageError(
            f"--name: the organizational unit of account {way.account.id} is not known",
            "select it with an ou: term (-a ou:/ is the whole organization), or leave {ou} away",
        )
    values = _values(way, partition)
    return _TOKEN.sub(lambda found: values[found[1]], template).strip("-.+@")


def _values(way: Way, partition: str) -> Mapping[str, str]:
    account = way.account
    return {
        "account_id": account.id,
        "account_name": clean(account.name) or account.id,
        "role": clean(way.role),
        "ou": clean(account.ou_path.strip("/")) or "root",
        "partition": partition,
    }


def _check(names: Mapping[str, str]) -> None:
    often = Counter(names.values())
    for account_id, name in names.items():
        if often[name] > 1:
            raise UsageError(f"--name: two accounts would be {name}", "put {account_id} into it")
        if name == _KEPT or not re.match(r"[A-Za-z0-9]", name):
            raise UsageError(
                f"--name: account {account_id} would be {name!r}, and fanout writes no profile of that name",
                f"{'every tool that is told no profile would work in it' if name == _KEPT else f'it is of {_FITS}'}; "
                f"take another template, or leave the account out with -x {account_id}",
            )
