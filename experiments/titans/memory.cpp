#include "experiments/titans/memory.h"

#include "core/check.h"
#include "experiments/titans/memory_kernels.h"

namespace saltus::titans {
namespace {

/// What one chunk takes from the sequence: all of it is computed for every chunk at once, chunk axis first.
struct Chunk {
  Var q, k, target;  // [row, T, d]; target: what the last layer's output is compared with
  Var seen;          // [row, j, i]: (k_j . q_i) written_ji
  ChunkKernels kernels;
  // Where q asks at some positions alone, i is a question, and kernels are 0 for those of other chunks. So is q itself
  // where there are several layers; one layer has nothing else to read but M_0, which it leaves out.
  bool other_questions = false;
};

/// x [n, ...] in its n parts. By halves: the gradient of a part is as long as what it was cut from, so that n cuts of
/// the whole would make a backward pass that is quadratic in the number of chunks.
void unstack(Var x, std::vector<Var>& parts) {
  const std::int64_t n = x.shape()[0];
  if (n == 1) return parts.push_back(reshape(x, x.shape().without(0)));
  unstack(slice(x, 0, 0, n / 2), parts);
  unstack(slice(x, 0, n / 2, n), parts);
}

Var total(const std::vector<Var>& parts) {
  Var all = parts[0];
  for (std::size_t i = 1; i < parts.size(); ++i) all = all + parts[i];
  return all;
}

/// Chunks of one length, positions [first, first + n T) of the sequence.
class Stretch {
 public:
  Stretch(const MemoryInputs& in, std::int64_t first, std::int64_t n, std::int64_t T)
      : in_(in), first_(first), n_(n), T_(T) {}

  std::vector<Chunk> chunks(std::size_t depth, const MemoryOptions& o) const {
    const Var k = chunk_major(in_.k), v = chunk_major(in_.v);  // [n, row, T, d]
    const Var at = in_.asked ? questions_of_chunks() : Var{};  // [n, row, question, T]
    const Var q = at ? in_.q : chunk_major(in_.q);             // [n, row, i, d], or [row, i, d] for all n
    const Var products = matmul(k, q, false, true);            // [n, row, j, i]
    ChunkKernels w;
    Var seen;
    {
      const Recomputed cheap(*q.graph);
      // The gradient of the squared error is 2 (M(k) - v) ...: the 2 goes with theta.
      w = chunk_kernels(2 * gate_major(in_.theta), gate_major(in_.eta), gate_major(in_.alpha), o.read_before_write);
      if (at) ask(w, at);
      seen = products * w.written;
    }
    std::vector<Chunk> out(static_cast<std::size_t>(n_));
    const auto give = [&out](Var x, auto member) {
      std::vector<Var> parts;
      unstack(x, parts);
      for (std::size_t c = 0; c < parts.size(); ++c) member(out[c]) = parts[c];
    };
    if (at && depth == 1) {
      for (Chunk& c : out) {
        c.q = q;
        c.other_questions = true;
      }
    } else {
      give(at ? q * sum(at, -1, true) : q, [](Chunk& c) -> Var& { return c.q; });
    }
    give(k, [](Chunk& c) -> Var& { return c.k; });
    give(o.residual ? v - k : v, [](Chunk& c) -> Var& { return c.target; });
    give(seen, [](Chunk& c) -> Var& { return c.seen; });
    if (depth > 1) give(w.written, [](Chunk& c) -> Var& { return c.kernels.written; });
    give(w.read_M, [](Chunk& c) -> Var& { return c.kernels.read_M; });
    give(w.read_S, [](Chunk& c) -> Var& { return c.kernels.read_S; });
    give(w.written_M, [](Chunk& c) -> Var& { return c.kernels.written_M; });
    give(w.written_S, [](Chunk& c) -> Var& { return c.kernels.written_S; });
    give(w.kept_M, [](Chunk& c) -> Var& { return c.kernels.kept_M; });
    give(w.carried_M, [](Chunk& c) -> Var& { return c.kernels.carried_M; });
    give(w.carried_S, [](Chunk& c) -> Var& { return c.kernels.carried_S; });
    return out;
  }

  /// n parts [row, T, d] back to positions: [row, n T, d]; or what the questions [row, question, d] were told in all.
  Var joined(std::vector<Var> parts) const {
    if (in_.asked) return total(parts);
    for (Var& part : parts) part = reshape(part, part.shape().inserted(0, 1));
    const Var all = permute(concat(std::move(parts), 0), {1, 0, 2, 3});  // [row, n, T, d]
    return reshape(all, {all.shape()[0], n_ * T_, all.shape()[3]});
  }

