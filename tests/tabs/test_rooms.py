import gradio as gr

from tabs.layout import ROOMS
from tabs.rooms import App, Parcel, Receiver, Sender, connect


def test_rooms_have_distinct_names_titles_and_pipelines():
    assert len({room.ROOM for room in ROOMS}) == len({room.TITLE for room in ROOMS}) == len(ROOMS)
    for room in ROOMS:
        assert room.__name__ == f"tabs.{room.ROOM}"


def test_every_sender_meets_every_receiver_of_its_kind_but_not_itself():
    app = App(None, None)
    with gr.Blocks() as page:
        with gr.Tabs() as app.tabs:
            rows = []
            for _ in range(2):
                with gr.Tab():
                    rows.append(gr.Row())
        box = gr.Textbox()
        for room, row in zip(("a", "b"), rows, strict=True):
            app.senders.append(Sender(room, ("pictures",), gr.State(), row))
        app.receivers.append(Receiver("a", "pictures", "To A", lambda parcel: [parcel.prompt], [box]))
        app.receivers.append(Receiver("c", "prompt", "To C", lambda parcel: [parcel.prompt], [box]))
        connect(app)
    buttons = [block.value for block in page.blocks.values() if isinstance(block, gr.Button)]
    assert buttons == ["To A"]
    assert [child.value for child in rows[1].children] == ["To A"] and rows[0].children == []


def test_an_empty_parcel_is_no_error():
    assert Parcel() == Parcel((), "")
