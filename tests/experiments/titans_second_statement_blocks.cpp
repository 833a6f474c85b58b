#include <cmath>

#include "experiments/titans_second_statement.h"

namespace saltus::tests::second {
namespace {

using Model = titans::ModelConfig;

std::string part_of(std::int64_t layer, const char* part) {
  return "blocks." + std::to_string(layer) + "." + std::string(part);
}

/// Learned keys and values of each head, or none.
Matrix persistent(const Parameters& p, const std::string& name, const Mixer& m, std::size_t h) {
  return m.n_persistent > 0 ? p.matrix(name, h) : Matrix{};
}

/// A token sees the persistent keys, which have no place, and the last `window` tokens' at their distance.
class Attention : public Step {
 public:
  Attention(const Parameters& p, const std::string& name, const Mixer& m, bool window)
      : p_(p), name_(name), m_(m), window_(window), Q_(p, name, "Q", m), K_(p, name, "K", m), V_(p, name, "V", m) {}

  Row next(const Row& u) override {
    const Row q = Q_.next(u);
    keys_.push_back(K_.next(u));
    values_.push_back(V_.next(u));
    Row read;
    for (std::size_t h = 0; h < static_cast<std::size_t>(m_.n_heads); ++h) append(read, read_of_head(h, q));
    return times(read, p_.matrix(name_ + ".W_O"));
  }

 private:
  Row read_of_head(std::size_t h, const Row& queries) const {
    const auto d = static_cast<std::size_t>(m_.d_head);
    const Row q = head_of(queries, h, d);
    Matrix values = persistent(p_, name_ + ".persistent_v", m_, h);
    Row scores;
    for (const Row& key : persistent(p_, name_ + ".persistent_k", m_, h))
      scores.push_back(dot(q, key) / std::sqrt(m_.d_head));
    for (std::size_t j = 0; j < keys_.size(); ++j) {
      const auto distance = static_cast<std::int64_t>(keys_.size() - 1 - j);
      if (window_ && distance >= m_.window) continue;
      const Row key = head_of(keys_[j], h, d);
      scores.push_back(dot(q, m_.rotary ? turned(key, -distance) : key) / std::sqrt(m_.d_head));
      values.push_back(head_of(values_[j], h, d));
    }
    return weighted_sum(softmax(scores), values);
  }

  const Parameters p_;
  const std::string name_;
  const Mixer m_;
  const bool window_;
  Projection Q_, K_, V_;
  std::vector<Row> keys_, values_;
};

/// Of a segment: h = what the memory held of a token before the segment; y = attention to p, h and s up to the token;
/// the memory writes y; out = (RMSNorm(y) sigmoid(RMSNorm(read-out of y))) W.
class MemoryAsContext : public Step {
 public:
  MemoryAsContext(const Parameters& p, const std::string& memory, const std::string& attention, const Model& model)
      : p_(p),
        memory_name_(memory),
        name_(attention),
        m_(model.mixer),
        segment_(static_cast<std::size_t>(model.segment)),
        Q_(p, attention, "Q", m_),
        K_(p, attention, "K", m_),
        V_(p, attention, "V", m_),
        memory_(p, memory, m_) {}

  Row next(const Row& s) override {
    if (keys_of_s_.size() == segment_ || before_segment_.empty()) begin_segment();
    const Row h = held_of(s), q = Q_.next(s);
    keys_of_h_.push_back(times(h, K_.weight()));
    values_of_h_.push_back(times(h, V_.weight()));
    keys_of_s_.push_back(K_.next(s));
    values_of_s_.push_back(V_.next(s));
    Row read;
    for (std::size_t head = 0; head < before_segment_.size(); ++head) append(read, attended(head, q));
    const Row y = times(read, p_.matrix(name_ + ".W_O"));
    const Row m = memory_.read_out().of(y, memory_.written(y));
    Row gate = rms_normed(m, p_.row(memory_name_ + ".norm_out.gain"));
    for (double& g : gate) g = sigmoid(g);
    return times(hadamard(rms_normed(y, p_.row(name_ + ".norm_out.gain")), gate), p_.matrix(memory_name_ + ".W_gated"));
  }

 private:
  void begin_segment() {
    before_segment_ = memory_.heads();
    memory_.begin_chunk();
    for (auto* of_segment : {&keys_of_h_, &values_of_h_, &keys_of_s_, &values_of_s_}) of_segment->clear();
  }

  Row held_of(const Row& s) const {
    const Row questions = times(s, p_.matrix(memory_name_ + ".W_read"));
    Row held;
    for (std::size_t h = 0; h < before_segment_.size(); ++h)
      append(held, before_segment_[h].of(unit(silu(head_of(questions, h, static_cast<std::size_t>(m_.d_head))))));
    return times(held, p_.matrix(memory_name_ + ".W_h"));
  }

