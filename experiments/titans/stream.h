#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "experiments/titans/model.h"
#include "graph/plan.h"

namespace saltus::titans {

/// Tokens of a stretch that suits the model: the least number of whole chunks and, of mac, whole segments that is at
/// least 256.
std::int64_t stretch_for(const ModelConfig& model);

/// A model that reads sequences of any length, `stretch` tokens at a time, in the memory of one stretch: the model
/// recorded once with Carry::Mode::stretch, run again and again. Its logits are those of the whole sequence. Where a
/// model's mixers work in chunks or segments, `stretch` must be a multiple of both. Throws for mixers that cannot
/// forget: attention to everything before.
class TokenStream {
 public:
  /// `batch` sequences side by side. The parameters must be initialised; they are read while the stream runs.
  TokenStream(ParamStore& params, const ModelConfig& model, std::int64_t vocabulary, std::int64_t batch,
              std::int64_t stretch);

  /// Back to the beginning of a sequence, and to the parameters as they are now.
  void restart();
  /// Where to write the next stretch's tokens, [batch, stretch].
  std::span<std::int32_t> tokens();
  /// Where to write the TokenRoles of those tokens, [batch, stretch]; empty unless the model needs_roles().
  std::span<std::int32_t> roles();
  /// Reads them: logits [batch, stretch, token], valid until the next run.
  std::span<const float> run();

  /// Floats that go from one stretch to the next, for one sequence.
  std::int64_t state_size() const;

 private:
  struct Recording;
  TokenStream(const Recording& recording, ParamStore& params);
  void keep(const Plan& plan, std::size_t first_output);

  std::int64_t batch_, n_tokens_, n_logits_;
  Plan initial_, plan_;
  struct Carried {
    void* input;  // where the plan reads it; null when it does not
    std::size_t size;
  };
  std::vector<Carried> carried_;  // in the order of initial_'s outputs, and of plan_'s from 1 on
  std::vector<float> state_;      // their values between two runs, one after another
};

}  // namespace saltus::titans
