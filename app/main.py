"""The app: page set-up and navigation, nothing else. Start it with `streamlit run app/main.py`."""

from pathlib import Path

import streamlit as st

from app import state

HERE = Path(__file__).parent
st.set_page_config(page_title="GSA Explorer", page_icon=str(HERE / "icon.png"), layout="wide")
st.html(HERE / "style.css")

page = st.navigation(
    [
        st.Page("views/look.py", title="Look", icon=":material/visibility:", default=True),
        st.Page("views/lessons.py", title="Lessons", icon=":material/school:"),
        st.Page("views/compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page("views/networks.py", title="Networks", icon=":material/hub:"),
    ],
    position="top",
)
page.run()
state.tidy()
