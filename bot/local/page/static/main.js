// The page: one person's Slack, and on request what happens underneath.

import { blockNode } from "./blocks.js";
import * as clock from "./clock.js";
import { Composer } from "./composer.js";
import { Keys } from "./keys.js";
import { Modal } from "./modal.js";
import { Room } from "./room.js";
import { Roster } from "./roster.js";
import { people, Reading, rooms } from "./sidebar.js";
import { Stream } from "./stream.js";
import { isWell, spelled, standing, Switches } from "./switches.js";
import { tabs } from "./tabs.js";
import { Timeline } from "./timeline.js";
import { Tour } from "./tour.js";

const $ = (id) => document.getElementById(id);
const NARROW = window.matchMedia("(max-width: 760px)");
const TOUCH = window.matchMedia("(pointer: coarse)"); // where a focused field brings up a keyboard over half the window
const address = new URL(window.location.href);
const reading = new Reading();
const chosen = new Map(); // person -> channel
const drafts = new Map(); // person and channel -> what stands in the composer
let reader = null;
let homeDrawn = null; // the hash of the Home that is drawn
let entered = null; // the tab of the app that this person looks at, of which the app is told once
let telling = 0;
let arrived = () => {};

const stream = new Stream(onChange, onLine);
const post = (path, told) => stream.post(path, told);
const act = (name, told) => stream.act(name, told);
const part = (name) => stream.parts[name];
const names = () => ({ ...part("directory"), me: part("me"), commands: Object.keys(part("commands")) });

const modal = new Modal(act, names);
const room = new Room($("log"), $("newer"), act, names, { shortcuts: () => part("app").shortcuts.message, atEnd: () => draw() });
const timeline = new Timeline($("timeline"));
const keys = new Keys($("keys"), post);
const roster = new Roster(post);
const switches = new Switches($("switches"), post, roster);
const composer = new Composer($("composer"), send, { commands: () => part("commands"), me: () => part("me"), use });
const tour = new Tour($("tour"), $("tour-open"), { go: visit, post });
const chooseTab = tabs($("under-tabs"));
const chooseHomeTab = tabs($("home-tabs"), () => part("me") && enter());

// --- who one is, and where ---

function be(person) {
  keep();
  address.searchParams.delete("in");
  stream.as(person);
}

function go(id, { focus = true } = {}) {
  keep();
  chosen.set(part("me").name, id);
  address.searchParams.set("in", id);
  window.history.replaceState(null, "", address);
  document.body.classList.remove("menu-open");
  $("menu").setAttribute("aria-expanded", "false");
  chooseHomeTab("tab-messages", { focus: false });
  draw();
  restore();
  if (focus && !modal.dialog && !TOUCH.matches) (current().is_read_only ? $("log") : composer.field).focus();
}

// Resolves when the page shows that conversation as that person.
async function visit(person, id) {
  if (part("me").name !== person) {
    const shown = new Promise((resolve) => (arrived = resolve));
    be(person);
    await shown;
  }
  go(id, { focus: false });
}

function restore() {
  composer.field.value = (current() && drafts.get(`${part("me").name} ${current().id}`)) ?? "";
  composer.grow();
  composer.say("");
}

function keep() {
  if (part("me") && current()) drafts.set(`${part("me").name} ${current().id}`, composer.field.value);
}

function current() {
  const all = part("rooms") ?? [];
  const wanted = chosen.get(part("me")?.name) ?? address.searchParams.get("in");
  const writable = all.filter((one) => !one.is_read_only);
  return all.find((one) => one.id === wanted) ?? writable.find((one) => one.name === "general") ?? writable[0] ?? all[0];
}

// Who is seen for the first time is looking at what their phone rang for last.
function landing() {
  const me = part("me");
  if (chosen.has(me.name) || address.searchParams.get("in")) return;
  const unseen = part("rooms").filter((one) => reading.unread(me, one, part(`room:${one.id}`)).rings);
  const latest = unseen.sort((one, other) => Number(other.rung.at(-1)) - Number(one.rung.at(-1)))[0];
  if (latest) chosen.set(me.name, latest.id);
}

// --- drawing ---

