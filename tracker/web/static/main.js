// The page: what is on, what may be pressed, and who is told.
import { Camera } from "./camera.js";
import { Connection, upload } from "./connection.js";
import { buttons, links, options } from "./controls.js";
import { Curve } from "./curve.js";
import { Device } from "./device.js";
import { Meters } from "./meters.js";
import { Pane } from "./pane.js";
import { Sketch } from "./sketch.js";

const find = (id) => document.getElementById(id);
const panes = [...document.querySelectorAll(".pane")].map((figure) => new Pane(figure));
const sketch = new Sketch(panes, track);
const curve = new Curve(find("curve"));
const meters = new Meters(find);
const on = { source: null, playing: false, tracking: false, ended: false, drawing: false, wantsBox: false };
let hello = null;
let device = null;

const connection = new Connection(receive, () => {
  on.source = null;
  device?.close();
  sketch.end();
  status("not connected", "bad");
  if (find("message").hidden) say("The connection to the server has ended. Load the page again.");
  render();
});

const handlers = {
  hello(message) {
    hello = message;
    options(find("first"), hello.trackers, 0);
    options(find("second"), hello.trackers, 1);
    find("videos").hidden = !hello.videos.length;
    buttons(find("videos").querySelector("ul"), hello.videos, (name) => open("video", name));
    buttons(find("cameras"), hello.cameras, (name) => open("camera", name));
    for (const button of find("cameras").children) button.textContent = `Camera ${button.textContent} of the server`;
    choose();
  },
  source(message) {
    on.source = message;
    if (message.width) for (const pane of panes) pane.resize(message.width, message.height);
  },
  async picture(message, jpeg) {
    const image = await createImageBitmap(jpeg);
    show(image, message.width, message.height);
    image.close();
    connection.send("shown", { frame: message.frame });
    if (message.lanes.length) measured(message.frame, message.lanes, false);
    find("position").value = message.frame + 1;
  },
  result(message) {
    const number = device?.answer(message);
    // Answers of before the last box come late.
    if (on.tracking && number >= 0 && message.lanes.length) measured(number, message.lanes, message.first);
  },
  state(message) {
    if (on.source?.kind !== "device") on.playing = message.playing;
    if (on.tracking && !message.tracking) for (const pane of panes) pane.finish();
    on.tracking = message.tracking;
    on.ended = message.ended;
    if (device && !on.tracking) Object.assign(device, { tracking: false, playing: true });
    if (on.wantsBox && !on.playing) beginDrawing();
  },
  files({ files }) {
    links(find("files"), files);
    find("no-files").hidden = files.length > 0;
  },
  chosen({ names }) {
    names.forEach((name, index) => panes[index].name(name));
  },
  error({ text }) {
    say(text);
  },
};

function receive(message, jpeg) {
  const handled = handlers[message.type]?.(message, jpeg);
  render();
  return handled?.then(render);
}

// Sources.

async function open(kind, name = "") {
  quiet();
  sketch.end();
  device?.close();
  device = null;
  Object.assign(on, { source: null, playing: false, tracking: false, ended: false, drawing: false, wantsBox: false });
  fresh();
  if (kind === "device") {
    try {
      const camera = await Camera.open();
      device = new Device(camera, connection, (canvas) => show(canvas, canvas.width, canvas.height));
    } catch (error) {
      say(error.message);
      return;
    }
  }
  on.opened = [kind, name];
  connection.send("open", { kind, name });
  for (const button of document.querySelectorAll("aside button")) {
    button.classList.toggle("chosen", kind === "device" ? button.id === "device" : button.textContent === name);
  }
}

async function send(file) {
  if (!file) return;
  quiet();
  const limit = hello.limits.upload_bytes;
  if (file.size > limit) {
    say(`${file.name} has ${(file.size / 1e6).toFixed(0)} MB; at most ${(limit / 1e6).toFixed(0)} MB can be uploaded.`);
    return;
  }
  const bar = find("uploaded");
  bar.hidden = false;
  try {
    await upload(hello.session, file, (share) => { bar.value = share; });
    await open("upload");
  } catch (error) {
    say(error.message);
  }
  bar.hidden = true;
}

// Drawing and tracking.

function draw() {
  if (on.drawing) return cancel();
  quiet();
  if (device) {
    device.freeze();
    return beginDrawing();
  }
  on.wantsBox = true;
  if (on.playing) connection.send("pause");
  else beginDrawing();
}

function beginDrawing() {
  Object.assign(on, { drawing: true, wantsBox: false });
  sketch.begin();
  render();
}

function cancel() {
  if (!on.drawing) return;
  sketch.end();
  on.drawing = false;
  device?.thaw();
  render();
}

function track(box) {
  box = box.map((value) => Math.round(value * 100) / 100);
  sketch.end();
  on.drawing = false;
  fresh();
  if (device) {
    Object.assign(on, { tracking: true, playing: true });
    device.begin(box);
  } else {
    connection.send("select", { box });
  }
  render();
}

