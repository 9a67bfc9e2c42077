// Loads the networks and labels pictures, so that the page itself never waits.
//
// It is told { start: site, compute }, { label: id, file }, { field: id, file, x, y, cells } and { cancel: id }, where a file
// may also be a frame of a video. It tells { loaded, total } and then { ready, provider, threads }, or { broken }. For a
// picture, it tells { id, step, steps } and in the end { id, result } or { id, failed }; failed is null for a picture that
// was cancelled.

import { findField, labelPicture, MOST_WHOLE, windowsFor } from "./labelling.js";
import { loadNetworks } from "./runtime.js";

const MOST_PIXELS = 2 ** 26;

let networks;
const cancelled = new Set();

class Cancelled extends Error {}

self.addEventListener("message", async ({ data }) => {
  if (data.cancel !== undefined) cancelled.add(data.cancel);
  else if (data.start) await start(data.start, data.compute);
  else if (data.field !== undefined) await answer(data.field, () => fields(data));
  else await answer(data.label, () => label(data.label, data.file));
});

async function start(site, compute) {
  try {
    const found = await loadNetworks(site, compute, (loaded, total) => self.postMessage({ loaded, total }));
    networks = found.networks;
    self.postMessage({ ready: true, provider: found.provider, threads: found.threads });
  } catch (error) {
    self.postMessage({ broken: error.message });
  }
}

/** Do some work for a picture, and tell its result or how it failed. */
async function answer(id, work) {
  cancelled.delete(id); // it came too late for earlier work on this picture
  try {
    const result = await work();
    const buffers = (result.labelled ?? []).flatMap(({ mask, confidence }) => [mask.buffer, confidence.buffer]);
    self.postMessage({ id, result }, buffers);
  } catch (error) {
    self.postMessage({ id, failed: error instanceof Cancelled ? null : error.message });
  }
}

async function label(id, file) {
  const begun = performance.now();
  const { picture, notes } = await decode(file);
  const labelled = [];
  for (const network of networks) {
    const { mask, confidence, counts } = await labelInMemory(network, picture, notes, reporter(id, labelled.length));
    labelled.push({ mask, confidence, counts });
  }
  const { height, width } = picture;
  const seconds = (performance.now() - begun) / 1000;
  return { labelled, differing: countDiffering(labelled), height, width, seconds, notes: [...new Set(notes)] };
}

function countDiffering([first, second]) {
  return second ? first.mask.reduce((sum, label, i) => sum + (label !== second.mask[i]), 0) : 0;
}

async function fields({ field: id, file, x, y, cells }) {
  const { picture } = await decode(file);
  const found = [];
  for (const network of networks) {
    if (windowsFor(network, picture.height, picture.width)) throw new Error("it is too large for this question");
    found.push(await findField(network, picture, x, y, cells, reporter(id, found.length)));
  }
  return { fields: found };
}

/** Return a function that tells how far the work for a picture is, and ends it if it was cancelled. */
function reporter(id, networksDone) {
  return async (done, total) => {
    self.postMessage({ id, step: networksDone * total + done, steps: networks.length * total });
    await new Promise((resolve) => setTimeout(resolve)); // lets a cancellation arrive
    if (cancelled.has(id)) throw new Cancelled();
  };
}

/** Label a picture as a whole, or in windows if it is large or does not fit into the memory. */
async function labelInMemory(network, picture, notes, report) {
  let windows = windowsFor(network, picture.height, picture.width);
  let labelled;
  try {
    labelled = await labelPicture(network, picture, windows, report);
  } catch (error) {
    if (error instanceof Cancelled) throw error;
    windows = windowsFor(network, picture.height, picture.width, MOST_WHOLE / 8);
    if (!windows) throw error;
    try {
      labelled = await labelPicture(network, picture, windows, report);
    } catch (second) {
      if (second instanceof Cancelled) throw second;
      throw new Error(`the network can't be run on it: ${second.message}`, { cause: second });
    }
  }
  if (windows) {
    notes.push(
      `The picture is large, so the network saw it in windows of ${windows.width} × ${windows.height} pixels.`,
    );
  }
  return labelled;
}

/** Decode a picture, turned as its EXIF tag says. Profiles of colours are left out, as segrnn.predict does. */
async function decode(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    file.close?.(); // a frame of a video
  } catch {
    throw new Error("it is not a picture that this browser can read, such as PNG, JPEG or WebP");
  }
  const { height, width } = bitmap;
  if (height * width > MOST_PIXELS) {
    bitmap.close();
    throw new Error(
      `it has ${width} × ${height} pixels, and this page takes at most 67 million. segrnn predict takes more`,
    );
  }
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  let { data } = context.getImageData(0, 0, width, height);
  const notes = [];
  if (isTransparent(data)) {
    const pixels = readTransparent(bitmap);
    if (pixels) data = pixels;
    else notes.push("This browser hides the colours under transparent pixels, so they count as black.");
  }
  bitmap.close();
  return { picture: { planes: toPlanes(data), height, width }, notes };
}

/** Return the pixels of a picture with the colours under transparent ones, which a 2D canvas loses, or null without WebGL. */
function readTransparent(bitmap) {
  const { height, width } = bitmap;
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  if (!gl || Math.max(height, width) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return null;
  gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
  gl.pixelStorei(gl.UNPACK_COLORSPACE_CONVERSION_WEBGL, gl.NONE);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  const texture = gl.getParameter(gl.TEXTURE_BINDING_2D);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  const pixels = new Uint8Array(4 * height * width);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  gl.getExtension("WEBGL_lose_context")?.loseContext(); // frees its memory at once
  return pixels;
}

function isTransparent(data) {
  for (let i = 3; i < data.length; i += 4) if (data[i] < 255) return true;
  return false;
}

function toPlanes(data) {
  const pixels = data.length / 4;
  const planes = new Uint8Array(3 * pixels);
  for (let i = 0; i < pixels; i++) for (let c = 0; c < 3; c++) planes[c * pixels + i] = data[4 * i + c];
  return planes;
}
