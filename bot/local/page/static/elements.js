// Block Kit's elements: buttons, choices, inputs. A surface is what they stand on: a modal, a message, the Home tab.
//
// surface.read(slot) / surface.write(slot, value): what is chosen or typed; options by their values
// surface.act(name, slot, more): tells the app; resolves to its answer
// surface.known: options by value, so that a chosen one can be shown by its name
// surface.names: users, groups, channels, and who reads

import { confirmed } from "./confirm.js";
import { h, icon, ICONS, newId } from "./dom.js";
import { plain, textObject } from "./mrkdwn.js";
import { matching, select } from "./select.js";
import { unknown } from "./unknown.js";

const DATE_INPUTS = { datepicker: "date", timepicker: "time", datetimepicker: "datetime-local" };
const TEXT_INPUTS = { plain_text_input: "text", email_text_input: "email", url_text_input: "url", number_input: "text", rich_text_input: "text" };

export function element(slot, surface) {
  const type = slot.element.type;
  if (type === "button" || type === "workflow_button") return button(slot, surface);
  if (type === "overflow") return overflow(slot, surface);
  if (type === "radio_buttons" || type === "checkboxes") return ticks(slot, surface);
  if (type in TEXT_INPUTS) return text(slot, surface);
  if (type in DATE_INPUTS) return moment(slot, surface);
  if (type === "image") return image(slot.element);
  if (/(static|external|users|channels|conversations)_select$/.test(type)) return choice(slot, surface);
  return unknown("element", type);
}

export const image = (element) =>
  element.image_url ? h("img", { src: element.image_url, alt: element.alt_text, loading: "lazy" }) : unknown("element", "image of a Slack file");

export const keyOf = (slot) => `${slot.block.block_id}/${slot.element.action_id}`;

// --- buttons ---

function button(slot, surface) {
  const { element } = slot;
  const node = h("button", {
    type: "button", class: element.style ?? "plain", "aria-label": element.accessibility_label, data: { key: keyOf(slot) },
  }, plain(element.text.text, { emojis: element.text.emoji !== false }));
  if (element.accessibility_label) node.title = element.accessibility_label;
  node.addEventListener("click", async () => {
    if (!(await confirmed(element.confirm, surface.names))) return;
    if (element.url) window.open(element.url, "_blank", "noreferrer");
    await pressed(node, () => surface.act("click", slot));
  });
  return node;
}

// While it is on its way the button says so; what went wrong stands beside it.
async function pressed(node, act) {
  if (node.getAttribute("aria-busy") === "true") return;
  node.setAttribute("aria-busy", "true");
  node.parentElement?.querySelector(":scope > .failed")?.remove();
  const answer = await act();
  node.removeAttribute("aria-busy");
  const why = answer.ok ? answer.error && `The app did not respond (${answer.error}).` : answer.why;
  if (why && node.isConnected) node.parentElement.append(h("span", { class: "failed", role: "alert" }, icon(ICONS.warn), why));
}

function overflow(slot, surface) {
  const menuId = newId("menu");
  const menu = h("div", { class: "options", role: "menu", id: menuId, popover: "auto" });
  const opener = h("button", {
    type: "button", class: "plain", "aria-haspopup": "menu", "aria-label": "More", popovertarget: menuId, data: { key: keyOf(slot) },
  }, "⋯");
  for (const option of slot.element.options) {
    menu.append(h("button", {
      type: "button", role: "menuitem", class: "option",
      on: { click: async () => {
        menu.hidePopover();
        if (await confirmed(slot.element.confirm, surface.names)) await pressed(opener, () => surface.act("pick", slot, { value: option.value }));
      } },
    }, plain(option.text.text)));
  }
  menu.addEventListener("toggle", () => {
    const room = opener.getBoundingClientRect();
    menu.style.left = `${Math.min(room.left, window.innerWidth - 240)}px`;
    menu.style.top = `${room.bottom + 4}px`;
    menu.querySelector("button")?.focus({ preventScroll: true });
  });
  return h("span", { class: "overflow" }, opener, menu);
}

// --- choices ---

// What was chosen is written; where the app wants to hear of it at once, it does.
async function chose(slot, surface, value, { undo } = {}) {
  const tells = slot.block.type !== "input" || slot.block.dispatch_action;
  if (tells && !(await confirmed(slot.element.confirm, surface.names))) return undo?.();
  surface.write(slot, value);
  if (tells) await surface.act("pick", slot, { value });
  return undefined;
}

