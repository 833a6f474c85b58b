#include <functional>

#include "experiments/network.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// One named departure from the paper's network, with the number of parameters that it gives the default task.
struct Departure {
  std::string what;
  std::function<void(ModelConfig&)> apply;
  std::int64_t parameters;
};

const std::vector<Departure>& departures() {
  constexpr std::int64_t square = 128 * 128, classifier = 3 * (square + 1) + 32 * 128;
  static const std::vector<Departure> table = {
      {"none", [](ModelConfig&) {}, 151555},
      {"one layer", [](ModelConfig& m) { m.n_layers = 1; }, 3 * square + classifier},
      {"three layers", [](ModelConfig& m) { m.n_layers = 3; }, 9 * square + classifier},
      // Each of two heads: Q and K of width 64, V of full width.
      {"two heads", [](ModelConfig& m) { m.n_heads = 2; }, 2 * 2 * (2 * 128 * 64 + square) + classifier},
      {"narrow heads", [](ModelConfig& m) { m.d_head = 4; }, 2 * (2 * 128 * 4 + square) + classifier},
      {"wide heads", [](ModelConfig& m) { m.d_head = 16; }, 2 * (2 * 128 * 16 + square) + classifier},
      {"scaled attention", [](ModelConfig& m) { m.scale_attention = true; }, 151555},
      {"output projection", [](ModelConfig& m) { m.output_projection = true; }, 8 * square + classifier},
      {"two heads with an output projection", [](ModelConfig& m) { m.n_heads = 2, m.output_projection = true; },
       8 * square + classifier},
      {"layer norm", [](ModelConfig& m) { m.layer_norm = true; }, 151555 + 3 * 2 * 128},
      {"an MLP in each block", [](ModelConfig& m) { m.block_mlp = 7; }, 151555 + 2 * 2 * 128 * 7},
      {"an MLP and layer norm", [](ModelConfig& m) { m.block_mlp = 7, m.layer_norm = true; },
       151555 + 2 * 2 * 128 * 7 + 5 * 2 * 128},
      {"a bias a unit", [](ModelConfig& m) { m.classifier_bias = "per_unit"; }, 151555 - 3 + 3 * 128},
      {"no bias", [](ModelConfig& m) { m.classifier_bias = "none"; }, 151555 - 3},
      {"a linear classifier", [](ModelConfig& m) { m.classifier_layers = 0; }, 6 * square + 128 * 32},
      {"one classifier layer", [](ModelConfig& m) { m.classifier_layers = 1; }, 6 * square + square + 1 + 128 * 32},
      {"trainable labels", [](ModelConfig& m) { m.trainable_labels = true; }, 151555 + 32 * 63},
  };
  return table;
}

/// Logits with some of the parameters or inputs set by hand.
std::vector<double> logits(Network& n, const std::map<std::string, std::vector<double>>& values) {
  for (const auto& [name, v] : values) {
    REQUIRE(n.leaves.values.at(name).size() == v.size());
    n.leaves.values[name] = v;
  }
  return n.logits();
}

std::vector<double> scaled(std::vector<double> x, double factor) {
  for (double& v : x) v *= factor;
  return x;
}

std::vector<double> zeros(std::size_t n) { return std::vector<double>(n); }

/// Both networks with the first one's values for every parameter that they share.
struct Pair {
  Network plain, departed;
  Pair(const ModelConfig& a, const ModelConfig& b) : plain(small_task(), a, 3), departed(small_task(), b, 3) {
    plain.randomise(5);
    departed.randomise(6);
    for (const ParamSpec& s : plain.params.specs()) {
      std::vector<double>& to = departed.leaves.values[s.name];
      if (to.size() == plain.leaves.values[s.name].size()) to = plain.leaves.values[s.name];
    }
  }
};

/// One attention layer that adds nothing (W_V = 0) and a read-out without hidden layers: logits are a short formula of
/// the target token.
ModelConfig bare() {
  ModelConfig m;
  m.n_layers = 1;
  m.classifier_layers = 0;
  return m;
}

std::vector<double> target_token(const Network& n, int s) {
  const auto u = n.sequences.token(s, 2 * n.sequences.pairs);
  return {u.begin(), u.end()};
}

