"""The bash completion, asked as bash asks it."""
import os
import subprocess
import unittest

from command import SALTUS, CommandTest


class Completion(CommandTest):
    def setUp(self):
        super().setUp()
        self.write("completion.bash", self.saltus("completion", "bash")[0])

    def complete(self, *words):
        """What is offered for the last word; bash has cut words at "=" before it calls."""
        ask = ". ./completion.bash; COMP_WORDS=(saltus \"$@\"); COMP_CWORD=$#; _saltus; printf '%s\\n' \"${COMPREPLY[@]}\""
        done = subprocess.run(["bash", "-c", ask, "bash", *words], capture_output=True, text=True, cwd=self.dir)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return sorted(done.stdout.split())

    def test_verbs_and_their_verbs(self):
        self.assertEqual(self.complete("tr"), ["train"])
        self.assertLessEqual({"bench", "completion", "describe", "ls", "plan", "show", "sweep", "train"}, set(self.complete("")))
        self.assertLessEqual({"collect", "create", "retry", "run", "status", "work"}, set(self.complete("sweep", "")))
        self.assertEqual(self.complete("sweep", "col"), ["collect"])

    def test_options_of_the_verb(self):
        self.assertEqual(self.complete("train", "--ou"), ["--out"])
        self.assertEqual(self.complete("show", "--j"), ["--json"])
        self.assertNotIn("--resume", self.complete("show", "--"))
        self.assertIn("--max-jobs", self.complete("sweep", "work", "--"))

    def test_config_files_and_folders(self):
        self.write("study.yaml", "")
        self.write("study.txt", "")
        os.mkdir(self.path("studies"))
        self.assertEqual(self.complete("train", "stu"), ["studies", "study.yaml"])
        self.assertEqual(self.complete("train", "--out", "stu"), ["studies"])

    def test_config_keys_and_the_words_they_take(self):
        self.assertIn("model.n_heads=", self.complete("train", "x.yaml", "model."))
        self.assertIn("stop_when.set=", self.complete("plan", "x.yaml", "stop"))
        self.assertIn("seed=", self.complete("sweep", "create", "x.yaml", "se"))
        self.assertEqual(self.complete("train", "x.yaml", "optimizer.kind", "=", "ada"), ["adam", "adamw"])
        self.assertEqual(self.complete("train", "x.yaml", "checkpoints.log_spaced", "="), ["false", "true"])
        described = self.saltus("describe", "icl_classification")[0].split()
        for key in ["task.burstiness", "optimizer.schedule.kind", "seeds.init"]:
            self.assertIn(key, described)
            self.assertEqual(self.complete("train", "x.yaml", key), [key + "="])

    def test_what_other_verbs_take(self):
        self.assertEqual(self.complete("describe", "titans_n"), ["titans_needle"])
        self.assertEqual(self.complete("completion", ""), ["bash"])
        self.assertEqual(self.complete("data", "show", "debian"), ["debian_sections", "debian_topics4"])
        self.write("reviews.csv", "")
        self.assertEqual(self.complete("data", "show", "rev"), ["reviews.csv"])
        self.write("copy.h5", "")
        os.mkdir(self.path("cool"))
        self.assertEqual(self.complete("show", "co"), ["cool", "copy.h5"])
        self.write("coffee.txt", "")
        self.assertEqual(self.complete("predict", "co"), ["cool", "copy.h5"])
        self.assertEqual(self.complete("predict", "cool", "--file", "co"), ["coffee.txt", "completion.bash", "cool", "copy.h5"])

    def test_the_script_is_good_bash_and_another_shell_is_refused(self):
        subprocess.run(["bash", "-n", self.path("completion.bash")], check=True)
        self.assertIn("shell", self.saltus("completion", "fish", rc=2)[1])


class Help(CommandTest):
    def test_every_verb_has_help_with_an_example(self):
        def verbs(*path):
            text = self.saltus(*path, "--help")[0]
            found = text.partition("Subcommands:\n")[2].split("\n\n")[0]
            names = [line.split()[0] for line in found.splitlines() if line.startswith("  ") and not line.startswith("   ")]
            for name in names:
                yield from verbs(*path, name)
            if path:
                yield path, text

        seen = dict(verbs())
        self.assertGreaterEqual(len(seen), 10)
        for path, text in seen.items():
            self.assertIn("saltus " + " ".join(path) + (" " if path != ("sweep",) else ""), text.partition("Options:")[2], f"an example of {' '.join(path)}")


if __name__ == "__main__":
    unittest.main()
