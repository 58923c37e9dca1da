"""`python -m app.make_preview`: write the maps that the page shows while the networks load."""

import json
from typing import Any

from app import gallery, panels, resources, state
from app.preview import file
from app.selection import Selection
from app.views.look_maps import strip_rows


def computed(picture: str) -> dict[str, Any]:
    """The maps of a gallery picture as the page draws them first, with the hash of the weights."""
    name = resources.twins()["gsa"]
    data = (gallery.FOLDER / picture).read_bytes()
    seen = resources.seen(name, state.Picture(picture, data).digest, data)
    chosen = Selection()
    found = panels.all_layers(seen.recording, chosen)
    rows = strip_rows(found, panels.first_layer(seen.recording), chosen)
    return {"checkpoint": name, "weights": seen.card.sha256, "rows": rows}


if __name__ == "__main__":
    for each in gallery.titles():
        text = json.dumps(computed(each), indent=1, ensure_ascii=False)
        file(each).write_text(text + "\n", encoding="utf-8")
