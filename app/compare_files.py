"""Measurements of the Compare page as files: results as JSON, maps as NPZ, both with provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app import compare_resources, resources
from app.compare_resources import Pair
from gsa import export
from gsa.config import NetworkConfig
from gsa.export import Provenance
from gsa.machine import described
from gsa.record import Array


@dataclass(frozen=True)
class Measurement:
    """What is measured: a result is kept, and leaves, under its name and settings."""

    what: str
    settings: Mapping[str, str | float]
    pair: Pair | None = None  # of checkpoints; None where none has a part in it
    # fixed when the page is drawn: when a file is asked for, the weights may be others
    provenance: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "provenance", self._provenance())

    @property
    def key(self) -> str:
        """Changes with all that the result depends on."""
        weights = compare_resources.version(self.pair) if self.pair else ""
        return " ".join((self.what, weights, *map(str, self.settings.values())))

    def file_name(self, kind: str) -> str:
        """Such as `compare-fields-caltech94.json`."""
        of = [compare_resources.cards(self.pair)["gsa"].pair] if self.pair else []
        return f"{'-'.join(('compare', self.what, *of))}.{kind}"

    def json_bytes(self, result: Any) -> bytes:
        """A result, JSON-ready, with its provenance."""
        return export.json_bytes(self.provenance | {"result": result})

    def npz_bytes(self, arrays: Mapping[str, Array]) -> bytes:
        """Arrays by name, with `provenance`, one JSON object as text."""
        return export.archive_bytes(arrays, json.dumps(self.provenance, ensure_ascii=False))

    def _provenance(self) -> dict[str, Any]:
        cards = compare_resources.cards(self.pair) if self.pair else {}
        return {
            "measurement": self.what,
            "settings": dict(self.settings),
            "networks": [
                {"checkpoint": card.name, "weights_sha256": card.sha256} for card in cards.values()
            ],
            "gsa_version": Provenance.gsa_version,
            "torch_version": Provenance.torch_version,
            "machine": described(str(self.settings.get("device", self._device()))),
            **(self._of_costs(cards["gsa"].network) if self.what == "cost" else {}),
        }

    def _device(self) -> str:
        """Where the networks are; what is made for a measurement is made on the processor."""
        if self.pair is None or self.settings.get("weights") == "random":
            return "cpu"
        return resources.device()

    def _of_costs(self, network: NetworkConfig) -> dict[str, Any]:
        """What costs depend on beside the settings: what is measured, and by how many threads."""
        from gsa.scaling import Setting

        if self.settings["of"] == "layer":
            names = ("heads", "projection_norm")
            measured: dict[str, Any] = {name: getattr(network, name) for name in names}
            measured["width"] = network.widths[0]
        else:
            measured = {"network": network.to_dict()}
        return {"measured": measured, "threads": Setting.threads}
