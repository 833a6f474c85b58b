#include "experiments/titans_memory.h"

using namespace saltus;
using namespace saltus::tests;
using namespace saltus::titans;

namespace {

struct Compared {
  std::vector<std::vector<double>> values, gradients;  // out, M, S; and of their scalar with respect to every leaf
};

Compared run(const MemorySizes& sizes, Statement statement, const MemoryOptions& options) {
  MemoryCase c(sizes);
  const MemoryOutput o = statement(c.in, c.state, c.initial, options);
  std::vector<Var> wanted = MemoryCase::all_of(o);
  const auto n = static_cast<std::ptrdiff_t>(wanted.size());
  const std::vector<Var> gradients = grad(c.scalar(o), c.leaves_in_graph);
  wanted.insert(wanted.end(), gradients.begin(), gradients.end());
  const auto all = c.evaluated(wanted);
  return {{all.begin(), all.begin() + n}, {all.begin() + n, all.end()}};
}

void require_agreement(const MemorySizes& sizes, const MemoryOptions& options) {
  INFO("depth " << sizes.depth << " length " << sizes.length << " chunk " << options.chunk << " residual "
                << options.residual << " read_before_write " << options.read_before_write << " decay_to_initial "
                << options.decay_to_initial << " first_order " << options.first_order);
  const Compared chunked = run(sizes, memory_chunked, options);
  const Compared sequential = run(sizes, memory_sequential, options);
  const Compared by_grad = run(sizes, memory_by_grad, options);
  CHECK(difference(sequential.values, chunked.values) < 1e-12);
  CHECK(difference(sequential.gradients, chunked.gradients) < 1e-12);
  CHECK(difference(sequential.values, by_grad.values) < 1e-12);
  CHECK(difference(sequential.gradients, by_grad.gradients) < 1e-12);
}

}  // namespace

TEST_CASE(
    "chunk by chunk, token by token and by differentiating the inner loss the memory has the same outputs, states and "
    "gradients") {
  for (std::size_t depth : {1u, 2u, 3u}) {
    for (std::int64_t chunk : {1, 3, 4, 5}) {
      // More than three chunks, the last one shorter where chunk > 1.
      require_agreement({.depth = depth, .length = 3 * chunk + (chunk == 1 ? 1 : 2)}, {.chunk = chunk});
    }
  }
  require_agreement({.depth = 4, .length = 10}, {.chunk = 3, .residual = true});
  require_agreement({.depth = 2, .length = 3}, {.chunk = 16});  // all of it is the short chunk
}

TEST_CASE("the three statements of the memory agree under every choice of its options") {
  for (std::size_t depth : {1u, 3u}) {
    for (unsigned bits = 0; bits < 16; ++bits) {
      MemoryOptions o{.chunk = 3};
      o.residual = bits & 1;
      o.read_before_write = bits & 2;
      o.decay_to_initial = !(bits & 4);
      o.first_order = bits & 8;
      if (depth > 1 || !o.residual) require_agreement({.depth = depth, .length = 10}, o);
    }
  }
}

TEST_CASE("the first-order variant computes the same and differentiates less") {
  for (std::size_t depth : {1u, 2u}) {
    const MemorySizes sizes{.depth = depth};
    const Compared whole = run(sizes, memory_chunked, {.chunk = 4}),
                   first = run(sizes, memory_chunked, {.chunk = 4, .first_order = true});
    CHECK(whole.values == first.values);
    CHECK(difference(whole.gradients, first.gradients) > 0.01);
  }
}

// In MAC the keys are computed from what the memory was read as: the inner gradient must not follow them back into the
// weights.
TEST_CASE("the inner gradient holds its keys and values, the outer one follows them") {
  const auto through_itself = [](Statement statement) {
    MemoryCase c({.depth = 2, .length = 3});
    const MemoryOptions options{.chunk = 3};
    const MemoryOutput first = statement(c.in, c.state, c.initial, options);
    MemoryInputs second = c.in;
    for (Var* x : {&second.k, &second.v}) *x = *x + matmul(matmul(c.in.q, first.state.M[0]), first.state.M[1]);
    const MemoryOutput o = statement(second, first.state, c.initial, options);
    return c.evaluated(grad(c.scalar(o), c.leaves_in_graph));
  };
  const auto expected = through_itself(memory_sequential);
  CHECK(difference(expected, through_itself(memory_by_grad)) < 1e-12);
  CHECK(difference(expected, through_itself(memory_chunked)) < 1e-12);
}

