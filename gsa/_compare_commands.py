"""The commands of `python -m gsa` that measure twins against each other.

What a command alone needs is imported when it runs, but for the modules that know its defaults.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import torch
from tqdm import tqdm

from gsa import checkpoints, growth, probes, scaling
from gsa._console import AddCommand, Arguments, Run, pictures, print_json
from gsa.checkpoints import Checkpoint
from gsa.config import Mixer, preset
from gsa.defaults import first_pictures, twins_of, with_twin
from gsa.machine import described

_LAYER = {"width": 64, "heads": 8}  # where none is named


def add(command: AddCommand) -> None:
    """Add the commands to the command line."""
    added = command(
        _shown(_scaling), "scaling", "time and memory of conv, GSA, dense attention by input size"
    )
    added.add_argument("--network", metavar="PRESET", help="whole networks; default: one layer")
    for name, what in (("width", "channels"), ("heads", "heads")):
        help_ = f"{what} of the layer; default: {_LAYER[name]}"
        added.add_argument(f"--{name}", type=int, metavar="N", help=help_)
    sizes_help = "default: as on the Compare page"
    added.add_argument("--sizes", type=int, nargs="+", metavar="PX", help=sizes_help)
    setting = scaling.Setting
    added.add_argument("--device", default=setting.device, choices=("cpu", "cuda"))
    added.add_argument("--dtype", default=setting.dtype, choices=("float32", "bfloat16"))
    added.add_argument(
        "--limit",
        type=float,
        default=setting.limit,
        metavar="S",
        help="seconds for one forward pass",
    )

    added = command(_shown(_stress), "stress", "accuracy of twins on pictures spoilt step by step")
    _add_data(added)
    added.add_argument("--tests", nargs="+", metavar="TEST", help="default: all")

    _add_data(command(_shown(_differ), "differ", "on which pictures and classes twins differ"))

    added = command(
        _shown(_deletion), "deletion", "which class attributions pass the deletion test, by twin"
    )
    added.add_argument("--pictures", type=Path, metavar="DIR", help="default: the app's gallery")
    added.add_argument("--count", type=int, default=16, metavar="N", help="how many of them")
    added.add_argument("--methods", nargs="+", metavar="METHOD", help="default: all")
    added.add_argument("--checkpoint", metavar="NAME", help="one of the twins; default: first pair")

    added = command(
        _shown(_probe), "probe", "train tiny twins on tasks that far pixels decide; about a minute"
    )
    added.add_argument("task", metavar="TASK", help=f"one of {', '.join(probes.TASKS)}")
    added.add_argument(
        "--steps", type=int, default=probes.Probe.steps, metavar="N", help="of training"
    )
    added.add_argument("--seed", type=int, default=probes.Probe.seed, metavar="N")


def _shown(compute: Callable[[Arguments], tuple[Any, list[str]]]) -> Run:
    """A command that prints what `compute` gives: the value as JSON, or the lines."""

    def run(arguments: Arguments) -> int:
        value, lines = compute(arguments)
        if arguments.json:
            print_json(value)
        else:
            print("\n".join(lines))
        return 0

    return run


def _add_data(added: argparse.ArgumentParser) -> None:
    added.add_argument("data", type=Path, metavar="DATA", help="class folders or archives")
    added.add_argument("--count", type=int, metavar="N", help="pictures; default: all")
    added.add_argument("--checkpoint", metavar="NAME", help="one of the twins; default: first pair")


def _twins(name: str | None) -> list[Checkpoint]:
    return [checkpoints.load(twin) for twin in twins_of(name).values()]


def _scaling(arguments: Arguments) -> tuple[Any, list[str]]:
    setting = scaling.Setting(arguments.device, arguments.dtype, limit=arguments.limit)
    sizes = arguments.sizes or scaling.SIZES
    named = {key: getattr(arguments, key) for key in _LAYER if getattr(arguments, key) is not None}
    if arguments.network is not None:
        if named:
            raise ValueError("a network has its own width and heads: name no others with it.")
        about: dict[str, Any] = {"network": arguments.network}
        steps = scaling.measure_networks(preset(arguments.network), sizes, setting)
    else:
        about = _LAYER | named
        steps = scaling.measure_layers(**about, sizes=sizes, setting=setting)
    costs = list(steps)
    lines = [
        f"{'':11} {'input':>6} {'parameters':>11} {'operations':>12} {'time':>11} {'memory':>12}"
    ]
    for cost in costs:
        start = f"{cost.name:11} {cost.size:4}px {cost.params:11,} {cost.flops / 1e6:10.1f} M"
        measured = f"{cost.seconds * 1e3:8.2f} ms {cost.peak_bytes / 2**20:8.2f} MiB"
        lines.append(f"{start} {'left out, above the limit' if cost.left_out else measured}")
    exponents = []
    for name in dict.fromkeys(cost.name for cost in costs):
        series = [cost for cost in costs if cost.name == name]
        figures = {
            figure: growth.exponent(series, figure) for figure in ("seconds", "peak_bytes", "flops")
        }
        exponents.append({"name": name} | {k: v if v == v else None for k, v in figures.items()})
        words = {"seconds": "time", "peak_bytes": "memory", "flops": "operations"}
        told = [f"{words[key]} {power:.2f}" for key, power in figures.items() if power == power]
        if told:  # one size has no growth
            lines.append(f"{name}: exponents of the growth with pixels: {', '.join(told)}")
    crossings = growth.crossovers(costs)
    for crossing in crossings:
        lines.append(
            f"{crossing.cheaper_below} is faster below {crossing.size:.0f} px, "
            f"{crossing.cheaper_above} above"
        )
    value = {
        "machine": described(setting.device),
        "measured": about,
        "setting": vars(setting),
        "costs": [cost.to_dict() for cost in costs],
        "exponents": exponents,
        "crossovers": [vars(crossing) for crossing in crossings],
    }
    return value, lines


def _stress(arguments: Arguments) -> tuple[Any, list[str]]:
    from gsa import robustness
    from gsa.samples import from_folder

    twins = _twins(arguments.checkpoint)
    sample = from_folder(twins[0].card, arguments.data, arguments.count)
    tests = tuple(dict.fromkeys(arguments.tests or robustness.TESTS))  # each once
    rows = list(robustness.scores(twins, sample, tests))
    lines = [
        f"{row.checkpoint} {row.test:10} {row.severity:6g} {row.right:6.1%} "
        f"({row.low:.1%} to {row.high:.1%}), {pictures(row.n)}"
        for row in rows
    ]
    return [row.to_dict() for row in rows], lines


def _differ(arguments: Arguments) -> tuple[Any, list[str]]:
    from gsa import differences
    from gsa.samples import from_folder

    first, second = _twins(arguments.checkpoint)
    sample = from_folder(first.card, arguments.data, arguments.count)
    *_, (_, found) = differences.compare(first, second, sample)
    assert found is not None  # `compare` ends with what it found
    value = found.to_dict()
    lines = [
        f"{network['checkpoint']}: top-1 {network['top1']:.1%} ({network['top1_interval'][0]:.1%} "
        f"to {network['top1_interval'][1]:.1%}), alone right on {len(network['right_alone'])} of "
        f"{pictures(value['n'])}"
        for network in value["networks"]
    ]
    lines.append(f"McNemar's exact test: p = {value['p_value']:.3g}")
    return value, lines


def _deletion(arguments: Arguments) -> tuple[Any, list[str]]:
    from gsa import deletion_study, faithfulness
    from gsa.attribution import METHODS
    from gsa.baselines import CONTROLS

    folder, found = first_pictures(arguments.pictures, arguments.count)
    rows: list[deletion_study.Judged] = []
    weights = {}
    for name in with_twin(arguments.checkpoint).values():
        checkpoint = checkpoints.load(name)
        weights[name] = checkpoint.card.sha256
        preprocess = checkpoint.preprocess
        for file, picture in tqdm(found.items(), desc=name, unit="picture", disable=None):
            x = preprocess.tensor(preprocess.crop(picture))
            rows += deletion_study.judge(checkpoint, file, x, arguments.methods or [*METHODS])
    methods = deletion_study.summary(rows)
    value = {
        "protocol": {
            "pictures": len(found),
            "source": folder.resolve().name,
            "orders": faithfulness.DRAWS,
            "blocks": faithfulness.BLOCKS,
            "weights_sha256": weights,
        },
        "methods": methods,
        "tests": [row.to_dict() for row in rows],
    }
    lines = [
        f"{pictures(len(found))} ({folder.resolve().name}), each network's own first class; mean "
        f"area under the deletion curve, and orders at random it beats, of {faithfulness.DRAWS}",
        f"{'mixer':5} {'method':20} {'area':>6} {'random':>7} {'beaten':>7} {'edges':>6} "
        f"{'middle':>7}  beats them all",
    ]
    for row in methods:
        beats = [f"{row['beats'][each]:.0%}" if each in row["beats"] else "" for each in CONTROLS]
        lines.append(
            f"{row['mixer']:5} {row['method']:20} {row['area']:6.3f} {row['random_area']:7.3f} "
            f"{row['beaten']:7.0%} {beats[0]:>6} {beats[1]:>7}  {row['passed']:.0%} "
            f"({row['interval'][0]:.0%} to {row['interval'][1]:.0%})"
        )
    return value, lines


def _probe(arguments: Arguments) -> tuple[Any, list[str]]:
    torch.set_num_threads(1)  # networks so small lose more by sharing a step than they gain
    probe = probes.Probe(arguments.task, steps=arguments.steps, seed=arguments.seed)
    value, lines = [], []
    for mixer in get_args(Mixer):
        *_, last = probes.run(probe, mixer)
        sees = probe.sees(mixer)
        value.append(
            {
                "task": probe.task,
                "mixer": mixer,
                "sees": sees,
                "steps": probe.steps,
                "seed": probe.seed,
                "n": probe.tests,
                "accuracy": [
                    {"from": low, "to": high, "right": share, "interval": list(interval)}
                    for (low, high), (share, *interval) in zip(
                        probes.BINS, last.accuracy, strict=True
                    )
                ],
            }
        )
        lines.append(f"{mixer}: sees {'the whole picture' if sees is None else f'{sees} px'}")
        lines += [
            f"  {row['from']} to {row['to']} px apart: {row['right']:.1%} right "
            f"({row['interval'][0]:.1%} to {row['interval'][1]:.1%})"
            for row in value[-1]["accuracy"]
        ]
    return value, lines
