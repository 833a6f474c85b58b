"""What the command-line tests share: running the program, its folders, comparing files."""
import os
import shutil
import subprocess
import tempfile
import unittest

SALTUS = os.environ["SALTUS_BINARY"]
HERE = os.path.dirname(os.path.abspath(__file__))
SMALL = os.path.join(HERE, "small.yaml")
JUMPING = os.path.join(HERE, "jumping.yaml")


class CommandTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="saltus-test-")
        self.addCleanup(shutil.rmtree, self.dir)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        with open(self.path(name), "w", newline="") as f:
            f.write(text)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    def saltus(self, *args, rc=0, **kwargs):
        """Runs the program; returns (stdout, stderr). The exit code must be `rc`."""
        done = subprocess.run([SALTUS, *args], capture_output=True, text=True, cwd=self.dir, timeout=120, **kwargs)
        self.assertEqual(done.returncode, rc, f"{args}\n{done.stdout}\n{done.stderr}")
        return done.stdout, done.stderr

    def train(self, out, *args, config=SMALL, rc=0):
        return self.saltus("train", config, "--out", self.path(out), *args, rc=rc)

    def assert_same_datasets(self, a, b):
        """Every dataset of the two files has the same bytes (attributes such as times may differ)."""
        done = subprocess.run(["h5diff", "--exclude-attribute", "/", self.path(a), self.path(b)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
