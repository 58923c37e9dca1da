// Called at the first drawing and whenever the data change; the DOM stays in between.
export default function ({ data, parentElement, setStateValue }) {
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

  const { rows, columns } = data;
  const snap = (share, cells) => Math.min(cells - 1, Math.max(0, Math.floor(share * cells)));
  svg.setAttribute("viewBox", `0 0 ${columns} ${rows}`);
  const place = (element, x, y, w, h) => {
    for (const [name, value] of Object.entries({ x, y, width: w, height: h })) {
      element.setAttribute(name, value);
    }
  };
  const draw = (cell) => {
    for (const element of svg.querySelectorAll(".cell")) place(element, cell.column, cell.row, 1, 1);
    place(find(".row"), 0, cell.row, columns, 1);
    place(find(".column"), cell.column, 0, 1, rows);
  };

  // Answers to quick clicks may come late: for a moment the own place is newer than the server's.
  const busy = Date.now() - Number(seen.dataset.touched || 0) < 700;
  let cell = { row: snap(data.row, rows), column: snap(data.column, columns) };
  if (busy && seen.dataset.cell) cell = JSON.parse(seen.dataset.cell);
  draw(cell);

  const choose = (row, column) => {
    cell = { row, column };
    seen.dataset.touched = Date.now();
    seen.dataset.cell = JSON.stringify(cell);
    draw(cell);
    find(".live").textContent = `row ${row + 1} of ${rows}, column ${column + 1} of ${columns}`;
    setStateValue("place", { row: (row + 0.5) / rows, column: (column + 0.5) / columns });
  };
  seen.onclick = (event) => {
    const box = seen.getBoundingClientRect();
    choose(
      snap((event.clientY - box.top) / box.height, rows),
      snap((event.clientX - box.left) / box.width, columns),
    );
    seen.focus({ preventScroll: true });
  };
  seen.onkeydown = (event) => {
    const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key === "Home") {
      event.preventDefault();
      choose(Math.floor(rows / 2), Math.floor(columns / 2));
    }
    if (!(event.key in steps)) return;
    event.preventDefault();
    const [down, across] = steps[event.key].map((step) => step * (event.shiftKey ? 4 : 1));
    choose(snap((cell.row + down + 0.5) / rows, rows), snap((cell.column + across + 0.5) / columns, columns));
  };
}
