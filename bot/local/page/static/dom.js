// Making elements. Text goes in as text only: nothing here parses markup.

const SVG = "http://www.w3.org/2000/svg";

// h("button", { class: "quiet", type: "button", on: { click } }, "Close")
export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name in node && name !== "list" && name !== "form" && typeof value !== "string") node[name] = value;
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

// A drawing of one path on a 20 x 20 grid; it says nothing to a screen reader.
export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 20 20");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "icon");
  const line = document.createElementNS(SVG, "path");
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

export const ICONS = {
  menu: "M3 5h14M3 10h14M3 15h14",
  close: "M5 5l10 10M15 5L5 15",
  beside: "M3 4h14v12H3zM10 4v12",
  theme: "M10 3a7 7 0 1 0 0 14V3z",
  under: "M3 4h14v12H3zM3 11h14",
  send: "M3 10l14-6-5 13-3-5z",
  down: "M5 8l5 5 5-5",
  key: "M8 12a3.5 3.5 0 1 1 2.6-5.8 3.5 3.5 0 0 1 .3 4.2L17 16.5M14.5 14l1.6-1.6M12.5 12l1.6-1.6",
  eye: "M2 10s3-5 8-5 8 5 8 5-3 5-8 5-8-5-8-5zM10 8a2 2 0 1 1 0 4 2 2 0 0 1 0-4z",
  more: "M4.5 10h.01M10 10h.01M15.5 10h.01",
  shortcuts: "M11 3l-6 8h4l-1 6 6-8h-4z",
  warn: "M10 3l8 14H2zM10 8v4M10 14.5v.5",
};

let count = 0;
export const newId = (prefix) => `${prefix}-${++count}`;

export const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
