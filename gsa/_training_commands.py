"""The commands of `python -m gsa` that train, judge and describe networks.

What they need is imported when one runs: Lightning and torchmetrics take seconds, and no other
command needs them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gsa._console import AddCommand, Arguments, pictures, print_json
from gsa.checkpoints import Checkpoint, folder, load
from gsa.config import Mixer
from gsa.files import ready_file, write_text
from gsa.report import write_report
from gsa.report_studies import SHARES

if TYPE_CHECKING:
    from gsa.split import Split


def _train(arguments: Arguments) -> int:
    from gsa.data import open_split
    from gsa.recipe import read_recipe
    from gsa.run import launched
    from gsa.train import check_pair, train

    recipe = read_recipe(arguments.recipe)
    mixers: tuple[Mixer, ...] = ("conv", "gsa")
    if arguments.mixer != "both":
        mixers = (arguments.mixer,)
    check_pair(recipe, mixers, arguments.out)  # found wrong now, and not after the first twin
    # by one process: further ones start after it, and find what it fetched
    open_split(recipe.data, "train", arguments.data, download=arguments.download)
    fabric = launched(recipe, arguments.devices)
    cards = [
        train(
            recipe,
            mixer,
            arguments.data,
            arguments.runs,
            arguments.out,
            seed=arguments.seed,
            download=arguments.download,
            fabric=fabric,
        )
        for mixer in mixers
    ]
    if not fabric.is_global_zero:
        return 0
    if arguments.json:
        print_json([card.to_dict() for card in cards])
        return 0
    for card in cards:
        print(f"{card.name}: top-1 {card.results['top1']:.1%} on {pictures(card.results['n'])}")
    return 0


def _ablate(arguments: Arguments) -> int:
    from gsa.ablation import ablate, read_ablation

    results = ablate(
        read_ablation(arguments.recipe),
        arguments.data,
        arguments.runs,
        ready_file(arguments.out),
        seeds=arguments.seeds,
        download=arguments.download,
    )
    if arguments.json:
        print_json(results)
        return 0
    for entry in results["variants"]:
        spread = "" if entry["deviation"] is None else f" ± {entry['deviation']:.1%}"
        print(f"{entry['held_out_top1']:6.1%}{spread} held out, ", end="")
        print(f"{entry['params']:9} parameters: {entry['name']}")
    return 0


def _shares(arguments: Arguments) -> int:
    from gsa.shares import study

    checkpoint, split = _checkpoint_and_split(arguments)
    out = ready_file(arguments.out)
    results = study(checkpoint, split, arguments.pictures, arguments.seeds)
    results["split"] = arguments.split
    write_text(out, json.dumps(results, indent=1) + "\n")
    if arguments.json:
        print_json(results)
        return 0
    for condition in results["conditions"]:
        shares = (f"{name} {layer['mean']:.0%}" for name, layer in condition["layers"].items())
        print(f"{condition['name']}: {', '.join(shares)}")
    print(out)
    return 0


def _report(arguments: Arguments) -> int:
    path = write_report(arguments.folder)
    if arguments.json:
        print_json({"written": str(path)})
    else:
        print(path)
    return 0


def _checkpoint_and_split(arguments: Arguments) -> tuple[Checkpoint, Split]:
    from gsa.samples import labelled

    checkpoint = load(arguments.checkpoint)
    split = labelled(checkpoint.card, arguments.data, arguments.split, download=arguments.download)
    return checkpoint, split


def _evaluate(arguments: Arguments) -> int:
    from gsa.evaluate import evaluate

    result = evaluate(*_checkpoint_and_split(arguments))
    if arguments.json:
        print_json({"checkpoint": arguments.checkpoint, **result})
        return 0
    low, high = result["top1_interval"]
    print(f"top-1 {result['top1']:.2%} ({low:.1%} to {high:.1%}), top-5 {result['top5']:.2%}")
    print(f"mean per class {result['mean_per_class']:.2%}, {pictures(result['n'])}")
    print(f"calibration error {result['calibration_error']:.3f}")
    return 0


def add(command: AddCommand) -> None:
    """Add the commands to the command line."""
    download_help = "fetch the data set where it is not there"
    train = command(_train, "train", "train twins by a recipe; goes on where a killed run stopped")
    train.add_argument("recipe", type=Path, metavar="CONFIG", help="a TOML file, see recipes/")
    train.add_argument("--mixer", choices=("gsa", "conv", "both"), default="both")
    train.add_argument("--data", type=Path, metavar="ROOT", help="folder of a known data set")
    train.add_argument("--download", action="store_true", help=download_help)
    train.add_argument(
        "--seed", type=int, metavar="N",
        help="other than the recipe's: only the card is kept, to show how results scatter",
    )  # fmt: skip
    train.add_argument(
        "--devices", type=int, default=1, metavar="N", help="GPUs or CPU processes that share it"
    )
    train.add_argument(
        "--out", type=Path, default=folder(), metavar="DIR",
        help="for weights and cards, which replace those of the same names there; default: where "
        "checkpoints are looked for, %(default)s",
    )  # fmt: skip
    train.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR",
        help="for the state; default: %(default)s",
    )  # fmt: skip

    ablate = command(_ablate, "ablate", "train the variants of a module; skips what is done")
    ablate.add_argument("recipe", type=Path, metavar="CONFIG", help="a TOML file with variants")
    ablate.add_argument(
        "--out", type=Path, required=True, metavar="FILE",
        help="JSON of results; runs that it has are not trained again",
    )  # fmt: skip
    ablate.add_argument(
        "--seeds", type=int, default=1, metavar="N",
        help="runs of each variant, their seeds counted up from the file's; default: %(default)s",
    )  # fmt: skip
    ablate.add_argument("--data", type=Path, metavar="ROOT", help="folder of a known data set")
    ablate.add_argument("--download", action="store_true", help=download_help)
    ablate.add_argument(
        "--runs", type=Path, default=Path("runs"), metavar="DIR",
        help="for the states; default: %(default)s",
    )  # fmt: skip

    report = command(_report, "report", "write the README of a folder of checkpoints")
    report.add_argument(
        "--folder", type=Path, default=folder(), metavar="DIR", help="default: %(default)s"
    )

    def on_data(added: argparse.ArgumentParser) -> None:
        added.add_argument("checkpoint", metavar="CHECKPOINT")
        added.add_argument("data", type=Path, metavar="DATA", help="class folders or archives")
        added.add_argument("--split", default="val")
        added.add_argument("--download", action="store_true", help=download_help)

    on_data(command(_evaluate, "evaluate", "accuracy of a checkpoint on a folder of pictures"))

    shares = command(_shares, "shares", "what each branch carries, before and after training")
    on_data(shares)
    shares.add_argument("--pictures", type=int, default=200, metavar="N")
    shares.add_argument("--seeds", type=int, default=3, metavar="N", help="of untrained networks")
    shares.add_argument(
        "--out", type=Path, default=folder() / SHARES, metavar="FILE",
        help="JSON of the study, which replaces one that is there; default: %(default)s",
    )  # fmt: skip
