"""What @task makes of a function, and how the texts of options become values."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

import pytest

from fanout import Context, Row, task
from fanout.model.errors import TaskLoadError, UsageError
from fanout.tasks import Parameter, Task

if TYPE_CHECKING:
    from decimal import Decimal


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Size(Enum):
    SMALL = 1
    LARGE = 2


@dataclass(frozen=True)
class Pair:
    left: str
    right: str

    @classmethod
    def parse(cls, text: str) -> Pair:
        left, found, right = text.partition("=")
        if not found:
            raise ValueError(f"{text!r} has no '='")
        return cls(left, right)

    def __str__(self) -> str:
        return f"{self.left}={self.right}"


class ParseOnInstance:
    def parse(self, text: str) -> str:
        return text


def refused(function: Any, **options: Any) -> TaskLoadError:
    with pytest.raises(TaskLoadError) as caught:
        task(**options)(function)
    return caught.value


def parameter(annotation: Any) -> Parameter:
    async def one(ctx: Context, *, value) -> AsyncIterator[Row]:
        yield {}

    one.__annotations__["value"] = annotation
    (only,) = task(one).parameters
    return only


def test_a_plain_decorator_names_the_task_after_its_function():
    @task
    async def idle_volumes(ctx: Context) -> AsyncIterator[Row]:
        """List volumes that are idle.

        They cost money.

        :param nothing: at all
        """
        yield {}

    assert isinstance(idle_volumes, Task)
    assert idle_volumes.name == "idle-volumes"
    assert idle_volumes.summary == "List volumes that are idle."
    assert idle_volumes.description == "List volumes that are idle.\n\nThey cost money."
    assert idle_volumes.actions is None
    assert (idle_volumes.scope, idle_volumes.changes) == ("region", False)


def test_what_an_author_declares_is_kept():
    @task(name="trim", service="ec2", actions=["ec2:Describe*"], changes=True, scope="account", columns=["b", "a"])
    async def something(ctx: Context) -> AsyncIterator[Row]:
        yield {}

    assert (something.name, something.service, something.actions) == ("trim", "ec2", ("ec2:Describe*",))
    assert (something.changes, something.scope, something.columns) == (True, "account", ("b", "a"))


def test_a_task_knows_its_file_and_line():
    @task(actions=[])
    async def here(ctx: Context) -> AsyncIterator[Row]:
        yield {}

    assert here.file == __file__
    assert "@task(actions=[])" in Path(here.file).read_text().splitlines()[here.line - 1]


@pytest.mark.anyio
async def test_calling_a_task_starts_its_generator():
    @task
    async def echo(ctx: Context, *, word: str) -> AsyncIterator[Row]:
        yield {"word": word, "region": ctx}

    assert [row async for row in echo("here", word="hi")] == [{"word": "hi", "region": "here"}]


async def no_generator(ctx: Context) -> None:
    pass


def a_plain_generator(ctx: Context):
    yield {}


async def no_context() -> AsyncIterator[Row]:
    yield {}


async def only_options(*, depth: int = 1) -> AsyncIterator[Row]:
    yield {}


async def positional(ctx: Context, depth: int) -> AsyncIterator[Row]:
    yield {}


async def takes_any(ctx: Context, **depth: int) -> AsyncIterator[Row]:
    yield {}


async def untyped(ctx: Context, *, depth=1) -> AsyncIterator[Row]:
    yield {}


async def unreadable(ctx: Context, *, depth: dict[str, str]) -> AsyncIterator[Row]:
    yield {}


async def unresolved(ctx: Context, *, depth: Decimal) -> AsyncIterator[Row]:
    yield {}


async def underscored(ctx: Context, *, _depth: int = 1) -> AsyncIterator[Row]:
    yield {}


async def instance_parser(ctx: Context, *, depth: ParseOnInstance) -> AsyncIterator[Row]:
    yield {}


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (no_generator, "not an async generator"),
        (a_plain_generator, "not an async generator"),
        (no_context, "first parameter must be the context"),
        (only_options, "first parameter must be the context"),
        (positional, "parameter depth is not keyword-only"),
        (takes_any, "parameter depth is not keyword-only"),
        (untyped, "parameter depth has no type"),
        (unreadable, "type of parameter depth cannot be read"),
        (unresolved, "name 'Decimal' is not defined"),
        (underscored, "parameter _depth is not a name for an option"),
        (instance_parser, "type of parameter depth cannot be read"),
    ],
)
def test_what_cannot_be_a_task_is_refused_with_file_and_line(function, says):
    error = refused(function)

    assert says in error.message
    assert error.message.startswith(f"{__file__}:{function.__code__.co_firstlineno}: ")
    assert error.hint or says == "has no docstring"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"name": "No Good"}, "'No Good' is not a name"),
        ({"name": "a--b"}, "'a--b' is not a name"),
        ({"scope": "planet"}, "scope is 'planet'"),
        ({"actions": "ec2:DescribeVpcs"}, "actions is a string"),
        ({"actions": ["DescribeVpcs"]}, "'DescribeVpcs' is not an IAM action"),
        ({"columns": "name"}, "columns is a string"),
        ({"columns": ["a", "b", "a"]}, "columns names one twice"),
    ],
)
def test_what_cannot_be_declared_is_refused(options, says):
    async def fine(ctx: Context) -> AsyncIterator[Row]:
        yield {}

    assert says in refused(fine, **options).message


def test_types_that_only_a_type_checker_sees_do_not_matter_outside_options():
    async def costs(ctx: Context, *, depth: int = 1) -> AsyncIterator[Decimal]:
        yield {}

    assert [each.name for each in task(costs).parameters] == ["depth"]


def test_a_wrapped_function_is_described_by_what_it_wraps():
    async def inner(ctx: Context, *, colour: Colour = Colour.RED) -> AsyncIterator[Row]:
        yield {}

    @functools.wraps(inner)
    async def outer(*arguments, **options):
        async for row in inner(*arguments, **options):
            yield row

    made = task(outer)

    assert made.line == inner.__code__.co_firstlineno
    assert made.parameters[0].type is Colour


def test_help_comes_from_either_style_of_docstring():
    async def google(ctx: Context, *, first: int = 1, second: int = 2) -> AsyncIterator[Row]:
        """Do it.

        Args:
            first: one line
                and another.
            second (int): short.

        Yields:
            Rows.
        """
        yield {}

    async def sphinx(ctx: Context, *, first: int = 1, second: int = 2) -> AsyncIterator[Row]:
        """Do it.

        :param first: one line
            and another.
        :param second: short.
        """
        yield {}

    for function in (google, sphinx):
        made = task(function)
        assert [each.help for each in made.parameters] == ["one line and another.", "short."]
        assert made.description == "Do it."


@pytest.mark.parametrize(
    ("annotation", "text", "value"),
    [
        (str, "x y", "x y"),
        (int, "-3", -3),
        (float, "1e3", 1000.0),
        (bool, "Yes", True),
        (bool, "off", False),
        (Path, "a/b", Path("a/b")),
        (date, "2024-02-29", date(2024, 2, 29)),
        (datetime, "2024-02-29T12:00:00+02:00", datetime.fromisoformat("2024-02-29T12:00:00+02:00")),
        (timedelta, "1h30m", timedelta(minutes=90)),
        (Colour, "green", Colour.GREEN),
        (Size, "2", Size.LARGE),
        (Literal["up", "down"], "up", "up"),
        (Literal[1, 2], "2", 2),
        (int | None, "7", 7),
        (Optional[int], "7", 7),  # noqa: UP045  # the older spelling is what is tested
        (Pair, "a=b=c", Pair("a", "b=c")),
    ],
)
def test_a_text_becomes_a_value_of_the_parameters_type(annotation, text, value):
    it = parameter(annotation)

    found = it.parse_one(text)

    assert found == value
    assert type(found) is type(value)
    plain = it.plain(found)
    assert json.loads(json.dumps(plain)) == plain
    assert it.parse_one(str(plain)) == value


@pytest.mark.parametrize(
    ("annotation", "text", "says"),
    [
        (int, "1.5", "'1.5' is not a valid int"),
        (float, "much", "'much' is not a valid float"),
        (bool, "maybe", "'maybe' is not a valid bool"),
        (date, "2023-02-29", "'2023-02-29' is not a valid date"),
        (timedelta, "5 parsecs", "'5 parsecs' is not a duration"),
        (Colour, "grey", "'grey' is not one of red, green"),
        (Literal["up", "down"], "UP", "'UP' is not one of up, down"),
        (Pair, "ab", "'ab' has no '='"),
    ],
)
def test_a_text_of_another_type_is_refused_naming_the_option(annotation, text, says):
    with pytest.raises(UsageError) as caught:
        parameter(annotation).parse_one(text)

    assert caught.value.message == f"--value: {says}"


def test_a_mistyped_choice_gets_the_nearest():
    with pytest.raises(UsageError) as caught:
        parameter(Colour).parse_one("gree")

    assert caught.value.hint.startswith("did you mean green")


@pytest.mark.parametrize(
    ("annotation", "many"),
    [
        (list[int], [1, 2]),
        (Sequence[int], (1, 2)),
        (tuple[int, ...], (1, 2)),
        (list[int] | None, [1, 2]),
    ],
)
def test_many_values_make_what_the_parameter_asks_for(annotation, many):
    found = parameter(annotation)

    assert found.multiple
    assert found.collect([found.parse_one("1"), found.parse_one("2")]) == many
    assert found.plain(many) == ["1", "2"]
    assert found.plain(None) is None


@pytest.mark.parametrize("annotation", [list[list[int]], int | str, dict, object, tuple[int, int], list, 5])
def test_types_that_no_option_can_have_are_refused(annotation):
    with pytest.raises(TaskLoadError, match=r"cannot be read|cannot be resolved"):
        parameter(annotation)


def test_a_parameter_without_a_default_is_required():
    async def needs(ctx: Context, *, min_gib: int, colour: Colour = Colour.RED) -> AsyncIterator[Row]:
        yield {}

    first, second = task(needs).parameters

    assert (first.required, first.default, first.option) == (True, None, "min-gib")
    assert (second.required, second.default, second.choices) == (False, Colour.RED, ("red", "green"))


def test_a_check_is_kept_and_must_take_every_parameter_by_name():
    def judge(*, least: int, **others: object) -> None:
        """Judge nothing."""

    async def sized(ctx: Context, *, least: int = 0, most: int = 9) -> AsyncIterator[Row]:
        """List."""
        yield {}

    assert task(actions=[], check=judge)(sized).check is judge
    assert task(actions=[])(sized).check is None
    with pytest.raises(TaskLoadError, match=r"test_tasks\.py:\d+: task .*sized: check does not take .*'most'"):
        task(actions=[], check=lambda *, least: None)(sized)


# --- what makes a changing task trustworthy ---


async def put(ctx: Context, *, name: str = "x", count: int = 1) -> AsyncIterator[Row]:
    """Put a value."""
    yield {}


async def look(ctx: Context, *, name: str, count: int) -> bool:
    """Look what became of it."""
    return True


async def look_at_anything(ctx: Context, **_others: object) -> bool:
    return False


async def take_back(ctx: Context, *, changes: Sequence[Row]) -> AsyncIterator[Row]:
    yield {"action": "update"}


def test_ways_back_are_kept_as_they_are_declared():
    made = task(reconcile=look, undo=take_back, undo_actions=["ssm:PutParameter"], tags=lambda **_: True, changes=True)(
        put
    )

    assert (made.reconcile, made.undo, made.undo_actions) == (look, take_back, ("ssm:PutParameter",))
    assert made.tags is not None
    assert made.tags(name="x", count=1) is True
    assert task(put).reconcile is task(put).undo is task(put).tags is task(put).fit is None
    assert task(put).undo_actions == ()
    assert task(reconcile=look_at_anything)(put).reconcile is look_at_anything


def not_async(ctx: Context, *, name: str, count: int) -> bool:
    return True


async def a_generator_that_looks(ctx: Context, *, name: str, count: int) -> AsyncIterator[bool]:
    yield True


async def knows_one_parameter(ctx: Context, *, name: str) -> bool:
    return True


async def wants_more(ctx: Context, *, name: str, count: int, depth: int) -> bool:
    return True


async def no_rows(ctx: Context, *, changes: Sequence[Row]) -> None:
    pass


def not_async_either(ctx: Context, *, changes: Sequence[Row]):
    yield {}


async def without_changes(ctx: Context) -> AsyncIterator[Row]:
    yield {}


async def with_the_parameters(ctx: Context, *, name: str, count: int) -> AsyncIterator[Row]:
    yield {}


async def wants_more_than_changes(ctx: Context, *, changes: Sequence[Row], name: str) -> AsyncIterator[Row]:
    yield {}


async def undo_without_context(*, changes: Sequence[Row]) -> AsyncIterator[Row]:
    yield {}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"reconcile": not_async}, "reconcile is not an async function"),
        ({"reconcile": a_generator_that_looks}, "reconcile is not an async function"),
        ({"reconcile": knows_one_parameter}, "reconcile does not take the task's parameters: .*'count'"),
        ({"reconcile": wants_more}, "reconcile does not take the task's parameters: .*'depth'"),
        ({"undo": no_rows}, "undo is not an async generator"),
        ({"undo": not_async_either}, "undo is not an async generator"),
        ({"undo": without_changes}, "undo does not take `changes`: .*'changes'"),
        ({"undo": with_the_parameters}, "undo does not take `changes`: "),
        ({"undo": wants_more_than_changes}, "undo does not take `changes`: .*'name'"),
        ({"undo": undo_without_context}, "undo does not take `changes`: "),
        ({"check": lambda *, name: None}, "check does not take the task's parameters: .*'count'"),
        ({"tags": lambda *, name: None}, "tags does not take the task's parameters: .*'count'"),
        ({"tags": lambda name, count, more: None}, "tags does not take the task's parameters: .*'more'"),
        ({"fit": lambda *, name: {}}, "fit does not take the task's parameters: .*'count'"),
        ({"fit": lambda: {"changes": True}}, "fit does not take the task's parameters: "),
    ],
)
def test_what_could_not_be_called_later_is_refused_when_the_task_is_defined(options, says):
    error = refused(put, changes=True, **options)

    assert re.search(f"task put: {says}", error.message)
    assert error.message.startswith(f"{__file__}:{put.__code__.co_firstlineno}: ")
    assert error.hint


def test_a_task_fits_itself_to_its_parameters_and_to_the_defaults_of_the_others():
    asked = []

    def fit(*, name: str, count: int) -> dict[str, Any]:
        asked.append((name, count))
        return {"actions": (f"{name}:Get",), "changes": count > 1}

    made = task(actions=["ssm:*"], fit=fit)(put)

    assert (made.fitted({"name": "ec2"}).actions, made.fitted({"name": "ec2"}).changes) == (("ec2:Get",), False)
    assert made.fitted({"count": 2}).changes is True
    assert asked == [("ec2", 1), ("ec2", 1), ("x", 2)]
    assert made.actions == ("ssm:*",)  # what is declared stays as it is
    assert made.fitted({}).function is made.function


def test_a_task_without_a_fit_is_itself():
    made = task(put)

    assert made.fitted({"name": "ec2"}) is made
    assert made.defaults() == {"name": "x", "count": 1}


def test_a_fit_that_objects_is_heard():
    def fit(*, name: str, count: int) -> dict[str, Any]:
        raise ValueError(f"{name} has no operation {count}")

    with pytest.raises(ValueError, match="ec2 has no operation 1"):
        task(fit=fit)(put).fitted({"name": "ec2"})


def test_a_required_parameter_has_no_default_to_fit_with():
    async def needs(ctx: Context, *, name: str, count: int = 3) -> AsyncIterator[Row]:
        yield {}

    made = task(fit=lambda **given: {"columns": tuple(f"{key}={value}" for key, value in given.items())})(needs)

    assert made.defaults() == {"name": None, "count": 3}
    assert made.fitted({"name": "a"}).columns == ("name=a", "count=3")


def test_a_reconcile_without_a_context_is_refused_with_file_and_line():
    async def look(*, name):
        return True

    async def put(ctx, *, name: str = "x"):
        yield {}

    with pytest.raises(TaskLoadError, match="reconcile"):
        task(reconcile=look)(put)


@pytest.mark.parametrize("actions", ["ssm:PutParameter", ["PutParameter"]])
def test_undo_actions_are_checked_as_actions_are(actions):
    async def undo(ctx, *, changes):
        yield {}

    async def put(ctx):
        yield {}

    with pytest.raises(TaskLoadError, match="action"):
        task(undo=undo, undo_actions=actions)(put)
