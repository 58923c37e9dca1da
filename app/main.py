"""The app: page set-up and navigation, nothing else. Start it with `streamlit run app/main.py`."""

from pathlib import Path

import streamlit as st

from app import state
from app.widgets import Widget

HERE = Path(__file__).parent
st.set_page_config(page_title="GSA Explorer", page_icon=str(HERE / "icon.png"), layout="wide")
st.html(HERE / "style.css")

pages = [
    st.Page("views/look.py", title="Look", icon=":material/visibility:", default=True),
    st.Page("views/lessons.py", title="Lessons", icon=":material/school:"),
    st.Page("views/compare.py", title="Compare", icon=":material/compare_arrows:"),
    st.Page("views/networks.py", title="Networks", icon=":material/hub:"),
]
page = st.navigation(pages, position="top")
# `style.css` shows these where a window is so narrow that the bar is folded behind a sign
with st.container(key=Widget.pages, horizontal=True, gap="small"):
    for each in pages:
        st.page_link(each)
page.run()
state.tidy()
