const REST = 900; // milliseconds without a key press after which a run of them is over
const PATIENCE = 5000; // milliseconds that an answer may take
const STEPS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

// Called at the first drawing and whenever the data change; panels are kept and given new pictures.
export default function ({ data, parentElement, setTriggerValue }) {
  const strip = parentElement.querySelector(".strip");
  const shape = JSON.stringify([data.buttons, data.rows.map((row) => row.panels.length)]);
  if (strip.dataset.shape !== shape) {
    strip.dataset.shape = shape;
    strip.replaceChildren(...data.rows.map((row) => buildRow(row.panels.length, data.buttons)));
  }
  // Answers to quick key presses come late: a second cell that keys have moved is newer than the
  // server's until that has it too.
  const said = data.rows.flatMap((row) => row.panels).find((panel) => panel.source.length)?.source;
  if (strip.own && (!said || same(strip.own, said) || Date.now() > strip.patient)) delete strip.own;
  data.rows.forEach((row, at) => {
    const section = strip.children[at];
    section.querySelector("h2").textContent = row.title;
    row.panels.forEach((panel, index) => {
      const source = panel.source.length ? (strip.own ?? panel.source) : [];
      fill(section.querySelector(".maps").children[index], { ...panel, source }, data.picture);
    });
  });
  if (!data.buttons) return;
  for (const panel of strip.querySelectorAll(".panel")) {
    panel.onclick = (event) => {
      clearTimeout(strip.resting);
      delete strip.own;
      const box = panel.querySelector(".picture").getBoundingClientRect();
      const row = (event.clientY - box.top) / box.height;
      const column = (event.clientX - box.left) / box.width;
      // a key press clicks without a place, and beside the map there is none
      const inside = event.detail > 0 && Math.min(row, column) >= 0 && Math.max(row, column) < 1;
      setTriggerValue("chosen", { id: panel.dataset.id, ...(inside ? { row, column } : {}) });
    };
    panel.onkeydown = (event) => {
      if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      if (!(event.key in STEPS) || !panel.source.length) return;
      event.preventDefault();
      const [across, down] = STEPS[event.key];
      const [left, top, width, height] = strip.own ?? panel.source;
      const inside = (at, size) => Math.min(1 - size, Math.max(0, at));
      strip.own = [inside(left + across * width, width), inside(top + down * height, height), width, height];
      strip.patient = Date.now() + PATIENCE;
      for (const each of strip.querySelectorAll(".source:not([hidden])")) mark(each, strip.own);
      const place = { row: strip.own[1] + height / 2, column: strip.own[0] + width / 2 };
      const choose = (moving) => setTriggerValue("chosen", { id: panel.dataset.id, ...place, moving });
      choose(true); // and, when keys rest, once more as one that is settled
      clearTimeout(strip.resting);
      strip.resting = setTimeout(() => strip.isConnected && choose(false), REST);
    };
  }
}

// Whether two boxes are the same cell of the same grid.
function same(one, other) {
  return one.every((edge, at) => Math.abs(edge - other[at]) < 0.01 * one[2]);
}

function element(tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  return made;
}

function buildRow(count, buttons) {
  const section = document.createElement("section");
  const maps = element("div", count > 6 ? "maps many" : "maps");
  maps.style.setProperty("--count", count);
  // where there is little room: as many to a row that no row is left with a single map
  maps.style.setProperty("--narrow", Math.ceil(count / Math.ceil(count / 4)));
  for (let at = 0; at < count; at++) {
    const panel = element(buttons ? "button" : "div", "panel");
    if (buttons) panel.type = "button";
    const picture = element("div", "picture");
    const beneath = element("img", "beneath");
    beneath.alt = "";
    picture.append(beneath, element("img", "map"), element("div", "cell"), element("div", "source"));
    panel.append(element("div", "title"), picture, element("div", "notes"));
    maps.append(panel);
  }
  section.append(document.createElement("h2"), maps);
  return section;
}

function mark(box, [left, top, width, height]) {
  Object.assign(box.style, {
    left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * width}%`, height: `${100 * height}%`,
  });
}

function fill(element_, panel, picture) {
  const find = (selector) => element_.querySelector(selector);
  element_.dataset.id = panel.id;
  element_.source = panel.source;
  element_.classList.toggle("chosen", panel.chosen);
  if (element_.type === "button") element_.setAttribute("aria-pressed", String(panel.chosen));
  find(".title").textContent = panel.title;
  find(".map").src = panel.url;
  find(".map").alt = panel.alt;
  element_.title = panel.alt;
  find(".beneath").hidden = !picture;
  if (picture && find(".beneath").src !== picture) find(".beneath").src = picture;
  find(".cell").hidden = !panel.cell.length;
  if (panel.cell.length) mark(find(".cell"), panel.cell);
  find(".source").hidden = !panel.source.length;
  if (panel.source.length) mark(find(".source"), panel.source);
  find(".notes").replaceChildren(
    ...panel.notes.map((text) => {
      const note = element("div", "note");
      note.textContent = text;
      return note;
    }),
  );
}
