// Block Kit's layout blocks.

import { h, icon, ICONS, newId } from "./dom.js";
import { element, image } from "./elements.js";
import { mrkdwn, plain, textObject } from "./mrkdwn.js";
import { richText } from "./richtext.js";
import { unknown } from "./unknown.js";

export function blockNode(block, surface) {
  const node = drawn(block, surface);
  node.classList.add("block");
  node.dataset.block = block.block_id ?? "";
  return node;
}

function drawn(block, surface) {
  const { names } = surface;
  switch (block.type) {
    case "header":
      return h("h3", { class: "header" }, plain(block.text.text, { emojis: block.text.emoji !== false }));
    case "section":
      return section(block, surface);
    case "context":
      return h("div", { class: "context" }, block.elements.map((one) => (one.type === "image" ? image(one) : h("span", {}, textObject(one, names)))));
    case "divider":
      return h("hr");
    case "actions":
      return h("div", { class: "actions" }, block.elements.map((one) => element(labelled({ block, element: one }), surface)).map(withLabel(block, names)));
    case "input":
      return input(block, surface);
    case "rich_text":
      return richText(block, names);
    case "markdown":
      return h("div", { class: "section" }, mrkdwn(block.text.replace(/\*\*(.+?)\*\*/g, "*$1*"), names));
    case "image":
      return h("figure", {}, block.title ? h("figcaption", {}, plain(block.title.text)) : null, image(block));
    default:
      return h("div", {}, unknown("block", block.type));
  }
}

// An element in a row of actions has no label of its own but its placeholder.
const labelled = (slot) => ({ ...slot, labelId: slot.element.type === "button" ? undefined : newId("label") });
const withLabel = (block) => (node, index) => {
  const one = block.elements[index];
  if (one.type === "button" || one.type === "overflow") return node;
  const labelId = node.querySelector("[aria-labelledby]")?.getAttribute("aria-labelledby") ?? node.getAttribute("aria-labelledby");
  return labelId ? h("span", {}, h("span", { id: labelId, class: "unseen" }, one.placeholder?.text ?? one.action_id), node) : node;
};

function section(block, surface) {
  const { names } = surface;
  const labelId = newId("label");
  const words = h("div", { class: "words", id: labelId },
    block.text ? h("div", {}, textObject(block.text, names)) : null,
    block.fields ? h("div", { class: "fields" }, block.fields.map((field) => h("div", {}, textObject(field, names)))) : null);
  const accessory = block.accessory ? h("div", { class: "accessory" }, element({ block, element: block.accessory, labelId }, surface)) : null;
  return h("div", { class: "section" }, words, accessory);
}

function input(block, surface) {
  const [labelId, hintId, errorId] = [newId("label"), newId("hint"), newId("error")];
  const error = surface.errors?.[block.block_id];
  const describedBy = [block.hint && hintId, error && errorId].filter(Boolean).join(" ") || undefined;
  const field = element({ block, element: block.element, labelId, describedBy }, surface);
  const typed = field.matches(".field") ? field : field.querySelector(".field");
  if (typed) typed.id = newId("field");
  const node = h("div", { class: error ? "input invalid" : "input" },
    h(typed ? "label" : "div", { class: "label", id: labelId, for: typed?.id }, plain(block.label.text), block.optional ? h("span", { class: "optional" }, " (optional)") : null),
    field,
    block.hint ? h("div", { class: "hint", id: hintId }, plain(block.hint.text)) : null,
    error ? h("div", { class: "error", id: errorId, role: "alert" }, icon(ICONS.warn), plain(error)) : null);
  if (error) for (const one of node.querySelectorAll("input, textarea")) one.setAttribute("aria-invalid", "true");
  return node;
}

// The interactive elements of a block, as `elements.js` wants them.
export function slotsOf(block) {
  if (block.type === "input") return [{ block, element: block.element }];
  if (block.type === "section" && block.accessory) return [{ block, element: block.accessory }];
  return block.type === "actions" ? block.elements.map((element) => ({ block, element })) : [];
}

// What Slack holds of a slot, as the page holds it: options by value. The options go into `known`.
export function heldValue(held, known) {
  if (!held) return null;
  const key = Object.keys(held).find((name) => name !== "type");
  const value = held[key];
  const bare = (one) => {
    if (one === null || typeof one !== "object") return one;
    known.set(one.value, { value: one.value, text: plain(one.text.text), description: one.description?.text });
    return one.value;
  };
  return Array.isArray(value) ? value.map(bare) : bare(value ?? null);
}
