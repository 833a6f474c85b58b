#include <algorithm>

#include "config/reader.h"
#include "experiments/icl_regression/model.h"
#include "graph/plan.h"
#include "nn/finite_differences.h"

using namespace saltus;
using namespace saltus::tests;
using icl_regression::ModelConfig;

namespace {

LinearRegressionConfig task_of(std::int64_t d, std::int64_t L, std::vector<std::string> supports = {}) {
  LinearRegressionConfig task;
  task.input_dim = d;
  task.n_context = L;
  task.supports = std::move(supports);
  return task;
}

/// The model recorded for a batch of normal tokens and targets; the query's y are 0.
struct Recorded {
  LinearRegressionConfig task;
  ModelConfig model;
  std::int64_t batch, D, L, N;
  Graph graph;
  ParamStore params;
  Var loss;
  Leaves<double> leaves;

  Recorded(const LinearRegressionConfig& t, const ModelConfig& m, std::int64_t samples = 3)
      : task(t), model(m), batch(samples), D(t.n_features()), L(t.n_context), N(t.n_tasks()) {
    loss = icl_regression::record(graph, params, task, model, batch, Purpose::train);
    params.initialise(Rng(4, Stream::init));
    for (const ParamSpec& s : params.specs())
      leaves.values[s.name].assign(params.view(s.name).begin(), params.view(s.name).end());
    std::mt19937 random(9);
    leaves.values["tokens"] = normals(batch * D * (L + 1), random);
    leaves.values["target"] = normals(batch * N, random);
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t i = D - N; i < D; ++i) token(b, i, L) = 0;
    }
    for (auto& [name, values] : leaves.values) {
      for (double& v : values) v = static_cast<float>(v);  // so that float plans see the same numbers
    }
  }
  Recorded(const Recorded&) = delete;
  Recorded& operator=(const Recorded&) = delete;

  double& token(std::int64_t b, std::int64_t feature, std::int64_t l) {
    return leaves.values["tokens"][static_cast<std::size_t>((b * D + feature) * (L + 1) + l)];
  }
  /// Element (h, i, j) of a parameter with heads of the given shape.
  double weight(const std::string& name, std::int64_t h, std::int64_t i, std::int64_t j) const {
    const Shape& s = params.spec("blocks.0.attn." + name).shape;
    return leaves.values.at("blocks.0.attn." + name)[static_cast<std::size_t>((h * s[1] + i) * s[2] + j)];
  }
  std::vector<double> tap(const char* name) const { return value(graph, graph.tapped(name), leaves); }
  std::vector<double> prediction() const { return tap("prediction"); }
};

/// f of the paper's ablation; linear attention has no norm of its own.
double unnormalised(const std::string& attention, double s) {
  if (attention == "softmax") return std::exp(s);
  if (attention == "one_plus") return 1 + s;
  if (attention == "relu") return std::max(1 + s, 0.0);
  if (attention == "tanh") return 1 + std::tanh(s);
  if (attention == "sigmoid") return 1 / (1 + std::exp(-s));
  return s;
}

/// yhat_q = sum_h O^h V^h Z softmax_l(Z' K^h' Q^h z_q / sqrt(d + N)) of sample b, output n: the columns l < L only (a
/// strict mask).
double paper_answer(Recorded& r, std::int64_t b, std::int64_t n) {
  const std::int64_t rank = r.model.rank.value_or(r.D);
  double answer = 0;
  for (std::int64_t h = 0; h < r.model.n_heads; ++h) {
    double norm = 0, sum = 0;
    for (std::int64_t l = 0; l < r.L; ++l) {
      double score = 0, value = 0;
      for (std::int64_t m = 0; m < rank; ++m) {
        double key = 0, query = 0;
        for (std::int64_t i = 0; i < r.D; ++i) {
          key += r.weight("W_K", h, m, i) * r.token(b, i, l);
          query += r.weight("W_Q", h, m, i) * r.token(b, i, r.L);
        }
        score += key * query / std::sqrt(static_cast<double>(r.D));
      }
      for (std::int64_t m = 0; m < r.D; ++m) {
        for (std::int64_t i = 0; i < r.D; ++i)
          value += r.weight("W_O", h, n, m) * r.weight("W_V", h, m, i) * r.token(b, i, l);
      }
      norm += unnormalised(r.model.attention, score);
      sum += unnormalised(r.model.attention, score) * value;
    }
    answer += sum / (r.model.attention == "linear" ? static_cast<double>(r.L) : norm);
  }
  return answer;
}

double paper_loss(Recorded& r) {
  double loss = 0;
  for (std::int64_t b = 0; b < r.batch; ++b) {
    for (std::int64_t n = 0; n < r.N; ++n) {
      const double error = paper_answer(r, b, n) - r.leaves.values["target"][static_cast<std::size_t>(b * r.N + n)];
      loss += error * error / static_cast<double>(r.batch * r.N);
    }
  }
  return loss;
}

