// Identity, Sessions, Auth model: what takes a while says so, the graph of a person's ways in, and the timeline.
import { all, make, one, safe } from "./dom.js";
import "./timeline.js";

// ── what takes a while: AWS is asked ─────────────────────────────────────
function busy(element) {
  const target = element.matches("form") ? one("button[type=submit]", element) : element;
  target.setAttribute("aria-busy", "true");
  if (!one(".spinner", target)) target.append(" ", make("span", { class: "spinner", role: "status", "aria-label": "Asking" }));
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-slow]");
  if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey) busy(link);
});
document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-slow]")) busy(event.target);
});
// Back in history, the page is shown as it was left.
addEventListener("pageshow", () => all("[aria-busy]").forEach((each) => {
  each.removeAttribute("aria-busy");
  one(".spinner", each)?.remove();
}));

// ── the graph: on narrow screens the lists say the same, and its words would be too small ──
const container = one("[data-ways]");
if (container && matchMedia("(min-width: 700px)").matches) show(container);

async function show(into) {
  const { draw } = await import("./graph.js");
  one("[data-ways-card]").hidden = false;
  const ways = JSON.parse(into.dataset.ways);
  const nodes = new Map(ways.nodes.map((node) => [node.id, node]));
  const columns = columnsOf(ways);
  const tallest = Math.max(...columns.map((column) => column.length));
  into.classList.add(tallest > 6 ? "tall" : tallest > 3 ? "middling" : "low"); // before it is measured
  const graph = draw(into, ways, (id) => {
    const { href } = nodes.get(id);
    if (href) location.assign(`/roles/principal?${new URLSearchParams({ arn: href })}`);
  });
  // A node says on a second line where it is.
  const lines = (id) => [safe(nodes.get(id).label, 34), safe(nodes.get(id).place, 34)].filter(Boolean);
  const width = (id) => Math.max(...lines(id).map((line) => line.length)) * 6.4 + 26;
  const style = () => graph.style().selector("node").style({ label: (node) => lines(node.id()).join("\n"), "text-wrap": "wrap", "text-max-width": 400, "line-height": 1.3, height: 44, width: (node) => width(node.id()) }).update();
  style();
  document.addEventListener("theme", style);
  // Columns by distance from the person, so that words stand below each other.
  let x = 0;
  for (const column of columns) {
    const widest = Math.max(...column.map(width));
    column.forEach((id, place) => graph.getElementById(id).position({ x: x + widest / 2, y: (place - (column.length - 1) / 2) * 64 }));
    x += widest + 110;
  }
  graph.maxZoom(1.1); // no larger than the page's own words
  graph.fit(undefined, 20);
  graph.userZoomingEnabled(false);
}

/** The ids of the nodes by their distance from the person. */
function columnsOf({ nodes, edges }) {
  const columns = [["person"]];
  const placed = new Set(columns[0]);
  while (columns.at(-1).length) {
    const last = new Set(columns.at(-1));
    const next = new Set(edges.filter((edge) => last.has(edge.source) && !placed.has(edge.target)).map((edge) => edge.target));
    next.forEach((id) => placed.add(id));
    columns.push([...next]);
  }
  columns.pop();
  const apart = nodes.map((node) => node.id).filter((id) => !placed.has(id));
  return apart.length ? [...columns, apart] : columns;
}
