"""The figure of a run of lama: loss, accuracy beside Naive Bayes, what its heads do, one text as every head reads it, one word in two
texts, and the words that each head attends most."""

import h5py
import matplotlib.pyplot as plt
import numpy as np

from plots.common import COLOURS, DASHES, STYLE, WrongInput, check_groups, draw_train_loss, log_step_axis, test_set

OPTIONS = {"log_step": False, "set": "test", "measures": None, "probe": None}
WORD_SIZE = 6  # points
CHARACTER = 0.602 * WORD_SIZE  # a monospaced one's width, in points
PLAIN = {"parse_math": False}  # a text's $ is no mathematics
LEAST_OCCURRENCES = 5  # of a word whose mean attention is worth a place in the table
TABLE_WORDS = 6


class Reading:
    """The probe texts as the last snapshot's heads read them: attention [probe, head, word] in units of 1 / words."""

    def __init__(self, file):
        group = file["attention"]
        self.vocabulary = file["references/word"].asstr()[:]
        self.classes = file["references/class"].asstr()[:]
        self.labels = group["label"][:]
        self.answers = group["logits"][-1].argmax(-1)
        self.n_words = group["mask"][:].sum(-1).astype(int)
        self.tokens = group["tokens"][:]
        # A transformer's queries are words: what they look at on average.
        words = group["mask"][:][:, None, None]
        pattern = group["pattern"][-1][:, 0]  # [probe, head, query, key]
        if pattern.shape[2] > 1:
            pattern = (pattern * words[..., 0, :, None]).sum(2) / words.sum(-1)
        else:
            pattern = pattern[:, :, 0]
        self.attention = pattern * self.n_words[:, None, None]

    def words(self, probe):
        return self.vocabulary[self.tokens[probe, : self.n_words[probe]]]

    def of(self, probe):
        """[head, word]"""
        return self.attention[probe, :, : self.n_words[probe]]

    def title(self, probe):
        return f"{self.classes[self.labels[probe]]}, taken for {self.classes[self.answers[probe]]}"


def shades(weights):
    """A head's weights over one text to 0 ... 1: what is attended more than the rest shows however flat it is."""
    low, high = weights.min(), weights.max()
    return (weights - low) / (high - low) if high > low else np.zeros_like(weights)


def draw_text(ax, words, ground, framed):
    """Words on ground as dark as `ground` (0 ... 1), in lines, from the top; a line too many is left out and said. Word number `framed` gets
    a frame."""
    size = ax.get_window_extent()
    points = 72 / ax.figure.dpi
    lines, width = max(1, int(size.height * points / 11)), max(1, int(size.width * points / CHARACTER))
    column, line = 0, 0
    for i, (word, shade) in enumerate(zip(words, ground)):
        room = width if line + 1 < lines else width - 4  # the last line may end with dots
        if column and column + len(word) > room:
            if line + 1 == lines:
                ax.text(column / width, 1 - (line + 0.5) / lines, "...", transform=ax.transAxes, va="center", family="monospace", size=WORD_SIZE)
                break
            column, line = 0, line + 1
        ax.text(column / width, 1 - (line + 0.5) / lines, word, transform=ax.transAxes, va="center", family="monospace", size=WORD_SIZE, **PLAIN,
                color="white" if shade > 0.85 else "black",
                bbox={"facecolor": plt.cm.Oranges(0.8 * shade), "edgecolor": "black" if i == framed else "none", "lw": 0.8, "pad": 0.8})
        column += len(word) + 1


def draw_heads(ax, reading, probe):
    """[head, word] as a map with the words below."""
    words = reading.words(probe)[:40]
    maps = np.array([shades(row) for row in reading.of(probe)])[:, : len(words)]
    ax.imshow(maps, aspect="auto", cmap="Oranges", vmin=0, vmax=1.25)
    ax.set_xticks(range(len(words)), words, rotation=90, size=6, **PLAIN)
    ax.set_yticks(range(len(maps)))
    ax.set_ylabel("head")
    ax.spines[:].set_visible(False)
    more = "" if len(words) == reading.n_words[probe] else f", its first {len(words)} words"
    ax.set_title(f"(d) text {probe} ({reading.title(probe)}){more}; each head from its least to its most attended word", loc="left", **PLAIN)


