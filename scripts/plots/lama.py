"""The figure of a run of lama: loss, accuracy beside Naive Bayes and by length, what its heads do, one text as every head reads it, one
word in two texts, and the words that each head attends most."""

import functools
import itertools

import h5py
import matplotlib.pyplot as plt
import numpy as np

from plots.common import COLOURS, DASHES, STYLE, WrongInput, check_groups, draw_train_loss, log_step_axis, test_set

OPTIONS = {"log_step": False, "set": "test", "measures": None, "probe": None, "classes": None}
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
        logits = group["logits"][-1].astype(float)
        self.answers = logits.argmax(-1)
        likelihood = np.exp(logits - logits.max(-1, keepdims=True))
        self.right = likelihood[np.arange(len(logits)), self.labels] / likelihood.sum(-1)  # probability of the text's own class
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


def draw_heads(ax, reading, probe, letter):
    """[head, word] as a map with the words below."""
    words = reading.words(probe)[:40]
    maps = np.array([shades(row) for row in reading.of(probe)])[:, : len(words)]
    ax.imshow(maps, aspect="auto", cmap="Oranges", vmin=0, vmax=1.25)
    ax.set_xticks(range(len(words)), words, rotation=90, size=6, **PLAIN)
    ax.set_yticks(range(len(maps)))
    ax.set_ylabel("head")
    ax.spines[:].set_visible(False)
    more = "" if len(words) == reading.n_words[probe] else f", its first {len(words)} words"
    ax.set_title(f"{letter} text {probe} ({reading.title(probe)}){more}; each head from its least to its most attended word", loc="left", **PLAIN)


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


def share_of_word(reading):
    """[head]: the share of the variance of the logarithm of attention (in units of 1 / words) that is explained by which word it is, over
    the known words that occur LEAST_OCCURRENCES times or more; the rest is the text around it. None without two such words."""
    tokens = np.concatenate([reading.tokens[p, :n] for p, n in enumerate(reading.n_words)])
    logs = np.log(np.concatenate([reading.of(p).T for p in range(len(reading.labels))]))  # [word of a text, head]
    often = (np.bincount(tokens)[tokens] >= LEAST_OCCURRENCES) & (tokens > 1)
    which, number = np.unique(tokens[often], return_inverse=True)
    if len(which) < 2:
        return None
    logs = logs[often]
    means = np.array([logs[number == i].mean(0) for i in range(len(which))])
    return 1 - ((logs - means[number]) ** 2).sum(0) / ((logs - logs.mean(0)) ** 2).sum(0)


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


def chosen_classes(reading, n):
    """All classes, or the `n` to whose probe texts the model gives the largest mean probability of their own class."""
    told = np.unique(reading.labels)
    if n is None or n >= len(told):
        return list(told)
    confidence = [reading.right[reading.labels == label].mean() for label in told]
    return sorted(told[np.argsort(confidence, kind="stable")[::-1][:n]])


def table_columns(n_classes):
    return min(n_classes, 2 if n_classes <= 2 else 3)


def as_many_as_fit(cells, room):
    """The first of these texts, with two spaces between, that `room` characters hold; of the very first, what does."""
    line = cells[0][:room] if cells else ""
    for cell in cells[1:]:
        if len(line) + 2 + len(cell) > room:
            break
        line += "  " + cell
    return line


