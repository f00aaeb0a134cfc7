// Search: the histogram, the table of any length, live tail.
import uPlot from "../vendor/uplot.js";
import { openDrawer } from "./app.js";
import { all, fetchJson, make, number, one, safe, toast } from "./dom.js";

// ── histogram ────────────────────────────────────────────────────────────
let figure = null;
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Steps of the axis in seconds, how a mark of each is written, and what a new day adds below it.
const DAY = "{YYYY}-{MM}-{DD}";
const MARKS = [
  [86400 * 28, DAY, null, null, null, null, null, null, 1],
  [86400, "{MM}-{DD}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", `\n${DAY}`, null, `\n${DAY}`, null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", `\n${DAY}`, null, `\n${DAY}`, null, null, null, 1],
];

function drawHistogram() {
  const { step, starts, succeeded, failed } = JSON.parse(figure.dataset.histogram);
  const total = succeeded.map((count, place) => count + failed[place]);
  const bars = uPlot.paths.bars({ size: [0.86, 60], align: 1, radius: 0.12 });
  const tip = make("div", { class: "histogram-tip", hidden: true });
  const series = (name) => ({ fill: token(name), stroke: token(name), width: 0, paths: bars, points: { show: false } });
  const axis = { stroke: token("--ink-3"), font: "11px Inter, sans-serif", grid: { stroke: token("--line"), width: 1 }, ticks: { show: false } };
  const plot = new uPlot(
    {
      width: figure.clientWidth,
      height: figure.clientHeight,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), figure.dataset.zone === "UTC" ? "Etc/UTC" : figure.dataset.zone),
      legend: { show: false },
      padding: [8, 4, 0, 0],
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: true, range: () => [starts[0], starts.at(-1) + step] }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.08)] } },
      axes: [{ ...axis, grid: { show: false }, space: 84, values: MARKS }, { ...axis, size: 44, space: 34, values: (_, marks) => marks.map((mark) => (Number.isInteger(mark) ? number(mark) : "")) }],
      series: [{}, series("--chart-1"), series("--chart-2")],
      hooks: {
        setSelect: [(plot) => {
          const [left, width] = [plot.select.left, plot.select.width];
          if (width < 4) return;
          const [from, to] = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
          choose(Math.floor(from / step) * step, Math.ceil(to / step) * step);
        }],
        setCursor: [(plot) => {
          const at = Math.min(starts.length - 1, Math.max(0, Math.floor((plot.posToVal(plot.cursor.left, "x") - starts[0]) / step)));
          tip.hidden = plot.cursor.left < 0;
          if (tip.hidden) return;
          tip.textContent = `${new Date(starts[at] * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC: ${number(total[at])}${failed[at] ? `, ${number(failed[at])} failed` : ""}`;
          const over = plot.over.clientWidth;
          tip.style.left = `${Math.min(plot.cursor.left + 12, over - tip.offsetWidth)}px`;
        }],
      },
    },
    [starts, total, failed],
    figure,
  );
  plot.over.append(tip);
  // One step, by a click.
  plot.over.addEventListener("click", () => {
    if (plot.select.width >= 4) return;
    const at = Math.floor((plot.posToVal(plot.cursor.left, "x") - starts[0]) / step);
    if (at >= 0 && at < starts.length) choose(starts[at], starts[at] + step);
  });
  return plot;
}

function choose(from, to) {
  const url = new URL(location.href);
  for (const name of ["last", "cursor"]) url.searchParams.delete(name);
  const written = (seconds) => new Date(seconds * 1000).toISOString().replace(".000", "");
  url.searchParams.set("from", written(from));
  url.searchParams.set("to", written(to));
  location.assign(url);
}

let plot = null;
let width = 0;

function redraw() {
  plot?.destroy();
  plot = figure ? drawHistogram() : null;
}

const narrowed = new ResizeObserver(() => {
  if (!figure || figure.clientWidth === width) return;
  width = figure.clientWidth;
  redraw();
});
document.addEventListener("theme", redraw);

/** Draw the histogram, and let go of the one that was there before. */
function showHistogram() {
  narrowed.disconnect();
  plot?.destroy();
  plot = null;
  figure = one("[data-histogram]");
  if (!figure) return;
  width = figure.clientWidth;
  redraw();
  narrowed.observe(figure);
}

