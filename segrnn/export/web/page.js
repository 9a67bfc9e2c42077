// The page: it takes pictures, lets the worker label them one after the other, and shows their masks.

import { $, make } from "./dom.js";
import { Legend } from "./legend.js";
import { Live } from "./live.js";
import { writePng } from "./png.js";
import { Stage } from "./stage.js";

// (module (func (result v128) i32.const 0 i8x16.splat i8x16.popcnt))
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const THUMB = 72;
const PATIENCE = 20; // seconds that the answer to a question may take
const [FEWEST, MOST] = [24, 256]; // parts of a picture that are covered for a question

const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

let site;
let worker;
let stage;
let legend;
let ready = false;
let running = null; // what the worker does: { picture, take, cancelled }, where take(result) keeps its result
let question = null; // a point that somebody asks about: { picture, x, y }
let shown = null;
let showNext = false; // whether the next result is shown at once: the first one of each drop
let nextId = 0;
const pictures = [];
const live = new Live();

async function start() {
  $("status").classList.remove("late");
  if (!globalThis.WebAssembly || !WebAssembly.validate(new Uint8Array(SIMD))) {
    say("This browser can't run the network: it lacks WebAssembly SIMD. Browsers since 2023 have it.");
    $("choose").hidden = true;
    return;
  }
  const response = await fetch("site.json");
  if (!response.ok) throw new Error(`site.json: the server answers ${response.status}`);
  site = await response.json();
  $("title").textContent = document.title = site.title;
  const names = site.networks.map(({ name }) => name);
  stage = new Stage(site.classes, names, ask);
  legend = new Legend(site.classes, names, (label) => stage.showAlone(label));
  $("which").append(...names.map((name, i) => make("option", { value: i }, name)));
  $("which").parentElement.hidden = names.length < 2;
  document.body.classList.toggle("two", names.length > 1);
  offerExamples();
  listen();
  say("Loading the network");
  worker = new Worker("worker.js", { type: "module" });
  worker.addEventListener("message", ({ data }) => hear(data));
  worker.addEventListener("error", (event) => fail(event.message ?? "worker.js can't be loaded"));
  worker.postMessage({ start: site, compute: new URLSearchParams(location.search).get("compute") });
}

const say = (text) => ($("status").textContent = text);

function fail(reason) {
  $("progress").hidden = true;
  say("The network can't be loaded. Reload the page to try again.");
  complain(reason);
}

function complain(text) {
  $("messages").append(make("li", {}, text));
}

function showProgress(done, total) {
  Object.assign($("progress"), { hidden: done >= total, value: done, max: total });
}

function hear(message) {
  if (message.broken) fail(message.broken);
  else if (message.loaded) {
    say(`Loading the network: ${megabytes(message.total)}`);
    showProgress(message.loaded, message.total);
  } else if (message.ready) {
    ready = true;
    const threads = message.threads === 1 ? "one thread" : `${message.threads} threads`;
    const processor = message.provider === "webgpu" ? "the graphics processor (WebGPU)" : `the processor (WebAssembly, ${threads})`;
    say(`Ready. The network runs on ${processor}.`);
    document.body.dataset.state = "ready";
    goOn();
  } else if (message.step) {
    if (!running.cancelled && !live.runs) showProgress(message.step, message.steps);
  } else finish(message);
}

/** Take pictures and a video. Pictures that still wait are cancelled. */
function add(files) {
  if (!files.length) return;
  $("messages").replaceChildren();
  stopLive();
  showNext = true;
  for (const picture of pictures.filter(({ result }) => !result)) remove(picture);
  question = null;
  cancelRunning();
  const [video, ...more] = files.filter(({ type }) => type.startsWith("video/"));
  if (video) play(() => live.openFile(video), video.name);
  for (const { name } of more) complain(`${name} is not played, because only one video can be played at a time.`);
  for (const file of files.filter(({ type }) => !type.startsWith("video/"))) addPicture(file);
  $("strip").hidden = pictures.length < 2;
  goOn();
}

