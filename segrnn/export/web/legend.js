// The classes of the picture with their shares. A click shows a class alone; another click shows all again.

import { $, make, percent } from "./dom.js";
import { DIFFERENT } from "./stage.js";

export class Legend {
  /** names: those of the networks. choose(label) is called with a class, with DIFFERENT, or with null for all. */
  constructor(classes, names, choose) {
    Object.assign(this, { choose, alone: null });
    this.rows = new Map(classes.map(({ name, color }, k) => [k, this.makeRow(k, name, color)]));
    if (names.length > 1) {
      this.rows.set(DIFFERENT, this.makeRow(DIFFERENT, "Different classes", null));
      Object.assign($("order"), { hidden: false, textContent: `Each class has two shares: first ${names[0]}, then ${names[1]}.` });
    }
    $("legend").append(...[...this.rows.values()].map(({ item }) => item));
  }

  makeRow(label, name, color) {
    const swatch = make("span", { className: color ? "swatch" : "swatch hatched", ariaHidden: "true" });
    if (color) swatch.style.backgroundColor = `rgb(${color.join()})`;
    const bar = make("span", { className: "bar", ariaHidden: "true" });
    const share = make("span", { className: "share" });
    const button = make("button", { type: "button" }, swatch, make("span", { className: "name" }, name), share, bar);
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => this.press(this.alone === label ? null : label));
    return { item: make("li", {}, button), button, share, bar };
  }

  press(label) {
    this.alone = label;
    for (const [each, { button }] of this.rows) button.setAttribute("aria-pressed", String(each === label));
    this.choose(label);
  }

  /** Show the shares of a picture, the largest first. Between the frames of a video, all stays at its place. */
  update({ labelled, differing }, isFrame) {
    const pixels = labelled[0].mask.length;
    const sum = (k) => (k === DIFFERENT ? Infinity : labelled.reduce((total, { counts }) => total + counts[k], 0));
    for (const [k, { item, share, bar }] of this.rows) {
      const shares = k === DIFFERENT ? [differing / pixels] : labelled.map(({ counts }) => counts[k] / pixels);
      share.textContent = shares.map(percent).join(" · ");
      bar.style.setProperty("--share", Math.max(...shares));
      item.hidden = sum(k) === 0;
    }
    if (!isFrame) {
      const order = [...this.rows.keys()].sort((one, other) => sum(other) - sum(one) || one - other);
      $("legend").append(...order.map((k) => this.rows.get(k).item));
    }
    this.press(isFrame ? this.alone : null);
  }
}
