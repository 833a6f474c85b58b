#include <algorithm>

#include "core/check.h"
#include "experiments/icl_regression/depth_model.h"
#include "graph/plan.h"
#include "nn/finite_differences.h"

using namespace saltus;
using namespace saltus::tests;
using icl_regression::DepthModelConfig;

namespace {

using Matrix = std::vector<std::vector<double>>;  // rows

DepthModelConfig small_model() {
  DepthModelConfig model;
  model.n_layers = 2;
  model.d_model = 6;
  model.mlp_width = 5;
  return model;
}

LinearRegressionConfig task_of(std::int64_t d, std::int64_t L, std::vector<std::string> supports = {}) {
  LinearRegressionConfig task;
  task.input_dim = d;
  task.n_context = L;
  task.supports = std::move(supports);
  return task;
}

/// The model recorded for a batch, every leaf filled with normals.
struct Recorded {
  LinearRegressionConfig task;
  DepthModelConfig model;
  std::int64_t d, N, L, batch = 2;
  Graph graph;
  ParamStore params;
  Var loss;
  Leaves<double> leaves;

  Recorded(const LinearRegressionConfig& t, const DepthModelConfig& m)
      : task(t), model(m), d(t.input_dim), N(t.n_tasks()), L(t.n_context) {
    loss = icl_regression::record(graph, params, task, model, batch, Purpose::train);
    std::mt19937 random(9);
    params.initialise(Rng(4, Stream::init));
    for (const ParamSpec& s : params.specs()) {
      leaves.values[s.name] = normals(s.shape.size(), random, 0.5);
      std::copy(leaves.values[s.name].begin(), leaves.values[s.name].end(), params.view(s.name).begin());
    }
    leaves.values["tokens"] = normals(batch * (d + N) * (L + 1), random);
    leaves.values["target"] = normals(batch * N, random);
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t i = d; i < d + N; ++i) token(b, i, L) = 0;
    }
  }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;

  double& token(std::int64_t b, std::int64_t feature, std::int64_t l) {
    return leaves.values["tokens"][static_cast<std::size_t>((b * (d + N) + feature) * (L + 1) + l)];
  }
  /// A parameter's [rows, columns] at an offset of whole matrices.
  Matrix matrix(const std::string& name, std::size_t which = 0) const {
    const Shape& s = params.spec(name).shape;
    const auto columns = static_cast<std::size_t>(s[-1]), rows = s.rank() == 1 ? 1 : static_cast<std::size_t>(s[-2]);
    Matrix out;
    for (std::size_t i = 0; i < rows; ++i) {
      const auto from = leaves.values.at(name).begin() + static_cast<std::ptrdiff_t>((which * rows + i) * columns);
      out.emplace_back(from, from + static_cast<std::ptrdiff_t>(columns));
    }
    return out;
  }
};

Matrix times(const Matrix& a, const Matrix& b) {
  Matrix out(a.size(), std::vector<double>(b[0].size()));
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < b.size(); ++k) {
      for (std::size_t j = 0; j < b[0].size(); ++j) out[i][j] += a[i][k] * b[k][j];
    }
  }
  return out;
}

/// a + b, with one row of b for all rows of a where b has one.
Matrix plus(Matrix a, const Matrix& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t j = 0; j < a[i].size(); ++j) a[i][j] += b[b.size() == 1 ? 0 : i][j];
  }
  return a;
}

Matrix normalised(const Recorded& r, Matrix x, const std::string& name) {
  const std::vector<double> gain = r.matrix(name + ".gain")[0], bias = r.matrix(name + ".bias")[0];
  for (std::vector<double>& row : x) {
    double mean = 0, variance = 0;
    for (double v : row) mean += v / static_cast<double>(row.size());
    for (double v : row) variance += (v - mean) * (v - mean) / static_cast<double>(row.size());
    for (std::size_t j = 0; j < row.size(); ++j)
      row[j] = (row[j] - mean) / std::sqrt(variance + 1e-5) * gain[j] + bias[j];
  }
  return x;
}

