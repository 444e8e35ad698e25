// A conversation: its messages, threads under their first message, edits in place, what is new.

import { blockNode, heldValue, slotsOf } from "./blocks.js";
import * as clock from "./clock.js";
import { h, icon, ICONS, same } from "./dom.js";
import { menu } from "./menu.js";
import { mrkdwn } from "./mrkdwn.js";

const TOGETHER = 300; // seconds within which a second message of the same author needs no name

export class Room {
  // `newer` is the button that leads to what came while the reader was further up, `atEnd()` hears that they are at the end;
  // `shortcuts()` are the entries of a message's menu, by name.
  constructor(log, newer, post, names, { shortcuts, atEnd }) {
    this.log = log;
    this.newer = newer;
    this.shortcuts = shortcuts;
    this.post = post;
    this.names = names;
    this.room = null;
    this.nodes = new Map();
    this.isPinned = true;
    this.target = null; // of the button that leads to what is new, where that is not the end
    log.addEventListener("scroll", () => {
      this.isPinned = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
      if (newer.hidden || !(this.target ? this.isSeen(this.target) : this.isPinned)) return;
      newer.hidden = true;
      atEnd();
    });
    newer.addEventListener("click", () => {
      log.focus({ preventScroll: true });
      if (this.target) this.target.scrollIntoView({ block: "center" });
      else this.toEnd();
    });
    new ResizeObserver(() => this.isPinned && this.toEnd()).observe(log);
  }

  show(room, messages) {
    if (room.id !== this.room?.id || this.reader !== this.names().me.id) {
      this.nodes.clear();
      this.log.replaceChildren();
      this.isPinned = true;
      this.newer.hidden = true;
      this.newest = 0;
    }
    this.room = room;
    this.reader = this.names().me.id;
    const focused = this.log.contains(document.activeElement) ? document.activeElement : null;
    const [key, ts] = [focused?.dataset.key, focused?.closest("article")?.dataset.ts];
    this.place(this.wanted(messages));
    if (focused && !focused.isConnected) this.refocus(key, ts);
    if (this.isPinned) this.toEnd();
    this.mark(messages.filter((one) => one.user !== this.reader && Number(one.ts) > this.newest));
  }

  // What is new is in sight at the end; where it is not, as in a thread further up, the button leads there.
  mark(fresh) {
    const isOpening = this.newest === 0;
    this.newest = Math.max(this.newest, 1, ...fresh.map((one) => Number(one.ts)));
    if (isOpening || !fresh.length) return;
    const reply = this.log.querySelector(`.thread [data-ts="${fresh.at(-1).ts}"]`);
    this.target = reply && !this.isSeen(reply) ? reply : null;
    if (this.target || !this.isPinned) this.newer.hidden = false;
  }

  isSeen(node) {
    const [box, window] = [node.getBoundingClientRect(), this.log.getBoundingClientRect()];
    return box.bottom > window.top && box.top < window.bottom;
  }

  toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  refocus(key, ts) {
    const node = this.nodes.get(ts)?.node;
    const again = node && [...node.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    (again ?? node ?? this.log).focus();
  }

  // --- which nodes, in which order ---

  wanted(messages) {
    if (!messages.length) return [this.node("empty", this.room.name, () => this.empty())];
    const firsts = messages.filter((message) => !message.is_reply || !messages.some((one) => one.ts === message.thread_ts));
    const nodes = [];
    let before = null;
    for (const message of firsts) {
      const at = Number(message.ts);
      const day = clock.day(at);
      if (!before || clock.day(Number(before.ts)) !== day) {
        nodes.push(this.node(`day ${day}`, day, () => h("div", { class: "day" }, h("span", {}, day))));
        before = null;
      }
      const follows = before && before.user === message.user && !message.is_app && !message.is_ephemeral && at - Number(before.ts) < TOGETHER && !before.has_thread;
      const replies = messages.filter((one) => one.is_reply && one.thread_ts === message.ts);
      nodes.push(this.node(message.ts, [message, replies, Boolean(follows), clock.day(at)], () => this.message(message, replies, follows), message));
      before = { ...message, has_thread: replies.length > 0 };
    }
    return nodes;
  }

  // The node of before, where nothing about it has changed.
  node(id, sign, make, message) {
    const had = this.nodes.get(id);
    if (had && same(had.sign, sign)) return had.node;
    const node = make();
    if (had && message && !same(had.content, contentOf(message))) node.classList.add("changed");
    this.nodes.set(id, { sign, node, content: message && contentOf(message) });
    return node;
  }

  place(wanted) {
    const keep = new Set(wanted);
    for (const [id, { node }] of this.nodes) if (!keep.has(node)) this.nodes.delete(id);
    wanted.forEach((node, index) => {
      if (this.log.children[index] !== node) this.log.insertBefore(node, this.log.children[index] ?? null);
    });
    while (this.log.children.length > wanted.length) this.log.lastChild.remove();
  }

  // --- one message ---

  empty() {
    const { me } = this.names();
    const said = this.room.is_im
      ? `This is the conversation between ${me.real_name} and ${this.room.name}. Only the two of them see it.`
      : `Nothing has been written in #${this.room.name} yet.`;
    const command = this.names().commands[0];
    const here = this.room.is_read_only ? "in any channel" : "below";
    const hint = command && me.is_ours ? `Type ${command} ${here} to request a token.` : "";
    return h("div", { class: "empty" }, h("p", {}, said), h("p", {}, hint));
  }

  message(message, replies, follows) {
    const author = this.names().users[message.user] ?? { name: message.user, real_name: message.user };
    const at = Number(message.ts);
    const head = h("header", {},
      h("b", {}, author.real_name), message.is_app || message.user === "USLACKBOT" ? h("span", { class: "app" }, "APP") : null,
      h("time", { datetime: new Date(at * 1000).toISOString(), title: clock.full(at) }, clock.time(at)),
      message.edited ? h("span", { class: "edited", title: `Edited at ${clock.full(Number(message.edited.ts))}` }, "(edited)") : null);
    return h("article", {
      class: ["message", message.is_ephemeral && "ephemeral", follows && "follows", this.mentions(message) && "for-me"].filter(Boolean).join(" "),
      tabindex: "-1", data: { ts: message.ts }, "aria-label": `${author.real_name}, ${clock.time(at)}`,
    }, avatar(author), h("div", { class: "said" },
      message.is_ephemeral ? h("p", { class: "only-you" }, "Only visible to you") : null,
      follows ? h("header", { class: "unseen" }, author.real_name) : head,
      this.body(message), this.thread(replies)), this.menu(message));
  }

  menu(message) {
    const names = message.is_ephemeral ? [] : this.shortcuts();
    if (!names.length) return null;
    const used = (name) => [name, () => this.post("shortcut", { name, room: this.room.id, ts: message.ts })];
    return h("div", { class: "message-menu" }, menu("More actions", ICONS.more, names.map(used), { more: { data: { key: "menu" } } }));
  }

  body(message) {
    const surface = this.surface(message);
    if (message.blocks?.length) return h("div", { class: "content" }, message.blocks.map((block) => blockNode(block, surface)), this.attachments(message, surface));
    return h("div", { class: "content" }, h("div", { class: "text" }, mrkdwn(message.text, this.names())), this.attachments(message, surface));
  }

  attachments(message, surface) {
    return (message.attachments ?? []).map((one) =>
      h("div", { class: "attachment" },
        one.pretext ? h("div", {}, mrkdwn(one.pretext, this.names())) : null,
        one.title ? h("b", {}, one.title) : null,
        one.blocks ? one.blocks.map((block) => blockNode(block, surface)) : h("div", {}, mrkdwn(one.text ?? one.fallback ?? "", this.names()))));
  }

  thread(replies) {
    if (!replies.length) return null;
    const said = replies.length === 1 ? "1 reply" : `${replies.length} replies`;
    return h("div", { class: "thread", role: "group", "aria-label": said }, h("p", { class: "count" }, said), replies.map((reply) => this.message(reply, [], false)));
  }

  surface(message) {
    const known = new Map();
    const values = new Map();
    const id = (slot) => `${slot.block.block_id}/${slot.element.action_id}`;
    for (const slot of (message.blocks ?? []).flatMap(slotsOf)) {
      const held = message.state?.[slot.block.block_id]?.[slot.element.action_id];
      values.set(id(slot), held ? heldValue(held, known) : initial(slot, known));
    }
    return {
      isModal: false, names: this.names(), known,
      read: (slot) => values.get(id(slot)) ?? null,
      write: (slot, value) => values.set(id(slot), value),
      act: (name, slot, more) => this.post(name, { room: this.room.id, ts: message.ts, block: slot.block.block_id, action: slot.element.action_id, ...more }),
    };
  }

  mentions(message) {
    return this.room.rung.includes(message.ts) && !this.room.is_im;
  }
}

const contentOf = (message) => [message.text, message.blocks];

function initial(slot, known) {
  const { element } = slot;
  const held = Object.entries(element).find(([name]) => name.startsWith("initial_"));
  return held ? heldValue({ value: held[1] }, known) : null;
}

export function avatar(person) {
  const initials = person.is_bot ? icon(ICONS.key) : person.real_name.split(/\s+/).map((word) => word[0]).join("").slice(0, 2).toUpperCase();
  const hue = [...person.name].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 360, 7);
  const node = h("span", { class: person.is_bot ? "avatar bot" : "avatar", "aria-hidden": "true" }, initials);
  node.style.setProperty("--hue", hue);
  return node;
}
