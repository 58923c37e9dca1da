// Called at the first drawing and whenever the data change; the DOM stays in between.
export default function ({ data, parentElement, setTriggerValue }) {
  const row = parentElement.querySelector(".row");
  const names = data.pictures.map((picture) => picture.name).join("\n");
  if (row.dataset.names !== names) {
    row.dataset.names = names;
    row.replaceChildren(
      ...data.pictures.map((picture) => {
        const button = document.createElement("button");
        button.type = "button";
        button.title = picture.title;
        button.dataset.name = picture.name;
        const image = document.createElement("img");
        image.src = picture.url;
        image.alt = picture.title;
        button.append(image);
        return button;
      }),
    );
  }
  // one stop of the Tab key for all: arrows lead from picture to picture
  const stopAt = (stop) => {
    for (const button of row.children) button.tabIndex = button === stop ? 0 : -1;
  };
  const mark = (name) => {
    for (const button of row.children) {
      button.setAttribute("aria-pressed", String(button.dataset.name === name));
    }
    stopAt(row.querySelector("[aria-pressed=true]") || row.firstElementChild);
  };
  mark(data.chosen);
  row.onkeydown = (event) => {
    const buttons = [...row.children], at = buttons.indexOf(event.target);
    const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (!buttons[to] || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    stopAt(buttons[to]);
    buttons[to].focus();
  };
  if (row.dataset.shown !== data.chosen) {
    row.dataset.shown = data.chosen;
    const chosen = row.querySelector("[aria-pressed=true]");
    // the row alone is scrolled: scrollIntoView would move the page too
    const hidden = chosen && (chosen.offsetLeft < row.scrollLeft
      || chosen.offsetLeft + chosen.offsetWidth > row.scrollLeft + row.clientWidth);
    if (hidden) row.scrollLeft = chosen.offsetLeft - (row.clientWidth - chosen.offsetWidth) / 2;
  }
  for (const button of row.children) {
    button.onclick = () => {
      mark(button.dataset.name);
      setTriggerValue("name", button.dataset.name);
    };
  }
}
