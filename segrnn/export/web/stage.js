// The views of one picture, one for each network, and the pixel that a pointer or the arrow keys choose in all of them.

import { $ } from "./dom.js";
import { View } from "./view.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEPS = 50; // arrow keys cross the picture in so many steps; with Shift, they move by a pixel

export const DIFFERENT = -1; // in place of a class: the pixels to which the networks give different classes

export class Stage {
  /** names: those of the networks. ask(x, y) is called for a point that somebody asks about. */
  constructor(classes, names, ask) {
    Object.assign(this, { ask, asking: false, result: null, place: null });
    this.views = names.map((name) => new View(classes, names.length > 1 ? name : ""));
    const stage = $("stage");
    stage.append(...this.views.map(({ figure }) => figure));
    for (const view of this.views) {
      for (const name of ["pointermove", "pointerdown"]) {
        view.frame.addEventListener(name, (event) => this.result && this.tell(view.placeOf(event), "off"));
      }
      view.frame.addEventListener("pointerleave", () => this.leave());
      view.frame.addEventListener("click", () => this.question());
    }
    stage.addEventListener("keydown", (event) => this.step(event));
    for (const id of ["opacity", "wipe"]) $(id).addEventListener("input", () => this.blend());
    this.blend();
  }

  /** Show a picture with its masks. A chosen pixel stays chosen in the next frame of a video. */
  show(bitmap, result, isFrame) {
    const [place, old] = [this.place, this.result];
    Object.assign(this, { result, place: null });
    for (const [i, view] of this.views.entries()) view.show(bitmap, result.height, result.width, result.labelled[i]);
    if (isFrame && place && old.height === result.height && old.width === result.width) this.tell(place, "off");
    else this.leave();
  }

  /** Show one class alone, the pixels that differ, or all of them with null. */
  showAlone(label) {
    if (!this.result) return;
    const [first, second] = this.result.labelled;
    for (const view of this.views) {
      const { mask } = view.labelled;
      if (label === null) view.paint(() => true);
      else if (label === DIFFERENT) view.paint((i) => first.mask[i] !== second.mask[i]);
      else view.paint((i) => mask[i] === label);
    }
  }

  get blending() {
    return [$("opacity").value / 100, $("wipe").value / 100];
  }

  blend() {
    for (const view of this.views) view.blend(...this.blending);
  }

  /** Promise a PNG file of the picture with the mask of a network. */
  paintOverlay(network) {
    return this.views[network].paintOverlay(...this.blending);
  }

  /** Take questions about points, or go back to the mask. */
  setAsking(asking) {
    this.asking = asking;
    if (!asking) for (const { field } of this.views) field.hidden = true;
  }

  question() {
    if (!this.asking || !this.place) return;
    this.putCross(this.place);
    this.ask(...this.place);
  }

  showFields(fields) {
    this.say(this.views.map((view, i) => view.showField(fields[i])).join("; "), "polite");
  }

  step(event) {
    if (event.key === "Enter") this.question();
    if (!this.result || !ARROWS[event.key]) return;
    event.preventDefault();
    const sides = [this.result.width, this.result.height];
    const old = this.place ?? sides.map((side) => Math.floor(side / 2));
    const size = event.shiftKey ? 1 : Math.ceil(Math.max(...sides) / STEPS);
    const place = old.map((at, i) => Math.max(0, Math.min(sides[i] - 1, at + size * ARROWS[event.key][i])));
    this.tell(place, "polite");
    this.putCross(place);
  }

  putCross(place) {
    for (const view of this.views) view.putCross(place);
  }

  /** Say the class of a pixel. Screen readers read it out if it is polite, not at each move of a pointer. */
  tell(place, live) {
    this.place = place;
    const [x, y] = place;
    this.say(`${this.views.map((view) => view.describe(place)).join("; ")} (column ${x}, row ${y})`, live);
  }

  say(text, live) {
    Object.assign($("readout"), { ariaLive: live, textContent: text });
  }

  leave() {
    if (this.views.some(({ field }) => !field.hidden)) return; // the answer to a question stays
    this.place = null;
    for (const { cross } of this.views) cross.hidden = true;
    this.say("Point at a pixel to see its class and how sure the network is", "off");
  }
}
