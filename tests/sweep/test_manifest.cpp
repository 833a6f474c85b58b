#include <set>

#include "config/reader.h"
#include "sweep_folder.h"
#include "train/provenance.h"
#include "train/recorder.h"

namespace saltus {
namespace {

std::vector<std::string> names(const Manifest& manifest) {
  std::vector<std::string> all;
  for (const SweepJob& job : manifest.jobs) all.push_back(job.name());
  return all;
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("several keys span a grid in the order written, the last one fastest") {
  const TempFolder folder;
  const Manifest manifest = manifest_of(folder, "  optimizer.kind: [sgd, adam]\n  seed: 0..2\n");
  CHECK(names(manifest) == Texts{"optimizer.kind=sgd seed=0", "optimizer.kind=sgd seed=1", "optimizer.kind=sgd seed=2",
                                 "optimizer.kind=adam seed=0", "optimizer.kind=adam seed=1",
                                 "optimizer.kind=adam seed=2"});
  CHECK(manifest.jobs[4].index == std::vector<std::int64_t>{1, 1});
  REQUIRE(manifest.axes.size() == 2);
  CHECK(manifest.axes[1].keys == Texts{"seed"});
  CHECK(manifest.axes[1].values == std::vector<Texts>{{"0"}, {"1"}, {"2"}});
}

TEST_CASE("a zip is one axis; nested and dotted keys are the same keys") {
  const TempFolder folder;
  const Manifest manifest =
      manifest_of(folder, "  seed: [7, 8]\n  zip:\n    steps: [10, 20]\n    eval: {every: [5, 10]}\n");
  CHECK(names(manifest) == Texts{"seed=7 steps=10 eval.every=5", "seed=7 steps=20 eval.every=10",
                                 "seed=8 steps=10 eval.every=5", "seed=8 steps=20 eval.every=10"});
  REQUIRE(manifest.axes.size() == 2);
  CHECK(manifest.axes[1].keys == Texts{"steps", "eval.every"});
  CHECK(manifest.axes[1].values == std::vector<Texts>{{"10", "5"}, {"20", "10"}});
  const Manifest two =
      manifest_of(folder, "  zip:\n    - {seed: [1, 2], steps: [4, 5]}\n    - {batch_size: [8], shards: 1}\n");
  CHECK(names(two) == Texts{"seed=1 steps=4 batch_size=8 shards=1", "seed=2 steps=5 batch_size=8 shards=1"});
}

TEST_CASE("on the command line, texts that stand for several values sweep; other values hold for all jobs") {
  const TempFolder folder;
  CHECK(names(manifest_of(folder, "", {"seed=0..1", "steps=2,4"})) ==
        Texts{"seed=0 steps=2", "seed=0 steps=4", "seed=1 steps=2", "seed=1 steps=4"});
  const std::string section = "  seed: 0..9\n  steps: [2, 4]\n";
  CHECK(names(manifest_of(folder, section, {"seed=5,6"})) ==
        Texts{"seed=5 steps=2", "seed=5 steps=4", "seed=6 steps=2", "seed=6 steps=4"});
  const Manifest fixed = manifest_of(folder, section, {"seed=3"});
  CHECK(names(fixed) == Texts{"steps=2", "steps=4"});
  CHECK(fixed.jobs[0].config_yaml.find("\nseed: 3\n") != std::string::npos);
  CHECK(names(manifest_of(folder, section, {"sweep.seed=3", "--steps", "4"})) == Texts{"seed=3"});
  CHECK(names(manifest_of(folder, section, {"seed=3", "sweep.seed=[4, 5]", "steps=7"})) == Texts{"seed=4", "seed=5"});
}

TEST_CASE("a job's config is the one that training this combination alone would have, and its hash names it") {
  const TempFolder folder;
  const Manifest manifest = manifest_of(folder, "  optimizer.learning_rate: log(1e-3,1e-1,3)\n");
  TrainConfig config(systems());
  read_config_text("x.yaml", small_config, parse_overrides(Texts{"optimizer.learning_rate=0.01"}),
                   [&](Fields& f) { config.fields(f); });
  CHECK(manifest.jobs[1].config_yaml == resolved_yaml(config));
  CHECK(manifest.jobs[1].id == text_sha256(resolved_yaml(config)).substr(0, 16));
  // How a value is written does not matter to what it is.
  const Manifest other = manifest_of(folder, "  optimizer.learning_rate: [10e-3]\n");
  CHECK(other.jobs[0].id == manifest.jobs[1].id);
  CHECK(other.axes[0].values == std::vector<Texts>{{"0.01"}});
}

TEST_CASE("a manifest survives being written and read") {
  const TempFolder folder;
  const Manifest manifest = manifest_of(folder, "  stop_when.set: ['ic', iw]\n  zip: {seed: [1, 2], steps: [3, 4]}\n",
                                        {"stop_when.above=0.5"});
  save_manifest(folder.path(), manifest);
  const Manifest again = load_manifest(folder.path());
  CHECK(again.created == manifest.created);
  CHECK(again.program_sha256 == manifest.program_sha256);
  CHECK(again.config == manifest.config);
  REQUIRE(again.axes.size() == manifest.axes.size());
  for (std::size_t i = 0; i < again.axes.size(); ++i) {
    CHECK(again.axes[i].keys == manifest.axes[i].keys);
    CHECK(again.axes[i].values == manifest.axes[i].values);
  }
  REQUIRE(again.jobs.size() == 4);
  for (std::size_t i = 0; i < again.jobs.size(); ++i) {
    CHECK(again.jobs[i].id == manifest.jobs[i].id);
    CHECK(again.jobs[i].index == manifest.jobs[i].index);
    CHECK(again.jobs[i].name() == manifest.jobs[i].name());
    CHECK(again.jobs[i].config_yaml == manifest.jobs[i].config_yaml);
  }
}

TEST_CASE("no manifest, a torn one and one of another version are refused") {
  const TempFolder folder;
  const auto load = [&] { load_manifest(folder.path()); };
  CHECK(refusal(folder, load).find("holds no sweep") != std::string::npos);
  folder.write("manifest.json", "{\"version\": 1, \"jobs\"");
  CHECK(refusal(folder, load).find("manifest.json is damaged") == 0);
  folder.write("manifest.json", "{\"version\": 2}");
  CHECK(refusal(folder, load) == "manifest.json has version 2; this saltus reads version 1");
}

TEST_CASE("refused sweeps: the place in the file, and the combination") {
  const TempFolder folder;
  struct Case {
    std::string section, message;
  };
  const std::vector<Case> cases = {
      {"  seed: 0..1\n  model.n_haeds: [1, 2]\n", R"(x.yaml:10:3: error: unknown key 'n_haeds' (did you mean 'n_heads'?)
  10 |   model.n_haeds: [1, 2]
     |   ^
  in job 1 of 4: seed=0 model.n_haeds=1)"},
      {"  model.n_heads: [1, 0]\n", R"(x.yaml:9:22: error: model.n_heads: must be in [1, 64], got 0
  9 |   model.n_heads: [1, 0]
    |                      ^
  in job 2 of 2: model.n_heads=0)"},
      {"  shards: [2, 3]\n", R"(x.yaml:9:15: error: shards: shards (3) must divide batch_size (8)
  9 |   shards: [2, 3]
    |               ^
  in job 2 of 2: shards=3)"},
      {"  stop_when.set: [ic, nowhere]\n  stop_when.above: 0.5\n",
       R"(there is no test set 'nowhere'; this task has iid, ic, ic2, iw, ciwl
  in job 2 of 2: stop_when.set=nowhere stop_when.above=0.5)"},
      {"  seed: [1, 2, 1]\n", "two jobs have the same config: number 1 (seed=1) and number 3 (seed=1)"},
      {"  seed: 1,2\n  zip: {seed: [1], steps: [1]}\n", R"(x.yaml:10:9: error: the key 'seed' is swept twice
  10 |   zip: {seed: [1], steps: [1]}
     |         ^)"},
      {"  zip:\n    seed: 0..2\n    steps: [1, 2]\n",
       R"(x.yaml:11:5: error: zip: steps has 2 values, seed has 3: keys that move together need equally many
  11 |     steps: [1, 2]
     |     ^)"},
      {"  zip: seed\n", R"(x.yaml:9:8: error: zip: expected a mapping of keys that move together, got text 'seed'
  9 |   zip: seed
    |        ^)"},
      {"  seed: range(0,9,0)\n", R"(x.yaml:9:9: error: 'range(0,9,0)': the step must not be 0
  9 |   seed: range(0,9,0)
    |         ^)"},
      {"  seed: 0..999\n  steps: 0..999\n", "this sweep has more than 100000 jobs"},
      {"  - seed\n", R"(x.yaml:9:3: error: sweep: expected a mapping of keys to values, got a list
  9 |   - seed
    |   ^)"},
  };
  for (const Case& c : cases) {
    INFO(c.section);
    CHECK(refusal(folder, [&] { manifest_of(folder, c.section); }) == c.message);
  }
}

TEST_CASE("refused overrides name themselves") {
  const TempFolder folder;
  const auto refused = [&](const std::string& section, const Texts& overrides) {
    return refusal(folder, [&] { manifest_of(folder, section, overrides); });
  };
  CHECK(refused("", {"model.n_heads=1,0"}) ==
        "<command line>: override 1 'model.n_heads=1,0': must be in [1, 64], got 0\n  in job 2 of 2: model.n_heads=0");
  CHECK(refused("", {"steps=5", "sweep.model.n_haeds=2"}) ==
        "<command line>: override 2 'sweep.model.n_haeds=2': unknown key 'model.n_haeds' (did you "
        "mean 'model.n_heads'?)\n  in job 1 of 1: model.n_haeds=2");
  CHECK(refused("  zip: {seed: [1, 2], steps: [1, 2]}\n", {"seed=4"}) ==
        "<command line>: override 1 'seed=4': seed moves together with other keys in the file's zip: change it there");
  CHECK(refused("", {"sweep.zip.seed=1,2"}) ==
        "<command line>: override 1 'sweep.zip.seed=1,2': keys that move together (zip) can be given in the file only");
  CHECK(refused("", {"seed=4"}) ==
        "x.yaml: error: no key is swept: add a section 'sweep:', or values on the command line, such as seed=0..9");
}

}  // namespace saltus
