"""Ablations: one recipe, several variants of the module, each judged on the held-out part.

The val split is not opened: a table of variants is there to choose by.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, get_args

from gsa.config import Mixer
from gsa.costs import flops, parameters
from gsa.data import about, open_split
from gsa.evaluate import wilson
from gsa.files import write_text
from gsa.recipe import Recipe, RecipeError, read_toml, recipe_of
from gsa.run import SAVE_EVERY, Run
from gsa.split import Split, hold_out

_Runs = dict[int, dict[str, Any]]  # of one variant, by seed


@dataclass(frozen=True)
class Variant:
    """What one row of the table changes."""

    name: str
    mixer: Mixer = "gsa"
    gsa: dict[str, Any] = field(default_factory=dict)  # on top of the recipe's own table `gsa`

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _folder_name(self.name).strip("_"):
            raise RecipeError(
                f"`name` (={self.name!r}) of a variant must have a letter from a to z or a digit: "
                "its run lies in a folder called after it."
            )
        if not isinstance(self.gsa, dict):
            raise RecipeError(f"`gsa` (={self.gsa!r}) of {self.name!r} must be a table.")
        if self.mixer not in get_args(Mixer):
            raise RecipeError(
                f"`mixer` (={self.mixer!r}) of {self.name!r} must be one of {get_args(Mixer)}."
            )


@dataclass(frozen=True)
class Ablation:
    """A recipe and its variants.

    Raises:
        RecipeError: if two variants have one name or one folder, no pictures are held out to judge
            by, or the recipe starts from other weights or has teachers.
    """

    recipe: Recipe
    variants: tuple[Variant, ...]

    def __post_init__(self) -> None:
        names = [variant.name for variant in self.variants]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise RecipeError(f"two variants of the ablation are called {twice[0]!r}.")
        folders: dict[str, str] = {}
        for name in names:
            other = folders.setdefault(_folder_name(name), name)
            if other != name:
                raise RecipeError(
                    f"the variants {other!r} and {name!r} would have one folder for their runs, "
                    f"`{_folder_name(name)}`: letters from a to z and digits must tell them apart."
                )
        if not self.recipe.hold_out:
            raise RecipeError("`hold_out` (=0) must be above 0: an ablation is judged by it.")
        if self.recipe.init_from:
            raise RecipeError(
                f"`init_from` (={self.recipe.init_from!r}) must be empty: the variants of an "
                "ablation differ in their module and start from random weights."
            )
        if self.recipe.teachers:
            raise RecipeError(
                f"`teachers` (={list(self.recipe.teachers)}) must be empty: the variants of an "
                "ablation are told apart by what they learn by themselves."
            )

    def recipe_of(self, variant: Variant) -> Recipe:
        """The recipe that trains a variant."""
        return replace(self.recipe, gsa={**self.recipe.gsa, **variant.gsa})


def _folder_name(variant: str) -> str:
    """What a variant's run lies in, after the name of the pair."""
    return re.sub(r"[^a-z0-9]+", "_", variant.lower())


def read_ablation(path: Path) -> Ablation:
    """An ablation from a TOML file: a recipe and a list of tables `variants`.

    Raises:
        RecipeError: as `read_recipe`, or if the variants are missing or wrong.
    """
    values = read_toml(path)
    tables = values.pop("variants", None)
    if not isinstance(tables, list) or not tables:
        raise RecipeError(f"the ablation {str(path)!r} has no list of tables `variants`.")
    try:
        variants = tuple(Variant(**table) for table in tables)
    except TypeError as error:
        raise RecipeError(f"a variant in {str(path)!r} does not fit: {error}.") from None
    return Ablation(recipe_of(values, path), variants)


