// A picture, the mask that one network gives it, and what a point of this mask depends on.

import { make } from "./dom.js";

export class View {
  /** classes: the name and the colour of each class. name: that of the network, which is empty if there is only one. */
  constructor(classes, name) {
    Object.assign(this, { classes, name, labelled: null });
    this.photo = make("canvas");
    this.mask = make("canvas", { className: "mask" });
    this.field = make("canvas", { className: "field", hidden: true });
    this.cross = make("i", { className: "cross", hidden: true });
    this.frame = make("div", { className: "frame" }, this.photo, this.mask, this.field, this.cross);
    this.figure = make("figure", { className: "view" }, this.frame, make("figcaption", { hidden: !name }, name));
  }

  /** Show a picture. labelled: mask, confidence and counts, see labelPicture of labelling.js. */
  show(bitmap, height, width, labelled) {
    this.labelled = labelled;
    this.figure.style.setProperty("--ratio", width / height);
    for (const canvas of [this.photo, this.mask, this.field]) Object.assign(canvas, { height, width });
    this.photo.getContext("2d").drawImage(bitmap, 0, 0);
    this.field.hidden = true;
  }

  /** Paint the pixels i of the mask for which isShown(i) is true. */
  paint(isShown) {
    const colors = this.classes.map(({ color }) => new Uint32Array(new Uint8Array([...color, 255]).buffer)[0]);
    const { mask } = this.labelled;
    const pixels = new ImageData(this.mask.width, this.mask.height);
    const packed = new Uint32Array(pixels.data.buffer);
    for (let i = 0; i < mask.length; i++) if (isShown(i)) packed[i] = colors[mask[i]];
    this.mask.getContext("2d").putImageData(pixels, 0, 0);
  }

  /** Set the opacity of the mask, and the share of its width that is hidden on the left. */
  blend(opacity, wipe) {
    this.mask.style.opacity = opacity;
    this.mask.style.clipPath = `inset(0 0 0 ${100 * wipe}%)`;
  }

  /** Promise a PNG file of the picture with its mask, as they are shown. */
  paintOverlay(opacity, wipe) {
    const { height, width } = this.photo;
    const canvas = make("canvas", { height, width });
    const context = canvas.getContext("2d");
    context.drawImage(this.photo, 0, 0);
    const left = Math.round(width * wipe);
    context.globalAlpha = opacity;
    if (left < width) context.drawImage(this.mask, left, 0, width - left, height, left, 0, width - left, height);
    return new Promise((resolve) => canvas.toBlob(resolve));
  }

  /** Return the pixel [x, y] under a pointer. */
  placeOf({ clientX, clientY }) {
    const box = this.frame.getBoundingClientRect();
    const clamp = (share, side) => Math.max(0, Math.min(side - 1, Math.floor(share * side)));
    const { height, width } = this.photo;
    return [clamp((clientX - box.left) / box.width, width), clamp((clientY - box.top) / box.height, height)];
  }

  putCross([x, y]) {
    this.cross.hidden = false;
    this.cross.style.left = `${(100 * (x + 0.5)) / this.photo.width}%`;
    this.cross.style.top = `${(100 * (y + 0.5)) / this.photo.height}%`;
  }

  /** Return the class of a pixel, and how sure the network is. */
  describe([x, y]) {
    const at = y * this.photo.width + x;
    const { mask, confidence } = this.labelled;
    return this.said(`${this.classes[mask[at]].name}, ${Math.round((100 * confidence[at]) / 255)} % sure`);
  }

  /** Darken all parts of the picture that a point does not depend on, see findField of labelling.js, and say it in words. */
  showField({ label, columns, side, changes }) {
    const context = this.field.getContext("2d");
    context.clearRect(0, 0, this.field.width, this.field.height);
    const most = Math.max(...changes);
    for (const [cell, change] of changes.entries()) {
      context.fillStyle = `rgb(0 0 0 / ${0.85 * (1 - change / (most || 1))})`;
      context.fillRect(side * (cell % columns), side * Math.floor(cell / columns), side, side);
    }
    this.field.hidden = false;
    const points = `${Math.round(100 * most)} points`;
    return this.said(
      `${this.name ? "the" : "The"} probability of ${this.classes[label].name} at the ring changes by up to ${points} if a bright part of ${side} × ${side} pixels is covered`,
    );
  }

  said(text) {
    return this.name ? `${this.name}: ${text}` : text;
  }
}
