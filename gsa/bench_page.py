"""`benchmarks/README.md`, made from the results of `python -m gsa bench` beside it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from gsa import native
from gsa.bench import AIM_SIZE, Effort, Ratio
from gsa.bench_limits import LARGEST_EXPONENT, Part, Rates
from gsa.files import GENERATED, PAGE, check_page, json_ready, write_text
from gsa.machine import gpu, processor

_INTRODUCTION = f"""# Benchmarks

{GENERATED} by `python -m gsa bench --out benchmarks`. Contenders run in turn in one \
process; a ratio is the time, or the memory, of the GSA side divided by that of the other, so \
below 1 the GSA side is better. A ratio is the median of those of the rounds, with their \
quartiles; the times beside it are medians of their own, so it need not be their quotient. Rows \
of the module without a grid size are geometric means of those above them, and memory is \
measured once. "The same, plain" is the module by its plain formulas; "norms folded" are networks \
prepared for inference, torchvision's by `torch.fx`, the others by `gsa.folded`, which also packs \
weights; "maps" are all maps of one place in all layers against a forward pass; "upload" is a \
JPEG of 12 megapixels decoded, cropped and classified by both twins against their forward passes \
alone. What was tried, and why some aims are missed, is in [tried.md](tried.md)."""


def result(
    effort: Effort,
    rates: Rates,
    ratios: list[Ratio],
    parts: list[Part],
    growth: dict[str, float],
) -> dict[str, Any]:
    """One run as JSON-ready values, with the machine named."""
    return {
        "machine": {
            "processor": processor(),
            "device": gpu(effort.device) or effort.device,
            "cores": os.cpu_count(),
            "torch": torch.__version__,
            "kernels": "C++" if _by_kernels(effort) else "",
        },
        "setting": {**asdict(effort), "dtype": effort.dtype_name},
        "rates": asdict(rates),
        "ratios": [{**asdict(each), "met": each.met} for each in ratios],
        "parts": [asdict(each) for each in parts],
        "growth": json_ready(growth),
    }


def _by_kernels(effort: Effort) -> bool:
    """Whether the C++ kernels took part."""
    return effort.device == "cpu" and not effort.compile and native.library() is not None


def write(folder: Path, found: dict[str, Any]) -> Path:
    """Write a run into the folder, and the page anew; returns the run's path.

    Raises:
        ValueError: if the folder has a `README.md` that is not such a page.
    """
    check_page(folder / PAGE)
    folder.mkdir(parents=True, exist_ok=True)
    setting = found["setting"]
    name = "{device}-{dtype}-batch{batch}-threads{threads}".format(**setting)
    name += "-compiled" if setting["compile"] else ""
    name += f"-{setting['only']}" if setting["only"] else ""
    if tuple(setting["sizes"]) != (AIM_SIZE,):
        name += f"-{'-'.join(map(str, setting['sizes']))}px"
    path = folder / f"{name}.json"
    write_text(path, json.dumps(found, indent=1) + "\n")
    write_text(folder / PAGE, page(folder))
    return path


def page(folder: Path) -> str:
    """All runs of a folder as Markdown; other JSON files are passed over."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    runs = [run for run in found if isinstance(run, dict) and {"machine", "ratios"} <= run.keys()]
    return "\n\n".join([_INTRODUCTION, *map(_section, runs)]) + "\n"


def _section(run: dict[str, Any]) -> str:
    machine, setting, rates = run["machine"], run["setting"], run["rates"]
    title = "## {device}, {dtype}, batch of {batch}, {threads} thread(s)".format(**setting)
    title += ", by torch.compile" if setting["compile"] else ""
    title += f", {setting['only']} alone" if setting.get("only") else ""  # older runs have all
    kernels = f", with {machine['kernels']} kernels" if machine.get("kernels") else ""
    about = (
        f"{machine['processor']}, {machine['cores']} cores, device {machine['device']}, torch "
        f"{machine['torch']}{kernels}. A large matrix product runs at "
        f"{rates['flops_per_second'] / 1e9:.0f} GFLOP/s, a copy at "
        f"{rates['bytes_per_second'] / 1e9:.1f} GB/s."
    )
    rows = "\n".join(map(_row, run["ratios"]))
    head = "| what | against | ratio (quartiles) | gsa | other | aim |\n" + "|---" * 6 + "|"
    of_module = [_profile(run), _growth(run["growth"])] if run["parts"] else []
    return "\n\n".join([title, about, f"{head}\n{rows}", *of_module])


def _profile(run: dict[str, Any]) -> str:
    head = (
        "| stage | part of the module | time | share | GFLOP/s | of the roofline |\n" + "|---" * 6
    )
    rows = "\n".join(
        f"| {part['stage']} | {part['name']} | {_seconds(part['seconds'])} | {part['share']:.0%} | "
        f"{part['flops'] / part['seconds'] / 1e9:.0f} | {part['roofline'] / part['seconds']:.0%} |"
        for part in run["parts"]
    )
    return (
        "Where a forward pass of the module, not compiled, spends its time, each part called by "
        "itself; on a CPU with C++ kernels all but the projections are one call. The roofline is "
        "the time at the rate of a large matrix product, or of a copy of what goes in and out, "
        "whichever is longer."
        f"\n\n{head}|\n{rows}"
    )


def _growth(found: dict[str, float | None]) -> str:
    """How time grows; None where the machine was too slow for a second size."""
    grown = ", ".join(
        f"{name} {'not measured' if value is None else f'{value:.2f}'}"
        for name, value in found.items()
    )
    own = found["gsa"]
    met = "missed" if own is None or own > LARGEST_EXPONENT else "met"
    return (
        f"Time grows with the pixels of the grid to the power of: {grown} (stage 1, one picture, "
        f"up to 512 px; aim for gsa ≤ {LARGEST_EXPONENT:g}: {met})."
    )


def _row(row: dict[str, Any]) -> str:
    show = _bytes if "memory" in row["what"] else _seconds
    aim = ""
    if row["target"] is not None:
        aim = f"≤ {row['target']:g}: {'met' if row['met'] else 'missed'}"
    what = named(row["what"], row.get("size"))  # older runs have one size and do not say it
    return (
        f"| {what} | {row['other']} | {row['ratio']:.2f} ({row['low']:.2f} to "
        f"{row['high']:.2f}) | {show(row['gsa'])} | {show(row['against'])} | {aim} |"
    )


def named(what: str, size: int | None) -> str:
    """What was measured, with the size of the input where there is one."""
    return f"{what}, {size} px" if size else what


def _seconds(value: float) -> str:
    return f"{value * 1e3:.2f} ms"


def _bytes(value: float) -> str:
    return f"{value / 2**20:.1f} MiB"
