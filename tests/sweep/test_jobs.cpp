#include "config/reader.h"
#include "sweep/jobs.h"
#include "sweep/lease.h"
#include "sweep_folder.h"
#include "train/trainer.h"

namespace saltus {
namespace {

void train_quietly(const TrainConfig& config, const std::string& folder) {
  RunOptions options;
  options.folder = folder;
  options.threads = 1;
  options.quiet = true;
  train(config, options);
}

/// A sweep of two seeds in a folder of its own.
struct TwoSeeds {
  TempFolder folder;
  std::string path = folder / "sweep";
  TwoSeeds() { create_sweep(path, manifest_of(folder, "  seed: 0..1\n")); }

  JobState state(std::size_t job = 0) const {
    Sweep sweep(path);  // anew: nothing is remembered
    return sweep.state(sweep.jobs()[job]);
  }
  void train_first(const std::vector<std::string>& overrides = {}) const {
    const Sweep sweep(path);
    TrainConfig config(systems());
    read_config_text("job", sweep.jobs()[0].config_yaml, parse_overrides(overrides),
                     [&](Fields& f) { config.fields(f); });
    train_quietly(config, sweep.run_folder(sweep.jobs()[0].id));
  }
  void end_first_with(int code) const {
    const Sweep sweep(path);
    JobRecord record;
    record.attempts = 1;
    record.last_exit_code = code;
    sweep.save_record(sweep.jobs()[0].id, record);
  }
  std::string id() const { return Sweep(path).jobs()[0].id; }
};

}  // namespace

TEST_CASE("a job's state follows from its files") {
  const TwoSeeds sweep;
  CHECK(sweep.state() == JobState::pending);
  const std::string run = "sweep/runs/" + sweep.id() + "/";

  SECTION("done when its run is, lease or not") {
    sweep.train_first();
    CHECK(sweep.state() == JobState::done);
    CHECK(sweep.state(1) == JobState::pending);
    const auto lease = Lease::acquire(Sweep(sweep.path).lease_path(sweep.id()), 60);
    CHECK(sweep.state() == JobState::done);
  }
  SECTION("not done when the run in its folder is another config's") {
    sweep.train_first({"steps=4"});
    CHECK(sweep.state() == JobState::pending);
  }
  SECTION("interrupted once its run has begun, which config.yaml shows first") {
    sweep.folder.write(run + "config.yaml", Sweep(sweep.path).jobs()[0].config_yaml);
    CHECK(sweep.state() == JobState::interrupted);
    sweep.end_first_with(75);
    CHECK(sweep.state() == JobState::interrupted);
    sweep.folder.write(run + "run.h5", "no HDF5 at all");
    CHECK(sweep.state() == JobState::interrupted);
    sweep.end_first_with(1);
    CHECK(sweep.state() == JobState::failed);
  }
  SECTION("running while somebody holds the lease, whatever happened before") {
    sweep.end_first_with(1);
    const auto lease = Lease::acquire(Sweep(sweep.path).lease_path(sweep.id()), 60);
    CHECK(sweep.state() == JobState::running);
    Sweep opened(sweep.path);
    CHECK(opened.state_under_lease(opened.jobs()[0]) == JobState::failed);
  }
  SECTION("failed after any exit code but those of done, diverged and interrupted") {
    for (const auto& [code, state] : std::vector<std::pair<int, JobState>>{{0, JobState::pending},
                                                                           {75, JobState::pending},
                                                                           {3, JobState::pending},
                                                                           {1, JobState::failed},
                                                                           {2, JobState::failed},
                                                                           {139, JobState::failed}}) {
      sweep.end_first_with(code);
      CHECK(sweep.state() == state);
    }
  }
  SECTION("pending with a record that a crash tore") {
    sweep.folder.write("sweep/jobs/" + sweep.id() + ".json", "{\"attempts\": 3, ");
    CHECK(sweep.state() == JobState::pending);
    CHECK(Sweep(sweep.path).record(sweep.id()).attempts == 0);
  }
}

TEST_CASE("a run that diverged") {
  const TempFolder folder;
  create_sweep(folder / "sweep", manifest_of(folder, "  optimizer.learning_rate: [1e30]\n", {"steps=40"}));
  Sweep sweep(folder / "sweep");
  const SweepJob& job = sweep.jobs()[0];
  TrainConfig config(systems());
  read_config_text("job", job.config_yaml, {}, [&](Fields& f) { config.fields(f); });
  CHECK_THROWS_AS(train_quietly(config, sweep.run_folder(job.id)), Error);
  CHECK(sweep.state(job) == JobState::diverged);
  CHECK_FALSE(sweep.retry(job, false));
  CHECK(sweep.state(job) == JobState::diverged);
  CHECK(sweep.retry(job, true));
  CHECK(sweep.state(job) == JobState::pending);
}

TEST_CASE("records survive being written and read, bytes that are no text included") {
  const TwoSeeds two;
  const Sweep sweep(two.path);
  JobRecord record{3,           139, "cut off in a character: \xc3", "2024-05-01T12:00:00Z", "2024-05-01T12:00:09Z",
                   "host 4711", 9.25};
  sweep.save_record("x", record);
  const JobRecord again = sweep.record("x");
  CHECK(again.attempts == 3);
  CHECK(again.last_exit_code == 139);
  CHECK(again.last_error.find("cut off in a character: ") == 0);
  CHECK(again.started == record.started);
  CHECK(again.ended == record.ended);
  CHECK(again.worker == record.worker);
  CHECK(again.seconds == record.seconds);
  record.last_exit_code.reset();
  sweep.save_record("x", record);
  CHECK_FALSE(sweep.record("x").last_exit_code);
}

TEST_CASE("retry opens failed jobs, and those only") {
  const TwoSeeds two;
  Sweep sweep(two.path);
  const SweepJob& job = sweep.jobs()[0];
  CHECK_FALSE(sweep.retry(job, true));
  two.end_first_with(1);
  {
    const auto lease = Lease::acquire(sweep.lease_path(job.id), 60);
    CHECK_FALSE(sweep.retry(job, false));
  }
  CHECK(sweep.state(job) == JobState::failed);
  CHECK(sweep.retry(job, false));
  CHECK(sweep.state(job) == JobState::pending);
  CHECK(sweep.record(job.id).attempts == 1);
}

TEST_CASE("creating a sweep again: the same, a larger one, one that is being worked on") {
  const TwoSeeds two;
  const Manifest same = manifest_of(two.folder, "  seed: [0, 1]\n"), larger = manifest_of(two.folder, "  seed: 0..3\n");
  CHECK(create_sweep(two.path, same) == Created::same);
  Manifest rebuilt = same;
  rebuilt.program_sha256 = "another";
  CHECK(create_sweep(two.path, rebuilt) == Created::same_by_another_program);
  CHECK(load_manifest(two.path).program_sha256 == "another");

  two.train_first();
  {
    const auto lease = Lease::acquire(Sweep(two.path).lease_path(Sweep(two.path).jobs()[1].id), 60);
    const std::string refused = refusal(two.folder, [&] { create_sweep(two.path, larger); });
    CHECK(refused == "sweep holds another sweep, and a worker (" + this_worker() +
                         ") is at it: stop it first, or name another folder with --out");
    CHECK(load_manifest(two.path).jobs.size() == 2);
  }
  CHECK(create_sweep(two.path, larger) == Created::replaced);
  CHECK(Sweep(two.path).jobs().size() == 4);
  CHECK(two.state(0) == JobState::done);
  CHECK(two.state(1) == JobState::pending);
}

}  // namespace saltus
