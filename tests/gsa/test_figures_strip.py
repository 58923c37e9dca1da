from dataclasses import replace

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from gsa import figures
from tests.conftest import photo


def drawn(recording, layers, title):
    """The figure, and where each text of it lies: (left, bottom, right, top) in its pixels."""
    panels = figures.place_panels(recording, (20, 41), layers)
    figure = figures.strip(photo(96, 64), panels, title)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    texts = [*figure.texts]
    for axis in figure.axes:
        texts += [axis.title, *axis.texts]
    renderer = canvas.get_renderer()
    boxes = [each.get_window_extent(renderer).extents for each in texts if each.get_text()]
    return figure, boxes


@pytest.mark.parametrize("layers", [["2.1"], None])
@pytest.mark.parametrize("title", ["a.jpg", "a_long_name_of_a_picture_0021.jpg, checkpoint " * 3])
def test_no_text_is_cut_or_lies_on_another(recording, layers, title):
    figure, boxes = drawn(recording, layers, title)
    width, height = figure.bbox.size
    for box in boxes:
        assert -1 <= box[0] <= box[2] <= width + 1
        assert -1 <= box[1] <= box[3] <= height + 1
    for at, (left, bottom, right, top) in enumerate(boxes):
        for other in boxes[at + 1 :]:
            apart = min(right, other[2]) <= max(left, other[0]) + 1
            assert apart or min(top, other[3]) <= max(bottom, other[1]) + 1


@pytest.mark.parametrize("name", ["a $5 and $6.jpg", r"a $\bad$.jpg", "b\udcff.jpg"])
def test_a_name_is_no_formula(recording, name):
    figure, _ = drawn(recording, ["2.1"], name)
    said = figure._suptitle.get_text()
    assert said == name.replace("\udcff", "?")
    assert not figure._suptitle.get_parse_math()


def test_a_map_of_a_panel_keeps_its_cells(recording):
    panels = figures.place_panels(recording, (20, 41), ["2.1"], head=1)
    figure = figures.strip(photo(96, 64), panels)
    images = [axis.images[0].get_array() for axis in figure.axes if axis.images]
    np.testing.assert_array_equal(images[1], panels[0].weights)


def test_a_scale_by_the_root_ends_where_a_plain_one_does(recording):
    (panel,) = figures.place_panels(recording, (20, 41), ["2.1"], head=1)[:1]
    sizes = replace(panel, weights=np.abs(panel.weights), signed=False)
    for root, half in ((False, 0.5), (True, 0.25)):
        figure = figures.strip(photo(96, 64), [replace(sizes, root=root)])
        norm = next(axis.images[0].norm for axis in figure.axes[1:] if axis.images)
        assert (norm.vmin, norm.vmax) == (0, np.abs(panel.weights).max())
        assert norm(half * norm.vmax) == pytest.approx(0.5)


def test_cells_of_which_nothing_is_known_are_grey(recording):
    (panel,) = figures.place_panels(recording, (20, 41), ["2.1"], head=1)[:1]
    weights = panel.weights.copy()
    weights[0, 0] = np.nan
    figure = figures.strip(photo(96, 64), [replace(panel, weights=weights)])
    image = next(axis.images[0] for axis in figure.axes[1:] if axis.images)
    assert to_hex(image.to_rgba(image.get_array())[0, 0]) == figures.UNKNOWN
