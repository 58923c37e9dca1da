const PATIENCE = 6000; // milliseconds in which what stands above may still grow
const EVERY = 120; // milliseconds between two looks

// A link may end in the name of a part of the page. The browser jumps there once, before all that
// stands above is drawn, if at all; so it is brought to the top again until the visitor does
// something, or for a while. Called at the first drawing; the data do not change.
export default function ({ data }) {
  // the address by which the page was opened: that of now may have been written by the page
  const link = performance.getEntriesByType("navigation")[0]?.name || "";
  if (window.hasArrived || new URL(link, location).hash !== `#${data.anchor}`) return;
  window.hasArrived = true;
  const own = ["wheel", "touchmove", "pointerdown", "keydown"];
  const stop = () => {
    clearInterval(timer);
    for (const name of own) removeEventListener(name, stop, true);
  };
  const end = Date.now() + PATIENCE;
  const timer = setInterval(() => {
    document.querySelector(`.st-key-${data.anchor}`)?.scrollIntoView({ block: "start" });
    if (Date.now() > end) stop();
  }, EVERY);
  for (const name of own) addEventListener(name, stop, { capture: true, passive: true });
}