 private:
  Var chunk_major(Var x) const {
    const Var part = slice(x, 1, first_, first_ + n_ * T_);
    return permute(reshape(part, {part.shape()[0], n_, T_, part.shape()[2]}), {1, 0, 2, 3});
  }
  /// Which question is asked where in which chunk, [n, row, question, T].
  Var questions_of_chunks() const {
    const Var part = slice(in_.asked, 2, first_, first_ + n_ * T_);
    return permute(reshape(part, {part.shape()[0], part.shape()[1], n_, T_}), {2, 0, 1, 3});
  }
  /// Kernels of readers i as those of questions.
  static void ask(ChunkKernels& w, Var at) {
    w.written = matmul(w.written, at, false, true);
    w.read_M = matmul(at, w.read_M);
    w.read_S = matmul(at, w.read_S);
  }
  Var gate_major(Var x) const {
    const Var part = slice(x, 1, first_, first_ + n_ * T_);
    return permute(reshape(part, {part.shape()[0], n_, T_}), {1, 0, 2});
  }

  const MemoryInputs& in_;
  std::int64_t first_, n_, T_;
};

/// The memory as it goes from chunk to chunk: `moved` is M - M_0 where decay is towards M_0, else M itself.
class Memory {
 public:
  Memory(const MemoryState& state, const std::vector<Var>& initial, const MemoryOptions& options)
      : moved_(state.M), S_(state.S), initial_(initial), options_(options), depth_(state.M.size()) {
    if (!options.decay_to_initial) initial_.assign(depth_, Var{});
    for (std::size_t l = 0; l < depth_; ++l) {
      if (initial_[l]) moved_[l] = moved_[l] - initial_[l];
    }
  }

  MemoryState state() const {
    MemoryState s;
    for (std::size_t l = 0; l < depth_; ++l) s.M.push_back(weights(l));
    s.S = S_;
    return s;
  }
  const std::vector<Var>& moved() const { return moved_; }

  /// Reads and writes one chunk; what its queries read, [row, T, d].
  Var pass(const Chunk& c) {
    gradients(c);
    const Var out = read(c);
    write(c);
    return out;
  }

 private:
  Var weights(std::size_t l) const { return initial_[l] ? initial_[l] + moved_[l] : moved_[l]; }
  /// As the inner gradient sees it.
  Var held(Var weights) const { return options_.first_order ? detach(weights) : weights; }

  /// What layer l reads while it is trained, [row, T, in].
  Var input(const Chunk& c, std::size_t l) const { return l == 0 ? c.k : silu(Z_[l - 1]); }

  /// Outputs Z_l of each layer but the last and gradients g_l at them, over 2, so that the inner gradient of W_l is
  /// 2 A_l' g_l, where A_l is what the layer reads. For the outer gradient these and the states are kept; what stands
  /// between them is computed a second time, which leaves most products out: none's value is needed but through a SiLU.
  void gradients(const Chunk& c) {
    g_.assign(depth_, Var{});
    Z_.clear();
    for (std::size_t l = 0; l < depth_; ++l) {
      const Recomputed cheap(*c.k.graph);
      const Var z = matmul(input(c, l), held(weights(l)));  // [row, T, out]
      if (l + 1 < depth_) Z_.push_back(z);
      if (l + 1 == depth_) g_[l] = z - c.target;
    }
    for (std::size_t l = depth_ - 1; l > 0; --l) {
      const Recomputed cheap(*c.k.graph);
      g_[l - 1] = matmul(g_[l], held(weights(l)), false, true) * silu_grad(Z_[l - 1]);
    }
  }

  /// Each query goes through the weights of its own time, layer by layer.
  Var read(const Chunk& c) const {
    Var y;  // [row, T, out]
    for (std::size_t l = 0; l < depth_; ++l) {
      const Recomputed cheap(*c.k.graph);
      const Var x = l == 0 ? c.q : silu(y);
      const Var seen = l == 0 ? c.seen : matmul(input(c, l), x, false, true) * c.kernels.written;  // [row, j, i]
      y = matmul(x * c.kernels.read_M, moved_[l]) + matmul(x * c.kernels.read_S, S_[l]) - matmul(seen, g_[l], true);
      if (initial_[l] && !c.other_questions) y = y + matmul(x, initial_[l]);
    }
    return options_.residual ? y + c.q : y;
  }

