"""`checkpoints/README.md`, made from the cards and from the record of what was tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gsa.card import Card, CheckpointError
from gsa.checkpoints import available, load, read_card
from gsa.curves import draw_shares
from gsa.files import GENERATED, PAGE, check_page, write_text
from gsa.recipe import Recipe, RecipeError, listed
from gsa.report_studies import SHARES, STUDIES, StudyError, picture_of, read_study
from gsa.seeds import cards_of_seeds, each_seed, verdict
from gsa.twins import pairs


def report(folder: Path) -> str:
    """The page for the checkpoints in a folder, as Markdown.

    Raises:
        CheckpointError: if a card cannot be read, or has results of other weights than lie beside
            it.
        ValueError: if an entry that the page needs is missing or wrong.
    """
    cards = [card for card in _cards(folder) if card.results]  # no figures, no row
    for card in cards:
        load(card.name, folder)  # which refuses weights that are not the card's
    parts = ["# Checkpoints", _INTRODUCTION, _table(cards)]
    for pair, twins in pairs(folder).items():
        gsa, conv = (read_card(twins[mixer], folder) for mixer in ("gsa", "conv"))
        if not (gsa.results and conv.results):
            continue
        with _of(f"a card of {pair!r}"):
            seeds = cards_of_seeds(gsa, folder), cards_of_seeds(conv, folder)
            parts += [f"## {pair}", verdict(*seeds), each_seed(*seeds)]
            parts += [_recipe(gsa, folder), _curves(gsa, conv, folder)]
    for name, (title, section) in STUDIES.items():
        if (folder / name).is_file():
            with _of(repr(str(folder / name))):
                parts += [f"## {title}", section(read_study(folder / name), folder)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _cards(folder: Path) -> Iterator[Card]:
    """Every card of a folder by name, also one whose weights are gone; not other JSON files."""
    weights = available(folder)
    for name in sorted(path.stem for path in folder.glob("*.json")):
        try:
            yield read_card(name, folder)
        except CheckpointError:
            if name in weights:
                raise


_INTRODUCTION = (
    f"{GENERATED} from the cards beside the weights (`python -m gsa report`). Twins are "
    "trained by one recipe and differ in the mixer: a 3x3 convolution, or a GSA module, which "
    "works at the full size and is followed by average pooling where the convolution strides. "
    "Accuracy is on a part of the data by which no epoch, temperature or option was chosen. It is "
    "that of the half-precision weights as they lie here."
)


def _table(cards: list[Card]) -> str:
    head = (
        "| checkpoint | mixer | parameters | operations | input | top-1 (95 % interval) | top-5 "
        "| mean per class | calibration error | training |\n" + "|---" * 10 + "|"
    )
    return "\n".join([head, *map(_row, cards)])


def _row(card: Card) -> str:
    results, training = card.results, card.training
    with _of(f"the card of {card.name!r}"):
        return (
            f"| `{card.name}` | {card.mixer} "
            f"| {card.params / 1e6:.2f} M | {card.flops / 1e9:.2f} G "
            f"| {card.preprocess.size} px | {_in_interval(results, 'top1')} "
            f"| {_in_interval(results, 'top5')} | {results['mean_per_class']:.1%} "
            f"| {results['calibration_error']:.3f} | {training['epochs']} epochs, "
            f"{training['seconds'] / 60:.0f} minutes on {_machine(training)} |"
        )


def _in_interval(results: dict[str, Any], figure: str) -> str:
    """A share with its interval, which cards older than that of top-5 do not have."""
    interval = results.get(f"{figure}_interval")
    bounds = " ({:.1%} to {:.1%})".format(*interval) if interval else ""
    return f"{results[figure]:.1%}{bounds}"


def _machine(training: dict[str, Any]) -> str:
    """What a run was made on; older cards do not name their GPU."""
    if training["device"] != "cpu":
        return training.get("gpu") or "a GPU"
    return f"{training['threads']} cpu thread{'s' if training['threads'] > 1 else ''}"


def _recipe(card: Card, folder: Path) -> str:
    recipe, data = Recipe(**card.recipe), card.data  # a card older than a field has its default
    options = ", ".join(f"{key} {value}" for key, value in recipe.gsa.items())
    early = restart = ""
    if recipe.early_epochs:
        each = " of each part" if recipe.restart else " of them"
        early = f" (the first {recipe.early_epochs}{each} at {recipe.early_size} px)"
    if recipe.restart:
        restart = f", begun anew after {listed(recipe.restart)} epochs"
    augment: str = recipe.augment or "none"
    if recipe.augment_from:
        augment += f" after {recipe.augment_from} epochs"
    start, teachers = _start(card, recipe.init_from, folder), _teachers(card, recipe, folder)
    compiled = ", compiled" if recipe.compile else ""
    return (
        f"{data['name']}: {data['train']} pictures to learn from, {data['held_out']} held out, "
        f"{card.results['n']} to evaluate. AdamW {start}, peak learning rate "
        f"{recipe.learning_rate}, weight decay {recipe.weight_decay}, {recipe.epochs} "
        f"epochs{early} of batches of {recipe.batch_size}, warm-up {recipe.warmup:g} epochs, "
        f"cosine{restart}, label smoothing {recipe.label_smoothing}{teachers}, augmentation "
        f"{augment}, erasing {recipe.erase}, mixup {recipe.mixup}, cutmix "
        f"{recipe.cutmix}, weight average {recipe.ema}, seed {recipe.seed}{compiled}. The GSA "
        f"module has {options or 'no options'}.\n\nTerms of the data: {data['terms']}."
    )


def _start(card: Card, pair: str, folder: Path) -> str:
    """What a twin started from, and whether that is the checkpoint that lies here now."""
    if not pair:
        return "from random weights"
    used = card.training.get("start_sha256")  # unknown in older cards
    return f"from {_which(f'{pair}_{card.mixer}', used, folder)}`{pair}`"


def _teachers(card: Card, recipe: Recipe, folder: Path) -> str:
    """Whom a twin learned from beside the labels, if anybody."""
    if not recipe.teachers:
        return ""
    used = card.training.get("teachers_sha256", [])
    known = used if len(used) == len(recipe.teachers) else [None] * len(recipe.teachers)
    names = [
        f"{_which(name, sha256, folder)}`{name}`"
        for name, sha256 in zip(recipe.teachers, known, strict=True)
    ]
    return (  # with them, a loss is not to be held against that of labels alone
        f", {recipe.teacher_share:.0%} of the loss by the mean prediction of "
        f"{' and '.join(names)} at temperature {recipe.teacher_temperature:g}"
    )


def _which(name: str, used: str | None, folder: Path) -> str:
    """`"an earlier "` if the weights that were used are not those that lie here now."""
    here = name in available(folder) and read_card(name, folder).sha256 == used
    return "" if here or not used else "an earlier "


def _curves(gsa: Card, conv: Card, folder: Path) -> str:
    pictures = [f"{card.name}.curves.png" for card in (gsa, conv)]
    return "\n".join(
        f"![Loss and held-out accuracy over the epochs]({name})"
        for name in pictures
        if (folder / name).is_file()
    )


@contextmanager
def _of(what: str) -> Iterator[None]:
    """Say of what it is that an entry is missing or of another kind than the page needs."""
    try:
        yield
    except (CheckpointError, RecipeError, StudyError):
        raise  # which name it themselves
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as error:
        kind = "lacks the entry" if isinstance(error, KeyError) else "has a wrong entry:"
        raise StudyError(f"{what} {kind} {error}; the page needs it.") from error


def write_report(folder: Path) -> Path:
    """Write the page and the figure of the shares into the folder; returns the page's path.

    Raises:
        CheckpointError: as `report`, or if the folder has no checkpoint.
        ValueError: as `report`, or if it has a `README.md` that is not such a page.
    """
    path = folder / PAGE
    check_page(path)
    if not available(folder):
        raise CheckpointError(f"there is no checkpoint in {str(folder)!r} to report on.")
    write_text(path, report(folder))
    if (folder / SHARES).is_file():
        draw_shares(read_study(folder / SHARES), folder / picture_of(SHARES))
    return path
