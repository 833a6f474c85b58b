#include "experiments/lama_model.h"

#include "config/reader.h"
#include "core/check.h"
#include "experiments/lama/parameters.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

double largest_difference(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

/// Largest element of the loss's gradient to a parameter.
double gradient_size(RecordedLama& r, const std::string& name) {
  const std::vector<Var> g = grad(r.loss, std::vector<Var>{r.graph.param(name, r.params.spec(name).shape)});
  double largest = 0;
  for (double x : value(r.graph, g[0], r.leaves)) largest = std::max(largest, std::abs(x));
  return largest;
}

}  // namespace

TEST_CASE("lama: a text's logits do not depend on how much padding follows it, nor on its neighbours") {
  for (const std::string& pooling : all_poolings()) {
    for (const char* encoder : {"gru", "positions"}) {
      INFO(pooling << " " << encoder);
      lama::ModelConfig model = small_lama(pooling);
      model.encoder = encoder;
      RecordedLama tight(model, {5}, 5), loose(model, {5, 2}, 12);
      std::copy_n(tight.leaves.indices["tokens"].begin(), 5, loose.leaves.indices["tokens"].begin());
      std::vector<double> logits = loose.logits();
      logits.resize(lama_classes);
      CHECK(largest_difference(tight.logits(), logits) < 1e-12);
      const std::vector<float> a = tight.fast("logits"), b = loose.fast("logits");
      for (std::size_t c = 0; c < lama_classes; ++c) CHECK(a[c] == Approx(b[c]).margin(1e-5));
    }
  }
}

TEST_CASE("lama: gradients through the whole model are those of finite differences") {
  for (const char* pooling : {"lama_ctx", "lama", "max", "structured"}) {
    INFO(pooling);
    RecordedLama r(small_lama(pooling), {5, 3}, 5);
    std::vector<Var> wrt;
    for (const ParamSpec& s : r.params.specs()) wrt.push_back(r.graph.param(s.name, s.shape));
    check_gradients(r.graph, r.loss, wrt, r.leaves);
  }
}

TEST_CASE("lama: one head is not normalised, and learns") {
  lama::ModelConfig model = small_lama();
  model.n_heads = 1;
  RecordedLama r(model, {5, 3}, 5);
  for (const char* factor : {"blocks.0.attn.P", "blocks.0.attn.Q"}) CHECK(gradient_size(r, factor) > 1e-6);
  const std::vector<double> A = r.pattern();  // normalised, a score would be 1 or -1, and a weight one of two values
  CHECK(std::abs(A[0] - A[1]) > 1e-6);
  CHECK(std::abs(A[1] - A[2]) > 1e-6);
  CHECK(std::abs(A[0] - A[2]) > 1e-6);
}

TEST_CASE("lama: a learned context vector is no more than one number a head; a text's own is") {
  RecordedLama r(small_lama("lama"), {5, 3}, 5);
  const std::vector<double> before = r.logits();
  // Another context and other factors of which only c P is the same.
  std::vector<double>&c = r.parameter("blocks.0.attn.context"), &P = r.parameter("blocks.0.attn.P"), cP(3);
  for (std::size_t i = 0; i < 18; ++i) cP[i % 3] += c[i / 3] * P[i];
  std::fill(c.begin(), c.end(), 0.0);
  c[4] = 2;
  for (std::size_t j = 0; j < 3; ++j) P[4 * 3 + j] = cP[j] / 2;
  CHECK(largest_difference(before, r.logits()) < 1e-12);
}

TEST_CASE("lama: no word's weight is more than e^2 times another's, however large the parameters") {
  lama::ModelConfig model = small_lama();
  model.word_mlp = false;
  const auto largest_ratio = [](const lama::ModelConfig& m) {
    RecordedLama r(m, {40}, 40);
    for (const char* name : {"blocks.0.attn.P", "blocks.0.attn.Q"}) {
      for (double& x : r.parameter(name)) x *= 1000;
    }
    for (double& x : r.parameter("embed.W_E")) x *= 5;  // words unlike enough for scores of both signs
    const std::vector<double> A = r.pattern();
    double ratio = 0;
    for (std::size_t j = 0; j < A.size(); j += 40) {
      const auto [low, high] = std::minmax_element(A.begin() + static_cast<std::ptrdiff_t>(j),
                                                   A.begin() + static_cast<std::ptrdiff_t>(j) + 40);
      ratio = std::max(ratio, *high / *low);
      CHECK(*high <= 1 / (1 + 39 * std::exp(-2 / m.temperature)) + 1e-12);
    }
    return ratio;
  };
  CHECK(largest_ratio(model) <= std::exp(2.0) * (1 + 1e-12));
  model.n_heads = 1;
  CHECK(largest_ratio(model) == Approx(std::exp(2.0)).epsilon(1e-6));
  model.temperature = 0.25;
  CHECK(largest_ratio(model) == Approx(std::exp(8.0)).epsilon(1e-6));
}

