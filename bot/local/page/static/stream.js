// What the server tells of one person's view, part by part, and what the person does.

export class Stream {
  // `changed(names)` is called with the names of the parts that have changed; `up(isUp)` when the line comes and goes.
  constructor(changed, up) {
    this.changed = changed;
    this.up = up;
    this.parts = {};
    this.source = null;
  }

  // Until the first word of the new person's stream, the page shows, and acts as, the one before.
  as(person) {
    this.source?.close();
    const source = new EventSource(`/events?as=${encodeURIComponent(person)}`);
    this.source = source;
    let isFirst = true;
    source.addEventListener("open", () => ((isFirst = true), this.up(true)));
    source.addEventListener("error", () => this.up(false));
    source.addEventListener("message", (event) => {
      const told = JSON.parse(event.data);
      if (isFirst) this.parts = {};
      Object.assign(this.parts, told);
      this.person = this.parts.me.name;
      this.changed(new Set(Object.keys(told)), isFirst);
      isFirst = false;
    });
  }

  // Resolves always: to the server's answer, or to a sentence that says why there is none.
  async post(path, told) {
    try {
      const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(told) });
      return await answer.json();
    } catch {
      return { ok: false, why: "The sandbox does not answer. Is it still running?" };
    }
  }

  act(name, told) {
    return this.post(`/do/${name}`, { as: this.person, ...told });
  }
}
