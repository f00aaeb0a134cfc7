// Graphs by cytoscape, in the console's colours. Loaded only by pages that show one.
import cytoscape from "../vendor/cytoscape.js";
import { safe } from "./dom.js";

// Cytoscape would add a style sheet of its own, which the policy forbids, unless an element of this id is there;
// css/app.css has its one rule.
const SHEET = "__________cytoscape_stylesheet";

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function style() {
  const ink = token("--ink");
  return [
    { selector: "node", style: { "background-color": token("--surface"), "border-color": token("--line-strong"), "border-width": 1.5, color: ink, label: "data(label)", "font-family": "Inter, sans-serif", "font-size": 12, "text-wrap": "ellipsis", "text-max-width": 180, "text-valign": "center", shape: "round-rectangle", width: (node) => Math.min(196, Math.max(48, node.data("label").length * 7 + 16)), height: 30, padding: 4 } },
    { selector: "node.good", style: { "border-color": token("--accent"), "background-color": token("--accent-soft") } },
    { selector: "node.bad", style: { "border-color": token("--critical"), "background-color": token("--critical-soft") } },
    { selector: "node:selected", style: { "border-width": 3, "border-color": token("--focus") } },
    { selector: "edge", style: { "curve-style": "bezier", "line-color": token("--line-strong"), "target-arrow-color": token("--line-strong"), "target-arrow-shape": "triangle", width: 1.5, label: "data(label)", color: token("--ink-2"), "font-family": "Inter, sans-serif", "font-size": 11, "text-background-color": token("--page"), "text-background-opacity": 1, "text-background-padding": 2, "text-wrap": "ellipsis", "text-max-width": 200 } },
    { selector: "edge.dashed", style: { "line-style": "dashed" } },
  ];
}

/**
 * Draw a graph into `container` (class "graph"): nodes `{id, label, kind?}` and edges `{source, target, label?, kind?}`,
 * where kind is a class ("good", "bad", "dashed"). `opened(id)` is called for a node that is clicked. The page shows the
 * same as a list: a picture is no text.
 */
export function draw(container, { nodes, edges }, opened = () => {}) {
  if (!document.getElementById(SHEET)) document.head.append(Object.assign(document.createElement("meta"), { id: SHEET }));
  const shown = cytoscape({
    container,
    elements: [
      ...nodes.map(({ kind = "", ...data }) => ({ data: { ...data, label: safe(data.label, 60) }, classes: kind })),
      ...edges.map(({ kind = "", ...data }) => ({ data: { ...data, label: safe(data.label ?? "", 60) }, classes: kind })),
    ],
    style: style(),
    layout: { name: "breadthfirst", directed: true, spacingFactor: 1.1, padding: 16, animate: false },
    maxZoom: 2,
  });
  shown.on("tap", "node", (event) => opened(event.target.id()));
  document.addEventListener("theme", () => shown.style(style()));
  return shown;
}
