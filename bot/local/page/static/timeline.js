// What happens underneath: a group for each thing that somebody did, a line for each thing that followed.

import * as clock from "./clock.js";
import { h } from "./dom.js";

const FILTERS = {
  All: () => true,
  Slack: (line) => ["Slack → bot", "bot → Slack", "Socket Mode", "Slack objects"].includes(line.source),
  Tyk: (line) => line.source === "bot → Tyk",
  Audit: (line) => line.source.startsWith("audit"),
  Promises: (line) => line.source === "promise",
};
const noteOf = ({ note, ms, due }) => [due ? `${note} ${clock.soon(due)}` : note, ms !== null && `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`].filter(Boolean).join(" · ");
const STATES = { ok: "done", wait: "waiting", warn: "warning", error: "failed" };

// Where it belongs by its time: the bot's own side is heard of a moment later than the rest.
function insert(list, node, at) {
  node.at = at;
  let before = list.lastChild;
  while (before && before.at > at) before = before.previousSibling;
  list.insertBefore(node, before ? before.nextSibling : list.firstChild);
}

export class Timeline {
  constructor(panel) {
    this.groups = new Map();
    this.lines = new Map();
    this.days = new Map();
    this.filter = "All";
    this.list = h("div", { class: "groups", role: "log", "aria-live": "off", tabindex: "0", "aria-label": "Timeline" });
    this.filters = h("div", { class: "filters", role: "group", "aria-label": "Show" }, Object.keys(FILTERS).map((name) =>
      h("button", { type: "button", "aria-pressed": String(name === "All"), on: { click: () => this.choose(name) } }, name)));
    panel.append(this.filters, this.list);
    this.isPinned = true;
    this.list.addEventListener("scroll", () => (this.isPinned = this.list.scrollHeight - this.list.scrollTop - this.list.clientHeight < 60));
    new ResizeObserver(() => this.isPinned && this.toEnd()).observe(this.list);
  }

  clear() {
    this.groups.clear();
    this.lines.clear();
    this.days.clear();
    this.list.replaceChildren();
  }

  toEnd() {
    this.list.scrollTop = this.list.scrollHeight;
  }

  choose(name) {
    this.filter = name;
    for (const button of this.filters.children) button.setAttribute("aria-pressed", String(button.textContent === name));
    for (const { node, line } of this.lines.values()) node.hidden = !FILTERS[name](line);
    this.hideEmpty();
    this.toEnd();
  }

  hideEmpty() {
    for (const { node, body } of this.groups.values()) {
      node.hidden = this.filter !== "All" && ![...body.children].some((line) => !line.hidden);
    }
  }

  add({ groups, lines }) {
    for (const group of groups) this.putGroup(group);
    for (const line of lines) this.putLine(line);
    this.hideEmpty();
    if (this.isPinned) this.toEnd();
  }

  putGroup(group) {
    const had = this.groups.get(group.id);
    if (had) return void (had.title.textContent = group.title);
    const title = h("span", { class: "title" }, group.title);
    const body = h("div", { class: "lines" });
    const node = h("section", { class: "group" }, h("h3", {}, title, h("time", { title: clock.full(group.at) }, clock.timeToSecond(group.at))), body);
    this.groups.set(group.id, { node, title, body });
    insert(this.list, node, group.at);
    this.putDay(group.at);
    return undefined;
  }

  // The heading of a day stands before its first group.
  putDay(at) {
    const day = clock.dated(at);
    const node = this.days.get(day) ?? h("div", { class: "day" }, h("span", {}, day));
    if (node.at <= at) return;
    this.days.set(day, node);
    insert(this.list, node, at - 0.001);
  }

  putLine(line) {
    const had = this.lines.get(line.id);
    if (!had && !this.groups.has(line.group)) return; // older than what was told
    const node = this.draw(line);
    node.hidden = !FILTERS[this.filter](line);
    node.at = line.at;
    if (had) {
      if (had.node.open) node.open = true;
      const isFocused = had.node.contains(document.activeElement);
      had.node.replaceWith(node);
      if (isFocused) node.querySelector("summary")?.focus();
    } else {
      insert(this.groups.get(line.group).body, node, line.at);
    }
    this.lines.set(line.id, { node, line });
  }

  draw(line) {
    const row = [
      h("span", { class: `dot ${line.state}`, role: "img", "aria-label": STATES[line.state] }),
      h("time", { title: clock.full(line.at) }, clock.timeToSecond(line.at)),
      h("span", { class: "source" }, line.source),
      h("span", { class: "what" }, line.what, line.label ? h("span", { class: "label" }, line.label) : null),
      h("span", { class: noteOf(line).length > 26 ? "note long" : "note" }, noteOf(line)),
    ];
    if (!line.has_details) return h("div", { class: "line", data: { line: line.id } }, row);
    const details = h("details", { class: "line", data: { line: line.id } }, h("summary", {}, row));
    details.addEventListener("toggle", () => details.open && this.open(details, line.id));
    return details;
  }

  async open(details, id) {
    const answer = await fetch(`/details?id=${encodeURIComponent(id)}`);
    details.querySelector("pre")?.remove();
    details.append(h("pre", { tabindex: "0", "aria-label": "Details" }, JSON.stringify(await answer.json(), null, 2)));
  }
}
