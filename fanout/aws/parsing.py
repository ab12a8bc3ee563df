"""Faster reading of answers: XML by a parser made from the service model, timestamps, and a remembered user agent.

botocore walks the model for every element of every answer, reads each timestamp with dateutil and builds the User-Agent
header anew for every request; together that is more than half of what describing some instances costs.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from aiobotocore.parsers import (
    PROTOCOL_PARSERS,
    AioEC2QueryParser,
    AioJSONParser,
    AioQueryParser,
    AioResponseParserFactory,
    AioRestJSONParser,
)
from botocore.context import get_context
from botocore.parsers import DEFAULT_TIMESTAMP_PARSER, ResponseParserError
from botocore.useragent import UserAgentString

Read = Callable[[Any], Any]

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)
_UNREADABLE = (ResponseParserError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, struct.error)
"""What botocore's parsers raise for an answer that is none: a KeyError, for instance, for a page of HTML."""


def parse_timestamp(value: Any) -> datetime:
    """Read a timestamp as AWS writes it; what `datetime` cannot read is left to botocore's own parser."""
    if isinstance(value, str) and _ISO.fullmatch(value):
        try:
            return datetime.fromisoformat(value)
        except ValueError:
            pass
    parsed: datetime = DEFAULT_TIMESTAMP_PARSER(value)
    return parsed


class ParserFactory(AioResponseParserFactory):  # type: ignore[misc]  # the SDK ships no types
    """The session component that makes parsers: fast ones for the XML of queries, and none that raises just anything."""

    def __init__(self) -> None:
        super().__init__()
        self.set_parser_defaults(timestamp_parser=parse_timestamp)
        self._parsers: dict[str, Any] = {}

    def create_parser(self, protocol_name: str) -> Any:
        """A parser for a protocol; those that hold no state are kept."""
        parser = self._parsers.get(protocol_name)
        if parser is None:
            parser = _OURS[protocol_name](**self._defaults)
            if protocol_name in ("query", "ec2"):
                self._parsers[protocol_name] = parser
        return parser


class _Guarded:
    """Mixed into botocore's parsers: what cannot be read is a ResponseParserError, which does not repeat the answer."""

    async def parse(self, response: Any, shape: Any) -> Any:
        """Read an answer; its text may hold credentials, so the error says nothing of it."""
        try:
            parsed = await super().parse(response, shape)  # type: ignore[misc]  # of the parser that this is mixed into
        except _UNREADABLE as error:
            what = type(error).__name__
        else:
            if parsed is not None:
                return parsed
            what = "null"
        raise ResponseParserError(f"the answer, with status {response['status_code']}, cannot be read ({what})")


class _NotJson(dict[str, Any]):
    """What stands for a body that is no JSON."""


class _StrictJson:
    """Mixed into botocore's JSON parsers: they take a body that is no JSON for an answer without members."""

    def _parse_body_as_json(self, body_contents: Any) -> Any:
        parsed = super()._parse_body_as_json(body_contents)  # type: ignore[misc]  # as in _Guarded
        unread = isinstance(parsed, dict) and len(parsed) == 1 and parsed.get("message") == body_contents.decode()
        return _NotJson(parsed) if unread else parsed

    def _handle_structure(self, shape: Any, value: Any) -> Any:
        if isinstance(value, _NotJson) and not shape.metadata.get("exception"):
            raise ResponseParserError("the body is not JSON")
        return super()._handle_structure(shape, value)  # type: ignore[misc]  # as in _Guarded


class _Unusual(Exception):  # noqa: N818  # a signal within this module
    """The answer has a form that only botocore's own parser knows how to read."""


def _unusual(_node: Any) -> Any:
    raise _Unusual


class _Reading:
    """Mixed into botocore's parsers: reads a shape with a function that is made of the model once."""

    def __init__(self, **defaults: Any) -> None:
        super().__init__(**defaults)
        self._readers: WeakKeyDictionary[Any, Read] = WeakKeyDictionary()

    def _parse_body_as_xml(self, response: Any, shape: Any, *, inject_metadata: bool = True) -> Any:
        usual = super()._parse_body_as_xml  # type: ignore[misc]  # of the parser that this is mixed into
        if shape is None or not inject_metadata:
            return usual(response, shape, inject_metadata=inject_metadata)
        try:
            return self._read_body(response, shape)
        except _Unusual:
            return usual(response, shape, inject_metadata=inject_metadata)

    def _read_body(self: Any, response: Any, shape: Any) -> Any:
        root = self._parse_xml_string_to_dom(response["body"])
        start = root
        wrapper = shape.serialization.get("resultWrapper")
        if wrapper is not None:
            start = self._find_result_wrapped_shape(wrapper, root)
        reader = self._readers.get(shape)
        if reader is None:
            reader = self._readers[shape] = _reader(shape, self)
        parsed = reader(start)
        self._inject_response_metadata(root, parsed)
        return parsed


