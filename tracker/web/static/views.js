// What is seen of a run: a picture, numbers and curves for each tracker, under the names that the run gives them.
import { Curve } from "./curve.js";
import { Meters } from "./meters.js";
import { Pane } from "./pane.js";

const LONGEST = 34; // letters of a name; what is in the middle of a longer one tells least

export class Views {
  constructor(find) {
    this.find = find;
    this.panes = [...document.querySelectorAll(".pane")].map((figure) => new Pane(figure));
    this.curve = new Curve(find("curve"));
    this.meters = new Meters(find);
    this.names = [];
    this.frame = -1;
  }

  /** Name the trackers that are seen; two of them stand side by side. */
  label(names) {
    if (names.join("\n") === this.names.join("\n")) return;
    this.names = names;
    const two = names.length > 1;
    names.forEach((name, index) => this.panes[index].name(shortened(name), name));
    for (const entry of document.querySelectorAll(".compared")) entry.hidden = !two;
    const lines = names.map((name, index) => line("ab"[index], `score, ${shortened(name)}`));
    this.find("legend").replaceChildren(...lines, ...(two ? [line("both", "overlap of the two")] : []));
  }

  /** Show a frame that nothing is known of. */
  show(image, width, height) {
    for (const pane of this.panes) pane.show(image, width, height);
  }

  /** Take over what the trackers say of the frame that is shown. */
  measured(frame, lanes, first, total) {
    this.label(lanes.map((lane) => lane.name));
    this.frame = frame;
    lanes.forEach((lane, index) => this.panes[index].update(lane, frame, first));
    const shared = this.meters.update(frame, total, lanes);
    this.curve.add(lanes.map((lane) => lane.score), lanes.map((lane) => lane.lost), shared);
  }

  /** The run is over: its last box stays as long as its last frame does. */
  finish() {
    for (const pane of this.panes) pane.finish();
  }

  /** Another frame is shown: a box that belongs to an earlier one goes. */
  moved(frame) {
    if (frame === this.frame) return;
    for (const pane of this.panes) pane.forget();
  }

  clear() {
    this.frame = -1;
    for (const pane of this.panes) pane.clear();
    this.meters.clear();
    this.curve.clear();
  }

  /** No picture either. */
  blank() {
    this.clear();
    for (const pane of this.panes) pane.blank();
  }
}

function line(colour, text) {
  const item = Object.assign(document.createElement("li"), { className: colour });
  item.append(document.createElement("i"), text);
  return item;
}

function shortened(name) {
  const half = LONGEST / 2;
  return name.length > LONGEST ? `${name.slice(0, half)}…${name.slice(-half)}` : name;
}
