// The tour: what to do first, as whom and where. Each step can be done for one; what is done, by whomever, is ticked.

import { h, icon, ICONS } from "./dom.js";

const SEEN = "tour";

export class Tour {
  // `go(who, room)` shows a conversation as somebody; `post(path, told)` asks the server.
  constructor(panel, opener, { go, post }) {
    this.panel = panel;
    this.opener = opener;
    this.go = go;
    this.post = post;
    this.steps = [];
    this.at = 0;
    this.looked = new Set();
    this.list = h("ol", { class: "stops" });
    this.title = h("h2", { id: "tour-title", class: "unseen" });
    this.text = h("p", {});
    this.trouble = h("p", { class: "failed", role: "alert", hidden: true });
    this.doing = h("button", { type: "button", class: "primary", on: { click: () => this.doIt() } });
    this.back = h("button", { type: "button", class: "quiet", on: { click: () => this.turn(this.at - 1) } }, "Back");
    this.next = h("button", { type: "button", class: "quiet", on: { click: () => this.turn(this.at + 1) } }, "Next");
    const close = h("button", { type: "button", class: "bare", "aria-label": "Close the tour", on: { click: () => this.close() } }, icon(ICONS.close));
    this.row = h("div", { class: "row" }, this.doing, this.back, this.next);
    panel.append(this.list, h("div", { class: "now", role: "status" }, this.title, this.text, this.trouble), this.row, close);
    opener.addEventListener("click", () => (panel.hidden ? this.open() : this.close()));
  }

  // The steps as they stand, and where the reader is. The first time, it opens by itself.
  show(told, who, room) {
    this.opener.hidden = !told;
    if (!told) return;
    this.row.hidden = !told.steps.length;
    if (!told.steps.length) {
      write(this.title, "Tour");
      write(this.text, told.farewell);
      return;
    }
    const isFirst = !this.steps.length;
    const wasDone = this.steps.map((_, index) => this.isDone(index));
    this.steps = told.steps;
    this.farewell = told.farewell;
    const here = this.steps.findIndex((one, index) => one.is_look && one.who === who && one.room === room && this.isReached(index));
    if (here >= 0 && !this.panel.hidden) this.looked.add(here);
    if (isFirst) {
      this.at = this.firstOpen();
      this.reveal(window.localStorage.getItem(SEEN) === null);
    } else if (this.isDone(this.at) && wasDone[this.at] === false) {
      this.at = this.steps[this.at].is_look ? this.at : this.firstOpen();
    }
    this.draw();
  }

  isDone(index) {
    return this.steps[index].is_look ? this.looked.has(index) : this.steps[index].is_done;
  }

  // Whether all before it is done: there is nothing to look at yet where it is not.
  isReached(index) {
    return this.steps.slice(0, index).every((one) => one.is_look || one.is_done);
  }

  firstOpen() {
    const found = this.steps.findIndex((_, index) => !this.isDone(index));
    return found < 0 ? this.steps.length - 1 : found;
  }

  draw() {
    const step = this.steps[this.at];
    const isOver = this.steps.every((_, index) => this.isDone(index)) && this.at === this.steps.length - 1;
    this.list.replaceChildren(...this.steps.map((one, index) =>
      h("li", { class: this.isDone(index) ? "done" : "", "aria-current": index === this.at ? "step" : null },
        h("span", { class: "number", "aria-hidden": "true" }, this.isDone(index) ? "✓" : index + 1), one.title,
        this.isDone(index) ? h("span", { class: "unseen" }, ", done") : null)));
    write(this.title, `Tour, ${this.at + 1} of ${this.steps.length}: ${step.title}`);
    write(this.text, isOver ? `${step.text} ${this.farewell}` : step.text);
    write(this.doing, step.is_look || this.isDone(this.at) ? "Show me" : "Do it for me");
    this.back.disabled = this.at === 0;
    this.next.disabled = this.at === this.steps.length - 1;
  }

  turn(to) {
    this.at = to;
    this.complain("");
    this.draw();
  }

  async doIt() {
    if (this.doing.getAttribute("aria-busy") === "true") return;
    const number = this.at;
    const step = this.steps[number];
    const isToDo = !step.is_look && !step.is_done;
    this.complain("");
    await this.go(step.who, step.room);
    if (!isToDo) return;
    this.doing.setAttribute("aria-busy", "true");
    const answer = await this.post("/tour", { step: number });
    this.doing.removeAttribute("aria-busy");
    if (!answer.ok) this.complain(answer.why);
  }

  complain(why) {
    this.trouble.textContent = why;
    this.trouble.hidden = !why;
  }

  open() {
    if (!this.steps.length) {
      this.reveal(true);
      return;
    }
    this.at = this.firstOpen();
    this.reveal(true);
    this.draw();
    this.doing.focus();
  }

  close() {
    window.localStorage.setItem(SEEN, "seen");
    this.reveal(false);
    this.opener.focus();
  }

  reveal(isOpen) {
    this.panel.hidden = !isOpen;
    this.opener.setAttribute("aria-expanded", String(isOpen));
  }
}

// What is read aloud when it changes is not written again where it has not.
function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
