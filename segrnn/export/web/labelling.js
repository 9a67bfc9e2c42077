// What segrnn.predict does around a network: resizing, windows over large pictures, classes and their probabilities.
//
// A picture is { planes, height, width }: bytes of red, green and blue, one plane after the other.
// A network is { classes, scale, baseSize, run }, and run(picture) promises logits as { values, height, width }.

const WINDOW = 1024;
const STEP = 768;
const CHANNELS = 3;

/** The most pixels that the network sees at once. It takes some 300 bytes of WebAssembly's 4 GiB for each of them. */
export const MOST_WHOLE = 2 ** 22;

/** The most values of all classes that are in memory at a time. */
const MOST_VALUES = 2 ** 26;

/** Return the size at which the network sees a picture, relative to the picture's own size. */
export function seenFactor(network, height, width) {
  if (!network.baseSize) return network.scale;
  const [short, long] = network.baseSize;
  return network.scale * Math.min(short / Math.min(height, width), long / Math.max(height, width));
}

/** Return height and width of the windows and of the steps between them, or null if the network sees the whole picture. */
export function windowsFor(network, height, width, mostWhole = MOST_WHOLE) {
  const zoom = seenFactor(network, height, width);
  const pixels = height * width;
  if (pixels * zoom ** 2 <= mostWhole && network.classes * pixels <= MOST_VALUES) return null;
  const lower = Math.min(1, (MOST_VALUES * zoom) / (network.classes * WINDOW * width));
  const sides = (side) => [Math.max(1, Math.round((side * lower) / zoom)), Math.max(1, Math.round(side / zoom))];
  const [size, step] = [sides(WINDOW), sides(STEP)];
  return { height: Math.min(size[0], height), width: Math.min(size[1], width), down: step[0], right: step[1] };
}

/**
 * Label every pixel: promise { mask, confidence, counts }, bytes that hold classes and probabilities from 0 to 255.
 *
 * windows comes from windowsFor. report(done, total) is awaited after each window, and may throw to end the work.
 */
export async function labelPicture(network, picture, windows, report) {
  const result = new Result(network.classes, picture.height, picture.width);
  const factor = seenFactor(network, picture.height, picture.width);
  if (windows) await blend(network, picture, windows, factor, result, report);
  else {
    const logits = await see(network, picture, factor);
    const row = new Float32Array(network.classes * picture.width);
    for (let y = 0; y < picture.height; y++) {
      logits.read(y, row);
      result.takeLogits(y, row);
    }
  }
  return result;
}

/**
 * Find what the class of a pixel depends on: cover one part of the picture after the other, and see how its probability changes.
 *
 * Promise { label, rows, columns, changes }, with the change of the probability from 0 to 1 for each part, row by row. A
 * covered part has the picture's mean colour. cells is the number of parts that are asked for; report is as in labelPicture.
 */
export async function findField(network, picture, x, y, cells, report) {
  const { height, width } = picture;
  const side = Math.max(1, Math.ceil(Math.sqrt((height * width) / cells)));
  const [rows, columns] = [Math.ceil(height / side), Math.ceil(width / side)];
  const factor = seenFactor(network, height, width);
  const row = new Float32Array(network.classes * width);
  const probabilities = async (planes) => {
    (await see(network, { planes, height, width }, factor)).read(y, row);
    softmax(row, network.classes, width);
    return Array.from({ length: network.classes }, (_, k) => row[k * width + x]);
  };
  const before = await probabilities(picture.planes);
  const label = before.indexOf(Math.max(...before));
  const pixels = height * width;
  const mean = [0, 1, 2].map((c) => {
    const plane = picture.planes.subarray(c * pixels, (c + 1) * pixels);
    return plane.reduce((sum, value) => sum + value, 0) / pixels;
  });
  const changes = [];
  for (let cell = 0; cell < rows * columns; cell++) {
    const [top, left] = [side * Math.floor(cell / columns), side * (cell % columns)];
    const planes = picture.planes.slice();
    for (let c = 0; c < CHANNELS; c++) {
      for (let line = top; line < Math.min(top + side, height); line++) {
        const start = c * pixels + line * width;
        planes.fill(mean[c], start + left, start + Math.min(left + side, width));
      }
    }
    changes.push(Math.abs(before[label] - (await probabilities(planes))[label]));
    await report(cell + 1, rows * columns);
  }
  return { label, rows, columns, side, changes };
}

