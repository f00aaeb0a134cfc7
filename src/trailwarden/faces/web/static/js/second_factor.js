// A security key or passkey as the second half of a login.
import { one } from "./dom.js";

const form = one("form[data-challenge]");
const refused = one("[data-refused]", form);
const button = one("[data-authenticate]", form);

button.addEventListener("click", async () => {
  refused.hidden = true;
  try {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(form.dataset.challenge));
    const credential = await navigator.credentials.get({ publicKey });
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (error) {
    if (!(error instanceof DOMException)) throw error;
    refused.textContent = "The browser got no answer from a security key. Try again, or use another way.";
    refused.hidden = false;
  }
});
button.disabled = false; // before, a click would have done nothing
