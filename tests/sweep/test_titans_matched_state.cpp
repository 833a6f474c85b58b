#include <algorithm>

#include "config/reader.h"
#include "experiments/registry.h"
#include "experiments/titans/model.h"
#include "sweep_folder.h"
#include "train/config.h"

using namespace saltus;

TEST_CASE("matched_state.yaml: the state of every mixer is 256 floats, within a tenth") {
  const Manifest manifest = make_manifest(systems(), SALTUS_CONFIGS "/titans/matched_state.yaml", {});
  std::vector<std::string> kinds;
  for (const SweepJob& job : manifest.jobs) {
    TrainConfig config(systems());
    read_config_text("job", job.config_yaml, {}, [&](Fields& f) { config.fields(f); });
    const std::unique_ptr<Experiment> e = build_experiment(config);
    REQUIRE(e->facts.size() == 1);
    INFO(job.name());
    CHECK(e->facts[0].measure.name == "state_size");
    CHECK(e->facts[0].values[0] == Approx(256).epsilon(0.1));
    kinds.push_back(job.settings[0].value);
  }
  std::sort(kinds.begin(), kinds.end());
  CHECK(std::unique(kinds.begin(), kinds.end()) - kinds.begin() == 9);  // every kind of mixers.h
}
