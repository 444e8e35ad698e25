// The modal: the topmost view of a person's stack. What is typed lives here until a submission or a choice carries it over,
// so an update of the view in place keeps it, and keeps the cursor.

import { blockNode, heldValue, slotsOf } from "./blocks.js";
import { h, icon, ICONS, newId, same } from "./dom.js";
import { keyOf } from "./elements.js";
import { plain } from "./mrkdwn.js";

export class Modal {
  // `post(act, told)` does an act as the person; `names()` is the workspace's.
  constructor(post, names) {
    this.post = post;
    this.names = names;
    this.drafts = new Map();
    this.view = null;
    this.dialog = null;
    this.nodes = new Map();
  }

  show(views) {
    for (const id of this.drafts.keys()) if (!views.some((view) => view.id === id)) this.drafts.delete(id);
    const top = views.at(-1) ?? null;
    if (top === null) return this.leave();
    if (this.view?.id !== top.id) return this.enter(top, views.length);
    return this.refresh(top);
  }

  leave() {
    this.view = null;
    if (!this.dialog) return;
    const { dialog, before } = this;
    this.dialog = null;
    dialog.close();
    dialog.remove();
    if (before?.isConnected) before.focus();
  }

  // --- the whole ---

  enter(view, depth) {
    const isFirst = !this.dialog;
    if (isFirst) {
      this.before = document.activeElement;
      this.build();
    }
    this.view = view;
    this.complaint = null;
    this.nodes.clear();
    this.body.replaceChildren();
    this.draft = this.drafts.get(view.id) ?? { values: {}, known: new Map() };
    this.drafts.set(view.id, this.draft);
    this.dialog.classList.toggle("stacked", depth > 1);
    this.adopt(view);
    this.draw(view);
    if (isFirst) this.dialog.showModal();
    this.body.scrollTop = 0;
    this.focusFirst(view);
  }

