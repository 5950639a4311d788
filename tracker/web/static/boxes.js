// Boxes [x, y, w, h] in pixels of the source's frames.

export function overlap(one, other) {
  const width = Math.min(one[0] + one[2], other[0] + other[2]) - Math.max(one[0], other[0]);
  const height = Math.min(one[1] + one[3], other[1] + other[3]) - Math.max(one[1], other[1]);
  const common = Math.max(width, 0) * Math.max(height, 0);
  return common / (one[2] * one[3] + other[2] * other[3] - common);
}

/** Between two boxes: 0 is the first, 1 the second. */
export function between(one, other, share) {
  return one.map((value, index) => value + share * (other[index] - value));
}

/** The box with these two corners, inside a frame of width x height. */
export function spanned(one, other, width, height) {
  const clip = (value, limit) => Math.min(Math.max(value, 0), limit);
  const [x1, x2] = [clip(one[0], width), clip(other[0], width)].sort((a, b) => a - b);
  const [y1, y2] = [clip(one[1], height), clip(other[1], height)].sort((a, b) => a - b);
  return [x1, y1, x2 - x1, y2 - y1];
}

/** Moved, or with `resize` larger, by whole steps; inside the frame and at least 8 pixels wide and high. */
export function nudged(box, dx, dy, resize, width, height) {
  let [x, y, w, h] = box;
  if (resize) {
    w = Math.min(Math.max(w + dx, 8), width - x);
    h = Math.min(Math.max(h + dy, 8), height - y);
  } else {
    x = Math.min(Math.max(x + dx, 0), width - w);
    y = Math.min(Math.max(y + dy, 0), height - h);
  }
  return [x, y, w, h];
}
