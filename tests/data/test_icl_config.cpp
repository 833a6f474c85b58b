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

TEST_CASE("icl_classification accepts the settings of later work") {
  CHECK(refusal("{p_novel: 0, p_novel_end: 0.8, p_novel_steps: 1000}") == "");
  CHECK(refusal("{redraw_every: 100}") == "");
  CHECK(refusal("{redraw_every: 100, redraw_steps: 5000, random_label_steps: 100}") == "");
  CHECK(refusal("{labels_per_class: 16, exemplars: 1}") == "");
  CHECK(refusal("{n_common: 10, p_common: 0.5}") == "");
  CHECK(refusal("{n_common: 26, zipf_exponent: 1}") == "");
  CHECK(refusal("{label_law: relabelled, relabel_held_out: 0.25}") == "");
  CHECK(refusal("{n_maps: 3, map_zipf_exponent: 1, target_in_context: false, p_novel: 0}") == "");
}

TEST_CASE("icl_classification refuses knobs that contradict each other and says what is possible") {
  CHECK_THAT(refusal("p_novel_end: 0.5"), Contains("p_novel_end 0.5 with p_novel_steps 0"));
  CHECK_THAT(refusal("p_novel_steps: 10"), Contains("p_novel_end null with p_novel_steps 10"));
  CHECK_THAT(refusal("redraw_steps: 10"), Contains("redraw_steps 10 needs redraw_every"));
  CHECK_THAT(refusal("{exemplars: 4, within_class_noise: 0}"), Contains("exemplars 4") && Contains("are alike"));
  CHECK_THAT(refusal("{redraw_every: 5, p_novel: 1}"), Contains("redraw_every 5") && Contains("p_novel below 1"));
  CHECK_THAT(refusal("{redraw_every: 5, p_novel: 1, p_novel_end: 1, p_novel_steps: 9}"), Contains("redraw_every 5"));
  CHECK(refusal("{redraw_every: 5, p_novel: 1, p_novel_end: 0.5, p_novel_steps: 9}") == "");
  CHECK_THAT(refusal("labels_per_class: 3"), Contains("labels_per_class 3 must divide n_labels 32"));
  CHECK_THAT(refusal("labels_per_class: 32"), Contains("labels_per_class 32") && Contains("be less"));
  CHECK_THAT(refusal("n_common: 256"), Contains("n_common 256 leaves no rare class of n_classes 256"));
  CHECK_THAT(refusal("p_common: 0.5"), Contains("n_common is 0"));
  CHECK_THAT(refusal("{n_common: 8, p_common: 1}"), Contains("p_common 1 leaves"));
  CHECK_THAT(refusal("{n_common: 8, p_common: 0.5, zipf_exponent: 1}"),
             Contains("p_common 0.5 and zipf_exponent 1") && Contains("head and tail"));
  CHECK_THAT(refusal("relabel_held_out: 0.5"), Contains("needs label_law: relabelled"));
  CHECK_THAT(refusal("{label_law: relabelled, p_bursty: 0.5}"), Contains("p_bursty 0.5 to 1"));
  CHECK_THAT(refusal("{label_law: relabelled, burstiness: 0}"), Contains("burstiness 0 to at least 1"));
  CHECK_THAT(refusal("{label_law: relabelled, target_in_context: false, p_novel: 0}"),
             Contains("set target_in_context true"));
  CHECK_THAT(refusal("{label_law: relabelled, labels_per_class: 2}"), Contains("set labels_per_class 2 to 1"));
  CHECK_THAT(refusal("{label_law: relabelled, n_maps: 2}"), Contains("set n_maps 2 to 1"));
  for (const std::string share : {"0.2", "0.8"}) {  // 6 of 32 labels, among those held out or among the others
    CHECK_THAT(refusal("{label_law: relabelled, relabel_held_out: " + share + "}"), Contains("a context needs 8"));
  }
  CHECK_THAT(refusal("n_maps: 33"), Contains("n_maps 33 is more than n_labels 32"));
  CHECK_THAT(refusal("map_zipf_exponent: 1"), Contains("needs n_maps of at least 2"));
  CHECK_THAT(refusal("target_in_context: false"), Contains("set p_novel 0.8 and p_novel_end null to 0"));
  CHECK_THAT(refusal("{n_classes: 8, n_labels: 8, target_in_context: false, p_novel: 0}"),
             Contains("a context of 8 classes leaves none of n_classes 8"));
}

TEST_CASE("a task built from code holds to the same rules") {
  IclClassificationConfig config;
  config.n_classes = 100;
  CHECK_THROWS_WITH(IclClassification(config, Seeds{}), Contains("n_classes 100"));
}

}  // namespace saltus
