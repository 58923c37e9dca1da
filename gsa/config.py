"""What a network is: stages, widths, mixer, classes and input, as one frozen dataclass.

A *mixer* is the operation of a bottleneck block that lets pixels exchange information: the 3x3
convolution of a ResNet, or the global self-attention module that replaces it. Two networks that
differ in nothing but the mixer are *twins*; `NetworkConfig.twin` gives the other one.
"""

from __future__ import annotations

import sys
from dataclasses import MISSING, asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

Mixer = Literal["gsa", "conv"]
Positional = Literal["both", "column", "row", "none"]
RelativeInit = Literal["normal", "local"]
ProjectionNorm = Literal["none", "batch", "rms"]


_MODULE_OPTIONS = (
    "content",
    "positional",
    "projection_norm",
    "query_gain",
    "query_offset",
    "relative_init",
)


def is_finite(value: object) -> bool:
    """Whether a value, of any type, is a number that is neither NaN nor beyond all floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= sys.float_info.max


def check_options(
    *,
    content: bool,
    positional: str,
    projection_norm: str,
    query_gain: float,
    query_offset: float,
    relative_init: str,
) -> None:
    """The rules for the options of a GSA module.

    Raises:
        ValueError: if an option breaks one; the sentence names it, its value and the rule.
    """
    for name, number in (("query_gain", query_gain), ("query_offset", query_offset)):
        if not is_finite(number):
            raise ValueError(f"`{name}` (={number!r}) must be a finite number.")
    if type(content) is not bool:
        raise ValueError(f"`content` (={content!r}) must be true or false.")
    for name, value, allowed in (
        ("positional", positional, Positional),
        ("projection_norm", projection_norm, ProjectionNorm),
        ("relative_init", relative_init, RelativeInit),
    ):
        if value not in get_args(allowed):
            raise ValueError(f"`{name}` (={value!r}) must be of {get_args(allowed)}.")
    if not content and positional == "none":
        raise ValueError("a GSA module needs a branch: `content` or `positional`.")


SHAPE = ("blocks", "widths", "expansion", "stem_width", "heads")  # of a network, see `shape`


@dataclass(frozen=True)
class NetworkConfig:
    """A bottleneck ResNet whose spatial mixer is a parameter; lists may stand for tuples.

    Raises:
        ValueError: if a field breaks a rule; the sentence names the field, the value and the rule.
    """

    blocks: tuple[int, ...]  # bottleneck blocks in each stage
    widths: tuple[int, ...]  # channels inside the blocks of each stage (d_k = d_v = width / heads)
    mixers: tuple[Mixer, ...]  # the mixer of each stage
    expansion: int = 4  # a block puts out width * expansion channels
    stem_width: int = 64  # channels of the 7x7 stem
    heads: int = 8  # attention heads of each GSA module
    num_classes: int = 1000
    input_size: int = 224  # side of the square input, in pixels, that the network is trained for
    content: bool = True  # content branch present
    positional: Positional = "both"  # steps of the positional branch that are present
    projection_norm: ProjectionNorm = "none"  # norm on queries, keys, values (none in the paper)
    query_gain: float = 1.0  # initial gain of that norm on the queries
    query_offset: float = 0.0  # initial bias of that norm on the queries
    relative_init: RelativeInit = "normal"  # relative embeddings start as noise or as a local bump

    def __post_init__(self) -> None:
        for name in ("blocks", "widths", "mixers"):
            value = getattr(self, name)
            if not isinstance(value, (tuple, list)):
                raise ValueError(f"`{name}` (={value!r}) must be a list.")
            object.__setattr__(self, name, tuple(value))
        stages = len(self.blocks)
        if stages == 0 or len(self.widths) != stages or len(self.mixers) != stages:
            raise ValueError(
                f"`blocks` (={self.blocks}), `widths` (={self.widths}) and `mixers` "
                f"(={self.mixers}) must have one entry for each stage."
            )
        for name in ("blocks", "widths", "expansion", "stem_width", "heads", "num_classes"):
            value = getattr(self, name)
            for each in value if name in ("blocks", "widths") else (value,):
                if type(each) is not int or each < 1:
                    raise ValueError(f"`{name}` (={value!r}) must be whole and positive.")
        for mixer in self.mixers:
            if mixer not in get_args(Mixer):
                raise ValueError(f"`mixers` (={self.mixers!r}) must be of {get_args(Mixer)}.")
        check_options(**self.module_options())
        for width, mixer in zip(self.widths, self.mixers, strict=True):
            if mixer == "gsa" and width % self.heads:
                raise ValueError(
                    f"`widths` has {width}, which `heads` (={self.heads}) does not divide."
                )
        if type(self.input_size) is not int or self.input_size < 32:
            raise ValueError(
                f"`input_size` (={self.input_size!r}) must be a whole number of pixels, at least "
                "32."
            )

    @property
    def mixer(self) -> str:
        """`gsa`, `conv`, or `mixed` where the stages differ."""
        return self.mixers[0] if len(set(self.mixers)) == 1 else "mixed"

    def shape(self) -> dict[str, Any]:
        """What twins have in common: the sizes of a network, but for its classes and its input."""
        return {name: getattr(self, name) for name in SHAPE}

    def module_options(self) -> dict[str, Any]:
        """What `gsa.attention.GlobalSelfAttention` takes by name, as `check_options` does."""
        return {name: getattr(self, name) for name in _MODULE_OPTIONS}

    def twin(self) -> NetworkConfig:
        """The same network with every mixer convolutional (or, of a conv network, GSA)."""
        other: Mixer = "gsa" if self.mixer == "conv" else "conv"
        return replace(self, mixers=(other,) * len(self.mixers))

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON-ready values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """The inverse of `to_dict`.

        Raises:
            ValueError: for a field that is unknown, missing, or breaks a rule.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(f"a network has no field {unknown[0]!r}; it has {sorted(known)}.")
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        missing = sorted(needed - set(values))
        if missing:
            raise ValueError(f"a network needs a field {missing[0]!r}.")
        return cls(**values)


