"""Pictures for the page of the checkpoints: curves of training runs, shares of the branches."""

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
        if axis.lines:  # without held-out pictures there is no accuracy
            axis.legend()
    figure.tight_layout()
    figure.savefig(path, format="png")


def draw_shares(study: dict[str, Any], path: Path) -> None:
    """Share of the positional branch over the layers, a line for each condition, as a PNG.

    Args:
        study: from `gsa.shares.study`.
        path: of the picture.
    """
    figure = Figure(figsize=(8, 3.6), dpi=130)
    axis = figure.subplots()
    for condition in study["conditions"]:
        layers = condition["layers"]
        mean, low, high = (
            [entry[key] * 100 for entry in layers.values()] for key in ("mean", "low", "high")
        )
        style: dict[str, Any] = {"lw": 2.5} if condition["trained"] else {"lw": 1.2, "ls": "--"}
        (line,) = axis.plot(list(layers), mean, marker="o", ms=4, label=condition["name"], **style)
        axis.fill_between(list(layers), low, high, color=line.get_color(), alpha=0.15, lw=0)
    axis.axhline(50, color="grey", lw=0.8)
    axis.set(xlabel="layer", ylabel="positional branch: % of both norms", ylim=(0, 100))
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.tight_layout()
    figure.savefig(path, format="png")
