"""Why this class? Attributions, their test, and what that gives over many pictures."""

import json
import shutil

from app.widgets import Widget
from gsa.checkpoints import read_cards
from tests.app.test_pages import TEXT, opened, texts


def test_attributions_come_with_their_deletion_curves(tiny_checkpoints):
    app = opened("why")
    app.button(Widget.why).click().run()
    assert not app.exception
    assert TEXT["deletion_title"] in " ".join(each.value for each in app.markdown)
    assert not any(each.key == Widget.stop for each in app.button)  # nothing runs any more
    assert [each.label for each in app.get("download_button")] == ["PNG", "SVG", "HTML", "NPZ"]
    assert TEXT["as_file"] in texts(app)


def test_what_was_begun_for_another_picture_is_said_to_stand_still(tiny_checkpoints):
    app = opened("why")
    assert TEXT["why_waiting"] not in texts(app)
    app.session_state["begun attributions"] = "why of another picture"
    app.run()
    assert TEXT["why_waiting"] in texts(app)
    app.button(Widget.why).click().run()
    assert TEXT["why_waiting"] not in texts(app)


def study(of):
    """What `python -m gsa deletion --json` might find of these networks."""
    methods = [
        {"checkpoint": name, "method": method, "passed": 0.25, "interval": [0.1, 0.5]}
        for name in of
        for method in TEXT["methods"]
    ]
    protocol = {"pictures": 12, "source": "zoo", "orders": 16, "weights_sha256": of}
    return json.dumps({"protocol": protocol, "methods": methods})


def test_what_attributions_do_over_many_pictures_is_shown_of_the_weights_at_hand(
    tiny_checkpoints, monkeypatch, tmp_path
):
    def shown():
        app = opened("why")
        titles = [each.value for each in app.markdown]
        return len(app.get("plotly_chart")), f"**{TEXT['tested_title'].format(n=12)}**" in titles

    used = {name: card.sha256 for name, card in read_cards(tiny_checkpoints).items()}
    folder = shutil.copytree(tiny_checkpoints, tmp_path / "copy")
    monkeypatch.setenv("GSA_CHECKPOINTS", str(folder))
    charts, titled = shown()
    assert not titled
    (folder / "deletion.json").write_text(study(used))
    assert shown() == (charts + 1, True)
    for other in (study(used | {"tiny_conv": "0" * 64}), study({}), "{", "[]", '{"protocol": 3}'):
        (folder / "deletion.json").write_text(other)
        assert shown() == (charts, False)
