"""`python -m app.make_preview`: write the maps that the page shows while the networks load."""

import json
from typing import Any

from app import gallery, panels, resources, state
from app.preview import FILE
from app.views.look_maps import strip_rows


def computed() -> dict[str, Any]:
    """The maps as the page draws them at the start, with the hash of the weights."""
    name = resources.twins()["gsa"]
    data = (gallery.FOLDER / gallery.FIRST).read_bytes()
    seen = resources.seen(name, state.Picture(gallery.FIRST, data).digest, data)
    chosen = state.Selection()
    found = panels.all_layers(seen.recording, chosen)
    return {"weights": seen.card.sha256, "rows": strip_rows(found, found[-1].layer, chosen)}


if __name__ == "__main__":
    FILE.write_text(json.dumps(computed(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
