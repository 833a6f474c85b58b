#include "experiments/titans/work.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "data/owned_batch.h"

namespace saltus::titans {
namespace {

/// M's layers: numbers of weights in all, and in all but the first; widths that layers lead from and to, summed.
struct Weights {
  double all = 0, above = 0, widths = 0;

  explicit Weights(const MixerConfig& c) {
    const auto d = static_cast<double>(c.d_head), hidden = static_cast<double>(c.memory_expansion) * d;
    for (std::int64_t l = 0; l < c.memory_depth; ++l) {
      const double in = l == 0 ? d : hidden, out = l + 1 == c.memory_depth ? d : hidden;
      all += in * out;
      if (l > 0) above += in * out;
      widths += in + out;
    }
  }
};

/// Weights that are read beside M: those that alpha pulls towards, unless they are 0.
bool has_origin(const MixerConfig& c) {
  return c.decay && c.decay_to_initial && (c.learned_initial || c.memory_depth > 1);
}

/// Chunk by chunk (memory_kernels.h), with A weights: of a token, the inner forward pass 2 A and backward 2 A but for
/// the first layer, its writes into M and S 2 A each; of a read, M, S and M_0 2 A each, and with every token before it
/// in the chunk both layers' widths; of a chunk but the last, M and S themselves 6 A. In a fresh memory's first chunk S
/// is 0 and M is M_0.
double chunked_flops(const MixerConfig& c, double tokens, double reads, bool fresh) {
  const Weights w(c);
  const double states = c.momentum ? 2 : 1, chunk = std::min(static_cast<double>(c.chunk), tokens);
  const double chunks = std::ceil(tokens / chunk), later = fresh ? (chunks - 1) / chunks : 1,
               written = tokens * (chunks - 1) / chunks;
  const double of_reads = 2 * w.all * (1 + later * (states - 1 + (has_origin(c) ? 1 : 0))) + w.widths * (chunk + 1);
  return tokens * 2 * (w.all + w.above) + reads * of_reads + written * states * 2 * w.all +
         (chunks - 1) * (c.momentum ? 6 : 2) * w.all;
}

/// Token by token: the inner passes; S = eta S + k g 3 A; M = (1 - alpha) M + S 2 A, or 1 without decay; a read M, and
/// M_0 where alpha pulls towards it, 2 A each. Without momentum k g goes into M: 2 A.
double sequential_flops(const MixerConfig& c, double tokens, double reads) {
  const Weights w(c);
  const double write = (c.momentum ? 3 : 2) + (c.momentum ? (c.decay ? 2 : 1) : (c.decay ? 1 : 0));
  return tokens * (2 * (w.all + w.above) + write * w.all) + reads * 2 * w.all * (has_origin(c) ? 2 : 1);
}

}  // namespace

bool has_counted_work(const ModelConfig& m) {
  return m.architecture == "mixer" && m.mixer.kind == "memory" && m.mixer.intervention == "none" &&
         !m.mixer.first_order;
}

Reading reading_of(const SequenceTask& task) {
  constexpr int sequences = 64;
  const OwnedBatch samples(task.fields(), sequences);
  task.sample_train(0, 0, samples.batch());
  const std::int64_t numbers = sequences * task.shape().length;
  const float* weight = samples.batch().f32(SequenceTask::weight_field);
  const auto answered = std::count_if(weight, weight + numbers, [](float w) { return w > 0; });
  return {static_cast<double>(task.shape().length), static_cast<double>(answered) / sequences,
          static_cast<double>(task.shape().vocab_size)};
}

double memory_flops(const MixerConfig& c, double tokens, double reads, bool fresh) {
  return std::min(chunked_flops(c, tokens, reads, fresh), sequential_flops(c, tokens, reads));
}

/// Each block: projections to K, V and the gates at all positions; those to Q and to the output gate, the read-out and
/// the feed-forward layer where something is asked of it: in the last block at the answers alone (of Q, at what their
/// convolutions see). What the first block projects depends on the token alone, so that a table of the vocabulary does
/// for all positions. A product has two gradients, and so has each of the memory's operations; what is done number by
/// number, forward and again backward:
///   RMSNorm 4, SiLU 4, length 3, a gate 4 operations, a convolution 2 a tap (3 times, as a product)
/// The persistent vectors are written once for all sequences. The unembedding and the loss are of the answers.
Work work(const ModelConfig& m, const Reading& reading, std::int64_t batch) {
  const MixerConfig& c = m.mixer;
  const auto B = static_cast<double>(batch), d = static_cast<double>(m.d_model), width = static_cast<double>(m.width);
  const auto H = static_cast<double>(c.n_heads), channels = H * static_cast<double>(c.d_head),
             taps = static_cast<double>(c.conv_width);
  const double T = reading.positions, V = reading.vocabulary, persistent = static_cast<double>(c.n_persistent);
  const double gates = H * (1 + (c.momentum ? 1 : 0) + (c.decay ? 1 : 0));
  const double chunks = std::ceil(T / static_cast<double>(c.chunk));
  Work w;
  for (std::int64_t l = 0; l < m.n_layers; ++l) {
    const double asked = l + 1 == m.n_layers ? reading.answers : T, heard = std::min(T, asked * std::max(1.0, taps));
    const auto rows = [&](double positions) { return l == 0 ? std::min(V, B * positions) : B * positions; };
    w.flops += trained_product_flops(rows(T), d, 2 * channels + gates) +
               trained_product_flops(rows(heard), d, channels) + 8 * d * rows(T);
    if (c.output_gate) w.flops += trained_product_flops(rows(asked), d, channels) + 10 * channels * B * asked;
    w.flops += 3 * B * 2 * taps * channels * (2 * T + asked) + 2 * B * (7 * channels * (T + asked) + 4 * gates * T);
    w.flops += 3 * H * B * memory_flops(c, T, asked, persistent == 0);
    if (persistent > 0)
      w.flops +=
          3 * H * memory_flops(c, persistent, 0, true) + trained_product_flops(persistent, d, 2 * channels + gates);
    w.flops += B * asked * (8 * channels + d) + trained_product_flops(B * asked, channels, d);
    if (width > 0) w.flops += trained_product_flops(B * asked, d, 3 * width) + B * asked * (8 * d + 10 * width + d);
    w.kept_floats += B * (H * chunks * (c.momentum ? 2 : 1) * Weights(c).all + T * (2 * channels + gates + d) +
                          asked * (3 * channels + d + 2 * width));
  }
  w.flops += B * reading.answers * (8 * d + 3 * V) + trained_product_flops(B * reading.answers, d, V);
  w.kept_floats += B * reading.answers * (d + V);
  w.example_floats = B * (T + 2 * reading.answers);  // tokens; where something is asked, and the answer
  return w;
}

}  // namespace saltus::titans
