// Runs once for each list of the view "Image index", after the script of the view "Picture(s)": a button whose
// `data-like` is the place of a hit asks for more like it. The hit that is looked at is marked on the wall, and brought
// into sight, for it stands above a wall that may be long.
element.addEventListener("click", (event) => {
  const pressed = event.target.closest("[data-like]");
  if (pressed) trigger("like", { place: Number(pressed.dataset.like) });
});
new MutationObserver(() => {
  const wall = element.closest(".atelier-results");
  const cards = [...(wall?.querySelectorAll(".atelier-index-wall .card") ?? [])];
  const large = wall?.querySelector(".atelier-index-detail");
  cards.forEach((card, place) => {
    const isChosen = large?.dataset.place === String(place);
    card.classList.toggle("chosen", isChosen);
    card.ariaPressed = String(isChosen);
  });
  if (large && element.contains(large) && large.getBoundingClientRect().top < 0) large.scrollIntoView({ behavior: "smooth" });
}).observe(element, { childList: true, subtree: true });