const std::vector<std::string> attentions = {"softmax", "one_plus", "relu", "tanh", "sigmoid", "linear"};

ModelConfig model_of(const std::string& attention, const std::string& parameters = "factored") {
  ModelConfig model;
  model.attention = attention;
  model.parameters = parameters;
  return model;
}

ModelConfig starting(const std::string& init, std::int64_t heads = 2, std::optional<double> scale = {},
                     const std::string& parameters = "factored") {
  ModelConfig model;
  model.init = init;
  model.n_heads = heads;
  model.init_scale = scale;
  model.parameters = parameters;
  return model;
}

/// scale[h] times the identity for each head, as the store holds it.
std::vector<double> identities(std::int64_t D, const std::vector<double>& scale) {
  std::vector<double> out;
  for (double s : scale) {
    for (std::int64_t i = 0; i < D * D; ++i) out.push_back(i % (D + 1) == 0 ? static_cast<float>(s) : 0.0f);
  }
  return out;
}

/// Within the bound, and beyond 60% of it somewhere.
void check_uniform(const Recorded& r, const std::string& name, double bound) {
  INFO(name);
  double largest = 0;
  for (double x : r.leaves.values.at("blocks.0.attn." + name)) largest = std::max(largest, std::abs(x));
  CHECK(largest <= bound * (1 + 1e-6));
  CHECK(largest > 0.6 * bound);
}

}  // namespace

TEST_CASE("the regression model has the paper's parameters") {
  // Three (d+1) x (d+1) matrices and a row of d+1 for each of two heads.
  CHECK(Recorded(task_of(5, 40), {}).params.count() == 2 * (3 * 6 * 6 + 6));
  CHECK(Recorded(task_of(5, 40), model_of("softmax", "merged")).params.count() == 2 * (6 * 6 + 6));
  CHECK(Recorded(task_of(5, 40), model_of("linear", "merged_values")).params.count() == 2 * (2 * 6 * 6 + 6));
  CHECK(Recorded(task_of(6, 40, {"0..3", "2..5"}), {}).params.count() == 2 * (3 * 8 * 8 + 2 * 8));
  ModelConfig low_rank = model_of("linear");
  low_rank.rank = 1;
  const Recorded r(task_of(5, 40), low_rank);
  CHECK(r.params.count() == 2 * (2 * 6 + 6 * 6 + 6));
  CHECK(r.params.spec("blocks.0.attn.W_Q").shape == Shape{2, 1, 6});
}

TEST_CASE("the regression model computes the paper's equations for every kind of attention") {
  for (const std::string& attention : attentions) {
    INFO(attention);
    Recorded r(task_of(5, 40), model_of(attention));
    const std::vector<double> prediction = r.prediction();
    for (std::int64_t b = 0; b < r.batch; ++b)
      CHECK(prediction[static_cast<std::size_t>(b)] == Approx(paper_answer(r, b, 0)).epsilon(1e-11));
    CHECK(value(r.graph, r.loss, r.leaves)[0] == Approx(paper_loss(r)).epsilon(1e-11));
  }
}

TEST_CASE("with two outputs each has a row of W_O, and the loss is the mean over samples and outputs") {
  Recorded r(task_of(4, 7, {"0..2", "1..3"}), {});
  REQUIRE(r.N == 2);
  const std::vector<double> prediction = r.prediction();
  for (std::int64_t b = 0; b < r.batch; ++b) {
    for (std::int64_t n = 0; n < 2; ++n)
      CHECK(prediction[static_cast<std::size_t>(b * 2 + n)] == Approx(paper_answer(r, b, n)).epsilon(1e-11));
  }
  CHECK(value(r.graph, r.loss, r.leaves)[0] == Approx(paper_loss(r)).epsilon(1e-11));
}

TEST_CASE("the gradients of the regression model are finite differences of the paper's equations") {
  for (const std::string& attention : attentions) {
    Recorded r(task_of(2, 6), model_of(attention));
    std::vector<Var> parameters;
    for (const ParamSpec& s : r.params.specs()) parameters.push_back(r.graph.param(s.name, s.shape));
    const std::vector<std::vector<double>> gradients = evaluate<double>(r.graph, grad(r.loss, parameters), r.leaves);
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      std::vector<double>& x = r.leaves.values.at(r.params.specs()[p].name);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double x0 = x[i], h = 1e-5;
        x[i] = x0 + h;
        const double up = paper_loss(r);
        x[i] = x0 - h;
        const double difference = (up - paper_loss(r)) / (2 * h);
        x[i] = x0;
        INFO(attention << ", " << r.params.specs()[p].name << " element " << i);
        REQUIRE(gradients[p][i] == Approx(difference).epsilon(1e-6).margin(1e-8));
      }
    }
  }
}

