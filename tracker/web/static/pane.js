// One tracker's view: the frame, and over it the box as the tracker says that it is.
import { between } from "./boxes.js";

const GLIDE_MS = 350; // nothing jumps where a target is lost or found again
const TRAIL = 24;

export class Pane {
  constructor(figure) {
    this.figure = figure;
    this.screen = figure.querySelector(".screen");
    this.picture = figure.querySelector(".picture");
    this.overlay = figure.querySelector(".overlay");
    this.colour = () => getComputedStyle(figure).getPropertyValue("--colour").trim();
    this.width = 4;
    this.height = 3;
    this.sketch = null;
    this.clear();
    new ResizeObserver(() => this.draw()).observe(this.screen);
  }

  name(text, whole) {
    Object.assign(this.figure.querySelector("strong"), { textContent: text, title: whole });
  }

  clear() {
    this.lane = null;
    this.glide = null;
    this.trail = [];
    this.mean = null;
    this.say("–", "–", "");
    this.draw();
  }

  /** The box goes, the numbers stay. */
  forget() {
    this.lane = null;
    this.trail = [];
    this.draw();
  }

  /** The picture goes. */
  blank() {
    this.picture.width = this.picture.height = 0;
  }

  /** Show a frame (a canvas, video or bitmap) of the source's width and height. */
  show(image, width, height) {
    if (width !== this.width || height !== this.height) this.resize(width, height);
    if (this.picture.width !== width || this.picture.height !== height) {
      this.picture.width = width;
      this.picture.height = height;
    }
    this.picture.getContext("2d").drawImage(image, 0, 0, width, height);
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
    this.screen.style.aspectRatio = `${width} / ${height}`;
  }

  /** Take over what the tracker says of a frame: box, score, lost, ms. */
  update(lane, frame, first) {
    const turned = this.lane && this.lane.lost !== lane.lost;
    if (turned) this.glide = { from: this.drawnBox(), start: performance.now() };
    if (lane.lost || turned) this.trail = [];
    this.lane = lane;
    if (!lane.lost) this.trail = [...this.trail.slice(1 - TRAIL), centre(lane.box)];
    // The time of the first frame is that of `init`.
    if (!first) this.mean = this.mean === null ? lane.ms : 0.9 * this.mean + 0.1 * lane.ms;
    this.say(lane.score.toFixed(2), this.mean?.toFixed(1) ?? "–", lane.lost ? "lost, searching" : "tracked", lane.lost);
    this.overlay.dataset.frame = frame;
    this.draw();
  }

  /** The run is over; its last box stays. */
  finish() {
    this.figure.querySelector(".state").textContent = "";
  }

  say(score, ms, state, lost = false) {
    this.figure.querySelector(".score").textContent = score;
    this.figure.querySelector(".ms").textContent = ms;
    const badge = this.figure.querySelector(".state");
    badge.textContent = state;
    badge.classList.toggle("lost", lost);
  }

  /** The box on the screen now: on its way while it glides. */
  drawnBox() {
    if (!this.glide) return this.lane.box;
    const share = Math.min((performance.now() - this.glide.start) / GLIDE_MS, 1);
    const eased = 1 - (1 - share) ** 3;
    if (share === 1) this.glide = null;
    return this.glide ? between(this.glide.from, this.lane.box, eased) : this.lane.box;
  }

  draw() {
    const scale = window.devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.screen;
    const [width, height] = [Math.round(clientWidth * scale), Math.round(clientHeight * scale)];
    if (this.overlay.width !== width || this.overlay.height !== height) {
      this.overlay.width = width;
      this.overlay.height = height;
    }
    const pen = this.overlay.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    const zoom = clientWidth / this.width;
    if (this.sketch) {
      drawBox(pen, this.sketch, zoom, "#fff", [6, 4]);
    } else if (this.lane) {
      const box = this.drawnBox();
      this.overlay.dataset.box = box.map((value) => value.toFixed(2)).join(",");
      this.overlay.dataset.lost = this.lane.lost;
      if (!this.lane.lost) drawTrail(pen, this.trail, zoom, this.colour());
      drawBox(pen, box, zoom, this.lane.lost ? "#aab2ba" : this.colour(), this.lane.lost ? [9, 7] : []);
      if (this.glide) requestAnimationFrame(() => this.draw());
    } else {
      delete this.overlay.dataset.box;
    }
  }
}

function centre([x, y, w, h]) {
  return [x + w / 2, y + h / 2];
}

function drawBox(pen, [x, y, w, h], zoom, colour, dash) {
  const path = new Path2D();
  path.roundRect(x * zoom, y * zoom, w * zoom, h * zoom, Math.min(6, (Math.min(w, h) * zoom) / 4));
  pen.lineJoin = "round";
  pen.setLineDash(dash);
  // A dark and a light edge, so that the line is seen on any picture.
  for (const [style, width] of [["#000a", 6.5], ["#fffd", 4.5], [colour, 3]]) {
    if (dash.length && style === "#fffd") continue;
    pen.strokeStyle = style;
    pen.lineWidth = width;
    pen.stroke(path);
  }
  pen.setLineDash([]);
}

function drawTrail(pen, points, zoom, colour) {
  pen.strokeStyle = colour;
  pen.lineWidth = 2.5;
  pen.lineCap = "round";
  for (let index = 1; index < points.length; index += 1) {
    pen.globalAlpha = (0.7 * index) / points.length;
    pen.beginPath();
    pen.moveTo(points[index - 1][0] * zoom, points[index - 1][1] * zoom);
    pen.lineTo(points[index][0] * zoom, points[index][1] * zoom);
    pen.stroke();
  }
  pen.globalAlpha = 1;
}