  build() {
    const titleId = newId("title");
    this.title = h("h2", { id: titleId });
    this.banner = h("div", { class: "banner", role: "alert", hidden: true });
    this.body = h("div", { class: "body", tabindex: "-1" });
    this.cancel = h("button", { type: "button", class: "quiet", on: { click: () => this.close(false) } });
    this.submit = h("button", { type: "submit", class: "primary" });
    const cross = h("button", { type: "button", class: "cross", "aria-label": "Close", on: { click: () => this.close(true) } }, icon(ICONS.close));
    const form = h("form", { novalidate: true, on: { submit: (event) => (event.preventDefault(), this.send()) } },
      h("header", {}, this.title, cross), this.banner, this.body, h("footer", {}, this.cancel, this.submit));
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) (event.preventDefault(), this.send());
    });
    this.dialog = h("dialog", { class: "modal", "aria-labelledby": titleId }, form);
    this.dialog.addEventListener("cancel", (event) => (event.preventDefault(), this.close(false)));
    document.body.append(this.dialog);
  }

  refresh(view) {
    const had = this.view;
    this.view = view;
    if (had.hash !== view.hash || !same(had.values, view.values)) this.adopt(view);
    this.draw(view);
    if (!same(had.errors, view.errors)) this.focusError();
  }

  draw(view) {
    this.title.textContent = plain(view.title.text);
    this.cancel.textContent = plain(view.close?.text ?? "Cancel");
    this.submit.hidden = !view.submit;
    this.submit.textContent = plain(view.submit?.text ?? "");
    this.drawBanner(view);
    this.drawBlocks(view);
  }

  drawBanner(view) {
    this.banner.hidden = !(view.banner || this.complaint);
    this.banner.textContent = this.complaint ?? view.banner ?? "";
  }

  // Blocks that are as they were keep their nodes, and with them cursor and open lists.
  drawBlocks(view) {
    const focused = this.dialog.contains(document.activeElement) ? document.activeElement : null;
    const [key, start, end] = [focused?.dataset.key, focused?.selectionStart, focused?.selectionEnd];
    const surface = this.surface(view);
    const wanted = view.blocks.map((block) => {
      const sign = JSON.stringify([block, view.errors[block.block_id]]);
      const had = this.nodes.get(block.block_id);
      const held = this.held(block, had?.held);
      const node = had?.sign === sign && same(had.held, held) ? had.node : blockNode(block, surface);
      this.nodes.set(block.block_id, { sign, node, held });
      return node;
    });
    for (const id of this.nodes.keys()) if (!view.blocks.some((block) => block.block_id === id)) this.nodes.delete(id);
    wanted.forEach((node, index) => {
      if (this.body.children[index] !== node) this.body.insertBefore(node, this.body.children[index] ?? null);
    });
    while (this.body.children.length > wanted.length) this.body.lastChild.remove();
    if (focused && !focused.isConnected) this.refocus(key, start, end);
  }

  // What Slack holds of a block, which may be chosen in another window; what was typed and chosen here stays as it is.
  held(block, before) {
    const values = slotsOf(block).map((slot) => this.draft.values[block.block_id]?.[slot.element.action_id]);
    return values.some((one) => one?.isMine) ? before : values.map((one) => one?.value ?? null);
  }

  refocus(key, start, end) {
    const again = key && [...this.body.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    if (!again) return this.body.focus();
    again.focus();
    if (start !== null && start !== undefined && again.setSelectionRange && again.role !== "combobox") again.setSelectionRange(start, end);
    return undefined;
  }

  focusFirst(view) {
    const slots = view.blocks.flatMap(slotsOf);
    const wished = slots.find((slot) => slot.element.focus_on_load);
    const first = wished ? this.body.querySelector(`[data-key="${CSS.escape(keyOf(wished))}"]`) : this.body.querySelector("input, textarea, button");
    (first ?? (view.submit ? this.submit : this.cancel)).focus();
  }

  focusError() {
    const first = this.body.querySelector(".invalid");
    first?.querySelector("input, textarea")?.focus({ preventScroll: true });
    first?.scrollIntoView({ block: "center" });
  }

  // --- what is typed and chosen ---

  // Slack keeps a value where block, action and type stay; so does the page, but for what was typed here since.
  adopt(view) {
    const values = {};
    for (const slot of view.blocks.flatMap(slotsOf)) {
      const { block_id: block } = slot.block;
      const { action_id: action, type } = slot.element;
      const mine = this.draft.values[block]?.[action];
      const held = heldValue(view.values[block]?.[action], this.draft.known);
      values[block] ??= {};
      values[block][action] = mine?.isMine && mine.type === type ? mine : { type, value: held, isMine: false };
    }
    this.draft.values = values;
  }

  surface(view) {
    const { draft } = this;
    const at = (slot) => draft.values[slot.block.block_id]?.[slot.element.action_id];
    return {
      isModal: true, names: this.names(), known: draft.known, errors: view.errors,
      read: (slot) => at(slot)?.value ?? null,
      write: (slot, value) => {
        draft.values[slot.block.block_id] ??= {};
        draft.values[slot.block.block_id][slot.element.action_id] = { type: slot.element.type, value, isMine: true };
        this.forgive(slot.block.block_id);
      },
      act: (name, slot, more) => this.act(name, { block: slot.block.block_id, action: slot.element.action_id, ...more }),
    };
  }

  // An error goes when its field is touched.
  forgive(blockId) {
    const node = this.nodes.get(blockId)?.node;
    node?.classList.remove("invalid");
    node?.querySelector(".error")?.remove();
    for (const one of node?.querySelectorAll("[aria-invalid]") ?? []) one.removeAttribute("aria-invalid");
    if (this.nodes.has(blockId)) this.nodes.get(blockId).sign = JSON.stringify([this.view.blocks.find((block) => block.block_id === blockId), undefined]);
  }

  values(except) {
    const told = {};
    for (const [block, actions] of Object.entries(this.draft.values)) {
      for (const [action, { value, isMine }] of Object.entries(actions)) {
        if (isMine && !(except && except.block === block && except.action === action)) (told[block] ??= {})[action] = value;
      }
    }
    return told;
  }

  async act(name, told) {
    const view = this.view.id;
    const answer = await this.post(name, { view, ...told, ...(name === "search" ? {} : { values: this.values(told) }) });
    this.complain(view, answer);
    return answer;
  }

  complain(view, answer) {
    if (this.view?.id !== view) return;
    this.complaint = answer.ok ? null : answer.why;
    this.drawBanner(this.view);
  }

  async send() {
    if (!this.view?.submit || this.submit.getAttribute("aria-busy") === "true") return;
    this.submit.setAttribute("aria-busy", "true");
    const { id } = this.view;
    const answer = await this.act("submit", {});
    this.submit.removeAttribute("aria-busy");
    if (this.view?.id !== id || !Object.keys(answer.errors ?? {}).length) return;
    this.drawBlocks({ ...this.view, errors: answer.errors });
    this.focusError();
  }

  async close(everything) {
    const view = this.view?.id;
    const answer = await this.post("close", { view, everything });
    if (!answer.ok) this.complain(view, answer);
  }
}
