// Ask: the answer as it comes.
import { make, number, one, toast } from "./dom.js";

const place = one("[data-answer]");

function told(step) {
  const bar = one("[data-progress]", place);
  const amount = step.total ? ` ${number(Math.round(step.done))} of ${number(Math.round(step.total))} ${step.unit}` : step.done ? ` ${number(Math.round(step.done))} ${step.unit}` : "";
  one("[data-step]", place).textContent = `${step.task}${amount}${step.note ? ` · ${step.note}` : ""}`;
  bar.hidden = !step.total;
  if (step.total) [bar.max, bar.value] = [step.total, Math.min(step.done, step.total)];
}

function show(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  place.replaceChildren(...parsed.body.childNodes);
}

/** The lines of an answer, as they arrive. */
async function* lines(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    yield* parts.filter(Boolean).map((line) => JSON.parse(line));
  }
}

async function listen() {
  const answer = await fetch(place.dataset.answer, { headers: { Accept: "application/x-ndjson", "HX-Request": "true" } });
  if (answer.headers.has("HX-Redirect")) return location.assign(answer.headers.get("HX-Redirect"));
  if (!answer.ok) return show(await answer.text());
  let shown = false;
  for await (const { step, html } of lines(answer)) {
    if (step) told(step);
    if (html) {
      show(html);
      shown = true;
    }
  }
  if (!shown) throw new Error("the answer broke off");
}

if (place) {
  listen().catch((error) => {
    toast(`The answer did not arrive: ${error.message}`, true);
    place.replaceChildren(make("p", {}, "The answer did not arrive. ", make("a", { class: "button compact", href: location.href }, "Ask again")));
  });
}
