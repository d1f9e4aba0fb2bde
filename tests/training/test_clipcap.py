"""Captioner training: captions fit their pictures, a short run learns, and its export is a ClipCap that speaks."""

from __future__ import annotations

import argparse

import numpy as np
import pytest
import torch

from models.families.clipcap_model import ClipCap
from models.families.clipcap_names import Names
from models.families.efficientnet import imagenet_state
from training import clip, clip_maps, clipcap, names
from training.caption_pairs import END, FEATURES, NAME, SLOTS, VECTOR, Eye, Pairs
from training.caption_scores import describe_with, names_noun
from training.caption_scores import pictograms as score
from training.clipcap_export import export
from training.pictures import Pictograms


@pytest.fixture
def maps(pictograms, tmp_path):
    """Cached maps of the tiny data, and an untrained CLIP that reads them."""
    from models.families.pictograms_clip import architecture, build
    from models.families.sentence import SentenceEncoder

    rng, folder = np.random.default_rng(0), tmp_path / "maps"
    folder.mkdir()
    clip_maps.write(folder, clip_maps.draw(Pictograms(pictograms), 2, 4, 4, rng), rng)
    clip.export(build(architecture(), SentenceEncoder()), architecture(), tmp_path / "pictograms-clip")
    return folder


def test_pairs_are_the_pictures_with_captions_of_their_own(pictograms, maps):
    pairs = Pairs(pictograms, maps, maps.parent / "pictograms-clip")
    assert len(pairs.captions) == len(pairs.said) == 15 * 2 + 4 + 4
    seen, told, tokens = pairs.batch(20, np.random.default_rng(1))
    first = [pairs.tokenizer.decode(row.tolist()) for row in told.view(20, SLOTS, NAME)[:, 0]]
    assert all(name.strip() for name in first) and len(set(first)) > 1
    features, vectors = seen.split([FEATURES, VECTOR], 1)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(20), atol=1e-2)
    lengths = features.norm(dim=1)
    assert (((lengths - 1).abs() < 1e-2) | (lengths == 0)).all() and (lengths[15:] == 0).all() and lengths.any()
    texts = [pairs.tokenizer.decode(row[row >= 0].tolist(), skip_special_tokens=True) for row in tokens]
    assert all(any(text in captions for captions in pairs.captions) for text in texts[:10])
    assert all(text.startswith(("a photo", "a close-up")) for text in [*texts[10:15], *texts[18:]])
    assert set(texts[15:18]) <= set(pairs.said)
    ends = [row[row >= 0][-1].item() for row in tokens]
    assert set(ends) == {pairs.tokenizer.token_to_id(END)}


def test_captions_lie_where_their_pictures_do_and_features_are_kept(maps):
    folder = maps.parent / "pictograms-clip"
    eye, rows = Eye(maps, folder), np.arange(38)
    (kept,) = maps.glob("features-*.npy")
    made = kept.stat().st_mtime_ns
    pictures, words = eye.pictures(rows), eye.words(rows, np.zeros(0, int))
    assert words[:, :FEATURES].isnan().all()
    apart = pictures[:, FEATURES:].mean(0) - words[:, FEATURES:].mean(0)
    assert apart.norm() < 0.5 * eye._gap.norm()
    assert torch.equal(Eye(maps, folder).pictures(rows), pictures) and kept.stat().st_mtime_ns == made


@pytest.mark.parametrize("mapper", ["transformer", "mlp"])
def test_a_short_run_learns_and_its_export_speaks(mapper, pictograms, maps, tmp_path, capsys):
    args = argparse.Namespace(
        data=pictograms, run=tmp_path / "run", minutes=0.1, batch=16, device="cpu", threads=1, seed=0, maps=maps,
        clip=tmp_path / "pictograms-clip", mapper=mapper, rate=3e-3, total_steps=100, language=None, export=None,
    )  # fmt: skip
    torch.manual_seed(0)
    pairs = Pairs(pictograms, maps, args.clip)
    vectors, told, tokens = pairs.batch(32, np.random.default_rng(0))
    fresh = clipcap.Captioner(mapper, pairs.tokenizer.get_vocab_size()).eval()
    model, pairs = clipcap.train(args)
    with torch.no_grad():
        before, after = fresh(vectors, told, tokens), model(vectors, told, tokens)
    assert after < 0.9 * before
    folder = tmp_path / f"pictograms-{mapper}"
    export(model, pairs, mapper, "pictograms-clip", folder)
    assert all(path.stat().st_size < 10e6 for path in folder.iterdir())
    loaded = ClipCap.from_folder(folder)
    with torch.no_grad():
        words = model.gpt.transformer.wte(torch.cat([told, tokens.clamp(min=0)], 1))
        inputs = torch.cat([model.clip_project(vectors), words], 1)
        ours, theirs = loaded.logits(vectors, tokens.clamp(min=0), told), model.gpt(inputs_embeds=inputs).logits
    torch.testing.assert_close(ours, theirs, atol=0.05, rtol=0.05)
    assert len(loaded.generate(vectors[:2], beams=2, max_tokens=5, stop_id=loaded.config["stop"][0])) == 2


