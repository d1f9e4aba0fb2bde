"""What a visitor does in the captioning room."""


def bring(me, paths):
    me.page.locator(".atelier-drop-captions input[type=file]").set_input_files(paths)
    count = "1 picture" if len(paths) == 1 else f"{len(paths)} pictures"
    me.page.locator(".strip .count", has_text=count).wait_for()


def choose(me, *titles):
    """Make these the captioners."""
    box = me.page.get_by_label("Captioners")
    for token in range(me.page.locator(".atelier-settings .token").count()):
        del token
        me.page.locator(".atelier-settings .token-remove").first.click()
    for title in titles:
        box.click()
        me.page.get_by_role("option", name=title, exact=True).click()
    me.page.keyboard.press("Escape")


def caption(me):
    me.page.get_by_role("button", name="Caption", exact=True).click()


def words(me):
    """The words of the captions on the wall."""
    me.page.locator(".reading .word").first.wait_for()
    return me.page.locator(".reading .said").all_inner_texts()
