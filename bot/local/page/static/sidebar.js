// The channels of the person one is, and what is unread in them; and the people one can be.

import { h, icon, ICONS, same } from "./dom.js";
import { avatar } from "./room.js";

// What each person has read in this window: channel -> ts of the newest seen message, and how many rings were seen.
export class Reading {
  constructor() {
    this.seen = new Map();
    this.rings = new Map();
  }

  newest(me, room) {
    return this.seen.get(`${me} ${room}`) ?? "0";
  }

  read(me, room, ts) {
    if (Number(ts) > Number(this.newest(me, room))) this.seen.set(`${me} ${room}`, ts);
  }

  unread(me, room, messages) {
    const newest = Number(this.newest(me.id, room.id));
    const fresh = messages.filter((message) => Number(message.ts) > newest && message.user !== me.id);
    return { some: fresh.length > 0, rings: room.rung.filter((ts) => Number(ts) > newest).length };
  }

  // Whether somebody has anything unread, in whatever conversation.
  anything(person) {
    return Object.entries(person.latest).some(([room, ts]) => Number(ts) > Number(this.newest(person.id, room)));
  }
}

export function rooms(list, { all, current, me, reading, messages, choose }) {
  const row = (room) => {
    const { some, rings } = reading.unread(me, room, messages(room.id));
    const isCurrent = room.id === current;
    return kept(list, { room: room.id }, {
      look: some && !isCurrent ? "room unread" : "room", current: isCurrent ? "page" : null, choose,
      content: [room.name, room.is_im, room.is_shared, isCurrent ? 0 : rings, some && !isCurrent],
      draw: ([name, isIm, isShared, unseen, isSome]) => [
        h("span", { class: "sign", "aria-hidden": "true" }, isIm ? icon(ICONS.key) : "#"), h("span", { class: "name" }, name),
        isShared ? h("span", { class: "tag" }, "shared") : null,
        unseen ? h("span", { class: "badge", title: `${unseen} unread for you` }, unseen, h("span", { class: "unseen" }, " unread for you")) : null,
        isSome && !unseen ? h("span", { class: "mark" }, h("span", { class: "unseen" }, "unread")) : null],
    });
  };
  const parts = { Channels: all.filter((room) => !room.is_im), Apps: all.filter((room) => room.is_im) };
  if (!list.children.length) {
    list.append(...Object.keys(parts).map((title) => h("section", { "aria-label": title }, h("h2", {}, title), h("ul"))));
  }
  Object.values(parts).forEach((some, index) => {
    list.children[index].hidden = !some.length;
    place(list.children[index].lastChild, some.map(row));
  });
}

export function people(list, { all, current, reading, choose }) {
  place(list, all.map((person) => {
    const isOther = person.name !== current && person.kind !== "deactivated";
    const unseen = isOther ? Math.max(0, person.rings - (reading.rings.get(person.name) ?? 0)) : 0;
    const isUnread = isOther && !unseen && reading.anything(person);
    return kept(list, { person: person.name }, {
      look: person.kind === "deactivated" ? "person gone" : "person", current: person.name === current ? "true" : null, choose,
      title: `${person.real_name}, ${person.kind}${person.groups.length ? `, in ${person.groups.map((group) => `@${group}`).join(", ")}` : ""}`,
      content: [person.real_name, person.about, unseen, isUnread],
      draw: ([name, about, count, isSome]) => [
        avatar(person), h("span", { class: "who" }, h("b", {}, name.split(" ")[0]), h("small", {}, about)),
        count ? h("span", { class: "badge", title: `${count} new for ${name}` }, count, h("span", { class: "unseen" }, " new")) : null,
        isSome ? h("span", { class: "mark", title: `Something unread for ${name}` }, h("span", { class: "unseen" }, "unread")) : null],
    });
  }));
}

// --- rows that stay ---

const rows = new WeakMap();

// The row of before, brought up to date in place: a button that is replaced while it is pressed is never clicked.
function kept(list, name, { look, current, title = "", content, draw, choose }) {
  const [key] = Object.values(name);
  if (!rows.has(list)) rows.set(list, new Map());
  const known = rows.get(list);
  if (!known.has(key)) {
    const button = h("button", { type: "button", data: name, on: { click: () => choose(key) } });
    known.set(key, { row: h("li", {}, button), button, content: null });
  }
  const one = known.get(key);
  one.button.className = look;
  one.button.title = title;
  if (current) one.button.setAttribute("aria-current", current);
  else one.button.removeAttribute("aria-current");
  if (!same(one.content, content)) {
    one.content = content;
    one.button.replaceChildren(...draw(content).filter(Boolean));
  }
  return one.row;
}

function place(list, wanted) {
  wanted.forEach((row, index) => {
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
  while (list.children.length > wanted.length) list.lastChild.remove();
}
