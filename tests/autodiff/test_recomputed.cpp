#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>

#include "autodiff/grad.h"
#include "core/check.h"
#include "graph/eager.h"
#include "graph/plan.h"
#include "ops/ops.h"

using namespace saltus;

namespace {

constexpr std::int64_t n = 1024;

/// x through `depth` layers exp(-exp(x)), each of which keeps its inner exponential for a gradient, or does not.
Var layers(Var x, int depth, bool recomputed) {
  for (int i = 0; i < depth; ++i) {
    const std::unique_ptr<Recomputed> stretch = recomputed ? std::make_unique<Recomputed>(*x.graph) : nullptr;
    x = exp(-exp(x));
  }
  return x;
}

/// Calls of an op in a plan of the gradient of sum(layers(x)).
struct Compiled {
  Graph graph;
  std::vector<float> gradient = std::vector<float>(n);
  std::unique_ptr<Plan> plan;

  Compiled(int depth, bool recomputed) {
    const Var x = graph.input("x", {n});
    const std::vector<Plan::Output> outputs = {
        {grad(sum_all(layers(x, depth, recomputed)), std::span(&x, 1))[0], gradient.data()}};
    plan = std::make_unique<Plan>(graph, outputs, nullptr);
    auto* values = static_cast<float*>(plan->input("x"));
    for (std::int64_t i = 0; i < n; ++i) values[i] = 0.001f * static_cast<float>(i);
    plan->run();
  }
  std::ptrdiff_t calls(const char* op) const {
    const auto all = plan->instructions();
    return std::count_if(all.begin(), all.end(),
                         [op](const Instruction& i) { return i.op && std::strcmp(i.op->name, op) == 0; });
  }
};

}  // namespace

TEST_CASE("what is recomputed for a gradient is computed twice, not kept, and has the same bits") {
  const Compiled kept(8, false), again(8, true);
  CHECK(again.gradient == kept.gradient);
  CHECK(kept.calls("exp") == 16);
  CHECK(again.calls("exp") > 16);
  // Of each layer what it reads is kept, and not its inner exponential as well.
  CHECK(kept.plan->arena_bytes() > 16 * n * 4);
  CHECK(again.plan->arena_bytes() < 13 * n * 4);
}

TEST_CASE(
    "gradients through a recomputed stretch are those without it, at its inputs, inside it, after it, and again") {
  for (bool recomputed : {false, true}) {
    Graph g;
    const Var x = g.input("x", {}), w = g.input("w", {});
    Var inside, after;
    {
      const std::unique_ptr<Recomputed> stretch = recomputed ? std::make_unique<Recomputed>(g) : nullptr;
      inside = x * x * w;
      after = inside * x + x;
    }
    const Var y = after * after * inside;  // inside = x^2 w, after = x^3 w + x
    const std::vector<Var> wrt = {x, w, inside, after};
    std::vector<Var> d = grad(y, wrt);
    d.push_back(grad(d[0], wrt)[1]);  // d^2 y / dx dw
    const auto v = evaluate<double>(g, d, {{{"x", {2}}, {"w", {3}}}, {}});
    // y = x^2 w (x^3 w + x)^2 = w^3 x^8 + 2 w^2 x^6 + w x^4; inside = 12, after = 26
    CHECK(v[0][0] == Approx(27 * 8 * 128 + 18 * 6 * 32 + 3 * 4 * 8));
    CHECK(v[1][0] == Approx(27 * 256 + 12 * 64 + 16));
    CHECK(v[2][0] == Approx(26 * 26 + 2 * 26 * 12 * 2));
    CHECK(v[3][0] == Approx(2 * 26 * 12));
    CHECK(v[4][0] == Approx(27 * 8 * 128 + 4 * 3 * 6 * 32 + 4 * 8));
  }
}

TEST_CASE("a recomputed stretch inside another is refused") {
  Graph g;
  const Recomputed outer(g);
  CHECK_THROWS_WITH(Recomputed(g), "a stretch that is computed again begins inside another");
}
