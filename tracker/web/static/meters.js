// The numbers under the video.
import { overlap } from "./boxes.js";

export class Meters {
  constructor(find) {
    this.fps = find("fps");
    this.frame = find("frame");
    this.now = find("overlap");
    this.mean = find("mean-overlap");
    this.clear();
  }

  clear() {
    this.arrivals = [];
    this.sum = 0;
    this.count = 0;
    for (const one of [this.fps, this.frame, this.now, this.mean]) one.textContent = "–";
  }

  /** Take over a frame's lanes; returns the overlap of two boxes, or null. */
  update(frame, total, lanes) {
    const time = performance.now();
    this.arrivals = [...this.arrivals.filter((one) => time - one.time < 1500), { time, frame }];
    const oldest = this.arrivals[0];
    // By the frames' numbers: those that were tracked but not shown count too.
    if (time - oldest.time > 400) this.fps.textContent = ((1000 * (frame - oldest.frame)) / (time - oldest.time)).toFixed(1);
    this.frame.textContent = total ? `${frame + 1} / ${total}` : frame + 1;
    if (lanes.length < 2) return null;
    const shared = overlap(lanes[0].box, lanes[1].box);
    this.sum += shared;
    this.count += 1;
    this.now.textContent = shared.toFixed(2);
    this.mean.textContent = (this.sum / this.count).toFixed(2);
    return shared;
  }
}
