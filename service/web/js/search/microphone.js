// The microphone: a recording with its level, and why there is none, in plain words.

/** @typedef {{ stop: () => void, sound: Promise<Blob | null> }} Recording `sound` is null when it was given up. */

/** Begin to record. Rejects where the microphone cannot be had (`whyNot`).
 * @param {number} longest seconds
 * @param {(seconds: number, level: number) => void} show called while it records; the level is 0..1
 * @param {AbortSignal} given ends it without a sound
 * @returns {Promise<Recording>} */
export async function record(longest, show, given) {
  if (!navigator.mediaDevices || !("MediaRecorder" in window)) throw new DOMException("", "SecurityError");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(stream);
  /** @type {Blob[]} */
  const pieces = [];
  const meter = levelOf(stream);
  const stop = () => void (recorder.state === "recording" && recorder.stop());
  const sound = new Promise((resolve) => {
    recorder.addEventListener("dataavailable", ({ data }) => pieces.push(data));
    recorder.addEventListener("stop", () => {
      clearInterval(timer);
      meter.close();
      for (const track of stream.getTracks()) track.stop();
      resolve(given.aborted ? null : new Blob(pieces, { type: recorder.mimeType }));
    });
  });
  given.addEventListener("abort", stop);
  recorder.start();
  const begun = performance.now();
  const timer = setInterval(() => {
    const seconds = (performance.now() - begun) / 1000;
    show(seconds, meter.level());
    if (seconds >= longest) stop();
  }, 100);
  return { stop, sound };
}

/** @param {MediaStream} stream */
function levelOf(stream) {
  const context = new AudioContext();
  void context.resume(); // a page that was not clicked lately begins with it asleep
  const analyser = new AnalyserNode(context, { fftSize: 2048 });
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  return {
    level() {
      analyser.getFloatTimeDomainData(samples);
      const power = samples.reduce((sum, value) => sum + value * value, 0) / samples.length;
      return Math.min(1, Math.max(0, 1 + (10 * Math.log10(power + 1e-12)) / 60)); // -60 dB .. full scale
    },
    close: () => void context.close(),
  };
}

/** Say why a recording did not come about. @param {unknown} error */
export function whyNot(error) {
  const name = error instanceof DOMException ? error.name : "";
  const instead = "You can still choose or drop a sound file.";
  if (name === "NotAllowedError") {
    return `This page may not use the microphone. Allow it in the browser's settings of this site and try again. ${instead}`;
  }
  if (name === "NotFoundError") return `No microphone was found. Plug one in and try again. ${instead}`;
  if (name === "NotReadableError") return `The microphone is in use, or does not answer. ${instead}`;
  if (name === "SecurityError") {
    return `Browsers record only on pages from https or from this machine (localhost). ${instead}`;
  }
  return `The recording did not work${error instanceof Error && error.message ? `: ${error.message}` : ""}. ${instead}`;
}