/// The answers at every x of sample b: one row of N each.
Matrix written_out(Recorded& r, std::int64_t b) {
  Matrix tokens;
  for (std::int64_t l = 0; l <= r.L; ++l) {
    std::vector<double> x(static_cast<std::size_t>(r.d + r.N)), y = x;
    for (std::int64_t i = 0; i < r.d + r.N; ++i) (i < r.d ? x : y)[static_cast<std::size_t>(i)] = r.token(b, i, l);
    tokens.push_back(x);
    if (l < r.L) tokens.push_back(y);
  }
  Matrix s = plus(plus(times(tokens, r.matrix("embed.W_E")), r.matrix("embed.b_E")), r.matrix("embed.W_pos"));
  for (std::int64_t layer = 0; layer < r.model.n_layers; ++layer) {
    const std::string block = "blocks." + std::to_string(layer);
    const Matrix read = normalised(r, s, block + ".ln");
    for (std::size_t h = 0; h < 2; ++h) {
      const auto projected = [&](const char* W) { return times(read, r.matrix(block + ".attn." + W, h)); };
      const Matrix q = projected("W_Q"), k = projected("W_K"), v = projected("W_V");
      Matrix mixed;
      for (std::size_t i = 0; i < s.size(); ++i) {
        double norm = 0;
        std::vector<double> sum(v[0].size());
        for (std::size_t j = 0; j <= i; ++j) {
          double score = 0;
          for (std::size_t m = 0; m < q[i].size(); ++m)
            score += q[i][m] * k[j][m] / std::sqrt(static_cast<double>(q[i].size()));
          norm += std::exp(score);
          for (std::size_t m = 0; m < sum.size(); ++m) sum[m] += std::exp(score) * v[j][m];
        }
        for (double& m : sum) m /= norm;
        mixed.push_back(sum);
      }
      s = plus(s, times(mixed, r.matrix(block + ".attn.W_O", h)));
    }
    Matrix hidden =
        plus(times(normalised(r, s, block + ".ln_mlp"), r.matrix(block + ".mlp.W_in")), r.matrix(block + ".mlp.b_in"));
    for (std::vector<double>& row : hidden) {
      for (double& x : row) x = std::max(x, 0.0);
    }
    s = plus(plus(s, times(hidden, r.matrix(block + ".mlp.W_out"))), r.matrix(block + ".mlp.b_out"));
  }
  Matrix at_x;
  for (std::size_t t = 0; t < s.size(); t += 2) at_x.push_back(s[t]);
  return plus(times(normalised(r, at_x, "ln_final"), r.matrix("unembed.W_U")), r.matrix("unembed.b_U"));
}

/// The tap predictions [batch, L+1, N] of a plan of fast float kernels.
std::vector<float> predictions(Recorded& r) {
  const std::vector<Plan::Output> outputs = {{r.graph.tapped("predictions")}};
  const Plan plan(r.graph, outputs, [&](const std::string& name, const Shape&) { return r.params.view(name).data(); });
  std::copy(r.leaves.values["tokens"].begin(), r.leaves.values["tokens"].end(),
            static_cast<float*>(plan.input("tokens")));
  plan.run();
  return {plan.output(0), plan.output(0) + outputs[0].value.shape().size()};
}

}  // namespace

