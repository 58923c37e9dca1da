"""Numbers behind the charts of the sections as JSON, with what they were made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from app import leaving
from app.drawing import View
from app.places import Alike
from app.section_files import provenance_of_fields, provenance_of_places, provenance_of_twins
from gsa import export
from gsa.erf import Field
from gsa.record import Array


def radius_file(
    view: View, label: str, radii: Sequence[float], curves: Mapping[str, Array]
) -> bytes:
    """Probabilities of a class while weights are cut, or parts of the picture shuffled.

    Args:
        view: what is shown.
        label: the class.
        radii: in pixels of the input.
        curves: by name, a probability for each radius.

    Returns:
        The provenance, `radii` and `probabilities` by the names of the curves.
    """
    made_from = provenance_of_twins(
        view,
        label,
        layers=tuple(view.gsa.recording.layers),
        heads="all",
        scale="none",
        direction="from",
        value="probability",
    )
    found = {name: [float(each) for each in curve] for name, curve in curves.items()}
    return export.json_bytes(asdict(made_from) | {"radii": list(radii), "probabilities": found})


def ranges_file(view: View, rows: Sequence[Mapping[str, Any]], value: str) -> bytes:
    """Distances of the layers, from the chosen place and from many.

    Args:
        view: what is shown.
        rows: of each layer and branch its names, `gsa.RangeMeasures` from the place, and `spread`
            over many places, as `python -m gsa range` has them.
        value: whether they are of weights or of contributions.

    Returns:
        The provenance and the `rows`.
    """
    made_from = leaving.provenance(
        view,
        layers=tuple(view.gsa.recording.layers),
        heads=view.chosen.heads,
        scale="none",
        direction="from",
        value=value,
    )
    return export.json_bytes(asdict(made_from) | {"rows": list(rows)})


def fields_file(view: View, found: Mapping[str, Sequence[Field]]) -> bytes:
    """Receptive fields of the place, as the provenance and by mixer what `Field.to_dict` says."""
    made_from = provenance_of_fields(view)
    fields = {mixer: [field.to_dict() for field in of] for mixer, of in found.items()}
    return export.json_bytes(asdict(made_from) | {"fields": fields})


def alike_file(view: View, found: Sequence[Alike]) -> bytes:
    """Correlations of the maps of two places, as the provenance and the `rows`."""
    layers = tuple(view.gsa.recording.layers)
    made_from = provenance_of_places(view, layers=layers, scale="none")
    return export.json_bytes(asdict(made_from) | {"rows": [asdict(each) for each in found]})
