"""The tables of docs/json.md, and how far what is printed and exported is what they say."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args

import numpy as np

from gsa.attribution import METHODS
from gsa.config import Mixer
from gsa.maps import Branch

PAGE = Path(__file__).parents[1] / "docs" / "json.md"
Place = tuple[str, ...]  # of a field: `a[].b` is ("a", "[]", "b")

_LINK = re.compile(r"\[[^]]+\]\(#([\w-]+)\)")
_TYPES: dict[str, type | tuple[type, ...]] = {
    "any": object,
    "boolean": bool,
    "integer": int,
    "list": list,
    "number": (int, float),
    "object": dict,
    "string": str,
}
# what a name in the name of an array may be; of companions nothing can be confused
_NAMES = {
    "<branch>": "|".join(get_args(Branch)),
    "<companion>": "[a-z]+",
    "<layer>": r"\d+\.\d+",
    "<method>": "|".join([*METHODS, "chance"]),
    "<mixer>": "|".join(get_args(Mixer)),
}


@cache
def tables() -> dict[tuple[str, str], list[list[str]]]:
    """The rows of each table, by the anchor of its heading and what it lists, `field` or `array`.

    The first cell of a row is without its backticks.
    """
    found: dict[tuple[str, str], list[list[str]]] = {}
    anchor = what = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("#"):
            anchor = line.strip("# ").lower().replace(" ", "-")
        elif line.startswith("| `"):
            found.setdefault((anchor, what), []).append([cells[0].strip("`"), *cells[1:]])
        elif line.startswith("| "):
            what = cells[0]
    return found


def commands() -> list[str]:
    """The commands that have a section."""
    part = PAGE.read_text(encoding="utf-8").split("\n## Commands\n")[1].split("\n## ")[0]
    return re.findall(r"^### (.+)$", part, re.MULTILINE)


@dataclass(frozen=True)
class Field:
    """What the page says of a field."""

    type: str
    optional: bool


def fields(anchor: str) -> dict[Place, Field]:
    """The fields of a section, those of linked tables among them; rows of its own count first."""
    own, linked = {}, {}
    for name, words, *_ in tables()[anchor, "field"]:
        place = tuple(name.replace("[]", ".[]").strip(".").split(".")) if name != "." else ()
        type_, _, optional = words.partition(", ")
        assert optional in ("", "optional"), words
        if link := _LINK.fullmatch(type_):
            for below, each in fields(link[1]).items():
                linked[place + below] = Field(each.type, bool(optional) or each.optional)
        else:
            own[place] = Field(type_, bool(optional))
    return linked | own


def fits(value: Any, type_: str) -> bool:
    """Whether a value is of a type as the page spells them."""
    if " or " in type_:
        return any(fits(value, each) for each in type_.split(" or "))
    if type_.endswith("?"):
        return value is None or fits(value, type_[:-1])
    if "[" in type_:  # the first pair of brackets is that of the outermost list
        start, _, rest = type_.partition("[")
        count, _, end = rest.partition("]")
        right = isinstance(value, list) and len(value) == int(count or len(value))
        return right and all(fits(each, start + end) for each in value)
    kind = _TYPES[type_]
    return isinstance(value, kind) and (not isinstance(value, bool) or kind in (bool, object))


def _has_fraction(value: Any) -> bool:
    """Whether a number, or one in a list, is none of the integers as JSON from Python spells it."""
    return any(map(_has_fraction, value)) if isinstance(value, list) else isinstance(value, float)


@dataclass
class Comparison:
    """What JSON values say beside the fields of a section."""

    told: dict[Place, Field]
    values: dict[Place, list[Any]] = field(default_factory=dict)
    problems: set[str] = field(default_factory=set)

    def take(self, value: Any, place: Place = ()) -> None:
        """Note a value, and all that is in it."""
        said = self.told.get(place)
        inside = {each[len(place)] for each in self.told if each[: len(place)] == place != each}
        if said is None and not inside:
            self.problems.add(f"{_spelled(place)} is not on the page")
            return
        self.values.setdefault(place, []).append(value)
        type_ = said.type if said else "list" if "[]" in inside else "object"
        if not fits(value, type_):
            self.problems.add(f"{_spelled(place)} is {value!r} and no {type_}")
        elif not inside:
            if type_.rstrip("?") in ("list", "object"):
                self.problems.add(f"of {_spelled(place)} the page does not say what is in it")
        elif isinstance(value, list):
            for each in value:
                self.take(each, (*place, "[]"))
        elif isinstance(value, dict):
            self._take_each(value, place, inside)

    def _take_each(self, value: dict[str, Any], place: Place, inside: set[str]) -> None:
        some = next((name for name in inside if name.startswith("<")), None)
        for name, each in value.items():
            self.take(each, (*place, name if name in inside or some is None else some))
        for name in inside - value.keys() - {some}:
            if self._needed((*place, name)):
                self.problems.add(f"{_spelled((*place, name))} is missing")

    def _needed(self, place: Place) -> bool:
        if place in self.told:
            return not self.told[place].optional
        below = (each for each in self.told if each[: len(place)] == place)
        return any(not self.told[each].optional for each in below)

    def ended(self, absent: str = "") -> list[str]:
        """All that differs, beside an optional field that need not be there."""
        for place, said in self.told.items():
            found = [each for each in self.values.get(place, []) if each is not None]
            if not found and said.optional and _spelled(place) == absent:
                continue
            if not found:
                self.problems.add(f"{_spelled(place)} was never there")
            elif said.type.startswith("number") and not any(map(_has_fraction, found)):
                self.problems.add(f"{_spelled(place)} is always whole")
        return sorted(self.problems)


def _spelled(place: Place) -> str:
    return ".".join(place).replace(".[]", "[]") or "."


def differing(anchor: str, values: Iterable[Any], *, absent: str = "") -> list[str]:
    """What the fields in JSON values and those of a section have not in common.

    Each field but `absent` must be there, and not null, in one of the values at least, those that
    are not optional wherever they belong; each must be of its type.
    """
    comparison = Comparison(fields(anchor))
    for value in values:
        comparison.take(value)
    return comparison.ended(absent)


def differing_arrays(anchor: str, arrays: Mapping[str, np.ndarray]) -> list[str]:
    """What the arrays of an archive and those of a section have not in common.

    Axes of one name are as long in all arrays of a layer.
    """
    rows = {}
    for name, dtype, shape, *_ in tables()[anchor, "array"]:
        pattern = re.sub("<[a-z]+>", lambda each: f"({_NAMES[each[0]]})", re.escape(name))
        rows[pattern] = name, dtype, shape.strip("()").split(", ") if shape != "()" else []
    problems, sizes, met = [], {}, set()
    for name, array in arrays.items():
        found = [(re.fullmatch(pattern, name), row) for pattern, row in rows.items()]
        found = [(match, row) for match, row in found if match]
        if len(found) != 1:
            problems.append(f"{name} is {len(found)} times on the page")
            continue
        [(match, (told, dtype, axes))] = found
        met.add(told)
        layer = next((each for each in match.groups() if "." in each), "")
        wanted = [int(axis) if axis.isdigit() else axis for axis in axes]
        if len(wanted) == array.ndim:
            of = zip(wanted, array.shape, strict=True)
            wanted = [axis if isinstance(axis, int) else sizes.setdefault((layer, axis), size)
                      for axis, size in of]  # fmt: skip
        kind = "string" if array.dtype.kind == "U" else array.dtype.name
        if (kind, array.shape) != (dtype, tuple(wanted)):
            problems.append(f"{name} is {kind} {array.shape} and not {dtype} {tuple(wanted)}")
    return problems + [f"{name} was never there" for name, *_ in rows.values() if name not in met]
