// Runs once when the page is there: keyboard, and pictures dropped anywhere on a room.
() => {
  if (window.atelierIsReady) return;
  window.atelierIsReady = true;

  const isShown = (element) => element.offsetParent !== null && !element.disabled;
  const press = (selector) => {
    const button = [...document.querySelectorAll(selector)].find(isShown);
    if (button) button.click();
    return Boolean(button);
  };

  // Buttons that are a mere sign need words, for the mouse that rests on them and for screen readers.
  const words = { ".atelier-dice": "A new random seed each time", ".atelier-again": "The last seed again" };
  const label = () => {
    for (const [selector, text] of Object.entries(words)) {
      for (const button of document.querySelectorAll(`button${selector}:not([title])`)) {
        button.title = text;
        button.setAttribute("aria-label", text);
      }
    }
  };
  label();
  // A room comes into being when it is opened for the first time.
  new MutationObserver(label).observe(document.body, { childList: true, subtree: true });

  // Ctrl+Enter (or Cmd+Enter) starts the room that is shown, Esc stops it.
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      // The text box tells its value to the page on "input"; blur also covers number boxes, which wait for "change".
      if (document.activeElement?.tagName === "INPUT") document.activeElement.blur();
      if (press("button.atelier-run")) event.preventDefault();
    } else if (event.key === "Escape") {
      press("button.atelier-stop");
    }
  }, true);

  // What is coming appears below the desk, so bring the desk to the top when it is out of sight or the screen is small.
  document.addEventListener("click", (event) => {
    const desk = event.target.closest?.("button.atelier-run")?.closest(".atelier-desk");
    if (desk && (desk.getBoundingClientRect().top < 0 || innerWidth <= 700)) desk.scrollIntoView({ behavior: "smooth" });
  });

  // A picture dropped anywhere on a room goes to that room's own drop zone, unless it fell on another upload box.
  const zoneFor = (target) => target.closest?.(".atelier-room")?.querySelector(".atelier-drop input[type=file]");
  const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const onUploadBox = (target) => Boolean(target.closest?.("button[aria-dropeffect], .atelier-drop, .atelier-uploads, .atelier-paint"));
  document.addEventListener("dragover", (event) => {
    if (carriesFiles(event) && !onUploadBox(event.target) && zoneFor(event.target)) event.preventDefault();
  });
  document.addEventListener("drop", (event) => {
    const zone = carriesFiles(event) && !onUploadBox(event.target) ? zoneFor(event.target) : null;
    if (!zone) return;
    event.preventDefault();
    zone.files = event.dataTransfer.files;
    zone.dispatchEvent(new Event("change", { bubbles: true }));
  });
}
