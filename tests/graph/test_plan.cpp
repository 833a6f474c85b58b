#include <catch2/catch.hpp>
#include <cmath>
#include <set>

#include "autodiff/grad.h"
#include "graph/plan.h"
#include "ops/ops.h"

using namespace saltus;

namespace {

Plan compile(const Graph& g, std::vector<Var> values, const Plan::ParamLookup& params = nullptr) {
  std::vector<Plan::Output> outputs;
  for (Var v : values) outputs.push_back({v});
  return Plan(g, outputs, params);
}

void fill(const Plan& plan, const char* name, std::vector<float> values) {
  std::copy(values.begin(), values.end(), static_cast<float*>(plan.input(name)));
}

}  // namespace

TEST_CASE("a plan computes only what its outputs need: an unasked tap costs no instruction") {
  Graph g;
  const Var x = g.input("x", {4});
  const Var y = exp(x);
  g.tap("expensive", tanh(y));
  CHECK(compile(g, {y}).instructions().size() == 1);
  CHECK(compile(g, {y, g.tapped("expensive")}).instructions().size() == 2);
}

TEST_CASE("equal nodes are computed once") {
  Graph g;
  const Var x = g.input("x", {4});
  const Var y = exp(x) * exp(x) + exp(x);
  CHECK(compile(g, {y}).instructions().size() == 3);  // exp, mul, add
  // Other attributes are another node.
  CHECK(compile(g, {2 * x, 3 * x}).instructions().size() == 2);
}

TEST_CASE("recorded once, replayed many times: new inputs, no new instructions") {
  Graph g;
  const Var x = g.input("x", {2});
  const Plan plan = compile(g, {x * x + 1.0});
  for (float v : {1.0f, 2.0f, 3.0f}) {
    fill(plan, "x", {v, -v});
    plan.run();
    CHECK(plan.output(0)[0] == v * v + 1);
    CHECK(plan.output(0)[1] == v * v + 1);
  }
}

TEST_CASE("what C++ decides while recording is frozen; what must change is an input") {
  Graph g;
  float temperature = 2;
  const Var x = g.input("x", {1});
  const Var t = g.input("temperature", {1});
  const Plan plan = compile(g, {x / static_cast<double>(temperature), x / t});
  temperature = 4;  // too late: the plan keeps 2
  fill(plan, "x", {8});
  fill(plan, "temperature", {4});
  plan.run();
  CHECK(plan.output(0)[0] == 4);
  CHECK(plan.output(1)[0] == 2);
}

TEST_CASE("memory of dead values is reused, and in-place ops need none") {
  Graph g;
  Var x = g.input("x", {1000});
  const std::size_t array = aligned(4000);
  Var y = x;
  for (int i = 0; i < 10; ++i) y = exp(y) * 0.1;
  CHECK(compile(g, {y}).arena_bytes() == 2 * array);  // the input, and one array that every step overwrites

  Var z = reshape(x, {10, 100});
  for (int i = 0; i < 10; ++i) z = permute(z, {1, 0});  // not in place: two arrays take turns
  CHECK(compile(g, {z}).arena_bytes() == 3 * array);
}

TEST_CASE("plans that run in turns share the memory of one run, and keep their inputs") {
  const auto recorded = [](Graph& g, std::int64_t n) { return permute(exp(g.input("x", {2, n})), {1, 0}) + 1.0; };
  Graph large_graph, small_graph;
  const Plan::Output large_out[] = {{recorded(large_graph, 50)}}, small_out[] = {{recorded(small_graph, 1)}};
  const Plan large(large_graph, large_out, nullptr), small(small_graph, small_out, nullptr, large.scratch());
  fill(large, "x", std::vector<float>(100, 0));
  fill(small, "x", {0, 0});
  large.run();
  small.run();
  CHECK(small.output(0)[1] == 2);
  large.run();
  CHECK(large.output(0)[99] == 2);
  CHECK(small.scratch() == large.scratch());
  CHECK_THROWS_WITH(Plan(large_graph, large_out, nullptr, std::make_shared<AlignedBlock>(64)), Catch::Contains("and is given 64"));
}

TEST_CASE("an in-place op does not overwrite memory that another operand still reads in another shape") {
  Graph g;
  const Var x = exp(g.input("x", {4}));
  const Var first = slice(x, 0, 0, 1);
  Plan plan = compile(g, {x * first});
  fill(plan, "x", {std::log(2.0f), 0, 0, 0});
  for (auto run : {+[](Plan& p) { p.run(); }, +[](Plan& p) { p.run_poisoned(); }}) {
    run(plan);
    CHECK(plan.output(0)[0] == Approx(4));
    CHECK(plan.output(0)[1] == Approx(2));
    CHECK(plan.output(0)[3] == Approx(2));
  }
}

