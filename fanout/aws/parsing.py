"""Faster reading of answers: XML by a parser made from the service model, timestamps, and a remembered user agent.

botocore walks the model for every element of every answer, reads each timestamp with dateutil and builds the User-Agent
header anew for every request; together that is more than half of what describing some instances costs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any
from weakref import WeakKeyDictionary

from aiobotocore.parsers import AioEC2QueryParser, AioQueryParser, AioResponseParserFactory
from botocore.context import get_context
from botocore.parsers import DEFAULT_TIMESTAMP_PARSER
from botocore.useragent import UserAgentString

Read = Callable[[Any], Any]


def parse_timestamp(value: Any) -> datetime:
    """Read a timestamp as AWS writes it; what `datetime` cannot read is left to botocore's own parser."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    parsed: datetime = DEFAULT_TIMESTAMP_PARSER(value)
    return parsed


class ParserFactory(AioResponseParserFactory):  # type: ignore[misc]  # the SDK ships no types
    """The session component that makes parsers; those of the XML protocols are fast, the others botocore's own."""

    def __init__(self) -> None:
        super().__init__()
        self.set_parser_defaults(timestamp_parser=parse_timestamp)
        self._parsers: dict[str, Any] = {}

    def create_parser(self, protocol_name: str) -> Any:
        """A parser for a protocol; those that hold no state are kept."""
        parser = self._parsers.get(protocol_name)
        if parser is None:
            parser_class = _FAST.get(protocol_name)
            if parser_class is None:
                return super().create_parser(protocol_name)
            parser = self._parsers[protocol_name] = parser_class(**self._defaults)
        return parser


class _Unusual(Exception):  # noqa: N818  # a signal within this module
    """The answer has a form that only botocore's own parser knows how to read."""


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


class _FastQueryParser(_Reading, AioQueryParser):  # type: ignore[misc]  # the SDK ships no types
    pass


class _FastEC2Parser(_Reading, AioEC2QueryParser):  # type: ignore[misc]  # the SDK ships no types
    pass


_FAST = {"query": _FastQueryParser, "ec2": _FastEC2Parser}


def _reader(shape: Any, parser: Any) -> Read:
    """A function from an XML element to the value of a shape."""
    kind = shape.type_name
    if kind == "structure":
        return _structure(shape, parser)
    if kind == "list":
        return _list(shape, parser)
    if kind == "map":
        return lambda node: parser._parse_shape(shape, node)  # noqa: SLF001  # botocore's own way for what is rare
    return _scalar(kind, parser)


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
    if shape.metadata.get("exception") or shape.is_tagged_union:
        return lambda node: parser._parse_shape(shape, node)  # noqa: SLF001  # botocore's own way for what is rare
    fields = _fields(shape, parser)
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
    """Element name to member name, member shape (of a flattened list: of its items), and whether it is flattened."""
    fields: dict[str, tuple[str, Any, bool]] = {}
    for name, member in shape.members.items():
        about = member.serialization
        if about.get("location") in parser.KNOWN_LOCATIONS or about.get("eventheader"):
            continue
        if about.get("xmlAttribute"):
            fields["*"] = (name, None, False)
        flattened = bool(about.get("flattened")) and member.type_name == "list"
        shape_read = member.member if flattened else member
        fields[parser._member_key_name(member, name)] = (name, shape_read, flattened)  # noqa: SLF001  # botocore's naming
    return fields


def _field(fields: dict[str, tuple[str, Any, bool]], tag: str, parser: Any) -> tuple[str, Any, bool] | None:
    """What to do with an element; a plain string is read without a function (None)."""
    if "*" in fields:
        raise _Unusual
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
