// What people keep: pins, saved searches, and what this browser kept before there was a place for it on the server.
import { openDrawer } from "./app.js";
import { all, fetchJson, icon, make, number, one, safe, toast } from "./dom.js";

/** Send fields as a form does; the answer, or an Error with what failed and the remedy. */
const send = (path, fields) => fetchJson(path, {
  method: "POST",
  headers: { "X-CSRF-Token": one('meta[name="csrf"]').content },
  body: new URLSearchParams(fields),
});

/** Send a form once at a time; what went wrong is said, and `undo` takes back what was shown already. */
async function submit(form, done, undo) {
  if (form.dataset.sending) return;
  form.dataset.sending = "true";
  try {
    done(await send(form.getAttribute("action"), new FormData(form)));
  } catch (error) {
    undo();
    toast(error.message, true);
  } finally {
    delete form.dataset.sending;
  }
}

// ── pins ─────────────────────────────────────────────────────────────────
function count(step) {
  const counted = one("[data-pin-count]");
  if (counted) counted.textContent = (Number(counted.textContent) || 0) + step || "";
}

function togglePin(form) {
  if (form.dataset.sending) return;
  const button = one("button", form);
  const boards = one("[data-boards]", form.closest(".record"));
  const before = [button.getAttribute("aria-pressed"), [...boards.childNodes]];
  const pins = before[0] !== "true";
  button.setAttribute("aria-pressed", String(pins));
  boards.replaceChildren();
  count(pins ? 1 : -1);
  submit(form, (pin) => {
    form.setAttribute("action", pins ? `/pins/${encodeURIComponent(pin.id)}/delete` : "/pins");
    if (pins) boards.append(make("p", { class: "small" }, make("span", { class: "faint" }, "Pinned on "), make("a", { href: `/pins?${new URLSearchParams({ board: pin.board_id })}` }, safe(pin.board, 80))));
  }, () => {
    button.setAttribute("aria-pressed", before[0]);
    boards.replaceChildren(...before[1]);
    count(pins ? -1 : 1);
  });
}

function pinWithNote(form) {
  const boards = all("[data-boards] a", form.closest(".record")).map((each) => each.textContent);
  submit(form, (pin) => {
    if (!boards.includes(safe(pin.board, 80))) count(1);
    toast(`Pinned on ${safe(pin.board, 80)}`);
    const address = `/events/${encodeURIComponent(pin.event_id)}`;
    if (!form.closest("dialog")) location.reload();
    else openDrawer(address, `Event ${pin.event_id}`).catch((error) => toast(error.message, true));
  }, () => {});
}

// ── saved searches ───────────────────────────────────────────────────────
const menu = one("[data-saved]");
const field = menu && one("[data-name]", menu);
const wordsOf = (chip) => (one(".key", chip)?.textContent.startsWith("not ") ? "not " : "") + one(".value", chip).textContent.trim();
if (field) field.value = (all(".chip.set").map(wordsOf).join(", ") || "All events").slice(0, field.maxLength);

function saveSearch(form) {
  if (form.dataset.sending) return;
  const shown = make("a", { href: `/search${form.elements.query.value}` }, icon("bookmark"), make("span", {}, safe(field.value.trim(), 60)));
  form.after(shown);
  menu.closest("details").open = false;
  submit(form, (saved) => {
    const href = `/search?${saved.query}`;
    // The same again is one search.
    for (const each of all("a", menu)) if (each !== shown && each.getAttribute("href") === href && each.textContent === shown.textContent) each.remove();
    shown.setAttribute("href", href);
    toast(saved.shared ? "Saved, and shared with everybody" : "Saved");
  }, () => {
    shown.remove();
    menu.closest("details").open = true;
  });
}

const FORMS = [["[data-pin]", togglePin], ["[data-pin-note]", pinWithNote], ["[data-save]", saveSearch]];
document.addEventListener("submit", (event) => {
  const found = FORMS.find(([selector]) => event.target.matches(selector));
  if (!found) return;
  event.preventDefault();
  found[1](event.target);
});

// ── what this browser kept before: offered once, then forgotten ──────────
const OLD = ["saved-searches", "pinned-events"];

function old(name) {
  const text = localStorage.getItem(name);
  if (text === null) return [];
  try {
    const found = JSON.parse(text);
    return Array.isArray(found) ? found.filter((each) => each && typeof each === "object") : [];
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return [];
  }
}

const place = one("[data-take]");
function offer() {
  const entries = [
    ...old("saved-searches").map((each) => ({ words: each.name, path: "/saved", fields: { name: String(each.name), query: String(each.query) } })),
    ...old("pinned-events").map((each) => ({ words: each.what, path: "/pins", fields: { event_id: String(each.id) } })),
  ];
  if (!entries.length) return;
  const forget = () => OLD.forEach((name) => localStorage.removeItem(name));
  const say = (words, ...more) => place.replaceChildren(make("div", { class: "notice" }, icon("bookmark"), make("div", { class: "take", role: "status" }, make("span", {}, words), ...more)));
  const close = make("button", { class: "button compact", type: "button", onclick: () => { place.hidden = true; } }, "Close");
  const take = async () => {
    const failed = [];
    say("Keeping them…");
    for (const { words, path, fields } of entries) {
      try {
        await send(path, fields);
      } catch (error) {
        failed.push(make("li", {}, `${safe(words, 60)}: ${safe(error.message)}`));
      }
    }
    if (failed.length === entries.length) return say("None of them could be kept, so that they are still in this browser.", make("ul", {}, ...failed), buttons());
    forget();
    if (failed.length) say(`${number(entries.length - failed.length)} kept on the server, ${number(failed.length)} not:`, make("ul", {}, ...failed), close);
    else location.reload();
  };
  const these = entries.length === 1 ? "it" : `these ${number(entries.length)}`;
  const buttons = () => make("div", { class: "row" },
    make("button", { class: "button primary compact", type: "button", onclick: take }, `Keep ${these} on the server`),
    make("button", { class: "button compact", type: "button", onclick: () => { forget(); place.hidden = true; } }, "Delete them"));
  say("Searches and pins from before are in this browser alone, where no other browser of yours and no colleague finds them.", buttons());
  place.hidden = false;
}
if (place) offer();
