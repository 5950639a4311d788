// Drawing a box on a held frame, with mouse, finger or keys.
import { nudged, spanned } from "./boxes.js";

const LEAST = 4; // pixels of the source; less is a slip of the finger
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Sketch {
  /** @param panes views that can be drawn on @param done takes the box when it is drawn */
  constructor(panes, done) {
    this.panes = panes;
    this.done = done;
    this.active = false;
    for (const pane of panes) this.listen(pane);
  }

  begin() {
    this.active = true;
    this.set(null);
    this.panes[0].overlay.focus({ preventScroll: true });
  }

  end() {
    this.active = false;
    this.corner = null;
    this.set(null);
    for (const pane of this.panes) pane.overlay.blur(); // keys are for the whole page again
  }

  set(box) {
    this.box = box;
    for (const pane of this.panes) {
      pane.sketch = box;
      pane.draw();
    }
  }

  listen(pane) {
    const at = (event) => {
      const frame = pane.overlay.getBoundingClientRect();
      return [((event.clientX - frame.left) / frame.width) * pane.width,
        ((event.clientY - frame.top) / frame.height) * pane.height];
    };
    pane.overlay.addEventListener("pointerdown", (event) => {
      if (!this.active || event.button !== 0) return;
      pane.overlay.setPointerCapture(event.pointerId);
      this.corner = at(event);
      event.preventDefault();
    });
    pane.overlay.addEventListener("pointermove", (event) => {
      if (this.corner) this.set(spanned(this.corner, at(event), pane.width, pane.height));
    });
    pane.overlay.addEventListener("pointerup", (event) => {
      if (!this.corner) return;
      const box = spanned(this.corner, at(event), pane.width, pane.height);
      this.corner = null;
      if (Math.min(box[2], box[3]) >= LEAST) this.done(box);
      else this.set(null);
    });
    pane.overlay.addEventListener("pointercancel", () => {
      this.corner = null;
      this.set(null);
    });
  }

  /** Whether the key meant the box that is being drawn. */
  key(event) {
    if (!this.active) return false;
    const { width, height } = this.panes[0];
    if (event.key in ARROWS) {
      const step = event.repeat ? Math.max(Math.round(width / 80), 1) : 1; // a key that is held hurries
      const [dx, dy] = ARROWS[event.key].map((value) => value * step);
      const start = [width * 0.4, height * 0.4, width * 0.2, height * 0.2].map(Math.round);
      this.set(this.box ? nudged(this.box, dx, dy, event.shiftKey, width, height) : start);
      return true;
    }
    if (event.key === "Enter" && this.box) {
      this.done(this.box);
      return true;
    }
    return false;
  }
}
