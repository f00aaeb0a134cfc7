// Proposals: forms are sent once, say what they wait for, and wait for the target's name where it must be typed.
import { all, make, one } from "./dom.js";

for (const form of all("form[data-once], form[data-busy]")) {
  form.addEventListener("submit", () => {
    // After the browser has taken the form: a disabled button would not be sent with it.
    setTimeout(() => {
      for (const button of all("button[type=submit]", form)) button.disabled = true;
    });
    const shown = one("[data-busy-shown]", form);
    if (!shown) return;
    shown.replaceChildren(make("span", { class: "spinner" }), `${form.dataset.busy}…`);
    shown.hidden = false;
  });
}

// Back in the browser's history, a form can be sent again.
addEventListener("pageshow", () => {
  for (const button of all("form[data-once] button[type=submit], form[data-busy] button[type=submit]")) button.disabled = false;
  for (const shown of all("[data-busy-shown]")) shown.hidden = true;
  for (const field of all("[data-must-be]")) confirmed(field);
});

function confirmed(field) {
  one("button[type=submit]", field.form).disabled = field.value.trim() !== field.dataset.mustBe;
}
for (const field of all("[data-must-be]")) field.addEventListener("input", () => confirmed(field));
