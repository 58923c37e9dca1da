"""The command `python -m gsa bench`."""

from __future__ import annotations

from pathlib import Path

from gsa._console import AddCommand, Arguments, print_json


def add(command: AddCommand) -> None:
    """Add the command to the command line."""
    added = command(_bench, "bench", "time and memory as ratios to convolution and other modules")
    added.add_argument("--rounds", type=int, default=7, metavar="N", help="ratios of each pair")
    added.add_argument(
        "--seconds", type=float, default=0.1, metavar="S", help="for each contender and round"
    )
    added.add_argument("--batch", type=int, default=1, metavar="N", help="pictures at once")
    added.add_argument("--threads", type=int, default=1, metavar="N")
    added.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"))
    added.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    added.add_argument(
        "--compile", action="store_true", help="modules and networks by torch.compile"
    )
    added.add_argument(
        "--sizes", type=int, nargs="+", metavar="PX",
        help="inputs of the networks; default: that of the paper",
    )  # fmt: skip
    added.add_argument(
        "--only", choices=("modules", "networks", "app"), help="measure nothing but these"
    )
    added.add_argument("--out", type=Path, metavar="DIR", help="write JSON and the page there")


def _bench(arguments: Arguments) -> int:
    import torch

    from gsa import bench, bench_limits, bench_page
    from gsa.files import PAGE, check_page

    effort = bench.Effort(
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        batch=arguments.batch,
        threads=arguments.threads,
        dtype=getattr(torch, arguments.dtype),
        device=arguments.device,
        compile=arguments.compile,
        only=arguments.only,
        **({"sizes": tuple(arguments.sizes)} if arguments.sizes else {}),
    )
    if effort.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("`device` (='cuda') is not there: torch finds no GPU.")
    if arguments.out:
        check_page(arguments.out / PAGE)  # before anything is measured
    ratios = []
    for ratio in bench.run(effort):
        ratios.append(ratio)
        if not arguments.json:
            met = {None: "", True: ": met", False: ": missed"}[ratio.met]
            aim = met and f"  aim ≤ {ratio.target:g}{met}"
            what = bench_page.named(ratio.what, ratio.size)
            print(f"{what:32} {ratio.other:22} {ratio.ratio:6.3g}{aim}", flush=True)
    machine = bench_limits.rates(effort)
    of_module = effort.measures("modules")
    parts = list(bench_limits.parts(effort, machine)) if of_module else []
    growth = bench_limits.growth(effort) if of_module else {}
    found = bench_page.result(effort, machine, ratios, parts, growth)
    if arguments.out:
        bench_page.write(arguments.out, found)
    if arguments.json:
        print_json(found)
    return 0
