// The frames of a camera or of a video file. The network takes one when it has time, and the others are dropped.

import { make } from "./dom.js";

const LONGEST = 640; // pixels of the longer side of a frame
const COUNTED = 10; // frames over which the pace is measured

export class Live {
  constructor() {
    this.video = make("video", { muted: true, playsInline: true });
    this.source = null; // of the video that plays, or will play soon
    this.runs = false;
  }

  async openCamera() {
    const stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: LONGEST } } });
    await this.open("Camera", { srcObject: stream });
  }

  async openFile(file) {
    await this.open(file.name, { src: URL.createObjectURL(file) });
  }

  async open(name, source) {
    this.stop();
    Object.assign(this.video, source);
    Object.assign(this, { name, source, last: null, times: [] });
    try {
      await this.video.play();
    } catch (error) {
      if (this.source !== source) return; // it was stopped in the meantime
      this.stop();
      throw error;
    }
    if (this.source !== source) return;
    if (document.hidden) this.stop(); // the page was left while the browser asked for the camera
    else this.runs = true;
  }

  /** Promise the frame that is shown now, if it is another than the last, or null at the end. */
  async next() {
    const { video } = this;
    const number = () => video.getVideoPlaybackQuality().totalVideoFrames || video.currentTime; // some browsers don't count
    while (this.runs && !video.ended && number() === this.last) await new Promise(requestAnimationFrame);
    if (!this.runs || video.ended) {
      this.stop();
      return null;
    }
    this.last = number();
    const scale = Math.min(1, LONGEST / Math.max(video.videoWidth, video.videoHeight));
    const [resizeWidth, resizeHeight] = [video.videoWidth, video.videoHeight].map((side) => Math.max(1, Math.round(scale * side)));
    return createImageBitmap(video, { resizeWidth, resizeHeight });
  }

  /** Count a frame that is shown, and return the frames per second, or null after the first one. */
  pace() {
    this.times = [...this.times, performance.now()].slice(-COUNTED);
    const seconds = (this.times.at(-1) - this.times[0]) / 1000;
    return seconds ? (this.times.length - 1) / seconds : null;
  }

  /** End the video. The light of the camera goes out. */
  stop() {
    Object.assign(this, { source: null, runs: false });
    this.video.srcObject?.getTracks().forEach((track) => track.stop());
    this.video.srcObject = null;
    if (this.video.src) URL.revokeObjectURL(this.video.src);
    this.video.removeAttribute("src");
    this.video.load();
  }
}
