"""What each twin gets right: the cards, picture by picture, and the paper's table beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from app import compare_pictures, compare_resources, leaving, markup, state
from app.card_table import card_table
from app.compare_files import Measurement
from app.compare_resources import MIXERS, Pair
from app.figures import compare as figures
from app.selection import Selection
from app.text import words
from app.views.compare_run import measured
from app.widgets import Widget
from gsa.card import Card
from gsa.config import PRESETS, Mixer
from gsa.costs import flops, parameters

if TYPE_CHECKING:  # it takes time to load, and few sessions ask for it
    from gsa.differences import Answers

page = words("compare")
text = page["right"]
COLUMNS = (  # of the table of cards
    *("name", "pair", "top1", "interval", "mean_per_class", "calibration_error", "n"),
    *("parameters", "operations"),
)
_ENOUGH = 100  # pictures from which on a calibration chart has a course that is not mere chance


def _cards(cards: dict[str, Card]) -> None:
    card_table([cards[mixer] for mixer in MIXERS], COLUMNS)


def folder_and_count(key: str, left: Any, right: Any) -> tuple[str, int]:
    """What a user says of the pictures to test on, asked in two columns.

    Args:
        key: of a measurement in `Widget`; those of the two widgets begin with it.
        left: column of the folder.
        right: column of the number of pictures.
    """
    state.prepare_widget(f"{key}_count", 200)
    folder = left.text_input(text["folder"], help=text["folder_help"], key=f"{key}_folder")
    count = right.number_input(
        text["count"], min_value=10, max_value=5000, step=50, key=f"{key}_count"
    )
    return folder.strip(), int(count)


def refused(pair: Pair, folder: str) -> bool:
    """Whether there are no pictures to test on; says why, also where there is a result of a folder.

    Args:
        pair: of checkpoints.
        folder: that the visitor named; empty for the gallery.
    """
    try:
        if folder:
            compare_pictures.data_folder(folder)
        elif not compare_pictures.gallery_count(compare_resources.cards(pair)["gsa"]):
            st.info(text["unknown_gallery"])
            return True
    except ValueError as error:
        st.error(page["cannot"].format(error=error))
        return True
    return False


def show(pair: Pair) -> None:
    """The section."""
    st.markdown(text["lead"])
    _cards(compare_resources.cards(pair))
    columns = st.columns([4, 1], vertical_alignment="bottom")
    folder, count = folder_and_count(Widget.compare_right, *columns)
    if refused(pair, folder):
        return
    found = measured(
        Measurement("right", {"folder": folder, "at_most": count}, pair),
        text["start"],
        lambda: compare_resources.differences(pair, folder, count),
        lambda result: result[0].to_dict(),
        at_once=not folder,
    )
    if found is None:
        return
    between, pictures = found
    answers = dict(zip(MIXERS, (between.first, between.second), strict=True))
    figures_of = {
        f"{mixer}_{name}": value
        for mixer, each in answers.items()
        for name, value in zip(("right", "low", "high"), each.accuracy, strict=True)
    }
    st.markdown(
        text["found"].format(
            **figures_of,
            n=len(between.names),
            only_gsa=len(between.only_first),
            only_conv=len(between.only_second),
            p=between.p_value,
        )
    )
    of_gallery = not folder  # a file of a folder may have a gallery picture's name
    for key, at, mixer in (
        ("only_gsa", between.only_first, "conv"),
        ("only_conv", between.only_second, "gsa"),
    ):
        _alone(key, between, at, pictures, mixer, answers[mixer], linked=of_gallery)
    left, right = st.columns(2, gap="large")
    with left:
        _classes(between)
    with right:
        _calibration(answers, compare_resources.cards(pair))


def _calibration(answers: dict[Mixer, Answers], cards: dict[str, Card]) -> None:
    """How often both networks are right where they are as sure as they say."""
    st.markdown(f"**{text['calibration']}**")
    n = len(answers["gsa"].right)
    lines = {page["twins"][mixer]: (mixer, each.calibration()) for mixer, each in answers.items()}
    figure = figures.calibration(
        lines,
        text["calibration_axis"],
        text["calibration_value"],
        text["calibration_ideal"],
        joined=n >= _ENOUGH,
    )
    markup.chart(figure, text["calibration"], Widget.compare_calibration)
    said = [text["calibration_note"]]
    if n < _ENOUGH:
        said.append(text["calibration_few"].format(n=n, enough=_ENOUGH))
        errors = {mixer: cards[mixer].results.get("calibration_error") for mixer in MIXERS}
        if None not in errors.values():
            said.append(text["calibration_cards"].format(**errors))
    st.caption(" ".join(said))


def _alone(
    key: str,
    between: Any,
    at: list[int],
    pictures: dict[int, Any],
    other: str,
    said: Any,
    *,
    linked: bool,
) -> None:
    """Pictures that one network alone gets right, with what the other says.

    `linked` ones have a way to the page that asks why.
    """
    st.markdown(f"**{text[key]}** ({len(at)})")
    if not at:
        st.caption(text["none"])
        return
    columns = st.columns(compare_resources.SHOWN)
    for column, i in zip(columns, at, strict=False):
        caption = text["caption"].format(
            label=between.labels[i], other=text["short"][other], guess=said.guesses[i]
        )
        column.image(pictures[i], caption=caption, alt=between.labels[i])
        if linked:
            why = Selection(pair=state.selection().pair, section="why", target=between.labels[i])
            column.link_button(text["look"], "." + leaving.link(why, between.names[i]))


def _classes(between: Any) -> None:
    names = text["class_table"]
    st.markdown(f"**{text['classes']}**")
    st.dataframe(
        [
            {
                names["label"]: each.label,
                names["n"]: each.n,
                names["gsa"]: each.first,
                names["conv"]: each.second,
            }
            for each in between.classes()
            if each.first != each.second
        ],
        hide_index=True,
    )
    names = text["confused_table"]
    st.markdown(f"**{text['confused']}**")
    rows = [
        {
            names["network"]: text["short"][mixer],
            names["label"]: label,
            names["guess"]: guess,
            names["n"]: n,
        }
        for mixer, answers in zip(MIXERS, (between.first, between.second), strict=True)
        for label, guess, n in answers.confused(between.labels)
    ]
    st.dataframe(sorted(rows, key=lambda row: -row[names["n"]]), hide_index=True)


def _quoted(row: dict[str, Any], figure: str, form: str) -> str:
    """A figure of the paper's table as text: numbers would show what is not quoted as None."""
    return form.format(row[figure]) if figure in row else "–"


def paper(pair: Pair) -> None:
    """The paper's table beside what is counted and measured here."""
    quoted = page["paper"]
    names = quoted["table"]
    st.markdown(quoted["lead"])
    st.dataframe(
        [
            {
                names["name"]: row["name"],
                names["params_quoted"]: _quoted(row, "params", "{:.1f} M"),
                names["params"]: parameters(PRESETS[row["name"]]) / 1e6,
                names["flops_quoted"]: _quoted(row, "flops", "{:.1f} G"),
                names["flops"]: flops(PRESETS[row["name"]]) / 1e9,
                names["top1_quoted"]: _quoted(row, "top1", "{:.1%}"),
            }
            for row in quoted["rows"]
        ],
        hide_index=True,
        column_config={
            names["params"]: st.column_config.NumberColumn(format="%.2f M"),
            names["flops"]: st.column_config.NumberColumn(format="%.2f G"),
            **{
                names[key]: st.column_config.TextColumn(alignment="right")
                for key in ("params_quoted", "flops_quoted", "top1_quoted")
            },
        },
    )
    st.caption(quoted["source"])
    st.markdown(quoted["ours"])
    _cards(compare_resources.cards(pair))
