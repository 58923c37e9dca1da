"""The first page. Shows what was computed before while the networks and their libraries load."""

import streamlit as st

from app import preview

shown = st.empty()
if picture := preview.wanted(st.query_params.to_dict()):
    with shown.container():
        preview.draw(picture)

from app.views import inspector  # noqa: E402 - takes seconds the first time, hence not above

shown.empty()
inspector.page()
