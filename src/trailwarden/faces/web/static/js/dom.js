// Small tools for modules. Text is only ever set as text: log content is an attacker's.

/** The first element that matches. */
export const one = (selector, root = document) => root.querySelector(selector);

/** All elements that match. */
export const all = (selector, root = document) => [...root.querySelectorAll(selector)];

/** A new element: its attributes (`on…` are listeners, true and false set and leave out), and its children. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/** An icon, by its name among those that templates or modules quote. */
export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("class", "icon");
  drawing.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", new URL(`../vendor/icons.svg#${name}`, import.meta.url).pathname + `#${name}`);
  drawing.append(use);
  return drawing;
}

const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\u{e0000}-\u{e0fff}]/gu;

/** Recorded text as it may be shown: control and direction characters written out, at most `cap` characters. */
export function safe(text, cap = 300) {
  if (text === null || text === undefined) return "";
  const shown = String(text).replace(UNSAFE, (each) => {
    const code = each.codePointAt(0).toString(16);
    return code.length > 4 ? `\\U${code.padStart(8, "0")}` : code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
  });
  return shown.length > cap ? `${shown.slice(0, cap - 1)}…` : shown;
}

/** Several lines, each of them safe. */
export const safeLines = (text) => text.split("\n").map((line) => safe(line, Infinity)).join("\n");

export const number = new Intl.NumberFormat("en-US").format;

/** Say something for a few seconds; `bad` for a failure, which stays longer. */
export function toast(text, bad = false) {
  const said = make("div", { class: bad ? "toast bad" : "toast" }, text);
  one("#toasts").append(said);
  setTimeout(() => said.remove(), bad ? 9000 : 4000);
}

/** JSON of the console's own, or an Error with what failed and the remedy. */
export async function fetchJson(url, options = {}) {
  const answer = await fetch(url, { ...options, headers: { Accept: "application/json", ...options.headers } });
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.remedy ? `${body.error}. Remedy: ${body.remedy}` : body.error);
  return body;
}
