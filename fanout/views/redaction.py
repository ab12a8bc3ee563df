"""The last net under logs: values known to be secret, and what looks like one, never reach a stream."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from typing import Any

REDACTED = "***"

_PREFIX = 6
_MOST = 20_000
_NAMES = (
    r"aws[_-]?secret[_-]?access[_-]?key|secret[_-]?access[_-]?key|aws[_-]?session[_-]?token|aws[_-]?security[_-]?token"
    r"|session[_-]?token|x-amz-security-token|x-amz-signature|signature|external[_-]?id|passw(?:or)?d|client[_-]?secret"
    r"|(?:access|refresh|bearer)[_-]?token"
)
# A name, and what stands between it and its value: quotes and brackets of JSON, repr or XML, escaped or not.
_NAMED = re.compile(r"""(?<![A-Za-z_-])([A-Za-z][A-Za-z_-]*)\\?["']?(?:\s*(?:[:=]|=>)\s*|>)b?\\?["']?""")
_VALUE = re.compile(r"""[^\s"'&,;<>}\\)\]]+""")
_NAME = re.compile(rf"(?i)(?:{_NAMES})$")
# The first bytes of STS session tokens, global and regional, in base64.
_TOKEN = re.compile(r"(?:FwoG|FQoG|FQoD|IQoJ|AQoD|AQoE)[A-Za-z0-9/+=_%-]{16,}")
_KEY_ID = re.compile(r"\b((?:AKIA|ASIA)[A-Z0-9]{4})[A-Z0-9]{8,}\b")


class Redactor:
    """Knows secret values, and takes them out of text; of access key ids the first eight characters stay."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, None] = OrderedDict()
        self._by_prefix: dict[str, list[str]] = {}

    def add(self, *secrets: str) -> None:
        """Remember secret values, and how they look inside JSON.

        Values under six characters are not remembered: to take them out would blank innocent text. The oldest are
        forgotten beyond 20,000.
        """
        for secret in secrets:
            for form in {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}:
                if len(form) >= _PREFIX and form not in self._known:
                    self._known[form] = None
                    self._by_prefix.setdefault(form[:_PREFIX], []).append(form)
        while len(self._known) > _MOST:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        oldest, _ = self._known.popitem(last=False)
        alike = self._by_prefix[oldest[:_PREFIX]]
        alike.remove(oldest)
        if not alike:
            del self._by_prefix[oldest[:_PREFIX]]

    def redact(self, text: str) -> str:
        """The text without secrets."""
        text = self._without_known(text)
        text = _without_named(text)
        text = _TOKEN.sub(REDACTED, text)
        return _KEY_ID.sub(r"\1...", text)

    def redact_all(self, value: Any) -> Any:
        """A value with all strings in it redacted, to any depth of maps and lists; others stay as they are."""
        match value:
            case str():
                return self.redact(value)
            case dict():
                return {self.redact_all(key): self._redact_named(key, inner) for key, inner in value.items()}
            case list() | tuple():
                return type(value)(self.redact_all(inner) for inner in value) if type(value) in (list, tuple) else value
            case _:
                return value

    def _redact_named(self, key: Any, value: Any) -> Any:
        if isinstance(key, str) and isinstance(value, str) and _NAME.search(key):
            return REDACTED
        return self.redact_all(value)

    def _without_known(self, text: str) -> str:
        if not self._by_prefix:
            return text
        parts, start, position = [], 0, 0
        while position <= len(text) - _PREFIX:
            alike = self._by_prefix.get(text[position : position + _PREFIX])
            found = alike and max((each for each in alike if text.startswith(each, position)), key=len, default="")
            if found:
                parts += [text[start:position], REDACTED]
                start = position = position + len(found)
            else:
                position += 1
        return "".join([*parts, text[start:]]) if parts else text


def _without_named(text: str) -> str:
    """The text without the values that stand behind secret names; behind another name a secret one may follow at once."""
    parts, start, position = [], 0, 0
    while match := _NAMED.search(text, position):
        position = match.end()
        value = _VALUE.match(text, position) if _NAME.search(match[1]) else None
        if value is not None:
            parts += [text[start:position], REDACTED]
            start = position = value.end()
    return "".join([*parts, text[start:]]) if parts else text
