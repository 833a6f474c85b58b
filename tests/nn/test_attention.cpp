#include <fmt/format.h>

#include "nn/attention.h"
#include "nn/finite_differences.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// One way to call causal_attention.
struct Call {
  std::int64_t heads, d_model, d_head;
  bool output_projection;
  double scale = 1;
  std::int64_t batch = 2, tokens = 4;

  std::int64_t d_value() const { return output_projection ? d_head : d_model; }
  std::string str() const {
    return fmt::format("{} heads, d_model {}, d_head {}, {}, scale {}", heads, d_model, d_head,
                       output_projection ? "W_O" : "no W_O", scale);
  }
};

/// 1 to 3 heads; heads narrower and wider than half of d_model, where the scores are computed along different paths;
/// both ends.
std::vector<Call> calls() {
  std::vector<Call> out;
  for (std::int64_t heads : {1, 2, 3}) {
    for (std::int64_t d_head : {2, 3, 6}) {
      for (bool output_projection : {false, true}) out.push_back({heads, 6, d_head, output_projection});
    }
  }
  out.push_back({2, 6, 2, true, 0.5});
  out.push_back({1, 6, 6, false, 1 / std::sqrt(6.0)});
  return out;
}

struct Recorded {
  Graph graph;
  Leaves<double> leaves;
  Var x;  // [batch, position, d_model]
  AttentionWeights w;
  AttentionOutput full, last;

  explicit Recorded(const Call& c) {
    std::mt19937 random(3);
    const auto leaf = [&](const char* name, Shape shape, double std) {
      leaves.values[name] = normals(shape.size(), random, std);
      return graph.input(name, shape);
    };
    x = leaf("x", {c.batch, c.tokens, c.d_model}, 1);
    w.W_Q = leaf("W_Q", {c.heads, c.d_model, c.d_head}, 0.6);
    w.W_K = leaf("W_K", {c.heads, c.d_model, c.d_head}, 0.6);
    w.W_V = leaf("W_V", {c.heads, c.d_model, c.d_value()}, 0.6);
    if (c.output_projection) w.W_O = leaf("W_O", {c.heads, c.d_value(), c.d_model}, 0.6);
    full = causal_attention(x, w, {.scale = c.scale});
    last = causal_attention(x, w, {.scale = c.scale, .last_query_only = true});
  }
  std::vector<Var> wrt() const {
    std::vector<Var> v = {x, w.W_Q, w.W_K, w.W_V};
    if (w.W_O) v.push_back(w.W_O);
    return v;
  }
};

/// The equation written out: pattern_ij = softmax over j <= i of scale (x_i W_Q) . (x_j W_K), out_i = sum over heads
/// and j of pattern_ij x_j W_V W_O. No step of it is shared with the code under test.
struct Plain {
  const Call& c;
  const Leaves<double>& leaves;
  std::vector<double> out, pattern;  // [batch, query, d_model], [head, batch, query, key]

  double at(const char* name, std::int64_t i) const {
    return leaves.values.find(name)->second[static_cast<std::size_t>(i)];
  }

  /// (x[b][t] W[h])[k] for W of `columns` columns.
  double projected(const char* weight, std::int64_t b, std::int64_t t, std::int64_t h, std::int64_t k,
                   std::int64_t columns) const {
    double total = 0;
    for (std::int64_t i = 0; i < c.d_model; ++i) {
      total += at("x", (b * c.tokens + t) * c.d_model + i) * at(weight, (h * c.d_model + i) * columns + k);
    }
    return total;
  }
  double score(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t j) const {
    double total = 0;
    for (std::int64_t k = 0; k < c.d_head; ++k)
      total += projected("W_Q", b, i, h, k, c.d_head) * projected("W_K", b, j, h, k, c.d_head);
    return c.scale * total;
  }
  /// Component m of x_j W_V W_O.
  double moved(std::int64_t b, std::int64_t j, std::int64_t h, std::int64_t m) const {
    if (!c.output_projection) return projected("W_V", b, j, h, m, c.d_model);
    double total = 0;
    for (std::int64_t k = 0; k < c.d_head; ++k)
      total += projected("W_V", b, j, h, k, c.d_head) * at("W_O", (h * c.d_head + k) * c.d_model + m);
    return total;
  }

  Plain(const Call& call, const Leaves<double>& values)
      : c(call),
        leaves(values),
        out(static_cast<std::size_t>(c.batch * c.tokens * c.d_model)),
        pattern(static_cast<std::size_t>(c.heads * c.batch * c.tokens * c.tokens)) {
    for (std::int64_t h = 0; h < c.heads; ++h) {
      for (std::int64_t b = 0; b < c.batch; ++b) {
        for (std::int64_t i = 0; i < c.tokens; ++i) attend(h, b, i);
      }
    }
  }
  void attend(std::int64_t h, std::int64_t b, std::int64_t i) {
    double total = 0;
    for (std::int64_t j = 0; j <= i; ++j) total += std::exp(score(b, h, i, j));
    for (std::int64_t j = 0; j <= i; ++j) {
      const double p = std::exp(score(b, h, i, j)) / total;
      pattern[static_cast<std::size_t>(((h * c.batch + b) * c.tokens + i) * c.tokens + j)] = p;
      for (std::int64_t m = 0; m < c.d_model; ++m) {
        out[static_cast<std::size_t>((b * c.tokens + i) * c.d_model + m)] += p * moved(b, j, h, m);
      }
    }
  }
};

void require_equal(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    INFO("element " << i);
    REQUIRE(a[i] == Approx(b[i]).epsilon(1e-12).margin(1e-13));
  }
}