/** On narrow screens the facets are closed at first. */
function foldFacets() {
  const facets = one(".facets-fold");
  if (facets && matchMedia("(max-width: 1080px)").matches) facets.open = false;
}

// ── the table ────────────────────────────────────────────────────────────
const HEADS = ["Time", "Who", "Event", "Address", "Account", "Region", "Outcome"];
const OVERSCAN = 12;
const AHEAD = 400;

/** A table of any number of rows, of which only those in sight are in the page. */
class Table {
  constructor(place, url, zone) {
    this.url = url;
    this.rows = [];
    this.ids = new Set();
    this.next = null;
    this.total = null;
    this.chosen = -1;
    this.fresh = new Set();
    this.layer = make("div", { class: "vt-rows" });
    this.space = make("div", { class: "vt-space" }, this.layer);
    this.view = make("div", { class: "vt-view", role: "rowgroup", tabindex: "0", "aria-label": "Events: j and k move, Enter opens" }, this.space);
    const heads = HEADS.map((head, index) => make("span", { role: "columnheader", class: `c-${head.toLowerCase()}` }, index ? head : `${head} (${zone})`));
    this.table = make("div", { class: "vt", role: "table", "aria-label": "Events", "aria-rowcount": "-1" },
      make("div", { role: "rowgroup" }, make("div", { class: "vt-head", role: "row" }, ...heads)), this.view);
    this.more = make("div", { class: "vt-more", role: "status" });
    place.replaceChildren(this.table, this.more);
    this.view.addEventListener("scroll", () => this.later(), { passive: true });
    this.view.addEventListener("keydown", (event) => this.key(event));
    this.layer.addEventListener("click", (event) => {
      const row = event.target.closest("[data-at]");
      if (row) this.choose(Number(row.dataset.at), true);
    });
    new ResizeObserver(() => this.measure()).observe(this.view);
  }

  measure() {
    const high = Number.parseFloat(getComputedStyle(this.table).getPropertyValue("--row"));
    if (high !== this.high) {
      this.high = high;
      this.drawn = undefined;
    }
    this.later();
  }

