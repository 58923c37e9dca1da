"""The parts of `checkpoints/README.md` that are no cards: studies, and a record of what was tried.

Each is a file of JSON beside the cards, where the page is to show it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gsa.baselines import CONTROLS
from gsa.card import Card, CheckpointError
from gsa.checkpoints import read_card
from gsa.recipe import Recipe

SHARES = "branch_share.json"
DELETION = "deletion.json"
_Study = dict[str, Any]


class StudyError(ValueError):
    """What keeps a study from being shown; the message is one sentence fit for a user."""


def read_study(path: Path) -> _Study:
    """A study from its file; StudyError if that is not JSON."""
    try:
        found: _Study = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StudyError(f"{str(path)!r} is not JSON ({error}).") from None
    return found


def attributions_tested(cards: Iterable[Card], folder: Path) -> _Study | None:
    """What `python -m gsa deletion --json` found of these networks, if it lies in their folder.

    Returns:
        The study; None if there is none, or one of other weights, or what is no such study.
    """
    try:
        study = read_study(folder / DELETION)
        used = study["protocol"]["weights_sha256"]
        same = all(used.get(card.name) == card.sha256 for card in cards)
    except (OSError, StudyError, KeyError, TypeError, AttributeError):
        return None
    return study if same else None


def _ablation(results: _Study, _: Path) -> str:
    """Parameters, operations and accuracy of each variant."""
    recipe, data = Recipe(**results["recipe"]), results["data"]
    about = (
        f"Variants of `{recipe.network}` at {recipe.size} px, trained by one recipe for "
        f"{recipe.epochs} epochs on {data['train']} pictures of {data['name']}. Accuracy is on "
        f"{data['held_out']} pictures held out from the training part, the same for every run; the "
        "part that the table above is made on was not opened. "
        f"{_ablation_seeds(results['variants'])}"
    )
    head = (
        "| variant | parameters | operations | held-out top-1 (95 % interval) | of each seed "
        "| training loss |\n" + "|---" * 6 + "|"
    )
    return f"{about}\n\n" + "\n".join([head, *map(_ablation_row, results["variants"])])


def _ablation_seeds(variants: list[dict[str, Any]]) -> str:
    """How to tell rows apart."""
    if any(entry["deviation"] is None for entry in variants):
        return "With one seed, rows whose intervals overlap widely are not told apart."
    return (
        "± is the standard deviation over seeds, and the interval is for the drawing of the "
        "pictures, on which all rows depend alike."
    )


def _ablation_row(entry: dict[str, Any]) -> str:
    low, high = entry["interval"]
    spread = "" if entry["deviation"] is None else f" ± {entry['deviation']:.1%}"
    each = ", ".join(f"{run['held_out_top1']:.1%} ({run['seed']})" for run in entry["runs"])
    return (
        f"| {entry['name']} | {entry['params'] / 1e6:.2f} M | {entry['flops'] / 1e9:.3f} G "
        f"| {entry['held_out_top1']:.1%}{spread} ({low:.1%} to {high:.1%}) | {each} "
        f"| {entry['loss']:.2f} |"
    )


def _deletion(study: _Study, folder: Path) -> str:
    """How many pictures each method passes on, by network."""
    protocol = study["protocol"]
    _check_weights(protocol["weights_sha256"], folder, DELETION, "deletion")
    about = (
        f"Class attributions of {protocol['pictures']} pictures ({protocol['source']}), each of "
        "the class that the network gives itself, under the deletion test: blocks of the picture, "
        f"{protocol['blocks']} along its longer side, are blurred in the order of the map, and the "
        "area under the probability of the class is measured; lower is better. What knows no "
        f"network must be beaten: {protocol['orders']} orders at random, the edges of the picture, "
        "and nearness to its middle. All of them beaten is a pass. Edges and middle need not beat "
        "themselves, so what they pass on is no measure of them beside the methods."
    )
    head = (
        "| checkpoint | method | area | at random | random orders beaten | beats edges "
        "| beats middle | passes on (95 % interval) |\n" + "|---" * 8 + "|"
    )
    return f"{about}\n\n" + "\n".join([head, *map(_deletion_row, study["methods"])])


def _deletion_row(row: dict[str, Any]) -> str:
    low, high = row["interval"]
    beats = (f"{row['beats'][each]:.0%}" if each in row["beats"] else "" for each in CONTROLS)
    return (
        f"| `{row['checkpoint']}` | {row['method'].replace('_', ' ')} | {row['area']:.3f} "
        f"| {row['random_area']:.3f} | {row['beaten']:.0%} | {' | '.join(beats)} "
        f"| {row['passed']:.0%} ({low:.0%} to {high:.0%}) |"
    )


def _shares(study: _Study, folder: Path) -> str:
    """The means as a table, below the figure."""
    name = study["checkpoint"]
    _check_weights({name: study["sha256"]}, folder, SHARES, "shares")
    conditions = study["conditions"]
    layers = list(conditions[0]["layers"])
    # studies older than the entry do not tell
    part = f" of the part `{study['split']}`" if "split" in study else ""
    about = (
        f"Share of the positional branch in the output of each layer of `{name}` and of networks "
        f"before their first step: its norm over the sum of both norms, {study['pictures']} "
        f"pictures{part}, {study['seeds']} seed{'s' if study['seeds'] > 1 else ''} of each start, "
        "batch norms with the statistics of one batch. The band holds the middle 80 % of the "
        "pictures. What is missing to 100 % is the content branch."
    )
    rows = [
        f"| {condition['name']} | "
        + " | ".join(f"{condition['layers'][layer]['mean']:.0%}" for layer in layers)
        + " |"
        for condition in conditions
    ]
    head = f"| mean over pictures | {' | '.join(layers)} |\n" + "|---" * (len(layers) + 1) + "|"
    picture = f"![Share of the positional branch over the layers]({picture_of(SHARES)})"
    return f"{about}\n\n{picture}\n\n" + "\n".join([head, *rows])


def _check_weights(used: Mapping[str, str], folder: Path, file: str, command: str) -> None:
    """CheckpointError if a study was made with other weights than lie here."""
    for name, sha256 in used.items():
        if read_card(name, folder).sha256 != sha256:
            raise CheckpointError(
                f"{file} was measured on other weights of {name!r}; run `python -m gsa {command}` "
                "again."
            )


def picture_of(name: str) -> str:
    """The figure of a study, by its file."""
    return str(Path(name).with_suffix(".png"))


def _earlier(results: _Study, _: Path) -> str:
    """One row for each card of weights that better ones replaced."""
    rows = [
        f"| `{card['name']}` | {card['results']['top1']:.1%} "
        f"| {card['results']['mean_per_class']:.1%} | {card['recipe']['epochs']} epochs from "
        f"{card['recipe']['init_from'] or 'random weights'}, augmentation "
        f"{card['recipe'].get('augment') or 'none'}"
        f"{', with teachers' if card['recipe'].get('teachers') else ''} |"
        for card in results["cards"]
    ]
    about = (
        "Recipes were revised after these had been evaluated, on the part of the data by which the "
        "pairs above are judged too."
    )
    head = "| checkpoint | top-1 | mean per class | recipe |\n" + "|---" * 4 + "|"
    return "\n".join([about, "", head, *rows])


def _trials(trials: _Study, _: Path) -> str:
    shared = min(len(trial["history"]) for trial in trials["trials"])
    rows = [
        f"| {trial['mixer']} | {trial['variant']} | {_at(trial, shared)} | {_at(trial, 0)} |"
        for trial in trials["trials"]
    ]
    head = (
        f"| mixer | variant | after {shared} epochs: loss, held-out top-1 | at its end |\n"
        "|---|---|---|---|"
    )
    parts = [trials["about"], "\n".join([head, *rows])]
    if "recipes" in trials:
        parts += [trials["recipes_about"], _recipe_trials(trials["recipes"])]
    return "\n\n".join(parts)


def _recipe_trials(trials: list[dict[str, Any]]) -> str:
    """Percentages are shown with the digits that were written down."""
    rows = [
        f"| {trial['mixer']} | {trial['name']} | {trial['epochs']} | {trial['held_out_percent']}% "
        f"| {trial['shipped_percent']}% | {trial['verdict']} |"
        for trial in trials
    ]
    head = "| mixer | recipe | epochs | held-out top-1 | shipped settings | verdict |"
    return "\n".join([head + "\n" + "|---" * 6 + "|", *rows])


def _at(trial: dict[str, Any], epoch: int) -> str:
    """Loss and accuracy after an epoch; 0 stands for the last."""
    entry = trial["history"][epoch - 1]
    end = f" (epoch {entry['epoch']})" if epoch == 0 else ""
    return f"{entry['loss']:.2f}, {entry['held_out_top1']:.1%}{end}"


# by the file that it is read from: its title, and how it is told
STUDIES: dict[str, tuple[str, Callable[[_Study, Path], str]]] = {
    "ablation.json": ("The parts of the module", _ablation),  # of `python -m gsa ablate`
    SHARES: ("What each branch carries", _shares),  # of `python -m gsa shares`
    DELETION: ("Which attributions pass", _deletion),  # of `python -m gsa deletion --json`
    # {"cards": [...]} of weights that are no longer here, without classes
    "earlier.json": ("Pairs that were replaced", _earlier),
    "trials.json": ("What was tried", _trials),
}
