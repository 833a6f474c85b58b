"""A made corpus, and a lama that trains on it in a blink."""
import random

VERDICTS = {"praise": ["good", "fine", "lovely"], "complaint": ["bad", "stale", "poor"]}
CONFIG = """\
system: lama
steps: 150
batch_size: 16
task: {corpus: reviews.tsv, max_length: 40, bucket: 8, min_count: 1}
model: {d_embed: 8, d_hidden: 6, n_heads: 3, classifier_width: 8, dropout: 0}
optimizer: {kind: adam, learning_rate: 0.01}
eval: {every: 50}
checkpoints: {every: 100, log_spaced: false, probes: 4}
"""


def reviews(longest, n=120):
    """Texts of 1 to `longest` words, all lengths alike, whose class one of their words tells."""
    draw = random.Random(1)
    lines = ["label\ttext"]
    for i in range(n):
        label = ["praise", "complaint"][i % 2]
        words = [draw.choice(["the", "soup", "was", "we", "came", "again"]) for _ in range(i % longest)]
        words.insert(draw.randrange(len(words) + 1), draw.choice(VERDICTS[label]))
        lines.append(f"{label}\t{' '.join(words)}")
    return "\n".join(lines) + "\n"
