// A role's escalation paths as a picture: nodes lead to their pages, edges to the step in the list below.
import { draw } from "./graph.js";
import { one } from "./dom.js";

const LABELS = [{ selector: "edge", style: { "text-wrap": "wrap", "text-max-width": 170 } }];

const container = one("[data-escalation]");
container.hidden = false;
const graph = draw(container, JSON.parse(container.dataset.escalation), (arn) => {
  location.assign(`/roles/principal?arn=${encodeURIComponent(arn)}`);
});

// The labels are whole here: what permits a step is the point of the picture.
function labels() {
  const style = graph.style();
  for (const { selector, style: rules } of LABELS) style.selector(selector).style(rules);
  style.update();
}
labels();
document.addEventListener("theme", labels);
graph.userZoomingEnabled(false);
graph.on("tap", "edge", (event) => {
  const step = document.getElementById(event.target.id());
  step.scrollIntoView({ block: "center" });
  step.focus({ preventScroll: true });
});
