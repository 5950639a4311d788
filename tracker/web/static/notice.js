// The line that says what went wrong or must be known, in sight wherever the page is scrolled.

export class Notice {
  constructor(find) {
    this.line = find("message");
    this.again = find("again");
    find("dismiss").addEventListener("click", () => this.hide());
    this.again.addEventListener("click", () => location.reload());
  }

  /** @param over the page can only be loaded again */
  say(text, over = false) {
    this.line.hidden = false;
    this.line.querySelector("span").textContent = text;
    this.again.hidden = !over;
  }

  /** What is said now. */
  get text() {
    return this.line.hidden ? "" : this.line.querySelector("span").textContent;
  }

  hide() {
    this.line.hidden = true;
  }
}
