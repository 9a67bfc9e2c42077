// The page: it takes pictures, lets the worker label them one after the other, and shows their masks.

import { writePng } from "./png.js";
import { Stage } from "./stage.js";

// (module (func (result v128) i32.const 0 i8x16.splat i8x16.popcnt))
const SIMD = [0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11];
const THUMB = 72;
const PATIENCE = 20; // seconds that the answer to a question may take
const [FEWEST, MOST] = [24, 256]; // parts of a picture that are covered for a question

const $ = (id) => document.getElementById(id);
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

// Elements are made of text and properties alone: no name is ever read as HTML.
function make(tag, properties = {}, ...content) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
}

let site;
let worker;
let stage;
let ready = false;
let running = null; // what the worker does: { picture, take }, where take(result) keeps its result
let question = null; // a point that somebody asks about: { picture, x, y }
let shown = null;
let showNext = false; // whether the next result is shown at once: the first one of each drop
let nextId = 0;
const pictures = [];

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
  stage = new Stage(site.classes, ask);
  offerExamples();
  listen();
  say(`Loading the network: ${megabytes(site.runtime.bytes + site.model.bytes)}`);
  worker = new Worker("worker.js", { type: "module" });
  worker.addEventListener("message", ({ data }) => hear(data));
  worker.addEventListener("error", (event) => fail(event.message ?? "worker.js can't be loaded"));
  worker.postMessage({ start: site });
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
  else if (message.loaded) showProgress(message.loaded, message.total);
  else if (message.ready) {
    ready = true;
    const threads = message.threads === 1 ? "one thread" : `${message.threads} threads`;
    say(`Ready, with ${threads}.`);
    document.body.dataset.state = "ready";
    goOn();
  } else if (message.step) {
    if (isWanted(running)) showProgress(message.step, message.steps);
  } else finish(message);
}

/** Take pictures. Those that still wait are cancelled. */
function add(files) {
  if (!files.length) return;
  $("messages").replaceChildren();
  showNext = true;
  for (const picture of pictures.filter(({ result }) => !result)) remove(picture);
  question = null;
  cancelRunning();
  for (const file of files) {
    const picture = { id: nextId++, file, name: file.name || "pasted picture", result: null };
    picture.thumb = make("canvas", { width: THUMB, height: THUMB });
    picture.note = make("span", { className: "muted" }, "waiting");
    picture.button = make("button", { type: "button", disabled: true }, picture.thumb, make("b", {}, picture.name), picture.note);
    picture.button.addEventListener("click", () => show(picture));
    picture.item = make("li", {}, picture.button);
    pictures.push(picture);
  }
  $("strip").append(...pictures.slice(-files.length).map(({ item }) => item));
  $("strip").hidden = pictures.length < 2;
  goOn();
}

function remove(picture) {
  pictures.splice(pictures.indexOf(picture), 1);
  picture.item.remove();
  $("strip").hidden = pictures.length < 2;
}

function ask(x, y) {
  dropQuestion();
  question = { picture: shown, x, y };
  goOn();
}

function dropQuestion() {
  question = null;
  if (running?.question) cancelRunning();
}

function cancelRunning() {
  if (running) worker.postMessage({ cancel: running.picture.id });
}

// The result of what runs is dropped if its picture was removed, or if another question came after it.
const isWanted = (work) => pictures.includes(work.picture) && (work.question ?? question) === question;

/** Let the worker answer a question, or label the next picture. */
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
  }
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
  if (isWanted(work)) { // it was not cancelled
    if (result) work.take(result);
    else {
      say("");
      complain(`${work.picture.name} can't be ${work.question ? "looked into" : "labelled"}: ${failed}.`);
      if (!work.picture.result) remove(work.picture);
    }
    if (work.question) question = null;
  }
  goOn();
}

function answer(field) {
  say("");
  if (shown === question.picture) stage.showField(field);
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
  [shown, showNext] = [picture, false];
  for (const { button } of pictures) button.removeAttribute("aria-current");
  picture.button.setAttribute("aria-current", "true");
  const bitmap = await createImageBitmap(picture.file, { colorSpaceConversion: "none" });
  if (shown !== picture) return;
  $("work").hidden = false;
  stage.show(bitmap, picture.result);
  bitmap.close();
  fillLegend();
}

/** List the classes of the picture, the largest first. A click shows a class alone; another click shows all again. */
function fillLegend() {
  const { counts, mask } = shown.result;
  const found = [...counts.keys()].filter((k) => counts[k]).sort((a, b) => counts[b] - counts[a]);
  stage.showAlone(null);
  const buttons = found.map((k) => {
    const swatch = make("span", { className: "swatch", ariaHidden: "true" });
    swatch.style.backgroundColor = `rgb(${site.classes[k].color.join()})`;
    const bar = make("span", { className: "bar", ariaHidden: "true" });
    bar.style.setProperty("--share", counts[k] / mask.length);
    const share = make("span", { className: "share" }, percent(counts[k] / mask.length));
    const button = make("button", { type: "button" }, swatch, make("span", { className: "name" }, site.classes[k].name), share, bar);
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => {
      const alone = button.getAttribute("aria-pressed") === "false";
      for (const each of buttons) each.setAttribute("aria-pressed", String(alone && each === button));
      stage.showAlone(alone ? k : null);
    });
    return button;
  });
  $("legend").replaceChildren(...buttons.map((button) => make("li", {}, button)));
}

const percent = (share) => (share < 0.001 ? "< 0.1 %" : `${(100 * share).toFixed(1)} %`);

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
  const { mask, height, width } = shown.result;
  const blob = await {
    ids: () => writePng(mask.map((k) => site.classes[k].id), height, width),
    colors: () => writePng(mask, height, width, site.classes.map(({ color }) => color)),
    overlay: () => stage.paintOverlay(),
  }[kind]();
  const link = make("a", { href: URL.createObjectURL(blob), download: `${shown.name.replace(/\.[^.]*$/, "")}-${kind}.png` });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function listen() {
  $("open").addEventListener("click", () => $("files").click());
  $("files").addEventListener("change", () => {
    add([...$("files").files]);
    $("files").value = ""; // so that the same file can be chosen again
  });
  document.addEventListener("paste", ({ clipboardData }) => add([...clipboardData.files]));
  for (const name of ["dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      document.body.classList.toggle("over", name === "dragover");
      if (name === "drop") add([...event.dataTransfer.files]);
    });
  }
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") document.querySelector("#legend [aria-pressed=true]")?.click();
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