def word_in_two_texts(reading):
    """(word, head, probe where it is attended least for its text, most): the largest difference of a word that occurs in texts of
    different classes; None without any."""
    seen = {}
    for probe in range(len(reading.labels)):
        ranks = np.array([shades(row) for row in reading.of(probe)])  # [head, word]
        for at, token in enumerate(reading.tokens[probe, : reading.n_words[probe]]):
            if token > 1:
                seen.setdefault(token, []).append((probe, ranks[:, at]))
    best = None
    for token, places in seen.items():
        if len({reading.labels[p] for p, _ in places}) < 2:
            continue
        ranks = np.array([r for _, r in places])
        spread = ranks.max(0) - ranks.min(0)
        head = int(spread.argmax())
        if best is None or spread[head] > best[0]:
            best = (spread[head], token, head, places[int(ranks[:, head].argmin())][0], places[int(ranks[:, head].argmax())][0])
    return best and (reading.vocabulary[best[1]], *best[2:])


def most_attended(reading):
    """{(head, class): [(word, mean attention in units of 1 / words), ...]}, falling; of words that are frequent in the class' probe texts."""
    heads = reading.attention.shape[1]
    table = {}
    for label in range(len(reading.classes)):
        sums, counts = {}, {}
        for probe in np.flatnonzero(reading.labels == label):
            for at, token in enumerate(reading.tokens[probe, : reading.n_words[probe]]):
                sums[token] = sums.get(token, 0) + reading.attention[probe, :, at]
                counts[token] = counts.get(token, 0) + 1
        frequent = [token for token, n in counts.items() if n >= LEAST_OCCURRENCES and token > 1]
        for head in range(heads):
            order = sorted(frequent, key=lambda token: -sums[token][head] / counts[token])[:TABLE_WORDS]
            table[head, label] = [(reading.vocabulary[t], sums[t][head] / counts[t]) for t in order]
    return table


def draw_table(ax, reading):
    ax.axis("off")
    ax.set_title(f"(f) words of each head's highest mean attention, over 1 / words, among those in the probe texts {LEAST_OCCURRENCES} times "
                 "or more", loc="left")
    table = most_attended(reading)
    heads = reading.attention.shape[1]
    classes = np.bincount(reading.labels, minlength=len(reading.classes)).argsort(kind="stable")[::-1][:2]  # with most texts
    if not any(table[0, label] for label in classes):
        ax.text(0, 0.9, f"none occurs so often in the {len(reading.labels)} probe texts (checkpoints.probes)", transform=ax.transAxes, va="center")
        return
    rows = heads + 1
    for head in range(heads):
        ax.text(0, 1 - (head + 1.5) / rows, f"head {head}", transform=ax.transAxes, va="center", size=6.5)
    for j, label in enumerate(classes):
        ax.text(0.06 + 0.47 * j, 1 - 0.5 / rows, reading.classes[label], transform=ax.transAxes, va="center", weight="bold", size=6.5,
                **PLAIN)
        for head in range(heads):
            y = 1 - (head + 1.5) / rows
            text = "  ".join(f"{word} {value:.2f}" for word, value in table[head, label])
            ax.text(0.06 + 0.47 * j, y, text, transform=ax.transAxes, va="center", size=6, **PLAIN)


