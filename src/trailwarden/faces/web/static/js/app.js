// The frame of every page: navigation, theme, dialogs, the record drawer, keys, the palette, failures of htmx.
import { all, icon, make, one, safe, toast } from "./dom.js";

// ── navigation, theme ────────────────────────────────────────────────────
const side = one("#side");
const opener = one("[data-open-nav]");
function openNavigation(open) {
  side.classList.toggle("open", open);
  opener.setAttribute("aria-expanded", String(open));
  if (open) one("a", side).focus();
}
opener?.addEventListener("click", () => openNavigation(!side.classList.contains("open")));
document.addEventListener("click", (event) => {
  if (side?.classList.contains("open") && !event.target.closest("#side, [data-open-nav]")) openNavigation(false);
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
one("[data-theme-switch]")?.addEventListener("click", () => {
  const root = document.documentElement;
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
  document.dispatchEvent(new CustomEvent("theme"));
});

// ── dialogs ──────────────────────────────────────────────────────────────
document.addEventListener("click", (event) => {
  const open = event.target.closest("[data-dialog]");
  if (open) one(`#${CSS.escape(open.dataset.dialog)}`)?.showModal();
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  if (event.target instanceof HTMLDialogElement) event.target.close(); // its backdrop
  const copied = event.target.closest("[data-copy]");
  if (copied) {
    navigator.clipboard.writeText(copied.dataset.copy).then(
      () => toast("Copied"),
      () => toast("The browser did not allow copying", true),
    );
  }
});

/** A dialog made here: its heading, what is in it, and whether it stands at the side. Gone when closed. */
export function dialog(heading, body, { drawer = false, label = "" } = {}) {
  const close = make("button", { class: "button quiet icon-only", type: "button", "data-close": true, "aria-label": "Close" }, icon("x"));
  const head = heading ? make("header", {}, make("h2", {}, heading), close) : null;
  const made = make("dialog", { class: drawer ? "drawer" : "", "aria-label": label || heading }, head, body);
  made.addEventListener("close", () => made.remove());
  document.body.append(made);
  made.showModal();
  return made;
}

// ── the record drawer: any link with data-record opens the event beside the page ──
/** Show what `url` answers (a part of a page) in a drawer. */
export async function openDrawer(url, label) {
  const body = make("div", { class: "drawer-body" }, make("div", { class: "state", role: "status" }, make("span", { class: "spinner" }), "Loading…"));
  const shown = one("dialog.drawer[data-live]") ?? dialog("", body, { drawer: true, label });
  shown.setAttribute("data-live", "");
  if (!shown.contains(body)) shown.replaceChildren(body);
  const answer = await fetch(url, { headers: { "HX-Request": "true" } });
  if (answer.redirected || answer.headers.has("HX-Redirect")) return location.assign(answer.headers.get("HX-Redirect") ?? answer.url);
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  body.replaceChildren(...parsed.body.childNodes);
  htmx.process(body);
  document.dispatchEvent(new CustomEvent("drawer"));
  (one("[data-close]", body) ?? shown).focus();
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-record]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  openDrawer(link.getAttribute("href"), `Event ${link.dataset.record}`).catch((error) => toast(error.message, true));
});

// ── htmx ─────────────────────────────────────────────────────────────────
document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRF-Token"] = one('meta[name="csrf"]').content;
});
document.addEventListener("htmx:responseError", (event) => {
  const said = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html").querySelector(".said");
  toast(said ? [...said.querySelectorAll("p")].map((each) => each.textContent.trim()).join(" ") : "The console refused that", true);
});
document.addEventListener("htmx:sendError", () => toast("The console cannot be reached", true));

// ── keys ─────────────────────────────────────────────────────────────────
const KEYS = [
  ["/", "Search or ask"],
  ["j  k", "Next and previous row"],
  ["Enter", "Open the row"],
  ["g  then a letter", "Go: a Ask, s Search, i Identity, e Sessions, m Auth model, r Roles, l Alerts, p Proposals"],
  ["⌘K  Ctrl K", "Go to a page, or search for what you type"],
  ["t", "Light or dark"],
  ["Esc", "Close"],
  ["?", "This help"],
];
const GO = { a: "/", s: "/search", i: "/identity", e: "/sessions", m: "/auth-model", r: "/roles", l: "/alerts", p: "/proposals" };
let going = false;

function help() {
  const list = make("dl", { class: "keys" });
  for (const [keys, does] of KEYS) {
    const shown = keys.split("  ").map((key) => make("kbd", {}, key));
    list.append(make("dt", {}, ...shown.flatMap((each, place) => (place ? [" ", each] : [each]))), make("dd", {}, does));
  }
  dialog("Keys", list);
}

