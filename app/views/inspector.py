"""The inspector: choose a picture, point at a place, see where every layer looks from there."""

import streamlit as st

import gsa
from app import links, markup, resources, state
from app.components import heading
from app.components.gallery import gallery
from app.gallery import FIRST, titles
from app.selection import Source
from app.text import words
from app.views import look_maps
from app.widgets import Widget
from gsa.card import CheckpointError
from gsa.checkpoints import ENVIRONMENT, folder
from gsa.pictures import FORMATS, MAX_BYTES, PictureError

text = words("look")


def take_gallery() -> None:
    """Show the thumbnail that was clicked."""
    name = str(getattr(state.widget_value(Widget.gallery), "name", None) or "")
    data = resources.gallery_bytes(name)
    if data:
        state.show(state.Picture(name, data, "gallery", name))


def take_file(key: str, source: Source) -> None:
    """Show an uploaded or photographed picture, or say why not."""
    file = state.widget_value(key)
    if file is None:  # taken back
        state.complain("")
        return
    chosen = state.Picture(file.name, file.getvalue(), source)
    try:
        resources.photo_url(chosen.digest, chosen.data)
    except PictureError as error:
        state.complain(str(error))
    else:
        state.show(chosen)


def start_picture() -> None:
    """At the start, and after Back, show the picture that the link names, or the first."""
    for name in (state.linked_picture(), FIRST):
        data = resources.gallery_bytes(name)
        found = state.Picture(name, data, "gallery", name) if data else state.own_picture(name)
        if found:
            state.show(found)
            state.set_widget(Widget.source, found.source)
            return


def page() -> None:
    """Draw the page."""
    state.show_page(text["title"])
    if state.picture() is None or state.follow_link():
        start_picture()
    try:
        known = list(gsa.pairs())
        pair = resources.twins(state.selection().pair)
    except CheckpointError as error:
        st.error(text["broken_checkpoint"].format(error=error))
        st.stop()
    if not pair:
        heading(text["title"])
        st.error(text["no_checkpoints"].format(folder=folder(), variable=ENVIRONMENT))
        st.stop()
    current = state.picture()
    assert current is not None  # the gallery is part of the app

    heading(text["title"], text["lead"])
    several = len(known) > 1
    shares = [3, 9, 3] if several else [3, 12]
    left, right, *last = markup.row("source", shares, vertical_alignment="center")
    state.prepare_widget(Widget.source, current.source)
    with left:
        source = st.segmented_control(
            text["source"],
            list(text["sources"]),
            format_func=text["sources"].get,
            key=Widget.source,
            required=True,
            label_visibility="collapsed",
            on_change=state.complain,
            args=("",),
        )
    if several:
        with last[0]:
            markup.pair_box(known)
    with right:
        if source == "upload":
            file = st.file_uploader(
                text["upload"].format(megabytes=MAX_BYTES // 2**20, formats=", ".join(FORMATS)),
                key=Widget.upload,
                on_change=take_file,
                args=(Widget.upload, "upload"),
            )
            if file is None and current.source == source:  # kept while another page was read
                st.caption(text["kept_file"].format(name=current.name))
        elif source == "camera":
            st.camera_input(
                text["camera"],
                key=Widget.camera,
                on_change=take_file,
                args=(Widget.camera, "camera"),
                width=320,
            )
        else:
            gallery(resources.thumbnails(), current.gallery, Widget.gallery, take_gallery)
    with st.container():  # always there, so that a complaint does not draw all that follows anew
        if state.complaint():
            st.error(text["kept"].format(error=state.complaint()))

    try:
        with st.spinner(text["seeing"], show_time=False):
            seen = {
                mixer: resources.seen(name, current.digest, current.data)
                for mixer, name in pair.items()
            }
    except CheckpointError as error:
        st.error(text["broken_checkpoint"].format(error=error))
        st.stop()

    _check_link(known, seen["gsa"], current.link_name)
    look_maps.inspect(seen, current)


def _check_link(pairs: list[str], seen: resources.Seen, shown: str) -> None:
    """Put right what the link, or the choice of other networks, names and there is not."""
    layers = seen.recording.layers
    known = links.Known(
        pictures=(*titles(), shown),
        pairs=tuple(pairs),
        layers=tuple(layers),
        heads=max(layer.heads for layer in layers.values()),
        classes=seen.card.classes,
    )
    fitting = links.fitted(state.selection(), known)
    state.check_link(fitting, links.complaint(state.unchecked_link(), fitting, known))
