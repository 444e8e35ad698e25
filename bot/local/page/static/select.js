// A choice among options that one types into: a combobox with a list below. One value, or several as chips.

import { h, icon, ICONS, newId } from "./dom.js";

const SHOWN = 100;
const PATIENCE = 120;

// `offers(query)` gives [{ value, text, description, group }], at once or as a promise; `chosen` are such options.
export function select({ labelledby, describedby, placeholder, offers, chosen, several, most, clearable, onChange, key }) {
  let picked = [...chosen];
  let shown = [];
  let active = -1;
  let asked = 0;
  let timer = null;
  const listId = newId("list");
  const chips = h("span", { class: "chips" });
  const input = h("input", {
    class: "field", role: "combobox", type: "text", autocomplete: "off", spellcheck: "false", placeholder: placeholder ?? "",
    "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": listId, "aria-haspopup": "listbox",
    "aria-labelledby": labelledby, "aria-describedby": describedby, data: { key },
  });
  const list = h("div", { class: "options", role: "listbox", id: listId, popover: "manual", "aria-labelledby": labelledby });
  const clear = h("button", { class: "clear", type: "button", "aria-label": "Clear", on: { click: () => choose([]) } }, icon(ICONS.close));
  const box = h("div", { class: several ? "combo several" : "combo" }, chips, input, clear, icon(ICONS.down), list);

  const isOpen = () => input.getAttribute("aria-expanded") === "true";

  function draw() {
    if (!several) input.value = picked[0]?.text ?? "";
    clear.hidden = !(clearable && !several && picked.length);
    chips.replaceChildren(...(several ? picked.map(chip) : []));
  }

  const chip = (option) =>
    h("span", { class: "chip" }, option.text,
      h("button", { type: "button", "aria-label": `Remove ${option.text}`, on: { click: () => choose(picked.filter((one) => one !== option)) } }, icon(ICONS.close)));

  function choose(options) {
    picked = options;
    close();
    draw();
    onChange(several ? picked : picked[0] ?? null);
  }

  function take(option) {
    if (!several) return choose([option]);
    const rest = picked.filter((one) => one.value !== option.value);
    if (rest.length < picked.length) return choose(rest);
    if (!most || picked.length < most) choose([...picked, option]);
    input.value = "";
    return undefined;
  }

  function place() {
    const room = box.getBoundingClientRect();
    const below = window.innerHeight - room.bottom;
    const above = below < 200 && room.top > below;
    list.style.left = `${room.left}px`;
    list.style.width = `${room.width}px`;
    list.style.maxHeight = `${Math.min(320, (above ? room.top : below) - 12)}px`;
    list.style.top = above ? "auto" : `${room.bottom + 4}px`;
    list.style.bottom = above ? `${window.innerHeight - room.top + 4}px` : "auto";
  }

  async function open(query = "") {
    if (!isOpen()) {
      input.setAttribute("aria-expanded", "true");
      list.showPopover();
      place();
    }
    const number = ++asked;
    const found = offers(query);
    if (found instanceof Promise) say("Looking…");
    try {
      const options = await found;
      if (number === asked && isOpen()) fill(options);
    } catch {
      if (number === asked && isOpen()) say("This could not be looked up. Try again.");
    }
  }

  const say = (text) => {
    shown = [];
    active = -1;
    input.removeAttribute("aria-activedescendant");
    list.replaceChildren(h("div", { class: "none", role: "option", "aria-disabled": "true", "aria-selected": "false" }, text));
  };

  function fill(options) {
    shown = options.slice(0, SHOWN);
    if (!shown.length) return say("No results");
    const groups = new Map();
    shown.forEach((option, index) => {
      if (!groups.has(option.group)) groups.set(option.group, []);
      groups.get(option.group).push(row(option, index));
    });
    list.replaceChildren(...[...groups].map(([name, rows]) => (name ? h("div", { role: "group", "aria-label": name }, h("div", { class: "group", "aria-hidden": "true" }, name), rows) : rows)).flat());
    const current = shown.findIndex((option) => picked.some((one) => one.value === option.value));
    return move(Math.max(0, current));
  }

  function row(option, index) {
    const isPicked = picked.some((one) => one.value === option.value);
    return h("div", {
      class: "option", role: "option", id: `${listId}-${index}`, "aria-selected": String(isPicked),
      on: { pointerdown: (event) => event.preventDefault(), click: () => take(option), pointermove: () => active !== index && move(index, false) },
    }, h("span", {}, option.text), option.description ? h("small", {}, option.description) : null);
  }

  function move(to, scrolls = true) {
    list.querySelector(".active")?.classList.remove("active");
    active = (to + shown.length) % shown.length;
    const one = list.querySelector(`#${listId}-${active}`);
    one?.classList.add("active");
    if (scrolls) one?.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", `${listId}-${active}`);
  }

  function close() {
    clearTimeout(timer);
    asked += 1;
    if (!isOpen()) return;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    list.hidePopover();
  }

  input.addEventListener("click", () => (isOpen() ? undefined : (input.select(), open())));
  input.addEventListener("input", () => {
    clearTimeout(timer);
    const query = input.value;
    if (!isOpen()) open(query);
    else timer = setTimeout(() => open(query), PATIENCE);
  });
  input.addEventListener("blur", () => {
    close();
    if (several) input.value = "";
    draw();
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!isOpen()) open();
      else if (shown.length) move(active + (event.key === "ArrowDown" ? 1 : -1));
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (!isOpen()) open();
      else if (shown[active]) take(shown[active]);
    } else if (event.key === "Escape" && isOpen()) {
      event.preventDefault();
      event.stopPropagation();
      close();
      draw();
    } else if (event.key === "Backspace" && several && !input.value && picked.length) {
      choose(picked.slice(0, -1));
    }
  });
  for (const [target, event] of [[window, "resize"], [document, "scroll"]]) {
    target.addEventListener(event, (happened) => isOpen() && !list.contains(happened.target) && (box.isConnected ? place() : close()), true);
  }
  draw();
  return box;
}

// Options whose words begin with what was typed come first, then those that hold it.
export function matching(options, query) {
  const wanted = query.trim().toLowerCase();
  if (!wanted) return options;
  const rank = (option) => {
    const text = option.text.toLowerCase();
    return text.startsWith(wanted) ? 0 : text.includes(wanted) ? 1 : 2;
  };
  return options.filter((option) => rank(option) < 2).sort((one, other) => rank(one) - rank(other));
}
