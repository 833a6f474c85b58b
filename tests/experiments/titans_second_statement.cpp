#include "experiments/titans_second_statement.h"

#include <cmath>

#include "experiments/titans_model.h"

using namespace saltus;
using namespace saltus::tests;

namespace saltus::tests::second {
namespace {

/// x += mixing(RMSNorm(x)), x += (SiLU(u W_gate) * u W_in) W_out with u = RMSNorm(x)
struct Block {
  const Parameters& p;
  std::string name;
  bool feeds_forward;
  std::unique_ptr<Step> mixes;

  Row next(const Row& stream) const {
    const Row x = plus(stream, mixes->next(rms_normed(stream, p.row(name + ".norm.gain"))));
    if (!feeds_forward) return x;
    const Row u = rms_normed(x, p.row(name + ".norm_mlp.gain"));
    const Row hidden = hadamard(silu(times(u, p.matrix(name + ".mlp.W_gate"))), times(u, p.matrix(name + ".mlp.W_in")));
    return plus(x, times(hidden, p.matrix(name + ".mlp.W_out")));
  }
};

}  // namespace

Matrix logits(const ParamStore& store, const titans::ModelConfig& model, std::span<const std::int32_t> tokens) {
  const Parameters p(store);
  std::vector<Block> blocks;
  for (std::int64_t l = 0; l < model.n_layers; ++l)
    blocks.push_back({p, "blocks." + std::to_string(l), model.width > 0, mixing(p, l, model)});
  Matrix out;
  for (std::int32_t token : tokens) {
    Row x = p.matrix("embed.W_E")[static_cast<std::size_t>(token)];
    for (const Block& block : blocks) x = block.next(x);
    out.push_back(times(rms_normed(x, p.row("norm_final.gain")), p.matrix("unembed.W_U")));
  }
  return out;
}

double loss(const Matrix& logits, std::span<const std::int32_t> target, std::span<const double> weight) {
  double total = 0, asked = 0;
  for (std::size_t t = 0; t < logits.size(); ++t) {
    total -= weight[t] * std::log(softmax(logits[t])[static_cast<std::size_t>(target[t])]);
    asked += weight[t];
  }
  return total / asked;
}

}  // namespace saltus::tests::second

namespace {

/// A batch of logits, one after another, and the loss.
struct Said {
  std::vector<double> logits, loss;
};

Said by_second_statement(const RecordedTitan& r, const titans::ModelConfig& model) {
  Said said{{}, {0}};
  const auto n = static_cast<std::size_t>(r.positions);
  for (std::size_t b = 0; b < static_cast<std::size_t>(r.batch); ++b) {
    const auto of_sequence = [&](const auto& all) { return std::span(all).subspan(b * n, n); };
    const second::Matrix logits = second::logits(r.params, model, of_sequence(r.leaves.indices.at("tokens")));
    for (const second::Row& row : logits) second::append(said.logits, row);
    said.loss[0] +=
        second::loss(logits, of_sequence(r.leaves.indices.at("target")), of_sequence(r.leaves.values.at("weight"))) /
        static_cast<double>(r.batch);
  }
  return said;
}

Said by_graph(const RecordedTitan& r) {
  return {value(r.graph, r.graph.tapped("logits"), r.leaves), value(r.graph, r.loss, r.leaves)};
}

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  double worst = a.size() == b.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    const double off = std::abs(a[i] - b[i]);
    worst = std::isnan(off) ? INFINITY : std::max(worst, off);
  }
  return worst;
}

/// Two blocks over 21 tokens: no whole number of segments (6), windows (5) or chunks (4), nor a segment of chunks.
/// Every parameter is random, gates' weights and norms' gains too, and is what the ParamStore holds.
struct Compared : RecordedTitan {
  explicit Compared(const titans::ModelConfig& m) : RecordedTitan(m, 7, 21, 2) {
    for (const ParamSpec& s : params.specs()) {
      const auto values = params.view(s.name);
      leaves.values[s.name].assign(values.begin(), values.end());
    }
  }
};

titans::ModelConfig small(const std::string& architecture = "mixer", const std::string& kind = "memory") {
  titans::ModelConfig m = small_titan(architecture, kind);
  m.segment = 6;
  return m;
}

