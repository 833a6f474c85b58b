#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <random>
#include <set>

#include "autodiff/grad.h"
#include "core/check.h"
#include "graph/eager.h"
#include "graph/plan.h"
#include "kernels/targets.h"
#include "ops/op_cases.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// A row's expression in a graph of its own, with values for its leaves.
struct Recorded {
  Graph graph;
  std::vector<Var> x, ids;
  Var y;
  Leaves<double> leaves;

  explicit Recorded(const OpCase& c) {
    std::mt19937 random(17);
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < c.in.values.size(); ++i) {
      const std::string name = fmt::format("x{}", i);
      x.push_back(graph.input(name, c.in.values[i]));
      auto& values = leaves.values[name];
      for (std::int64_t j = 0; j < c.in.values[i].size(); ++j) {
        // Rounded to float, so that the float runs see the same numbers.
        values.push_back(static_cast<float>(c.in.positive ? 0.5 + static_cast<double>(random() % 1000) / 1000 : normal(random)));
      }
    }
    for (std::size_t i = 0; i < c.in.indices.size(); ++i) {
      const std::string name = fmt::format("ids{}", i);
      ids.push_back(graph.input(name, c.in.indices[i], DType::i32));
      for (std::int64_t j = 0; j < c.in.indices[i].size(); ++j) {
        leaves.indices[name].push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(c.in.index_below)));
      }
    }
    y = c.expression(x, ids);
  }

  Leaves<float> float_leaves() const {
    Leaves<float> out;
    for (const auto& [name, values] : leaves.values) out.values[name].assign(values.begin(), values.end());
    out.indices = leaves.indices;
    return out;
  }

  /// sum of weights * v, with fixed weights that make every element count differently.
  Var probe(Var v, int salt) {
    std::mt19937 random(static_cast<unsigned>(salt));
    std::normal_distribution<double> normal;
    std::vector<double> w(static_cast<std::size_t>(v.shape().size()));
    for (double& wi : w) wi = normal(random);
    return sum_all(v * graph.constant(w, v.shape()));
  }
};

std::string title(const OpCase& c) { return c.what.empty() ? c.op : fmt::format("{} ({})", c.op, c.what); }

/// Central differences of `f`, element by element of every operand, against its graph gradient; relative to the gradient's size.
void check_gradient(Recorded& r, Var f) {
  const std::vector<Var> analytic = grad(f, r.x);
  for (std::size_t i = 0; i < r.x.size(); ++i) {
    const std::vector<double> g = evaluate<double>(r.graph, std::span(&analytic[i], 1), r.leaves)[0];
    double scale = 1e-3;
    for (double v : g) scale = std::max(scale, std::abs(v));
    std::vector<double>& values = r.leaves.values[fmt::format("x{}", i)];
    for (std::size_t j = 0; j < values.size(); ++j) {
      const double x0 = values[j], h = 1e-5;
      values[j] = x0 + h;
      const double up = evaluate<double>(r.graph, std::span(&f, 1), r.leaves)[0][0];
      values[j] = x0 - h;
      const double down = evaluate<double>(r.graph, std::span(&f, 1), r.leaves)[0][0];
      values[j] = x0;
      INFO("operand " << i << " element " << j << ": graph " << g[j] << ", differences " << (up - down) / (2 * h));
      REQUIRE(std::abs(g[j] - (up - down) / (2 * h)) <= 1e-6 * scale);
    }
  }
}

void require_close(const std::vector<float>& a, const std::vector<float>& b, double tolerance) {
  REQUIRE(a.size() == b.size());
  double scale = 1e-3;
  for (float v : b) scale = std::max(scale, static_cast<double>(std::abs(v)));
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO("element " << i << ": " << a[i] << " against " << b[i]);
    REQUIRE(std::abs(a[i] - b[i]) <= tolerance * scale);
  }
}

}  // namespace

TEST_CASE("the table has a row, with a refusal where operands can be wrong, for every op of the catalogue") {
  std::set<std::string> rows;
  for (const OpCase& c : op_cases()) {
    rows.insert(c.op);
    Recorded r(c);
    bool recorded = false;
    for (int id = 0; id < r.graph.size(); ++id) recorded |= r.graph.node(id).op->name == c.op;
    INFO(title(c));
    CHECK(recorded);
  }
  // These take one operand of any shape; every other op has a row with a call that it must refuse.
  const std::set<std::string> takes_anything = {"affine", "exp", "log", "sqrt", "tanh", "sigmoid", "relu", "detach", "again"};
  std::set<std::string> refusing;
  for (const OpCase& c : op_cases()) {
    if (c.misuse && !c.refusal.empty()) refusing.insert(c.op);
  }
  for (const OpDef* op : all_ops()) {
    INFO(op->name);
    CHECK(rows.count(op->name) == 1);
    CHECK(refusing.count(op->name) + takes_anything.count(op->name) == 1);
  }
}

