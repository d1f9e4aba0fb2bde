// Runs once for the strip of pictures: a picture that is pasted anywhere on the room joins the others.
document.addEventListener("paste", (event) => {
  const isShown = element.isConnected && element.closest(".atelier-room")?.offsetParent !== null;
  if (!isShown || event.target.closest?.("input, textarea")) return;
  const pictures = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  const zone = element.closest(".atelier-room").querySelector(".atelier-drop-captions input[type=file]");
  if (!pictures.length || !zone) return;
  event.preventDefault();
  const carried = new DataTransfer();
  for (const file of pictures) carried.items.add(file);
  zone.files = carried.files;
  zone.dispatchEvent(new Event("change", { bubbles: true }));
});