TEST_CASE("lama: with small scores, attention does not change with the size of a factor") {
  RecordedLama r(small_lama(), {5, 3}, 5);
  for (double& x : r.parameter("blocks.0.attn.Q")) x *= 1e-4;
  const std::vector<double> before = r.pattern();
  for (double& x : r.parameter("blocks.0.attn.P")) x *= 0.5;
  CHECK(largest_difference(before, r.pattern()) < 1e-7);
  const double off = *std::max_element(before.begin(), before.begin() + 5) - 0.2;
  CHECK(off > 1e-3);  // it does attend
}

TEST_CASE("lama: rank one is a bilinear form whose matrices are outer products") {
  RecordedLama low(small_lama("lama_ctx"), {5, 3}, 5), full(small_lama("bilinear"), {5, 3}, 5);
  for (const auto& [name, values] : low.leaves.values) {
    if (full.leaves.values.contains(name)) full.leaves.values[name] = values;
  }
  full.leaves.indices = low.leaves.indices;
  for (std::size_t j = 0; j < 3; ++j) {
    for (std::size_t a = 0; a < 6; ++a) {
      for (std::size_t b = 0; b < 6; ++b) {
        full.parameter("blocks.0.attn.W")[(j * 6 + a) * 6 + b] =
            low.parameter("blocks.0.attn.P")[a * 3 + j] * low.parameter("blocks.0.attn.Q")[b * 3 + j];
      }
    }
  }
  CHECK(largest_difference(low.logits(), full.logits()) < 1e-12);
}

TEST_CASE("lama: units are dropped in training alone") {
  const RecordedLama train(small_lama(), {5, 3}, 5, Purpose::train),
      evaluate(small_lama(), {5, 3}, 5, Purpose::evaluate), measure(small_lama(), {5, 3}, 5, Purpose::measure);
  CHECK(evaluate.logits() == measure.logits());
  CHECK(largest_difference(train.logits(), evaluate.logits()) > 1e-3);
  lama::ModelConfig kept = small_lama();
  kept.dropout = 0;
  CHECK(RecordedLama(kept, {5, 3}, 5, Purpose::train).logits() == evaluate.logits());
}

TEST_CASE("lama: parameters are as many as the formulas say, part by part") {
  for (const std::string& pooling : all_poolings()) {
    for (const char* encoder : {"gru", "positions"}) {
      for (const bool word_mlp : {true, false}) {
        lama::ModelConfig model = small_lama(pooling);
        model.encoder = encoder;
        model.word_mlp = word_mlp;
        model.rank = 2;
        const RecordedLama r(model, {2}, 2);
        INFO(pooling << " " << encoder << " " << word_mlp);
        const auto held = [&r](std::initializer_list<const char*> prefixes) {
          std::int64_t n = 0;
          for (const ParamSpec& s : r.params.specs()) {
            for (const char* prefix : prefixes) n += s.name.starts_with(prefix) ? s.shape.size() : 0;
          }
          return n;
        };
        const lama::ParameterCounts counts = lama::parameter_counts(model, lama_words, lama_classes);
        CHECK(counts.embedding == held({"embed."}));
        CHECK(counts.encoder == held({"encoder."}));
        CHECK(counts.word_mlp == held({"word_mlp."}));
        CHECK(counts.attention == held({"blocks.0.attn."}));
        CHECK(counts.feed_forward == held({"blocks.0.mlp.", "blocks.0.norm_attn.", "blocks.0.norm_mlp."}));
        CHECK(counts.classifier == held({"classifier."}));
        CHECK(counts.total() == r.params.count());
      }
    }
  }
}

TEST_CASE("lama: attention's parameters at the sizes of the structured embedding's authors") {
  lama::ModelConfig model;
  model.d_hidden = 300;
  model.d_attention = 350;
  model.n_heads = 30;
  const auto attention = [&model](const char* pooling) {
    model.pooling = pooling;
    return lama::parameter_counts(model, 2, 5).attention;
  };
  CHECK(attention("structured") == 220500);
  CHECK(attention("lama_ctx") == 36000);
  CHECK(attention("lama") == 36600);
  CHECK(attention("transformer") == 1442400);
  CHECK(attention("bilinear") == 10800000);
  CHECK(lama::parameter_counts(model, 2, 5).word_mlp == 360600);
}

TEST_CASE("lama: a transformer whose heads cannot share the width is refused") {
  lama::ModelConfig model;
  const auto read = [&model](const char* yaml) {
    read_config_text("x.yaml", yaml, {}, [&](Fields& f) { model.fields(f); });
  };
  CHECK_NOTHROW(read("{pooling: lama_ctx, n_heads: 5}"));
  CHECK_THROWS_WITH(read("{pooling: transformer, n_heads: 5}"),
                    Catch::Contains("n_heads (5) must divide the width of an encoded word (96 = 2 d_hidden)"));
}
