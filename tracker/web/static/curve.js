// The score over the last frames, a line a tracker, and where there are two the overlap of their boxes.

const LENGTH = 240;

export class Curve {
  constructor(canvas) {
    this.canvas = canvas;
    this.clear();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  clear() {
    this.points = [];
    this.draw();
  }

  /** @param scores 0 to 1, a tracker each @param lost whether each is lost @param overlap 0 to 1, or null */
  add(scores, lost, overlap) {
    this.points = [...this.points.slice(1 - LENGTH), { scores, lost, overlap }];
    this.draw();
  }

  draw() {
    const scale = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const look = getComputedStyle(this.canvas);
    const colour = (name) => look.getPropertyValue(name).trim();
    const [left, right, top, bottom] = [26, 4, 6, 6];
    const x = (index) => left + ((width - left - right) * index) / (LENGTH - 1);
    const y = (value) => top + (height - top - bottom) * (1 - value);

    pen.font = `11px ${look.fontFamily}`;
    pen.textBaseline = "middle";
    pen.fillStyle = colour("--faint");
    pen.strokeStyle = colour("--line");
    for (const value of [0, 0.5, 1]) {
      pen.fillText(value ? value.toFixed(1) : "0", 0, y(value));
      pen.beginPath();
      pen.moveTo(left, y(value));
      pen.lineTo(width - right, y(value));
      pen.stroke();
    }
    const line = (pick, style, thickness) => {
      pen.strokeStyle = style;
      pen.lineWidth = thickness;
      pen.lineJoin = "round";
      pen.beginPath();
      let open = false;
      this.points.forEach((point, index) => {
        const value = pick(point);
        if (value === null || value === undefined) open = false;
        else if (open) pen.lineTo(x(index), y(value));
        else [open] = [true, pen.moveTo(x(index), y(value))];
      });
      pen.stroke();
    };
    line((point) => point.overlap, colour("--both"), 1.5);
    ["--a", "--b"].forEach((name, lane) => {
      pen.globalAlpha = 0.35;
      line((point) => (point.lost[lane] ? point.scores[lane] : null), colour("--lost"), 2.2);
      pen.globalAlpha = 1;
      line((point) => (point.lost[lane] ? null : point.scores[lane]), colour(name), 2.2);
    });
  }
}