TEST_CASE("poison shows a read of dead memory") {
  // A plan whose instructions are correct stays finite; this checks that the poison itself reaches what it should.
  Graph g;
  const Var x = g.input("x", {8});
  Plan plan = compile(g, {sum_all(exp(x) * 2.0)});
  plan.run_poisoned();
  CHECK(*plan.output(0) == Approx(16));
  int dying = 0;
  for (const Instruction& ins : plan.instructions()) dying += static_cast<int>(ins.dying.size());
  CHECK(dying == 1);  // exp is overwritten in place by its double; that one dies at the sum
}

TEST_CASE("outputs go straight to the memory they are asked for in") {
  Graph g;
  const Var w = g.param("w", {3});
  const Var x = g.input("x", {3});
  float weights[3] = {1, 2, 3}, gradient[3], copy[3];
  const std::vector<Var> dw = grad(sum_all(w * w * x), std::span(&w, 1));
  const std::vector<Plan::Output> outputs = {{dw[0], gradient}, {dw[0], copy}, {w, nullptr}};
  const Plan plan(g, outputs, [&](const std::string&, const Shape&) { return weights; });
  fill(plan, "x", {1, 1, 2});
  plan.run();
  CHECK((gradient[0] == 2 && gradient[1] == 4 && gradient[2] == 12));
  CHECK((copy[0] == 2 && copy[1] == 4 && copy[2] == 12));
  CHECK(plan.output(2) == weights);
}

TEST_CASE("an input or parameter recorded twice is one node, and another shape, type or kind is refused") {
  Graph g;
  CHECK(g.param("w", {3}) == g.param("w", {3}));
  CHECK(g.input("x", {3}) == g.input("x", {3}));
  CHECK_THROWS_WITH(g.param("w", {4}), "param 'w' of shape [4] is recorded as param of shape [3] already");
  CHECK_THROWS_WITH(g.input("x", {4}), "input 'x' of shape [4] is recorded as input of shape [3] already");
  CHECK_THROWS_WITH(g.input("x", {3}, DType::i32), Catch::Contains("already"));
  CHECK_THROWS_WITH(g.param("x", {3}), Catch::Contains("recorded as input"));
}

TEST_CASE("constants are equal only when their bits are") {
  Graph g;
  const Var x = g.input("x", {1});
  const Plan plan = compile(g, {x / g.constant(0.0), x / g.constant(-0.0), x + g.constant(std::nan("")), x + g.constant(1)});
  fill(plan, "x", {1});
  plan.run();
  CHECK((plan.output(0)[0] > 0 && plan.output(1)[0] < 0));
  CHECK((std::isnan(plan.output(2)[0]) && plan.output(3)[0] == 2));
}

TEST_CASE("taps carry the scope they were recorded in") {
  Graph g;
  {
    const Scope block(g, "blocks.0");
    const Scope attention(g, "attn");
    g.tap("pattern", g.input("x", {1}));
    CHECK_THROWS_WITH(g.tap("pattern", g.tapped("blocks.0.attn.pattern")), "tap 'blocks.0.attn.pattern' is recorded twice");
  }
  CHECK(g.tapped("blocks.0.attn.pattern").shape() == Shape{1});
  CHECK_THROWS_WITH(g.tapped("pattern"), "no tap 'pattern'; the graph has: blocks.0.attn.pattern");
}

TEST_CASE("missing kernels are all named when the plan is compiled") {
  static const OpDef one = {.name = "one", .shape = [](const ShapeArgs& a) { return a.shape(0); }};
  static const OpDef two = {.name = "two", .shape = [](const ShapeArgs& a) { return a.shape(0); }};
  Graph g;
  const Var x = g.input("x", {2});
  const Var y = g.record(two, std::vector<Var>{g.record(one, std::vector<Var>{x})});
  CHECK_THROWS_WITH(compile(g, {y}), "no kernel for: one, two");
}

TEST_CASE("a value that is not finite is traced to the instruction that made it") {
  Graph g;
  const Var x = g.input("x", {3});
  Var y;
  {
    const Scope scope(g, "blocks.1");
    y = sum_all(log(x));
  }
  const Plan plan = compile(g, {y});
  fill(plan, "x", {1, 0, 1});
  plan.run();
  CHECK(plan.first_nonfinite() == "log in blocks.1 makes -inf at element 1 of [3]");
}

TEST_CASE("the printed plan names every instruction, its operands, and the totals") {
  Graph g;
  const Var x = g.input("x", {5, 7});
  const Var w = g.input("w", {7, 9});
  const std::string text = print(compile(g, {relu(matmul(x, w))}));
  CHECK_THAT(text, Catch::Contains("%0    matmul                 [5, 9]             [5, 7], [7, 9]"));
  CHECK_THAT(text, Catch::Contains("%1    relu                   [5, 9]             %0 [5, 9]"));
  CHECK_THAT(text, Catch::Contains("2 instructions, 675FLOP"));
}
