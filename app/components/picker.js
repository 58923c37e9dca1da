const REST = 900; // milliseconds without a key press after which a run of them is over
const PATIENCE = 5000; // milliseconds that an answer may take

// Called at the first drawing and whenever the data change; the DOM stays in between.
export default function ({ data, parentElement, setTriggerValue }) {
  const find = (selector) => parentElement.querySelector(selector);
  const frame = find(".frame"), seen = find(".seen"), svg = find("svg");
  const [width, height] = data.photo_size;
  const [left, top, right, bottom] = data.crop_box;
  frame.style.aspectRatio = `${width} / ${height}`;
  const percent = (part, whole) => `${(100 * part) / whole}%`;
  seen.style.left = percent(left, width);
  seen.style.top = percent(top, height);
  seen.style.width = percent(right - left, width);
  seen.style.height = percent(bottom - top, height);
  seen.setAttribute("aria-label", data.label);
  for (const [selector, url] of [[".photo", data.photo], [".crop", data.crop]]) {
    if (find(selector).src !== url) find(selector).src = url;
  }
  const over = find(".over");
  over.hidden = !data.map;
  if (data.map && over.src !== data.map) over.src = data.map;
  find(".crop").classList.toggle("under", Boolean(data.map));

  const { rows, columns } = data;
  const snap = (share, cells) => Math.min(cells - 1, Math.max(0, Math.floor(share * cells)));
  svg.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
  const place = (element, x, y, w, h) => {
    for (const [name, value] of Object.entries({ x, y, width: w, height: h })) {
      element.setAttribute(name, value);
    }
  };
  // A place is [top, left, bottom, right] in cells, half open.
  const draw = ([top, left, bottom, right]) => {
    for (const element of svg.querySelectorAll(".cell")) {
      place(element, left, top, right - left, bottom - top);
    }
    place(find(".row"), 0, top, columns, bottom - top);
    place(find(".column"), left, 0, right - left, rows);
  };

  // Answers to quick clicks come late, and those to the first of them first: the own place is newer
  // than the server's until that has it too. A server that never answers is not waited for.
  const own = seen.dataset.cells;
  const waiting = Date.now() - Number(seen.dataset.touched || 0) < PATIENCE;
  let chosen = data.cells;
  if (own === JSON.stringify(data.cells)) delete seen.dataset.cells;
  else if (own && waiting) chosen = JSON.parse(own);
  if (!seen.dataset.start) draw(chosen); // a drag goes on, whatever answer comes meanwhile

  // While keys move the place it is not settled; when they rest, the same place is said again as
  // one that is, so that a run of key presses can be told from as many choices.
  const choose = (cells, moving = false) => {
    chosen = cells;
    const [top, left, bottom, right] = cells;
    seen.dataset.touched = Date.now();
    seen.dataset.cells = JSON.stringify(cells);
    draw(cells);
    const one = bottom - top === 1 && right - left === 1;
    const said = (name, from, to, all) => `${name} ${from + 1}${to - from > 1 ? ` to ${to}` : ""} of ${all}`;
    find(".live").textContent = `${said("row", top, bottom, rows)}, ${said("column", left, right, columns)}`;
    const place = one
      ? { row: (top + 0.5) / rows, column: (left + 0.5) / columns }
      : { row: top / rows, column: left / columns, bottom: bottom / rows, right: right / columns };
    setTriggerValue("place", { ...place, moving });
    clearTimeout(Number(seen.dataset.resting));
    if (!moving) return;
    seen.dataset.resting = setTimeout(() => {
      if (seen.isConnected) setTriggerValue("place", { ...place, moving: false });
    }, REST);
  };

  const cellAt = (event) => {
    const box = seen.getBoundingClientRect();
    return [
      snap((event.clientY - box.top) / box.height, rows),
      snap((event.clientX - box.left) / box.width, columns),
    ];
  };
  const spanned = ([row, column], [otherRow, otherColumn]) => [
    Math.min(row, otherRow), Math.min(column, otherColumn),
    Math.max(row, otherRow) + 1, Math.max(column, otherColumn) + 1,
  ];

  // A finger scrolls the page unless the button says that it draws; a mouse always draws.
  const region = find(".region");
  region.textContent = data.region;
  region.onclick = () => {
    const drawing = seen.classList.toggle("drawing");
    region.setAttribute("aria-pressed", String(drawing));
  };
  // The cell where a drag began: on the element, as an answer that comes meanwhile calls this anew.
  const started = () => seen.dataset.start && JSON.parse(seen.dataset.start);
  seen.onpointerdown = (event) => {
    if (event.button !== 0 || event.ctrlKey) return;  // with Ctrl it opens a menu on some systems
    if (event.pointerType === "touch" && !seen.classList.contains("drawing")) return;
    event.preventDefault();
    const start = cellAt(event);
    seen.dataset.start = JSON.stringify(start);
    seen.setPointerCapture(event.pointerId);
    draw(spanned(start, start));
  };
  seen.onpointermove = (event) => {
    if (!started()) return;
    if (!event.buttons) {  // let go where nobody told, as over a context menu
      delete seen.dataset.start;
      draw(chosen);
      return;
    }
    draw(spanned(started(), cellAt(event)));
  };
  seen.onpointerup = (event) => {
    if (!started()) return;
    const cells = spanned(started(), cellAt(event));
    delete seen.dataset.start;
    seen.focus({ preventScroll: true });
    choose(cells);
  };
  seen.onpointercancel = () => {
    delete seen.dataset.start;
    draw(chosen);
  };
  seen.onclick = (event) => {
    if (event.pointerType !== "touch" || seen.classList.contains("drawing")) return;
    const cell = cellAt(event);
    choose(spanned(cell, cell));
    seen.focus({ preventScroll: true });
  };
  // Below a bar that lies on the page a key would move the place out of sight.
  const follow = () => find(".cell").scrollIntoView({ block: "nearest" });
  seen.onkeydown = (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;  // the browser's, such as Back
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key === "Home") {
      event.preventDefault();
      const middle = [Math.floor(rows / 2), Math.floor(columns / 2)];
      choose(spanned(middle, middle), true);
      follow();
    }
    if (!(event.key in steps)) return;
    event.preventDefault();
    const [down, across] = steps[event.key];
    const [top, left, bottom, right] = chosen;
    const inside = (at, cells) => Math.min(cells, Math.max(0, at));
    if (event.shiftKey) {  // the lower right corner moves
      const corner = [
        Math.max(top, inside(bottom - 1 + down, rows - 1)),
        Math.max(left, inside(right - 1 + across, columns - 1)),
      ];
      choose(spanned([top, left], corner), true);
      follow();
      return;
    }
    const by = [
      Math.max(-top, Math.min(rows - bottom, down)), Math.max(-left, Math.min(columns - right, across)),
    ];
    choose([top + by[0], left + by[1], bottom + by[0], right + by[1]], true);
    follow();
  };
}