def draw_table(ax, reading, classes, letter):
    """A block of lines a class, a line a head, the blocks side by side and below each other; no word leaves its column."""
    ax.axis("off")
    share = share_of_word(reading)
    explained = "" if share is None else (f"\nin all probe texts, which word it is explains {100 * share.min():.0f} to {100 * share.max():.0f}% of "
                                          "the variance of a head's log attention; the rest is the text around it")
    ax.set_title(f"{letter} words of each head's highest mean attention, over 1 / words, among those in a class's probe texts {LEAST_OCCURRENCES} "
                 f"times or more{explained}", loc="left")
    table = most_attended(reading)
    if not any(table[0, label] for label in classes):
        ax.text(0, 0.9, f"none occurs so often in the {len(reading.labels)} probe texts (checkpoints.probes)", transform=ax.transAxes, va="center")
        return
    ax.figure.canvas.draw()  # now the axes know their size
    heads, columns = reading.attention.shape[1], table_columns(len(classes))
    lines = (heads + 1) * -(-len(classes) // columns)
    room = int(ax.get_window_extent().width * 72 / ax.figure.dpi / columns / CHARACTER) - 1
    for j, label in enumerate(classes):
        x, top = (j % columns) / columns, (j // columns) * (heads + 1)
        write = functools.partial(ax.text, x, transform=ax.transAxes, va="center", size=WORD_SIZE, family="monospace", **PLAIN)
        write(1 - (top + 0.5) / lines, reading.classes[label][:room], weight="bold")
        for head in range(heads):
            cells = [f"{word} {value:.2f}" for word, value in table[head, label]]
            write(1 - (top + head + 1.5) / lines, f"{head:2} " + as_many_as_fit(cells, room - 3))


def draw_loss(ax, file, sets):
    """`structured` is trained on the loss and a penalty that is many times larger, which gets the scale on the right."""
    penalised = "penalty" in file["progress"]
    train = ax.twinx() if penalised else ax
    draw_train_loss(train, file["train/step"][:], file["train/loss"][:])
    for i, name in enumerate(sets):
        ax.plot(file["eval/step"][:], file["eval/loss"][:, i], color=COLOURS[i], ls=DASHES[i], label="train set" if name == "train" else name)
    if penalised:
        train.plot(file["progress/step"][:], file["progress/penalty"][:], color="0.55", ls=":")
        train.spines["right"].set_visible(True)
        train.set_ylim(bottom=0)
        ax.plot([], [], color="0.35", label="train, with penalty, right")
        ax.plot([], [], color="0.55", ls=":", label="penalty (test), right")
        legend_on_top(train, 0.65, legend=False)
    ax.set_title("(a) loss", loc="left")
    legend_on_top(ax, 0.65 if penalised else 0.4)


def draw_accuracy(ax, file, sets, of_set):
    for i, name in enumerate(sets):
        ax.plot(file["eval/step"][:], file["eval/accuracy"][:, i], color=COLOURS[i], ls=DASHES[i], label="train set" if name == "train" else name)
    references, at = file["references"], list(sets).index(of_set)
    for name, shade, label in (("naive_bayes_accuracy", "0.4", "Naive Bayes"), ("majority_accuracy", "0.7", "largest class")):
        ax.axhline(references[name][at], color=shade, lw=0.8, zorder=0, label=f"{label} {references[name][at]:.3f}")
    ax.set_title(f"(b) accuracy, references on {of_set}", loc="left")
    legend_on_top(ax, 0.55)


def draw_by_length(ax, file):
    """Accuracy of the test set's texts of each length at the end, with the binomial standard error, and how many there are."""
    progress = file["progress"]
    share, right, words = progress["texts_by_length"][-1], progress["correct_by_length"][-1], progress["words"][:]
    kept = share > 0
    n, accuracy = share[kept] * file.attrs["test_texts"], right[kept] / share[kept]
    at = np.arange(kept.sum())
    ax.errorbar(at, accuracy, np.sqrt(accuracy * (1 - accuracy) / n), color=COLOURS[1], marker="o", ms=3, capsize=2)
    for x, count in zip(at, n):
        ax.annotate(f"{count:.0f}", (x, 0), (0, 2), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center", size=6)
    ax.set_xticks(at, [f"{w:.0f}" for w in words[kept]])
    low, high = ax.get_ylim()
    ax.set_ylim(low - 0.15 * (high - low), high)  # room for the counts
    ax.set_xlabel("words, up to")
    ax.set_title(f"(c) test accuracy by length, step {progress['step'][-1]}", loc="left")


def legend_on_top(ax, share, legend=True):
    """Makes the panel higher by this share of its curves' range, and puts the legend there, where it covers none of them."""
    low, high = ax.get_ylim()
    ax.set_yticks([tick for tick in ax.get_yticks() if low <= tick <= high])
    ax.set_ylim(low, high + share * (high - low))
    if legend:
        ax.legend(loc="upper left", ncols=2, columnspacing=0.8, handlelength=1.6, borderaxespad=0, fontsize=6.5).set_in_layout(False)  # nor a narrower panel


def measures_of(file, wanted):
    """Names from /progress: those asked for, or attention's."""
    progress = file["progress"]
    names = wanted or [n for n in ("attention_entropy", "attention_peak", "head_similarity") if n in progress] or ["embedding_norm"]
    for name in names:
        if name not in progress:
            found = sorted(key for key in progress if progress[key].dims[0].keys())  # axes have none
            raise WrongInput(f"{file.filename} has no measure '{name}'; it has: {', '.join(found)}")
    return names


def draw_measure(ax, progress, name, letter):
    """One measure against the step, of heads their mean and range. Entropy is close to 1 where attention is weak: how far it is from
    it, on a logarithmic axis."""
    values = progress[name][:].reshape(len(progress["step"]), -1)
    title = name.replace("_", " ")
    if name == "attention_entropy":
        values, title = np.maximum(1 - values, 1e-6), "1 - entropy / log(words)"
        ax.set_yscale("log")
    elif name == "attention_peak":
        title = "largest weight times words"
    ax.plot(progress["step"][:], values.mean(1), color=COLOURS[0])
    if values.shape[1] > 1:
        ax.fill_between(progress["step"][:], values.min(1), values.max(1), color=COLOURS[0], alpha=0.15, lw=0)
        title += ": mean, range" if progress[name].dims[1][0].name.endswith("/head") else ""
    ax.set_title(f"{letter} {title}", loc="left")


def draw_curves(first, second, file, options, measures):
    """Three panels, and one a measure."""
    sets = file["eval/evalset"].asstr()[:]
    draw_loss(first[0], file, sets)
    draw_accuracy(first[1], file, sets, options["set"])
    draw_by_length(first[2], file)
    for ax, name, letter in zip(second, measures, letters(3)):
        draw_measure(ax, file["progress"], name, letter)
    against_step = [*first[:2], *second]
    for ax in against_step:
        ax.set_xlabel("step")
    if options["log_step"]:
        log_step_axis(against_step, file["eval/step"][:])


def letters(first):
    """"(d)", "(e)", ... from number `first`, counted from 0."""
    return (f"({chr(ord('a') + i)})" for i in itertools.count(first))


def draw_two_texts(figure, places, reading, letter):
    found = word_in_two_texts(reading)
    axes = [figure.add_subplot(place) for place in places]
    for ax in axes:
        ax.axis("off")
    if found is None:
        axes[0].set_title(f"{letter} no word is in probe texts of two classes: there are {len(reading.labels)} (checkpoints.probes)", loc="left")
        return
    word, head, least, most = found
    for ax, probe, how in zip(axes, (least, most), ("least", "most")):
        ax.set_title(f"{letter + ' ' if how == 'least' else ''}“{word}” where head {head} attends it {how}: text {probe} ({reading.title(probe)})", loc="left", **PLAIN)
    figure.canvas.draw()  # now the axes know their size
    for ax, probe, extreme in zip(axes, (least, most), (min, max)):
        words, ground = reading.words(probe), shades(reading.of(probe)[head])
        at = extreme(np.flatnonzero(words == word), key=lambda i: ground[i])
        first = max(0, at - 20)
        draw_text(ax, words[first:], ground[first:], at - first)


def draw_attention(figure, places, reading, probe, classes, letter):
    """A text as every head reads it, one word in two texts, and each head's words, from the top."""
    draw_heads(figure.add_subplot(places[0]), reading, probe, next(letter))
    draw_two_texts(figure, places[1:3], reading, next(letter))
    draw_table(figure.add_subplot(places[3]), reading, classes, next(letter))


def draw(path, options, out):
    with h5py.File(path) as file, plt.rc_context(STYLE):
        check_groups(path, file, ("train/loss", "eval/accuracy", "progress/step", "references/word"))
        test_set(path, file, options["set"])
        measures = measures_of(file, options["measures"])
        attends = "pattern" in file["attention"] and len(file["attention/ckpt_step"]) > 0
        heights = [2.2, 1.9]
        if attends:
            reading = Reading(file)
            classes = chosen_classes(reading, options["classes"])
            heads = reading.attention.shape[1]
            blocks = -(-len(classes) // table_columns(len(classes)))
            heights += [1.2 + 0.13 * heads, 0.9, 0.9, 0.55 + 0.13 * (heads + 1) * blocks]
        figure = plt.figure(figsize=(8, sum(heights)), layout="constrained")
        grid = figure.add_gridspec(len(heights), height_ratios=heights)
        rows = [[figure.add_subplot(place) for place in grid[i].subgridspec(1, n)] for i, n in enumerate((3, max(3, len(measures))))]
        for ax in rows[1][len(measures):]:
            ax.set_visible(False)
        draw_curves(*rows, file, options, measures)
        if attends:
            probe = options["probe"] if options["probe"] is not None else int(np.abs(reading.n_words - 36).argmin())
            if not 0 <= probe < len(reading.labels):
                raise WrongInput(f"{path} has no probe text {probe}; it has 0 to {len(reading.labels) - 1}")
            draw_attention(figure, list(grid)[2:], reading, probe, classes, letters(3 + len(measures)))
        figure.savefig(out, dpi=200)
        plt.close(figure)
