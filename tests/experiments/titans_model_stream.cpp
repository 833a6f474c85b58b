#include <cstring>

#include "core/check.h"
#include "experiments/titans/needle_stream.h"
#include "experiments/titans/stream.h"
#include "experiments/titans_model.h"

using namespace saltus;
using namespace saltus::tests;

namespace {

/// The logits of r's sequences, read `stretch` tokens at a time: [batch, position, token].
std::vector<float> streamed(RecordedTitan& r, titans::TokenStream& stream, std::int64_t stretch) {
  std::vector<float> all(static_cast<std::size_t>(r.batch * r.positions * r.vocabulary));
  for (std::int64_t from = 0; from < r.positions; from += stretch) {
    for (std::int64_t b = 0; b < r.batch; ++b)
      std::copy_n(r.tokens().begin() + b * r.positions + from, stretch, stream.tokens().begin() + b * stretch);
    const std::span<const float> part = stream.run();
    const std::int64_t n = stretch * r.vocabulary;
    for (std::int64_t b = 0; b < r.batch; ++b)
      std::copy_n(part.begin() + b * n, n, all.begin() + (b * r.positions + from) * r.vocabulary);
  }
  return all;
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(static_cast<double>(a[i]) - b[i]));
  return largest;
}

}  // namespace

TEST_CASE("titans: a stream says what the whole sequence at once would") {
  for (const titans::ModelConfig& model : all_titans()) {
    if (model.mixer.kind == "attention") continue;
    RecordedTitan r(model, 11, 48, 2);
    const std::vector<float> whole = r.logits();
    for (std::int64_t stretch : {8, 16, 48}) {
      titans::TokenStream stream(r.params, model, r.vocabulary, r.batch, stretch);
      INFO(name_of(model) << ", stretches of " << stretch);
      const std::vector<float> first = streamed(r, stream, stretch);
      CHECK(largest_difference(first, whole) < 2e-5);
      stream.restart();
      const bool again = streamed(r, stream, stretch) == first;
      CHECK(again);
    }
  }
}

TEST_CASE("titans: a stream's state does not grow, and what would grow is refused") {
  ParamStore params;
  Graph graph;
  const titans::ModelConfig model = small_titan();
  titans::record(graph, params, model, 11, 8, 1, Purpose::train);
  params.initialise(Rng(3, Stream::init));
  // Of each layer: M and S of two heads, and two tokens of three convolutions.
  CHECK(titans::TokenStream(params, model, 11, 3, 64).state_size() == 2 * (2 * 2 * 4 * 4 + 3 * 2 * 8));
  CHECK_THROWS_WITH(titans::TokenStream(params, model, 11, 3, 6), Catch::Contains("chunk"));
  CHECK_THROWS_WITH(titans::TokenStream(params, small_titan("mac"), 11, 3, 12),
                    Catch::Contains("blocks.0.mixer: a stretch of 12 tokens is not whole segments of 8"));
  CHECK_THROWS_WITH(titans::TokenStream(params, small_titan("mixer", "attention"), 11, 3, 64),
                    Catch::Contains("cannot run over a stream"));
}

TEST_CASE("titans: stretches for a stream are whole chunks and segments, and no longer than they need to be") {
  const auto stretch = [](const char* architecture, std::int64_t chunk, std::int64_t segment) {
    titans::ModelConfig model = small_titan(architecture);
    model.mixer.chunk = chunk;
    model.segment = segment;
    return titans::stretch_for(model);
  };
  CHECK(stretch("mixer", 16, 32) == 256);
  CHECK(stretch("mixer", 48, 31) == 288);  // segments are mac's alone
  CHECK(stretch("mac", 16, 24) == 288);
  CHECK(stretch("mac", 48, 36) == 288);
  CHECK(stretch("mac", 20, 24) == 360);
  CHECK(stretch("mixer", 300, 32) == 300);
}

TEST_CASE(
    "titans: needles in a stream are found as in the whole sequence, with any stretch and any number of threads") {
  NeedleConfig task;
  task.shape = {.vocab_size = 16, .length = 90};
  task.n_pairs = 2;
  const Seeds seeds{.init = 1, .data = 2, .eval = 3, .task = 4};
  RecordedTitan r(small_titan("mag"), 16, 90, 8);
  const Needle whole(task, seeds);
  std::vector<std::vector<std::int32_t>> memory(whole.fields().size(), std::vector<std::int32_t>(8 * 90));
  std::vector<void*> arrays;
  for (auto& m : memory) arrays.push_back(m.data());
  whole.sample_eval(0, 0, Batch(8, arrays));
  r.tokens() = memory[Needle::tokens_field];
  const std::vector<float> logits = r.logits();
  double loss = 0, accuracy = 0;
  for (std::size_t b = 0; b < 8; ++b) {
    const float* last = logits.data() + (b * 90 + 89) * 16;
    const auto target = static_cast<std::size_t>(memory[Needle::target_field][b * 90 + 89]);
    double total = 0;
    for (int c = 0; c < 16; ++c) total += std::exp(last[c]);
    loss += (std::log(total) - last[target]) / 8;
    accuracy += *std::max_element(last, last + 16) == last[target] ? 1 / 8.0 : 0;
  }
  std::vector<double> losses;
  for (const auto& [stretch, batch, threads] : {std::array{32, 4, 1}, std::array{16, 2, 2}, std::array{96, 8, 1}}) {
    ThreadPool pool(threads);
    double told = 0;
    const auto found = titans::stream_needles(r.params, r.model, task, seeds,
                                              {.lengths = {90, 200}, .samples = 8, .batch = batch, .stretch = stretch},
                                              pool, [&told](double done) { told = done; });
    REQUIRE(found.size() == 2);
    CHECK(found[0].length == 90);
    CHECK(found[0].accuracy == Approx(accuracy));
    CHECK(found[0].loss == Approx(loss).epsilon(1e-5));
    CHECK(told > 0);
    losses.push_back(found[1].loss);
  }
  CHECK(losses[1] == Approx(losses[0]).epsilon(1e-5));
  CHECK(losses[2] == Approx(losses[0]).epsilon(1e-5));
}
