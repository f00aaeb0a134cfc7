// Ask: the answer as it comes.
import { icon, make, number, one, safe, toast } from "./dom.js";

const place = one("[data-answer]");
const waiting = place?.cloneNode(true).children;
let run = new AbortController();

function told(step) {
  const bar = one("[data-progress]", place);
  const amount = step.total ? ` ${number(Math.round(step.done))} of ${number(Math.round(step.total))} ${step.unit}` : step.done ? ` ${number(Math.round(step.done))} ${step.unit}` : "";
  one("[data-step]", place).textContent = `${step.task}${amount}${step.note ? ` · ${step.note}` : ""}`;
  bar.hidden = !step.total;
  if (step.total) [bar.max, bar.value] = [step.total, Math.min(step.done, step.total)];
}

/** A tool that the model calls, with its arguments; then what came of it. */
function calling({ title, words }) {
  one("[data-calls]", place).append(make("li", {}, make("span", { class: "spinner" }), make("div", {}, make("b", {}, title), " ", make("span", { class: "muted" }, safe(words)))));
}
function called({ said, failed, proposal }) {
  const row = one("[data-calls]", place).lastElementChild;
  row.firstElementChild.replaceWith(icon(failed ? "circle-alert" : "circle-check"));
  const result = proposal ? make("a", { href: `/proposals/${encodeURIComponent(proposal)}` }, said) : make("span", { class: failed ? "bad" : "muted" }, safe(said));
  row.lastElementChild.append(make("div", { class: "small" }, result));
  told({ task: "The model reads what came back" });
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

async function listen(address, options = {}) {
  const answer = await fetch(address, { ...options, signal: run.signal, headers: { Accept: "application/x-ndjson", "HX-Request": "true" } });
  if (answer.headers.has("HX-Redirect")) return location.assign(answer.headers.get("HX-Redirect"));
  if (!answer.ok) return show(await answer.text());
  let shown = false;
  for await (const piece of lines(answer)) {
    if (piece.step) told(piece.step);
    if (piece.calling) calling(piece.calling);
    if (piece.called) called(piece.called);
    if (piece.html) {
      show(piece.html);
      shown = true;
    }
  }
  if (!shown) throw new Error("the answer broke off");
}

/** Stopped: what was called until then stays to be read. */
function stopped() {
  const calls = one("[data-calls]", place);
  for (const each of calls.querySelectorAll(".spinner")) each.replaceWith(icon("circle-dashed"));
  place.replaceChildren(make("section", { class: "card" }, make("div", { class: "card-body stack" },
    make("h2", { tabindex: "-1" }, "Stopped"),
    make("p", {}, "The model was not heard to the end. A call that had begun is finished; what it filed waits for a person under ", make("a", { href: "/proposals" }, "Proposals"), "."),
    calls,
    make("p", {}, make("a", { class: "button", href: location.href }, "Ask again")))));
  one("h2", place).focus();
}

function begin(address, options) {
  listen(address, options).catch((error) => {
    if (run.signal.aborted) return stopped();
    toast(`The answer did not arrive: ${error.message}`, true);
    place.replaceChildren(make("p", {}, "The answer did not arrive. ", make("a", { class: "button compact", href: location.href }, "Ask again")));
  });
}

if (place) {
  place.addEventListener("click", (event) => {
    if (event.target.closest("[data-stop]")) run.abort();
  });
  // What may file proposals is sent by a form; its answer comes into the same place.
  place.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-let]");
    if (!form) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form));
    body.set("stream", "true");
    place.replaceChildren(...[...waiting].map((each) => each.cloneNode(true)));
    run = new AbortController();
    begin(form.action, { method: "POST", body });
    place.scrollIntoView({ block: "nearest" });
  });
  begin(place.dataset.answer);
}