TEST_CASE("the depth model computes its equations, and its loss is the mean over every x of the sequence") {
  for (const LinearRegressionConfig& task : {task_of(3, 4), task_of(3, 4, {"0..1", "1..2"})}) {
    Recorded r(task, small_model());
    const std::vector<double> all = value(r.graph, r.graph.tapped("predictions"), r.leaves);
    const std::vector<double> last = value(r.graph, r.graph.tapped("prediction"), r.leaves);
    double loss = 0;
    for (std::int64_t b = 0; b < r.batch; ++b) {
      const Matrix answers = written_out(r, b);
      REQUIRE(answers.size() == 5);
      for (std::int64_t l = 0; l <= r.L; ++l) {
        for (std::int64_t n = 0; n < r.N; ++n) {
          const double answer = answers[static_cast<std::size_t>(l)][static_cast<std::size_t>(n)];
          const auto output = static_cast<std::size_t>(b * r.N + n);
          const double wanted = l < r.L ? r.token(b, r.d + n, l) : r.leaves.values["target"][output];
          loss += (answer - wanted) * (answer - wanted) / static_cast<double>(r.batch * 5 * r.N);
          CHECK(all[static_cast<std::size_t>((b * 5 + l) * r.N + n)] == Approx(answer).epsilon(1e-11));
          if (l == r.L) CHECK(last[output] == Approx(answer).epsilon(1e-11));
        }
      }
    }
    CHECK(value(r.graph, r.loss, r.leaves)[0] == Approx(loss).epsilon(1e-11));
  }
}

TEST_CASE("the gradients of the depth model agree with finite differences") {
  Recorded r(task_of(2, 3), small_model());
  std::vector<Var> parameters;
  for (const ParamSpec& s : r.params.specs()) parameters.push_back(r.graph.param(s.name, s.shape));
  check_gradients(r.graph, r.loss, parameters, r.leaves);
}

TEST_CASE("the depth model is causal: what comes after an answer does not change a bit of it") {
  DepthModelConfig model;  // the default sizes, with the kernels that training runs
  Recorded r(task_of(5, 8), model);
  const std::vector<float> before = predictions(r);
  for (std::int64_t pair = 0; pair <= 8; ++pair) {
    for (std::int64_t feature : {std::int64_t{2}, std::int64_t{5}}) {  // one of x's, and y
      if (pair == 8 && feature == 5) continue;
      const double old = r.token(0, feature, pair);
      r.token(0, feature, pair) = old + 1;
      const std::vector<float> after = predictions(r);
      r.token(0, feature, pair) = old;
      const std::int64_t first_changed =
          feature == 5 ? pair + 1 : pair;  // y_j is seen by the answers after the one at x_j
      INFO("pair " << pair << " feature " << feature);
      CHECK(std::equal(before.begin(), before.begin() + first_changed, after.begin()));
      for (std::int64_t l = first_changed; l <= 8; ++l)
        CHECK(before[static_cast<std::size_t>(l)] != after[static_cast<std::size_t>(l)]);
      CHECK(std::equal(before.begin() + 9, before.end(), after.begin() + 9));  // the other sample
    }
  }
}

TEST_CASE("the depth model's parameters, and the parts that can be left out") {
  const Recorded full(task_of(5, 8), {});
  const std::int64_t block = 2 * 2 * 64 + 4 * 64 * 64 + (64 * 256 + 256) + (256 * 64 + 64);
  CHECK(full.params.count() == (6 * 64 + 64) + 17 * 64 + 3 * block + 2 * 64 + (64 + 1));
  DepthModelConfig bare;
  bare.layer_norm = bare.positions = false;
  bare.mlp_width = 0;
  CHECK(Recorded(task_of(5, 8), bare).params.count() == (6 * 64 + 64) + 3 * (4 * 64 * 64) + (64 + 1));
  CHECK(full.graph.tapped("blocks.2.attn.pattern").shape() == Shape{2, 2, 17, 17});
}

TEST_CASE("with room in its positions a depth model is recorded at other lengths, and refused beyond") {
  DepthModelConfig model = small_model();
  model.max_context = 6;
  Graph graph;
  ParamStore params;
  icl_regression::record(graph, params, task_of(3, 4), model, 2, Purpose::train);
  Graph longer, too_long;
  icl_regression::record(longer, params, task_of(3, 6), model, 2, Purpose::measure);
  CHECK(params.spec("embed.W_pos").shape == Shape{13, 6});
  CHECK_THROWS_WITH(icl_regression::record(too_long, params, task_of(3, 7), model, 2, Purpose::measure),
                    "a context of 7 is longer than model.max_context, 6");
}
