"""Does it matter? What the section shows is what the changes do at the place that was chosen."""

import json

import pytest

from app import gallery
from app.sections.matter import PART_CELLS
from app.text import words
from app.widgets import Widget
from gsa import checkpoints, perturbations
from gsa.pictures import open_picture
from tests.app.compare_support import lines
from tests.app.test_pages import opened

TEXT = words("look")
PLACE = {"row": 0.1875, "column": 0.8125}
PART = {"part_top": 0.5, "part_left": 0.0, "part_bottom": 0.75, "part_right": 0.25}


@pytest.fixture
def effects(tiny_checkpoints):
    """By mixer, what changing the part does to the network at the place."""
    found = {}
    for mixer in TEXT["twins"]:
        network = checkpoints.load(f"tiny_{mixer}")
        side = network.preprocess.size
        crop = network.preprocess.crop(open_picture(gallery.FOLDER / "panda_0021.jpg"))
        x = network.preprocess.tensor(crop)
        box = tuple(round(edge * side) for edge in PART.values())
        place = tuple(edge * side for edge in PLACE.values())
        changed = perturbations.change(x, box, "swap")
        found[mixer] = perturbations.effect(network, x, changed, place)
    return found


def test_the_part_that_was_chosen_is_changed_and_features_are_those_at_the_place(effects):
    app = opened("matter", how="swap", **{name: str(at) for name, at in (PLACE | PART).items()})
    assert len({tuple(found.features.values()) for found in effects.values()}) == len(effects)
    (part,) = (each for each in app.get("bidi_component") if Widget.part in each.proto.id)
    edges = [edge * PART_CELLS for edge in PART.values()]
    assert json.loads(part.proto.json)["cells"] == edges
    drawn = lines(json.loads(app.get("plotly_chart")[0].proto.spec))
    sentences = [each.value for each in app.markdown]
    classes = checkpoints.read_card("tiny_gsa").classes
    target = effects["gsa"].before.argmax()
    for mixer, found in effects.items():
        line = drawn[TEXT["twins"][mixer]]
        shown = dict(zip(line["x"], line["y"], strict=True))
        assert shown == pytest.approx(found.features, rel=1e-3)
        before, after = found.before[target], found.after[target]
        said = TEXT["effect"].format(
            twin=TEXT["twins"][mixer], label=classes[target], before=before, after=after
        )
        assert said in sentences
