"""How a pair of twins is trained: one typed, readable file for both; only the mixer differs."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args

from gsa.config import SHAPE, Mixer, NetworkConfig, is_finite, preset

Precision = Literal["32-true", "bf16-mixed"]  # 16-mixed would need the state of its scaler saved
Augment = Literal["", "trivial", "rand"]


class RecipeError(ValueError):
    """A recipe that cannot be followed; the message is one sentence fit for a user."""


@dataclass(frozen=True)
class Recipe:
    """A training run. Lengths are in epochs, sizes in pixels."""

    pair: str  # checkpoints are called <pair>_gsa and <pair>_conv
    data: str  # a known data set or a folder, see `gsa.data.open_split`
    network: str  # preset of the conv twin, such as resnet26_small
    size: int  # input the network is made and evaluated for
    epochs: int
    shape: dict[str, Any] = field(default_factory=dict)  # of both twins: fields of `config.SHAPE`
    gsa: dict[str, Any] = field(default_factory=dict)  # NetworkConfig fields of the GSA twin
    init_from: str = ""  # pair whose weights the run starts from; "": random
    teachers: tuple[str, ...] = ()  # checkpoints whose mean prediction both twins learn from
    teacher_share: float = 0.5  # of the loss, if there are teachers; the labels have the rest
    teacher_temperature: float = 2.0  # by which logits are divided before they are compared
    early_size: int = 0  # input of the first `early_epochs`, smaller and cheaper; 0: `size`
    early_epochs: int = 0
    restart: tuple[int, ...] = ()  # epochs, from 0, at which sizes, warm-up and cosine begin anew
    batch_size: int = 64
    learning_rate: float = 2e-3  # peak, of AdamW
    weight_decay: float = 0.05  # of matrices; vectors and relative embeddings have none
    warmup: float = 2.0  # epochs of linear warm-up; cosine to 0 follows
    label_smoothing: float = 0.1
    crop_scale: float = 0.35  # smallest share of a picture's area that a random crop takes
    augment: Augment = ""  # TrivialAugmentWide or RandAugment of torchvision, on each crop
    augment_from: int = 0  # first epoch, from 0, with `augment`
    erase: float = 0.0  # probability that a rectangle of a picture is blanked
    mixup: float = 0.0  # alpha; 0: none
    cutmix: float = 0.0  # alpha; 0: none. With both, each batch draws one
    clip: float = 1.0  # largest norm of the gradient
    ema: float = 0.998  # decay of the weight average that is shipped, see `ema_at`; 0: none
    hold_out: float = 0.1  # share of train that is held out to choose by
    seed: int = 0
    precision: Precision = "bf16-mixed"  # as Lightning Fabric names it
    compile: bool = False  # by torch.compile: minutes at the start, then GSA steps 1.2 times faster
    use: str = field(default="", compare=False)  # words for the card, which change no run
    limits: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "restart", _epochs(self.restart))
        object.__setattr__(self, "teachers", _names(self.teachers))
        if not self.pair or self.pair.startswith(".") or set(self.pair) & set("/\\"):
            raise RecipeError(
                f"`pair` (={self.pair!r}) must be a name of files: not empty, without `/` and "
                "`\\`, and not starting with a dot."
            )
        for each in fields(self):
            if each.type == "float" and not is_finite(getattr(self, each.name)):
                raise RecipeError(
                    f"`{each.name}` (={getattr(self, each.name)!r}) must be a finite number."
                )
            if each.type == "int" and type(getattr(self, each.name)) is not int:
                raise RecipeError(f"`{each.name}` (={getattr(self, each.name)!r}) must be whole.")
        for name in ("size", "epochs", "batch_size", "learning_rate", "clip"):
            if not getattr(self, name) > 0:
                raise RecipeError(f"`{name}` (={getattr(self, name)}) must be above 0.")
        for name in (
            "warmup",
            "weight_decay",
            "mixup",
            "cutmix",
            "early_size",
            "early_epochs",
            "augment_from",
        ):
            if getattr(self, name) < 0:
                raise RecipeError(f"`{name}` (={getattr(self, name)}) must not be negative.")
        if not 0 <= self.seed < 2**31:  # with a step added, torch takes no more than 64 bits
            raise RecipeError(f"`seed` (={self.seed}) must be from 0 to below 2^31.")
        for name in ("label_smoothing", "ema", "hold_out"):
            if not 0 <= getattr(self, name) < 1:
                raise RecipeError(f"`{name}` (={getattr(self, name)}) must be from 0 to below 1.")
        for name, allowed in (("precision", Precision), ("augment", Augment)):
            if getattr(self, name) not in get_args(allowed):
                raise RecipeError(
                    f"`{name}` (={getattr(self, name)!r}) must be one of {get_args(allowed)}."
                )
        if self.size % 32:
            raise RecipeError(
                f"`size` (={self.size}) must be a multiple of 32: with others the last cells of "
                "the coarse grids stick out of the picture, and maps would lie askew."
            )
        if not 0.01 <= self.teacher_temperature <= 1000:
            raise RecipeError(
                f"`teacher_temperature` (={self.teacher_temperature}) must be from 0.01 to 1000."
            )
        own = sorted({f"{self.pair}_{mixer}" for mixer in get_args(Mixer)} & set(self.teachers))
        if own:
            raise RecipeError(
                f"`teachers` must not name {own[0]!r}, which this recipe makes: the twins would "
                "learn from different ones."
            )
        for name in ("erase", "teacher_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise RecipeError(f"`{name}` (={getattr(self, name)}) must be from 0 to 1.")
        if not 0 < self.crop_scale <= 1:
            raise RecipeError(f"`crop_scale` (={self.crop_scale}) must be above 0 and at most 1.")
        if self.early_epochs and not 32 <= self.early_size <= self.size:
            raise RecipeError(
                f"`early_size` (={self.early_size}) must be from 32 to `size` (={self.size})."
            )
        parts = (0, *self.restart, self.epochs)
        if any(start >= end for start, end in pairwise(parts)):
            raise RecipeError(
                f"`restart` (={list(self.restart)}) must name rising epochs above 0 and below "
                f"`epochs` (={self.epochs})."
            )

    def config(self, mixer: Mixer, num_classes: int) -> NetworkConfig:
        """The network that this recipe trains with one of the mixers.

        Raises:
            ValueError: if the network is no preset, or the table `shape` or `gsa` does not fit it.
        """
        others = sorted(self.shape.keys() - set(SHAPE))
        if others:
            raise RecipeError(
                f"the table `shape` of the recipe must not set {others[0]!r}; it takes "
                f"{', '.join(SHAPE)}."
            )
        shape = {**self.shape, "num_classes": num_classes, "input_size": self.size}
        if mixer == "conv":
            return preset(self.network, **shape)
        twice = sorted(shape.keys() & self.gsa.keys())
        if twice:
            raise RecipeError(f"the table `gsa` of the recipe must not set {twice[0]!r} once more.")
        return preset(f"gsa_{self.network}", **shape, **self.gsa)

    def size_at(self, epoch: int) -> int:
        """Side of the input in an epoch, from 0."""
        since, _ = self._cycle(epoch)
        return self.early_size if since < self.early_epochs else self.size

    def augment_at(self, epoch: int) -> Augment:
        """What changes the crops of an epoch, from 0."""
        return self.augment if epoch >= self.augment_from else ""

    def learning_rate_at(self, epoch: float) -> float:
        """Linear warm-up, then half a cosine to zero; `epoch` may be fractional.

        With `restart` once for each part, one after the other (SGDR: Loshchilov and Hutter 2017).
        """
        since, length = self._cycle(epoch)
        if since < self.warmup:
            return self.learning_rate * (since + 1e-3) / self.warmup
        done = (since - self.warmup) / max(length - self.warmup, 1e-9)
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))

    def ema_at(self, steps: int) -> float:
        """Decay of the weight average after so many steps.

        It rises to `ema`, so that a run too short for it does not ship the weights it began with
        (the rule of TensorFlow's `ExponentialMovingAverage` with `num_updates`).
        """
        return min(self.ema, (1 + steps) / (10 + steps))

    def _cycle(self, epoch: float) -> tuple[float, int]:
        """Epochs since the last start of the schedule, and the length of that part."""
        start = max(each for each in (0, *self.restart) if each <= epoch)
        end = next((each for each in self.restart if each > epoch), self.epochs)
        return epoch - start, end - start

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {**asdict(self), "restart": list(self.restart), "teachers": list(self.teachers)}


def listed(epochs: Sequence[int]) -> str:
    """Epochs in words: 18, 34 and 50."""
    *first, last = map(str, epochs)
    return f"{', '.join(first)} and {last}" if first else last


def _epochs(value: object) -> tuple[int, ...]:
    """Epochs of a list; a single number is what older cards have, and 0 their word for none."""
    epochs = [value] if isinstance(value, int) and value else value or []
    if not isinstance(epochs, list | tuple) or any(type(each) is not int for each in epochs):
        raise RecipeError(f"`restart` (={value!r}) must be a list of epochs.")
    return tuple(epochs)


def _names(value: object) -> tuple[str, ...]:
    """Names of checkpoints, each once."""
    if not isinstance(value, list | tuple) or any(type(each) is not str for each in value):
        raise RecipeError(f"`teachers` (={value!r}) must be a list of names of checkpoints.")
    if len(set(value)) < len(value):
        raise RecipeError(f"`teachers` (={list(value)}) must name each checkpoint once.")
    return tuple(value)


_TOML_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "Precision": (str,),
    "Augment": (str,),
    "bool": (bool,),
    "int": (int,),
    "tuple[int, ...]": (int, list),
    "tuple[str, ...]": (bool, object),  # which the recipe judges in words of its own
    "float": (int, float),
    "dict[str, Any]": (dict,),
}


def read_recipe(path: Path) -> Recipe:
    """A recipe from a TOML file.

    Raises:
        RecipeError: if the file is missing, is not TOML, or a field is unknown, missing or wrong.
    """
    return recipe_of(read_toml(path), path)


def read_toml(path: Path) -> dict[str, Any]:
    """The values in a TOML file; RecipeError if it is missing or is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise RecipeError(f"the recipe {str(path)!r} cannot be read.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"the recipe {str(path)!r} is not valid TOML: {error}.") from None


def recipe_of(values: dict[str, Any], path: Path) -> Recipe:
    """A recipe from the values of its file; RecipeError if one is unknown, missing or wrong."""
    types = {each.name: each.type for each in fields(Recipe)}
    for name, value in values.items():
        if name not in types:
            raise RecipeError(f"a recipe has no field {name!r}; it has {', '.join(types)}.")
        wanted = _TOML_TYPES[str(types[name])]
        if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in wanted):
            raise RecipeError(f"`{name}` (={value!r}) must be of type {types[name]}.")
    try:
        return Recipe(**values)
    except TypeError as error:
        raise RecipeError(f"the recipe {str(path)!r} is incomplete: {error}.") from None
