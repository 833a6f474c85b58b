"""`saltus data`: own texts, and fetching with an apt-get of our own making in place of the system's: no network."""
import hashlib
import json
import os
import re
import unittest

from command import CommandTest

PACKAGES = """\
Package: chess
Version: 1.0-1
Description-md5: aa
Section: games

Package: libchess1
Source: chess (1.0)
Version: 1.0-1
Description-md5: bb
Section: libs

Package: ping
Version: 2
Description-md5: cc
Section: net
"""
TRANSLATIONS = """\
Package: chess
Description-md5: aa
Description-en: plays chess
 Looks ahead.

Package: libchess1
Description-md5: bb
Description-en: chess

Package: ping
Description-md5: cc
Description-en: asks hosts whether they are there
"""
RELEASE = "Origin: Debian\nCodename: star\nVersion: 1.2\nDate: Sat, 01 Feb 2025 09:08:07 UTC\n"
APT_GET = """#!/bin/sh
state=$(sed -n 's/^Dir::State "\\(.*\\)";$/\\1/p' "$2")
case "$3 $*" in
  update*) echo "updating"; [ -z "$BROKEN" ] || { echo "E: no route" >&2; exit 100; }
    cp LISTS/* "$state/lists/" ;;
  indextargets*Packages*) echo "$state/lists/x_star_main_binary-all_Packages|main/binary-all/Packages" ;;
  indextargets*) echo "$state/lists/x_star_main_i18n_Translation-en|main/i18n/Translation-en" ;;
  *) exit 99 ;;
esac
"""


class DataTest(CommandTest):
    def setUp(self):
        super().setUp()
        os.makedirs(self.path("lists"))
        os.makedirs(self.path("bin"))
        os.makedirs(self.path("tmp"))
        for name, text in [("main_binary-all_Packages", PACKAGES), ("main_i18n_Translation-en", TRANSLATIONS), ("InRelease", RELEASE)]:
            self.write(f"lists/x_star_{name}", text)
        for name, text in [("apt-get", APT_GET.replace("LISTS", self.path("lists"))), ("dpkg", "#!/bin/sh\necho all\n")]:
            os.chmod(self.write(f"bin/{name}", text), 0o755)

    def data(self, *args, rc=0, **variables):
        env = {**os.environ, "SALTUS_CACHE": self.path("cache"), "TMPDIR": self.path("tmp"), "PATH": self.path("bin") + ":/usr/bin:/bin", **variables}
        return self.saltus("data", *args, rc=rc, env=env)


class Own(DataTest):
    def test_show_tells_classes_lengths_and_origin(self):
        path = self.write("wine.csv", 'label,part,text\ngood,train,"fine, dry\nwine"\nbad,train,sour\nbad,test,sour\n')
        out, err = self.data("show", "wine.csv")
        self.assertEqual(err, "")
        self.assertIn("wine.csv: 3 documents in 2 classes\n", out)
        self.assertRegex(out, r"\nbad +2 +66\.7% +1 +1\ngood +1 +33\.3% +1 +0\n")
        self.assertIn("words     1 to 3, median 1, mean 1.7, 95% have at most 3\n", out)
        self.assertIn("repeated  1 documents have the text of an earlier one; 1 test documents have the text of a training document\n", out)
        self.assertIn("  good (wine.csv:2):\n    fine, dry wine\n", out)
        told = json.loads(self.data("show", "wine.csv", "--json")[0])
        self.assertEqual([(c["name"], c["documents"], c["train"], c["test"]) for c in told["classes"]], [("bad", 2, 1, 1), ("good", 1, 1, 0)])
        self.assertEqual(told["classes"][1]["example"], {"source": "wine.csv:2", "text": "fine, dry\nwine"})
        self.assertEqual(told["words"], {"min": 1, "median": 1, "mean": 5 / 3, "q95": 3, "max": 3})
        with open(path, "rb") as f:
            self.assertEqual(told["provenance"]["sha256"], hashlib.sha256(f.read()).hexdigest())

    def test_a_long_example_is_cut_between_characters(self):
        self.write("long.tsv", "a\t" + "é" * 100 + "\nb\tshort\n")
        self.assertIn("\n    " + "é" * 32 + " ...\n", self.data("show", "long.tsv")[0])

    def test_what_is_wrong_is_bad_input(self):
        self.write("wine.tsv", "good\tfine\nbad sour\n")
        self.assertEqual(self.data("show", "wine.tsv", rc=2)[1], "wine.tsv:2: error: there is no tab in this line: expected label, tab, text\n")
        self.assertIn("(did you mean 'debian_topics4'?)", self.data("show", "debian_topics", rc=2)[1])
        self.assertIn("fetch it first: saltus data fetch debian_sections", self.data("show", "debian_sections", rc=2)[1])
        self.assertIn("there is no corpus 'imdb' to fetch", self.data("fetch", "imdb", rc=2)[1])


