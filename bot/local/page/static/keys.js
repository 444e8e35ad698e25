// The keys as Tyk holds them. The token stays on the server, which calls the gateway with it when one tries a key.

import * as clock from "./clock.js";
import { h, same } from "./dom.js";

export class Keys {
  constructor(panel, post) {
    this.post = post;
    this.rows = [];
    this.answers = new Map();
    this.list = h("div", { class: "keys" });
    panel.append(this.list);
  }

  show(rows) {
    if (same(rows, this.rows) && this.list.children.length) return;
    this.rows = rows;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    if (!rows.length) this.list.replaceChildren(h("p", { class: "nothing" }, "Tyk holds no key yet. Request a token, and it appears here."));
    else this.list.replaceChildren(...rows.map((row) => this.card(row)));
    if (focused) [...this.list.querySelectorAll("button")].find((one) => one.dataset.key === focused)?.focus();
  }

  card(row) {
    const facts = [
      ["Opens", row.opens.map((api) => api.name).join(", ") || "nothing"],
      ["Made", clock.short(row.created)],
      row.dead ? ["Deleted", clock.short(row.dead)] : ["Expires", row.expires ? `${clock.short(row.expires)} (${clock.ago(row.expires)})` : "Doesn't expire"],
      ["Limits", limits(row.limits)],
      ...(row.policies.length ? [["Tyk policies", row.policies.join(", ")]] : []),
      ...(row.alias ? [["Alias", row.alias]] : []),
      ...Object.entries(row.meta).map(([name, value]) => [name, String(value)]),
    ];
    return h("section", { class: `key ${row.state}`, "aria-label": `Key ${row.hash}` },
      h("header", {}, h("code", {}, row.hash), h("span", { class: "state" }, row.state)),
      h("dl", {}, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      h("div", { class: "tries" }, row.opens.map((api) => this.attempt(row, api))),
      row.dead ? null : h("div", { class: "tries" }, this.byHand(row, "delete", "Delete it in the Dashboard"),
        this.byHand(row, "change", "Change its rate in the Dashboard")));
  }

  byHand(row, act, label) {
    const button = h("button", { type: "button", class: "plain", data: { key: `${row.hash} ${act}` } }, label);
    button.addEventListener("click", () => this.post(`/hand/${act}`, { hash: row.hash }));
    return button;
  }

  attempt(row, api) {
    const id = `${row.hash} ${api.api_id}`;
    const answer = h("output", { class: "answer" }, this.answers.get(id) ?? "");
    const button = h("button", { type: "button", class: "plain", data: { key: id } }, `Try it: GET ${api.path}`);
    button.addEventListener("click", async () => {
      button.setAttribute("aria-busy", "true");
      const said = await this.post("/try", { hash: row.hash, api_id: api.api_id });
      button.removeAttribute("aria-busy");
      const text = said.ok ? `${said.status} ${JSON.stringify(said.body)}` : said.why;
      this.answers.set(id, text);
      answer.textContent = text;
      answer.className = said.status === 200 ? "answer good" : "answer bad";
    });
    return h("div", {}, button, answer);
  }
}

function limits({ rate, per, quota_max: most, quota_renewal_rate: renewal }) {
  const speed = rate > 0 ? `${rate.toLocaleString("en")} calls per ${per === 1 ? "second" : `${per} s`}` : "no rate limit";
  return most > 0 ? `${speed}, ${most.toLocaleString("en")} per ${renewal === 86400 ? "day" : `${renewal} s`}` : speed;
}
