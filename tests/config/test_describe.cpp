#include "config/describe.h"
#include "study.h"

namespace saltus {
namespace {

/// A key of each layout: needing wrapping, too long for its column, in an absent section, without a default.
struct Page {
  std::string system;
  std::int64_t steps = 1000;
  std::optional<Study::Memory> memory;
  void fields(Fields& f) {
    f.choice("system", system, {"icl_classification", "titans"}, "what is trained");
    f.section("memory", memory, "what is learnt while reading");
    f.section("recording_of_measures", "what is written", [this](Fields& inner) {
      inner.field("steps_between_two_rows", steps,
                  "a measure that jumps is written at every step anyway, so that seldom is enough", at_least(1));
    });
  }
};

const auto list = [](Fields& f) {
  Page page;
  page.fields(f);
};

}  // namespace

TEST_CASE("the reference page for a terminal") {
  CHECK(describe_text(list) == R"(  key            takes                   default  meaning

  system         one of                  (none)   what is trained
                 icl_classification,
                 titans

memory: what is learnt while reading (may be null, the default)
  memory.window  integer >= 1            4        tokens that the memory sees at once
  memory.decay   number in [0, 1]        0.5      what is kept from token to token

recording_of_measures: what is written
  recording_of_measures.steps_between_two_rows
                 integer >= 1            1000     a measure that jumps is written at every step
                                                  anyway, so that seldom is enough
)");
}

TEST_CASE("the reference page as Markdown") {
  CHECK(describe_markdown(list) == R"(| key | takes | default | meaning |
| --- | --- | --- | --- |
| `system` | one of icl_classification, titans | `(none)` | what is trained |

### `memory`: what is learnt while reading (may be null, the default)

| key | takes | default | meaning |
| --- | --- | --- | --- |
| `memory.window` | integer >= 1 | `4` | tokens that the memory sees at once |
| `memory.decay` | number in [0, 1] | `0.5` | what is kept from token to token |

### `recording_of_measures`: what is written

| key | takes | default | meaning |
| --- | --- | --- | --- |
| `recording_of_measures.steps_between_two_rows` | integer >= 1 | `1000` | a measure that jumps is written at every step anyway, so that seldom is enough |
)");
}

TEST_CASE("no line of the page is wider than 100 columns") {
  std::int64_t n = 1;
  std::string word = "alpha";
  const std::string page = describe_text([&](Fields& f) {
    f.field(
        "n", n,
        "many words of many lengths, again and again, till the column is full and another line is begun, many words",
        at_least(1));
    f.choice("word", word, {"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"}, "a letter \u03b1");
  });
  std::size_t start = 0;
  for (std::size_t end = page.find('\n'); end != std::string::npos; end = page.find('\n', start)) {
    INFO(page.substr(start, end - start));
    CHECK(end - start <= 101);  // one letter of two bytes
    start = end + 1;
  }
}

}  // namespace saltus
