"""The app: page set-up and navigation, nothing else. Start it with `streamlit run app/main.py`."""

from pathlib import Path

import streamlit as st

st.set_page_config(page_title="GSA Explorer", page_icon=":material/visibility:", layout="wide")

st.html(Path(__file__).parent / "style.css")

page = st.navigation(
    [
        st.Page("views/look.py", title="Look", icon=":material/visibility:", default=True),
        st.Page("views/networks.py", title="Networks", icon=":material/hub:"),
    ],
    position="top",
)
page.run()
