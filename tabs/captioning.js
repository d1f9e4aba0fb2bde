// Runs once for each list of the captioning room, with Gradio's own `element` and `trigger`. What can be pressed says
// in `data-do` what it asks for; a caption that was changed in its box tells its `data-key` and its text.
element.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-do]");
  if (pressed) trigger("select", JSON.parse(pressed.dataset.do));
  if (event.target.closest(".numbers-switch")) element.classList.toggle("with-numbers");
});
element.addEventListener("change", (event) => {
  const box = event.target.closest("textarea[data-key]");
  if (box) trigger("edit", { key: box.dataset.key, text: box.value });
});
element.addEventListener("keydown", (event) => {
  // A caption is one line, so Enter means "done with this one" and goes to the next.
  if (event.key !== "Enter" || !event.target.matches("textarea[data-key]") || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  const boxes = [...element.querySelectorAll("textarea[data-key]")];
  const next = boxes[boxes.indexOf(event.target) + (event.shiftKey ? -1 : 1)];
  if (next) next.focus();
  else event.target.blur();
});
