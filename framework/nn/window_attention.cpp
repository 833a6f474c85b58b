#include "nn/window_attention.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "nn/rotary.h"

namespace saltus {
namespace {

/// Far below any score, so that its exponential is lost beside the largest one.
constexpr double hidden_score = 1e9;

/// A row is one head of one sequence; a block some of its successive queries.
struct Sizes {
  std::int64_t heads, batch, positions, d, rows, window, block, blocks;

  Sizes(const Shape& q, std::int64_t w)
      : heads(q[0]),
        batch(q[1]),
        positions(q[2]),
        d(q[3]),
        rows(heads * batch),
        window(w),
        block(w == 0 ? positions : std::min(w, positions)),
        blocks((positions + block - 1) / block) {}

  std::int64_t padded() const { return blocks * block; }
};

Var turned(Var x, const WindowAttentionOptions& options, std::int64_t first) {
  return options.rotary ? rotary(x, first) : x;
}

/// q [head, batch, position, d] times the prefix' keys, laid out as the other scores: [row, block, query,
/// n_persistent].
Var prefix_scores(Var q, const PersistentPrefix& prefix, const Sizes& s) {
  const std::int64_t n = prefix.keys.shape()[1];
  const Var scores = matmul(reshape(q, {s.heads, s.batch * s.positions, s.d}), prefix.keys, false, true);
  const Var rows = pad(reshape(scores, {s.rows, s.positions, n}), 1, 0, s.padded() - s.positions);
  return reshape(rows, {s.rows, s.blocks, s.block, n});
}

/// Softmax over prefix and keys together, and what the weights select. scores [row, block, query, key], values [row,
/// block, key, d], mask [..., key] with ones where a key is seen.
WindowAttentionOutput weighted(Var q, Var scores, Var values, Var mask, const PersistentPrefix& prefix,
                               const Sizes& s) {
  const double scale = 1 / std::sqrt(static_cast<double>(s.d));
  const std::int64_t keys = scores.shape()[-1], n = prefix.keys ? prefix.keys.shape()[1] : 0;
  Var all = scores * scale + (mask - 1.0) * hidden_score;
  if (n > 0) all = concat({prefix_scores(q, prefix, s) * scale, all}, -1);
  all = softmax(all);                                      // [row, block, query, n_persistent + key]
  const Var pattern = slice(all, -1, n, n + keys) * mask;  // exact zeros: the softmax leaves 1e-38 of what is hidden
  const auto own = [&](Var x) { return slice(reshape(x, {s.rows, s.padded(), x.shape()[-1]}), 1, 0, s.positions); };
  WindowAttentionOutput y{reshape(own(matmul(pattern, values)), q.shape()), pattern, {}};
  if (n > 0) {
    const Var weights = own(slice(all, -1, 0, n));  // [row, position, n_persistent]
    const Var read = matmul(reshape(weights, {s.heads, s.batch * s.positions, n}), prefix.values);
    y.out = y.out + reshape(read, q.shape());
    y.prefix = reshape(weights, {s.heads, s.batch, s.positions, n});
  }
  return y;
}

/// Query o of a block sees the `window` keys up to its own; key m of `keys` stands at place m - window of the block.
Var window_mask(Graph& graph, const Sizes& s) {
  const std::int64_t keys = s.window + s.block;
  std::vector<double> seen;
  for (std::int64_t o = 0; o < s.block; ++o) {
    for (std::int64_t m = 0; m < keys; ++m) seen.push_back(o < m && m <= o + s.window ? 1 : 0);
  }
  return graph.constant(std::move(seen), {s.block, keys});
}

/// Which keys of every block exist, of which `seen` [1] came before the first block: ones and zeros [block, 1, key].
Var existing(Graph& graph, Var seen, const Sizes& s) {
  std::vector<double> needed;  // how many there have to be before the sequence for this key to be one of them
  for (std::int64_t n = 0; n < s.blocks; ++n) {
    for (std::int64_t m = 0; m < s.window + s.block; ++m) {
      needed.push_back(static_cast<double>(std::max<std::int64_t>(0, s.window - n * s.block - m)));
    }
  }
  const Shape shape = {s.blocks, 1, s.window + s.block};
  const Var margin = seen - graph.constant(std::move(needed), shape) + 0.5;
  return gate(broadcast_to(graph.constant(1), shape), margin);
}

/// carried and own keys or values [row, window + position, d] to what each block may see: [row, block, window + block,
/// d].
Var of_blocks(Var x, const Sizes& s) {
  const Var padded = pad(x, 1, 0, s.padded() - s.positions);
  if (s.blocks == 1) return reshape(padded, {s.rows, 1, s.window + s.block, s.d});
  const auto part = [&](std::int64_t first) {  // with several blocks, a block is as long as the window
    return reshape(slice(padded, 1, first, first + s.padded()), {s.rows, s.blocks, s.block, s.d});
  };
  return concat({part(0), part(s.window)}, 2);
}

/// Blocks' patterns [row, block, query, key] as one [head, batch, query, key] over the whole sequence. Block n's keys
/// begin n blocks further to the right, which a row length of one block less, read over the same memory, does for all
/// of them at once.
Var whole_pattern(Var pattern, const Sizes& s) {
  const std::int64_t length = (s.blocks + 1) * s.block;
  const Var by_query = pad(permute(pattern, {0, 2, 1, 3}), 3, 0, length - s.block);  // [row, query, block, ...]
  const Var flat = slice(reshape(by_query, {s.rows * s.block, s.blocks * (length + s.block)}), 1, 0, s.blocks * length);
  const Var placed =
      permute(reshape(flat, {s.rows, s.block, s.blocks, length}), {0, 2, 1, 3});  // [row, block, query, key]
  const Var all = reshape(placed, {s.rows, s.padded(), length});
  const Var kept = slice(slice(all, 1, 0, s.positions), 2, s.block, s.block + s.positions);
  return reshape(kept, {s.heads, s.batch, s.positions, s.positions});
}

WindowAttentionOutput to_all(Var q, Var k, Var v, const PersistentPrefix& prefix,
                             const WindowAttentionOptions& options) {
  const Sizes s(q.shape(), 0);
  std::vector<double> seen;
  for (std::int64_t i = 0; i < s.positions; ++i) {
    for (std::int64_t j = 0; j < s.positions; ++j) seen.push_back(j <= i ? 1 : 0);
  }
  const Shape rows = {s.rows, 1, s.positions, s.d};
  const Var scores = matmul(reshape(turned(q, options, 0), rows), reshape(turned(k, options, 0), rows), false, true);
  WindowAttentionOutput y =
      weighted(q, scores, reshape(v, rows), q.graph->constant(std::move(seen), {s.positions, s.positions}), prefix, s);
  y.pattern = reshape(y.pattern, {s.heads, s.batch, s.positions, s.positions});
  return y;
}

/// What came before: all of it initial at the beginning of a sequence.
struct Past {
  Var keys, values, seen;
  bool empty;
};

/// Takes over what was carried and carries on the last keys and values of `keys` and `values`, which follow it.
Past exchange(Var k, Var v, const Sizes& s, Carry& carry, const std::string& name) {
  Graph& graph = *k.graph;
  const Var nothing = broadcast_to(graph.constant(0), k.shape().with(2, s.window)),
            none = broadcast_to(graph.constant(0), {1});
  Past past{carry.begin(name + ".keys", nothing), carry.begin(name + ".values", nothing),
            carry.begin(name + ".seen", none), false};
  past.empty = past.keys == nothing;
  const auto last = [&](Var before, Var own) {
    return slice(concat({before, own}, 2), 2, s.positions, s.positions + s.window);
  };
  carry.end(name + ".keys", last(past.keys, k));
  carry.end(name + ".values", last(past.values, v));
  const auto window = static_cast<double>(s.window);
  carry.end(name + ".seen", window - relu(window - (past.seen + static_cast<double>(s.positions))));
  return past;
}

WindowAttentionOutput to_window(Var q, Var k, Var v, const Past& past, const PersistentPrefix& prefix,
                                const WindowAttentionOptions& options) {
  const Sizes s(q.shape(), options.window);
  const Var keys = concat({past.keys, k}, 2),
            values = concat({past.values, v}, 2);  // [head, batch, window + position, d]
  const Shape all = {s.rows, s.window + s.positions, s.d};
  const Var queries =
      pad(reshape(turned(q, options, s.window), {s.rows, s.positions, s.d}), 1, 0, s.padded() - s.positions);
  const Var scores = matmul(reshape(queries, {s.rows, s.blocks, s.block, s.d}),
                            of_blocks(reshape(turned(keys, options, 0), all), s), false, true);
  const Var mask = window_mask(*q.graph, s) * existing(*q.graph, past.seen, s);  // [block, query, key]
  WindowAttentionOutput y = weighted(q, scores, of_blocks(reshape(values, all), s), mask, prefix, s);
  y.pattern = past.empty ? whole_pattern(y.pattern, s) : Var{};
  return y;
}

}  // namespace

WindowAttentionOutput window_attention(Var q, Var k, Var v, const PersistentPrefix& prefix,
                                       const WindowAttentionOptions& options, Carry& carry, const std::string& name) {
  check(q.shape() == k.shape() && q.shape() == v.shape(), "{}: q {}, k {} and v {} must be of one shape", name,
        q.shape().str(), k.shape().str(), v.shape().str());
  if (options.window == 0) {
    check_input(carry.mode() == Carry::Mode::whole_sequence,
                "{}: attention to all keys cannot run over a stream, its state grows with it; give it a window", name);
    return to_all(q, k, v, prefix, options);
  }
  const Past past = exchange(k, v, Sizes(q.shape(), options.window), carry, name);
  if (past.empty && options.window >= q.shape()[2]) return to_all(q, k, v, prefix, options);
  return to_window(q, k, v, past, prefix, options);
}

}  // namespace saltus
