#include <catch2/catch.hpp>
#include <numeric>

#include "core/check.h"
#include "sweep/slurm.h"

using namespace saltus;
using Catch::Matchers::Contains;

namespace {

slurm::Options options(const std::string& time = "", int signal_before = 120) {
  slurm::Options o;
  o.time = time;
  o.signal_before = signal_before;
  return o;
}

std::string refusal(const slurm::Options& o) {
  try {
    slurm::check_options(o);
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::bad_input);
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("the batch script holds what was asked for and nothing else") {
  slurm::Options o = options("02:00:00", 90);
  CHECK(slurm::script(o, "/opt/saltus", "/data/seeds", 20) ==
        R"(#!/bin/bash
# Written by `saltus sweep submit`. Each task is a worker that takes jobs from the sweep's manifest until none is left.
#SBATCH --job-name=saltus-seeds
#SBATCH --array=0-19
#SBATCH --output="/data/seeds/slurm/%A_%a.out"
#SBATCH --open-mode=append
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --time=02:00:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@90

/opt/saltus sweep work /data/seeds --threads 1 --workers 1 &
worker=$!
# USR1 comes before the time limit, to this script alone: the worker saves its run and exits 75.
trap 'kill -TERM "$worker"' USR1
# TERM, when the job is cancelled, reaches the worker by itself: here it only has to be waited for.
trap : TERM
while wait "$worker"; code=$?; kill -0 "$worker" 2>/dev/null; do :; done
# Back into the queue, to go on from what was saved; Incomplete: unless the job was cancelled.
if [ "$code" -eq 75 ]; then scontrol requeue Incomplete "$SLURM_JOB_ID"; fi
exit "$code"
)");
  o.partition = "short";
  o.account = "lab";
  o.cpus = 4;
  o.array_limit = 8;
  o.lease_seconds = 2.5;
  const std::string all = slurm::script(o, "/opt/saltus", "/data/seeds", 20);
  CHECK_THAT(all, Contains("#SBATCH --array=0-19%8\n"));
  CHECK_THAT(all, Contains("#SBATCH --partition=\"short\"\n"));
  CHECK_THAT(all, Contains("#SBATCH --account=\"lab\"\n"));
  CHECK_THAT(all, Contains("#SBATCH --cpus-per-task=4\n"));
  CHECK_THAT(all, Contains("sweep work /data/seeds --threads 4 --workers 1 --lease-seconds 2.5 &\n"));
}

TEST_CASE("folders may have any name that sbatch can read") {
  const std::string text = slurm::script(options(), "/my programs/saltus", "/a/it's \"100%\", $HOME", 1);
  CHECK_THAT(text, Contains("#SBATCH --job-name=saltus-it-s--100-----HOME\n"));
  CHECK_THAT(text, Contains("#SBATCH --output=\"/a/it's \\\"100%%\\\", $HOME/slurm/%A_%a.out\"\n"));
  CHECK_THAT(text, Contains("'/my programs/saltus' sweep work '/a/it'\\''s \"100%\", $HOME' --threads 1"));
  for (const char* folder : {"/a/b\\c", "/a/b\nc"})
    CHECK_THROWS_WITH(slurm::script(options(), "/saltus", folder, 1), Contains("sbatch cannot take"));
}

TEST_CASE("a time limit must be readable and leave time to work before the signal") {
  for (const char* fine : {"", "0", "30", "05:00", "00:10:00", "1-0", "1-12:30", "2-00:00:00"})
    CHECK(refusal(options(fine)) == "");
  for (const char* odd : {"1h", "10:", "1-", "a", "1:2:3:4", "-5", " 5"})
    CHECK_THAT(refusal(options(odd)), Contains("not a time limit"));
  // 120 s before the signal and the minute that Slurm may be early.
  CHECK_THAT(refusal(options("3")), Contains("no time to train"));
  CHECK_THAT(refusal(options("03:00")), Contains("no time to train"));
  CHECK_THAT(refusal(options("00:03:00")), Contains("no time to train"));
  CHECK(refusal(options("00:03:01")) == "");
  CHECK(refusal(options("00:03:00", 60)) == "");
  CHECK_THAT(refusal(options("0-1", 3600)), Contains("no time to train"));
}

TEST_CASE("workers beyond MaxArraySize go to further arrays of about the same size") {
  CHECK(slurm::array_sizes(1, 1001) == std::vector<int>{1});
  CHECK(slurm::array_sizes(1001, 1001) == std::vector<int>{1001});
  CHECK(slurm::array_sizes(1002, 1001) == std::vector<int>{501, 501});
  CHECK(slurm::array_sizes(11, 4) == std::vector<int>{4, 4, 3});
  for (int workers = 1; workers < 40; ++workers) {
    const std::vector<int> sizes = slurm::array_sizes(workers, 7);
    CHECK(std::accumulate(sizes.begin(), sizes.end(), 0) == workers);
    CHECK(sizes.front() <= 7);
    CHECK(sizes.front() - sizes.back() <= 1);
  }
  CHECK_THROWS_WITH(slurm::array_sizes(5, 0), Contains("allows no job arrays"));
}

TEST_CASE("with an array limit, one array waits for the other, so that the limit holds for all") {
  slurm::Options o = options();
  const std::vector<std::string> free = {"sbatch", "--parsable", "--array=0-3", "/d/slurm/submit.sbatch"};
  CHECK(slurm::sbatch_arguments(o, "/d", 4, "17") == free);
  o.array_limit = 2;
  const std::vector<std::string> first = {"sbatch", "--parsable", "--array=0-3%2", "/d/slurm/submit.sbatch"};
  CHECK(slurm::sbatch_arguments(o, "/d", 4, "") == first);
  const std::vector<std::string> second = {"sbatch", "--parsable", "--array=0-3%2", "--dependency=afterany:17",
                                           "/d/slurm/submit.sbatch"};
  CHECK(slurm::sbatch_arguments(o, "/d", 4, "17") == second);
}

TEST_CASE("the queue is told in one line") {
  slurm::Queue q;
  q.jobs = {"17"};
  CHECK(slurm::describe(q) == "slurm: no workers left of job 17");
  q.live = {"17"};
  q.running = 1;
  CHECK(slurm::describe(q) == "slurm: 1 worker running; job 17");
  q.jobs = q.live = {"17", "18"};
  q.running = 4;
  q.waiting = 12;
  q.reason = "Resources";
  q.ending = 1;
  CHECK(slurm::describe(q) == "slurm: 4 workers running, 1 ending, 12 waiting (Resources); jobs 17, 18");
  q.reason = "None";  // squeue's word until the scheduler has looked
  CHECK(slurm::describe(q) == "slurm: 4 workers running, 1 ending, 12 waiting; jobs 17, 18");
  q.problem = "squeue not found";
  CHECK(slurm::describe(q) == "slurm: jobs 17, 18; cannot ask after them: squeue not found");
}
