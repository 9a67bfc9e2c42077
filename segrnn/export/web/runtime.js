// ONNX Runtime: the build for this browser, its files, and whether the processor or the graphics processor computes.

const MOST_THREADS = 8;
const TRIED = { height: 192, width: 256 };
const MARGIN = 1e-3; // if the two best logits of a pixel are closer, relative to the largest, it may get either class

/**
 * Load the networks of a site: promise { networks, provider, threads }.
 *
 * compute: "wasm" or "webgpu" to choose, or null to use WebGPU where it is faster. Its masks must agree in any case.
 * progress(loaded, total) is called with bytes.
 */
export async function loadNetworks(site, compute, progress) {
  const runtime = site.runtimes[(await canUseGpu(compute)) ? "webgpu" : "wasm"];
  const files = [runtime.binary, ...site.networks.map(({ model }) => model)];
  const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let loaded = 0;
  const count = (bytes) => progress((loaded += bytes), total);
  const stop = new AbortController();
  const [binary, ...models] = await Promise.all(files.map(({ path }) => download(path, count, stop.signal))).catch((error) => {
    stop.abort(); // the other files are of no use
    throw error;
  });
  const ort = await import(`./${runtime.module}`);
  const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
  Object.assign(ort.env.wasm, { wasmBinary: binary, wasmPaths: new URL("ort/", import.meta.url).href, numThreads: threads });
  ort.env.logLevel = "error";
  const networks = [];
  for (const [i, { scale, base_size: baseSize }] of site.networks.entries()) {
    const run = runner(ort, await session(ort, models[i], "wasm"));
    networks.push({ classes: site.classes.length, scale, baseSize, run });
  }
  const gpu = runtime === site.runtimes.webgpu && (await moveToGpu(ort, networks, models, compute === "webgpu"));
  return { networks, provider: gpu ? "webgpu" : "wasm", threads };
}

async function canUseGpu(compute) {
  if (compute === "wasm" || !navigator.gpu || !WebAssembly.Suspending) return false;
  const adapter = await navigator.gpu.requestAdapter().catch(() => null);
  return adapter !== null && (compute === "webgpu" || !adapter.info?.isFallbackAdapter);
}

const session = (ort, model, provider) =>
  ort.InferenceSession.create(model, { executionProviders: [provider], logSeverityLevel: 3 });

function runner(ort, session) {
  return async ({ planes, height, width }) => {
    const image = new ort.Tensor("uint8", planes, [1, 3, height, width]);
    const { logits } = await session.run({ image });
    return { values: await logits.getData(), height: logits.dims[2], width: logits.dims[3] };
  };
}

/** Let WebGPU compute all networks, if its masks agree and it is faster, or if it is chosen. Promise whether it does. */
async function moveToGpu(ort, networks, models, chosen) {
  const onGpu = [];
  const seconds = { wasm: 0, webgpu: 0 };
  try {
    for (const [i, { run, classes }] of networks.entries()) {
      const other = runner(ort, await session(ort, models[i], "webgpu"));
      const wanted = await timed(run, seconds, "wasm");
      const found = await timed(other, seconds, "webgpu");
      if (!agree(wanted, found, classes)) return false;
      onGpu.push(other);
    }
  } catch {
    return false; // it lacks an operator or memory; the processor has both
  }
  if (!chosen && seconds.webgpu >= seconds.wasm) return false;
  for (const [i, network] of networks.entries()) {
    const slow = network.run;
    network.run = (picture) =>
      onGpu[i](picture).catch(() => {
        network.run = slow; // a graphics processor can be lost, or have too little memory
        return slow(picture);
      });
  }
  return true;
}

async function timed(run, seconds, provider) {
  await run(drawTried()); // the first run compiles
  const begun = performance.now();
  const logits = await run(drawTried());
  seconds[provider] += performance.now() - begun;
  return logits;
}

/** Return a picture of rectangles with noise, as segrnn.export.Exported.draw_input. */
function drawTried() {
  const { height, width } = TRIED;
  let state = 1;
  const planes = Uint8Array.from({ length: 3 * height * width }, (_, i) => {
    state = (state * 48271) % 2147483647;
    const cell = Math.floor((((i / width) % height) * 4) / height) * 5 + Math.floor(((i % width) * 5) / width);
    const plane = Math.floor(i / (height * width));
    return ((cell * 7919 + plane * 104729) % 200) + (state % 56);
  });
  return { planes, height, width };
}

/** Return whether two networks' masks are the same except for ties. */
export function agree(wanted, found, classes) {
  const pixels = wanted.height * wanted.width;
  const largest = wanted.values.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  for (let i = 0; i < pixels; i++) {
    let [best, other] = [0, 0];
    for (let k = 1; k < classes; k++) {
      if (wanted.values[k * pixels + i] > wanted.values[best * pixels + i]) best = k;
      if (!(found.values[k * pixels + i] <= found.values[other * pixels + i])) other = k; // NaN counts as larger
    }
    const gap = wanted.values[best * pixels + i] - wanted.values[other * pixels + i];
    if (gap > MARGIN * largest || Number.isNaN(found.values[other * pixels + i])) return false;
  }
  return true;
}

async function download(path, count, signal) {
  const response = await fetch(path, { signal });
  if (!response.ok) throw new Error(`${path}: the server answers ${response.status}`);
  const parts = [];
  for await (const part of chunks(response.body.getReader())) {
    parts.push(part);
    count(part.length);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function* chunks(reader) { // not every browser can iterate over a stream
  for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
}
