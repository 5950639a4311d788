// The page: what is on, what may be pressed, and who is told.
import { Camera } from "./camera.js";
import { Chooser } from "./chooser.js";
import { Connection, upload } from "./connection.js";
import { buttons, links } from "./controls.js";
import { Device } from "./device.js";
import { Notice } from "./notice.js";
import { Sketch } from "./sketch.js";
import { Views } from "./views.js";

const find = (id) => document.getElementById(id);
const NOTHING = { source: null, opening: "", playing: false, tracking: false, ended: false, drawing: false,
  wantsBox: false, resume: false, filed: false };
const on = { ...NOTHING };
const notice = new Notice(find);
const views = new Views(find);
const sketch = new Sketch(views.panes, track);
const chooser = new Chooser(find, choose);
let hello = null;
let device = null;
let opens = 0;

const connection = new Connection(receive, () => {
  Object.assign(on, NOTHING);
  device?.close();
  sketch.end();
  status("not connected", "bad");
  notice.say(notice.text || "The connection to the server has ended.", true);
  render();
});

// What the server says.

const handlers = {
  hello(message) {
    hello = message;
    chooser.fill(hello.trackers);
    find("kept").textContent = `Files are kept until the page is closed or not used for ${hello.limits.idle}.`;
    views.label(chooser.marked());
    find("videos").hidden = !hello.videos.length;
    buttons(find("videos").querySelector("ul"), hello.videos, (name) => open("video", name));
    buttons(find("cameras"), hello.cameras, (name) => open("camera", name));
  },
  opening({ name }) {
    on.opening = name;
  },
  source(message) {
    Object.assign(on, { source: message, opening: "" });
    if (message.width) for (const pane of views.panes) pane.resize(message.width, message.height);
  },
  async picture(message, jpeg) {
    const image = await createImageBitmap(jpeg);
    connection.send("shown", { frame: message.frame });
    // Pictures of the source before come late.
    if (on.source) views.show(image, message.width, message.height);
    image.close();
    if (!on.source) return;
    if (message.lanes.length) views.measured(message.frame, message.lanes, message.first, on.source?.count);
    else views.moved(message.frame);
    find("position").value = message.frame + 1;
  },
  result(message) {
    const number = device?.answer(message);
    // Answers of before the last box come late.
    if (on.tracking && number >= 0 && message.lanes.length) {
      views.measured(number, message.lanes, message.first, null);
    }
  },
  state(message) {
    if (on.source?.kind !== "device") on.playing = message.playing;
    const finished = on.tracking && !message.tracking;
    Object.assign(on, { tracking: message.tracking, ended: message.ended });
    if (finished) {
      views.finish();
      offerFiles();
    }
    if (finished && device) views.moved(null); // its picture goes on
    if (finished && differs()) fresh();
    if (device && !on.tracking) Object.assign(device, { tracking: false, playing: true });
    if (!on.source) on.opening = "";
    if (on.wantsBox && !on.playing) beginDrawing();
  },
  files({ files }) {
    links(find("files"), files);
    find("no-files").hidden = files.length > 0;
    find("kept").hidden = files.length === 0;
  },
  chosen({ names }) {
    chooser.answered(names);
    if (!on.tracking && differs()) fresh();
  },
  error({ text }) {
    notice.say(text);
  },
  note({ text }) {
    notice.say(text);
  },
};

function receive(message, jpeg) {
  const handled = handlers[message.type]?.(message, jpeg);
  render();
  return handled?.then(render);
}

// Sources.

async function open(kind, name = "") {
  const turn = (opens += 1);
  notice.hide();
  let camera = null;
  if (kind === "device") {
    try {
      camera = await Camera.open();
    } catch (error) {
      notice.say(error.message); // what was open stays so
      return;
    }
    if (turn !== opens) return camera.close(); // another source was chosen while the browser asked
  }
  sketch.end();
  device?.close();
  device = null;
  Object.assign(on, NOTHING, { opened: [kind, name] });
  views.blank();
  fresh();
  render();
  if (camera) device = new Device(camera, connection, (canvas) => views.show(canvas, canvas.width, canvas.height));
  connection.send("open", { kind, name });
  for (const button of document.querySelectorAll("aside button")) {
    button.classList.toggle("chosen", kind === "device" ? button.id === "device" : button.textContent === name);
  }
}