  /// Places count from the segment's beginning, where the persistent keys stand.
  Row attended(std::size_t head, const Row& queries) const {
    const auto d = static_cast<std::size_t>(m_.d_head);
    const auto placed = [&](const Row& x, std::size_t place) {
      return m_.rotary ? turned(x, static_cast<std::int64_t>(place)) : x;
    };
    const Row q = placed(head_of(queries, head, d), keys_of_s_.size() - 1);
    Row scores;
    for (const Row& key : persistent(p_, name_ + ".persistent_k", m_, head)) scores.push_back(dot(q, key));
    Matrix values = persistent(p_, name_ + ".persistent_v", m_, head);
    for (std::size_t j = 0; j < keys_of_s_.size(); ++j) {
      scores.push_back(dot(q, placed(head_of(keys_of_h_[j], head, d), j)));
      values.push_back(head_of(values_of_h_[j], head, d));
      scores.push_back(dot(q, placed(head_of(keys_of_s_[j], head, d), j)));
      values.push_back(head_of(values_of_s_[j], head, d));
    }
    return weighted_sum(softmax(scaled(scores, 1 / std::sqrt(m_.d_head))), values);
  }

  const Parameters p_;
  const std::string memory_name_, name_;
  const Mixer m_;
  const std::size_t segment_;
  Projection Q_, K_, V_;
  LongMemory memory_;
  std::vector<Network> before_segment_;
  std::vector<Row> keys_of_h_, values_of_h_, keys_of_s_, values_of_s_;
};

/// Window attention y and memory m of the same token, joined by a gate.
class MemoryAsGate : public Step {
 public:
  MemoryAsGate(const Parameters& p, const std::string& memory, const std::string& attention, const Model& model)
      : p_(p),
        memory_name_(memory),
        name_(attention),
        mixture_(model.gating == "mixture"),
        attention_(second::attention(p, attention, model.mixer, true)),
        memory_(memory_alone(p, memory, model.mixer)) {}

  Row next(const Row& u) override {
    const Row y = rms_normed(attention_->next(u), p_.row(name_ + ".norm_out.gain"));
    const Row m = rms_normed(memory_->next(u), p_.row(memory_name_ + ".norm_out.gain"));
    const Row logit =
        mixture_ ? plus(times(u, p_.matrix(memory_name_ + ".W_gate")), p_.row(memory_name_ + ".b_gate")) : m;
    Row joined;
    for (std::size_t i = 0; i < y.size(); ++i)
      joined.push_back(sigmoid(logit[i]) * y[i] + (mixture_ ? sigmoid(-logit[i]) * m[i] : 0));
    return times(joined, p_.matrix(memory_name_ + ".W_gated"));
  }

 private:
  const Parameters p_;
  const std::string memory_name_, name_;
  const bool mixture_;
  std::unique_ptr<Step> attention_, memory_;
};

/// Window attention to what the memory gives.
class MemoryAsLayer : public Step {
 public:
  MemoryAsLayer(const Parameters& p, const std::string& memory, const std::string& attention, const Model& model)
      : gain_(p.row(memory + ".norm_out.gain")),
        memory_(memory_alone(p, memory, model.mixer)),
        attention_(second::attention(p, attention, model.mixer, true)) {}

  Row next(const Row& u) override { return attention_->next(rms_normed(memory_->next(u), gain_)); }

 private:
  const Row gain_;
  std::unique_ptr<Step> memory_, attention_;
};

}  // namespace

std::unique_ptr<Step> attention(const Parameters& p, const std::string& name, const Mixer& m, bool window) {
  return std::make_unique<Attention>(p, name, m, window);
}

std::unique_ptr<Step> mixing(const Parameters& p, std::int64_t layer, const Model& model) {
  const std::string memory = part_of(layer, "mixer"), attends = part_of(layer, "attn"), &kind = model.mixer.kind;
  if (model.architecture == "mac") return std::make_unique<MemoryAsContext>(p, memory, attends, model);
  if (model.architecture == "mag") return std::make_unique<MemoryAsGate>(p, memory, attends, model);
  if (model.architecture == "mal") return std::make_unique<MemoryAsLayer>(p, memory, attends, model);
  if (kind == "memory") return memory_alone(p, memory, model.mixer);
  if (kind == "attention" || kind == "sliding_window")
    return attention(p, attends, model.mixer, kind == "sliding_window");
  if (kind == "ttt_linear" || kind == "ttt_mlp") return ttt(p, memory, model.mixer);
  return kind == "gru" ? gru(p, memory, model.mixer) : matrix_memory(p, memory, model.mixer);
}

}  // namespace saltus::tests::second
