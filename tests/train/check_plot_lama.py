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
import matplotlib.pyplot as plt  # noqa: E402 (plots has chosen a backend without a display)

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
    """A run of `kind` pooled, penalised, transformer or none."""
    rise = STEPS / 100
    sets = ["validation", "test", "train"]
    heads = {"attention_entropy": 1 - 0.2 * rise[:, None] * np.ones(HEADS), "attention_peak": 1 + rise[:, None] * np.arange(HEADS)}
    with h5py.File(path, "w") as file:
        file.attrs.update(system="lama", status="done", test_texts=200)
        write_group(file, "train", {"step": STEPS}, {"loss": (["step"], (7 if kind == "penalised" else 0) + 0.7 - 0.5 * rise)})
        write_group(file, "eval", {"step": STEPS, "evalset": sets},
                    {name: (["step", "evalset"], values[:, None] + [0, 0.01, 0.02])
                     for name, values in (("loss", 0.7 - 0.4 * rise), ("accuracy", 0.5 + 0.4 * rise))})
        write_group(file, "progress", {"step": STEPS, "head": np.arange(HEADS), "words": [8, 16, 32]},
                    {"embedding_norm": (["step"], rise), **({} if kind == "none" else {k: (["step", "head"], v) for k, v in heads.items()}),
                     **({"penalty": (["step"], 7 - rise)} if kind == "penalised" else {}),
                     "texts_by_length": (["step", "words"], np.tile([0.25, 0.75, 0], (len(STEPS), 1))),
                     "correct_by_length": (["step", "words"], np.tile([0.2, 0.375, 0], (len(STEPS), 1)))})
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
    for words in ("Naive Bayes 0.820", "largest class 0.510", "(d) 1 - entropy / log(words): mean, range", "(e) largest weight times words",
                  "(f) text 7 (praise, taken for praise)", "(g) “not” where head 1 attends it least", "<unknown>",
                  "(h) words of each head's highest mean attention", "in all probe texts, which word it is explains ", "among those in a class's probe texts 5 times or more"):
        assert words in text, f"the figure says '{words}'"
    text = words_in(run, "--set", "train", "--log-step", "--probe", "3", "--measures", "embedding_norm")
    for words in ("Naive Bayes 0.990", "(d) embedding norm", "(e) text 3 (praise"):
        assert words in text, f"the figure says '{words}'"
    assert "largest weight" not in text
    text = words_in(write_run(folder / "none.h5", "none"))
    assert "(d) embedding norm" in text and "(e)" not in text, "without attention: the curves alone"
    text = words_in(write_run(folder / "penalised.h5", "penalised"))
    assert "train, with penalty, right" in text and "penalty (test), right" in text, "the penalty is said, as no test set's loss has it"
    text = words_in(write_run(folder / "few.h5", n_probes=1))
    for words in ("(f) text 0 (complaint", "no word is in probe texts of two classes", "none occurs so often in the 1 probe texts"):
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


def check_share_of_word():
    """Head 0 attends by the word alone, head 1 by the text alone, head 2 by both alike."""
    class Reading:
        labels = np.arange(6)
        tokens = np.tile([2, 3, 2, 3], (6, 1))
        n_words = np.full(6, 4)
        of_word, of_text = np.tile([1.0, -1.0, 1.0, -1.0], (6, 1)), np.tile([[-1.0], [1.0]], (3, 4))
        attention = np.exp(np.stack([of_word, of_text, of_word + of_text], 1))

        def of(self, probe):
            return self.attention[probe]

    np.testing.assert_allclose(lama.share_of_word(Reading()), [1, 0, 0.5], atol=1e-12)


def check_penalised_loss(folder):
    """A penalty ten times the loss does not flatten it: each has a scale of its own."""
    with h5py.File(write_run(folder / "scale.h5", "penalised")) as file:
        figure, ax = plt.subplots()
        lama.draw_loss(ax, file, ["validation", "test", "train"])
        left, right = figure.axes
    assert left.get_ylim()[1] < 1.2 and 7 < right.get_ylim()[1], (left.get_ylim(), right.get_ylim())


def check_accuracy_by_length(folder):
    with h5py.File(write_run(folder / "length.h5")) as file:
        figure, ax = plt.subplots()
        lama.draw_by_length(ax, file)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.2 / 0.25, 0.375 / 0.75])
    assert [t.get_text() for t in ax.get_xticklabels()] == ["8", "16"], "a length without texts has no accuracy"
    assert [t.get_text() for t in ax.texts] == ["50", "150"], "shares of 200 texts"


def check_table(folder):
    """Every class has its place in the table, and no line is longer than its column."""
    class Fifteen:
        classes = np.array([f"class {i}" for i in range(15)])
        labels = np.repeat(np.arange(15), 5)
        tokens = np.tile(np.arange(2, 12), (75, 1))
        n_words = np.full(75, 10)
        vocabulary = np.array(["<padding>", "<unknown>"] + [f"a word of some length {i}" for i in range(10)])
        attention = np.random.default_rng(1).uniform(0, 2, (75, HEADS, 10))
        right = np.repeat(np.arange(15) % 7, 5) / 7

        def of(self, probe):
            return self.attention[probe]

    assert lama.chosen_classes(Fifteen(), None) == list(range(15))
    assert lama.chosen_classes(Fifteen(), 2) == [6, 13], "those whose own class has the largest probability"
    figure = plt.figure(figsize=(8, 6))
    ax = figure.add_subplot()
    lama.draw_table(ax, Fifteen(), range(15), "(h)")
    figure.canvas.draw()
    said = {t.get_text(): t.get_window_extent() for t in ax.texts}
    assert set(Fifteen.classes) <= set(said)
    column = ax.get_window_extent().width / 3
    assert max(box.width for box in said.values()) <= column, "words end with their column"
    assert len(ax.texts) == 15 * (1 + HEADS)


def check_refusals(folder):
    run = write_run(folder / "run.h5")
    for arguments, words in (
        (["--probe", "40"], "run.h5 has no probe text 40; it has 0 to 39"),
        (["--probe=-1"], "run.h5 has no probe text -1; it has 0 to 39"),
        (["--set", "ood"], "has no test set 'ood'; it has: validation, test, train"),
        (["--measures", "induction"], "has no measure 'induction'; it has: attention_entropy, attention_peak, correct_by_length, embedding_norm, texts_by_length"),
        (["--level", "0.3"], "--level does nothing for a run of lama"),
    ):
        done = plot(run, *arguments)
        assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, (arguments, done)


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        check_words(folder)
        check_reading(folder)
        check_share_of_word()
        check_penalised_loss(folder)
        check_accuracy_by_length(folder)
        check_table(folder)
        check_refusals(folder)


main()