function onChange(changed, isFirst) {
  const before = clock.now();
  clock.set(part("me").tz, part("switches").ahead);
  if (!isFirst && clock.now() - before > 60) tell(`It is now ${clock.dated(clock.now())}, ${clock.time(clock.now())}.`);
  if (isFirst) {
    timeline.clear();
    landing();
    address.searchParams.set("as", part("me").name);
    window.history.replaceState(null, "", address);
    document.title = `${part("me").real_name} · tyk-key-bot sandbox`;
    if (part("me").name !== reader) restore(); // not where the line was only lost for a while
    reader = part("me").name;
  }
  if (changed.has("timeline")) timeline.add(part("timeline"));
  if (changed.has("keys")) keys.show(part("keys"));
  if (changed.has("switches") || changed.has("objections")) drawStanding();
  if (changed.has("people")) roster.show(part("people"));
  draw();
  if (changed.has("views") || isFirst) modal.show(part("views"));
  if (isFirst) arrived();
}

function draw() {
  const me = part("me");
  const here = current();
  if (here) {
    const messages = part(`room:${here.id}`) ?? [];
    $("where").textContent = here.is_im ? here.name : `# ${here.name}`;
    $("about").textContent = about(here);
    room.show(here, messages);
    if (room.isPinned && (document.hasFocus() || !messages.length || reading.newest(me.id, here.id) === "0")) {
      reading.read(me.id, here.id, messages.at(-1)?.ts ?? "0");
    }
    composer.at(here);
    composer.offer(part("app").shortcuts.global);
    drawHome(here);
    enter();
  }
  $("main").hidden = !here;
  $("nowhere").hidden = Boolean(here);
  $("nowhere").textContent = me.kind === "deactivated" ? `${me.real_name} is deactivated, so Slack has signed them out.` : `${me.real_name} is in no conversation here.`;
  reading.rings.set(me.name, me.rings);
  people($("people"), { all: part("people"), current: me.name, reading, choose: be });
  tour.show(part("tour"), me.name, here?.id);
  rooms($("rooms"), { all: part("rooms"), current: here?.id, me, reading, messages: (id) => part(`room:${id}`) ?? [], choose: go });
}

function about(here) {
  if (here.is_im) return "App";
  const said = [`${here.members} members`];
  if (here.is_shared) said.push("shared with another company");
  if (here.is_archived) said.push("archived");
  return said.join(", ");
}

// Whoever comes to the app's own page, or to another tab of it, is announced to the app.
function enter() {
  const here = current();
  const tab = $("tab-home").getAttribute("aria-selected") === "true" ? "home" : "messages";
  const seen = here?.is_im && part("me").is_ours ? `${part("me").name} ${tab}` : null;
  if (seen && seen !== entered) act("open_home", { tab });
  entered = seen;
}

function drawHome(here) {
  const hasHome = here.is_im && part("app").has_home;
  $("home-tabs").hidden = !hasHome;
  if (!hasHome && !$("home").hidden) chooseHomeTab("tab-messages", { focus: false });
  const home = hasHome ? part("home") : null;
  if (!home) return $("home").replaceChildren();
  const surface = {
    isModal: false, names: names(), known: new Map(), read: () => null, write: () => {},
    act: (name, slot, more) => act(name, { view: home.id, block: slot.block.block_id, action: slot.element.action_id, ...more }),
  };
  const drawn = [...$("home").querySelectorAll("[data-key]")];
  const focused = drawn.includes(document.activeElement) ? document.activeElement.dataset.key : null;
  if (homeDrawn === home.hash && drawn.length) return undefined;
  homeDrawn = home.hash;
  $("home").replaceChildren(...home.blocks.map((block) => blockNode(block, surface)));
  if (focused) ([...$("home").querySelectorAll("[data-key]")].find((one) => one.dataset.key === focused) ?? $("home")).focus();
  return undefined;
}

function drawStanding() {
  const state = part("switches");
  switches.show(state);
  const faults = [state.tyk_away && "Tyk away", state.tyk_slow && "Tyk slow", state.limited && "Slack limits"].filter(Boolean);
  $("standing").className = !isWell(state) ? "standing bad" : faults.length ? "standing odd" : "standing";
  $("standing-text").textContent = [standing(state), ...faults, state.ahead && `+${spelled(state.ahead)}`].filter(Boolean).join(" · ");
  drawClock();
  const objections = part("objections");
  $("objections").hidden = !objections;
  $("objections").textContent = objections;
  $("objections").setAttribute("aria-label", `${objections} objections of Slack`);
}

