#include "experiments/lama_written_out.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// Every pooling on both encoders, and what changes LAMA's scores.
std::vector<lama::ModelConfig> all_lamas() {
  std::vector<lama::ModelConfig> all;
  for (const std::string& pooling : all_poolings()) {
    for (const char* encoder : {"gru", "positions"}) {
      all.push_back(small_lama(pooling));
      all.back().encoder = encoder;
    }
  }
  for (const char* pooling : {"lama", "lama_ctx", "bilinear"}) {
    all.push_back(small_lama(pooling));
    all.back().word_mlp = false;
    all.push_back(small_lama(pooling));
    all.back().n_heads = 1;
    all.push_back(small_lama(pooling));
    all.back().rank = 2;  // no key of bilinear's
    all.back().temperature = 0.2;
  }
  return all;
}

std::string name_of(const lama::ModelConfig& m) {
  return m.pooling + " " + m.encoder + " heads " + std::to_string(m.n_heads) + " rank " + std::to_string(m.rank);
}

}  // namespace

TEST_CASE("lama: logits are the equations, word by word, for texts of unlike lengths") {
  for (const lama::ModelConfig& model : all_lamas()) {
    INFO(name_of(model));
    const RecordedLama r(model, {5, 3, 1, 6}, 6);
    const std::vector<double> logits = r.logits();
    for (std::size_t b = 0; b < r.lengths.size(); ++b) {
      const Row written = WrittenLama(r, b).logits();
      REQUIRE(written.size() == lama_classes);
      for (std::size_t c = 0; c < written.size(); ++c)
        CHECK(logits[b * written.size() + c] == Approx(written[c]).epsilon(1e-6).margin(1e-8));
    }
  }
}

TEST_CASE("lama: the loss is the mean cross-entropy, and structured's heads pay for overlap") {
  for (const char* pooling : {"lama_ctx", "structured"}) {
    const RecordedLama r(small_lama(pooling), {5, 3}, 5);
    double loss = 0;
    for (std::size_t b = 0; b < 2; ++b) {
      const WrittenLama written(r, b);
      const Row p = WrittenLama::softmax_of(written.logits());
      loss -= std::log(p[static_cast<std::size_t>(r.leaves.indices.at("label")[b])]) / 2;
      if (r.model.pooling == "structured") loss += 0.3 * written.overlap() / 2;
    }
    CHECK(value(r.graph, r.loss, r.leaves)[0] == Approx(loss).epsilon(1e-7));
  }
}

TEST_CASE("lama: the pattern is A, and the fast kernels agree") {
  RecordedLama r(small_lama(), {5, 3}, 5);
  const std::vector<double> pattern = r.pattern();
  const std::vector<float> fast = r.fast("blocks.0.attn.pattern");
  for (std::size_t b = 0; b < 2; ++b) {
    const WrittenLama written(r, b);
    const Rows A = written.attention(written.encoded());
    for (std::size_t j = 0; j < 3; ++j) {
      for (std::size_t t = 0; t < 5; ++t) {
        const double weight = t < A[j].size() ? A[j][t] : 0;
        CHECK(pattern[(j * 2 + b) * 5 + t] == Approx(weight).epsilon(1e-6));
        CHECK(fast[(j * 2 + b) * 5 + t] == Approx(weight).epsilon(1e-4));
      }
    }
  }
}