  later() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    const high = this.high ?? 36;
    this.space.style.height = `${this.rows.length * high}px`;
    const first = Math.max(0, Math.floor(this.view.scrollTop / high) - OVERSCAN);
    const last = Math.min(this.rows.length, Math.ceil((this.view.scrollTop + this.view.clientHeight) / high) + OVERSCAN);
    const state = `${first} ${last} ${this.rows.length} ${this.chosen} ${this.rows[0]?.[0]}`;
    if (state !== this.drawn) {
      this.drawn = state;
      this.layer.style.transform = `translateY(${first * high}px)`;
      const shown = [];
      for (let at = first; at < last; at += 1) shown.push(this.row(at));
      this.layer.replaceChildren(...shown);
    }
    if (this.next && last + AHEAD > this.rows.length) this.load();
  }

  row(at) {
    const [id, time, who, service, name, address, account, region, error, kind] = this.rows[at];
    const cell = (kind_, ...children) => make("span", { role: "cell", class: kind_ }, ...children);
    const outcome = error ? make("span", { class: "badge critical" }, safe(error, 40)) : make("span", { class: "faint" }, kind);
    return make("div", { class: this.fresh.has(id) ? "vt-row new" : "vt-row", role: "row", "data-at": at, "aria-rowindex": at + 2, "aria-selected": String(at === this.chosen) },
      cell("c-time nowrap", time), cell("c-who", safe(who, 80)), cell("c-event", make("span", { class: "faint" }, service ? `${safe(service, 30)}:` : ""), safe(name, 80)),
      cell("c-address mono", safe(address, 45)), cell("c-account mono", safe(account, 20)), cell("c-region", safe(region, 24)), cell("c-outcome", outcome));
  }

  async load() {
    if (this.loading) return;
    this.loading = true;
    this.more.textContent = "Loading…";
    try {
      const page = await fetchJson(this.rows.length ? `${this.url}&cursor=${encodeURIComponent(this.next)}` : this.url);
      for (const row of page.rows) if (!this.ids.has(row[0])) this.add(row);
      this.next = page.next;
      this.more.textContent = "";
      this.say();
    } catch (error) {
      this.more.replaceChildren(make("span", {}, `${error.message} `), make("button", { class: "button compact", type: "button", onclick: () => this.load() }, "Try again"));
      return;
    } finally {
      this.loading = false;
    }
    this.later();
  }

  add(row) {
    this.ids.add(row[0]);
    this.rows.push(row);
  }

  /** How many rows there are, as far as that is known: all are loaded, or they were counted. */
  say() {
    const loaded = number(this.rows.length);
    const total = this.next ? this.total : this.rows.length;
    this.table.setAttribute("aria-rowcount", total === null ? "-1" : String(total + 1));
    one("[data-loaded]").textContent = !this.next ? loaded : total === null ? `${loaded} loaded` : `${loaded} of ${number(total)} loaded`;
  }

  counted(total) {
    this.total = total;
    this.say();
  }

  /** Rows that were not there before, on top. */
  arrive(page) {
    const arrived = page.rows.filter((row) => !this.ids.has(row[0]));
    for (const row of arrived) this.ids.add(row[0]);
    this.fresh = new Set(arrived.map((row) => row[0]));
    this.rows.unshift(...arrived);
    if (this.chosen >= 0) this.chosen += arrived.length;
    if (this.view.scrollTop > 0) this.view.scrollTop += arrived.length * this.high;
    this.total = this.total === null ? null : this.total + arrived.length;
    this.say();
    this.later();
    return arrived.length;
  }

  choose(at, open = false) {
    if (at < 0 || at >= this.rows.length) return;
    this.chosen = at;
    const [top, high] = [at * this.high, this.high];
    if (top < this.view.scrollTop) this.view.scrollTop = top;
    else if (top + high > this.view.scrollTop + this.view.clientHeight) this.view.scrollTop = top + high - this.view.clientHeight;
    this.draw();
    if (open) this.open();
  }

  open() {
    const id = this.rows[this.chosen]?.[0];
    if (id) openDrawer(`/events/${encodeURIComponent(id)}`, `Event ${id}`).catch((error) => toast(error.message, true));
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.view.clientHeight / this.high) - 1);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page }[event.key];
    if (step) this.choose(Math.max(0, Math.min(this.rows.length - 1, this.chosen + step)));
    else if (event.key === "Home") this.choose(0);
    else if (event.key === "End") this.choose(this.rows.length - 1);
    else if (event.key === "Enter") this.open();
    else return;
    event.preventDefault();
  }
}

const place = one("[data-events]");
let table = null;
if (place) {
  table = new Table(place, place.dataset.events, place.dataset.zone);
  table.measure();
  table.load();
  document.addEventListener("row", (event) => {
    event.preventDefault();
    table.view.focus();
    table.choose(Math.max(0, Math.min(table.rows.length - 1, table.chosen + event.detail)));
  });
}

// ── what is counted, which may come later ────────────────────────────────
function showCounted() {
  showHistogram();
  foldFacets();
  const total = one("#overview")?.dataset.total;
  if (table && total) table.counted(Number(total));
}
showCounted();
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.detail.elt.id === "overview") showCounted();
});
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failure, (event) => {
    const overview = event.detail.elt;
    if (overview.id !== "overview") return;
    overview.removeAttribute("aria-busy");
    overview.replaceChildren(
      make("p", { role: "alert" }, "The events below are there, but they could not be counted. ",
        make("button", { class: "button compact", type: "button", onclick: () => location.reload() }, "Try again")),
    );
    for (const waiting of all("#facets .waiting")) waiting.replaceChildren();
  });
}

// ── live tail ────────────────────────────────────────────────────────────
const EVERY = 15_000;
const tail = one("[data-tail]");
let timer = 0;

async function look() {
  try {
    const page = await fetchJson(`${table.url}&live=auto&limit=200`);
    const arrived = table.arrive(page);
    if (arrived) toast(`${number(arrived)} new event${arrived === 1 ? "" : "s"}`);
  } catch (error) {
    toast(error.message, true);
    live(false);
  }
}

function live(on) {
  tail.setAttribute("aria-pressed", String(on));
  clearInterval(timer);
  if (!on) return;
  toast("New events appear on top as they are delivered: CloudTrail takes 5 to 15 minutes");
  look();
  timer = setInterval(look, EVERY);
}

if (table && table.url.includes("order=newest")) tail.addEventListener("click", () => live(tail.getAttribute("aria-pressed") !== "true"));
else tail.disabled = true;