function drawClock() {
  const said = clock.minute(clock.now());
  if ($("now").textContent !== said) $("now").textContent = said;
}

// Something that is read once and goes.
function tell(sentence) {
  $("told").textContent = sentence;
  clearTimeout(telling);
  telling = setTimeout(() => ($("told").textContent = ""), 8000);
}

function onLine(isUp) {
  $("offline").hidden = isUp;
}

// --- doing ---

async function use(name) {
  const answer = await act("shortcut", { name });
  return answer.ok ? answer.error && `The app did not respond (${answer.error}).` : answer.why;
}

async function send(text) {
  const here = current();
  if (!here) return "The sandbox has not answered yet.";
  const [, command, rest] = /^(\/\S+)\s*([\s\S]*)$/.exec(text) ?? [];
  const answer = command ? await act("run", { command, text: rest, room: here.id }) : await act("say", { text, room: here.id });
  return answer.ok ? null : answer.why;
}

function under(isOpen) {
  document.body.classList.toggle("under-open", isOpen);
  $("under-toggle").setAttribute("aria-expanded", String(isOpen));
  $("under").hidden = !isOpen;
  if (isOpen) {
    timeline.toEnd();
    if (NARROW.matches) document.body.classList.remove("menu-open");
  }
  address.searchParams[isOpen ? "set" : "delete"]("under", "1");
  window.history.replaceState(null, "", address);
}

function theme(wanted) {
  if (wanted) document.documentElement.dataset.theme = wanted;
  const isDark = wanted ? wanted === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  $("theme").setAttribute("aria-pressed", String(isDark));
  if (wanted) window.localStorage.setItem("theme", wanted);
}

$("under-toggle").addEventListener("click", () => under($("under").hidden));
$("under-close").addEventListener("click", () => (under(false), $("under-toggle").focus()));
$("standing").addEventListener("click", () => (under(true), chooseTab("tab-switches")));
$("theme").addEventListener("click", () => theme($("theme").getAttribute("aria-pressed") === "true" ? "light" : "dark"));
$("menu").addEventListener("click", () => {
  const isOpen = document.body.classList.toggle("menu-open");
  $("menu").setAttribute("aria-expanded", String(isOpen));
  if (isOpen) $("rooms").querySelector("button")?.focus();
});
$("beside").addEventListener("click", () => {
  if (!part("people")) return;
  const other = new URL(window.location.href);
  other.search = "";
  const all = part("people");
  other.searchParams.set("as", all[(all.findIndex((one) => one.name === part("me").name) + 1) % all.length].name);
  window.open(other, "_blank", `noopener,width=${Math.round(window.screen.availWidth / 2)},height=${window.screen.availHeight}`);
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || modal.dialog) return;
  if (document.body.classList.contains("menu-open")) $("menu").click();
  else if (!$("under").hidden && $("under").contains(document.activeElement)) $("under-close").click();
});
// A link into this Slack is followed on the page: to the app's conversation, or to the one that holds a message.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[href]");
  const id = link && roomOf(new URL(link.href));
  if (!id) return;
  event.preventDefault();
  go(id);
});
function roomOf({ hostname, pathname }) {
  const rooms = part("rooms") ?? [];
  if (hostname === "slack.com" && pathname === "/app_redirect") return rooms.find((one) => one.is_im)?.id;
  const [, channel] = /^\/archives\/([A-Z0-9]+)\//.exec(pathname) ?? [];
  return hostname.endsWith(".slack.com") && rooms.find((one) => one.id === channel)?.id;
}
$("log").addEventListener("click", (event) => {
  const id = event.target.closest?.("[data-room]")?.dataset.room;
  if (id && part("rooms") && part("rooms").some((one) => one.id === id)) go(id);
});
window.addEventListener("focus", () => part("me") && draw());
setInterval(() => {
  if (!part("switches")) return;
  drawClock();
  if (!$("under").hidden) switches.show(part("switches"));
}, 1000);

theme(window.localStorage.getItem("theme"));
under(address.searchParams.has("under"));
chooseTab("tab-timeline", { focus: false });
stream.as(address.searchParams.get("as") ?? "");
