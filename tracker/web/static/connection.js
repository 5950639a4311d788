// The WebSocket to the server, and the form of its messages (tracker/web/protocol.py).

export class Connection {
  /** @param {(header: object, jpeg: Blob | null) => (void | Promise<void>)} receive called for one message after the other */
  constructor(receive, closed) {
    const address = new URL("session", location.href);
    address.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(address);
    this.socket.binaryType = "arraybuffer";
    let turn = Promise.resolve();
    this.socket.addEventListener("message", ({ data }) => {
      turn = turn.then(() => receive(...unpack(data))).catch((error) => console.error(error));
    });
    this.socket.addEventListener("close", () => turn.then(closed));
  }

  send(type, fields = {}) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, ...fields }));
  }

  /** A frame of this device's camera, with a box where tracking begins. */
  async sendFrame(frame, jpeg, box) {
    const header = new TextEncoder().encode(JSON.stringify(box ? { frame, box } : { frame }));
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, header.length, true);
    const message = await new Blob([length, header, jpeg]).arrayBuffer();
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(message);
  }
}

function unpack(data) {
  if (typeof data === "string") return [JSON.parse(data), null];
  const length = new DataView(data).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  return [header, new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" })];
}

/** Upload a video for the session; resolves when the server has all of it. */
export function upload(session, file, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", `upload/${session}?name=${encodeURIComponent(file.name)}`);
    request.upload.onprogress = ({ loaded, total }) => onProgress(loaded / total);
    request.onload = () => (request.status === 200 ? resolve() : reject(new Error(request.responseText)));
    request.onerror = () => reject(new Error("The upload was cut off."));
    request.send(file);
  });
}