function addPicture(file) {
  const picture = { id: nextId++, file, name: file.name || "pasted picture", result: null };
  picture.thumb = make("canvas", { width: THUMB, height: THUMB });
  picture.note = make("span", { className: "muted" }, "waiting");
  picture.button = make("button", { type: "button", disabled: true }, picture.thumb, make("b", {}, picture.name), picture.note);
  picture.button.addEventListener("click", () => {
    stopLive();
    show(picture);
  });
  picture.item = make("li", {}, picture.button);
  pictures.push(picture);
  $("strip").append(picture.item);
}

function remove(picture) {
  pictures.splice(pictures.indexOf(picture), 1);
  picture.item.remove();
  $("strip").hidden = pictures.length < 2;
}

function ask(x, y) {
  stopLive();
  dropQuestion();
  question = { picture: shown, x, y };
  goOn();
}

function dropQuestion() {
  question = null;
  if (running?.question) cancelRunning();
}

function cancelRunning() {
  if (!running) return;
  running.cancelled = true;
  worker.postMessage({ cancel: running.picture.id });
}

/** Let the worker answer a question, label the next picture, or label a frame of a video. */
function goOn() {
  if (!ready || running) return;
  const waiting = pictures.find(({ result }) => !result);
  if (question) {
    const { picture, x, y } = question;
    const cells = Math.max(FEWEST, Math.min(MOST, Math.round(PATIENCE / picture.result.seconds)));
    begin(`Covering ${picture.name} part by part`, { field: picture.id, file: picture.file, x, y, cells });
    running = { picture, question, take: answer };
  } else if (waiting) {
    waiting.note.textContent = "running";
    begin(`Labelling ${waiting.name}`, { label: waiting.id, file: waiting.file });
    running = { picture: waiting, take: (result) => keep(waiting, result) };
  } else if (live.runs) labelFrame();
}

async function labelFrame() {
  const picture = { id: nextId++, name: live.name, result: null };
  const work = { picture, take: (result) => showFrame(picture, result) };
  running = work;
  document.body.dataset.state = "live";
  try {
    picture.file = await live.next();
  } catch (error) {
    return finish({ failed: error.message });
  }
  if (picture.file && !work.cancelled) return worker.postMessage({ label: picture.id, file: picture.file });
  if (!work.cancelled) stopLive(); // at its end
  finish({ failed: null });
}

/** Free the memory of the frame that is shown, if it is one, because another picture takes its place. */
function forgetFrame() {
  if (question && question.picture === shown) dropQuestion();
  if (shown && !pictures.includes(shown)) shown.file.close();
}

function showFrame(picture, result) {
  picture.result = result;
  forgetFrame();
  for (const { button } of pictures) button.removeAttribute("aria-current");
  [shown, showNext] = [picture, false];
  $("work").hidden = false;
  stage.show(picture.file, result, true);
  legend.update(result, true);
  const pace = live.pace();
  const size = `${result.width} × ${result.height} pixels`;
  $("pace").textContent = pace ? `${picture.name}: ${pace.toFixed(1)} frames per second of ${size}` : picture.name;
}

/** Begin a camera or a video. open() promises that it plays. */
async function play(open, name) {
  try {
    await open();
  } catch (error) {
    complain(`${name} can't be played: ${error.message}`);
    return;
  }
  if (!live.runs) return;
  say("");
  legend.press(null);
  $("live").hidden = false;
  goOn();
}

function stopLive() {
  if (running && !running.question && !pictures.includes(running.picture)) cancelRunning();
  live.stop();
  $("live").hidden = true;
}

function begin(text, work) {
  document.body.dataset.state = "busy";
  say(text);
  $("progress").hidden = false;
  $("progress").removeAttribute("value"); // until the first step, nobody knows how far it is
  worker.postMessage(work);
}

function finish({ result, failed }) {
  const work = running;
  running = null;
  $("progress").hidden = true;
  document.body.dataset.state = "ready";
  if (!work.cancelled) {
    if (result) work.take(result);
    else if (failed !== null) {
      say("");
      complain(`${work.picture.name} can't be ${work.question ? "looked into" : "labelled"}: ${failed}.`);
      if (pictures.includes(work.picture) && !work.picture.result) remove(work.picture);
      if (live.runs) stopLive();
    }
    if (work.question) question = null;
  }
  goOn();
}