TEST_CASE("a training plan of fast float kernels agrees with double, in loss and gradients") {
  for (const std::string& attention : attentions) {
    INFO(attention);
    Recorded r(task_of(5, 40), model_of(attention), 37);
    std::vector<Var> outputs = {r.loss};
    for (const ParamSpec& s : r.params.specs()) outputs.push_back(r.graph.param(s.name, s.shape));
    const std::vector<Var> gradients = grad(r.loss, std::span(outputs).subspan(1));
    std::copy(gradients.begin(), gradients.end(), outputs.begin() + 1);
    const std::vector<std::vector<double>> expected = evaluate<double>(r.graph, outputs, r.leaves);
    std::vector<Plan::Output> plan_outputs;
    for (Var v : outputs) plan_outputs.push_back({v});
    const Plan plan(r.graph, plan_outputs,
                    [&](const std::string& name, const Shape&) { return r.params.view(name).data(); });
    for (const char* name : {"tokens", "target"}) {
      std::copy(r.leaves.values[name].begin(), r.leaves.values[name].end(), static_cast<float*>(plan.input(name)));
    }
    plan.run();
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const double scale = *std::max_element(expected[i].begin(), expected[i].end(),
                                             [](double a, double b) { return std::abs(a) < std::abs(b); });
      for (std::size_t j = 0; j < expected[i].size(); ++j) {
        CHECK(static_cast<double>(plan.output(i)[j]) == Approx(expected[i][j]).margin(2e-5 * std::abs(scale)));
      }
    }
  }
}

TEST_CASE("training runs the two fused ops and never forms the pattern") {
  Recorded r(task_of(5, 40), {}, 16);
  std::vector<Plan::Output> outputs = {{r.loss}};
  std::vector<Var> parameters;
  for (const ParamSpec& s : r.params.specs()) parameters.push_back(r.graph.param(s.name, s.shape));
  for (Var g : grad(r.loss, parameters)) outputs.push_back({g});
  const Plan plan(r.graph, outputs, [&](const std::string& name, const Shape&) { return r.params.view(name).data(); });
  int fused = 0;
  for (const Instruction& i : plan.instructions()) {
    fused += std::string(i.op ? i.op->name : "").starts_with("query_attention");
    CHECK(i.out.shape->size() < 16 * 40);
  }
  CHECK(fused == 2);
}

TEST_CASE("merged and factored parameters of equal circuits give equal answers") {
  for (const std::string& attention : attentions) {
    const Recorded factored(task_of(4, 7), model_of(attention));
    Recorded merged(task_of(4, 7), model_of(attention, "merged"));
    merged.leaves.values["blocks.0.attn.W_KQ"] = factored.tap("blocks.0.attn.KQ");
    merged.leaves.values["blocks.0.attn.W_OV"] = factored.tap("blocks.0.attn.OV");
    Recorded merged_values(task_of(4, 7), model_of(attention, "merged_values"));
    for (const char* name : {"W_Q", "W_K"}) {
      const std::string weight = std::string("blocks.0.attn.") + name;
      merged_values.leaves.values[weight] = factored.leaves.values.at(weight);
    }
    merged_values.leaves.values["blocks.0.attn.W_OV"] = factored.tap("blocks.0.attn.OV");
    const std::vector<double> a = factored.prediction(), b = merged.prediction(), c = merged_values.prediction();
    for (std::size_t i = 0; i < a.size(); ++i) {
      CHECK(a[i] == Approx(b[i]).epsilon(1e-12));
      CHECK(a[i] == Approx(c[i]).epsilon(1e-12));
    }
  }
}

TEST_CASE("the pattern is what the query's answer weighs its context with, one row a head") {
  const Recorded r(task_of(3, 7), model_of("tanh"));
  REQUIRE(r.graph.tapped("blocks.0.attn.pattern").shape() == Shape{2, 3, 1, 7});
  const std::vector<double> p = r.tap("blocks.0.attn.pattern"), OV = r.tap("blocks.0.attn.OV"),
                            &z = r.leaves.values.at("tokens");
  const std::vector<double> prediction = r.prediction();
  for (std::size_t b = 0; b < 3; ++b) {
    double answer = 0;
    for (std::size_t h = 0; h < 2; ++h) {
      for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t l = 0; l < 7; ++l) answer += OV[h * 4 + i] * z[(b * 4 + i) * 8 + l] * p[(h * 3 + b) * 7 + l];
      }
    }
    CHECK(prediction[b] == Approx(answer).epsilon(1e-12));
  }
}

