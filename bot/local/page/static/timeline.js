// What happens underneath: a group for each thing that somebody did, in it a row for each act that followed. Both open.

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
const WORST = ["error", "warn", "wait", "ok"];

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
    this.request = "";
    this.list = h("div", { class: "groups", role: "log", "aria-live": "off", tabindex: "0", "aria-label": "Timeline" });
    this.filters = h("div", { class: "filters", role: "group", "aria-label": "Show" }, Object.keys(FILTERS).map((name) =>
      h("button", { type: "button", "aria-pressed": String(name === "All"), on: { click: () => this.choose(name) } }, name)));
    this.requests = h("select", { on: { change: () => this.pick(this.requests.value) } }, h("option", { value: "" }, "All requests"));
    panel.append(h("div", { class: "sieve" }, this.filters, h("label", {}, h("span", { class: "unseen" }, "Request"), this.requests)), this.list);
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

  // --- what is shown of it ---

  choose(name) {
    this.filter = name;
    for (const button of this.filters.children) button.setAttribute("aria-pressed", String(button.textContent === name));
    this.sift();
    this.toEnd();
  }

  pick(request) {
    this.request = request;
    this.sift();
    this.toEnd();
  }

  fits(line) {
    return FILTERS[this.filter](line) && (!this.request || line.requests.includes(this.request));
  }

  // A row is there where it or a part of it fits; a group and a day where anything in them is.
  sift() {
    const isAll = this.filter === "All" && !this.request;
    for (const { node, line } of this.lines.values()) node.hidden = !this.fits(line);
    for (const { node, line } of this.lines.values()) if (line.head && !node.hidden && this.lines.has(line.head)) this.lines.get(line.head).node.hidden = false;
    for (const { node, body } of this.groups.values()) node.hidden = !isAll && ![...body.children].some((line) => !line.hidden);
    for (const [day, node] of this.days) node.hidden = ![...this.groups.values()].some((group) => group.day === day && !group.node.hidden);
  }

  // --- what comes ---

  add({ groups, lines }) {
    const before = lines.map((line) => this.lines.get(line.id)?.line.group);
    for (const group of groups) this.putGroup(group);
    for (const line of lines) this.putLine(line);
    this.offer(lines.flatMap((line) => line.requests));
    for (const id of new Set([...before, ...lines.map((line) => line.group)])) this.sum(id);
    this.sift();
    if (this.isPinned) this.toEnd();
  }

  offer(requests) {
    const known = new Set([...this.requests.options].map((one) => one.value));
    const fresh = [...new Set(requests)].filter((one) => !known.has(one));
    if (!fresh.length) return;
    const all = [...known, ...fresh].filter(Boolean).sort((one, other) => Number(one.slice(2)) - Number(other.slice(2)));
    this.requests.replaceChildren(h("option", { value: "" }, "All requests"), ...all.map((one) => h("option", { value: one }, one)));
    this.requests.value = this.request;
  }

  putGroup(group) {
    const had = this.groups.get(group.id);
    if (had) return void (had.title.textContent = group.title);
    const title = h("span", { class: "title" }, group.title);
    const [state, sum, body] = [h("span", { role: "img", hidden: true }), h("span", { class: "sum" }), h("div", { class: "lines" })];
    const node = h("details", { class: "group" },
      h("summary", {}, state, title, sum, h("time", { title: clock.full(group.at) }, clock.timeToSecond(group.at))), body);
    const day = clock.dated(group.at);
    this.groups.set(group.id, { node, title, state, sum, body, day });
    insert(this.list, node, group.at);
    this.putDay(day, group.at);
    return undefined;
  }

  // The heading of a day stands before its first group.
  putDay(day, at) {
    const node = this.days.get(day) ?? h("div", { class: "day" }, h("span", {}, day));
    if (node.at <= at) return;
    this.days.set(day, node);
    insert(this.list, node, at - 0.001);
  }

  // What a closed group says of its lines.
  sum(id) {
    const group = this.groups.get(id);
    if (!group) return;
    const lines = [...this.lines.values()].filter(({ line }) => line.group === id).map(({ line }) => line);
    const worst = WORST.find((state) => lines.some((line) => line.state === state && !line.due)) ?? "ok";
    const about = [...new Set(lines.flatMap((line) => line.requests))];
    group.state.hidden = !lines.length;
    group.state.className = `dot ${worst}`;
    group.state.setAttribute("aria-label", STATES[worst]);
    group.sum.textContent = [about.length > 3 ? `${about.length} requests` : about.join(", "), lines.length === 1 ? "1 line" : `${lines.length} lines`].filter(Boolean).join(" · ");
  }

  putLine(line) {
    const had = this.lines.get(line.id);
    if (!had && !this.groups.has(line.group)) return; // older than what was told
    const one = had ?? { parts: h("div", { class: "parts" }) };
    const isFocused = had?.node.contains(document.activeElement) && !had.parts.contains(document.activeElement);
    const isOpen = had?.node.open;
    const node = this.draw(line, one.parts);
    had?.node.remove();
    Object.assign(one, { node, line });
    this.lines.set(line.id, one);
    for (const part of this.lines.values()) if (part.line.head === line.id) insert(one.parts, part.node, part.line.at);
    insert(this.lines.get(line.head)?.parts ?? this.groups.get(line.group).body, node, line.at);
    if (line.head) this.retell(line.head);
    this.retell(line.id);
    if (isOpen) node.open = true;
    if (isFocused) node.querySelector("summary")?.focus();
  }

  // The row of an act says in a few words what is in it.
  retell(id) {
    const one = this.lines.get(id);
    const parts = [...this.lines.values()].filter((part) => part.line.head === id).map(({ line }) => line);
    const said = one?.node.querySelector(":scope > summary .of");
    if (said) said.textContent = parts.map((line) => (line.source.startsWith("audit") ? line.source : line.what)).join(", ");
  }

  draw(line, parts) {
    const row = [
      h("span", { class: `dot ${line.state}`, role: "img", "aria-label": STATES[line.state] }),
      h("time", { title: clock.full(line.at) }, clock.timeToSecond(line.at)),
      h("span", { class: "source" }, line.source),
      h("span", { class: "what" }, line.what, line.label ? h("span", { class: "label" }, line.label) : null, h("span", { class: "of" })),
      h("span", { class: noteOf(line).length > 26 ? "note long" : "note" }, noteOf(line)),
    ];
    if (!line.has_details) return h("div", { class: "line", data: { line: line.id } }, row);
    const details = h("details", { class: "line", data: { line: line.id } }, h("summary", {}, row), parts);
    details.addEventListener("toggle", () => details.open && this.open(details, line.id));
    return details;
  }

  async open(details, id) {
    const answer = await fetch(`/details?id=${encodeURIComponent(id)}`);
    details.querySelector(":scope > pre")?.remove();
    details.append(h("pre", { tabindex: "0", "aria-label": "Details" }, JSON.stringify(await answer.json(), null, 2)));
  }
}
