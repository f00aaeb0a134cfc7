// Settings: dialogs with forms, forms that wait, a new security key.
import { all, fetchJson, make, one } from "./dom.js";

document.documentElement.dataset.script = "";

one(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

// A form that was refused is open again, with what was typed.
one("dialog[data-open]")?.showModal();

for (const form of all("form")) {
  const button = one("button[data-busy]", form);
  if (!button) continue;
  const words = [...button.childNodes];
  form.addEventListener("submit", (event) => {
    // After the browser has taken the form: a disabled button would not be sent with it.
    if (event.submitter === button) setTimeout(() => {
      button.disabled = true;
      button.replaceChildren(make("span", { class: "spinner" }), `${button.dataset.busy}…`);
    });
  });
  addEventListener("pageshow", () => {
    button.disabled = false;
    button.replaceChildren(...words);
  });
}

const form = one("form[data-passkey]");
form?.addEventListener("submit", async (event) => {
  if (form.elements.answer.value) return;
  event.preventDefault();
  const refused = one("[data-refused]", form);
  refused.hidden = true;
  try {
    const begun = await fetchJson(form.dataset.passkey, { method: "POST", headers: { "X-CSRF-Token": form.elements.csrf.value } });
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(begun.options));
    const credential = await navigator.credentials.create({ publicKey });
    form.elements.token.value = begun.token;
    form.elements.answer.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (error) {
    refused.textContent = error instanceof DOMException ? "The browser got no answer from a security key. Try again, or take another one." : error.message;
    refused.hidden = false;
  }
});
