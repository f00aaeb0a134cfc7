// A role's escalation paths as a picture: nodes lead to their pages, edges to the step in the list below. On a narrow
// screen there is only the list: the picture's words would be too small to read.
import { draw } from "./graph.js";
import { one } from "./dom.js";

const container = one("[data-escalation]");
if (matchMedia("(min-width: 700px)").matches) show();

function show() {
  container.hidden = false;
  const graph = draw(container, JSON.parse(container.dataset.escalation), (id) => {
    if (id.startsWith("arn:")) location.assign(`/roles/principal?arn=${encodeURIComponent(id)}`);
  });
  // The labels are whole: what permits a step is the point of the picture.
  const labels = () => graph.style().selector("edge").style({ "text-wrap": "wrap", "text-max-width": 150, "font-size": 13, "control-point-step-size": 110 }).update();
  labels();
  document.addEventListener("theme", labels);
  // From left to right, so that labels stand below each other.
  const root = graph.nodes(".good");
  graph.layout({ name: "breadthfirst", directed: true, roots: root, animate: false, fit: false, spacingFactor: 1, boundingBox: { x1: 0, y1: 0, w: 110 * graph.nodes().length, h: 620 }, transform: (node, { x, y }) => ({ x: y, y: x }) }).run();
  // A column's width leaves room for the words between two nodes.
  const columns = [...new Set(graph.nodes().map((node) => Math.round(node.position("x"))))].sort((a, b) => a - b);
  graph.nodes().positions((node) => ({ x: 345 * columns.indexOf(Math.round(node.position("x"))), y: node.position("y") }));
  graph.fit(undefined, 20);
  graph.userZoomingEnabled(false);
  graph.on("tap", "edge", (event) => {
    const step = document.getElementById(event.target.id());
    step.scrollIntoView({ block: "center" });
    step.focus({ preventScroll: true });
  });
}
