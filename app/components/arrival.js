const PATIENCE = 6000; // milliseconds in which what stands above may still grow
const EVERY = 120; // milliseconds between two looks

// Called at the first drawing; the data do not change.
export default function ({ data }) {
  if (!window.arrives) {
    window.arrives = true;
    // also of a button that was pressed before, which the server is not told; caught on its way
    // down, since on its way up the button keeps it
    const pressed = ({ target }) => {
      if (target.closest(`.st-key-${data.bar} [role="radio"]`)) bring(data.key);
    };
    document.addEventListener("click", pressed, true);
    document.addEventListener("keyup", (event) => {
      if (event.key === "Enter" || event.key === " ") pressed(event); // which make no click here
    }, true);
  }
  arrive(data.anchor, data.key);
}

function bring(key) {
  document.querySelector(`.st-key-${key}`)?.scrollIntoView({ block: "start" });
}

// A link may end in the name of a part of the page. The browser jumps there once, before all that
// stands above is drawn, if at all; so it is brought to the top again until the visitor does
// something, or for a while.
function arrive(anchor, key) {
  // the address by which the page was opened: that of now may have been written by the page
  const link = performance.getEntriesByType("navigation")[0]?.name || "";
  if (window.hasArrived || new URL(link, location).hash !== `#${anchor}`) return;
  window.hasArrived = true;
  const own = ["wheel", "touchmove", "pointerdown", "keydown"];
  const stop = () => {
    clearInterval(timer);
    for (const name of own) removeEventListener(name, stop, true);
  };
  const end = Date.now() + PATIENCE;
  const timer = setInterval(() => {
    bring(key);
    if (Date.now() > end) stop();
  }, EVERY);
  for (const name of own) addEventListener(name, stop, { capture: true, passive: true });
}
