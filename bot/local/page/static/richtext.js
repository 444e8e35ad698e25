// Slack's rich_text blocks.

import { h } from "./dom.js";
import { emoji } from "./emoji.js";
import { channelMention, dateOf, groupMention, link, userMention } from "./mrkdwn.js";
import { unknown } from "./unknown.js";

export function richText(block, names) {
  return h("div", { class: "rich" }, block.elements.map((element) => part(element, names)));
}

function part(element, names) {
  const inner = () => element.elements.map((leaf) => leafOf(leaf, names));
  switch (element.type) {
    case "rich_text_section":
      return h("p", {}, inner());
    case "rich_text_preformatted":
      return h("pre", { tabindex: "0" }, element.elements.map((leaf) => leaf.text ?? leaf.url ?? ""));
    case "rich_text_quote":
      return h("blockquote", {}, inner());
    case "rich_text_list": {
      const items = element.elements.map((item) => h("li", {}, item.elements.map((leaf) => leafOf(leaf, names))));
      const list = h(element.style === "ordered" ? "ol" : "ul", { class: `indent-${element.indent ?? 0}` }, items);
      if (element.offset) list.start = element.offset + 1;
      return list;
    }
    default:
      return unknown("rich text", element.type);
  }
}

function leafOf(leaf, names) {
  return styled(bare(leaf, names), leaf.style);
}

function bare(leaf, names) {
  switch (leaf.type) {
    case "text":
      return leaf.text.split("\n").flatMap((line, index) => (index ? [h("br"), line] : [line]));
    case "link":
      return link(leaf.url, leaf.text ?? leaf.url);
    case "user":
      return userMention(leaf.user_id, names);
    case "usergroup":
      return groupMention(leaf.usergroup_id, names);
    case "channel":
      return channelMention(leaf.channel_id, names);
    case "emoji":
      return emoji(leaf.name) ?? `:${leaf.name}:`;
    case "broadcast":
      return h("span", { class: "mention me" }, `@${leaf.range}`);
    case "date":
      return dateOf(`${leaf.timestamp}^${leaf.format}${leaf.url ? `^${leaf.url}` : ""}`, leaf.fallback);
    case "color":
      return h("code", {}, leaf.value);
    default:
      return unknown("rich text", leaf.type);
  }
}

function styled(content, style = {}) {
  let node = content;
  for (const [name, tag] of Object.entries({ code: "code", strike: "s", italic: "em", bold: "strong" })) {
    if (style[name]) node = h(tag, {}, node);
  }
  return node;
}
