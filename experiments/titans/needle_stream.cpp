#include "experiments/titans/needle_stream.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "core/check.h"
#include "experiments/titans/stream.h"

namespace saltus::titans {
namespace {

/// Memory for a stretch of the task's arrays.
struct Arrays {
  std::vector<std::vector<float>> memory;  // i32 and f32 are both four bytes
  std::vector<void*> pointers;

  Arrays(const SequenceTask& task, std::int64_t floats) {
    for (std::size_t i = 0; i < task.fields().size(); ++i)
      pointers.push_back(memory.emplace_back(static_cast<std::size_t>(floats)).data());
  }
};

struct Answer {
  double loss = 0;
  bool correct = false;
};

Answer graded(std::span<const float> logits, std::int32_t target) {
  const auto best = std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (float x : logits) total += std::exp(static_cast<double>(x) - *best);
  return {std::log(total) + *best - logits[static_cast<std::size_t>(target)], best - logits.begin() == target};
}

/// Puts `count` values a sequence at the beginning of its stretch, and zeros after the end of the sequence: what
/// follows it does not change what comes before.
void give(std::span<std::int32_t> to, const std::int32_t* from, const NeedleStreamRequest& r, std::int64_t count) {
  std::fill(to.begin(), to.end(), 0);
  for (std::int64_t b = 0; b < r.batch; ++b) std::copy_n(from + b * count, count, to.begin() + b * r.stretch);
}

/// The answers of samples [first, first + batch) at the last position.
std::vector<Answer> read(TokenStream& stream, const Needle& task, const NeedleStreamRequest& r, int first,
                         const std::function<void(std::int64_t)>& done) {
  const std::int64_t length = task.config().shape.length, vocabulary = task.config().shape.vocab_size;
  Arrays arrays(task, r.batch * r.stretch);
  const Batch batch(static_cast<int>(r.batch), arrays.pointers);
  stream.restart();
  std::span<const float> logits;
  std::int64_t count = 0;
  for (std::int64_t from = 0; from < length; from += count) {
    count = std::min(r.stretch, length - from);
    task.stretch_of_eval(r.set, first, from, count, batch);
    give(stream.tokens(), batch.i32(Needle::tokens_field), r, count);
    if (!stream.roles().empty()) give(stream.roles(), batch.i32(Needle::role_field), r, count);
    logits = stream.run();
    done(count * r.batch);
  }
  std::vector<Answer> answers;
  for (std::int64_t b = 0; b < r.batch; ++b) {
    const auto row = static_cast<std::size_t>((b * r.stretch + count - 1) * vocabulary);
    answers.push_back(graded(logits.subspan(row, static_cast<std::size_t>(vocabulary)),
                             batch.i32(Needle::target_field)[(b + 1) * count - 1]));
  }
  return answers;
}

NeedleRecall mean_of(std::int64_t length, const std::vector<Answer>& answers) {
  const auto n = static_cast<double>(answers.size());
  NeedleRecall out{.length = length};
  double squares = 0;
  for (const Answer& a : answers) {
    out.accuracy += (a.correct ? 1 : 0) / n;
    out.loss += a.loss / n;
  }
  for (const Answer& a : answers) squares += (a.loss - out.loss) * (a.loss - out.loss);
  out.accuracy_error = std::sqrt(out.accuracy * (1 - out.accuracy) / (n - 1));
  out.loss_error = std::sqrt(squares / (n * (n - 1)));
  return out;
}

}  // namespace

std::vector<NeedleRecall> stream_needles(ParamStore& params, const ModelConfig& model, const NeedleConfig& config,
                                         const Seeds& seeds, const NeedleStreamRequest& r, ThreadPool& pool,
                                         const std::function<void(double)>& progress) {
  check_input(r.samples > 1 && r.samples % r.batch == 0,
              "samples ({}) must be a multiple of the batch ({}), and more than one", r.samples, r.batch);
  std::vector<std::unique_ptr<TokenStream>> streams;
  for (int i = 0; i < pool.threads(); ++i)
    streams.push_back(std::make_unique<TokenStream>(params, model, config.shape.vocab_size, r.batch, r.stretch));
  double all = 0;
  for (std::int64_t length : r.lengths) all += static_cast<double>(length * r.samples);
  std::atomic<std::int64_t> tokens = 0;
  std::vector<NeedleRecall> recalls;
  for (std::int64_t length : r.lengths) {
    NeedleConfig at_length = config;
    at_length.shape.length = length;
    const Needle task(at_length, seeds);
    std::vector<Answer> answers(static_cast<std::size_t>(r.samples));
    pool.run(static_cast<int>(r.samples / r.batch), [&](int i, int thread) {
      const auto done = [&](std::int64_t n) {
        tokens += n;
        if (thread == 0 && progress) progress(static_cast<double>(tokens) / all);
      };
      const int first = i * static_cast<int>(r.batch);
      const std::vector<Answer> part = read(*streams[static_cast<std::size_t>(thread)], task, r, first, done);
      std::copy(part.begin(), part.end(), answers.begin() + first);
    });
    recalls.push_back(mean_of(length, answers));
  }
  return recalls;
}

}  // namespace saltus::titans