_OURS: dict[str, type[Any]] = {
    protocol: type(theirs.__name__, (_Guarded, theirs), {}) for protocol, theirs in PROTOCOL_PARSERS.items()
} | {
    "query": type("FastQueryParser", (_Guarded, _Reading, AioQueryParser), {}),
    "ec2": type("FastEC2Parser", (_Guarded, _Reading, AioEC2QueryParser), {}),
    "json": type("StrictJSONParser", (_Guarded, _StrictJson, AioJSONParser), {}),
    "rest-json": type("StrictRestJSONParser", (_Guarded, _StrictJson, AioRestJSONParser), {}),
}
"""Our parser for each protocol."""


def _reader(shape: Any, parser: Any) -> Read:
    """A function from an XML element to the value of a shape."""
    kind = shape.type_name
    if kind == "list":
        return _list(shape, parser)
    if kind == "map" or (kind == "structure" and (shape.metadata.get("exception") or shape.is_tagged_union)):
        return lambda node: parser._parse_shape(shape, node)  # noqa: SLF001  # botocore's own way for what is rare
    return _structure(shape, parser) if kind == "structure" else _scalar(kind, parser)


def _scalar(kind: str, parser: Any) -> Read:
    readers: dict[str, Read] = {
        "boolean": lambda node: node.text == "true",
        "integer": lambda node: int(node.text or ""),
        "long": lambda node: int(node.text or ""),
        "float": lambda node: float(node.text or ""),
        "double": lambda node: float(node.text or ""),
        "timestamp": lambda node: parser._timestamp_parser(node.text or ""),  # noqa: SLF001  # set by the factory
        "blob": lambda node: parser._blob_parser(node.text or ""),  # noqa: SLF001  # as above
    }
    return readers.get(kind, lambda node: node.text or "")


def _list(shape: Any, parser: Any) -> Read:
    member = shape.member
    read: Read | None = None

    def read_list(node: Any) -> list[Any]:
        nonlocal read
        if read is None:
            read = _reader(member, parser)
        return [read(item) for item in node]

    return read_list


def _structure(shape: Any, parser: Any) -> Read:
    fields = _fields(shape, parser)
    if "*" in fields:
        return _unusual
    table: dict[str, tuple[str, Any, bool] | None] = {}

    def read_structure(node: Any) -> dict[str, Any]:
        parsed: dict[str, Any] = {}
        for child in node:
            tag = child.tag
            try:
                field = table[tag]
            except KeyError:
                field = table[tag] = _field(fields, tag, parser)
            if field is None:
                continue
            name, read, flattened = field
            if flattened:
                parsed.setdefault(name, []).append(read(child))
            elif name in parsed:
                raise _Unusual
            else:
                parsed[name] = child.text or "" if read is None else read(child)
        return parsed

    return read_structure


def _fields(shape: Any, parser: Any) -> dict[str, tuple[str, Any, bool]]:
    """Element name to member name, member shape (of a flattened list: of its items), and whether it is flattened.

    Attributes and elements that stand for several members are under "*".
    """
    fields: dict[str, tuple[str, Any, bool]] = {}
    for name, member in shape.members.items():
        about = member.serialization
        if about.get("location") in parser.KNOWN_LOCATIONS or about.get("eventheader"):
            continue
        flattened = bool(about.get("flattened")) and member.type_name == "list"
        shape_read = member.member if flattened else member
        key = parser._member_key_name(member, name)  # noqa: SLF001  # botocore's naming
        if about.get("xmlAttribute") or key in fields:
            key = "*"
        fields[key] = (name, shape_read, flattened)
    return fields


def _field(fields: dict[str, tuple[str, Any, bool]], tag: str, parser: Any) -> tuple[str, Any, bool] | None:
    """What to do with an element; a plain string is read without a function (None)."""
    found = fields.get(tag.rpartition("}")[2])
    if found is None:
        return None
    name, shape, flattened = found
    if shape.type_name in ("string", "character") and not flattened:
        return name, None, False
    if shape.type_name == "map" and shape.serialization.get("flattened"):
        raise _Unusual
    return name, _reader(shape, parser), flattened


class RememberedUserAgent(UserAgentString):  # type: ignore[misc]  # the SDK ships no types
    """A User-Agent header that is put together once for each client and set of features."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._remembered: dict[frozenset[str], str] = {}

    def with_client_config(self, client_config: Any) -> Any:
        """A copy for one client, with a memory of its own."""
        copied = super().with_client_config(client_config)
        copied._remembered = {}  # noqa: SLF001  # of this very class
        return copied

    def to_string(self) -> str:
        """The header's value."""
        if self._client_config is None:
            header: str = super().to_string()
            return header
        context = get_context()
        features = frozenset(context.features) if context else frozenset()
        remembered = self._remembered.get(features)
        if remembered is None:
            remembered = self._remembered[features] = super().to_string()
        return remembered
