// Which trackers are used from the next box on. The server has the last word: a tracker may turn out not to load.
import { options } from "./controls.js";

export class Chooser {
  /** @param changed takes the names that are to be used */
  constructor(find, changed) {
    this.find = find;
    this.selects = [find("first"), find("second")];
    this.trackers = [];
    this.waiting = 0;
    for (const one of [...this.selects, find("compare")]) {
      one.addEventListener("change", () => {
        this.waiting += 1;
        this.explain();
        changed(this.names());
      });
    }
  }

  fill(trackers) {
    this.trackers = trackers;
    this.selects.forEach((select, index) => options(select, trackers, index));
    this.find("compare").disabled = trackers.length < 2;
    this.find("alone").hidden = trackers.length > 1;
    this.explain();
  }

  names() {
    return this.selects.slice(0, this.find("compare").checked ? 2 : 1).map((select) => select.value);
  }

  /** As a run will call them: the second of the same name has a mark. */
  marked() {
    return this.names().map((name, place, all) => (all.indexOf(name) < place ? `${name} (2)` : name));
  }

  /** What the server uses now; an answer to an earlier choice says nothing about the last one. */
  answered(names) {
    this.waiting = Math.max(this.waiting - 1, 0);
    if (this.waiting) return;
    this.find("compare").checked = names.length > 1;
    names.forEach((name, index) => { this.selects[index].value = name; });
    this.explain();
  }

  explain() {
    const two = this.find("compare").checked;
    this.selects[1].closest("label").hidden = this.find("second-note").hidden = !two;
    for (const select of this.selects) {
      this.find(`${select.id}-note`).textContent = this.trackers.find(({ name }) => name === select.value)?.note ?? "";
    }
  }
}