def draw_curves(axes, file, options):
    sets = file["eval/evalset"].asstr()[:]
    draw_train_loss(axes[0], file["train/step"][:], file["train/loss"][:])
    for i, name in enumerate(sets):
        for ax, measure in zip(axes, ("loss", "accuracy")):
            ax.plot(file["eval/step"][:], file["eval"][measure][:, i], color=COLOURS[i], ls=DASHES[i], label="train set" if name == "train" else name)
    at = list(sets).index(options["set"])
    references = file["references"]
    for name, shade, label in (("naive_bayes_accuracy", "0.4", "Naive Bayes"), ("majority_accuracy", "0.7", "largest class")):
        axes[1].axhline(references[name][at], color=shade, lw=0.8, zorder=0, label=f"{label} {references[name][at]:.3f}")
    progress = file["progress"]
    names = options["measures"] or [n for n in ("attention_entropy", "attention_peak", "head_similarity") if n in progress] or ["embedding_norm"]
    for i, name in enumerate(names):
        if name not in progress:
            found = sorted(key for key in progress if progress[key].dims[0].keys())  # axes have none
            raise WrongInput(f"{file.filename} has no measure '{name}'; it has: {', '.join(found)}")
        values = progress[name][:].reshape(len(progress["step"]), -1)
        colour = COLOURS[i % len(COLOURS)]
        axes[2].plot(progress["step"][:], values.mean(1), color=colour, ls=DASHES[i % len(DASHES)], label=name.replace("_", " "))
        if values.shape[1] > 1:
            axes[2].fill_between(progress["step"][:], values.min(1), values.max(1), color=colour, alpha=0.15, lw=0)
    of_heads = any(progress[name].ndim > 1 for name in names)
    titles = ("(a) loss", f"(b) accuracy, references on {options['set']}", "(c) heads: mean and range" if of_heads else "(c) measures")
    for ax, title in zip(axes, titles):
        ax.set_title(title, loc="left")
        ax.set_xlabel("step")
    if options["log_step"]:
        log_step_axis(axes, file["eval/step"][:])
    for ax in axes[1:]:  # room for the legend
        low, high = ax.get_ylim()
        ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= high])
        ax.set_ylim(low, high + 0.45 * (high - low))
    axes[0].legend()
    axes[1].legend(loc="upper left", ncols=2, columnspacing=0.8, handlelength=1.6, borderaxespad=0, fontsize=6.5)
    axes[2].legend(loc="upper right")
    for ax in axes:
        ax.get_legend().set_in_layout(False)  # a legend is not to make its panel narrow


def draw_two_texts(figure, places, reading):
    found = word_in_two_texts(reading)
    axes = [figure.add_subplot(place) for place in places]
    for ax in axes:
        ax.axis("off")
    if found is None:
        axes[0].set_title(f"(e) no word is in probe texts of two classes: there are {len(reading.labels)} (checkpoints.probes)", loc="left")
        return
    word, head, least, most = found
    for ax, probe, how in zip(axes, (least, most), ("least", "most")):
        letter = "(e) " if how == "least" else ""
        ax.set_title(f"{letter}“{word}” where head {head} attends it {how}: text {probe} ({reading.title(probe)})", loc="left", **PLAIN)
    figure.canvas.draw()  # now the axes know their size
    for ax, probe, extreme in zip(axes, (least, most), (min, max)):
        words, ground = reading.words(probe), shades(reading.of(probe)[head])
        at = extreme(np.flatnonzero(words == word), key=lambda i: ground[i])
        first = max(0, at - 20)
        draw_text(ax, words[first:], ground[first:], at - first)


def draw(path, options, out):
    with h5py.File(path) as file, plt.rc_context(STYLE):
        check_groups(path, file, ("train/loss", "eval/accuracy", "progress/step", "references/word"))
        test_set(path, file, options["set"])
        attends = "pattern" in file["attention"] and len(file["attention/ckpt_step"]) > 0
        rows = 0.13 * file["attention/pattern"].shape[3] if attends else 0  # of a table with a line a head, in inches
        heights = [2.4, 1.2 + rows, 0.9, 0.9, 0.6 + rows] if attends else [2.5]
        figure = plt.figure(figsize=(8, sum(heights)), layout="constrained")
        grid = figure.add_gridspec(len(heights), height_ratios=heights)
        draw_curves([figure.add_subplot(place) for place in grid[0].subgridspec(1, 3)], file, options)
        if attends:
            reading = Reading(file)
            probe = options["probe"] if options["probe"] is not None else int(np.abs(reading.n_words - 36).argmin())
            if not 0 <= probe < len(reading.labels):
                raise WrongInput(f"{path} has no probe text {probe}; it has 0 to {len(reading.labels) - 1}")
            draw_heads(figure.add_subplot(grid[1]), reading, probe)
            draw_table(figure.add_subplot(grid[4]), reading)
            draw_two_texts(figure, (grid[2], grid[3]), reading)
        figure.savefig(out, dpi=200)
        plt.close(figure)
