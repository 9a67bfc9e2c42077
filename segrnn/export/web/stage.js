// The picture, its mask over it, and the class of the pixel that a pointer or the arrow keys choose.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const STEPS = 50; // arrow keys cross the picture in so many steps; with Shift, they move by a pixel

const $ = (id) => document.getElementById(id);

export class Stage {
  /** classes: the name and the colour of each class. */
  constructor(classes) {
    Object.assign(this, { classes, result: null, alone: null, place: null });
    $("opacity").addEventListener("input", () => this.blend());
    $("wipe").addEventListener("input", () => this.blend());
    const stage = $("stage");
    for (const name of ["pointermove", "pointerdown"]) stage.addEventListener(name, (event) => this.point(event));
    stage.addEventListener("pointerleave", () => this.leave());
    stage.addEventListener("keydown", (event) => this.step(event));
    this.blend();
  }

  show(bitmap, result) {
    Object.assign(this, { result, place: null });
    const { height, width } = result;
    $("stage").style.setProperty("--ratio", width / height);
    for (const id of ["photo", "mask"]) Object.assign($(id), { height, width });
    $("photo").getContext("2d").drawImage(bitmap, 0, 0);
    this.leave();
  }

  /** Show one class alone, or all of them with null. */
  showAlone(label) {
    this.alone = label;
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

  step(event) {
    if (!this.result || !ARROWS[event.key]) return;
    event.preventDefault();
    const sides = [this.result.width, this.result.height];
    const old = this.place ?? sides.map((side) => Math.floor(side / 2));
    const size = event.shiftKey ? 1 : Math.ceil(Math.max(...sides) / STEPS);
    const place = old.map((at, i) => Math.max(0, Math.min(sides[i] - 1, at + size * ARROWS[event.key][i])));
    this.tell(place, "polite");
    const cross = $("cross");
    cross.hidden = false;
    cross.style.left = `${(100 * (place[0] + 0.5)) / sides[0]}%`;
    cross.style.top = `${(100 * (place[1] + 0.5)) / sides[1]}%`;
  }

  /** Say the class of a pixel. Screen readers read it out if it is polite, not at each move of a pointer. */
  tell([x, y], live) {
    this.place = [x, y];
    const { mask, confidence, width } = this.result;
    const at = y * width + x;
    $("readout").ariaLive = live;
    $("readout").textContent =
      `${this.classes[mask[at]].name}, ${Math.round((100 * confidence[at]) / 255)} % sure (column ${x}, row ${y})`;
  }

  leave() {
    $("cross").hidden = true;
    $("readout").ariaLive = "off";
    $("readout").textContent = "Point at a pixel to see its class and how sure the network is";
  }
}
