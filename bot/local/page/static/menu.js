// A button that opens a menu of entries, each a word and what it does.

import { h, icon, newId } from "./dom.js";

export function menu(label, drawing, entries, { more = {}, look = "bare" } = {}) {
  const menuId = newId("menu");
  const list = h("div", { class: "options", role: "menu", id: menuId, popover: "auto", "aria-label": label });
  const opener = h("button", {
    type: "button", class: look, "aria-haspopup": "menu", "aria-label": label, title: label, popovertarget: menuId, ...more,
  }, icon(drawing));
  list.append(...entries.map(([name, choose]) =>
    h("button", { type: "button", role: "menuitem", class: "option", on: { click: () => (list.hidePopover(), opener.focus(), choose()) } }, name)));
  list.addEventListener("toggle", () => {
    const room = opener.getBoundingClientRect();
    list.style.left = `${Math.max(8, Math.min(room.left, window.innerWidth - list.offsetWidth - 8))}px`;
    list.style.top = room.bottom + list.offsetHeight + 8 < window.innerHeight ? `${room.bottom + 4}px` : `${room.top - list.offsetHeight - 4}px`;
    if (list.matches(":popover-open")) list.querySelector("button")?.focus({ preventScroll: true });
  });
  return [opener, list];
}
