// The people of the workspace as its administrator has them: who leaves, becomes a guest, comes back.

import { h, same } from "./dom.js";

const ACTS = {
  guest: (name) => ["Make a guest", `Make a guest of ${name}`],
  member: (name) => ["Make a member", `Make a member of ${name}`],
  deactivated: (name) => ["Deactivate", `Deactivate ${name}`],
  active: (name) => ["Bring back", `Bring back ${name}`],
};

export class Roster {
  constructor(post) {
    this.post = post;
    this.shown = null;
    this.list = h("ul", { class: "roster" });
    this.complaint = h("p", { class: "complaint", role: "alert", hidden: true });
    this.section = h("section", { class: "switches" }, h("h3", {}, "People"), this.list, this.complaint,
      h("p", { class: "about" }, "As an administrator of the workspace: whoever is deactivated leaves every channel and group. Who is brought back is put into them again."));
  }

  show(people) {
    const rows = people.filter((one) => one.is_ours).map(({ name, real_name: real, kind, is_guest: isGuest }) => ({ name, real, kind, isGuest }));
    if (same(rows, this.shown)) return;
    this.shown = rows;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.closest("li").dataset.roster : null;
    this.list.replaceChildren(...rows.map((row) => this.row(row)));
    if (focused) this.list.querySelector(`[data-roster="${CSS.escape(focused)}"] button`)?.focus();
  }

  row({ name, real, kind, isGuest }) {
    const acts = kind === "deactivated" ? ["active"] : [isGuest ? "member" : "guest", "deactivated"];
    return h("li", { data: { roster: name } }, h("div", {}, h("b", {}, real), " ", h("small", {}, kind)),
      h("div", { class: "row" }, acts.map((what) => this.button(name, real, what))));
  }

  button(name, real, what) {
    const [label, spoken] = ACTS[what](real);
    const node = h("button", { type: "button", class: what === "deactivated" ? "danger" : "plain", "aria-label": spoken }, label);
    node.addEventListener("click", async () => {
      const answer = await this.post("/roster", { who: name, what });
      this.complaint.hidden = answer.ok;
      this.complaint.textContent = answer.ok ? "" : answer.why;
    });
    return node;
  }
}