def _twins(name: str, **fields_: Any) -> dict[str, NetworkConfig]:
    """The conv network under `name` and its GSA twin under `gsa_<name>`."""
    conv = NetworkConfig(mixers=tuple("conv" for _ in fields_["blocks"]), **fields_)
    return {name: conv, f"gsa_{name}": conv.twin()}


_IMAGENET_WIDTHS = (64, 128, 256, 512)

# The paper's three networks (224 px, 1000 classes), and small ones for 64-128 px input on a CPU.
PRESETS: dict[str, NetworkConfig] = {
    **_twins("resnet38", blocks=(2, 3, 5, 2), widths=_IMAGENET_WIDTHS),
    **_twins("resnet50", blocks=(3, 4, 6, 3), widths=_IMAGENET_WIDTHS),
    **_twins("resnet101", blocks=(3, 4, 23, 3), widths=_IMAGENET_WIDTHS),
    **_twins(
        "resnet26_small",
        blocks=(2, 2, 2, 2),
        widths=(32, 64, 128, 256),
        stem_width=32,
        heads=4,
        input_size=128,
    ),
    **_twins(
        "resnet14_tiny",
        blocks=(1, 1, 1, 1),
        widths=(16, 32, 64, 128),
        stem_width=16,
        heads=4,
        input_size=64,
    ),
}


def preset(name: str, /, **changes: Any) -> NetworkConfig:
    """A preset by name, with some fields changed; lists may stand for tuples.

    Raises:
        ValueError: if there is no such preset, or a change names no field or breaks a rule.
    """
    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}; presets are {', '.join(sorted(PRESETS))}.")
    return NetworkConfig.from_dict({**PRESETS[name].to_dict(), **changes})