def ablate(
    ablation: Ablation,
    root: Path | None,
    runs: Path,
    out: Path,
    *,
    seeds: int = 1,
    download: bool = False,
    save_every: int = SAVE_EVERY,
) -> dict[str, Any]:
    """Train every variant, with each of some seeds, that the file of results does not have yet.

    All are judged by the same held-out pictures, which the recipe's own seed draws.

    Args:
        ablation: what to train.
        root: folder of a known data set.
        runs: holds the state of each run; a state found there is resumed.
        out: JSON file of results, written after each run and at the end.
        seeds: how many, counted up from the recipe's own; others that the file has stay in it.
        download: whether a known data set that is not there is fetched first.
        save_every: steps between two writes of a state.

    Returns:
        What the file holds: `recipe`, `data`, and for each of `variants` its `name`, `mixer`,
        `options`, `params`, `flops`, the means over its seeds of `held_out_top1`, with its 95 %
        `interval` for the drawing of pictures and its standard `deviation` over seeds (None of
        one), and of `loss` in the last epoch, and its `runs`, by seed: `seed`, `held_out_top1`,
        `loss`, `cost` and `history`.

    Raises:
        ValueError: for data or networks that do not fit, no seeds, or a file of another ablation.
    """
    if seeds < 1:
        raise RecipeError(f"`seeds` (={seeds}) must be at least 1.")
    full = open_split(ablation.recipe.data, "train", root, download=download)
    learn, held = hold_out(full, ablation.recipe.hold_out, ablation.recipe.seed)
    if not len(held):
        raise RecipeError(
            f"`hold_out` (={ablation.recipe.hold_out}) holds out none of the {len(full)} pictures, "
            "and an ablation is judged by those."
        )
    classes = len(full.labels)
    for variant in ablation.variants:  # found wrong now, and not after hours
        ablation.recipe_of(variant).config(variant.mixer, classes)
    counts = {"train": len(learn), "held_out": len(held)}
    data = {**about(ablation.recipe.data), **counts}
    done = _read(out, ablation, counts)
    head = {"recipe": ablation.recipe.to_dict(), "data": data}

    def results() -> dict[str, Any]:
        return {**head, "variants": list(_entries(ablation, done, classes, len(held)))}

    first = ablation.recipe.seed
    for seed in range(first, first + seeds):  # a table is whole before it gets its next seed
        for variant in ablation.variants:
            known = done.setdefault(variant.name, {})
            if seed not in known:
                known[seed] = _train(ablation, variant, seed, learn, held, runs, save_every)
                _write(out, results())
    found = results()
    _write(out, found)  # even if there was nothing to train: its means are those of its runs
    return found


def _entries(
    ablation: Ablation, done: dict[str, _Runs], classes: int, held: int
) -> Iterator[dict[str, Any]]:
    """What the file says of each variant that has a run."""
    for variant in ablation.variants:
        known = done.get(variant.name)
        if not known:
            continue
        each = [known[seed] for seed in sorted(known)]
        top1 = [run["held_out_top1"] for run in each]
        config = ablation.recipe_of(variant).config(variant.mixer, classes)
        yield {
            "name": variant.name,
            "mixer": variant.mixer,
            "options": variant.gsa,
            "params": parameters(config),
            "flops": flops(config),
            "held_out_top1": fmean(top1),
            "interval": wilson(fmean(top1), held),
            "deviation": stdev(top1) if len(top1) > 1 else None,
            "loss": fmean(run["loss"] for run in each),
            "runs": each,
        }


def _read(out: Path, ablation: Ablation, counts: dict[str, int]) -> dict[str, _Runs]:
    """The runs that are done, on as many pictures, by variant and seed."""
    if not out.is_file():
        return {}
    known = {variant.name: asdict(variant) for variant in ablation.variants}
    try:
        found = json.loads(out.read_text(encoding="utf-8"))
        same = Recipe(**found["recipe"]) == ablation.recipe and all(
            known.get(entry["name"])
            == {"name": entry["name"], "mixer": entry["mixer"], "gsa": entry["options"]}
            for entry in found["variants"]
        )
        found_counts = {name: found["data"][name] for name in counts}
        done = {
            entry["name"]: {run["seed"]: run for run in entry["runs"]}
            for entry in found["variants"]
        }
    except (ValueError, KeyError, TypeError):
        raise RecipeError(f"{str(out)!r} does not hold the results of an ablation.") from None
    if not same:
        raise RecipeError(f"{str(out)!r} holds another ablation; choose another file or remove it.")
    if found_counts != counts:
        raise RecipeError(
            f"{str(out)!r} holds results on other pictures; choose another file or remove it."
        )
    return done


def _write(out: Path, results: dict[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1, ensure_ascii=False) + "\n"
    write_text(out, text)


def _train(
    ablation: Ablation,
    variant: Variant,
    seed: int,
    learn: Split,
    held: Split,
    runs: Path,
    save_every: int,
) -> dict[str, Any]:
    recipe = replace(ablation.recipe_of(variant), seed=seed)
    further = "" if seed == ablation.recipe.seed else f"_s{seed}"
    folder = runs / f"{recipe.pair}_{_folder_name(variant.name)}{further}"
    run = Run(recipe, variant.mixer, learn, held, folder, save_every=save_every)
    run.follow()
    last = run.history[-1]
    return {
        "seed": seed,
        "held_out_top1": last["held_out_top1"],
        "loss": last["loss"],
        "cost": run.cost(),
        "history": run.history,
    }