@unittest.skipUnless(os.path.exists("/usr/lib/apt/apt-helper"), "apt is not here")
class Fetch(DataTest):
    def test_fetched_once_and_then_kept(self):
        out, err = self.data("fetch", "debian_sections")
        self.assertEqual(err, "fetching the package lists\nreading descriptions and sections\n")
        self.assertIn("debian_sections: 2 documents, ", out)
        told = json.loads(self.data("show", "debian_sections", "--json")[0])
        self.assertEqual([(c["name"], c["example"]) for c in told["classes"]], [
            ("games", {"source": "chess 1.0-1", "text": "plays chess\nLooks ahead."}),
            ("net", {"source": "ping 2", "text": "asks hosts whether they are there"})])
        self.assertEqual(told["provenance"]["source_date"], "2025-02-01T09:08:07Z")
        self.assertEqual(told["provenance"]["sha256"], hashlib.sha256(RELEASE.encode()).hexdigest())
        self.assertEqual(sorted(os.listdir(self.path("cache"))), ["debian_sections.tsv", "debian_sections.yaml"])
        self.assertEqual(os.listdir(self.path("tmp")), [])

        self.assertIn("is in " + self.path("cache") + " already; --again", self.data("fetch", "debian_sections", BROKEN="1")[0])
        self.write("lists/x_star_main_i18n_Translation-en", TRANSLATIONS.replace("plays", "loves"))
        self.data("fetch", "debian_sections", "--again")
        self.assertIn("loves chess", self.data("show", "debian_sections")[0])

    def test_ls_tells_what_is_there(self):
        self.data("fetch", "debian_topics4")
        size = os.path.getsize(self.path("cache/debian_topics4.tsv"))
        out, _ = self.data("ls")
        self.assertRegex(out, r"debian_topics4: .*\n  fetched 20\d\d-\d\d-\d\d: 2 documents, 0\.0 MB, source of 2025-02-01\n")
        self.assertRegex(out, r"small_fine_foods: .*\n  not fetched: 4 MB to download .*\n    saltus data fetch small_fine_foods\n")
        told = json.loads(self.data("ls", "--json")[0])
        self.assertEqual({c["name"]: c["fetched"] and c["fetched"]["bytes"] for c in told["corpora"]},
                         {"small_fine_foods": None, "debian_sections": None, "debian_topics4": size})

    def test_a_failure_shows_the_log_and_what_to_do_and_keeps_what_was_there(self):
        self.data("fetch", "debian_sections")
        before = self.read("cache/debian_sections.tsv")
        _, err = self.data("fetch", "debian_sections", "--again", rc=1, BROKEN="1")
        log = self.path("cache/debian_sections.log")
        self.assertIn(f"cannot fetch debian_sections: apt-get -c {self.path('tmp')}/saltus-", err)
        self.assertIn(f"/apt.conf update failed with exit code 100\nthe end of {log}:\n  updating\n  E: no route\n", err)
        self.assertIn("Or use a .tsv, a .csv or a folder of your own.", err)
        self.assertEqual(self.read("cache/debian_sections.tsv"), before)
        self.assertEqual(os.listdir(self.path("tmp")), [])

    def test_a_machine_without_apt(self):
        _, err = self.data("fetch", "small_fine_foods", rc=1, PATH=self.path("tmp"))
        self.assertRegex(err, r"cannot fetch small_fine_foods: cannot start apt-get: .*\nIt is read from Debian package r-cran-modeldata: that needs Debian")

    def test_a_damaged_copy(self):
        self.data("fetch", "debian_sections")
        self.write("cache/debian_sections.tsv", "label\ttext\n")
        err = self.data("show", "debian_sections", rc=2)[1]
        self.assertRegex(err, r"is damaged: debian_sections\.tsv has 11 bytes with SHA-256 \w{12}\.\.\., but \d+ with \w{12}\.\.\. were written\n")
        self.assertIn("fetch it anew: saltus data fetch debian_sections --again", err)
        self.assertEqual(re.search("damaged", self.data("fetch", "debian_sections", "--again")[0]), None)
        self.data("show", "debian_sections")


if __name__ == "__main__":
    unittest.main()