function answer({ fields }) {
  say("");
  if (shown === question.picture) stage.showFields(fields);
}

function keep(picture, result) {
  picture.result = result;
  picture.note.textContent = seconds(result.seconds);
  picture.button.disabled = false;
  say(`${picture.name}: ${result.width} × ${result.height} pixels in ${seconds(result.seconds)}`);
  for (const note of result.notes) complain(`${picture.name}: ${note}`);
  drawThumb(picture);
  if (showNext) show(picture);
}

const seconds = (number) => `${number.toFixed(number < 10 ? 2 : 1)} s`;

async function drawThumb({ file, thumb }) {
  const bitmap = await createImageBitmap(file);
  const scale = THUMB / Math.min(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  thumb.getContext("2d").drawImage(bitmap, (THUMB - width) / 2, (THUMB - height) / 2, width, height);
  bitmap.close();
}

async function show(picture) {
  forgetFrame();
  [shown, showNext] = [picture, false];
  for (const { button } of pictures) button.removeAttribute("aria-current");
  picture.button.setAttribute("aria-current", "true");
  const bitmap = await createImageBitmap(picture.file, { colorSpaceConversion: "none" });
  if (shown !== picture) return;
  $("work").hidden = false;
  stage.show(bitmap, picture.result, false);
  legend.update(picture.result, false);
  bitmap.close();
}

function offerExamples() {
  $("offered").hidden = !site.examples.length;
  for (const { name, path } of site.examples) {
    const picture = make("img", { src: path, alt: "", loading: "lazy" });
    const button = make("button", { type: "button", title: name }, picture, make("span", { className: "hidden-text" }, name));
    button.addEventListener("click", async () => {
      const response = await fetch(path);
      if (response.ok) add([new File([await response.blob()], name)]);
      else complain(`${name}: the server answers ${response.status}`);
    });
    $("examples").append(make("li", {}, button));
  }
}

async function save(kind) {
  const { labelled, height, width } = shown.result;
  const network = Number($("which").value);
  const { mask } = labelled[network];
  const blob = await {
    ids: () => writePng(mask.map((k) => site.classes[k].id), height, width),
    colors: () => writePng(mask, height, width, site.classes.map(({ color }) => color)),
    overlay: () => stage.paintOverlay(network),
  }[kind]();
  const which = labelled.length > 1 ? `-${network + 1}` : "";
  const download = `${shown.name.replace(/\.[^.]*$/, "")}-${kind}${which}.png`;
  const link = make("a", { href: URL.createObjectURL(blob), download });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function listen() {
  for (const [button, input] of [["open", "files"], ["photograph", "photographed"]]) {
    $(button).addEventListener("click", () => $(input).click());
    $(input).addEventListener("change", () => {
      add([...$(input).files]);
      $(input).value = ""; // so that the same file can be chosen again
    });
  }
  $("photograph").hidden = !matchMedia("(pointer: coarse)").matches;
  $("camera").hidden = !navigator.mediaDevices;
  $("camera").addEventListener("click", () => play(() => live.openCamera(), "The camera"));
  $("stop").addEventListener("click", stopLive);
  addEventListener("pagehide", stopLive);
  document.addEventListener("visibilitychange", () => document.hidden && stopLive());
  document.addEventListener("paste", ({ clipboardData }) => add([...clipboardData.files]));
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      document.body.classList.toggle("over", name === "dragover");
      if (name === "drop") add([...event.dataTransfer.files]);
    });
  }
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && legend.alone !== null) legend.press(null);
  });
  $("ask").addEventListener("click", () => {
    const asking = $("ask").getAttribute("aria-pressed") === "false";
    $("ask").setAttribute("aria-pressed", String(asking));
    $("hint").hidden = !asking;
    stage.setAsking(asking);
    if (!asking) dropQuestion();
  });
  for (const kind of ["ids", "colors", "overlay"]) $(`save-${kind}`).addEventListener("click", () => save(kind));
}

start().catch((error) => fail(error.message));
