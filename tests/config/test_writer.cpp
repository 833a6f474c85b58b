#include <rapidcheck.h>

#include <bit>
#include <cmath>
#include <limits>

#include "config/writer.h"
#include "study.h"

namespace saltus {
namespace {

std::string written(Study study) {
  return write_config([&](Fields& f) { study.fields(f); });
}

double finite_double() {
  const double x = *rc::gen::map(rc::gen::arbitrary<std::uint64_t>(),
                                 [](std::uint64_t bits) { return std::bit_cast<double>(bits); });
  return std::isfinite(x) ? x : 0.1;
}

/// Any text that UTF-8 can hold, with what YAML finds special more often than chance has it.
std::string any_text() {
  const std::vector<std::string> pieces = {
      "a",    "Z",    "0",  "7",   ".", "-",      "+",      "_",          ":",    ": ",   " #",  "#",
      " ",    "\n",   "\t", "\r",  "'", "\"",     "\\",     "[",          "]",    "{",    "}",   ",",
      "&",    "*",    "!",  "|",   ">", "%",      "@",      "`",          "?",    "~",    "=",   "/",
      "null", "true", "no", "1e3", "é", "\u2028", "\u0085", "\U0001F600", "\x01", "\x7F", "---", "..."};
  std::string text;
  for (const std::string& piece : *rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(pieces)))
    text += piece;
  return text;
}

Study any_study() {
  Study study;
  study.system = *rc::gen::element<std::string>("icl", "titans");
  study.name = any_text();
  study.seed = *rc::gen::arbitrary<std::int64_t>();
  if (*rc::gen::arbitrary<bool>()) study.stop_at = *rc::gen::inRange<std::int64_t>(0, 1'000'000);
  study.log = *rc::gen::arbitrary<bool>();
  study.labels.clear();
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) study.labels.push_back(any_text());
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) study.noise.push_back(std::abs(finite_double()));
  study.optimizer.kind = *rc::gen::element<std::string>("sgd", "adam");
  study.optimizer.learning_rate = std::abs(finite_double()) + std::numeric_limits<double>::min();
  const bool has_memory = study.system == "titans" && *rc::gen::arbitrary<bool>();
  if (has_memory) study.memory = Study::Memory{.window = *rc::gen::inRange<std::int64_t>(1, 9)};
  return study;
}

}  // namespace

TEST_CASE("a config is written in the order of its list, quoted only where needed") {
  Study study;
  study.system = "titans";
  study.name = "on";
  study.noise = {0.1, 1e-5, 3, 1e300};
  study.labels = {"runs/a-1.h5", "two words", "", "10", "a\"b\\c\n\x01", "é"};
  study.stop_at = 100;
  study.optimizer.learning_rate = 0.1F;
  CHECK(written(study) == R"(system: titans
name: "on"
seed: 0
stop_at: 100
log: true
noise: [0.1, 1.0e-05, 3, 1.0e+300]
labels: [runs/a-1.h5, "two words", "", "10", "a\"b\\c\n\x01", "é"]
model:
  d_model: 8
  n_heads: 2
  widths: [16]
memory: null
optimizer:
  kind: sgd
  learning_rate: 0.10000000149011612
  clip: null
)");
}

TEST_CASE("a section without keys is an empty mapping") {
  CHECK(write_config([](Fields& f) { f.section("empty", "", [](Fields&) {}); }) == "empty: {}\n");
}

TEST_CASE("a number that is not finite cannot be written") {
  double x = std::numeric_limits<double>::infinity();
  CHECK_THROWS_WITH(write_config([&](Fields& f) { f.field("x", x, ""); }), "config: the number inf cannot be written");
}

TEST_CASE("whatever is written reads back as the same values") {
  CHECK(rc::check("read(write(study)) == study", [] {
    const Study study = any_study();
    const std::string yaml = written(study);
    const Study back = read_study(yaml);
    RC_ASSERT(back == study);
    RC_ASSERT(written(back) == yaml);
  }));
}

TEST_CASE("differences are listed by dotted path") {
  Study defaults, study;
  study.system = "titans";
  study.model.widths = {1, 2};
  study.memory = Study::Memory{};
  const auto found = differences([&](Fields& f) { defaults.fields(f); }, [&](Fields& f) { study.fields(f); });
  std::string text;
  for (const Difference& d : found) text += fmt::format("{}: {} -> {}\n", d.key, d.a, d.b);
  CHECK(text ==
        "system: \"\" -> titans\n"
        "model.widths: [16] -> [1, 2]\n"
        "memory.window:  -> 4\n"
        "memory.decay:  -> 0.5\n");
}

}  // namespace saltus
