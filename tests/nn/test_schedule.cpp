#include <catch2/catch.hpp>
#include <cmath>

#include "config/reader.h"
#include "core/check.h"
#include "nn/optimizer.h"

using namespace saltus;

namespace {

/// The optimizer section that `yaml` holds; its keys at top level.
OptimizerConfig read(const std::string& yaml) {
  OptimizerConfig config;
  read_config_text("optimizer.yaml", yaml, {}, [&](Fields& f) { config.fields(f); });
  return config;
}

std::string refusal_of(const std::string& yaml) {
  try {
    read(yaml);
  } catch (const Error& e) {
    CHECK(e.code() == ExitCode::bad_input);
    return e.what();
  }
  return "accepted";
}

}  // namespace

TEST_CASE("a constant schedule is 1 at every step") {
  const Schedule constant;
  CHECK(constant.at(0, 100) == 1);
  CHECK(constant.at(99, 100) == 1);
}

TEST_CASE("warm-up is linear and reaches the full rate at its last step, for every kind") {
  for (const char* kind : {"constant", "cosine", "step"}) {
    INFO(kind);
    const Schedule s{.kind = kind, .warmup_steps = 4, .milestones = {}};
    CHECK(s.at(0, 100) == 0.25);
    CHECK(s.at(1, 100) == 0.5);
    CHECK(s.at(2, 100) == 0.75);
    CHECK(s.at(3, 100) == 1);
    CHECK(s.at(4, 100) == 1);
  }
}

TEST_CASE("cosine goes from 1 after warm-up to final_fraction at the last step, halfway in the middle") {
  const Schedule s{.kind = "cosine", .warmup_steps = 10, .final_fraction = 0.2, .milestones = {}};
  const std::int64_t total = 111;  // steps 10..110: 100 of them after the first
  CHECK(s.at(10, total) == 1);
  CHECK(s.at(35, total) == Approx(0.2 + 0.8 * 0.5 * (1 + std::sqrt(0.5))));  // cos(pi / 4)
  CHECK(s.at(60, total) == Approx(0.6));
  CHECK(s.at(110, total) == Approx(0.2));
  CHECK(s.at(500, total) == Approx(0.2));  // a resumed, longer run stays there
}

TEST_CASE("a cosine over a single step is finite") {
  const Schedule s{.kind = "cosine", .milestones = {}};
  CHECK(s.at(0, 1) == 1);
  CHECK(s.at(1, 1) == Approx(0).margin(1e-15));
}

TEST_CASE("step multiplies by the factor from each milestone on") {
  const Schedule s{.kind = "step", .milestones = {10, 20, 20}, .factor = 0.5};
  CHECK(s.at(9, 100) == 1);
  CHECK(s.at(10, 100) == 0.5);
  CHECK(s.at(19, 100) == 0.5);
  CHECK(s.at(20, 100) == 0.125);  // two milestones at once
  CHECK(s.at(99, 100) == 0.125);
}

TEST_CASE("an optimizer section reads as written") {
  const OptimizerConfig c =
      read("kind: adamw\nlearning_rate: 3e-4\nclip_norm: 0.25\nschedule: {kind: cosine, warmup_steps: 4000}\n");
  CHECK(c.kind == "adamw");
  CHECK(c.learning_rate == 3e-4);
  CHECK(c.clip_norm == 0.25);
  CHECK(c.schedule.kind == "cosine");
  CHECK(c.schedule.warmup_steps == 4000);
  CHECK_FALSE(read("clip_norm: null\n").clip_norm.has_value());
}

TEST_CASE("refused: optimizer settings that make no sense, at their place in the file") {
  CHECK(refusal_of("learning_rate: 0\n") == R"(optimizer.yaml:1:16: error: learning_rate: must be > 0, got 0
  1 | learning_rate: 0
    |                ^)");
  CHECK(refusal_of("kind: lion\n") ==
        R"(optimizer.yaml:1:7: error: kind: must be one of sgd, momentum, adam, adamw, got 'lion'
  1 | kind: lion
    |       ^)");
  CHECK(refusal_of("beta1: 1\n") == R"(optimizer.yaml:1:8: error: beta1: beta1 must be below 1
  1 | beta1: 1
    |        ^)");
  CHECK(refusal_of("schedule: {milestones: [20, 10]}\n") ==
        R"(optimizer.yaml:1:24: error: schedule.milestones: milestones must be in rising order
  1 | schedule: {milestones: [20, 10]}
    |                        ^)");
  CHECK(refusal_of("schedule: {warmup_steps: -1}\n") ==
        R"(optimizer.yaml:1:26: error: schedule.warmup_steps: must be >= 0, got -1
  1 | schedule: {warmup_steps: -1}
    |                          ^)");
}
