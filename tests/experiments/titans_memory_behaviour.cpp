#include "experiments/titans_memory.h"

using namespace saltus;
using namespace saltus::tests;
using namespace saltus::titans;

namespace {

/// The largest |element| of a layer's M after the last token.
double largest(MemoryCase& c, const MemoryOutput& o, std::size_t layer) {
  double top = 0;
  const std::vector<double> M = c.evaluated(std::span(&o.state.M[layer], 1))[0];
  for (double x : M) top = std::max(top, std::abs(x));
  return top;
}

void fill(MemoryCase& c, const std::string& name, double x) {
  std::fill(c.values(name).begin(), c.values(name).end(), x);
}

/// |M| along one unit key, the target 0, after `length` tokens of constant gates from M = 1, S = 0.
double after_repeating_a_key(double lambda, double eta, double alpha, std::int64_t length) {
  MemoryCase c({.depth = 1, .rows = 1, .length = length, .d = 1});
  fill(c, "k", 1), fill(c, "v", 0), fill(c, "M.0", 1), fill(c, "S.0", 0);
  fill(c, "theta", lambda / 2), fill(c, "eta", eta), fill(c, "alpha", alpha);
  return largest(c, memory_chunked(c.in, c.state, c.initial, {.chunk = 1, .decay_to_initial = false}), 0);
}

}  // namespace

TEST_CASE("token j changes no bit of an earlier read-out, nor of another row, with the kernels that training runs") {
  for (std::size_t depth : {1u, 2u}) {
    for (bool before : {false, true}) {
      MemoryCase c({.depth = depth, .rows = 64, .length = 40, .d = 8, .hidden = 16});
      const MemoryOutput o = memory_chunked(c.in, c.state, c.initial, {.chunk = 16, .read_before_write = before});
      Leaves<float> leaves;
      for (const auto& [name, x] : c.leaves.values) leaves.values[name].assign(x.begin(), x.end());
      const auto out = [&] { return evaluate<float>(c.graph, std::span(&o.out, 1), leaves, Kernels::fast)[0]; };
      const std::vector<float> whole = out();
      const std::ptrdiff_t d = 8, row = 40 * d;
      for (std::ptrdiff_t j : {0, 5, 15, 16, 30, 39}) {
        const Leaves<float> kept = leaves;
        for (const char* name : {"q", "k", "v"}) leaves.values[name][static_cast<std::size_t>(j * d + 2)] += 0.5f;
        for (const char* name : {"theta", "eta", "alpha"}) leaves.values[name][static_cast<std::size_t>(j)] *= 0.5f;
        const std::vector<float> changed = out();
        leaves = kept;
        INFO("depth " << depth << " read_before_write " << before << " token " << j);
        CHECK(std::equal(whole.begin(), whole.begin() + j * d, changed.begin()));
        CHECK(std::equal(whole.begin() + row, whole.end(), changed.begin() + row));
        for (std::ptrdiff_t t = j; t < 40; ++t) {
          CHECK_FALSE(std::equal(whole.begin() + t * d, whole.begin() + (t + 1) * d, changed.begin() + t * d));
        }
      }
    }
  }
}

// M = S = 0 is a fixed point of two layers without biases: the hidden layer is silu(0) = 0, so both gradients are 0.
// Full decay towards 0 ends there; decay towards M_0 cannot.
TEST_CASE("a memory of two layers that has decayed to 0 never learns again; one that decays to M_0 does") {
  const auto end = [](std::size_t depth, bool to_initial) {
    MemoryCase c({.depth = depth, .length = 24});
    // The first chunk forgets everything and writes nothing; the others write, and forget nothing.
    for (std::int64_t row = 0; row < c.sizes.rows; ++row) {
      for (std::int64_t t = 0; t < c.sizes.length; ++t) {
        const auto at = static_cast<std::size_t>(row * c.sizes.length + t);
        const bool forget = t < 4;
        c.values("alpha")[at] = forget ? 1 : 0;
        c.values("theta")[at] = forget ? 0 : 0.1;
        c.values("eta")[at] = forget ? 0 : 0.5;
      }
    }
    const MemoryOutput o = memory_sequential(c.in, c.state, c.initial, {.chunk = 4, .decay_to_initial = to_initial});
    return largest(c, o, 0);
  };
  CHECK(end(2, false) == 0);
  CHECK(end(1, false) > 0.1);
  CHECK(end(2, true) > 0.1);
}

TEST_CASE("along a repeated unit key the memory is stable where 0 < 2 theta < (2 - alpha)(1 + eta)") {
  for (double eta : {0.0, 0.5, 0.9}) {
    for (double alpha : {0.0, 0.1, 0.5}) {
      const double bound = (2 - alpha) * (1 + eta);
      INFO("eta " << eta << " alpha " << alpha);
      CHECK(after_repeating_a_key(0.95 * bound, eta, alpha, 200) < 0.1);
      CHECK(after_repeating_a_key(0.05 * bound, eta, alpha, 200) < 0.1);
      CHECK(after_repeating_a_key(1.05 * bound, eta, alpha, 200) > 10);
    }
  }
  // Without decay a step of the wrong sign grows; with decay a small one is outweighed.
  CHECK(after_repeating_a_key(-0.05, 0, 0, 200) > 10);
  CHECK(after_repeating_a_key(-0.05, 0, 0.1, 200) < 0.1);
}
