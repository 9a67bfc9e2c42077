// The picture, its mask over it, and the class of the pixel that a pointer or the arrow keys choose.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEPS = 50; // arrow keys cross the picture in so many steps; with Shift, they move by a pixel

const $ = (id) => document.getElementById(id);

export class Stage {
  /** classes: the name and the colour of each class. ask(x, y) is called for a point that somebody asks about. */
  constructor(classes, ask) {
    Object.assign(this, { classes, ask, asking: false, result: null, place: null });
    $("opacity").addEventListener("input", () => this.blend());
    $("wipe").addEventListener("input", () => this.blend());
    const stage = $("stage");
    for (const name of ["pointermove", "pointerdown"]) stage.addEventListener(name, (event) => this.point(event));
    stage.addEventListener("pointerleave", () => this.leave());
    stage.addEventListener("keydown", (event) => this.step(event));
    stage.addEventListener("click", () => this.question());
    this.blend();
  }

  show(bitmap, result) {
    Object.assign(this, { result, place: null });
    $("field").hidden = true;
    const { height, width } = result;
    $("stage").style.setProperty("--ratio", width / height);
    for (const id of ["photo", "mask", "field"]) Object.assign($(id), { height, width });
    $("photo").getContext("2d").drawImage(bitmap, 0, 0);
    this.leave();
  }

  /** Show one class alone, or all of them with null. */
  showAlone(label) {
    const { mask, height, width } = this.result;
    const colors = this.classes.map(({ color: [red, green, blue] }, k) => {
      const alpha = label === null || k === label ? 255 : 0;
      return new Uint32Array(new Uint8Array([red, green, blue, alpha]).buffer)[0];
    });
    const pixels = new ImageData(width, height);
    const packed = new Uint32Array(pixels.data.buffer);
    for (let i = 0; i < mask.length; i++) packed[i] = colors[mask[i]];
    $("mask").getContext("2d").putImageData(pixels, 0, 0);
  }

  blend() {
    $("mask").style.opacity = $("opacity").value / 100;
    $("mask").style.clipPath = `inset(0 0 0 ${$("wipe").value}%)`;
  }

  /** Promise a PNG file of the picture with its mask, as they are shown. */
  paintOverlay() {
    const { height, width } = this.result;
    const canvas = Object.assign(document.createElement("canvas"), { height, width });
    const context = canvas.getContext("2d");
    context.drawImage($("photo"), 0, 0);
    const left = Math.round((width * $("wipe").value) / 100);
    context.globalAlpha = $("opacity").value / 100;
    if (left < width) context.drawImage($("mask"), left, 0, width - left, height, left, 0, width - left, height);
    return new Promise((resolve) => canvas.toBlob(resolve));
  }

  point({ clientX, clientY }) {
    if (!this.result) return;
    const box = $("stage").getBoundingClientRect();
    const { height, width } = this.result;
    const clamp = (share, side) => Math.max(0, Math.min(side - 1, Math.floor(share * side)));
    const place = [clamp((clientX - box.left) / box.width, width), clamp((clientY - box.top) / box.height, height)];
    this.tell(place, "off");
  }

  /** Take questions about points, or go back to the mask. */
  setAsking(asking) {
    this.asking = asking;
    if (!asking) $("field").hidden = true;
  }

  question() {
    if (!this.asking || !this.place) return;
    this.putCross(this.place);
    this.ask(...this.place);
  }

  /** Darken all parts of the picture that a point does not depend on, see findField of labelling.js. */
  showField({ label, columns, side, changes }) {
    const canvas = $("field");
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    const most = Math.max(...changes);
    for (const [cell, change] of changes.entries()) {
      context.fillStyle = `rgb(0 0 0 / ${0.85 * (1 - change / (most || 1))})`;
      context.fillRect(side * (cell % columns), side * Math.floor(cell / columns), side, side);
    }
    canvas.hidden = false;
    const name = this.classes[label].name;
    const points = `${Math.round(100 * most)} points`;
    this.say(`The probability of ${name} at the ring changes by up to ${points} if a bright part of ${side} × ${side} pixels is covered`, "polite");
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

  putCross([x, y]) {
    const cross = $("cross");
    cross.hidden = false;
    cross.style.left = `${(100 * (x + 0.5)) / this.result.width}%`;
    cross.style.top = `${(100 * (y + 0.5)) / this.result.height}%`;
  }

  /** Say the class of a pixel. Screen readers read it out if it is polite, not at each move of a pointer. */
  tell([x, y], live) {
    this.place = [x, y];
    const { mask, confidence, width } = this.result;
    const at = y * width + x;
    const sure = Math.round((100 * confidence[at]) / 255);
    this.say(`${this.classes[mask[at]].name}, ${sure} % sure (column ${x}, row ${y})`, live);
  }

  say(text, live) {
    Object.assign($("readout"), { ariaLive: live, textContent: text });
  }

  leave() {
    if (!$("field").hidden) return; // the answer to a question stays
    $("cross").hidden = true;
    this.say("Point at a pixel to see its class and how sure the network is", "off");
  }
}
