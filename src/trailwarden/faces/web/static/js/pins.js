// Pinned events: kept in this browser, wherever a record is shown.
import { dialog } from "./app.js";
import { all, icon, keep, kept, make, one, safe } from "./dom.js";

const PINS = "pinned-events";
const pins = () => kept(PINS, []);

function showCount() {
  const counted = one("[data-pin-count]");
  if (counted) counted.textContent = pins().length || "";
}

function showPinned() {
  for (const record of all("[data-pin-id]")) {
    const button = one("[data-pin]", record);
    const pressed = String(pins().some((pin) => pin.id === record.dataset.pinId));
    if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
  }
}

function keepPins(changed) {
  keep(PINS, changed);
  showCount();
  showPinned();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-pin]");
  if (!button) return;
  const { pinId: id, pinWhat: what, pinWhen: when } = button.closest("[data-pin-id]").dataset;
  const others = pins().filter((pin) => pin.id !== id);
  keepPins(others.length === pins().length ? [...others, { id, what, when }] : others);
});

function list() {
  const shown = make("ul", { class: "plain stack tight card-body" });
  for (const pin of pins()) {
    const remove = (event) => {
      keepPins(pins().filter((each) => each.id !== pin.id));
      event.target.closest("li").remove();
    };
    shown.append(make("li", { class: "spread" },
      make("a", { href: `/events/${encodeURIComponent(pin.id)}` }, `${safe(pin.when, 30)} ${safe(pin.what, 80)}`),
      make("button", { class: "button quiet compact icon-only", type: "button", "aria-label": "Unpin", onclick: remove }, icon("x"))));
  }
  const copy = () => make("button", { class: "button compact", type: "button", "data-copy": JSON.stringify(pins(), null, 2) }, icon("copy"), "Copy as JSON");
  shown.append(pins().length ? make("li", {}, copy()) : make("li", { class: "muted" }, "Nothing is pinned. Open an event and pin it: it stays here, in this browser."));
  dialog("Pinned events", shown);
}

one("[data-pins]")?.addEventListener("click", list);
document.addEventListener("drawer", showPinned);
showCount();
showPinned();