TEST_CASE(
    "the gradients of the chunked memory agree with finite differences through more than three chunks, for every "
    "input") {
  for (std::size_t depth : {1u, 2u, 3u}) {
    MemoryCase c({.depth = depth, .rows = 1, .length = 8, .d = 2, .hidden = 3});
    const Var f = c.scalar(memory_chunked(c.in, c.state, c.initial, {.chunk = 2, .residual = depth > 1}));
    check_gradients(c.graph, f, c.leaves_in_graph, c.leaves);
  }
}

TEST_CASE("a sequence split at a chunk boundary is the whole sequence") {
  for (std::size_t depth : {1u, 2u}) {
    for (bool before : {false, true}) {
      MemoryCase c({.depth = depth, .length = 11});
      const MemoryOptions options{.chunk = 3, .read_before_write = before};
      const MemoryOutput whole = memory_chunked(c.in, c.state, c.initial, options);
      const auto part = [&](std::int64_t from, std::int64_t to) {
        const auto cut = [&](Var x) { return slice(x, 1, from, to); };
        return MemoryInputs{cut(c.in.q), cut(c.in.k), cut(c.in.v), cut(c.in.theta), cut(c.in.eta), cut(c.in.alpha)};
      };
      const MemoryOutput first = memory_chunked(part(0, 6), c.state, c.initial, options);
      MemoryOutput second = memory_chunked(part(6, 11), first.state, c.initial, options);
      second.out = concat({first.out, second.out}, 1);
      CHECK(difference(c.evaluated(MemoryCase::all_of(whole)), c.evaluated(MemoryCase::all_of(second))) < 1e-13);
      CHECK(difference(c.evaluated(grad(c.scalar(whole), c.leaves_in_graph)),
                       c.evaluated(grad(c.scalar(second), c.leaves_in_graph))) < 1e-12);
    }
  }
}

TEST_CASE("memories whose parts do not fit together are refused") {
  MemoryCase c({.depth = 2});
  const auto message = [&](auto change) {
    MemoryInputs in = c.in;
    MemoryState state = c.state;
    std::vector<Var> initial = c.initial;
    MemoryOptions options;
    change(in, state, initial, options);
    try {
      memory_chunked(in, state, initial, options);
    } catch (const std::exception& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(message([](auto&, auto& state, auto&, auto&) { state.S.pop_back(); }) ==
        "memory: 2 layers in M, 1 in S, 2 in M_0");
  CHECK(message([](auto&, auto&, auto&, auto& o) { o.chunk = 0; }) == "memory: chunk must be 1 or more, got 0");
  CHECK(message([](auto& in, auto&, auto&, auto&) { in.v = in.theta; }) ==
        "memory: q, k, v differ in shape: [2, 11, 3], [2, 11, 3], [2, 11]");
  CHECK(message([](auto& in, auto&, auto&, auto&) { in.eta = in.q; }) ==
        "memory: gates must be [2, 11], got [2, 11, 3]");
  CHECK(message([](auto&, auto& state, auto&, auto&) { std::swap(state.M[0], state.M[1]); }) ==
        "memory: layer 0 must be [2, 3, out], got [2, 4, 3]");
  CHECK(message([](auto&, auto&, auto& initial, auto&) { initial[1] = initial[0]; }) ==
        "memory: layer 1 of M, S and M_0 differ in shape: [2, 4, 3], [2, 4, 3], [2, 3, 4]");
  CHECK(message([](auto&, auto& state, auto& initial, auto& o) {
          state.M.pop_back(), state.S.pop_back(), initial.pop_back();
          o.residual = true;
        }) == "memory: a residual needs two layers or more");
  CHECK(message([](auto&, auto& state, auto& initial, auto&) {
          state.M.pop_back(), state.S.pop_back(), initial.pop_back();
        }) == "memory: the last layer gives 4 numbers, v has 3");
}
