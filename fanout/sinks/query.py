"""JMESPath queries: what --query does to each row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, ParseError
from jmespath.functions import Functions

from fanout.model.errors import UsageError
from fanout.model.nearest import did_you_mean
from fanout.model.row import Row


class Query:
    """A compiled query. `columns` are those of every row it makes, where its form tells (`{a: x, b: y}`), else None."""

    def __init__(self, compiled: jmespath.parser.ParsedResult) -> None:
        self._compiled = compiled
        self.columns = _columns_of(compiled.parsed)
        self.failures = 0
        self.first_failure = ""

    def apply(self, row: Row) -> list[Row]:
        """The rows that the query makes of one row.

        A mapping is a row, a list of mappings several, null none, and anything else `{"value": it}`. Where the query fails
        on a row (`length(name)` of a null name), there is none, and `failures` counts it.
        """
        try:
            found = self._compiled.search(dict(row))
        except (JMESPathError, TypeError, ValueError, AttributeError) as error:
            self.failures += 1
            self.first_failure = self.first_failure or str(error).partition("\n")[0]
            return []
        return list(_rows(found))


def _rows(found: Any) -> Iterator[Row]:
    for item in found if isinstance(found, list) else [found]:
        if isinstance(item, Mapping):
            yield item
        elif item is not None:
            yield {"value": item}


def compile_query(expression: str) -> Query:
    """Compile a JMESPath expression.

    :raises UsageError: if it is not one, saying where.
    """
    try:
        compiled = jmespath.compile(expression)
    except ParseError as error:
        raise UsageError(*_explain(expression, error)) from None
    except (JMESPathError, ValueError) as error:
        raise UsageError(
            f"--query {expression!r}: {error}", "it is a JMESPath expression, such as {id: instance_id}"
        ) from None
    _check_functions(expression, compiled.parsed)
    return Query(compiled)


def _explain(expression: str, error: ParseError) -> tuple[str, str]:
    position = int(error.lex_position)
    reason = getattr(error, "message", None) or error.msg
    if position >= len(expression):
        reason = "it ends too early"
    return (
        f"--query is not a JMESPath expression: {reason} (at character {position + 1}):\n  {expression}\n  {' ' * position}^",
        "",
    )


def _check_functions(expression: str, node: Any) -> None:
    if node.get("type") == "function_expression":
        _check_call(expression, node["value"], len(node["children"]))
    for child in node.get("children", ()):
        if isinstance(child, Mapping):
            _check_functions(expression, child)


def _check_call(expression: str, name: str, given: int) -> None:
    known: Mapping[str, Any] = Functions.FUNCTION_TABLE
    if name not in known:
        hint = did_you_mean(name, known) or f"there are {', '.join(sorted(known))}"
        raise UsageError(f"--query {expression!r}: there is no function {name}()", hint)
    signature = known[name]["signature"]
    variadic = bool(signature) and signature[-1].get("variadic", False)
    if given < len(signature) or (given > len(signature) and not variadic):
        least = "at least " if variadic else ""
        raise UsageError(f"--query {expression!r}: {name}() takes {least}{len(signature)} arguments, not {given}")


def _columns_of(node: Mapping[str, Any]) -> tuple[str, ...] | None:
    if node.get("type") != "multi_select_dict":
        return None
    return tuple(pair["value"] for pair in node["children"])
