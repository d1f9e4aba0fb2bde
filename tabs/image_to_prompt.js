// Runs once for each list of the view "Picture(s)", with Gradio's own `element` and `trigger`. What can be pressed says
// in `data-do` what it asks for; what can be copied has its words in `data-copy`.
const copied = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Only pages from this machine or over https may use the clipboard directly.
    const box = document.createElement("textarea");
    box.value = text;
    box.style.position = "fixed";
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
};
element.addEventListener("click", async (event) => {
  const pressed = event.target.closest("[data-do]");
  if (pressed) trigger("select", JSON.parse(pressed.dataset.do));
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await copied(button.dataset.copy);
  const words = button.textContent;
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = words; }, 1200);
});