@pytest.mark.parametrize("mapper", ["transformer", "mlp"])
def test_a_mapper_begins_with_the_classifier_of_photographs(mapper):
    model = clipcap.Captioner(mapper, 300)
    clipcap.take_classes(model)
    first = model.clip_project.model[0] if mapper == "mlp" else model.clip_project.linear
    state, features = imagenet_state(), torch.rand(3, 1280)
    logits = torch.nn.functional.linear(features, state["classifier.weight"], state["classifier.bias"])
    features = features / clipcap.Photographs.NORM  # of unit length, were they those of pictures
    seen = torch.cat([features, torch.rand(3, VECTOR)], 1)
    torch.testing.assert_close(clipcap.LOGIT * first(seen)[:, :1000], logits, atol=1e-3, rtol=1e-3)


def test_another_mapper_may_begin_with_the_language_of_the_first(pictograms, maps, tmp_path):
    pairs = Pairs(pictograms, maps, tmp_path / "pictograms-clip")
    first = clipcap.Captioner("transformer", pairs.tokenizer.get_vocab_size())
    export(first, pairs, "transformer", "pictograms-clip", tmp_path / "first")
    second = clipcap.Captioner("mlp", pairs.tokenizer.get_vocab_size())
    clipcap.take_language(second, tmp_path / "first")
    for name, value in second.gpt.state_dict().items():
        torch.testing.assert_close(value, first.gpt.state_dict()[name], atol=1e-3, rtol=1e-3)


def test_a_captioner_that_learns_on_keeps_its_tokens(pictograms, maps, tmp_path, monkeypatch):
    shipped, rng = tmp_path / "shipped", np.random.default_rng(5)
    pairs = Pairs(pictograms, maps, tmp_path / "pictograms-clip")
    export(clipcap.Captioner("mlp", pairs.tokenizer.get_vocab_size()), pairs, "mlp", "pictograms-clip", shipped)
    monkeypatch.setattr("training.caption_pairs.make_tokenizer", None)  # a new one would mean other words
    args = argparse.Namespace(
        data=pictograms, run=tmp_path / "run", minutes=0.0, batch=16, device="cpu", threads=1, seed=0, maps=maps,
        clip=tmp_path / "pictograms-clip", mapper="mlp", rate=3e-3, total_steps=100, language=None, export=shipped,
    )  # fmt: skip
    model, again = clipcap.train(args)
    assert again.tokenizer.get_vocab() == pairs.tokenizer.get_vocab()
    loaded, (seen, told, tokens) = ClipCap.from_folder(shipped), again.batch(8, rng)
    words = model.gpt.transformer.wte(torch.cat([told, tokens.clamp(min=0)], 1))
    theirs = model.gpt(inputs_embeds=torch.cat([model.clip_project(seen), words], 1)).logits
    torch.testing.assert_close(loaded.logits(seen, tokens.clamp(min=0), told), theirs, atol=0.05, rtol=0.05)


def test_scores_of_a_captioner_that_says_the_truth_and_of_one_that_does_not(pictograms):
    from models.families.sentence import SentenceEncoder

    data, sentence = Pictograms(pictograms), SentenceEncoder()
    data.rows = data.rows[:3]  # three styles of the red apple
    right = score(lambda pixels: ["a 3D render of a red apple"] * len(pixels), data, sentence, 3)
    wrong = score(lambda pixels: ["clip art of two boats"] * len(pixels), data, sentence, 3)
    assert right["noun"] == 1 and wrong["noun"] == 0 == wrong["colour"]
    assert right["minilm_cosine"] > 0.7 > wrong["minilm_cosine"]


@pytest.mark.parametrize(
    ("caption", "name", "right"),
    [
        ("a flat icon of two apples", "red apple", True),
        ("a slice on a plate", "slice of pizza", True),
        ("a pizza", "slice of pizza", False),
        ("a photo of a car", "carpet", False),
        ("a bus", "buses", True),
        ("a hen", "hen (bird)", True),
    ],
)
def test_main_nouns(caption, name, right):
    assert names_noun(caption, name) is right


