"""Global self-attention networks (Shen et al. 2020), their exact attention maps and conv twins.

>>> import gsa
>>> checkpoint = gsa.load("caltech94_gsa")
>>> crop = checkpoint.preprocess.crop(gsa.open_picture("app/gallery/kangaroo_0030.jpg"))
>>> recording = gsa.record(checkpoint.model, checkpoint.preprocess.tensor(crop))
>>> layer, place = recording["3.2"], gsa.Cells.at(4, 7)
>>> gsa.positional_map(layer, place).shape  # heads, rows, columns
(4, 8, 8)
>>> gsa.prove(layer, "positional", place).max_rel_error < 1e-5
True

Class attributions (`gsa.attribution`), deletion curves (`gsa.faithfulness`) and figures
(`gsa.figures`) are modules of their own, since they import large libraries.
"""

from gsa.attention import GlobalSelfAttention
from gsa.baselines import edge_map, shuffled, untrained
from gsa.card import Card, CheckpointError
from gsa.checkpoints import Checkpoint, available, load
from gsa.config import PRESETS, NetworkConfig, preset
from gsa.contributions import (
    constant,
    constant_share,
    contribution_map,
    contribution_vectors,
    reverse_contribution_map,
)
from gsa.folding import folded
from gsa.heuristics import class_flow, output_gradients, rollout
from gsa.maps import (
    Cells,
    all_queries,
    column_weights,
    content_map,
    key_maps,
    max_absolute_over_heads,
    mean_absolute_over_heads,
    mean_over_heads,
    positional_map,
    reverse_content_map,
    reverse_positional_map,
    row_weights,
    sum_map,
)
from gsa.pictures import PictureError, open_picture, upright_size
from gsa.preprocess import Grid, Preprocess
from gsa.proofs import prove, verify
from gsa.ranges import RangeMeasures, even_distance, measure, measure_heads
from gsa.receptive_field import field_of
from gsa.record import LayerRecord, Recording, record
from gsa.record_modules import record_modules
from gsa.resnet import ResNet
from gsa.twins import pairs
from gsa.two_steps import two_step_path

__all__ = [
    "shuffled",
    "rollout",
    "output_gradients",
    "edge_map",
    "even_distance",
    "field_of",
    "folded",
    "class_flow",
    "PRESETS",
    "Card",
    "Cells",
    "Checkpoint",
    "CheckpointError",
    "GlobalSelfAttention",
    "Grid",
    "LayerRecord",
    "NetworkConfig",
    "PictureError",
    "Preprocess",
    "RangeMeasures",
    "Recording",
    "ResNet",
    "all_queries",
    "available",
    "column_weights",
    "constant",
    "constant_share",
    "content_map",
    "contribution_map",
    "contribution_vectors",
    "key_maps",
    "load",
    "max_absolute_over_heads",
    "mean_absolute_over_heads",
    "mean_over_heads",
    "measure",
    "measure_heads",
    "open_picture",
    "upright_size",
    "pairs",
    "positional_map",
    "preset",
    "prove",
    "record",
    "record_modules",
    "reverse_content_map",
    "reverse_contribution_map",
    "reverse_positional_map",
    "row_weights",
    "sum_map",
    "two_step_path",
    "untrained",
    "verify",
]
