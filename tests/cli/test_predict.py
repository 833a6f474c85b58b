"""`saltus predict`: a model that was trained on texts answers about new ones; and what happens when its texts have changed."""
import json
import os
import signal
import subprocess
import time
import unittest

from command import SALTUS, CommandTest
from small_texts import CONFIG, reviews

class TextTest(CommandTest):
    def setUp(self):
        super().setUp()
        self.write("reviews.tsv", reviews(16))
        self.write("lama.yaml", CONFIG.replace("max_length: 40", "max_length: 16"))

    def train_lama(self, *overrides):
        self.saltus("train", "lama.yaml", "--out", "run", "--quiet", *overrides)

    def predict(self, *args, rc=0, **kwargs):
        return self.saltus("predict", "run", *args, rc=rc, **kwargs)

    def answers(self, *args, **kwargs):
        return json.loads(self.predict("--json", *args, **kwargs)[0])


class Predict(TextTest):
    def test_words_classes_and_attention_and_the_same_in_words(self):
        self.train_lama()
        text = "We came again: the soup was LOVELY!"
        [told] = self.answers("--text", text)
        self.assertEqual((told["text"], told["class"]), (text, "praise"))
        self.assertEqual(told["words"], ["we", "came", "again", "the", "soup", "was", "lovely", "!"])
        self.assertEqual(list(told["probabilities"]), ["complaint", "praise"])
        self.assertAlmostEqual(sum(told["probabilities"].values()), 1)
        self.assertGreater(told["probabilities"]["praise"], 0.9)
        self.assertEqual(len(told["attention"]), 3)
        for head in told["attention"]:
            self.assertEqual(len(head), 8)
            self.assertAlmostEqual(sum(head), 1, places=5)

        out, err = self.predict("--text", text, "--words", "2")
        self.assertEqual(err, "")
        lines = out.splitlines()
        self.assertEqual(lines[:3], ["run at step 150; in brackets: attention, 1 where all words get the same", "", text])
        falling = sorted(told["probabilities"].items(), key=lambda entry: -entry[1])
        self.assertEqual(lines[3], "  read 8 words; 1 unknown (*)")
        self.assertEqual(lines[4:6], [f"  {100 * p:6.1f}%  {name}" for name, p in falling])
        shown_as = told["words"][:7] + ["!*"]
        for head, line in enumerate(lines[6:]):
            most = sorted(range(8), key=lambda i: -told["attention"][head][i])[:2]
            shown = "  ".join(f"{shown_as[i]} ({8 * told['attention'][head][i]:.2f})" for i in most)
            self.assertEqual(line, f"  head {head}  {shown}")
        self.assertEqual(len(lines), 9)

    def test_a_text_a_line_from_a_file_or_standard_input(self):
        self.train_lama()
        texts = "the soup was stale\r\n\n   \nthe soup was fine\n"
        told = self.answers("--file", self.write("new.txt", texts))
        self.assertEqual([t["text"] for t in told], ["the soup was stale", "the soup was fine"])
        self.assertEqual([t["class"] for t in told], ["complaint", "praise"])
        self.assertEqual(told, self.answers("--file", "-", input=texts))
        self.assertEqual(told[:1], self.answers("--text", "the soup was stale"), "a text's answer does not depend on its neighbours")

    def test_words_that_are_unknown_too_many_or_none(self):
        self.train_lama()
        long, unknown, none = self.answers("--file", "-", input="good " * 30 + "\nzeitgeist\n\u200b\n")
        self.assertEqual(long["words"], ["good"] * 16, "cut at max_length")
        self.assertEqual((long["words_in_text"], long["known"]), (30, [True] * 16))
        self.assertEqual(unknown["words"], ["zeitgeist"])
        self.assertEqual((unknown["words_in_text"], unknown["known"]), (1, [False]))
        self.assertEqual((none["words_in_text"], none["words"], none["known"]), (0, ["<unknown>"], [False]))
        self.assertEqual(unknown["probabilities"], none["probabilities"])

    def test_what_was_not_read_is_said(self):
        self.train_lama("steps=0")
        out, _ = self.predict("--file", "-", "--words", "16", input="zeitgeist good " * 10 + "\nthe zeitgeist\n...\ngood soup\n")
        cut, unknown, none, read = out.split("\n\n")[1:]
        self.assertIn("\n  read the first 16 of 20 words; 8 unknown (*)\n", cut)
        self.assertIn("\n  read 2 words; 1 unknown (*)\n", unknown)
        self.assertRegex(unknown, r"head 0 .*zeitgeist\* \(")
        self.assertRegex(unknown, r"head 0 .*the \(")
        self.assertIn("\n  there is no word in it: read as one unknown word\n", none)
        self.assertNotIn("read", read)

    def test_a_file_that_is_not_utf8_is_refused_as_a_corpus_is(self):
        self.train_lama("steps=0")
        for name, content, says in (
            ("latin1.txt", "good\ncaf\xe9\n".encode("latin1"), "latin1.txt:2: error: the text is not UTF-8: byte 4 of it is 0xe9; "
             "if the file is Latin-1, convert it with iconv -f latin1 -t utf8\n"),
            ("utf16.txt", "good\n".encode("utf-16"), "utf16.txt:1: error: looks like UTF-16: convert it with iconv -f utf-16 -t utf8\n"),
            ("zero.txt", b"good\nthe soup\0was\n", "zero.txt:2: error: byte 9 of this line is 0, which no text has\n")):
            with open(self.path(name), "wb") as file:
                file.write(content)
            self.assertEqual(self.predict("--file", name, rc=2)[1], says)
        self.assertEqual(self.answers("--file", self.write("marked.txt", "\ufeffgood\n"))[0]["text"], "good")

    def test_a_model_that_does_not_attend_has_no_heads_to_show(self):
        self.train_lama("model.pooling=mean", "steps=20")
        self.assertEqual(self.answers("--text", "good soup")[0]["attention"], [])
        out, _ = self.predict("--text", "good soup")
        self.assertTrue(out.startswith("run at step 20\n\ngood soup\n"), out)
        self.assertNotIn("head", out)

    def test_a_transformers_attention_is_the_mean_over_its_words(self):
        self.train_lama("model.pooling=transformer", "steps=20")
        for head in self.answers("--text", "the soup was good")[0]["attention"]:
            self.assertEqual(len(head), 4)
            self.assertAlmostEqual(sum(head), 1, places=5)

    def test_an_earlier_snapshot(self):
        self.train_lama()
        first, last = self.answers("--text", "lovely", "--step", "0"), self.answers("--text", "lovely")
        self.assertGreater(last[0]["probabilities"]["praise"], first[0]["probabilities"]["praise"])
        self.assertIn("run/run.h5 has no snapshot of step 7; it has those of 0, 100, 150", self.predict("--text", "a", "--step", "7", rc=2)[1])

    def test_what_is_wrong_is_bad_input(self):
        self.train_lama("steps=0")
        self.assertIn("--text", self.predict(rc=2)[1])
        self.assertIn("--file", self.predict("--text", "a", "--file", "-", rc=2)[1])
        self.assertEqual(self.predict("--file", "absent.txt", rc=2)[1], "absent.txt: error: cannot be read: No such file or directory\n")
        self.assertEqual(self.predict("--file", "run", rc=2)[1], "run is a folder: --file takes a file with a text a line\n")
        self.assertEqual(self.predict("--text", " ", rc=2)[1], "--text has no text in it\n")
        self.write("empty.txt", "\n \n")
        self.assertEqual(self.predict("--file", "empty.txt", rc=2)[1], "empty.txt has no text in it\n")
        self.assertEqual(self.predict("--file", "-", rc=2, input="\n")[1], "standard input has no text in it\n")
        self.train("small", "--quiet", "steps=0")
        self.assertEqual(self.saltus("predict", "small", "--text", "a", rc=2)[1], "the model of small/run.h5 does not read texts\n")


