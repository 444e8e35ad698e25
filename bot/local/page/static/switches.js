// What a person wants to see go wrong once.

import * as clock from "./clock.js";
import { h } from "./dom.js";

const FAULTS = [
  ["tyk_away", "Tyk is away", "The Dashboard closes every connection. What was approved waits, and people are told."],
  ["tyk_slow", "Tyk is slow", "Every answer takes 4 seconds longer."],
  ["limited", "Slack limits the bot", "Posts and edits get 429 with Retry-After: 5, for a minute."],
];

export class Switches {
  constructor(panel, post, roster) {
    this.post = post;
    this.bot = h("p", { class: "standing" });
    this.complaint = h("pre", { class: "complaint", hidden: true });
    this.kill = this.button("Kill the bot", "kill", {}, "danger");
    this.start = this.button("Start the bot", "start", {}, "primary");
    this.silent = this.button("Let its line go silent", "silent");
    this.roster = roster;
    this.toggles = new Map(FAULTS.map(([name, title, about]) => [name, this.toggle(name, title, about)]));
    this.clock = h("p", { class: "standing" });
    const times = [["An hour passes", 3600], ["A day passes", 86400], ["A month passes", 30 * 86400]];
    panel.append(
      section("The bot", this.bot, this.complaint, h("div", { class: "row" }, this.kill, this.start, this.silent),
        h("p", { class: "about" }, "Killed by SIGKILL, in the middle of whatever it does. A silent line is half-open: Slack sends into it, nothing arrives, until the bot finds out.")),
      section("Slack and Tyk", [...this.toggles.values()].map((one) => one.row)),
      this.roster.section,
      section("Time", this.clock, h("div", { class: "row" }, times.map(([label, seconds]) => this.button(label, "pass", { seconds }))),
        h("p", { class: "about" }, "For Slack, Tyk and the bot at once: requests and tokens expire, and messages with tokens are deleted.")));
  }

  button(label, name, told = {}, look = "plain") {
    const node = h("button", { type: "button", class: look }, label);
    node.addEventListener("click", () => this.turn(node, name, told));
    return node;
  }

  toggle(name, title, about) {
    const node = h("button", { type: "button", role: "switch", class: "switch", "aria-checked": "false", "aria-label": title, "aria-describedby": `about-${name}` });
    node.addEventListener("click", () => this.turn(node, name, { on: node.getAttribute("aria-checked") !== "true" }));
    return { node, row: h("div", { class: "toggle" }, h("div", {}, h("b", {}, title), h("p", { class: "about", id: `about-${name}` }, about)), node) };
  }

  async turn(node, name, told) {
    if (node.getAttribute("aria-busy") === "true") return;
    node.setAttribute("aria-busy", "true");
    const answer = await this.post(`/switch/${name}`, told);
    node.removeAttribute("aria-busy");
    if (!answer.ok) this.complain(answer.why);
  }

  complain(text) {
    this.complaint.hidden = !text;
    this.complaint.textContent = text ?? "";
  }

  show(state) {
    const sockets = state.connections === 1 ? "1 connection" : `${state.connections} connections`;
    const said = { running: LINES[state.line] ?? `Running, ${sockets} to Slack.`, starting: "Starting…", dead: "Dead. Slack has nobody to send to." };
    this.bot.textContent = said[state.bot];
    this.bot.className = `standing ${isWell(state) || state.bot === "starting" ? "" : "dead"}`;
    this.complain(state.complaint);
    this.kill.disabled = state.bot !== "running";
    this.start.disabled = state.bot !== "dead";
    this.silent.disabled = state.bot !== "running" || !state.connections;
    for (const [name, { node }] of this.toggles) node.setAttribute("aria-checked", String(state[name]));
    this.clock.textContent = `${clock.short(clock.now())}${state.ahead ? `, ${spelled(state.ahead)} ahead` : ""}`;
  }
}

const LINES = {
  closed: "Running, but not connected to Slack.",
  silent: "Running, but its line is silent: what Slack sends does not arrive.",
  unanswered: "Connected, but it does not answer: the last thing that Slack sent was not acknowledged.",
};

const SHORT = { closed: "Bot not connected", silent: "Bot: line silent", unanswered: "Bot not answering", open: "Bot running" };

export const isWell = (state) => state.bot === "running" && state.line === "open";

// The bot in two or three words.
export function standing(state) {
  return { running: SHORT[state.line], starting: "Bot starting…", dead: "Bot dead" }[state.bot];
}

const section = (title, ...content) => h("section", { class: "switches" }, h("h3", {}, title), content);

export function spelled(seconds) {
  const [days, hours] = [Math.floor(seconds / 86400), Math.floor((seconds % 86400) / 3600)];
  return [days && `${days} d`, hours && `${hours} h`].filter(Boolean).join(" ") || `${seconds} s`;
}
