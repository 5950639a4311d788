// This device's camera as a source: shown live, sent to the server frame by frame once something is tracked.
import { toJpeg } from "./camera.js";

const IN_FLIGHT = 2; // one is being tracked while the next is on its way

export class Device {
  /** @param show takes a canvas with the frame to be seen */
  constructor(camera, connection, show) {
    Object.assign(this, { camera, connection, show });
    this.frozen = null;
    this.tracking = false;
    this.playing = true;
    this.sent = -1;
    this.seen = -1;
    this.start = 0;
    this.sending = false;
    this.pictures = new Map();
    camera.watch(() => this.look());
  }

  look() {
    if (this.frozen || !this.playing) return;
    if (!this.tracking) this.show(this.camera.grab());
    // What the server has not answered yet is waited for; pictures in between are never sent.
    else if (!this.sending && this.sent - this.seen < IN_FLIGHT) this.push(this.camera.grab(), null);
  }

  freeze() {
    this.frozen = this.camera.grab();
    this.show(this.frozen);
  }

  thaw() {
    this.frozen = null;
  }

  /** Track what is in the box on the frozen frame. */
  async begin(box) {
    this.tracking = this.playing = true;
    this.start = this.sent + 1;
    await this.push(this.frozen, box);
    this.frozen = null;
  }

  async push(canvas, box) {
    this.sending = true;
    this.sent += 1;
    this.pictures.set(this.sent, canvas);
    await this.connection.sendFrame(this.sent, await toJpeg(canvas), box);
    this.sending = false;
  }

  /** The server's answer to a frame: show the frame that it is about. Returns its number in the run. */
  answer({ frame, seen }) {
    this.seen = Math.max(this.seen, seen);
    const canvas = this.pictures.get(frame);
    for (const number of this.pictures.keys()) if (number <= frame) this.pictures.delete(number);
    if (canvas && !this.frozen && frame >= this.start) this.show(canvas);
    return frame - this.start;
  }

  close() {
    this.camera.close();
  }
}
