// The camera of this device.

const SIDE = 640; // pixels; a tracker looks at a crop of a quarter of that

export class Camera {
  /** Ask for the camera; rejects with an Error whose message can be shown. */
  static async open() {
    if (!navigator.mediaDevices?.getUserMedia) {
      throw new Error("This browser gives its camera only to https pages and to localhost. Start the server with " +
        "--cert, or upload a video: a phone can record one when asked for a file.");
    }
    const wanted = { width: { ideal: SIDE }, height: { ideal: (SIDE * 3) / 4 }, facingMode: { ideal: "environment" } };
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
      const video = document.createElement("video");
      Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
      await video.play();
      return new Camera(stream, video);
    } catch (error) {
      const reasons = { NotAllowedError: "it is not allowed to this page", NotFoundError: "there is none",
        NotReadableError: "another program uses it" };
      throw new Error(`The camera cannot be used: ${reasons[error.name] ?? error.message}.`);
    }
  }

  constructor(stream, video) {
    this.stream = stream;
    this.video = video;
  }

  /** Call `see` for every new picture, until closed. */
  watch(see) {
    const next = () => {
      if (!this.stream.active) return;
      see();
      wait();
    };
    // Without requestVideoFrameCallback, pictures are looked at as often as the screen is drawn.
    const wait = () => (this.video.requestVideoFrameCallback
      ? this.video.requestVideoFrameCallback(next) : requestAnimationFrame(next));
    wait();
  }

  /** The picture of now on a canvas of its own. */
  grab() {
    const scale = Math.min(1, SIDE / Math.max(this.video.videoWidth, this.video.videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(this.video.videoWidth * scale);
    canvas.height = Math.round(this.video.videoHeight * scale);
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    return canvas;
  }

  close() {
    for (const track of this.stream.getTracks()) track.stop();
  }
}

export function toJpeg(canvas) {
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
}