async function send(file) {
  if (!file || !hello) return;
  notice.hide();
  const limit = hello.limits.upload_bytes;
  if (file.size > limit) {
    notice.say(`${file.name} has ${(file.size / 1e6).toFixed(0)} MB; at most ${(limit / 1e6).toFixed(0)} MB can be uploaded.`);
    return;
  }
  const bar = find("uploaded");
  bar.hidden = false;
  try {
    await upload(hello.session, file, (share) => { bar.value = share; });
    await open("upload");
  } catch (error) {
    notice.say(error.message);
  }
  bar.hidden = true;
}

// Drawing and tracking.

function draw() {
  if (on.drawing) return cancel();
  notice.hide();
  if (device) {
    device.freeze();
    return beginDrawing();
  }
  Object.assign(on, { wantsBox: true, resume: on.playing });
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
  if (on.resume) connection.send("play");
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

function choose(names) {
  connection.send("choose", { names });
  if (!on.tracking) fresh();
  render();
}

// What is seen.

/** Whether the choice is another than what is seen. */
function differs() {
  return chooser.marked().join("\n") !== views.names.join("\n");
}

/** Nothing is tracked yet: what is seen next will be of the trackers that are chosen. */
function fresh() {
  views.clear();
  views.label(chooser.marked());
}

/** The run has ended; on a narrow page its files are far below. */
function offerFiles() {
  on.filed = find("files").childElementCount > 0;
  if (on.filed && matchMedia("(max-width: 60rem)").matches) find("downloads").scrollIntoView({ block: "nearest" });
}

function render() {
  const { source, playing, tracking, ended, drawing } = on;
  const file = source && !source.live;
  const two = views.names.length > 1 && Boolean(source);
  find("empty").hidden = Boolean(source);
  find("empty-text").hidden = Boolean(on.opening);
  find("opening").textContent = on.opening && `Connecting to ${on.opening} …`;
  document.querySelector("main").classList.toggle("opened", Boolean(source));
  find("panes").classList.toggle("drawing", drawing);
  find("panes").classList.toggle("two", two);
  views.panes[1].figure.hidden = !two;
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
  if (hello && connection.socket.readyState === WebSocket.OPEN) status(words(), "good");
}

function words() {
  if (on.opening) return "connecting";
  if (chooser.waiting) return "loading tracker";
  if (on.drawing) return "waiting for a box";
  if (on.ended) return "ended";
  if (on.tracking) return on.playing ? "tracking" : "paused";
  return "ready";
}

function hint() {
  if (on.drawing) return `Drag a box around the target${matchMedia("(hover: none)").matches ? "." : ", or use the arrow keys and enter."}`;
  if (on.tracking && differs()) return "The other choice of trackers counts from the next box.";
  if (on.ended) return `The video has ended.${on.filed ? " Its files are under Downloads." : ""}`;
  if (on.filed && !on.tracking) return "The files are under Downloads. Draw a box to track again.";
  if (on.source && !on.tracking) return "Draw a box around what is to be tracked.";
  return "";
}

function status(text, kind) {
  find("status").textContent = text;
  find("status").className = kind;
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

// Anywhere: beside the video the browser would leave the page and show the file instead.
const dropping = (on) => find("panes").classList.toggle("dropping", on);
addEventListener("dragover", (event) => {
  event.preventDefault();
  dropping(true);
});
addEventListener("dragleave", ({ relatedTarget }) => dropping(Boolean(relatedTarget)));
addEventListener("drop", (event) => {
  event.preventDefault();
  dropping(false);
  send(event.dataTransfer.files[0]);
});

const KEYS = { " ": "play", b: "draw", f: "stop", r: "restart", c: "compare" };
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  // Space and enter press the button or open the list that has the focus; in a list arrows choose.
  if ((event.key === " " || event.key === "Enter") && event.target.closest("button, summary, a, input, select")) return;
  if (event.key.startsWith("Arrow") && event.target.closest("select")) return;
  if (event.key === "Escape") cancel();
  else if (sketch.key(event)) event.preventDefault();
  else if (event.key.toLowerCase() in KEYS && !event.repeat) {
    event.preventDefault();
    find(KEYS[event.key.toLowerCase()]).click();
  }
});