/// x W for a row vector x.
std::vector<double> times(const std::vector<double>& x, const std::vector<double>& w) {
  std::vector<double> y(w.size() / x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < y.size(); ++j) y[j] += x[i] * w[i * y.size() + j];
  }
  return y;
}

}  // namespace

TEST_CASE("every departure from the paper has the parameters that its name says") {
  for (const Departure& d : departures()) {
    INFO(d.what);
    ModelConfig model;
    d.apply(model);
    Graph graph;
    ParamStore params;
    icl_classification::record(graph, params, {}, model, 2, Purpose::train);
    CHECK(params.count() == d.parameters);
  }
}

TEST_CASE("every departure's gradients agree with finite differences") {
  for (const Departure& d : departures()) {
    INFO(d.what);
    ModelConfig model = small_model();
    d.apply(model);
    Network n(small_task(), model, 2);
    n.randomise(31);
    check_gradients(n.graph, n.loss, n.parameters(), n.leaves);
  }
}

TEST_CASE("every departure trains and measures as one function") {
  for (const Departure& d : departures()) {
    INFO(d.what);
    ModelConfig model = small_model();
    d.apply(model);
    Network train(small_task(), model, 2, Purpose::train), measure(small_task(), model, 2, Purpose::measure);
    train.randomise(31);
    measure.randomise(31);
    CHECK(relative_difference(train.logits(), measure.logits()) < 1e-12);
  }
}

TEST_CASE("scale_attention divides the scores by sqrt(d_head)") {
  ModelConfig scaled_model = small_model();
  scaled_model.scale_attention = true;
  Pair p(small_model(), scaled_model);
  const double factor = 1 / std::sqrt(12.0);
  const std::vector<double> expected =
      logits(p.plain, {{"blocks.0.attn.W_Q", scaled(p.plain.leaves.values["blocks.0.attn.W_Q"], factor)},
                       {"blocks.1.attn.W_Q", scaled(p.plain.leaves.values["blocks.1.attn.W_Q"], factor)}});
  CHECK(relative_difference(p.departed.logits(), expected) < 1e-12);
}

TEST_CASE("heads add up: a second head without values changes nothing") {
  ModelConfig two = small_model(), one = small_model();
  two.n_heads = 2;
  two.d_head = one.d_head = 12;
  Pair p(one, two);
  std::map<std::string, std::vector<double>> both;
  for (const char* layer : {"blocks.0.attn", "blocks.1.attn"}) {
    for (const char* w : {".W_Q", ".W_K", ".W_V"}) {
      const std::string name = std::string(layer) + w;
      std::vector<double> v = p.departed.leaves.values[name];
      std::copy_n(p.plain.leaves.values[name].begin(), 144, v.begin());
      if (name.ends_with("W_V")) std::fill(v.begin() + 144, v.end(), 0);
      both[name] = v;
    }
  }
  CHECK(relative_difference(logits(p.departed, both), p.plain.logits()) < 1e-12);
}

TEST_CASE("an output projection that is the identity changes nothing") {
  ModelConfig projected = small_model();
  projected.output_projection = true;
  Pair p(small_model(), projected);
  std::vector<double> identity = zeros(144);
  for (std::size_t i = 0; i < 12; ++i) identity[i * 13] = 1;
  CHECK(relative_difference(logits(p.departed, {{"blocks.0.attn.W_O", identity}, {"blocks.1.attn.W_O", identity}}),
                            p.plain.logits()) < 1e-12);
}

TEST_CASE("layer norm is on what the classifier reads") {
  ModelConfig model = bare();
  model.layer_norm = true;
  Network n(small_task(), model, 3);
  n.randomise(5);
  // The stream is the token itself, and the read-out sees (x - mean) / sqrt(var + 1e-5) * gain + bias.
  const std::vector<double> actual = logits(n, {{"blocks.0.attn.W_V", zeros(144)}});
  std::vector<double> expected;
  for (int s = 0; s < 3; ++s) {
    std::vector<double> x = target_token(n, s);
    double mean = 0, variance = 0;
    for (double v : x) mean += v / 12;
    for (double v : x) variance += (v - mean) * (v - mean) / 12;
    for (std::size_t i = 0; i < 12; ++i) {
      x[i] = (x[i] - mean) / std::sqrt(variance + 1e-5) * n.leaves.values["ln_final.gain"][i] +
             n.leaves.values["ln_final.bias"][i];
    }
    const std::vector<double> row = times(x, n.leaves.values["unembed.W_U"]);
    expected.insert(expected.end(), row.begin(), row.end());
  }
  CHECK(relative_difference(actual, expected) < 1e-12);
}

