// Runs once for each live part of the view of prompts, with Gradio's own `element` and `trigger`. What can be pressed
// says in `data-do` what it asks for; on a map the point nearest to the click is meant, for fingers are thick.
const REACH = 22;
const nearestPoint = (svg, x, y) => {
  let best = null, least = REACH;
  for (const point of svg.querySelectorAll("[data-row]")) {
    const box = point.getBoundingClientRect();
    const away = Math.hypot(box.left + box.width / 2 - x, box.top + box.height / 2 - y);
    if (away < least) [best, least] = [point, away];
  }
  return best;
};
element.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-do]");
  if (pressed) return trigger("select", JSON.parse(pressed.dataset.do));
  const svg = event.target.closest("svg");
  const point = svg && nearestPoint(svg, event.clientX, event.clientY);
  if (point) trigger("select", { row: Number(point.dataset.row) });
});
