#include <cmath>

#include "experiments/titans/meta_gradient.h"
#include "experiments/titans_memory.h"
#include "experiments/titans_model.h"

using namespace saltus;
using namespace saltus::tests;
using namespace saltus::titans;

namespace {

std::vector<Var> flat(const std::vector<std::vector<Var>>& by_chunk) {
  std::vector<Var> all;
  for (const std::vector<Var>& layers : by_chunk) all.insert(all.end(), layers.begin(), layers.end());
  return all;
}

/// d scalar / d M at every chunk's start.
std::vector<std::vector<double>> at_chunk_starts(const MemorySizes& sizes, Statement statement,
                                                 const MemoryOptions& o) {
  MemoryCase c(sizes);
  const MemoryOutput y = statement(c.in, c.state, c.initial, o);
  return c.evaluated(grad(c.scalar(y), flat(y.chunk_starts)));
}

/// The tap meta_gradient of block 0: [batch, head, age].
std::vector<double> meta_gradient(const RecordedTitan& r) {
  return value(r.graph, r.graph.tapped("blocks.0.mixer.meta_gradient"), r.leaves);
}

void fill(std::vector<double>& x, double to) { std::fill(x.begin(), x.end(), to); }

}  // namespace

TEST_CASE("the gradients at chunk starts are the same chunk by chunk and token by token") {
  for (std::size_t depth : {1u, 2u}) {
    for (bool to_initial : {false, true}) {
      for (bool first_order : {false, true}) {
        const MemoryOptions o{.chunk = 3, .decay_to_initial = to_initial, .first_order = first_order};
        const auto chunked = at_chunk_starts({.depth = depth}, memory_chunked, o);
        CHECK(chunked.size() == 4 * depth);  // of 11 tokens
        CHECK(difference(at_chunk_starts({.depth = depth}, memory_sequential, o), chunked) < 1e-12);
      }
    }
  }
}

// The tokens from the third chunk on, read by a memory that starts them with M plus a leaf of zeros.
TEST_CASE("the gradient at a chunk's start agrees with finite differences") {
  for (std::size_t depth : {1u, 2u}) {
    MemoryCase c({.depth = depth, .rows = 1, .length = 8, .d = 2, .hidden = 3});
    const MemoryOptions o{.chunk = 2};
    const auto tokens = [&](std::int64_t from, std::int64_t to) {
      const auto cut = [&](Var x) { return slice(x, 1, from, to); };
      return MemoryInputs{cut(c.in.q), cut(c.in.k), cut(c.in.v), cut(c.in.theta), cut(c.in.eta), cut(c.in.alpha)};
    };
    const auto loss = [&](Var out) { return sum_all(out * slice(c.in.v, 1, 4, 8)); };
    MemoryState state = memory_chunked(tokens(0, 4), c.state, c.initial, o).state;
    std::vector<Var> moves;
    for (std::size_t l = 0; l < depth; ++l) {
      const std::string name = fmt::format("move.{}", l);
      c.leaves.values[name].assign(static_cast<std::size_t>(state.M[l].shape().size()), 0);
      moves.push_back(c.graph.input(name, state.M[l].shape()));
      state.M[l] = state.M[l] + moves[l];
    }
    const Var moved = loss(memory_chunked(tokens(4, 8), state, c.initial, o).out);
    check_gradients(c.graph, moved, moves, c.leaves);

    const MemoryOutput whole = memory_chunked(c.in, c.state, c.initial, o);
    const Var same = loss(slice(whole.out, 1, 4, 8));
    CHECK(difference(c.evaluated(grad(moved, moves)), c.evaluated(grad(same, whole.chunk_starts[2]))) < 1e-13);
  }
}

