// Loads the network and labels pictures, so that the page itself never waits.
//
// It is told { start: site }, { label: id, file }, { field: id, file, x, y, cells } and { cancel: id }. It tells
// { loaded, total } and then { ready, threads }, or { broken }. For a picture, it tells { id, step, steps } and in the end { id, result } or { id, failed }; failed is null
// for a picture that was cancelled.

import * as ort from "./ort/ort.wasm.min.mjs";
import { findField, labelPicture, MOST_WHOLE, windowsFor } from "./labelling.js";

const MOST_PIXELS = 2 ** 26;
const MOST_THREADS = 8;

let network;
const cancelled = new Set();

class Cancelled extends Error {}

self.addEventListener("message", async ({ data }) => {
  if (data.cancel !== undefined) cancelled.add(data.cancel);
  else if (data.start) await start(data.start);
  else if (data.field !== undefined) await answer(data.field, () => field(data));
  else await answer(data.label, () => label(data.label, data.file));
});

async function start(site) {
  try {
    const files = [site.runtime, site.model];
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    let loaded = 0;
    const progress = (bytes) => self.postMessage({ loaded: (loaded += bytes), total });
    const [binary, model] = await Promise.all(files.map(({ path }) => download(path, progress)));
    const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
    ort.env.wasm.wasmBinary = binary;
    ort.env.wasm.wasmPaths = new URL("ort/", import.meta.url).href;
    ort.env.wasm.numThreads = threads;
    const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"] });
    network = {
      classes: site.classes.length,
      scale: site.scale,
      baseSize: site.base_size,
      async run({ planes, height, width }) {
        const image = new ort.Tensor("uint8", planes, [1, 3, height, width]);
        const { logits } = await session.run({ image });
        const values = await logits.getData();
        return { values, height: logits.dims[2], width: logits.dims[3] };
      },
    };
    self.postMessage({ ready: true, threads });
  } catch (error) {
    self.postMessage({ broken: error.message });
  }
}

async function download(path, progress) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: the server answers ${response.status}`);
  const parts = [];
  for await (const part of chunks(response.body.getReader())) {
    parts.push(part);
    progress(part.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function* chunks(reader) { // not every browser can iterate over a stream
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}

/** Do some work for a picture, and tell its result or how it failed. */
async function answer(id, work) {
  cancelled.delete(id); // it came too late for earlier work on this picture
  try {
    const result = await work();
    self.postMessage({ id, result }, result.mask ? [result.mask.buffer, result.confidence.buffer] : []);
  } catch (error) {
    self.postMessage({ id, failed: error instanceof Cancelled ? null : error.message });
  }
}

async function label(id, file) {
  const begun = performance.now();
  const { picture, notes } = await decode(file);
  const { mask, confidence, counts } = await labelInMemory(id, picture, notes);
  const { height, width } = picture;
  return { mask, confidence, counts, height, width, seconds: (performance.now() - begun) / 1000, notes };
}

async function field({ field: id, file, x, y, cells }) {
  const { picture } = await decode(file);
  if (windowsFor(network, picture.height, picture.width)) throw new Error("it is too large for this question");
  return findField(network, picture, x, y, cells, reporter(id));
}

/** Return a function that tells how far the work for a picture is, and ends it if it was cancelled. */
function reporter(id) {
  return async (done, total) => {
    self.postMessage({ id, step: done, steps: total });
    await new Promise((resolve) => setTimeout(resolve)); // lets a cancellation arrive
    if (cancelled.has(id)) throw new Cancelled();
  };
}

/** Label a picture as a whole, or in windows if it is large or does not fit into the memory. */
async function labelInMemory(id, picture, notes) {
  const report = reporter(id);
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
