"use strict";
const report = JSON.parse(document.getElementById("report").textContent);

// Elements are made of text and properties alone: no name is ever read as HTML.
function make(tag, properties = {}, ...content) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...content);
  return element;
}

const put = (id, ...content) => document.getElementById(id).append(...content);
const whole = (number) => number.toLocaleString("en");
const percent = (share, digits = 2) => (share === null ? "\u2013" : (100 * share).toFixed(digits));
const withUnit = (share, digits) => percent(share, digits) + (share === null ? "" : "\u00a0%");

function swatch(color) {
  const mark = make("span", { className: "swatch", ariaHidden: "true" });
  mark.style.backgroundColor = color;
  return mark;
}

const named = (name, color) => make("span", { className: "label" }, swatch(color), name);

// A table that its headers sort. A column is {title, label (a longer title), number, value: row => string, number or null, cell: row => content};
// the rows come in the order of the one that has a `sorted`, ascending or descending.
function sortedTable(columns, rows) {
  const body = make("tbody");
  const lines = rows.map((row) => {
    const line = make("tr");
    for (const column of columns) {
      line.append(make("td", { className: column.number ? "number" : "" }, column.cell(row)));
    }
    return { row, line };
  });
  const sort = (column, descending) => {
    lines.sort((one, other) => {
      const [a, b] = [column.value(one.row), column.value(other.row)];
      if (a === null || b === null) return (a === null) - (b === null); // what can't be said is last, either way
      const order = column.number ? a - b : a.localeCompare(b, "en", { numeric: true });
      return descending ? -order : order;
    });
    body.append(...lines.map(({ line }) => line));
  };
  const headers = columns.map((column) => {
    const button = make("button", { type: "button" }, column.title);
    if (column.label) button.title = column.label;
    const header = make("th", { scope: "col", className: column.number ? "number" : "" }, button);
    if (column.sorted) header.setAttribute("aria-sort", column.sorted);
    button.addEventListener("click", () => {
      const descending = header.getAttribute("aria-sort") === "ascending";
      for (const each of headers) each.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      sort(column, descending);
    });
    return header;
  });
  body.append(...lines.map(({ line }) => line));
  return make("table", { className: "sorted wide" }, make("thead", {}, make("tr", {}, ...headers)), body);
}

// The pictures of all parts of the page. The layers are those that a reader can choose, and left and right the ones that
// are shown first; caption(example, layers) says something about what is shown.
function showImages(layers, left, right, caption) {
  const selects = ["left", "right-layer"].map((id) => document.getElementById(id));
  selects.forEach((select, side) => {
    for (const layer of layers) select.append(new Option(layer, layer));
    select.value = side ? right : left;
  });
  const updates = [];
  for (const { title, examples } of report.parts) {
    if (!examples.length) continue;
    const figures = examples.map((place) => {
      const { figure, update } = wipe(report.examples[place], caption);
      updates.push(update);
      return figure;
    });
    put("images", ...(title ? [make("h3", {}, title)] : []), make("div", { className: "grid" }, ...figures));
  }
  document.getElementById("images").hidden = !updates.length;
  document.getElementById("left-out").textContent = report.left_out ? `${whole(report.left_out)} more are left out, to keep the file small.` : "";
  const showLayers = () => updates.forEach((update) => update(...selects.map((select) => select.value)));
  for (const select of selects) select.addEventListener("change", showLayers);
  showLayers();
}

// Two layers of an example, and a slider that says where the one ends and the other begins.
function wipe(example, caption) {
  const images = ["left", "right"].map((side) => make("img", { className: side, decoding: "async" }));
  const tags = images.map(() => make("span"));
  const stage = make("div", { className: "stage" }, ...images, make("i"), ...tags);
  stage.style.aspectRatio = `${example.width} / ${example.height}`;
  const slider = make("input", { className: "wipe", type: "range", min: 0, max: 100, step: 1, value: 50 });
  slider.setAttribute("aria-label", `Where the left layer of ${example.name} ends`);
  const frame = make("div", { className: "frame" }, stage, slider);
  frame.style.width = `calc(32rem * ${example.width / example.height})`; // no picture is higher than 32 rem
  const legend = make("ul", { className: "legend" });

  const move = () => stage.style.setProperty("--wipe", `${slider.value}%`);
  slider.addEventListener("input", move);
  const drag = (event) => {
    const box = stage.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    move();
  };
  stage.addEventListener("pointerdown", (event) => {
    stage.setPointerCapture(event.pointerId);
    drag(event);
  });
  stage.addEventListener("pointermove", (event) => stage.hasPointerCapture(event.pointerId) && drag(event));
  move();

  const note = make("span");
  const update = (...layers) => {
    note.textContent = caption(example, layers);
    layers.forEach((layer, side) => {
      images[side].src = example.layers[layer];
      images[side].alt = `${layer} of ${example.name}`;
      images[side].classList.toggle("mask", layer !== "image");
      tags[side].textContent = layer;
    });
    const masks = layers.some((layer) => !layer.startsWith("image") && !layer.startsWith("errors"));
    const classes = example.classes.map((id) => report.classes[id] ?? { name: "void", color: "#000000" });
    const shown = [...(masks ? classes : []), ...(layers.some((layer) => layer.startsWith("errors")) ? report.outcomes : [])];
    legend.replaceChildren(...shown.map(({ name, color }) => make("li", {}, named(name, color))));
  };
  const words = make("figcaption", {}, make("b", {}, example.name), note);
  return { figure: make("figure", { className: "card" }, frame, words, legend), update };
}