async function see(network, picture, factor) {
  const [height, width] = [picture.height, picture.width].map((side) => Math.max(1, roundHalfEven(side * factor)));
  const logits = await network.run(resize(picture, height, width));
  return new Enlarged(logits, network.classes, picture.height, picture.width);
}

/** Average the probabilities of all windows, one row of windows after the other, as segrnn.inference.windows.blend. */
async function blend(network, picture, windows, factor, result, report) {
  const { classes } = network;
  const { height, width } = picture;
  const rows = places(height, windows.height, windows.down);
  const columns = places(width, windows.width, windows.right);
  const across = gaussian(windows.width);
  const down = gaussian(windows.height);
  const total = new Float32Array(windows.height * width);
  const mean = new Float32Array(classes * windows.height * width);
  const values = new Float32Array(classes * windows.width);
  for (const [i, top] of rows.entries()) {
    for (const [j, left] of columns.entries()) {
      const logits = await see(network, crop(picture, top, left, windows.height, windows.width), factor);
      for (let y = 0; y < windows.height; y++) {
        logits.read(y, values);
        softmax(values, classes, windows.width);
        for (let x = 0; x < windows.width; x++) {
          const at = y * width + left + x;
          const weight = down[y] * across[x];
          total[at] += weight;
          const share = weight / total[at];
          for (let k = 0; k < classes; k++) {
            const place = k * windows.height * width + at;
            mean[place] += (values[k * windows.width + x] - mean[place]) * share;
          }
        }
      }
      await report(i * columns.length + j + 1, rows.length * columns.length);
    }
    const done = (rows[i + 1] ?? height) - top;
    for (let y = 0; y < done; y++) result.takeProbabilities(top + y, mean, y * width, windows.height * width);
    for (let k = 0; k <= classes; k++) {
      const plane = k < classes ? mean.subarray(k * windows.height * width, (k + 1) * windows.height * width) : total;
      plane.copyWithin(0, done * width);
      plane.fill(0, plane.length - done * width);
    }
  }
}

function places(length, side, step) {
  const starts = [];
  for (let start = 0; start < length - side; start += step) starts.push(start);
  return [...starts, length - side];
}

function gaussian(side) {
  return Float32Array.from({ length: side }, (_, i) => Math.exp(-0.5 * ((i - (side - 1) / 2) / (side / 8)) ** 2));
}

function crop(picture, top, left, height, width) {
  const planes = new Uint8Array(CHANNELS * height * width);
  for (let row = 0; row < CHANNELS * height; row++) {
    const [c, y] = [Math.floor(row / height), row % height];
    const start = (c * picture.height + top + y) * picture.width + left;
    planes.set(picture.planes.subarray(start, start + width), row * width);
  }
  return { planes, height, width };
}

function softmax(values, classes, width) {
  for (let x = 0; x < width; x++) {
    let best = -Infinity;
    for (let k = 0; k < classes; k++) best = Math.max(best, values[k * width + x]);
    let sum = 0;
    for (let k = 0; k < classes; k++) sum += Math.exp(values[k * width + x] - best);
    for (let k = 0; k < classes; k++) values[k * width + x] = Math.exp(values[k * width + x] - best) / sum;
  }
}

/** Classes and confidences of the rows that are known so far. Of equal classes, the lowest is taken. */
class Result {
  constructor(classes, height, width) {
    Object.assign(this, { classes, width, counts: new Array(classes).fill(0) });
    this.mask = new Uint8Array(height * width);
    this.confidence = new Uint8Array(height * width);
  }

  takeLogits(y, row) {
    for (let x = 0; x < this.width; x++) {
      let [best, at] = [row[x], 0];
      for (let k = 1; k < this.classes; k++) {
        if (row[k * this.width + x] > best) [best, at] = [row[k * this.width + x], k];
      }
      let sum = 0;
      for (let k = 0; k < this.classes; k++) sum += Math.exp(row[k * this.width + x] - best);
      this.put(y, x, at, 1 / sum);
    }
  }

