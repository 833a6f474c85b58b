#include <catch2/catch.hpp>
#include <string>

#include "config/reader.h"
#include "core/check.h"
#include "data/icl_classification.h"

namespace saltus {
namespace {

using Catch::Matchers::Contains;

/// The message that refuses the default task with these changes, or "" if they are accepted.
std::string refusal(const std::string& yaml) {
  IclClassificationConfig config;
  try {
    read_config_text("task.yaml", yaml, {}, [&config](Fields& f) { config.fields(f); });
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("icl_classification accepts the settings of the paper") {
  CHECK(refusal("{}") == "");
  for (const std::string b : {"0", "1", "2", "4"}) CHECK(refusal("burstiness: " + b) == "");
  CHECK(refusal("{n_labels: 8, n_pairs: 8}") == "");
  CHECK(refusal("{burst_class_law: zipf, zipf_exponent: 1}") == "");
  CHECK(refusal("{n_labels: 4, distinct_labels: false}") == "");
}

TEST_CASE("icl_classification refuses impossible tasks and says what is possible") {
  CHECK_THAT(refusal("n_classes: 100"), Contains("n_classes 100") && Contains("multiple of n_labels 32"));
  CHECK_THAT(refusal("n_classes: 16"), Contains("n_classes 16"));
  CHECK_THAT(refusal("n_classes: 0"), Contains("n_classes"));
  CHECK_THAT(refusal("n_pairs: 33"), Contains("n_pairs 33") && Contains("max_pairs 32"));
  CHECK_THAT(refusal("novel_pool: 48"), Contains("novel_pool 48") && Contains("n_labels 32"));
  CHECK_THAT(refusal("n_labels: 256"), Contains("novel_pool 128") && Contains("n_labels 256"));
  CHECK_THAT(refusal("burstiness: 3"),
             Contains("burstiness 3") && Contains("n_pairs 8") && Contains("use 1, 2, 4, or 0"));
  CHECK_THAT(refusal("burstiness: 8"), Contains("burstiness 8"));
  CHECK_THAT(refusal("burstiness: 16"), Contains("burstiness 16"));
  CHECK_THAT(refusal("burstiness: -1"), Contains("burstiness"));
  CHECK_THAT(refusal("{burstiness: 0, n_pairs: 7}"), Contains("n_pairs 7 is odd"));
  CHECK_THAT(refusal("n_labels: 4"), Contains("distinct labels with n_labels 4"));
  CHECK_THAT(refusal("p_novel: 1.5"), Contains("p_novel"));
  CHECK_THAT(refusal("p_bursty: -0.1"), Contains("p_bursty"));
  CHECK_THAT(refusal("within_class_noise: -1"), Contains("within_class_noise"));
  CHECK_THAT(refusal("burst_class_law: normal"), Contains("burst_class_law"));
  CHECK_THAT(refusal("position_shift: left"), Contains("position_shift"));
  CHECK_THAT(refusal("burstines: 2"), Contains("burstiness"));
}

TEST_CASE("a task built from code holds to the same rules") {
  IclClassificationConfig config;
  config.n_classes = 100;
  CHECK_THROWS_WITH(IclClassification(config, Seeds{}), Contains("n_classes 100"));
}

}  // namespace saltus