function move(step) {
  const rows = all("[data-row]");
  if (!rows.length) return;
  const now = rows.indexOf(document.activeElement.closest("[data-row]"));
  const next = rows[Math.max(0, Math.min(rows.length - 1, now + step))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    palette();
    return;
  }
  const opened = all("dialog[open]").at(-1);
  if (opened) {
    if (event.key === "Escape") opened.close();
    return;
  }
  if (event.metaKey || event.ctrlKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (going) {
    going = false;
    if (GO[event.key]) location.assign(GO[event.key]);
    return;
  }
  const act = {
    "/": () => (one("[data-search]") ? one("[data-search]").focus() : palette()),
    "?": help,
    j: () => document.dispatchEvent(new CustomEvent("row", { detail: 1, cancelable: true })) && move(1),
    k: () => document.dispatchEvent(new CustomEvent("row", { detail: -1, cancelable: true })) && move(-1),
    g: () => { going = true; },
    t: () => one("[data-theme-switch]").click(),
    Escape: () => openNavigation(false),
  }[event.key];
  if (act) {
    event.preventDefault();
    act();
  } else if (event.key === "Enter") {
    const row = document.activeElement;
    if (row.matches("[data-row]")) one("a", row)?.click();
  }
});

// ── palette ──────────────────────────────────────────────────────────────
one("[data-palette]")?.addEventListener("click", palette);

/** What a typed text may mean: each an address and its words. */
function meanings(text) {
  const found = [];
  const search = (field, value, words) => found.push({ href: `/search?${new URLSearchParams({ [field]: value })}`, words, icon: "search" });
  if (/^(AKIA|ASIA)[A-Z0-9]{8,}$/.test(text)) search("access_key", text, "Everything this key did");
  else if (/^[\d.]+(\/\d+)?$|^[\da-f:]*:[\da-f:]+$/i.test(text)) search("ip", text, "Everything from this address");
  else if (/^[\da-f]{8}-[\da-f-]{20,}$/i.test(text)) found.push({ href: `/events/${encodeURIComponent(text)}`, words: "Open this event", icon: "file-json" });
  else if (/^\d{12}$/.test(text)) search("account", text, "Everything in this account");
  else if (/^[\w.+-]+@[\w.-]+$/.test(text)) {
    found.push({ href: `/identity?${new URLSearchParams({ who: text })}`, words: "This person", icon: "fingerprint-pattern" });
    search("user", text, "Everything this person did");
  }
  found.push({ href: `/?${new URLSearchParams({ q: text })}`, words: "Ask", icon: "message-circle-question-mark" });
  search("text", text, "Search records for this text");
  return found;
}

function palette() {
  if (one("dialog[open]")) return;
  const pages = all(".side .nav a").map((link) => ({ href: link.getAttribute("href"), words: link.textContent.trim(), icon: one("use", link).getAttribute("href").split("#")[1] }));
  const field = make("input", { class: "input", placeholder: "A page, a key, an address, a person, a question", "aria-label": "Go to", role: "combobox", "aria-expanded": "true", "aria-controls": "palette-list", autocomplete: "off", spellcheck: "false" });
  const list = make("div", { role: "listbox", id: "palette-list", "aria-label": "Where to" });
  const shown = dialog("", make("div", {}, field, list), { label: "Go to" });
  shown.classList.add("palette");
  let chosen = 0;
  let offered = [];
  const draw = () => {
    list.replaceChildren(...offered.map((each, place) => {
      const option = make("div", { role: "option", id: `palette-${place}`, "aria-selected": String(place === chosen), onclick: () => location.assign(each.href) }, icon(each.icon), make("span", {}, each.words));
      if (each.text) option.append(make("span", { class: "faint mono small" }, safe(each.text, 40)));
      return option;
    }));
    field.setAttribute("aria-activedescendant", offered.length ? `palette-${chosen}` : "");
    one('[aria-selected="true"]', list)?.scrollIntoView({ block: "nearest" });
  };
  const offer = () => {
    const text = field.value.trim();
    const fitting = pages.filter((page) => page.words.toLowerCase().includes(text.toLowerCase()));
    offered = text ? [...fitting, ...meanings(text).map((each) => ({ ...each, text }))] : pages;
    chosen = 0;
    draw();
  };
  field.addEventListener("input", offer);
  field.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      chosen = (chosen + step + offered.length) % offered.length;
      draw();
    } else if (event.key === "Enter" && offered[chosen]) location.assign(offered[chosen].href);

  });
  offer();
  field.focus();
}