  void write(const Chunk& c) {
    for (std::size_t l = 0; l < depth_; ++l) {
      const Recomputed cheap(*c.k.graph);
      const Var A = input(c, l);
      const auto sum_of = [&](Var written) {  // [row, in, out]
        return l == 0 ? matmul(A * written, g_[0], true) : matmul(A, written * g_[l], true);
      };
      const Var to_M = sum_of(c.kernels.written_M), to_S = sum_of(c.kernels.written_S);
      moved_[l] = c.kernels.kept_M * moved_[l] + c.kernels.carried_M * S_[l] - to_M;
      S_[l] = c.kernels.carried_S * S_[l] - to_S;
    }
  }

  std::vector<Var> moved_, S_, initial_;
  const MemoryOptions& options_;
  std::size_t depth_;
  std::vector<Var> Z_, g_;  // of the present chunk
};

}  // namespace

void check_memory(const MemoryInputs& in, const MemoryState& state, const std::vector<Var>& initial,
                  const MemoryOptions& options) {
  const std::size_t depth = state.M.size();
  check(depth >= 1 && state.S.size() == depth && initial.size() == depth, "memory: {} layers in M, {} in S, {} in M_0",
        depth, state.S.size(), initial.size());
  check(options.chunk >= 1, "memory: chunk must be 1 or more, got {}", options.chunk);
  check(!options.residual || depth > 1, "memory: a residual needs two layers or more");
  check(in.q.shape().rank() == 3 && in.q.shape()[1] >= 1, "memory: q must be [row, position, d], got {}",
        in.q.shape().str());
  const Shape asking = in.asked ? in.k.shape().with(1, in.q.shape()[1]) : in.k.shape();
  check(in.q.shape() == asking && in.v.shape() == in.k.shape(), "memory: q, k, v differ in shape: {}, {}, {}",
        in.q.shape().str(), in.k.shape().str(), in.v.shape().str());
  const Shape gate = in.k.shape().without(-1);
  if (in.asked) {
    const Shape places = gate.inserted(1, in.q.shape()[1]);
    check(in.asked.shape() == places, "memory: asked must be {}, got {}", places.str(), in.asked.shape().str());
  }
  for (Var g : {in.theta, in.eta, in.alpha}) {
    check(g.shape() == gate, "memory: gates must be {}, got {}", gate.str(), g.shape().str());
  }
  std::int64_t width = in.q.shape()[-1];
  for (std::size_t l = 0; l < depth; ++l) {
    const Shape& W = state.M[l].shape();
    check(W.rank() == 3 && W[0] == gate[0] && W[1] == width, "memory: layer {} must be [{}, {}, out], got {}", l,
          gate[0], width, W.str());
    check(state.S[l].shape() == W && initial[l].shape() == W,
          "memory: layer {} of M, S and M_0 differ in shape: {}, {}, {}", l, W.str(), state.S[l].shape().str(),
          initial[l].shape().str());
    width = W[2];
  }
  check(width == in.q.shape()[-1], "memory: the last layer gives {} numbers, v has {}", width, in.q.shape()[-1]);
}

MemoryOutput memory_chunked(const MemoryInputs& in, const MemoryState& state, const std::vector<Var>& initial,
                            const MemoryOptions& options) {
  check_memory(in, state, initial, options);
  const std::int64_t length = in.k.shape()[1], whole = length / options.chunk, rest = length % options.chunk;
  Memory memory(state, initial, options);
  std::vector<Var> out;
  std::vector<std::vector<Var>> starts;
  const auto go_through = [&](const Stretch& stretch) {
    std::vector<Var> parts;
    for (const Chunk& c : stretch.chunks(state.M.size(), options)) {
      starts.push_back(starts.empty() ? state.M : memory.moved());
      parts.push_back(memory.pass(c));
    }
    out.push_back(stretch.joined(std::move(parts)));
  };
  if (whole > 0) go_through(Stretch(in, 0, whole, options.chunk));
  if (rest > 0) go_through(Stretch(in, whole * options.chunk, 1, rest));
  Var all = in.asked ? total(out) : concat(std::move(out), 1);  // [row, i, d]
  const bool without_origin = in.asked && initial.size() == 1 && options.decay_to_initial;
  if (without_origin) all = all + matmul(in.q, initial[0]);  // of all questions at once
  return {all, memory.state(), std::move(starts)};
}

}  // namespace saltus::titans