TEST_CASE("every op's gradient agrees with finite differences, in double, orders 1 and 2") {
  for (const OpCase& c : op_cases()) {
    DYNAMIC_SECTION(title(c)) {
      Recorded r(c);
      const Var f = r.probe(r.y, 1);
      check_gradient(r, f);
      // Order 2: a random projection of the gradient is itself a scalar function with a gradient.
      Var g;
      for (Var dx : grad(f, r.x)) g = g ? g + r.probe(dx * dx + dx, 2) : r.probe(dx * dx + dx, 2);
      check_gradient(r, g);
    }
  }
}

TEST_CASE("every fast kernel agrees with its reference, on every instruction set") {
  for (const OpCase& c : op_cases()) {
    DYNAMIC_SECTION(title(c)) {
      Recorded r(c);
      std::vector<Var> outputs = grad(r.probe(r.y, 1), r.x);
      outputs.push_back(r.y);
      const auto reference = evaluate<float>(r.graph, outputs, r.float_leaves(), Kernels::reference);
      on_every_target([&] {
        const auto fast = evaluate<float>(r.graph, outputs, r.float_leaves(), Kernels::fast);
        for (std::size_t i = 0; i < outputs.size(); ++i) require_close(fast[i], reference[i], 4e-6);
      });
    }
  }
}

TEST_CASE("a fused op equals its decomposition, in double") {
  for (const OpCase& c : op_cases()) {
    Recorded r(c);
    for (int id = 0, n = r.graph.size(); id < n; ++id) {
      const Node& node = r.graph.node(id);
      if (!node.op->decompose) continue;
      INFO(title(c));
      std::vector<Var> in;
      for (int input : node.inputs) in.push_back({&r.graph, input});
      const std::vector<Var> both = {{&r.graph, id}, node.op->decompose(in, node.attrs)};
      const auto values = evaluate<double>(r.graph, both, r.leaves);
      for (std::size_t i = 0; i < values[0].size(); ++i) CHECK(values[0][i] == Approx(values[1][i]).epsilon(1e-12));
    }
  }
}

TEST_CASE("a plan gives the eager interpreter's bits, also over poisoned memory") {
  for (const OpCase& c : op_cases()) {
    DYNAMIC_SECTION(title(c)) {
      Recorded r(c);
      std::vector<Var> values = grad(r.probe(r.y, 1), r.x);
      values.push_back(r.y);
      std::vector<Plan::Output> outputs;
      for (Var v : values) outputs.push_back({v});
      Plan plan(r.graph, outputs, nullptr);
      const Leaves<float> leaves = r.float_leaves();
      for (const auto& [name, x] : leaves.values) {
        if (void* to = plan.input(name)) std::copy(x.begin(), x.end(), static_cast<float*>(to));
      }
      for (const auto& [name, ids] : leaves.indices) {
        if (void* to = plan.input(name)) std::copy(ids.begin(), ids.end(), static_cast<std::int32_t*>(to));
      }
      const auto eager = evaluate<float>(r.graph, values, leaves, Kernels::fast);
      const auto require_equal = [&] {
        for (std::size_t i = 0; i < values.size(); ++i) {
          REQUIRE(std::equal(eager[i].begin(), eager[i].end(), plan.output(i)));
        }
      };
      plan.run();
      require_equal();
      plan.run_poisoned();
      require_equal();
    }
  }
}

TEST_CASE("operands that do not fit are refused with the scope, the op and the shapes") {
  for (const OpCase& c : op_cases()) {
    if (!c.misuse) continue;
    INFO(title(c));
    Graph g;
    const Scope scope(g, "blocks.0");
    std::string message;
    try {
      c.misuse(g);
    } catch (const Error& e) {
      message = e.what();
    }
    CHECK_THAT(message, Catch::Contains(c.refusal));
  }
}

TEST_CASE("a shape error names where the op was recorded") {
  Graph g;
  const Scope block(g, "blocks.0");
  const Scope attention(g, "attn");
  CHECK_THROWS_WITH(matmul(g.input("x", {128, 17, 128}), g.input("w", {64, 128})),
                    "blocks.0.attn: matmul: inner sizes differ: 128 and 64 (inputs [128, 17, 128], [64, 128])");
  CHECK_THROWS_WITH(take(g.input("table", {3, 4}), g.input("x2", {2})), "blocks.0.attn: take: input 1 must be i32 indices");
}
