// Players: one button a moment instead of the browser's own controls, which stay where scripts do not run.
// One moment plays at a time; the ring round the button shows how far it is.

/** @type {HTMLAudioElement | null} */
let playing = null;

for (const audio of document.querySelectorAll("audio")) {
  const button = document.createElement("button");
  const name = audio.getAttribute("aria-label") ?? "";
  const show = () => {
    const on = !audio.paused;
    button.classList.toggle("on", on);
    button.setAttribute("aria-label", name.replace("Play", on ? "Stop" : "Play"));
  };
  button.type = "button";
  button.className = "play";
  button.addEventListener("click", () => {
    if (audio.paused) {
      playing?.pause();
      playing = audio;
      audio.currentTime = 0;
      // That another moment was started before this one had begun is no fault of its sound.
      audio.play().catch((error) => button.classList.toggle("broken", error.name !== "AbortError"));
    } else {
      audio.pause();
    }
  });
  audio.addEventListener("timeupdate", () => {
    const share = audio.duration > 0 ? audio.currentTime / audio.duration : 0;
    button.style.setProperty("--played", audio.paused ? "0" : String(share));
  });
  for (const event of ["play", "pause", "ended"]) audio.addEventListener(event, show);
  show();
  audio.controls = false;
  audio.before(button);
}
