"""Curves of a training run as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def draw_curves(histories: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Loss and held-out accuracy over epochs, a line for each run, written as a PNG."""
    figure = Figure(figsize=(8, 3.2), dpi=130)
    loss, accuracy = figure.subplots(1, 2)
    for name, history in histories.items():
        epochs = [entry["epoch"] for entry in history]
        loss.plot(epochs, [entry["loss"] for entry in history], label=name)
        if all("held_out_top1" in entry for entry in history):
            accuracy.plot(epochs, [entry["held_out_top1"] * 100 for entry in history], label=name)
    loss.set(xlabel="epoch", ylabel="training loss (augmented, smoothed)")
    accuracy.set(xlabel="epoch", ylabel="held-out top-1 in %", ylim=(0, 100))
    for axis in (loss, accuracy):
        axis.grid(alpha=0.3)
        axis.legend()
    figure.tight_layout()
    figure.savefig(path, format="png")
