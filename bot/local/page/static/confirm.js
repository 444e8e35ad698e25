// The question that a button or a choice asks before it acts.

import { h, newId } from "./dom.js";
import { textObject } from "./mrkdwn.js";

// Resolves to whether the person said yes.
export function confirmed(question, names) {
  if (!question) return Promise.resolve(true);
  return new Promise((resolve) => {
    const [title, text] = [newId("title"), newId("text")];
    const yes = h("button", { type: "button", class: question.style === "danger" ? "danger" : "primary" }, question.confirm.text);
    const no = h("button", { type: "button", class: "quiet" }, question.deny.text);
    const dialog = h("dialog", { class: "question", role: "alertdialog", "aria-labelledby": title, "aria-describedby": text },
      h("h2", { id: title }, question.title.text),
      h("p", { id: text }, textObject(question.text, names)),
      h("footer", {}, no, yes));
    const before = document.activeElement;
    const end = (answer) => {
      dialog.close();
      dialog.remove();
      before?.focus?.();
      resolve(answer);
    };
    yes.addEventListener("click", () => end(true));
    no.addEventListener("click", () => end(false));
    dialog.addEventListener("cancel", (event) => (event.preventDefault(), end(false)));
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
