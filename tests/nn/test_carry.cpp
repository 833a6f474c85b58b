#include "nn/carry.h"
#include "nn/streams.h"
#include "ops/ops.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// A running sum over the positions of x [position].
Var running_sum(Carry& carry, Var x) {
  const Var before = carry.begin("total", x.graph->constant({100}, {1}));
  const Var after = before + reshape(sum(x, 0), {1});
  carry.end("total", after);
  return after;
}

}  // namespace

TEST_CASE("over a whole sequence carried values are their initial ones, and nothing is tapped") {
  Graph graph;
  Carry carry;
  const Var total = running_sum(carry, graph.input("x", {2}));
  CHECK(value(graph, total, leaves_of({{"x", {1, 2}}})) == std::vector<double>{103});
  CHECK(graph.taps().empty());
}

TEST_CASE("a stretch takes carried values from an input and leaves them as a tap, whatever the scope") {
  Graph graph;
  Carry carry(Carry::Mode::stretch);
  {
    const Scope scope(graph, "blocks.0");
    running_sum(carry, graph.input("x", {2}));
  }
  const Var end = graph.tapped("carry.total");
  CHECK(value(graph, end, leaves_of({{"x", {1, 2}}, {"carry.total", {7}}})) == std::vector<double>{10});
  REQUIRE(carry.initial().size() == 1);
  CHECK(value(graph, carry.initial().at("total"), {}) == std::vector<double>{100});
}

TEST_CASE("a carried value begins once, and ends as what it began as") {
  Graph graph;
  Carry carry;
  const Var zero = graph.constant({0}, {1});
  carry.begin("a", zero);
  CHECK_THROWS_WITH(carry.begin("a", zero), "carry: 'a' begins twice");
  CHECK_THROWS_WITH(carry.end("b", zero), "carry: 'b' ends without having begun");
  CHECK_THROWS_WITH(carry.end("a", graph.constant(1)), "carry: 'a' begins as [1] and ends as []");
}

TEST_CASE("what came before was recorded once and begins every row of what follows") {
  Graph graph;
  Carry before, whole;
  before.begin("rows", graph.constant({0, 0}, {2, 1}));
  before.end("rows", graph.constant({3, 4}, {2, 1}));
  Carry after = Carry::after(before, whole);
  CHECK(value(graph, after.begin("rows", graph.constant({0, 0, 0, 0, 0, 0}, {6, 1})), {}) ==
        std::vector<double>{3, 4, 3, 4, 3, 4});
  Carry other = Carry::after(before, whole);
  CHECK_THROWS_WITH(other.begin("rows", graph.constant({0, 0, 0}, {3, 1})),
                    "carry: what came before ended as [2, 1], of which [3, 1] cannot be made by repetition");
}
