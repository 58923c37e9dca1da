"""A network in training, resumable at any moment with the result of an unbroken run.

Everything random is in its batches, which are a function of the recipe's seed and the step. The
state is written atomically, so a run that was killed goes on from its last state and ends with
the same weights: to the bit on a CPU with as many threads, up to rounding on a GPU, where torch
adds some gradients up in any order.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from gsa.batches import Batches, workers_beside
from gsa.checkpoints import Checkpoint
from gsa.config import Mixer
from gsa.distillation import Teachers
from gsa.evaluate import prepared
from gsa.files import whole_file, write_text
from gsa.formulas import resize_embeddings
from gsa.machine import gpu, memory, processor, versions
from gsa.preprocess import Preprocess
from gsa.recipe import Recipe
from gsa.resnet import ResNet
from gsa.run_state import Identity, read_state
from gsa.split import Split

_Tensors = tuple[Tensor, ...] | list[Tensor]
_PICTURES_SHARE = 0.5  # of the memory, that decoded pictures may fill; the network needs the rest
SAVE_EVERY = 200  # steps between two writes of the state; also at the end of each epoch


class Run:
    """A model in training, and how far it is.

    Args:
        recipe: what to do.
        mixer: which twin.
        learn: pictures to learn from.
        held: pictures to tell the accuracy of each epoch by; may be none.
        folder: holds the state; one found there is resumed.
        save_every: steps between two writes of the state.
        start: weights to start from; the head's too if it was made for the same classes.
        teachers: networks to learn from beside the labels, those that the recipe names.
        fabric: from `launched`; None: one device. Several devices share every batch, and the first
            process alone writes.

    Raises:
        ValueError: for data, a start, teachers or a state that do not fit the recipe.
    """

    def __init__(
        self,
        recipe: Recipe,
        mixer: Mixer,
        learn: Split,
        held: Split,
        folder: Path,
        *,
        save_every: int = SAVE_EVERY,
        start: Checkpoint | None = None,
        teachers: Sequence[Checkpoint] = (),
        fabric: Fabric | None = None,
    ) -> None:
        self.recipe, self.folder, self.save_every = recipe, folder, save_every
        self.preprocess = Preprocess(recipe.size)
        folder.mkdir(parents=True, exist_ok=True)
        self.fabric = fabric or launched(recipe, 1)
        if recipe.batch_size % self.fabric.world_size:
            raise ValueError(
                f"`batch_size` (={recipe.batch_size}) must be a multiple of the "
                f"{self.fabric.world_size} devices."
            )
        used = start.card.sha256 if start else ""
        names = tuple(each.card.name for each in teachers)
        if names != recipe.teachers:
            raise ValueError(
                f"`teachers` of the recipe (={list(recipe.teachers)}) are not those at hand "
                f"({list(names)})."
            )
        taught = tuple(each.card.sha256 for each in teachers)
        identity = Identity(
            recipe, mixer, learn.labels, learn.digest(), held.digest(), used, taught
        )
        state, self.identity = read_state(folder / "state.pt", identity)
        model = ResNet(recipe.config(mixer, len(learn.labels)), seed=recipe.seed)
        if start:
            _take_over(model, start, learn.labels)
        model = model.to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(_groups(model, recipe.weight_decay), lr=0.0)
        # each input size is compiled for itself: sizes left open would be slower
        network = torch.compile(model, dynamic=False) if recipe.compile else model
        self.forward, self.optimizer = self.fabric.setup(cast(nn.Module, network), optimizer)
        self.model = model
        self.ema = AveragedModel(model, multi_avg_fn=_averaging(recipe), use_buffers=True)
        self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.teachers = (
            Teachers(teachers, learn.labels, self.preprocess, recipe, self.fabric)
            if teachers
            else None
        )
        _check_memory(recipe, learn, held, self.fabric.world_size)
        self.batches = Batches(recipe, self.preprocess, learn)
        self.held = (prepared(self.preprocess, held.pictures()), torch.tensor(held.targets))
        self.step, self.seconds = 0, 0.0
        self.losses: list[float] = []  # of the steps of this epoch
        self.history: list[dict[str, Any]] = []
        if state:
            self._go_on(state)
        self.fabric.barrier()  # the state is not written before all have read it

    def averaged(self) -> ResNet:
        """The network that is shipped."""
        return self.ema.module if self.recipe.ema else self.model  # type: ignore[return-value]

    def cost(self) -> dict[str, Any]:
        """What the run took, and on what."""
        return {
            "epochs": self.recipe.epochs,
            "seed": self.recipe.seed,
            "seconds": round(self.seconds, 1),
            "device": self.fabric.device.type,
            "devices": self.fabric.world_size,
            "processor": processor(),
            "gpu": gpu(str(self.fabric.device)),
            "threads": torch.get_num_threads(),
            **versions(),
        }

    def follow(self) -> None:
        """Train to the end of the recipe."""
        recipe, epoch_steps = self.recipe, self.batches.epoch_steps
        device, first = self.fabric.device, self.fabric.is_global_zero
        workers = workers_beside(device, self.fabric.world_size)
        batches = self.batches.since(self.step, workers, pin=device.type == "cuda")
        while self.step < len(self.batches):
            epoch = self.step // epoch_steps
            # None: where stderr is no terminal there is no bar, but a line at the end
            name = f"{self.folder.name} epoch {epoch + 1}/{recipe.epochs}"
            steps = range(self.step % epoch_steps, epoch_steps)
            bar = tqdm(steps, desc=name, disable=None if first else True)
            for at in bar:
                start = time.perf_counter()
                self.losses.append(self._learn(*next(batches)))
                self.seconds += time.perf_counter() - start
                self.step += 1
                bar.set_postfix(loss=f"{fmean(self.losses):.3f}")
                if self.step % self.save_every == 0 and at + 1 < epoch_steps:
                    self._save()
            entry = {"epoch": epoch + 1, "step": self.step, "loss": fmean(self.losses)}
            self.losses = []
            entry |= {"seconds": round(self.seconds, 1), "size": recipe.size_at(epoch)}
            if len(self.held[1]):
                entry["held_out_top1"] = self._held_out_accuracy()
            self.history.append(entry)
            self._save()
            if first and bar.disable:
                print(f"{name}: loss {entry['loss']:.3f}", file=sys.stderr, flush=True)
            if first:
                lines = (json.dumps(each) + "\n" for each in self.history)
                write_text(self.folder / "log.jsonl", "".join(lines))

    def _learn(self, x: Tensor, targets: Tensor) -> float:
        """One step on a batch, of which every device takes its part; returns the loss."""
        recipe, device = self.recipe, self.fabric.device
        part, parts = self.fabric.global_rank, self.fabric.world_size
        x, targets = x.chunk(parts)[part], targets.chunk(parts)[part]
        x = x.to(device, memory_format=torch.channels_last, non_blocking=True)
        targets = targets.to(device, non_blocking=True)
        for group in self.optimizer.param_groups:
            group["lr"] = recipe.learning_rate_at(self.step / self.batches.epoch_steps)
        self.forward.train()
        logits = self.forward(x).float()
        loss = self.loss(logits, targets)
        if self.teachers:
            loss = self.teachers.mixed(loss, logits, x)
        mean = cast(Tensor, self.fabric.all_reduce(loss.detach(), reduce_op="mean"))
        if not torch.isfinite(mean):
            raise ValueError(f"the loss is {mean.item()} at step {self.step}; training stops.")
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(
            self.forward, self.optimizer, max_norm=recipe.clip, error_if_nonfinite=False
        )
        if norm is not None and not torch.isfinite(norm):
            raise ValueError(
                f"the norm of the gradient is {norm.item()} at step {self.step}; training stops."
            )
        self.optimizer.step()
        self.ema.update_parameters(self.model)
        return mean.item()

    def _held_out_accuracy(self) -> float:
        """Top-1 of the averaged network on the held-out part, at the size of the recipe."""
        model = self.averaged()
        was_training = model.training
        model.eval()
        with torch.inference_mode():
            right = 0.0
            for pixels, targets in zip(self.held[0].split(64), self.held[1].split(64), strict=True):
                logits = model(self.preprocess.normalise(pixels.to(self.fabric.device)))
                right += float((logits.argmax(1).cpu() == targets).sum())
        model.train(was_training)
        return right / len(self.held[1])

    def _save(self) -> None:
        """Write the state; a kill leaves the old one whole."""
        if not self.fabric.is_global_zero:
            return
        state = {
            **self.identity.to_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
            "history": self.history,
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        with whole_file(self.folder / "state.pt") as partial:
            torch.save(state, partial)

    def _go_on(self, state: dict[str, Any]) -> None:
        """Take over a state; ValueError if it does not fit, as one of old may that tells little."""
        try:
            self.step, self.seconds = state["step"], state["seconds"]
            self.history, self.losses = state["history"], state.get("losses", [])
            self.model.load_state_dict(state["model"])
            self.ema.load_state_dict(state["ema"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (KeyError, RuntimeError, ValueError):
            raise ValueError(
                f"{str(self.folder / 'state.pt')!r} does not fit the network; choose another "
                "folder or remove it."
            ) from None


def launched(recipe: Recipe, devices: int) -> Fabric:
    """Devices of the best kind there is, in the recipe's precision.

    With several, the command that runs is started once more for each further one. Every process
    then makes the same batches, since mixing goes over a whole one, and learns from its part of
    each (distributed data parallel).

    Raises:
        ValueError: if there are fewer devices.
    """
    there = torch.accelerator.device_count() or (os.cpu_count() or 1)
    if not 1 <= devices <= there:
        raise ValueError(f"`devices` (={devices}) must be from 1 to the {there} of this machine.")
    fabric = Fabric(accelerator="auto", devices=devices, precision=recipe.precision)
    fabric.launch()
    return fabric


def _check_memory(recipe: Recipe, learn: Split, held: Split, copies: int) -> None:
    """Refuse what does not fit before it is decoded, judged by one batch at even distances.

    Args:
        recipe: gives the size.
        learn: pictures to learn from.
        held: pictures that are held out.
        copies: processes that hold the pictures.

    Raises:
        ValueError: if the decoded pictures would fill more than their share of the memory.
    """
    n = recipe.batch_size
    if len(learn) < n:
        return  # which the batches refuse
    sample = learn.subset([at * len(learn) // n for at in range(n)])
    decoded = Batches(recipe, Preprocess(recipe.size), sample).pictures
    each = fmean(picture.nbytes for picture in decoded)
    needed = copies * (each * len(learn) + 3 * recipe.size**2 * len(held))
    most = _PICTURES_SHARE * memory()
    if needed > most:
        raise ValueError(
            f"the {len(learn) + len(held)} pictures of {recipe.data!r} take {needed / 2**30:.3g} "
            f"GiB at `size` (={recipe.size}), more than {_PICTURES_SHARE:.0%} of the memory "
            f"({most / 2**30:.3g} GiB)."
        )


def _take_over(model: ResNet, start: Checkpoint, classes: tuple[str, ...]) -> None:
    """Start from other weights; the head stays random if theirs was made for other classes.

    Relative embeddings made for a grid of another size are resized, so that before its first step
    the network does what `start` does with a picture of this size.

    Raises:
        ValueError: if the networks differ in more than the head and the size of the input.
    """
    left = () if start.card.classes == classes else ("head.",)
    theirs, ours = (
        {key: value for key, value in network.state_dict().items() if not key.startswith(left)}
        for network in (start.model, model)
    )
    for key in theirs.keys() & ours.keys():
        if key.endswith((".r_c", ".r_r")):
            theirs[key] = resize_embeddings(theirs[key], (ours[key].shape[0] + 1) // 2)
    if _shapes(ours) != _shapes(theirs):
        raise ValueError(
            f"the network of {start.card.name!r} differs in more than its head and its size."
        )
    model.load_state_dict(theirs, strict=False)


def _averaging(recipe: Recipe) -> Callable[[_Tensors, _Tensors, Tensor | int], None]:
    """The update of the weight average, with the decay that the recipe has after so many steps."""

    def update(averaged: _Tensors, current: _Tensors, steps: Tensor | int) -> None:
        get_ema_multi_avg_fn(recipe.ema_at(int(steps)))(averaged, current, steps)

    return update


def _shapes(state: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {key: value.shape for key, value in state.items()}


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices decay; vectors and relative embeddings, whose size is a scale, do not."""
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        free = parameter.ndim < 2 or name.endswith((".r_c", ".r_r"))
        (kept if free else decayed).append(parameter)
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
