"""A network for inference alone: batch norms are folded into convolutions, and those are packed."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from gsa.attention import GlobalSelfAttention
from gsa.packing import packed
from gsa.record import unwrapped
from gsa.resnet import Bottleneck, ResNet


def folded(model: ResNet) -> ResNet:
    """The same function of a picture as `model` in eval mode, with fewer passes over the data.

    A batch norm in eval mode scales and shifts each channel, so a convolution before it takes that
    over as weights and a bias. Three kinds of norm stay, because no linear map stands before them:
    the one between the two positional steps, the one behind a GSA module, and the query norm. The
    convolutions keep their weights in the order of the library that makes them (`gsa.packing`),
    for use inside `torch.inference_mode`.

    Args:
        model: any network of this project; it is left as it is.

    Returns:
        A copy in eval mode. Recordings and maps of it are those of `model` up to rounding. It is
        not for training: its norms are gone, and on a CPU its weights take twice the memory.
    """
    model = copy.deepcopy(unwrapped(model)).eval()  # what is folded are running statistics
    _fold(model, "stem", "stem_norm")
    for block in model.blocks().values():
        _fold_block(block)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.Conv2d):
                setattr(module, name, packed(child))
    return model.eval()  # also what took the place of norms


def _fold_block(block: Bottleneck) -> None:
    _fold(block, "reduce", "reduce_norm")
    _fold(block, "expand", "expand_norm")
    if isinstance(block.shortcut, nn.Sequential):
        _fold(block.shortcut, "0", "1")
    if isinstance(block.mixer, GlobalSelfAttention):
        for channel in "kv":  # of the query norm, recordings keep the constant part
            _fold(block.mixer, f"to_{channel}", f"{channel}_norm")
    else:
        _fold(block, "mixer", "mixer_norm")


def _fold(module: nn.Module, linear: str, norm: str) -> None:
    """Fold one norm into the convolution before it, where both are there."""
    convolution, following = getattr(module, linear), getattr(module, norm)
    if isinstance(convolution, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
        setattr(module, linear, fuse_conv_bn_eval(convolution, following))
        setattr(module, norm, nn.Identity())
