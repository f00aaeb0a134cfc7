// The timeline of sessions: what a bar is, as one points at it, and a span by dragging. The bars are links that the page
// brings along; without this module they still lead to their sessions.
import { all, make, one } from "./dom.js";

all("[data-timeline]").forEach(enliven);

function enliven(timeline) {
  const tip = make("div", { class: "timeline-tip", hidden: true });
  timeline.append(tip);
  const tell = (bar) => {
    const { words, when, more } = bar.dataset;
    tip.replaceChildren(make("b", {}, words), make("span", {}, when), make("span", {}, more));
    tip.hidden = false;
    const box = one("rect", bar).getBoundingClientRect();
    const around = timeline.getBoundingClientRect();
    tip.style.left = `${Math.max(0, Math.min(box.left - around.left, around.width - tip.offsetWidth))}px`;
    tip.style.top = `${box.bottom - around.top + 6}px`;
  };
  for (const kind of ["pointerover", "focusin"]) {
    timeline.addEventListener(kind, (event) => {
      const bar = event.target.closest("a[data-words]");
      if (bar) tell(bar);
      else if (kind === "pointerover") tip.hidden = true;
    });
  }
  timeline.addEventListener("pointerleave", () => { tip.hidden = true; });
  timeline.addEventListener("focusout", () => { tip.hidden = true; });

  // A span by dragging over the lanes.
  const lane = one(".lane-bars", timeline);
  const brush = make("div", { class: "timeline-brush", hidden: true });
  timeline.append(brush);
  const share = (x) => {
    const box = lane.getBoundingClientRect();
    return Math.max(0, Math.min(1, (x - box.left) / box.width));
  };
  let from = null;
  timeline.addEventListener("pointerdown", (event) => {
    if (event.button === 0 && event.pointerType === "mouse" && event.target.closest(".lane-bars")) from = event.clientX;
  });
  timeline.addEventListener("dragstart", (event) => event.preventDefault()); // a link would be carried off
  addEventListener("pointermove", (event) => {
    if (from === null) return;
    const around = timeline.getBoundingClientRect();
    const box = lane.getBoundingClientRect();
    const [left, right] = [from, event.clientX].map(share).sort((a, b) => a - b).map((each) => box.left - around.left + each * box.width);
    brush.hidden = right - left < 4;
    brush.style.left = `${left}px`;
    brush.style.width = `${right - left}px`;
  });
  addEventListener("pointerup", (event) => {
    if (from === null) return;
    const span = [share(from), share(event.clientX)].sort((a, b) => a - b);
    const dragged = Math.abs(event.clientX - from) > 6;
    from = null;
    brush.hidden = true;
    if (!dragged) return;
    timeline.addEventListener("click", (click) => click.preventDefault(), { once: true, capture: true });
    const [start, end] = [timeline.dataset.start, timeline.dataset.end].map(Date.parse);
    const [first, last] = span.map((each) => new Date(start + each * (end - start)).toISOString().replace(/\.\d+/, ""));
    const address = new URL(timeline.dataset.address, location.href);
    address.searchParams.set("from", first);
    address.searchParams.set("to", last);
    location.assign(address);
  });
}
