#include "experiments/titans_model.h"

#include "core/check.h"

using namespace saltus;
using namespace saltus::tests;

TEST_CASE("titans: what comes after a token does not change a bit of what the model says before, whatever its mixers") {
  for (const titans::ModelConfig& model : all_titans()) {
    RecordedTitan r(model, 11, 21, 2);  // 21: no whole number of chunks, segments or windows
    const std::vector<float> before = r.logits();
    const auto at = [&](std::int64_t position) { return before.begin() + position * r.vocabulary; };
    for (std::int64_t j = 0; j < r.positions; ++j) {
      std::int32_t& token = r.tokens()[static_cast<std::size_t>(j)];
      const std::int32_t old = token;
      token = (token + 5) % 11;
      const std::vector<float> after = r.logits();
      token = old;
      INFO(name_of(model) << ", token " << j);
      REQUIRE(std::equal(before.begin(), at(j), after.begin()));
      REQUIRE(!std::equal(at(j), at(j + 1), after.begin() + j * r.vocabulary));
      REQUIRE(
          std::equal(at(r.positions), before.end(), after.begin() + r.positions * r.vocabulary));  // the other sequence
    }
  }
}

TEST_CASE(
    "titans: an early token is remembered to the end by every mixer, through window and segment as far as they reach") {
  for (const titans::ModelConfig& model : all_titans()) {
    RecordedTitan r(model, 11, 40, 1);
    const std::vector<float> before = r.logits();
    r.tokens()[0] = (r.tokens()[0] + 5) % 11;
    const std::vector<float> after = r.logits();
    INFO(name_of(model));
    const bool reaches = !std::equal(before.end() - 11, before.end(), after.end() - 11);
    CHECK(reaches == (model.mixer.kind != "sliding_window"));  // two layers of five tokens and convolutions of three
  }
}

TEST_CASE("titans: the gradients of every architecture agree with finite differences") {
  std::vector<titans::ModelConfig> models = {small_titan(), small_titan("mac"), small_titan("mag"), small_titan("mal"),
                                             small_titan("mag")};
  models.back().gating = "mixture";
  for (titans::ModelConfig& model : models) {
    model.n_layers = 1;
    model.d_model = 4;
    model.width = 2;
    model.segment = 4;
    model.mixer.n_heads = 1;
    model.mixer.conv_width = 2;
    model.mixer.n_persistent = 1;
    model.mixer.window = 3;
    model.mixer.chunk = 2;
    model.mixer.alpha_max = 0.9;  // gates that matter: gradients well above the differences' own error
    if (model.architecture == "mixer") model.mixer.memory_depth = 2;
    RecordedTitan r(model, 4, 7, 1);
    std::vector<Var> parameters;
    for (const ParamSpec& s : r.params.specs()) parameters.push_back(r.graph.param(s.name, s.shape));
    INFO(name_of(model));
    check_gradients(r.graph, r.loss, parameters, r.leaves);
  }
}

TEST_CASE("titans: a sequence counts the same in any batch, however many questions it has") {
  RecordedTitan two(small_titan(), 11, 9, 2);
  two.leaves.values["weight"] = {0, 0, 1, 0, 0, 0, 0, 0, 0, 0.5, 0, 0, 1, 0, 1, 0, 0, 0};
  RecordedTitan one(small_titan(), 11, 9, 1);
  double mean = 0;
  for (std::ptrdiff_t b = 0; b < 2; ++b) {
    for (const char* name : {"tokens", "target"}) {
      const auto& both = two.leaves.indices[name];
      one.leaves.indices[name].assign(both.begin() + 9 * b, both.begin() + 9 * (b + 1));
    }
    const auto& weight = two.leaves.values["weight"];
    one.leaves.values["weight"].assign(weight.begin() + 9 * b, weight.begin() + 9 * (b + 1));
    mean += value(one.graph, one.loss, one.leaves)[0] / 2;
  }
  CHECK(value(two.graph, two.loss, two.leaves)[0] == Approx(mean).epsilon(1e-12));
}

TEST_CASE("titans: measuring records the same function as training") {
  for (const titans::ModelConfig& model : all_titans()) {
    RecordedTitan train(model, 11, 12, 2), measure(model, 11, 12, 2, Purpose::measure);
    INFO(name_of(model));
    CHECK(train.params.count() == measure.params.count());
    CHECK(value(train.graph, train.loss, train.leaves)[0] ==
          Approx(value(measure.graph, measure.loss, measure.leaves)[0]).epsilon(1e-12));
  }
}

TEST_CASE("titans: parameters of a memory alone, and of mac, mag and mal") {
  const auto count = [](const titans::ModelConfig& m) { return RecordedTitan(m, 11, 9, 1).params.count(); };
  const std::int64_t d = 6, channels = 8, around = 11 * d + d + d * 11;  // embedding, last norm, unembedding
  const std::int64_t feed_forward = 3 * d * 5 + d, norm = d;
  const std::int64_t qkv = 3 * (d * channels + channels * 3), gates = 3 * (d * 2 + 2), M_0 = 2 * 4 * 4;
  const std::int64_t memory = qkv + gates + M_0 + /* norm of a head */ 4 + /* W_G, W_O */ 2 * d * channels;
  const std::int64_t prefix = 2 * d, attention = qkv + d * channels + 2 * 2 * 2 * 4;
  CHECK(count(small_titan()) == around + 2 * (norm + memory + prefix + feed_forward));
  CHECK(count(small_titan("mag")) == around + 2 * (norm + memory + prefix + attention + 2 * d + d * d + feed_forward));
  CHECK(count(small_titan("mal")) == around + 2 * (norm + memory + prefix + attention + d + feed_forward));
  CHECK(count(small_titan("mac")) ==
        around + 2 * (norm + memory + attention + 2 * d * channels + 2 * d + d * d + feed_forward));
  titans::ModelConfig bare = small_titan();
  bare.width = bare.mixer.n_persistent = bare.mixer.conv_width = 0;
  bare.mixer.momentum = bare.mixer.decay = bare.mixer.learned_initial = bare.mixer.output_gate = false;
  CHECK(count(bare) == around + 2 * (norm + 4 * d * channels + (d * 2 + 2) + 4));
}
