#pragma once
#include <cstdint>
#include <string>

#include "nn/carry.h"
#include "ops/ops.h"

namespace saltus {

/// Learned keys and values that every query sees, whatever its place (persistent memory; section 3.3 of Titans, arXiv
/// 2501.00663).
struct PersistentPrefix {
  Var keys, values;  // [head, n_persistent, d_head], or empty
};

struct WindowAttentionOptions {
  std::int64_t window = 0;  // query i sees keys i - window + 1 .. i; 0: all up to i
  bool rotary = true;  // turn queries and keys by their positions; the prefix has none and is met by unturned queries
};

struct WindowAttentionOutput {
  Var out;      // [head, batch, position, d_head]
  Var pattern;  // [head, batch, query, key]: weights of the sequence's own keys; empty where earlier keys were carried
                // in
  Var prefix;   // [head, batch, query, n_persistent]: weights of the prefix; empty without one
};

/// Causal softmax attention of scores q . k / sqrt(d_head) over the prefix and the visible keys. q, k, v [head, batch,
/// position, d_head].
///
/// With a window the sequence is cut in blocks of `window` queries, each of which meets 2 window keys: work and memory
/// grow with position x window. It carries, as "<name>.keys" and "<name>.values", the last `window` keys, before they
/// are turned, and values [head, batch, window, d_head], and as "<name>.seen" [1] how many of them are there. Positions
/// count from the first carried key: only distances matter. Without a window the state would grow with the stream: a
/// stretch is refused.
WindowAttentionOutput window_attention(Var q, Var k, Var v, const PersistentPrefix& prefix,
                                       const WindowAttentionOptions& options, Carry& carry, const std::string& name);

}  // namespace saltus
