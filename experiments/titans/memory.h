#pragma once
#include <cstdint>
#include <vector>

#include "ops/ops.h"

namespace saltus::titans {

/// The neural long-term memory of Titans (Behrouz, Zhong, Mirrokni 2024, arXiv 2501.00663, section 3): a small network whose weights M are
/// trained by the sequence itself, on |M(k_t) - v_t|^2, and read as M(q_t). With surprise S, gates theta, eta, alpha a token:
///   S_t = eta_t S_{t-1} - theta_t grad_M |M_{t'}(k_t) - v_t|^2,   M_t = (1 - alpha_t) M_{t-1} + S_t,   out_t = M_t(q_t)
/// Within a chunk of `chunk` tokens all gradients are taken at its first weights M_{t'}; chunk = 1 is the recurrence token by token,
/// another model. Row vectors: a layer maps x to x W.
///
/// A row is one head of one sequence; rows are independent.
struct MemoryState {
  std::vector<Var> M, S;  // one a layer: [row, in, out]
};

struct MemoryInputs {
  Var q, k, v;             // [row, position, d]
  Var theta, eta, alpha;   // [row, position]: theta > 0, eta and alpha in [0, 1]
  /// One-hot [row, question, position]: the positions at which q [row, question, d] asks, for memory_chunked alone.
  /// Null: all of them do.
  Var asked = {};
};

struct MemoryOptions {
  std::int64_t chunk = 16;
  bool residual = false;            // M(x) = x + net(x); with several layers only
  bool read_before_write = false;   // out_t = M_{t-1}(q_t)
  bool decay_to_initial = true;     // alpha pulls towards M_0, which is given with the state; else towards 0
  bool first_order = false;         // the outer gradient does not go through the weights that inner gradients are taken at
};

struct MemoryOutput {
  Var out;            // [row, position, d], or [row, question, d] where q asks at some positions alone
  MemoryState state;  // after the last token
  /// M at the first token of every chunk, one a layer, or M - M_0: a gradient with respect to it is one with respect to
  /// M, M_0 held as what alpha pulls towards.
  std::vector<std::vector<Var>> chunk_starts;
};

/// Throws Error unless layers, shapes and options fit together; each statement begins with it.
void check_memory(const MemoryInputs& in, const MemoryState& state, const std::vector<Var>& initial, const MemoryOptions& options);

/// Three statements of the same equations; `initial` is M_0, one a layer [row, in, out], `state` where the sequence
/// begins. Activation between layers: SiLU. Questions at some positions alone are worth while if they are fewer than a
/// chunk's tokens, for all of them are asked in every chunk.
MemoryOutput memory_chunked(const MemoryInputs& in, const MemoryState& state, const std::vector<Var>& initial, const MemoryOptions& options);
MemoryOutput memory_sequential(const MemoryInputs& in, const MemoryState& state, const std::vector<Var>& initial, const MemoryOptions& options);
MemoryOutput memory_by_grad(const MemoryInputs& in, const MemoryState& state, const std::vector<Var>& initial, const MemoryOptions& options);

}  // namespace saltus::titans