function choice(slot, surface) {
  const { element } = slot;
  const several = element.type.startsWith("multi_");
  const kind = element.type.replace(/^multi_/, "").replace(/_select$/, "");
  const all = kind === "static" ? optionsOf(element) : peopleOrRooms(kind, surface.names);
  for (const option of all) surface.known.set(option.value, option);
  const value = surface.read(slot);
  const chosen = (several ? value ?? [] : value ? [value] : []).map((one) => surface.known.get(one) ?? { value: one, text: one });
  const offers = kind === "external" ? searching(slot, surface) : (query) => matching(all, query);
  return select({
    labelledby: slot.labelId, describedby: slot.describedBy, placeholder: element.placeholder?.text ?? "Choose an option",
    offers, chosen, several, most: element.max_selected_items, clearable: slot.block.optional, key: keyOf(slot),
    onChange: (found) => {
      const options = several ? found : found ? [found] : [];
      for (const option of options) surface.known.set(option.value, option);
      chose(slot, surface, several ? options.map((option) => option.value) : found?.value ?? null);
    },
  });
}

function searching(slot, surface) {
  const least = slot.element.min_query_length ?? 3;
  return async (query) => {
    if (query.length < least) return [];
    const answer = await surface.act("search", slot, { query });
    return optionsOf(answer);
  };
}

const optionOf = (option, group) => ({
  value: option.value, text: plain(option.text.text), description: option.description?.text, group: typeof group === "string" ? group : undefined,
});

export function optionsOf(element) {
  const groups = element.option_groups ?? [];
  return [
    ...(element.options ?? []).map((option) => optionOf(option)),
    ...groups.flatMap((group) => group.options.map((option) => optionOf(option, group.label.text))),
  ];
}

function peopleOrRooms(kind, names) {
  if (kind === "users") {
    return Object.entries(names.users).filter(([id, user]) => !user.is_bot && id !== "USLACKBOT").map(([id, user]) => ({ value: id, text: user.real_name, description: user.name }));
  }
  return Object.entries(names.channels).map(([id, name]) => ({ value: id, text: `#${name}` }));
}

function ticks(slot, surface) {
  const { element } = slot;
  const several = element.type === "checkboxes";
  const name = newId("choice");
  const value = surface.read(slot);
  const rows = element.options.map((option) => {
    const isOn = several ? (value ?? []).includes(option.value) : value === option.value;
    const input = h("input", { type: several ? "checkbox" : "radio", name, value: option.value, checked: isOn, data: { key: `${keyOf(slot)}/${option.value}` } });
    return h("label", { class: "tick" }, input, h("span", {}, textObject(option.text, surface.names),
      option.description ? h("small", {}, textObject(option.description, surface.names)) : null));
  });
  const group = h("div", { class: "ticks", role: several ? "group" : "radiogroup", "aria-labelledby": slot.labelId, "aria-describedby": slot.describedBy }, rows);
  group.addEventListener("change", () => {
    const on = [...group.querySelectorAll("input:checked")].map((input) => input.value);
    chose(slot, surface, several ? on : on[0] ?? null);
  });
  return group;
}

// --- inputs ---

function text(slot, surface) {
  const { element } = slot;
  const lines = element.multiline || element.type === "rich_text_input";
  const input = h(lines ? "textarea" : "input", {
    class: "field", placeholder: element.placeholder?.text ?? "", "aria-labelledby": slot.labelId, "aria-describedby": slot.describedBy,
    "aria-required": slot.block.optional ? "false" : "true", data: { key: keyOf(slot) }, autocomplete: "off",
  });
  if (!lines) input.type = TEXT_INPUTS[element.type];
  if (lines) input.rows = 3;
  if (element.type === "number_input") input.inputMode = "decimal";
  input.value = surface.read(slot) ?? "";
  const counter = element.max_length ? h("span", { class: "counter", "aria-live": "off" }) : null;
  const count = () => {
    if (!counter) return;
    counter.textContent = `${input.value.length}/${element.max_length}`;
    counter.classList.toggle("over", input.value.length > element.max_length);
  };
  const triggers = element.dispatch_action_config?.trigger_actions_on ?? ["on_enter_pressed"];
  const tells = (trigger) => slot.block.dispatch_action && triggers.includes(trigger);
  input.addEventListener("input", () => {
    count();
    surface.write(slot, input.value || null);
    if (tells("on_character_entered")) surface.act("type", slot, { value: input.value });
  });
  input.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing && !lines && tells("on_enter_pressed")) {
      event.preventDefault();
      surface.act("type", slot, { value: input.value, enter: true });
    }
  });
  count();
  return h("div", { class: "typed" }, input, counter);
}

function moment(slot, surface) {
  const type = slot.element.type;
  const input = h("input", { class: "field", type: DATE_INPUTS[type], "aria-labelledby": slot.labelId, "aria-describedby": slot.describedBy, data: { key: keyOf(slot) } });
  const value = surface.read(slot);
  if (value) input.value = type === "datetimepicker" ? localMinute(value) : value;
  input.addEventListener("change", () => {
    const typed = type === "datetimepicker" ? Math.floor(new Date(input.value).getTime() / 1000) : input.value;
    chose(slot, surface, typed || null);
  });
  return input;
}

function localMinute(seconds) {
  const at = new Date(seconds * 1000);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}
