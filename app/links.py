"""What a link says that there is not: it is put right before anything is drawn, and said.

`state` reads a link as far as its form goes; which layers, classes and pictures there are is known
only when the networks are there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

from app.selection import CHOICES, OWN, Selection
from app.text import words

text = words("look")
_LONGEST = 40  # letters of a wrong value that are repeated
_MOST = 3  # faults that are named one by one
_FIELDS = asdict(Selection())  # and their values at the start
_CORNERS = (
    *("bottom", "right", "other_bottom", "other_right"),
    *("part_top", "part_left", "part_bottom", "part_right"),
)


@dataclass(frozen=True)
class Known:
    """What there is to be named by a link."""

    pictures: tuple[str, ...]
    pairs: tuple[str, ...]
    layers: tuple[str, ...]
    heads: int  # of the layer that has most
    classes: tuple[str, ...]


def fitted(chosen: Selection, known: Known) -> Selection:
    """The selection, with what there is not as at the start."""
    named = {
        "pair": known.pairs,
        "layer": known.layers,
        "target": known.classes,
        "heads": _heads(known),
    }
    there = {
        name: _FIELDS[name]
        for name, values in named.items()
        if getattr(chosen, name) not in (_FIELDS[name], *values)
    }
    cut = {each for each in chosen.cut_layers.split(",") if each}
    in_order = [layer for layer in known.layers if layer in cut and cut <= set(known.layers)]
    if not chosen.is_region:
        there |= {name: _FIELDS[name] for name in ("bottom", "right")}
    if not chosen.other.is_region:
        there |= {name: _FIELDS[name] for name in ("other_bottom", "other_right")}
    if not (chosen.part_top < chosen.part_bottom and chosen.part_left < chosen.part_right):
        there |= {name: _FIELDS[name] for name in _CORNERS if name.startswith("part_")}
    return replace(chosen, cut_layers=",".join(in_order), **there)


def complaint(said: dict[str, str], shown: Selection, known: Known) -> str:
    """One sentence on all that a link says and the page does not show; empty if there is nothing.

    Args:
        said: the parameters of the link.
        shown: the selection, fitted.
        known: what there is.
    """
    faults = [
        _fault(name, value, known)
        for name, value in said.items()
        if not _followed(name, value, shown, known)
    ]
    if not faults:
        return ""
    if len(faults) > _MOST:
        more = text["link_more"].format(count=len(faults) - _MOST)
        faults = [*faults[:_MOST], more]
    return text["link_wrong"].format(faults="; ".join(faults))


def not_there(said: dict[str, str], known: dict[str, Iterable[str]]) -> str:
    """One sentence on what the Compare page has not; empty if it has all that a link says.

    Args:
        said: the parameters of the link.
        known: for each of them, what there is to be named.
    """
    rule: str = text["link_rules"]["one"]
    faults = [
        text["link_fault"].format(
            name=_code(name), value=_code(value), rule=rule.format(known=", ".join(known[name]))
        )
        for name, value in said.items()
        if value not in known[name]
    ]
    return text["link_wrong"].format(faults="; ".join(faults)) if faults else ""


def _heads(known: Known) -> list[str]:
    numbers = map(str, range(known.heads))
    return [*(each for each in CHOICES["heads"] if not each.isdigit()), *numbers]


def _followed(name: str, value: str, shown: Selection, known: Known) -> bool:
    """Whether the page shows what a parameter says."""
    if name == "picture":
        return value in known.pictures
    if name not in _FIELDS:
        return False
    there = getattr(shown, name)
    if isinstance(there, bool):
        return value == str(int(there))
    if isinstance(there, float):
        try:
            return float(value) == there
        except ValueError:
            return False
    if name == "cut_layers":
        return set(value.split(",")) <= {"", *known.layers}
    return value == there


def _fault(name: str, value: str, known: Known) -> str:
    """What is wrong: the value and its rule, or that there is no such setting."""
    own = name == "picture" and value.startswith(OWN)
    rule = text["link_rules"]["own"] if own else _rule(name, known)
    # a link is anybody's text: as code it cannot become markup of the page
    said = {"name": _code(name), "value": _code(value)}
    return text["link_fault" if rule else "link_unknown"].format(**said, rule=rule)


def _rule(name: str, known: Known) -> str:
    """What the values of a parameter must be; empty if there is no such parameter."""
    rules: dict[str, str] = text["link_rules"]
    lists: dict[str, Iterable[str]] = {
        **CHOICES,
        "heads": _heads(known),
        "pair": known.pairs,
        "layer": known.layers,
        "cut_layers": known.layers,
    }
    if name in lists:
        return rules["some" if name == "cut_layers" else "one"].format(known=", ".join(lists[name]))
    if name in _CORNERS:
        return rules["corner"]
    if name in rules:
        return rules[name]
    if name in _FIELDS:
        return rules["switch" if isinstance(_FIELDS[name], bool) else "share"]
    return ""


def _code(said: str) -> str:
    short = " ".join(said.replace("`", "'").split())[:_LONGEST]
    return f"`{short or ' '}`"