/// Rows of the last query out of [groups, query, n].
std::vector<double> last_query(const std::vector<double>& x, std::int64_t queries, std::int64_t n) {
  std::vector<double> rows;
  for (std::size_t end = 0; end < x.size();) {
    end += static_cast<std::size_t>(queries * n);
    rows.insert(rows.end(), x.begin() + static_cast<std::ptrdiff_t>(end) - n,
                x.begin() + static_cast<std::ptrdiff_t>(end));
  }
  return rows;
}

/// A scalar in which every element of both outputs counts differently.
Var mixed(Graph& graph, const AttentionOutput& attention) {
  std::mt19937 random(8);
  Var total;
  for (Var v : {attention.out, attention.pattern}) {
    const Var part = sum_all(v * graph.constant(normals(v.shape().size(), random), v.shape()));
    total = total ? total + part : part;
  }
  return total;
}

/// Whether a node recorded in [first, last) has this shape.
bool makes(const Graph& graph, int first, int last, const Shape& shape) {
  for (int id = first; id < last; ++id) {
    if (graph.node(id).shape == shape) return true;
  }
  return false;
}

}  // namespace

TEST_CASE(
    "the cheap exact reformulations change nothing but the cost: causal attention equals its equation written out") {
  for (const Call& c : calls()) {
    INFO(c.str());
    const Recorded r(c);
    const Plain plain(c, r.leaves);
    require_equal(value(r.graph, r.full.pattern, r.leaves), plain.pattern);
    require_equal(value(r.graph, r.full.out, r.leaves), plain.out);
  }
}

TEST_CASE("last_query_only gives the last row of the full attention, out and pattern") {
  for (const Call& c : calls()) {
    INFO(c.str());
    const Recorded r(c);
    CHECK(r.last.out.shape() == Shape{c.batch, 1, c.d_model});
    CHECK(r.last.pattern.shape() == Shape{c.heads, c.batch, 1, c.tokens});
    require_equal(value(r.graph, r.last.out, r.leaves),
                  last_query(value(r.graph, r.full.out, r.leaves), c.tokens, c.d_model));
    require_equal(value(r.graph, r.last.pattern, r.leaves),
                  last_query(value(r.graph, r.full.pattern, r.leaves), c.tokens, c.tokens));
  }
}

TEST_CASE(
    "gradients of attention agree with finite differences, for every weight and for x, full and last query only") {
  for (const Call& c : calls()) {
    INFO(c.str());
    Recorded r(c);
    check_gradients(r.graph, mixed(r.graph, r.full), r.wrt(), r.leaves);
    check_gradients(r.graph, mixed(r.graph, r.last), r.wrt(), r.leaves);
  }
}

TEST_CASE("options.pattern makes the pattern out of the scaled scores, which are then used for nothing else") {
  for (const Call& c : calls()) {
    INFO(c.str());
    Recorded r(c);
    AttentionOptions options{.scale = c.scale, .pattern = [](Var scores) { return 3 * causal_softmax(scores); }};
    for (bool last : {false, true}) {
      options.last_query_only = last;
      const AttentionOutput& plain = last ? r.last : r.full;
      const AttentionOutput tripled = causal_attention(r.x, r.w, options);
      std::vector<double> out = value(r.graph, plain.out, r.leaves), pattern = value(r.graph, plain.pattern, r.leaves);
      for (std::vector<double>* expected : {&out, &pattern}) {
        for (double& x : *expected) x *= 3;
      }
      require_equal(value(r.graph, tripled.pattern, r.leaves), pattern);
      require_equal(value(r.graph, tripled.out, r.leaves), out);
    }
  }
}

TEST_CASE("attention is causal: changing a token changes no output before it") {
  const Call c{2, 6, 3, true};
  Recorded r(c);
  const std::vector<double> before = value(r.graph, r.full.out, r.leaves);
  for (std::int64_t i = 0; i < c.d_model; ++i)
    r.leaves.values["x"][static_cast<std::size_t>(2 * c.d_model + i)] += 1;  // sequence 0, token 2
  const std::vector<double> after = value(r.graph, r.full.out, r.leaves);
  for (std::size_t i = 0; i < static_cast<std::size_t>(2 * c.d_model); ++i) CHECK(after[i] == before[i]);
  CHECK(after[static_cast<std::size_t>(2 * c.d_model)] != before[static_cast<std::size_t>(2 * c.d_model)]);
}

TEST_CASE("the cheaper of the formulations is the one recorded") {
  const std::int64_t batch = 2, tokens = 4, heads = 3, d_model = 6;
  const Recorded wide({heads, d_model, 4, true}), narrow({heads, d_model, 2, true});
  const Shape merged = {heads, d_model, d_model};  // W_Q W_K'
  CHECK(makes(wide.graph, 0, wide.full.out.id, merged));
  CHECK_FALSE(makes(narrow.graph, 0, narrow.full.out.id, merged));
  CHECK(makes(narrow.graph, 0, narrow.full.out.id, {heads, batch, tokens, 2}));  // keys
  // For the last query no token is projected to a key and no matrices are multiplied out.
  for (const Recorded* r : {&wide, &narrow}) {
    const std::int64_t d_head = r->w.W_Q.shape()[2];
    CHECK_FALSE(makes(r->graph, r->full.out.id + 1, r->graph.size(), merged));
    CHECK_FALSE(makes(r->graph, r->full.out.id + 1, r->graph.size(), {heads, batch * tokens, d_head}));
  }
}
