"""Draws the figures of runs of lama with scripts/plot_run.py, from files written here in the layout of docs/run_file.md, and reads the
figures' words. What it says of the heads is compared with attention that is planted."""

import html
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
sys.dont_write_bytecode = True
from plots import lama  # noqa: E402 (its folder has just been named)

STEPS = np.arange(0, 101, 20)
LONGEST, HEADS = 12, 3
WORDS = ["<padding>", "<unknown>", "the", "soup", "was", "good", "bad", "$", "not"]
GOOD, BAD = WORDS.index("good"), WORDS.index("bad")
CLASSES = ["complaint", "praise"]


def write_group(file, name, coordinates, variables):
    """A table of the run file: coordinates {axis: values}, variables {name: (axes, values)}."""
    group = file.create_group(name)
    for axis, values in coordinates.items():
        group[axis] = [v.encode() for v in values] if isinstance(values, list) and isinstance(values[0], str) else values
        group[axis].make_scale(axis)
    for variable, (axes, values) in variables.items():
        data = group.create_dataset(variable, data=np.asarray(values))
        for i, axis in enumerate(axes):
            data.dims[i].attach_scale(group[axis])
    return group


def probe_texts(n):
    """tokens [probe, position], mask, label: texts of 5 to 12 words; a complaint's fourth word is "bad", praise's "good", and both have
    "not" as their second."""
    random = np.random.default_rng(1)
    length = 5 + np.arange(n) % (LONGEST - 4)
    mask = (np.arange(LONGEST) < length[:, None]).astype(np.float32)
    label = np.arange(n) % 2
    tokens = random.choice([1, 2, 3, 4, 7], (n, LONGEST))
    tokens[:, 1] = WORDS.index("not")
    tokens[:, 3] = np.where(label == 1, GOOD, BAD)
    return (tokens * mask).astype(np.int32), mask, label.astype(np.int32)


def pooled_pattern(tokens, mask, label):
    """[probe, head, query 1, key]: head 0 attends "good" and "bad" ten times as much as others, head 1 "not" in praise alone, the others
    all words alike."""
    weights = np.repeat(mask[:, None], HEADS, 1)
    weights[:, 0] *= np.where((tokens == GOOD) | (tokens == BAD), 10, 1)
    weights[:, 1] *= np.where((tokens == WORDS.index("not")) & (label[:, None] == 1), 20, 1)
    return (weights / weights.sum(-1, keepdims=True))[:, :, None]


def write_attention(file, n_probes, kind):
    tokens, mask, label = probe_texts(n_probes)
    axes = {"ckpt_step": [0, 100], "probe": np.arange(n_probes), "position": np.arange(LONGEST), "class": np.arange(len(CLASSES))}
    variables = {"tokens": (["probe", "position"], tokens), "mask": (["probe", "position"], mask), "label": (["probe"], label)}
    if kind == "none":  # as a model that does not attend leaves it: no row
        axes["ckpt_step"] = np.zeros(0, int)
        write_group(file, "attention", axes, {**variables, "logits": (["ckpt_step", "probe", "class"], np.zeros((0, n_probes, 2)))})
        return
    pattern = pooled_pattern(tokens, mask, label)
    if kind == "transformer":  # every word asks so; what padding asks must not count
        pattern = np.repeat(pattern, LONGEST, 2)
        pattern[np.broadcast_to((mask == 0)[:, None, :], pattern.shape[:3])] = 1 / LONGEST
    axes.update(layer=[0], head=np.arange(HEADS), query=np.arange(pattern.shape[2]), key=np.arange(LONGEST))
    uniform = np.broadcast_to(mask[:, None, None] / mask.sum(-1)[:, None, None, None], pattern.shape)
    write_group(file, "attention", axes, {
        **variables,
        "pattern": (["ckpt_step", "probe", "layer", "head", "query", "key"], np.stack([uniform, pattern])[:, :, None]),
        "logits": (["ckpt_step", "probe", "class"], np.stack([np.zeros((n_probes, 2)), np.eye(2)[label]]))})