titans::ModelConfig deep(titans::ModelConfig m) {
  m.mixer.memory_depth = 2;
  m.mixer.memory_residual = true;
  m.mixer.theta_max = 0.1;
  return m;
}

titans::ModelConfig mixture() {
  titans::ModelConfig m = small("mag");
  m.gating = "mixture";
  return m;
}

/// Without what can be left out, and with each choice made the other way.
titans::ModelConfig bare(titans::ModelConfig m) {
  m.width = m.mixer.n_persistent = m.mixer.conv_width = 0;
  m.mixer.momentum = m.mixer.decay = m.mixer.learned_initial = m.mixer.output_gate = m.mixer.rotary = false;
  m.mixer.read_before_write = true;
  return m;
}

void require_agreement(const titans::ModelConfig& model) {
  const Compared r(model);
  const Said graph = by_graph(r), second = by_second_statement(r, model);
  INFO(name_of(model));
  CHECK(largest_difference(graph.logits, second.logits) < 1e-10);
  CHECK(largest_difference(graph.loss, second.loss) < 1e-10);
}

/// How far the second statement of `changed` is from the graph of `model`.
template <class Change>
double departure(titans::ModelConfig model, const Change& change) {
  const Compared r(model);
  change(model);
  return largest_difference(by_graph(r).logits, by_second_statement(r, model).logits);
}

}  // namespace

TEST_CASE("titans twice: a linear memory, and one of two layers with a residual") {
  require_agreement(small());
  require_agreement(deep(small()));
}

TEST_CASE("titans twice: memory as a context") {
  require_agreement(small("mac"));
  require_agreement(deep(small("mac")));
}

TEST_CASE("titans twice: memory as a gate, by product and by mixture") {
  require_agreement(small("mag"));
  require_agreement(mixture());
}

TEST_CASE("titans twice: memory as a layer") { require_agreement(small("mal")); }

TEST_CASE("titans twice: attention to all tokens and to a window") {
  require_agreement(small("mixer", "attention"));
  require_agreement(small("mixer", "sliding_window"));
}

TEST_CASE("titans twice: linear attention and the delta rules") {
  for (const char* kind : {"linear_attention", "deltanet", "gated_deltanet"}) require_agreement(small("mixer", kind));
}

TEST_CASE("titans twice: networks trained on v - k") {
  for (const char* kind : {"ttt_linear", "ttt_mlp"}) require_agreement(small("mixer", kind));
}

TEST_CASE("titans twice: a gated recurrent unit") { require_agreement(small("mixer", "gru")); }

TEST_CASE("titans twice: every model without the parts that can be left out") {
  for (const titans::ModelConfig& model :
       {small(), deep(small()), small("mac"), small("mag"), small("mal"), small("mixer", "sliding_window"),
        small("mixer", "gated_deltanet"), small("mixer", "ttt_mlp")})
    require_agreement(bare(model));
  titans::ModelConfig towards_zero = deep(small());
  towards_zero.mixer.decay_to_initial = false;
  require_agreement(towards_zero);
}

TEST_CASE("titans twice: two statements of different models do not agree") {
  using Model = titans::ModelConfig;
  CHECK(departure(small("mac"), [](Model& m) { m.segment = 7; }) > 1e-3);
  CHECK(departure(small("mac"), [](Model& m) { m.mixer.chunk = 3; }) > 1e-3);
  CHECK(departure(small("mac"), [](Model& m) { m.mixer.rotary = false; }) > 1e-3);
  CHECK(departure(small("mag"), [](Model& m) { m.mixer.window = 6; }) > 1e-3);
  CHECK(departure(mixture(), [](Model& m) { m.gating = "product"; }) > 1e-3);
  CHECK(departure(small("mal"), [](Model& m) { m.mixer.n_persistent = 0; }) > 1e-3);
  CHECK(departure(small(), [](Model& m) { m.mixer.theta_max = 0.51; }) > 1e-3);
  CHECK(departure(small(), [](Model& m) { m.mixer.decay_to_initial = false; }) > 1e-3);
  CHECK(departure(deep(small()), [](Model& m) { m.mixer.memory_residual = false; }) > 1e-3);
  CHECK(departure(small("mixer", "ttt_mlp"), [](Model& m) { m.mixer.ttt_rate = 1.1; }) > 1e-3);
}
