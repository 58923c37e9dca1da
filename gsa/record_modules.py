"""The maps of GSA modules in a network of one's own, which knows no recorder.

Each module is handed one by a hook. Hooks are set on a private shadow of the network (the modules
copied, the weights shared), so that the network itself and other threads' passes never meet them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from gsa.attention import GlobalSelfAttention
from gsa.record import Collector, LayerRecord, check_eval, exact
from gsa.resnet import shadow, within


def record_modules(
    network: nn.Module, *inputs: Tensor, **options: Any
) -> Mapping[str, LayerRecord]:
    """Run one picture through any network and keep what its GSA modules computed.

    Computed in the precision of the weights, as `gsa.record.record` has it.

    Args:
        network: whose modules include `GlobalSelfAttention`; in eval mode (the maps hold for the
            running statistics of batch norms). Hooks of its own run as in any forward pass.
        inputs: what its forward takes, of one picture, on its device.
        options: likewise, what it takes by name.

    Returns:
        By the path of the module, such as `encoder.0.attention`, in the order the data passes
        them. `gsa.Grid(*layer.shape, height, width)` has the geometry of a layer's cells.

    Raises:
        ValueError: if the network has no such module or is in training mode, a module is not
            reached or more than once, or the inputs hold more than one picture.
    """
    network = within(network)
    check_eval(network)
    private = shadow(network)
    modules = {
        name: module
        for name, module in private.named_modules()
        if isinstance(module, GlobalSelfAttention)
    }
    if not modules:
        raise ValueError(f"`network` (a {type(network).__name__}) holds no GlobalSelfAttention.")
    collector = Collector(modules)
    for name, module in modules.items():
        module.register_forward_pre_hook(partial(_hand_over, collector, name), with_kwargs=True)
    with torch.inference_mode(), exact(next(private.parameters())):
        private(*inputs, **options)
    missed = sorted(modules.keys() - collector.layers.keys())
    if missed:
        raise ValueError(f"the forward pass does not reach the module {missed[0]!r}.")
    return MappingProxyType(collector.layers)


def _hand_over(
    collector: Collector,
    name: str,
    module: nn.Module,
    arguments: tuple[Tensor, ...],
    options: dict[str, Any],
) -> tuple[tuple[Tensor, ...], dict[str, Any]]:
    """A hook before `GlobalSelfAttention.forward`: the same picture, and who is to record it."""
    # a network of this project says after it that nothing is recorded
    x = arguments[0] if arguments else options.pop("x")
    if len(x) != 1:
        raise ValueError(f"the module {name!r} was given {len(x)} pictures; it must be one.")
    if name in collector.layers:
        raise ValueError(f"the forward pass reaches the module {name!r} more than once.")
    return (x,), {**options, "recorder": collector, "name": name}