def test_names_are_kept_beside_the_clip_that_looks_them_up(pictograms, maps, tmp_path):
    from models.families.pictograms_clip import read_folder
    from models.families.sentence import SentenceEncoder

    folder, data = tmp_path / "pictograms-clip", Pictograms(pictograms)
    names.write(folder, data)
    (kept,) = pictograms.glob("vectors-*.npy")
    read_folder(folder, SentenceEncoder())  # the vectors of names are none of its weights
    read = Names.read(folder, lambda text: [len(text)], {"slots": 1, "length": 1, "pad": 0})
    made, known = kept.stat().st_mtime_ns, names.known_to(folder, data)
    assert kept.stat().st_mtime_ns == made  # what the CLIP sees is looked at once, though names came into its folder
    assert known.names.index("volcano") >= 5 and len(read.tokens) == 5 + 1000
    found = read.nearest(known.vectors()[[0, known.names.index("volcano")]]).flatten().tolist()
    assert found == [len(f" {known.names[0]}"), len(" volcano")]


def test_names_are_known_from_phrases_and_from_training_pictures(pictograms, maps, tmp_path):
    data = Pictograms(pictograms, names.EVERYTHING)
    known = names.known_to(tmp_path / "pictograms-clip", data)
    shown = [row for row in known.rows if row >= 0]
    assert shown and {data.records[row]["split"] for row in shown} == {"train"}
    assert [known.names[k] for k in known.of[: len(shown)]] == [data.records[row]["name"] for row in shown]
    unseen = torch.bincount(known.of, minlength=len(known.names)) == 0
    torch.testing.assert_close(known.vectors()[unseen], known.phrases[unseen])


def test_a_name_can_be_known_without_one_of_its_pictures():
    torch.manual_seed(0)
    phrases, pictures = (torch.nn.functional.normalize(torch.randn(n, 6), dim=1) for n in (3, 4))
    known = names.Known(["cup", "car", "cat"], phrases, pictures, torch.tensor([0, 1, 0, 0]), [7, 8, 9, 4])
    without = known.without()
    torch.testing.assert_close(without[1], phrases[1])  # the only one
    for k in range(4):
        keep = torch.arange(4) != k
        fewer = names.Known(known.names, phrases, pictures[keep], known.of[keep], [])
        torch.testing.assert_close(without[k], fewer.vectors()[known.of[k]])
        assert (without[k] - known.vectors()[known.of[k]]).norm() > 1e-2


def test_a_picture_in_training_does_not_know_its_own_name_from_itself(pictograms, maps, tmp_path, monkeypatch):
    def drawn_apart(ranker, clip, data, rows, width):  # the untrained CLIP sees too little difference
        return torch.nn.functional.normalize(torch.randn(len(rows), width), dim=1)

    monkeypatch.setattr(names, "seen", drawn_apart)
    pairs = Pairs(pictograms, maps, tmp_path / "pictograms-clip")
    rows = np.array([k for k, places in enumerate(pairs.shown) if places][:4])
    vectors = pairs.eye.pictures(rows)[:, FEATURES:]
    likeness, careless = pairs._likeness(vectors, rows), pairs.known.likeness(vectors)
    for k, row in enumerate(rows):
        own = pairs.names_of[pairs.shown[row]].tolist()
        assert all((likeness[k, name] - careless[k, name]).abs() > 1e-3 for name in own)
        others = [name for name in range(careless.shape[1]) if name not in own]
        assert torch.equal(likeness[k, others], careless[k, others])


def test_a_captioner_is_described_with_its_clip(pictograms, maps, tmp_path):
    from models.families.pictograms_clip import read_folder
    from models.families.sentence import SentenceEncoder

    pairs = Pairs(pictograms, maps, tmp_path / "pictograms-clip")
    model = clipcap.Captioner("mlp", pairs.tokenizer.get_vocab_size()).eval()
    export(model, pairs, "mlp", "pictograms-clip", tmp_path / "captioner")
    names.write(tmp_path / "pictograms-clip", Pictograms(pictograms))
    describe = describe_with(tmp_path / "captioner", read_folder(tmp_path / "pictograms-clip", SentenceEncoder()))
    captions = describe(torch.rand(2, 3, 128, 128))
    assert len(captions) == 2 and all(isinstance(text, str) and END not in text for text in captions)