TEST_CASE("layer norm's bias in a block, moved along W_V, reaches the stream whatever the attention") {
  ModelConfig model = bare();
  model.layer_norm = true;
  Network n(small_task(), model, 3);
  n.randomise(5);
  n.leaves.values["blocks.0.attn.W_Q"] = zeros(144);  // uniform attention, which a bias cannot change
  const std::vector<double> before = value(n.graph, n.graph.tapped("blocks.0.resid_post"), n.leaves);
  for (double& b : n.leaves.values["blocks.0.ln.bias"]) b += 0.5;
  const std::vector<double> after = value(n.graph, n.graph.tapped("blocks.0.resid_post"), n.leaves);
  const std::vector<double> along = times(std::vector<double>(12, 0.5), n.leaves.values["blocks.0.attn.W_V"]);
  for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i] - before[i] == Approx(along[i % 12]).margin(1e-12));
}

TEST_CASE("block_mlp adds relu(x W_in) W_out to the stream") {
  ModelConfig model = bare();
  model.block_mlp = 7;
  Network n(small_task(), model, 3);
  n.randomise(5);
  const std::vector<double> actual = logits(n, {{"blocks.0.attn.W_V", zeros(144)}});
  std::vector<double> expected;
  for (int s = 0; s < 3; ++s) {
    std::vector<double> x = target_token(n, s), hidden = times(x, n.leaves.values["blocks.0.mlp.W_in"]);
    for (double& h : hidden) h = std::max(h, 0.0);
    const std::vector<double> out = times(hidden, n.leaves.values["blocks.0.mlp.W_out"]);
    for (std::size_t i = 0; i < 12; ++i) x[i] += out[i];
    const std::vector<double> row = times(x, n.leaves.values["unembed.W_U"]);
    expected.insert(expected.end(), row.begin(), row.end());
  }
  CHECK(relative_difference(actual, expected) < 1e-12);
}

TEST_CASE("biases: one a layer is one a unit when all are equal, and none when all are zero") {
  ModelConfig per_unit = small_model(), none = small_model();
  per_unit.classifier_bias = "per_unit";
  none.classifier_bias = "none";
  Pair units(small_model(), per_unit), without(small_model(), none);
  std::map<std::string, std::vector<double>> repeated, zero;
  for (const char* name : {"classifier.0.b", "classifier.1.b", "classifier.2.b"}) {
    repeated[name] = std::vector<double>(8, units.plain.leaves.values[name][0]);
    zero[name] = {0};
  }
  CHECK(relative_difference(logits(units.departed, repeated), units.plain.logits()) < 1e-12);
  CHECK(relative_difference(without.departed.logits(), logits(without.plain, zero)) < 1e-12);
}

TEST_CASE("trainable labels: an offset moves the content of its label's tokens, and starts at zero") {
  ModelConfig model = small_model();
  model.trainable_labels = true;
  const Network fresh(small_task(), model, 1);
  for (float x : fresh.params.view("embed.label_offset")) CHECK(x == 0);

  Pair p(small_model(), model);
  std::vector<double>& tokens = p.plain.leaves.values["tokens"];  // [3, 5, 12]: content from dimension 7 on
  const std::vector<double>& offset = p.departed.leaves.values["embed.label_offset"];
  for (std::size_t s = 0; s < 3; ++s) {
    for (std::size_t pair = 0; pair < 2; ++pair) {
      const auto label = static_cast<std::size_t>(p.plain.sequences.labels_of(static_cast<int>(s))[pair]);
      for (std::size_t i = 0; i < 5; ++i) tokens[(s * 5 + 2 * pair + 1) * 12 + 7 + i] += offset[label * 5 + i];
    }
  }
  CHECK(relative_difference(p.departed.logits(), p.plain.logits()) < 1e-12);
}
