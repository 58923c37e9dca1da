"""Training a twin by a recipe, and judging it once: weights, card and curves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from lightning_fabric import Fabric

from gsa.card import Card
from gsa.checkpoints import (
    HISTORY,
    Checkpoint,
    available,
    folder,
    load,
    read_card,
    save,
    write_card,
)
from gsa.config import Mixer
from gsa.curves import draw_curves
from gsa.data import about, open_split
from gsa.evaluate import evaluate, fit_temperature, in_order
from gsa.files import write_text
from gsa.recipe import Recipe, RecipeError
from gsa.run import SAVE_EVERY, Run, launched
from gsa.run_state import Identity
from gsa.seeds import seeds_folder
from gsa.split import DataError, Split, hold_out


def train(
    recipe: Recipe,
    mixer: Mixer,
    root: Path | None,
    runs: Path,
    out: Path,
    *,
    seed: int | None = None,
    download: bool = False,
    save_every: int = SAVE_EVERY,
    fabric: Fabric | None = None,
) -> Card:
    """Train one twin, evaluate it once on the val split, and write weights, card and curves.

    A seed other than the recipe's shows how far results scatter, and nothing is chosen by it: its
    card alone is kept, `seeds/<pair>_<mixer>_s<seed>.json`, and its weights stay with its run.

    Args:
        recipe: what to do.
        mixer: which twin.
        root: folder of a known data set.
        runs: holds the state of the run, in a folder of its name; a state found there is resumed.
        out: gets `<pair>_<mixer>.safetensors`, `.json`, `.curves.json` and `.curves.png`, instead
            of those that it has. The checkpoints that the recipe starts and learns from, if any,
            are looked for here, and then where checkpoints are looked for
            (`gsa.checkpoints.folder`).
        seed: instead of the recipe's.
        download: whether a known data set that is not there is fetched first.
        save_every: steps between two writes of the state.
        fabric: from `launched`, for several devices.

    Returns:
        The card as written.

    Raises:
        ValueError: for data, a start, teachers, a network or a state that do not fit the recipe.
    """
    check_pair(recipe, (mixer,), out)
    own = recipe.seed
    recipe = replace(recipe, seed=own if seed is None else seed)
    further = recipe.seed != own
    name = f"{recipe.pair}_{mixer}" + (f"_s{recipe.seed}" if further else "")
    fabric = fabric or launched(recipe, 1)
    full = open_split(recipe.data, "train", root, download=download)
    val = open_split(recipe.data, "val", root)  # found missing now, and not after hours
    if set(val.places) & set(full.places):
        raise DataError(f"the data {recipe.data!r} has no `train` and `val` folders of its own.")
    val = in_order(val, full.labels, "`train`", data_name="`val`")
    teachers = [_load(each, out) for each in recipe.teachers]
    start = _load(f"{recipe.init_from}_{mixer}", out) if recipe.init_from else None
    known = [*teachers, *([start] if start else [])]
    of_these = any(each.card.recipe.get("data") == recipe.data for each in known)
    # whatever the seed, pictures that none of them has learned
    apart = own if teachers or of_these else recipe.seed
    _check_apart(recipe, apart, known)
    learn, held = hold_out(full, recipe.hold_out, apart)
    out.mkdir(parents=True, exist_ok=True)
    run = Run(
        recipe,
        mixer,
        learn,
        held,
        runs / name,
        save_every=save_every,
        start=start,
        teachers=teachers,
        fabric=fabric,
    )
    run.follow()

    card = Card(
        name=name,
        pair=recipe.pair,
        network=run.model.config,
        preprocess=run.preprocess,
        classes=full.labels,
        data={**about(recipe.data), "train": len(learn), "held_out": len(held)},
        recipe=recipe.to_dict(),
        training=run.cost() | _origin(run.identity),
        use=recipe.use,
        limits=recipe.limits,
    )
    if fabric.is_global_zero:
        _keep(run, card, held, val, out, further=further)
    fabric.barrier()
    return read_card(name, seeds_folder(out) if further else out)


def _load(name: str, out: Path) -> Checkpoint:
    """A checkpoint that a recipe names: one made beside it before all others."""
    return load(name, out if name in available(out) else folder())


def check_pair(recipe: Recipe, mixers: Sequence[Mixer], out: Path) -> None:
    """Refuse what would fail, or give no pair, when one twin or both are trained.

    Args:
        recipe: what is to be done.
        mixers: of the twins that are to be trained.
        out: where a start is looked for first.

    Raises:
        ValueError: if the recipe makes no pair that differs in the mixer alone, or a start is
            missing.
    """
    for mixer in get_args(Mixer):  # both, since the other one is to be trained some day
        config = recipe.config(mixer, num_classes=2)
        if config.mixer != mixer:
            raise RecipeError(
                f"with `network` (={recipe.network!r}) and its table `gsa` the recipe makes no "
                f"{mixer} network but a {config.mixer} one."
            )
    others = sorted(recipe.gsa.keys() - config.module_options().keys())
    if others:
        raise RecipeError(
            f"`gsa` must not set {others[0]!r}: twins differ in the mixer alone, so it takes "
            f"{', '.join(config.module_options())}; what both have is for the table `shape`."
        )
    if recipe.init_from:
        for mixer in mixers:
            _load(f"{recipe.init_from}_{mixer}", out)


def _check_apart(recipe: Recipe, seed: int, known: list[Checkpoint]) -> None:
    """Refuse a start or teachers that have learned pictures which are held out to judge by.

    Args:
        recipe: names the data, and the share that is held out.
        seed: that they are drawn by.
        known: whose cards say the same of them; of other data, or none, nothing is known.

    Raises:
        ValueError: if one of them had other pictures of the same data held out.
    """
    for card in (each.card for each in known):
        theirs = card.recipe.get("hold_out"), card.recipe.get("seed")
        if card.recipe.get("data") == recipe.data and theirs != (recipe.hold_out, seed):
            raise ValueError(
                f"{card.name!r}, a start or a teacher, has learned pictures that are held out "
                f"here: its `hold_out` and `seed` (={theirs[0]} and {theirs[1]}) must be "
                f"{recipe.hold_out} and {seed}."
            )


def _origin(identity: Identity) -> dict[str, Any]:
    """The sha256 of the weights that a run started and learned from, where there are any."""
    entries = {"start_sha256": identity.start, "teachers_sha256": list(identity.teachers)}
    return {key: value for key, value in entries.items() if value}


def _keep(run: Run, card: Card, held: Split, val: Split, out: Path, *, further: bool) -> None:
    """Write what a run leaves; of a further seed its card alone."""
    weights = run.folder if further else out
    card = save(run.averaged(), card, weights)
    if not further:
        write_text(out / f"{card.name}{HISTORY}", json.dumps(run.history, indent=1) + "\n")
        draw_curves({card.name: run.history}, out / f"{card.name}.curves.png")
    card = _judge(card, weights, held, val)
    if further:
        seeds_folder(out).mkdir(parents=True, exist_ok=True)
        write_card(card, seeds_folder(out))


def _judge(card: Card, out: Path, held: Split, val: Split) -> Card:
    """Evaluate the weights as they were written; the temperature comes from the held-out part."""
    checkpoint = load(card.name, out)
    results = {}
    if len(held):
        results["temperature"] = fit_temperature(checkpoint, held)
        card = replace(card, results=results)
        checkpoint = replace(checkpoint, card=card)
    card = replace(card, results={**results, **evaluate(checkpoint, val)})
    write_card(card, out)
    return card
