"""The command line: `python -m gsa COMMAND`.

Results go to stdout (`--json`: one JSON object or list), everything else to stderr. Bad input ends
with one sentence and exit status 2; a proof that fails ends with exit status 1. Ctrl-C and a reader
of stdout that goes away, as `head` does, end it quietly, with the exit statuses that a shell gives.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from gsa import _bench_command, _compare_commands, _training_commands, checkpoints, commands
from gsa._console import Arguments, Parser, Run, pictures, print_json, say_everything
from gsa.files import json_ready
from gsa.machine import out_of_memory


def _info(arguments: Arguments) -> int:
    found = commands.info()
    if arguments.json:
        print_json(found)
        return 0
    print(f"{'network':22} {'parameters':>12} {'operations':>12}  input")
    for preset in found["presets"]:
        size = preset["input_size"]
        millions, giga = preset["params"] / 1e6, preset["flops"] / 1e9
        print(f"{preset['name']:22} {millions:10.2f} M {giga:10.2f} G  {size} px")
    print()
    if not found["checkpoints"]:
        folder = checkpoints.folder()
        print(f"no checkpoints in {folder}" if folder.is_dir() else f"there is no folder {folder}")
    for card in found["checkpoints"]:
        if "mixer" not in card:  # nor anything else of a card
            print(f"checkpoint {card['name']}: cannot be used: {card['error']}")
            continue
        top1 = card["results"].get("top1")
        result = "not evaluated" if top1 is None else f"top-1 {top1:.1%} on {card['data']['name']}"
        if "error" in card:
            result = f"cannot be used: {card['error']}"
        print(
            f"checkpoint {card['name']}: {card['mixer']}, {len(card['classes'])} classes, {result}"
        )
    return 0


def _classify(arguments: Arguments) -> int:
    results = []
    for result in commands.classify(arguments.images, arguments.checkpoint, arguments.top):
        results.append(result)
        if "error" in result:
            print(f"{result['file']}: {result['error']}", file=sys.stderr)
        elif not arguments.json:
            print(f"{result['file']} ({result['milliseconds']:.0f} ms)")
            for entry in result["top"]:
                print(f"  {entry['probability']:6.1%}  {entry['label']}")
    if arguments.json:
        print_json(results)
    return 2 if any("error" in result for result in results) else 0


def _maps(arguments: Arguments) -> int:
    result = commands.draw_maps(
        arguments.image,
        tuple(arguments.query),
        arguments.checkpoint,
        arguments.layer,
        arguments.head,
        arguments.out,
    )
    if arguments.json:
        print_json(result)
    else:
        print("\n".join(result["written"]))
    return 0


def _verify(arguments: Arguments) -> int:
    results, unusable = [], 0
    for result in commands.verify_checkpoints(arguments.checkpoint, arguments.queries):
        if "error" in result:
            unusable += 1
            print(f"gsa: {result['error']}", file=sys.stderr)
            continue
        results.append(result)
        if not arguments.json:
            # the sum has a map for each value channel, which `gain` makes unlike
            of = "sum, each channel" if result["branch"] == "sum" else result["branch"]
            print(
                f"{result['checkpoint']} {result['layer']:>5} {of:18} "
                f"{result['height']}x{result['width']} {result['dtype']}: largest relative error "
                f"{result['max_rel_error']:.1e} {'ok' if result['passed'] else 'FAILED'}"
            )
    if arguments.json:
        print_json([json_ready(result) for result in results])
    failed = sum(not result["passed"] for result in results)
    print(f"{len(results)} proofs, {failed} failed", file=sys.stderr)
    return 1 if failed else 2 if unusable else 0


def _range(arguments: Arguments) -> int:
    place = tuple(arguments.query) if arguments.query else None
    step = commands.STEP if arguments.step is None else arguments.step
    rows = commands.measure_ranges(arguments.image, arguments.checkpoint, place, step)
    if arguments.json:
        print_json(rows)
        return 0
    print("layer branch     head  distance  all alike  radius 50 %  radius 90 %  effective cells")
    for row in rows:
        if row["mean_distance"] is None:
            print(f"{row['layer']:5} {row['branch']:10} {row['head']:4}  no weight")
            continue
        print(
            f"{row['layer']:5} {row['branch']:10} {row['head']:4}  {row['mean_distance']:5.1f} px "
            f"{row['even_distance']:7.1f} px {row['radius_50']:9.1f} px "
            f"{row['radius_90']:9.1f} px {row['effective_pixels']:16.1f}"
        )
    return 0


def _erf(arguments: Arguments) -> int:
    place = tuple(arguments.place) if arguments.place else None
    found = commands.receptive_fields(
        arguments.checkpoint, arguments.pictures, arguments.count, place
    )
    if arguments.json:
        print_json(found)
        return 0
    protocol = found["protocol"]
    print(
        f"{pictures(protocol['pictures'])} ({protocol['source']}) of {protocol['size']} px, place "
        f"{protocol['place'][0]:g}, {protocol['place'][1]:g}\nunit: {protocol['unit']}\ngradient: "
        f"{protocol['gradient']}, {protocol['scale']} scale\n"
    )
    print(
        "layer mixer weights  can see at all   radius 50 %   90 %   99 %   area 90 %   > 1 % peak"
        "   one layer looks"
    )
    for row in sorted(found["fields"], key=lambda row: (row["weights"], row["layer"])):
        side, figures = row["theoretical"]["side"], row["effective"]
        seen = "whole picture" if row["theoretical"]["whole"] else f"{side[0]} x {side[1]} px"
        start = f"{row['layer']:5} {row['mixer']:5} {row['weights']:7}  {seen:15}"
        if figures["radius_50"] is None:
            print(f"{start} no gradient")
            continue
        print(
            f"{start} {figures['radius_50']:8.1f} px {figures['radius_90']:6.1f} "
            f"{figures['radius_99']:6.1f} {figures['area_90']:10.1%} "
            f"{figures['above_1_percent']:12.1%}   {_one_layer(row)}"
        )
    return 0


def _one_layer(row: dict[str, Any]) -> str:
    """How far a layer looks by itself, in pixels."""
    looks = row["mean_distance"] or {"kernel": row["reach"]}
    return ", ".join(f"{name} {value:.1f} px" for name, value in looks.items() if value is not None)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m gsa", description=__doc__.splitlines()[0])
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run: Run, name: str, help_: str) -> argparse.ArgumentParser:
        added = subparsers.add_parser(name, help=help_, description=help_)
        added.set_defaults(run=run)
        added.add_argument("--json", action="store_true", help="print JSON to stdout")
        return added

    def checkpoint(added: argparse.ArgumentParser, default: str) -> None:
        added.add_argument("--checkpoint", metavar="NAME", help=f"default: {default}")

    first_gsa = "the GSA network of the first pair"
    command(_info, "info", "networks with their cost, checkpoints with their cards")

    classify = command(_classify, "classify", "the most probable classes of pictures")
    classify.add_argument("images", nargs="+", metavar="IMAGE")
    classify.add_argument("--top", type=int, default=5, metavar="N")
    checkpoint(classify, first_gsa)

    query_help = "a place in the square that the network sees, in its pixels, from the top left"
    maps = command(_maps, "maps", "attention maps of a place as PNG, SVG, HTML and NPZ")
    maps.add_argument("image", metavar="IMAGE")
    maps.add_argument(
        "--query", nargs=2, type=float, required=True, metavar=("ROW", "COL"), help=query_help
    )
    maps.add_argument("--layer", metavar="STAGE.BLOCK", help="default: all layers")
    maps.add_argument(
        "--head",
        type=int,
        metavar="H",
        help="from 0 (the app's Head 1); default: the mean over heads",
    )
    maps.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="default: here")
    checkpoint(maps, first_gsa)

    verify = command(_verify, "verify", "prove that every map gives the layer's own output")
    verify.add_argument("--queries", type=int, default=8, metavar="N", help="queries per layer")
    checkpoint(verify, "all")

    range_ = command(_range, "range", "how far each layer and head looks")
    range_.add_argument("image", metavar="IMAGE")
    queries = range_.add_mutually_exclusive_group()
    queries.add_argument(
        "--query", nargs=2, type=float, metavar=("ROW", "COL"),
        help=f"{query_help}; default: the mean over the queries of --step",
    )  # fmt: skip
    queries.add_argument(  # without a default: argparse would not refuse it beside --query
        "--step", type=int, metavar="N",
        help=f"every N-th row and column of queries, from the first; default: {commands.STEP}",
    )  # fmt: skip
    checkpoint(range_, first_gsa)

    erf = command(_erf, "erf", "receptive fields of both twins, random and trained, layer by layer")
    erf.add_argument(
        "--pictures", type=Path, metavar="DIR", help="to average over; default: the app's gallery"
    )
    erf.add_argument("--count", type=int, default=16, metavar="N", help="how many of them")
    erf.add_argument(
        "--place", nargs=2, type=float, metavar=("ROW", "COL"),
        help="in pixels of the square that the network sees; default: its middle",
    )  # fmt: skip
    checkpoint(erf, "the first pair")

    _compare_commands.add(command)
    _training_commands.add(command)
    _bench_command.add(command)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    if sys.stdout is None:  # closed by the shell, `>&-`: nobody wants what goes there
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    say_everything()
    arguments = _parser().parse_args(argv)
    try:
        status = arguments.run(arguments)
        sys.stdout.flush()  # what is left to write may find its reader gone
        return status
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # or Python would flush once more at its end, and complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        print(
            "gsa: there is not enough memory for this; choose a smaller batch or input.",
            file=sys.stderr,
        )
    except ValueError as error:  # what the project raises for bad input
        print(f"gsa: {error}", file=sys.stderr)
    except OSError as error:  # a folder that is not there or may not be written
        named = error.filename2 or error.filename  # where one was to take the other's name
        what = "A file or a connection" if named is None else repr(named)
        print(f"gsa: {what} cannot be used ({error.strerror or error}).", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