function toggle() {
  if (device) {
    on.playing = device.playing = !on.playing;
    render();
  } else {
    connection.send(on.playing ? "pause" : "play");
  }
}

function choose() {
  const two = find("compare").checked;
  const selects = [find("first"), find("second")];
  find("panes").classList.toggle("two", two);
  panes[1].figure.hidden = !two;
  selects[1].closest("label").hidden = find("second-note").hidden = !two;
  for (const entry of document.querySelectorAll(".compared")) entry.hidden = !two;
  selects.forEach((select) => {
    find(`${select.id}-note`).textContent = hello.trackers.find(({ name }) => name === select.value)?.note ?? "";
  });
  const names = selects.slice(0, two ? 2 : 1).map((select) => select.value);
  connection.send("choose", { names });
  const [a, b] = names;
  find("legend").innerHTML = two ? '<li class="a"><i></i></li><li class="b"><i></i></li><li class="both"><i></i>overlap of the two</li>'
    : '<li class="a"><i></i></li>';
  [a, b].slice(0, names.length).forEach((name, index) => find("legend").children[index].append(`score, ${name}`));
  on.changed = on.tracking;
  render();
}

// What is seen.

function show(image, width, height) {
  for (const pane of panes) pane.show(image, width, height);
}

function measured(frame, lanes, first) {
  lanes.forEach((lane, index) => panes[index].update(lane, frame, first || (frame === 0)));
  const shared = meters.update(frame, on.source?.count, lanes);
  curve.add(lanes.map((lane) => lane.score), lanes.map((lane) => lane.lost), shared);
}

function fresh() {
  for (const pane of panes) pane.clear();
  meters.clear();
  curve.clear();
  links(find("files"), []);
  find("no-files").hidden = false;
  on.changed = false;
}

function render() {
  const { source, playing, tracking, ended, drawing } = on;
  const file = source && !source.live;
  find("empty").hidden = Boolean(source);
  document.querySelector("main").classList.toggle("opened", Boolean(source));
  find("panes").classList.toggle("drawing", drawing);
  find("play").disabled = !source || ended || drawing || (source.kind === "device" && !tracking);
  find("play").firstElementChild.textContent = playing && (tracking || source?.kind !== "device") ? "Pause" : "Play";
  find("draw").disabled = !source || ended;
  find("draw").firstElementChild.textContent = drawing ? "Cancel" : tracking ? "New box" : "Draw box";
  find("draw").querySelector("kbd").textContent = drawing ? "esc" : "B";
  find("stop").disabled = !tracking || drawing;
  find("restart").hidden = source !== null && !file;
  find("restart").disabled = !file;
  find("position").hidden = !(file && source.count);
  find("position").max = source?.count ?? 1;
  find("hint").textContent = hint();
  if (hello && connection.socket.readyState === WebSocket.OPEN) {
    const words = drawing ? "waiting for a box" : ended ? "ended" : tracking ? (playing ? "tracking" : "paused") : "ready";
    status(words, "good");
  }
}

function hint() {
  if (on.drawing) return `Drag a box around the target${matchMedia("(hover: none)").matches ? "." : ", or use the arrow keys and enter."}`;
  if (on.changed) return "The change of trackers counts from the next box.";
  if (on.ended) return "The video has ended. Its files are under Downloads.";
  if (on.source && !on.tracking) return "Draw a box around what is to be tracked.";
  return "";
}

function status(text, kind) {
  find("status").textContent = text;
  find("status").className = kind;
}

function say(text) {
  find("message").hidden = false;
  find("message").querySelector("span").textContent = text;
}

function quiet() {
  find("message").hidden = true;
}

// Buttons and keys.

find("device").addEventListener("click", () => open("device"));
find("upload").addEventListener("change", ({ target }) => {
  send(target.files[0]);
  target.value = "";
});
find("play").addEventListener("click", toggle);
find("draw").addEventListener("click", draw);
find("stop").addEventListener("click", () => connection.send("stop"));
find("restart").addEventListener("click", () => open(...on.opened));
find("dismiss").addEventListener("click", quiet);
for (const id of ["first", "second", "compare"]) find(id).addEventListener("change", choose);

const drop = find("panes");
drop.addEventListener("dragover", (event) => {
  event.preventDefault();
  drop.classList.add("dropping");
});
drop.addEventListener("dragleave", () => drop.classList.remove("dropping"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("dropping");
  send(event.dataTransfer.files[0]);
});

const KEYS = { " ": "play", b: "draw", f: "stop", r: "restart", c: "compare" };
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input[type=text], select")) return;
  // Space and enter press the button that has the focus.
  if ((event.key === " " || event.key === "Enter") && event.target.closest("button, summary, a, input")) return;
  if (event.key === "Escape") cancel();
  else if (sketch.key(event)) event.preventDefault();
  else if (event.key.toLowerCase() in KEYS && !event.repeat) {
    event.preventDefault();
    find(KEYS[event.key.toLowerCase()]).click();
  }
});
