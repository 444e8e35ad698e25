// A small set of Slack's short codes. A code that is not here is shown as it was written, as Slack does with unknown ones.

const EMOJI = {
  "+1": "👍", thumbsup: "👍", "-1": "👎", thumbsdown: "👎", alarm_clock: "⏰", arrow_right: "➡️", arrows_counterclockwise: "🔄",
  bell: "🔔", blue_heart: "💙", boom: "💥", bug: "🐛", bulb: "💡", calendar: "📆", clap: "👏", clipboard: "📋", clock1: "🕐",
  closed_lock_with_key: "🔐", construction: "🚧", cry: "😢", eyes: "👀", fire: "🔥", gear: "⚙️", grin: "😁", heart: "❤️",
  heavy_check_mark: "✔️", hourglass: "⌛", hourglass_flowing_sand: "⏳", hugging_face: "🤗", inbox_tray: "📥",
  information_source: "ℹ️", joy: "😂", key: "🔑", large_green_circle: "🟢", large_yellow_circle: "🟡", link: "🔗", lock: "🔒",
  loudspeaker: "📢", mag: "🔍", memo: "📝", no_entry: "⛔", no_entry_sign: "🚫", ok: "🆗", ok_hand: "👌", old_key: "🗝️",
  package: "📦", pray: "🙏", pushpin: "📌", question: "❓", raised_hands: "🙌", red_circle: "🔴", robot_face: "🤖", rocket: "🚀",
  rotating_light: "🚨", shield: "🛡️", slightly_smiling_face: "🙂", smile: "😄", sparkles: "✨", speech_balloon: "💬", star: "⭐",
  stop_sign: "🛑", stopwatch: "⏱️", tada: "🎉", thinking_face: "🤔", unlock: "🔓", warning: "⚠️", wastebasket: "🗑️", wave: "👋",
  white_check_mark: "✅", x: "❌", zap: "⚡",
};

export const emoji = (code) => (Object.hasOwn(EMOJI, code) ? EMOJI[code] : null);