class ChangedCorpus(TextTest):
    """The numbers of the words come from the corpus: with another one the weights would be of other words."""

    def assert_refused(self, *args, says):
        self.assertIn(says, self.saltus(*args, rc=2)[1])

    def test_a_corpus_that_is_gone(self):
        self.train_lama("steps=0")
        os.remove(self.path("reviews.tsv"))
        for args in [("predict", "run", "--text", "a"), ("eval", "run")]:
            self.assert_refused(*args, says=f"run/run.h5: its data are neither at reviews.tsv nor at {self.path('reviews.tsv')}, where they were; "
                                "say where they are: task.corpus=PATH\n")

    def test_from_another_folder_and_from_another_place_of_the_corpus(self):
        self.train_lama("steps=20")
        here = self.answers("--text", "the soup was good")
        os.mkdir(self.path("elsewhere"))
        self.dir = self.path("elsewhere")
        there = json.loads(self.saltus("predict", "../run", "--json", "--text", "the soup was good")[0])
        self.assertEqual(here, there)
        self.saltus("eval", "../run", "--lengths", "4,16")
        os.rename(self.path("../reviews.tsv"), self.path("moved.tsv"))
        self.assert_refused("predict", "../run", "--text", "a", says="say where they are: task.corpus=PATH\n")
        self.assertEqual(here, json.loads(self.saltus("predict", "../run", "--json", "--text", "the soup was good", "task.corpus=moved.tsv")[0]))
        self.assert_refused("predict", "../run", "--text", "a", "task.corpus=other.tsv", says="other.tsv: error: cannot be read")

    def test_a_run_goes_on_from_another_folder(self):
        process = subprocess.Popen([SALTUS, "train", "lama.yaml", "steps=100000000", "--out", "run", "--quiet"], stdout=subprocess.DEVNULL, cwd=self.dir)
        while not os.path.exists(self.path("run", "state.bin")):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 75)
        config = self.read("run/config.yaml")
        os.mkdir(self.path("elsewhere"))
        saved = os.stat(self.path("run", "state.bin")).st_mtime_ns
        process = subprocess.Popen([SALTUS, "train", "--resume", "../run", "--quiet"], stdout=subprocess.PIPE, text=True, cwd=self.path("elsewhere"))
        while process.poll() is None and os.stat(self.path("run", "state.bin")).st_mtime_ns == saved:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.communicate()[0].splitlines()[0], "going on with ../run")
        self.assertEqual(process.returncode, 75)
        self.assertEqual(config, self.read("run/config.yaml"))

    def test_a_corpus_that_has_changed_is_refused(self):
        self.train_lama("steps=0")
        # As many words as before, one of them another.
        self.write("reviews.tsv", reviews(16).replace("lovely", "lively"))
        says = "run/run.h5: its data are not those it was trained on: corpus_sha256 was "
        self.assert_refused("predict", "run", "--text", "a", says=says)
        self.assert_refused("eval", "run", says=says)
        self.write("reviews.tsv", reviews(16))
        self.saltus("eval", "run")
        self.predict("--text", "a")

    def test_another_split_of_the_same_corpus_is_refused(self):
        self.train_lama("steps=0", "task.max_words=6")  # as many words whatever the split
        self.assert_refused("eval", "run", "task.validation_share=0.4", says="vocabulary_sha256 was ")
        self.assert_refused("eval", "run", "task.corpus=other.tsv", says="other.tsv: error: cannot be read")

    def test_eval_measures_the_texts_that_there_are_at_other_lengths_too(self):
        self.train_lama()
        out, _ = self.saltus("eval", "run", "--lengths", "4,16")
        self.assertIn("run at step 150, on 12 validation, 24 test, 12 train examples\n", out)
        told = json.loads(self.saltus("eval", "run", "--lengths", "4,16", "--overwrite", "--json")[0])["sets"]["test"]
        short, whole = told["accuracy"]["mean"]
        self.assertGreater(whole, short, "the word that tells the class may be cut off")
        self.assertNotIn("nan", out + self.saltus("eval", "run", "--overwrite")[0], "a test set in one chunk has no spread of chunks")
        n, error = 24, told["accuracy"]["standard_error"]
        for p, e in zip((short, whole), error):
            self.assertAlmostEqual(e, (p * (1 - p) / n) ** 0.5, places=5)

    def test_what_a_run_reads_is_told_when_it_starts_and_when_it_is_shown(self):
        self.write("reviews.tsv", reviews(40))
        out, _ = self.saltus("train", "lama.yaml", "--out", "run", "--quiet", "steps=0")
        lines = out.splitlines()
        self.assertEqual(lines[0], "training lama.yaml into run")
        self.assertEqual(lines[1].split(), ["class", "train", "validation", "test"])
        cut = [line for line in lines if line.startswith("  longer than 16 words and cut there: ")]
        self.assertEqual(len(cut), 1)
        data = "\n".join(lines[1:lines.index(cut[0]) + 1])
        self.assertIn(f"\ndata\n{data}\n", self.saltus("show", "run")[0])
        self.assertIn("longer than 16", json.loads(self.saltus("show", "run", "--json")[0])["data_summary"])

    def test_a_corpus_that_is_refused_is_not_said_to_be_trained_on(self):
        out, err = self.saltus("train", "lama.yaml", "--out", "z", "task.corpus=other.tsv", rc=2)
        self.assertEqual(out, "")
        self.assertTrue(err.startswith("other.tsv: error: cannot be read"), err)
        self.assertFalse(os.path.exists(self.path("z")))

    def test_a_run_does_not_go_on_with_another_corpus(self):
        process = subprocess.Popen([SALTUS, "train", "lama.yaml", "steps=100000000", "--out", "run", "--quiet"], stdout=subprocess.DEVNULL, cwd=self.dir)
        while not os.path.exists(self.path("run", "state.bin")):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 75)
        before = {name: self.read(f"run/{name}") for name in os.listdir(self.path("run")) if name != "recent"}
        self.write("reviews.tsv", reviews(16).replace("lovely", "lively"))
        for forced in ([], ["--force"]):
            self.assert_refused("train", "--resume", "run", *forced, says="run/run.h5: its data are not those it was trained on: corpus_sha256 was ")
        self.assertEqual(before, {name: self.read(f"run/{name}") for name in before})


if __name__ == "__main__":
    unittest.main()
