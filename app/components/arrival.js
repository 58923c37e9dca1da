const PATIENCE = 6000; // milliseconds in which what stands above may still grow
const EVERY = 120; // milliseconds between two looks
const LEFT = "gsa left"; // the address at which the part was being looked at when the page went

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
    addEventListener("pagehide", () => {
      const part = document.querySelector(`.st-key-${data.key}`)?.getBoundingClientRect();
      sessionStorage.setItem(LEFT, part && part.top < innerHeight / 2 ? location.href : "");
    });
  }
  arrive(data.anchor, data.key);
}

function bring(key) {
  document.querySelector(`.st-key-${key}`)?.scrollIntoView({ block: "start" });
}

// A link may end in the name of a part of the page, or say what that part is to show, as what is
// copied from the address bar does. The browser jumps to the first once, before all that stands
// above is drawn, if at all, and not for the second; so the part is brought to the top again until
// the visitor does something, or for a while. So it is when a page is loaded anew that was left there.
function arrive(anchor, key) {
  // the address by which the page was opened: that of now may have been written by the page
  const opened = performance.getEntriesByType("navigation")[0];
  const link = new URL(opened?.name || "", location);
  const again = opened?.type === "reload" && sessionStorage.getItem(LEFT) === link.href;
  const shown = opened?.type === "navigate" && link.searchParams.has(anchor);
  if (window.hasArrived || !(again || shown || link.hash === `#${anchor}`)) return;
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
  // not passive: of such the browser may tell only after it has scrolled, and that is undone then
  for (const name of own) addEventListener(name, stop, { capture: true, passive: false });
}
