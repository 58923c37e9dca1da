"""Learning from trained networks beside the labels: knowledge distillation (Hinton et al. 2015)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor

from gsa.checkpoints import Checkpoint
from gsa.folding import folded
from gsa.preprocess import Preprocess
from gsa.recipe import Recipe


class Teachers:
    """Trained networks that see the very crops that a network learns from (Beyer et al. 2022).

    What they say of a picture changes with its crop as the crop does, which a label does not.

    Args:
        checkpoints: one or more.
        classes: of the data, in the order of the logits.
        preprocess: by which the crops are made.
        recipe: gives temperature and share.
        fabric: gives device and precision.

    Raises:
        ValueError: if one has other classes, or takes its pictures in other colours.
    """

    def __init__(
        self,
        checkpoints: Sequence[Checkpoint],
        classes: tuple[str, ...],
        preprocess: Preprocess,
        recipe: Recipe,
        fabric: Fabric,
    ) -> None:
        for each in checkpoints:
            if each.card.classes != classes:
                raise ValueError(
                    f"the teacher {each.card.name!r} has other classes than the data, or another "
                    "order of them."
                )
            if (each.preprocess.mean, each.preprocess.std) != (preprocess.mean, preprocess.std):
                raise ValueError(
                    f"the teacher {each.card.name!r} takes its pictures with another mean or "
                    "deviation of the colours."
                )
        self.models = [folded(each.model).to(fabric.device) for each in checkpoints]
        self.share, self.temperature = recipe.teacher_share, recipe.teacher_temperature
        self.fabric = fabric

    def say(self, x: Tensor) -> Tensor:
        """Mean over teachers of softmax(logits / temperature): (n, classes) of (n, 3, h, w)."""
        with torch.inference_mode(), self.fabric.autocast():
            said = [(model(x).float() / self.temperature).softmax(1) for model in self.models]
        return torch.stack(said).mean(0)  # made outside, so that a backward pass may keep it

    def mixed(self, loss: Tensor, logits: Tensor, x: Tensor) -> Tensor:
        """The loss by labels and that by teachers, each with its share.

        The latter is temperature² KL(teachers ‖ network), of probabilities at the temperature; so
        its gradient has the size of the former's (Hinton et al. 2015, section 2).

        Args:
            loss: by labels; ().
            logits: of the network; (n, classes).
            x: what it saw; (n, 3, h, w).
        """
        log_q = (logits / self.temperature).log_softmax(1)
        apart = F.kl_div(log_q, self.say(x), reduction="batchmean")
        return (1 - self.share) * loss + self.share * self.temperature**2 * apart
