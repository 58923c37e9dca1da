"""The Networks page without a browser."""

import json
import shutil

import pytest
from streamlit.testing.v1 import AppTest

from app import markup
from app.figures import compare
from tests.app import test_pages
from tests.app.test_pages import MAIN, TEXT

page = test_pages.page


def test_the_networks_page_shows_the_cards(page):
    page.switch_page("views/networks.py").run()
    assert not page.exception
    table = page.dataframe[0].value
    assert list(table["Checkpoint"]) == ["tiny_gsa", "tiny_conv"]


def test_twins_stand_in_one_chart_of_each_figure(checkpoint_folder, tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints"
    shutil.copytree(checkpoint_folder, folder)
    losses = {"gsa": [2.0, 1.0], "conv": [3.0, 1.5]}
    for mixer, values in losses.items():
        history = [
            {"epoch": at, "loss": value, "held_out_top1": 1 / value}
            for at, value in enumerate(values, start=1)
        ]
        (folder / f"tiny_{mixer}.curves.json").write_text(json.dumps(history))
    monkeypatch.setenv("GSA_CHECKPOINTS", str(folder))
    monkeypatch.setitem(TEXT["pairs"], "tiny", "Tiny things")
    page = AppTest.from_file(MAIN, default_timeout=60).run()
    page.switch_page("views/networks.py").run()
    assert not page.exception
    assert set(page.dataframe[0].value["Trained on"]) == {"Tiny things"}
    assert [each.value for each in page.subheader] == ["Tiny things"]
    loss, held_out = (json.loads(each.proto.spec) for each in page.get("plotly_chart"))
    drawn = {trace["name"]: trace for trace in loss["data"]}
    for mixer, name in (("gsa", "global self-attention"), ("conv", "3×3 convolution")):
        assert (drawn[name]["x"], drawn[name]["y"]) == ([1, 2], losses[mixer])
        assert drawn[name]["line"]["color"] == compare.COLOURS[mixer]
    assert held_out["layout"]["yaxis"]["tickformat"] == ".0%"
    assert held_out["layout"]["yaxis"]["range"] == pytest.approx([1 / 3 - 0.02, 1])


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({}, ""),
        ({"early_epochs": 3, "early_size": 48}, "The first 3 epochs are on pictures of 48 px"),
        (
            {"early_epochs": 3, "early_size": 48, "restart": [9, 20]},
            "begins anew after 9 and 20 epochs, so the curves jump there. "
            "The first 3 epochs of each part are",
        ),
        (
            {"early_epochs": 3, "early_size": 48, "restart": [4, 9, 20], "augment_from": 9},
            "after 4, 9 and 20 epochs, so the curves jump there. From epoch 10 on crops are",
        ),
    ],
)
def test_jumps_of_the_curves_are_explained(checkpoint_folder, tmp_path, monkeypatch, recipe, said):
    folder = tmp_path / "checkpoints"
    shutil.copytree(checkpoint_folder, folder)
    path = folder / "tiny_gsa.json"
    card = json.loads(path.read_text())
    path.write_text(json.dumps(card | {"recipe": {**card["recipe"], "size": 64, **recipe}}))
    (folder / "tiny_gsa.curves.json").write_text(
        '[{"epoch": 1, "loss": 1.0, "held_out_top1": 0.5}]'
    )
    monkeypatch.setenv("GSA_CHECKPOINTS", str(folder))
    page = AppTest.from_file(MAIN, default_timeout=60).run()
    page.switch_page("views/networks.py").run()
    assert not page.exception
    found = [each.value for each in page.caption if "pictures of 48 px" in each.value]
    assert [said in each for each in found] == ([True] if said else [])


def test_networks_whose_training_left_no_notes_have_no_chart(page):
    page.switch_page("views/networks.py").run()
    assert not page.exception
    assert not page.get("plotly_chart")
    assert not any("how the twins of each pair learned" in each.value for each in page.caption)


def test_the_networks_page_names_teachers(checkpoint_folder, tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints"
    shutil.copytree(checkpoint_folder, folder)
    card = json.loads((folder / "tiny_gsa.json").read_text())
    card["recipe"] |= {"teachers": ["a_conv", "a_gsa"], "teacher_share": 0.25}
    (folder / "tiny_gsa.json").write_text(json.dumps(card))
    monkeypatch.setenv("GSA_CHECKPOINTS", str(folder))
    page = AppTest.from_file(MAIN, default_timeout=60).run()
    page.switch_page("views/networks.py").run()
    taught = [each.value for each in page.markdown if "Taught by" in each.value]
    assert len(taught) == 1
    assert "a_conv and a_gsa, whose mean prediction for each crop makes 25% of" in taught[0]


def test_a_broken_card_is_named_beside_the_others(checkpoint_folder, tmp_path, monkeypatch):
    folder = tmp_path / "checkpoints"
    shutil.copytree(checkpoint_folder, folder)
    (folder / "broken.safetensors").touch()
    (folder / "broken.json").write_text("{")
    monkeypatch.setenv("GSA_CHECKPOINTS", str(folder))
    page = AppTest.from_file(MAIN, default_timeout=60).run()
    assert not page.exception
    assert not page.error
    page.switch_page("views/networks.py").run()
    assert "'broken' is not valid JSON" in page.error[0].value
    assert list(page.dataframe[0].value["Checkpoint"]) == ["tiny_gsa", "tiny_conv"]


def test_shares_in_tables_have_one_digit_behind_the_dot():
    share = markup.in_percent(0.8336)
    assert markup.PERCENT["type_config"]["format"] % share == "83.4%"
    assert markup.in_percent(None) is None
