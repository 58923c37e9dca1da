"""Which pictures the twins are compared on: of a folder that a visitor names, or of the gallery."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import streamlit as st

from app import gallery
from gsa.card import Card

if TYPE_CHECKING:  # it takes time to load, and few sessions ask for it
    from gsa.split import Split

DATA = "GSA_DATA"  # names the folder that data sets must lie in
HERE = ("localhost", "127.0.0.1", "::1")  # what a computer calls itself
_OF_PROXIES = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


def _from_elsewhere() -> bool:
    """Whether the visitor sits at another computer, as far as the connection tells."""
    headers = st.context.headers
    asked = [urlsplit(f"//{headers.get('Host', '')}").hostname]
    if "Origin" in headers:  # what the browser's address bar says, whatever a proxy makes of `Host`
        asked.append(urlsplit(headers["Origin"]).hostname)
    through_a_proxy = any(name in headers for name in _OF_PROXIES)
    # the address is None on the same computer, and behind a proxy on it
    return (
        st.context.ip_address is not None
        or through_a_proxy
        or any(host not in HERE for host in asked)
    )


def data_folder(text: str) -> Path:
    """The folder that a user named, on the computer that serves the page.

    Any that this computer has is open to who sits at it; to others those alone that `DATA` allows.

    Raises:
        ValueError: if it is none, or lies where it may not.
    """
    root = os.environ.get(DATA)
    if not root and _from_elsewhere():
        raise ValueError(
            "from another computer a folder can be named only where whoever runs this page has "
            f"set {DATA} to the folder that it must lie in."
        )
    try:
        path = Path(text).expanduser().resolve()
        there = path.is_dir()
    except (OSError, RuntimeError):  # too long a name, say, or ~name of a user that there is not
        raise ValueError(f"{text!r} is no folder.") from None
    if root and not path.is_relative_to(Path(root).resolve()):
        raise ValueError(f"the folder must lie below the one that {DATA} names.")
    if not there:
        raise ValueError(f"{text!r} is no folder.")
    return path


def sample(card: Card, folder: str, count: int) -> Split:
    """Up to `count` pictures of classes that a card knows; of the gallery if no folder is named.

    Raises:
        ValueError: as `data_folder`, or if the folder has no such pictures.
    """
    from gsa import samples

    if folder:
        return samples.from_folder(card, data_folder(folder), count)
    return samples.at_most(_known_of_gallery(card), count)


def gallery_count(card: Card) -> int:
    """How many pictures of the gallery are of a class that a card knows."""
    return len(_known_of_gallery(card))


def _known_of_gallery(card: Card) -> Split:
    from gsa import samples

    titles = {gallery.FOLDER / name: title for name, title in gallery.titles().items()}
    return samples.from_files(card, titles)
