// What this page does not know how to draw is said, never left out.

import { h } from "./dom.js";

export const unknown = (what, type) =>
  h("span", { class: "unknown", role: "note" }, `This page does not know the ${what} “${type}”. Slack may.`);