// Without decay towards it M_0 is the start of the first chunk and nothing else.
TEST_CASE("at the first chunk's start the meta-gradient is the gradient of M_0, in every architecture") {
  for (const char* architecture : {"mixer", "mac", "mag", "mal"}) {
    for (std::int64_t depth : {1, 2}) {
      ModelConfig model = small_titan(architecture);
      model.mixer.decay_to_initial = false;
      model.mixer.n_persistent = 0;
      model.mixer.memory_depth = depth;
      model.mixer.theta_max = 0.1;
      RecordedTitan r(model, 5, 18, 1, Purpose::measure);  // chunks of 4, in mac within segments of 8
      for (const char* block : {"blocks.0.mixer", "blocks.1.mixer"}) {
        std::vector<double> squares(2);  // by head
        for (std::int64_t m = 0; m < depth; ++m) {
          const std::string name = fmt::format("{}.M_0.{}", block, m);
          const Var M_0 = r.graph.param(name, r.params.spec(name).shape);
          const std::vector<double> g = value(r.graph, grad(r.loss, std::span(&M_0, 1))[0], r.leaves);
          for (std::size_t i = 0; i < g.size(); ++i) squares[i / (g.size() / 2)] += g[i] * g[i];
        }
        const Var tap = r.graph.tapped(std::string(block) + ".meta_gradient");
        REQUIRE(tap.shape() == Shape{1, 2, 5});
        const std::vector<double> norms = value(r.graph, tap, r.leaves);
        INFO(name_of(model) << ", " << block);
        CHECK(norms[4] == Approx(std::sqrt(squares[0])).epsilon(1e-9));
        CHECK(norms[9] == Approx(std::sqrt(squares[1])).epsilon(1e-9));
        CHECK(norms[4] > 1e-6);
      }
    }
  }
}

TEST_CASE("a memory that writes nothing loses the meta-gradient by 1 - alpha a token, whatever else is in the batch") {
  ModelConfig model = small_titan();
  model.n_layers = 1;
  model.mixer.theta_max = 1e-30;
  model.mixer.n_persistent = 0;
  const auto measured = [&](std::int64_t batch) {
    RecordedTitan r(model, 5, 12, batch, Purpose::measure);
    fill(r.leaves.values.at("blocks.0.mixer.W_alpha"), 0);
    fill(r.leaves.values.at("blocks.0.mixer.b_alpha"), 0);  // alpha = alpha_max / 2
    fill(r.leaves.values.at("weight"), 0);
    std::fill(r.leaves.indices.at("target").begin(), r.leaves.indices.at("target").end(), 0);
    for (std::int64_t b = 0; b < batch; ++b) r.leaves.values.at("weight")[static_cast<std::size_t>(b * 12 + 11)] = 1;
    return meta_gradient(r);
  };
  const std::vector<double> one = measured(1), three = measured(3);
  const double kept = std::pow(1 - model.mixer.alpha_max / 2, 4);
  for (std::size_t head = 0; head < 2; ++head) {
    const double* by_age = one.data() + head * 3;
    CHECK(by_age[0] > 1e-6);
    CHECK(by_age[1] == Approx(kept * by_age[0]).epsilon(1e-12));
    CHECK(by_age[2] == Approx(kept * kept * by_age[0]).epsilon(1e-12));
    for (std::size_t age = 0; age < 3; ++age) CHECK(three[head * 3 + age] == Approx(by_age[age]).epsilon(1e-12));
  }
}

TEST_CASE("the meta-gradient's measure is its mean over sequences, with an age for every chunk") {
  ModelConfig model = small_titan("mac");
  model.n_layers = 1;
  const MetaGradientProbe probe(18, model);  // segments of 8, 8 and 2; chunks of 4
  REQUIRE(probe.measures().size() == 1);
  CHECK(probe.measures()[0].dims[2].values == std::vector<double>{1, 2, 3, 4, 5});
  model.architecture = "mixer";
  model.mixer.chunk = 9;
  const Shape shape = {2, 2, 2};
  const std::vector<float> norms = {1, 2, 3, 4, 10, 20, 30, 40};
  std::vector<double> sums(4);
  const auto tap = [&](const std::string& name) -> TapValue {
    CHECK(name == "blocks.0.mixer.meta_gradient");
    return {norms.data(), shape};
  };
  MetaGradientProbe(18, model).accumulate(Batch(2, {}), tap, sums);
  CHECK(sums == std::vector<double>{11, 22, 33, 44});
}