TEST_CASE("the order of the context does not matter") {
  for (const std::string& attention : attentions) {
    Recorded r(task_of(5, 9), model_of(attention));
    const std::vector<double> before = r.prediction();
    for (std::int64_t b = 0; b < r.batch; ++b) {
      for (std::int64_t i = 0; i < r.D; ++i) std::reverse(&r.token(b, i, 0), &r.token(b, i, 0) + r.L);
    }
    const std::vector<double> after = r.prediction();
    for (std::size_t i = 0; i < before.size(); ++i) CHECK(before[i] == Approx(after[i]).epsilon(1e-12));
  }
}

TEST_CASE("at another length linear attention answers L / L0 times as much, unless it divides by the length it sees") {
  const Recorded trained(task_of(3, 6), model_of("linear"));
  ModelConfig kept = model_of("linear");
  kept.linear_length = 6;
  for (const auto& [model, ratio] : {std::pair(kept, 2.0), std::pair(model_of("linear"), 1.0)}) {
    Recorded longer(task_of(3, 12), model);  // the same context, twice
    for (std::int64_t b = 0; b < 3; ++b) {
      for (std::int64_t i = 0; i < 4; ++i) {
        const double* from = trained.leaves.values.at("tokens").data() + (b * 4 + i) * 7;
        std::copy_n(from, 6, &longer.token(b, i, 0));
        std::copy_n(from, 7, &longer.token(b, i, 6));
      }
    }
    const std::vector<double> a = trained.prediction(), b = longer.prediction();
    for (std::size_t i = 0; i < a.size(); ++i) CHECK(b[i] == Approx(ratio * a[i]).epsilon(1e-12));
  }
}

TEST_CASE("initial weights of the regression model, by name") {
  const LinearRegressionConfig task = task_of(5, 40);
  const double third = 1 / std::sqrt(6.0), twelfth = 1 / std::sqrt(12.0);
  const Recorded pytorch(task, starting("pytorch"));
  for (const char* name : {"W_Q", "W_K", "W_V"}) check_uniform(pytorch, name, third);
  check_uniform(pytorch, "W_O", twelfth);

  const auto check_identity = [](const Recorded& r, const std::string& name, const std::vector<double>& scale) {
    INFO(r.model.init << ", " << name);
    CHECK(r.leaves.values.at("blocks.0.attn." + name) == identities(6, scale));
  };
  const Recorded small(task, starting("small_id"));
  for (const char* name : {"W_Q", "W_K", "W_V"}) check_identity(small, name, {1e-6, 1e-6});
  check_uniform(small, "W_O", twelfth);

  const Recorded small_qk(task, starting("small_id_qk"));
  for (const char* name : {"W_Q", "W_K"}) check_identity(small_qk, name, {1e-4, 1e-4});
  check_uniform(small_qk, "W_V", third);

  const Recorded opposed(task, starting("oppo_small_id", 4));
  check_identity(opposed, "W_Q", {1e-6, 1e-6, -1e-6, -1e-6});
  check_identity(opposed, "W_K", {1e-6, 1e-6, 1e-6, 1e-6});
  check_uniform(opposed, "W_V", third);

  check_identity(Recorded(task, starting("oppo_small_id", 2, 0.1)), "W_Q", {0.1, -0.1});
  check_identity(Recorded(task, starting("oppo_small_id", 2, 0.1, "merged")), "W_KQ", {0.1, -0.1});
  check_uniform(Recorded(task, starting("pytorch", 2, {}, "merged")), "W_KQ", third);
  check_uniform(Recorded(task, starting("pytorch", 2, {}, "merged")), "W_OV", twelfth);

  double second = 0;
  const Recorded normal(task, starting("normal", 64, 0.02));
  for (double x : normal.leaves.values.at("blocks.0.attn.W_V")) second += x * x / (64 * 36) / (0.02 * 0.02);
  CHECK(second == Approx(1).margin(5 * std::sqrt(2.0 / (64 * 36))));
}

TEST_CASE("keys of the regression model that do not go together are refused") {
  const auto refusal = [](const char* yaml) {
    ModelConfig model;
    try {
      read_config_text("run.yaml", yaml, {}, [&](Fields& f) { model.fields(f); });
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  CHECK(refusal("{parameters: factored, rank: 2, attention: linear}") == "accepted");
  CHECK_THAT(refusal("{parameters: merged, rank: 2}"), Catch::Contains("rank is for parameters: factored and merged_values"));
  CHECK_THAT(refusal("{linear_length: 40}"), Catch::Contains("linear_length is for attention: linear"));
  CHECK_THAT(refusal("{init: normal}"), Catch::Contains("init: normal needs init_scale, its standard deviation"));
  CHECK_THAT(refusal("{init_scale: 0.1}"), Catch::Contains("init: pytorch has no init_scale"));
  CHECK_THAT(refusal("{init: small_id, parameters: merged}"), Catch::Contains("small_id is for parameters: factored"));
}
