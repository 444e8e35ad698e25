// Where one writes: Enter sends, a slash completes the commands there are.

import { h, ICONS } from "./dom.js";
import { menu } from "./menu.js";

export class Composer {
  // `send(text)` and `use(shortcut)` resolve to null, or to a sentence that says why it was not sent.
  constructor(form, send, { commands, me, use }) {
    this.form = form;
    this.use = use;
    this.offered = [];
    this.menu = form.querySelector(".shortcuts");
    this.field = form.querySelector("textarea");
    this.list = form.querySelector(".completions");
    this.trouble = form.querySelector(".trouble");
    this.button = form.querySelector("button");
    this.send = send;
    this.commands = commands;
    this.me = me;
    this.found = [];
    this.active = 0;
    this.waiting = 0; // Slack takes the next message before the last one is answered
    form.addEventListener("submit", (event) => (event.preventDefault(), this.submit()));
    this.field.addEventListener("input", () => (this.say(""), this.grow(), this.complete()));
    this.field.addEventListener("keydown", (event) => this.onKey(event));
    this.field.addEventListener("blur", () => this.shut());
  }

  at(room) {
    this.field.placeholder = room.is_im ? `Message ${room.name}` : `Message #${room.name}`;
    this.field.setAttribute("aria-label", this.field.placeholder);
    this.form.hidden = room.is_read_only;
    document.getElementById("turned-off").hidden = !room.is_read_only;
  }

  // The menu of the shortcuts that there are.
  offer(names) {
    if (names.join() === this.offered.join()) return;
    this.offered = names;
    const used = (name) => [name, async () => this.say((await this.use(name)) ?? "")];
    this.menu.replaceChildren(...(names.length ? menu("Shortcuts", ICONS.shortcuts, names.map(used)) : []));
  }

  say(text) {
    this.trouble.textContent = text;
  }

  grow() {
    this.field.style.height = "auto";
    this.field.style.height = `${Math.min(this.field.scrollHeight, 180)}px`;
  }

  async submit() {
    const text = this.field.value.trim();
    if (!text) return;
    this.shut();
    this.field.value = "";
    this.grow();
    this.waiting += 1;
    this.button.setAttribute("aria-busy", "true");
    const why = await this.send(text);
    this.waiting -= 1;
    if (!this.waiting) this.button.removeAttribute("aria-busy");
    if (why && !this.field.value) {
      this.field.value = text;
      this.grow();
    }
    this.say(why ?? "");
  }

  // --- completion ---

  offers() {
    const typed = this.field.value;
    if (!typed.startsWith("/") || typed.includes("\n") || !this.me()?.is_ours) return [];
    return Object.entries(this.commands())
      .flatMap(([command, words]) => Object.entries(words).map(([word, about]) => ({ text: word ? `${command} ${word}` : command, about })))
      .filter((one) => one.text.startsWith(typed.trimEnd()) || (typed.endsWith(" ") && one.text.startsWith(typed)));
  }

  complete() {
    this.found = this.offers();
    this.active = 0;
    if (!this.found.length) return this.shut();
    this.list.replaceChildren(...this.found.map((one, index) =>
      h("div", { class: "option", role: "option", id: `completion-${index}`, "aria-selected": String(index === 0), on: { pointerdown: (event) => (event.preventDefault(), this.take(index)) } },
        h("span", {}, one.text), h("small", {}, one.about))));
    this.list.hidden = false;
    return this.move(0);
  }

  move(to) {
    this.active = (to + this.found.length) % this.found.length;
    [...this.list.children].forEach((node, index) => {
      node.classList.toggle("active", index === this.active);
      node.setAttribute("aria-selected", String(index === this.active));
    });
    this.field.setAttribute("aria-activedescendant", `completion-${this.active}`);
  }

  take(index) {
    this.field.value = `${this.found[index].text} `;
    this.field.focus();
    this.complete();
  }

  shut() {
    this.found = [];
    this.list.hidden = true;
    this.field.removeAttribute("aria-activedescendant");
  }

  onKey(event) {
    const { key } = event;
    if (this.found.length && (key === "ArrowDown" || key === "ArrowUp")) {
      event.preventDefault();
      this.move(this.active + (key === "ArrowDown" ? 1 : -1));
    } else if (this.found.length && key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      this.take(this.active);
    } else if (this.found.length && key === "Escape") {
      event.preventDefault();
      this.shut();
    } else if (key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      const wanted = this.found[this.active]?.text;
      if (wanted && wanted !== this.field.value.trim()) this.take(this.active);
      else this.submit();
    }
  }
}
