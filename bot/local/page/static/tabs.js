// Tabs as the keyboard expects them: arrows move, one of them is in the tab order.

export function tabs(list, onChoose = () => {}) {
  const all = [...list.querySelectorAll("[role=tab]")];
  const choose = (tab, { focus = true } = {}) => {
    for (const one of all) {
      const isChosen = one === tab;
      one.setAttribute("aria-selected", String(isChosen));
      one.tabIndex = isChosen ? 0 : -1;
      document.getElementById(one.getAttribute("aria-controls")).hidden = !isChosen;
    }
    if (focus) tab.focus();
    onChoose(tab);
  };
  for (const tab of all) {
    tab.addEventListener("click", () => choose(tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) choose(all[(all.indexOf(tab) + step + all.length) % all.length]);
    });
  }
  return (id, options) => choose(document.getElementById(id), options);
}