def write_run(path, kind="pooled", n_probes=40):
    """A run of `kind` pooled, transformer or none."""
    rise = STEPS / 100
    sets = ["validation", "test", "train"]
    heads = {"attention_entropy": 1 - 0.2 * rise[:, None] * np.ones(HEADS), "attention_peak": 1 + rise[:, None] * np.arange(HEADS)}
    with h5py.File(path, "w") as file:
        file.attrs.update(system="lama", status="done")
        write_group(file, "train", {"step": STEPS}, {"loss": (["step"], 0.7 - 0.5 * rise)})
        write_group(file, "eval", {"step": STEPS, "evalset": sets},
                    {name: (["step", "evalset"], values[:, None] + [0, 0.01, 0.02])
                     for name, values in (("loss", 0.7 - 0.4 * rise), ("accuracy", 0.5 + 0.4 * rise))})
        write_group(file, "progress", {"step": STEPS, "head": np.arange(HEADS)},
                    {"embedding_norm": (["step"], rise), **({} if kind == "none" else {k: (["step", "head"], v) for k, v in heads.items()})})
        write_group(file, "references", {"evalset": sets, "class": CLASSES, "word": WORDS},
                    {"naive_bayes_accuracy": (["evalset"], [0.81, 0.82, 0.99]), "majority_accuracy": (["evalset"], [0.5, 0.51, 0.5]),
                     "word_count": (["word"], np.ones(len(WORDS)))})
        write_attention(file, n_probes, kind)
    return path


def plot(*arguments):
    return subprocess.run([SCRIPTS / "plot_run.py", *arguments], capture_output=True, text=True)


def words_in(run, *arguments):
    figure = run.with_suffix(".svg")
    done = plot(run, "--out", figure, *arguments)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return html.unescape(figure.read_text())


def check_words(folder):
    run = write_run(folder / "pooled.h5")
    text = words_in(run)
    for words in ("Naive Bayes 0.820", "largest class 0.510", "attention peak", "(d) text 7 (praise, taken for praise)",
                  "(e) “not” where head 1 attends it least", "<unknown>", "among those in the probe texts 5 times or more", "head 2"):
        assert words in text, f"the figure says '{words}'"
    text = words_in(run, "--set", "train", "--log-step", "--probe", "3", "--measures", "embedding_norm")
    for words in ("Naive Bayes 0.990", "(d) text 3 (praise", "embedding norm"):
        assert words in text, f"the figure says '{words}'"
    assert "attention peak" not in text
    text = words_in(write_run(folder / "none.h5", "none"))
    assert "embedding norm" in text and "(d)" not in text, "without attention: the curves alone"
    text = words_in(write_run(folder / "few.h5", n_probes=1))
    for words in ("(d) text 0 (complaint", "no word is in probe texts of two classes", "none occurs so often in the 1 probe texts"):
        assert words in text, f"the figure says '{words}'"
    assert plot(run, "--out", folder / "figure.png").returncode == 0
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")


def check_reading(folder):
    """Both kinds of attention are read alike."""
    tokens, mask, label = probe_texts(40)
    n_words = mask.sum(-1)
    for kind in ("pooled", "transformer"):
        with h5py.File(write_run(folder / "reading.h5", kind)) as file:
            reading = lama.Reading(file)
        np.testing.assert_allclose(reading.attention, pooled_pattern(tokens, mask, label)[:, :, 0] * n_words[:, None, None], rtol=1e-5)
        assert list(reading.words(0)[:4])[1::2] == ["not", "bad"] and len(reading.words(0)) == n_words[0]
        word, head, least, most = lama.word_in_two_texts(reading)
        assert (word, head, label[least], label[most]) == ("not", 1, 0, 1), "planted: head 1 attends it in praise alone"
        table = lama.most_attended(reading)
        for of_class, word in ((0, "bad"), (1, "good")):
            best, value = table[0, of_class][0]
            expected = np.mean([10 * n / (n + 9) for n in n_words[label == of_class]])
            assert best == word and np.isclose(value, expected), (best, value, expected)
            assert "<unknown>" not in [w for w, _ in table[2, of_class]]


def check_refusals(folder):
    run = write_run(folder / "run.h5")
    for arguments, words in (
        (["--probe", "40"], "run.h5 has no probe text 40; it has 0 to 39"),
        (["--probe=-1"], "run.h5 has no probe text -1; it has 0 to 39"),
        (["--set", "ood"], "has no test set 'ood'; it has: validation, test, train"),
        (["--measures", "induction"], "has no measure 'induction'; it has: attention_entropy, attention_peak, embedding_norm"),
        (["--level", "0.3"], "--level does nothing for a run of lama"),
    ):
        done = plot(run, *arguments)
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, (arguments, done)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_words(folder)
        check_reading(folder)
        check_refusals(folder)


main()
