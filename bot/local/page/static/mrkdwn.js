// Slack's mrkdwn and plain text as nodes. `names` are the workspace's users, groups and channels, and who reads.

import * as clock from "./clock.js";
import { h } from "./dom.js";
import { emoji } from "./emoji.js";

const INLINE = new RegExp(
  [
    "```\\n?(?<block>[\\s\\S]+?)\\n?```",
    "`(?<code>[^`\\n]+)`",
    "<(?<angled>[^<>\\n]+)>",
    "(?<![\\p{L}\\p{N}])\\*(?<bold>\\S|\\S[^\\n]*?\\S)\\*(?![\\p{L}\\p{N}])",
    "(?<![\\p{L}\\p{N}])_(?<italic>[^\\s_]|[^\\s_][^\\n]*?\\S)_(?![\\p{L}\\p{N}_])",
    "(?<![\\p{L}\\p{N}])~(?<struck>[^\\s~]|[^\\s~][^\\n]*?\\S)~(?![\\p{L}\\p{N}~])",
    "(?<![\\p{L}\\p{N}]):(?<emoji>[a-z0-9_+'-]+):",
    "(?<url>https?://[^\\s<>|]+[^\\s<>|.,;:!?'\")\\]])",
  ].join("|"),
  "gu",
);
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">" };
const decoded = (text) => text.replace(/&(?:amp|lt|gt);/g, (entity) => ENTITIES[entity]);

export function mrkdwn(text, names, { verbatim = false } = {}) {
  const parts = [];
  let quote = null;
  for (const part of lines(text)) {
    if (part.quoted) {
      if (!quote) parts.push((quote = h("blockquote")));
      else quote.append(h("br"));
      quote.append(...inline(part.text, names, verbatim));
    } else {
      if (parts.length && !quote) parts.push(h("br"));
      quote = null;
      parts.push(...inline(part.text, names, verbatim));
    }
  }
  return parts;
}

export const plain = (text, { emojis = true } = {}) =>
  emojis ? text.replace(/:([a-z0-9_+'-]+):/g, (whole, code) => emoji(code) ?? whole) : text;

// A text object of Block Kit.
export const textObject = (object, names) =>
  object.type === "mrkdwn"
    ? mrkdwn(object.text, names, { verbatim: object.verbatim })
    : broken(plain(object.text, { emojis: object.emoji !== false }));

const broken = (text) => text.split("\n").flatMap((line, index) => (index ? [h("br"), line] : [line]));

// Lines, a preformatted block counting as part of one; those that begin with > are quotes.
function lines(text) {
  const found = [];
  for (const line of text.split(/\n(?=(?:[^`]|`(?!``)|```[\s\S]*?```)*$)/)) {
    const quoted = /^(?:&gt;|>) ?/.exec(line);
    found.push({ quoted: Boolean(quoted), text: quoted ? line.slice(quoted[0].length) : line });
  }
  return found;
}

function inline(text, names, verbatim) {
  const nodes = [];
  let last = 0;
  for (const match of text.matchAll(INLINE)) {
    const node = formatted(match.groups, match[0], names, verbatim, match.index === 0);
    if (node === null) continue;
    if (match.index > last) nodes.push(decoded(text.slice(last, match.index)));
    nodes.push(node);
    last = match.index + match[0].length;
  }
  if (last < text.length) nodes.push(decoded(text.slice(last)));
  return nodes;
}

function formatted(found, whole, names, verbatim, isFirst) {
  if (found.block !== undefined) return h("pre", {}, decoded(found.block));
  if (found.code !== undefined) return h("code", {}, decoded(found.code));
  if (found.angled !== undefined) return angled(found.angled, names, isFirst);
  if (found.bold !== undefined) return h("strong", {}, inline(found.bold, names, verbatim));
  if (found.italic !== undefined) return h("em", {}, inline(found.italic, names, verbatim));
  if (found.struck !== undefined) return h("s", {}, inline(found.struck, names, verbatim));
  if (found.emoji !== undefined) return emoji(found.emoji);
  return verbatim ? null : link(decoded(whole), decoded(whole));
}

// What stands in < >: a mention, a special word, a date, a link.
function angled(inner, names, isFirst) {
  const bar = inner.indexOf("|");
  const target = bar < 0 ? inner : inner.slice(0, bar);
  const label = bar < 0 ? null : decoded(inner.slice(bar + 1));
  if (target.startsWith("@")) return userMention(target.slice(1), names, label);
  if (target.startsWith("#")) return channelMention(target.slice(1), names, label);
  if (target.startsWith("!subteam^")) return groupMention(target.slice(9), names, label);
  if (target.startsWith("!date^")) return dateOf(target.slice(6), label, isFirst);
  if (target.startsWith("!")) return h("span", { class: "mention me" }, `@${label ?? target.slice(1)}`);
  return link(decoded(target), label ?? decoded(target));
}

export function link(address, label) {
  if (!/^(https?:|mailto:)/.test(address)) return h("span", {}, label);
  return h("a", { href: address, target: "_blank", rel: "noreferrer noopener" }, label);
}

export function userMention(id, names, label) {
  const known = names.users[id];
  return h("span", { class: id === names.me.id ? "mention me" : "mention" }, `@${known?.real_name ?? label ?? id}`);
}

export function groupMention(id, names, label) {
  const handle = names.groups[id] ?? label?.replace(/^@/, "") ?? id;
  return h("span", { class: names.me.groups.includes(handle) ? "mention me" : "mention" }, `@${handle}`);
}

export function channelMention(id, names, label) {
  return h("span", { class: "mention", data: { room: id } }, `#${names.channels[id] ?? label ?? id}`);
}

export function dateOf(rest, label, isFirst = false) {
  const [seconds, format, address] = rest.split("^");
  if (!/^\d+$/.test(seconds) || !format) return label ?? rest;
  const at = Number(seconds);
  const words = clock.worded(at, format);
  const shown = h("time", { datetime: new Date(at * 1000).toISOString(), title: clock.full(at) },
    isFirst ? words[0].toUpperCase() + words.slice(1) : words);
  if (!address) return shown;
  const linked = link(address, "");
  linked.append(shown);
  return linked;
}
