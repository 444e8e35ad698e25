// Times as the reader sees them: in their own zone, in the sandbox's time, which may be ahead of the machine's.

let zone = "UTC";
let ahead = 0;

export function set(readersZone, secondsAhead) {
  zone = readersZone || zone;
  ahead = secondsAhead ?? ahead;
}

export const now = () => Date.now() / 1000 + ahead;

const formats = new Map();
function formatted(seconds, options) {
  const key = `${zone} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options }));
  return formats.get(key).format(new Date(seconds * 1000));
}

export const time = (seconds) => formatted(seconds, { hour: "2-digit", minute: "2-digit" });
export const timeToSecond = (seconds) => formatted(seconds, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const date = (seconds) => formatted(seconds, { day: "numeric", month: "short", year: "numeric" });
export const full = (seconds) =>
  `${formatted(seconds, { weekday: "long", day: "numeric", month: "long", year: "numeric" })}, ${timeToSecond(seconds)} (${zone})`;
export const soon = (seconds) => `${formatted(seconds, { day: "numeric", month: "short" })}, ${time(seconds)}`;
export const short = (seconds) => `${date(seconds)}, ${timeToSecond(seconds)}`;
const numeric = (seconds) => formatted(seconds, { year: "numeric", month: "2-digit", day: "2-digit" });

export const dated = (seconds) => formatted(seconds, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
export const minute = (seconds) => `${formatted(seconds, { weekday: "short", day: "numeric", month: "short", year: "numeric" })}, ${time(seconds)}`;

// Today, Yesterday and Tomorrow, where it is one of them.
function relative(seconds) {
  const days = { "-1": "Yesterday", 0: "Today", 1: "Tomorrow" };
  for (const [offset, word] of Object.entries(days)) {
    if (numeric(seconds) === numeric(now() + offset * 86400)) return word;
  }
  return null;
}

const middle = (seconds) => formatted(seconds, { day: "numeric", month: "long", year: "numeric" });
export const day = (seconds) => relative(seconds) ?? dated(seconds);

// How far away: "in 15 min", "3 h ago".
export function ago(seconds) {
  const distance = Math.abs(seconds - now());
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const [unit, length] = units.find(([, size]) => distance >= size) ?? ["s", 1];
  const said = `${Math.floor(distance / length)} ${unit}`;
  return seconds > now() ? `in ${said}` : `${said} ago`;
}

const lower = (word) => word?.toLowerCase() ?? null;

const TOKENS = {
  date_num: (at) => numeric(at).split("/").reverse().join("-"),
  date: middle,
  date_short: date,
  date_long: dated,
  date_pretty: (at) => lower(relative(at)) ?? middle(at),
  date_short_pretty: (at) => lower(relative(at)) ?? date(at),
  date_long_pretty: (at) => lower(relative(at)) ?? dated(at),
  day_divider_pretty: day,
  time,
  time_secs: timeToSecond,
  ago,
};

// Slack's {date_short_pretty} and the like; a token that Slack does not know stays as it is.
export const worded = (seconds, format) =>
  format.replace(/\{(\w+)\}/g, (whole, token) => (Object.hasOwn(TOKENS, token) ? TOKENS[token](seconds) : whole));
