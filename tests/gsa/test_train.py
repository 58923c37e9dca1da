"""Training: resuming exactly, and what a run leaves behind."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from gsa.__main__ import main
from gsa.batches import Batches
from gsa.checkpoints import available, load, read_card
from gsa.data import open_split
from gsa.evaluate import evaluate, fit_temperature, wilson
from gsa.machine import gpu, processor, versions
from gsa.preprocess import Preprocess
from gsa.recipe import read_recipe
from gsa.resnet import ResNet
from gsa.split import Split, hold_out
from gsa.train import train

RECIPE = """
pair = "colours"
data = "{data}"
network = "resnet14_tiny"
size = 32
epochs = 3
restart = 2
batch_size = 8
warmup = 0.5
hold_out = 0.2
augment = "trivial"
erase = 0.5
mixup = 0.2
cutmix = 1.0
ema = 0.9
precision = "32-true"
use = "tests"
[gsa]
projection_norm = "rms"
query_gain = 0.2
query_offset = 1.0
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes that their colour tells apart."""
    root = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(0)
    for split, count in (("train", 30), ("val", 8)):
        for class_, colour in (("red", (200, 40, 40)), ("blue", (40, 40, 200))):
            (root / split / class_).mkdir(parents=True)
            for n in range(count):
                noisy = np.clip(rng.normal(colour, 30, (40, 36, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(noisy).save(root / split / class_ / f"{n}.png")
    (root / "recipe.toml").write_text(RECIPE.format(data=root.as_posix()))
    return root


@pytest.fixture(scope="module")
def unbroken(folder, one_thread):
    """The folder of a run that nothing interrupted."""
    out = folder / "unbroken"
    train(read_recipe(folder / "recipe.toml"), "gsa", None, out / "runs", out)
    return out


def test_a_run_leaves_weights_card_and_curves(unbroken):
    names = {path.name for path in unbroken.glob("colours_gsa.*")}
    kinds = ("safetensors", "json", "curves.json", "curves.png")
    assert names == {f"colours_gsa.{kind}" for kind in kinds}
    history = json.loads((unbroken / "colours_gsa.curves.json").read_text())
    assert [entry["epoch"] for entry in history] == [1, 2, 3]
    card = load("colours_gsa", unbroken).card
    assert card.classes == ("blue", "red")
    assert card.data["train"] + card.data["held_out"] == 60
    assert card.recipe["seed"] == card.training["seed"] == 0
    assert card.training["seconds"] > 0
    assert card.results["n"] == 16
    assert set(card.results) >= {"top1", "top5", "top1_interval", "mean_per_class", "temperature"}
    assert card.results["top5_interval"] == wilson(card.results["top5"], 16)
    assert card.training.items() >= {**versions(), "processor": processor()}.items()
    assert card.training["gpu"] == gpu(card.training["device"])


def test_the_card_tells_what_evaluation_finds(unbroken, folder):
    checkpoint = load("colours_gsa", unbroken)
    again = evaluate(checkpoint, open_split(str(folder), "val"))
    assert again == {key: checkpoint.card.results[key] for key in again}


def killed(folder, out, after):
    """Start a run in a process of its own and kill it once its state says `after` steps."""
    code = (
        "import sys, pathlib, torch; torch.set_num_threads(1)\n"
        "from gsa.recipe import read_recipe; from gsa.train import train\n"
        "root, out = map(pathlib.Path, sys.argv[1:])\n"
        "train(read_recipe(root / 'recipe.toml'), 'gsa', None, out / 'runs', out, save_every=1)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder), str(out)], stderr=subprocess.DEVNULL
    )
    state = out / "runs" / "colours_gsa" / "state.pt"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if state.exists() and torch.load(state, weights_only=True)["step"] >= after:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.005)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not (out / "colours_gsa.safetensors").exists()
    return torch.load(state, weights_only=True)["step"]


def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(folder, unbroken, tmp_path):
    step = killed(folder, tmp_path, after=2)
    assert 2 <= step < 18
    train(read_recipe(folder / "recipe.toml"), "gsa", None, tmp_path / "runs", tmp_path)
    weights = [path / "colours_gsa.safetensors" for path in (unbroken, tmp_path)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    histories = [
        [entry["loss"] for entry in json.loads((path / "colours_gsa.curves.json").read_text())]
        for path in (unbroken, tmp_path)
    ]
    assert histories[0] == histories[1]


def test_a_state_of_another_recipe_is_not_resumed(folder, unbroken):
    other = replace(read_recipe(folder / "recipe.toml"), seed=1)
    with pytest.raises(ValueError, match="belongs to another recipe"):
        train(other, "gsa", None, unbroken / "runs", unbroken)


def test_a_state_from_before_a_field_was_added_is_resumed(folder, tmp_path):
    recipe = replace(
        read_recipe(folder / "recipe.toml"), augment="", erase=0.0, epochs=1, restart=()
    )
    train(recipe, "conv", None, tmp_path / "runs", tmp_path)
    path = tmp_path / "runs" / "colours_conv" / "state.pt"
    state = torch.load(path, weights_only=True)
    for name in ("augment", "erase", "compile"):
        del state["recipe"][name]
    torch.save(state, path)
    trained = path.read_bytes()
    train(recipe, "conv", None, tmp_path / "runs", tmp_path)
    assert path.read_bytes() == trained  # nothing was left to do


@pytest.mark.parametrize("mixer", ["conv", "gsa"])
def test_a_compiled_network_learns_what_an_uncompiled_one_does(
    folder, tmp_path, monkeypatch, mixer
):
    """The compiler itself takes minutes; its graphs are run as they are."""
    compiled = []

    def compile_(model, **options):
        compiled.append(options)
        return real(model, **{**options, "backend": "eager"})

    real = torch.compile
    monkeypatch.setattr(torch, "compile", compile_)
    recipe = replace(read_recipe(folder / "recipe.toml"), epochs=1, restart=())
    for out, each in (("plain", recipe), ("fast", replace(recipe, compile=True))):
        train(each, mixer, None, tmp_path / out / "runs", tmp_path / out)
    assert compiled[0] == {"dynamic": False}
    plain, fast = (
        load(f"colours_{mixer}", tmp_path / out).model.state_dict() for out in ("plain", "fast")
    )
    assert plain.keys() == fast.keys()
    assert all(torch.allclose(plain[key], fast[key], atol=1e-3) for key in plain)


def test_a_short_run_ships_what_it_learned_whatever_the_decay(folder, tmp_path):
    """A thousand steps would be in such an average; there are seven."""
    recipe = replace(read_recipe(folder / "recipe.toml"), ema=0.999, epochs=1, restart=())
    train(recipe, "conv", None, tmp_path / "runs", tmp_path)
    start = ResNet(recipe.config("conv", 2), seed=recipe.seed).stem.weight
    state = torch.load(tmp_path / "runs" / "colours_conv" / "state.pt", weights_only=True)
    last = state["model"]["stem.weight"]
    shipped = load("colours_conv", tmp_path).model.stem.weight
    assert state["step"] < 10
    assert (shipped - last).norm() < 0.5 * (shipped - start).norm()


def test_a_run_can_start_from_other_weights(folder, unbroken, tmp_path):
    recipe = replace(
        read_recipe(folder / "recipe.toml"), pair="tuned", init_from="colours", epochs=1,
        restart=(), learning_rate=1e-12, ema=0.0, warmup=0.0,
    )  # fmt: skip
    for path in unbroken.glob("colours_gsa.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    train(recipe, "gsa", None, tmp_path / "runs", tmp_path)
    tuned, start = load("tuned_gsa", tmp_path), load("colours_gsa", tmp_path)
    assert torch.allclose(tuned.model.stem.weight, start.model.stem.weight, atol=1e-4)
    assert torch.allclose(tuned.model.head.weight, start.model.head.weight, atol=1e-4)
    assert tuned.card.training["start_sha256"] == start.card.sha256
    with pytest.raises(ValueError, match="there is no checkpoint 'colours_conv'"):
        train(recipe, "conv", None, tmp_path / "runs", tmp_path)


def test_a_start_that_learned_what_a_seed_holds_out_is_not_judged_by_it(
    folder, unbroken, tmp_path, monkeypatch
):
    """Whatever the seed, the same pictures are held out as of the start, which never saw them."""
    recipe = replace(
        read_recipe(folder / "recipe.toml"), pair="tuned", init_from="colours", epochs=1, restart=()
    )
    for path in unbroken.glob("colours_gsa.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    drawn = []

    def hold_out_(full, share, seed):
        drawn.append(seed)
        return hold_out(full, share, seed)

    monkeypatch.setattr("gsa.train.hold_out", hold_out_)
    train(recipe, "gsa", None, tmp_path / "runs", tmp_path, seed=recipe.seed + 1)
    assert drawn == [recipe.seed]
    other = replace(recipe, hold_out=0.3)
    with pytest.raises(ValueError, match="'colours_gsa', a start or a teacher, has learned"):
        train(other, "gsa", None, tmp_path / "runs", tmp_path)


def test_a_further_seed_leaves_its_card_alone(folder, unbroken, tmp_path):
    recipe = replace(read_recipe(folder / "recipe.toml"), epochs=1, restart=())
    card = train(recipe, "conv", None, tmp_path / "runs", tmp_path / "out", seed=3)
    written = [path.relative_to(tmp_path) for path in (tmp_path / "out").rglob("*.*")]
    assert [str(path) for path in written] == ["out/seeds/colours_conv_s3.json"]
    assert card == read_card("colours_conv_s3", tmp_path / "out" / "seeds")
    assert (card.pair, card.recipe["seed"], card.training["seed"]) == ("colours", 3, 3)
    assert card.results["n"] == 16
    own = train(recipe, "conv", None, tmp_path / "runs", tmp_path / "out", seed=0)
    assert own.name == "colours_conv"
    assert own.sha256 != card.sha256
    assert available(tmp_path / "out") == ["colours_conv"]


def test_other_classes_are_refused(unbroken, folder, checkpoint_folder):
    sentence = "the data has the classes 'blue', 'red', which 'tiny_gsa' lacks"
    with pytest.raises(ValueError, match=sentence):
        evaluate(load("tiny_gsa", checkpoint_folder), open_split(str(folder), "val"))


def test_classes_in_another_order_are_told_by_their_names(unbroken, folder):
    checkpoint, split = load("colours_gsa", unbroken), open_split(str(folder), "val")
    turned = Split(split.places, tuple(1 - target for target in split.targets), ("red", "blue"))
    assert evaluate(checkpoint, turned) == evaluate(checkpoint, split)


def test_the_command_trains_with_another_seed(folder, tmp_path, capsys):
    arguments = ["train", str(folder / "recipe.toml"), "--mixer", "conv", "--seed", "5", "--json"]
    arguments += ["--runs", str(tmp_path / "runs"), "--out", str(tmp_path)]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    (card,) = json.loads(out)
    assert (card["name"], card["recipe"]["seed"]) == ("colours_conv_s5", 5)
    # where stderr is no terminal, one line for each epoch and no bar that is drawn again and again
    lines = [line.split(": loss ")[0] for line in err.splitlines()]
    assert lines == [f"colours_conv_s5 epoch {epoch}/3" for epoch in (1, 2, 3)]
    assert main([*arguments, "--download"]) == 2
    assert "is not a known data set to download" in capsys.readouterr().err


def test_the_command_evaluates(unbroken, folder, monkeypatch, capsys):
    monkeypatch.setenv("GSA_CHECKPOINTS", str(unbroken))
    assert main(["evaluate", "colours_gsa", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["top1"] == load("colours_gsa").card.results["top1"]
    assert main(["evaluate", "colours_gsa", str(folder), "--download"]) == 2
    assert "is not a known data set to download" in capsys.readouterr().err


def test_the_fitted_temperature_makes_the_least_cross_entropy(unbroken, folder, monkeypatch):
    split = open_split(str(folder), "val")
    targets = torch.tensor(split.targets)
    right = torch.nn.functional.one_hot(targets, 2).float()
    right[0] = right[0].flip(0)  # one answer is wrong, so that there is a least one
    logits = 5 * right + torch.randn(right.shape, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("gsa.evaluate.logits_of", lambda *_: logits)
    fitted = fit_temperature(load("colours_gsa", unbroken), split)

    def entropy(temperature):
        return torch.nn.functional.cross_entropy(logits / temperature, targets).item()

    assert 1.1 < fitted < 10
    assert entropy(fitted) < min(entropy(fitted * 0.95), entropy(fitted * 1.05))
    logits = -logits  # mostly wrong: no temperature is high enough
    assert fit_temperature(load("colours_gsa", unbroken), split) == pytest.approx(1000)


def test_a_temperature_stays_a_number_where_every_answer_is_right(unbroken, folder):
    checkpoint, split = load("colours_gsa", unbroken), open_split(str(folder), "val")
    right = split.subset([0])
    checkpoint.model.head.weight.zero_()
    checkpoint.model.head.bias.copy_(torch.tensor([1.0, 0.0]))
    assert right.targets == (0,)
    assert 0.001 <= fit_temperature(checkpoint, right) < 0.2


def test_the_wilson_interval_has_known_values():
    low, high = wilson(0.5, 100)
    assert (low, high) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(1.0, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_two_devices_share_every_batch_and_the_first_alone_writes(folder, tmp_path):
    out, path = tmp_path / "out", tmp_path / "still.toml"
    out.mkdir()
    still = RECIPE.replace("epochs = 3\nrestart = 2", "epochs = 1\nlearning_rate = 1e-12")
    path.write_text(still.format(data=folder.as_posix()))
    command = [
        sys.executable, "-m", "gsa", "train", str(path), "--mixer", "conv", "--devices", "2",
        "--out", str(out), "--runs", str(tmp_path / "runs"), "--json",
    ]  # fmt: skip
    on_cpu = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, check=False, env=on_cpu
    )
    assert done.returncode == 0, done.stderr
    (card,) = json.loads(done.stdout)  # one process speaks
    assert card["training"]["devices"] == 2
    assert card == read_card("colours_conv", out).to_dict()

    # weights stand still at this rate, so the loss of the epoch is known: that of all halves
    recipe = read_recipe(path)
    learn, _ = hold_out(open_split(recipe.data, "train"), recipe.hold_out, recipe.seed)
    batches = Batches(recipe, Preprocess(recipe.size), learn)
    model = ResNet(recipe.config("conv", 2), seed=recipe.seed)
    loss = torch.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    losses = [
        loss(model(x), targets).item()
        for step in range(len(batches))
        for x, targets in zip(*(each.chunk(2) for each in batches[step]), strict=True)
    ]
    (entry,) = json.loads((out / "colours_conv.curves.json").read_text())
    assert entry["loss"] == pytest.approx(np.mean(losses), abs=1e-4)