  takeProbabilities(y, mean, start, stride) {
    for (let x = 0; x < this.width; x++) {
      let [best, at] = [mean[start + x], 0];
      for (let k = 1; k < this.classes; k++) {
        if (mean[k * stride + start + x] > best) [best, at] = [mean[k * stride + start + x], k];
      }
      this.put(y, x, at, best);
    }
  }

  put(y, x, label, probability) {
    this.mask[y * this.width + x] = label;
    this.confidence[y * this.width + x] = Math.round(255 * probability);
    this.counts[label]++;
  }
}

/** Logits at another size than the network's own: linear interpolation between the centres of pixels, row by row. */
class Enlarged {
  constructor(logits, classes, height, width) {
    Object.assign(this, { logits, classes, height, width, same: logits.height === height && logits.width === width });
    this.columns = Array.from({ length: width }, (_, x) => between(x, logits.width / width, logits.width));
  }

  /** Fill row with the values of all classes at row y of the picture, one class after the other. */
  read(y, row) {
    const { logits, width } = this;
    const [above, below, part] = between(y, logits.height / this.height, logits.height);
    for (let k = 0; k < this.classes; k++) {
      const start = k * logits.height * logits.width;
      const [one, other] = [start + above * logits.width, start + below * logits.width];
      if (this.same) {
        row.set(logits.values.subarray(one, one + width), k * width);
        continue;
      }
      for (let x = 0; x < width; x++) {
        const [left, right, share] = this.columns[x];
        const upper = logits.values[one + left] * (1 - share) + logits.values[one + right] * share;
        const lower = logits.values[other + left] * (1 - share) + logits.values[other + right] * share;
        row[k * width + x] = upper * (1 - part) + lower * part;
      }
    }
  }
}

function between(place, scale, length) {
  const source = Math.max(0, (place + 0.5) * scale - 0.5);
  const first = Math.min(Math.floor(source), length - 1);
  return [first, Math.min(first + 1, length - 1), Math.min(source - first, 1)];
}

/** Return a picture at another size: averages over areas if a side shrinks, as OpenCV's INTER_AREA, else linear. */
export function resize(picture, height, width) {
  if (picture.height === height && picture.width === width) return picture;
  const shrinks = height < picture.height || width < picture.width;
  const weigh = shrinks ? areas : neighbours;
  const across = weigh(picture.width, width);
  const down = weigh(picture.height, height);
  const planes = new Uint8ClampedArray(CHANNELS * height * width); // rounds what it is given
  const sums = new Float64Array(picture.width);
  for (let row = 0; row < CHANNELS * height; row++) {
    const plane = Math.floor(row / height) * picture.height * picture.width;
    sums.fill(0);
    for (const [y, weight] of down[row % height]) {
      for (let x = 0; x < picture.width; x++) sums[x] += weight * picture.planes[plane + y * picture.width + x];
    }
    for (let x = 0; x < width; x++) {
      let value = 0;
      for (const [from, weight] of across[x]) value += weight * sums[from];
      planes[row * width + x] = value;
    }
  }
  return { planes: new Uint8Array(planes.buffer), height, width };
}

function areas(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, i) => {
    const [start, end] = [i * scale, Math.min((i + 1) * scale, from)];
    const weights = [];
    for (let at = Math.floor(start); at < end; at++) {
      const share = Math.min(at + 1, end) - Math.max(at, start);
      if (share > 1e-3) weights.push([at, share]);
    }
    const sum = weights.reduce((total, [, share]) => total + share, 0);
    return weights.map(([at, share]) => [at, share / sum]);
  });
}

function neighbours(from, to) {
  return Array.from({ length: to }, (_, i) => {
    const [first, second, share] = between(i, from / to, from);
    return [[first, 1 - share], [second, share]];
  });
}

function roundHalfEven(number) {
  const floor = Math.floor(number);
  return number - floor === 0.5 ? floor + (floor % 2) : Math.round(number);
}
