#pragma once
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "experiments/network.h"

namespace saltus::tests {

/// What an experimenter does to the attention of one query by hand.
struct Attention {
  int layer, head;
  std::size_t query, target;  // positions; item k is at 2k, its label at 2k + 1
  std::vector<bool> match;    // [pair]: whether it is of the target's class
  std::vector<double> p;      // [key <= query]

  bool at(int l, int h) const { return layer == l && head == h; }
  bool is_target() const { return query == target; }
  bool is_label() const { return query % 2 == 1; }
  bool on_right_label(std::size_t key) const { return key % 2 == 1 && match[key / 2]; }
  bool on_right_item(std::size_t key) const { return key % 2 == 0 && key < target && match[key / 2]; }

  /// p <- (1 - s) p + s (the keys that `wanted` names, equally); as it was where there is none.
  void mix(double s, const std::function<bool(std::size_t key)>& wanted) {
    double count = 0;
    for (std::size_t j = 0; j <= query; ++j) count += wanted(j);
    if (count == 0) return;
    for (std::size_t j = 0; j <= query; ++j) p[j] = (1 - s) * p[j] + (wanted(j) ? s / count : 0);
  }
  /// Takes the share s off the keys that `unwanted` names, and scales all to the sum that there was, if anything is
  /// left.
  void remove(double s, const std::function<bool(std::size_t key)>& unwanted) {
    double before = 0, total = 0;
    for (std::size_t j = 0; j <= query; ++j) {
      before += p[j];
      total += p[j] *= unwanted(j) ? 1 - s : 1;
    }
    for (double& x : p) x *= total > 0 ? before / total : 1;
  }
};

/// The network of Reddy 2024 with several heads and with somebody's hand in its attention, for one sequence, in double,
/// every projection made as it is written:
///   x_i <- x_i + sum_h V_h sum_{j<=i} p_hij x_j,  p_hij = hand(softmax over j <= i of (K_h x_j) . (Q_h x_i))
class ClampedNetwork {
 public:
  using Vector = std::vector<double>;
  using Hand = std::function<void(Attention&)>;

  ClampedNetwork(const Network& network, Hand hand) : n_(network), hand_(std::move(hand)) {}

  /// Of all sequences, one after another.
  Vector logits() const {
    Vector all;
    for (int s = 0; s < n_.sequences.size; ++s) {
      const Vector row = logits(s);
      all.insert(all.end(), row.begin(), row.end());
    }
    return all;
  }

  Vector logits(int s) const {
    std::vector<Vector> x;
    for (int t = 0; t < n_.task.n_tokens(); ++t)
      x.emplace_back(n_.sequences.token(s, t).begin(), n_.sequences.token(s, t).end());
    const auto pairs = static_cast<std::size_t>(n_.task.n_pairs);
    const auto matches = n_.leaves.indices.at("context_match").begin() + s * n_.task.n_pairs;
    Attention a{.layer = 0, .head = 0, .query = 0, .target = 2 * pairs, .match = {}, .p = {}};
    for (std::size_t k = 0; k < pairs; ++k) a.match.push_back(matches[static_cast<std::ptrdiff_t>(k)] == 1);
    for (a.layer = 0; a.layer < n_.model.n_layers; ++a.layer) {
      const std::vector<Vector> before = x;
      for (a.query = 0; a.query < x.size(); ++a.query) {
        for (a.head = 0; a.head < n_.model.n_heads; ++a.head) add(x[a.query], written(before, a));
      }
    }
    Vector h = x.back();
    for (int layer = 0; layer < 3; ++layer) {
      h = times(h, fmt::format("classifier.{}.W", layer), 0, 1);
      for (double& unit : h) unit = std::max(unit + weight(fmt::format("classifier.{}.b", layer))[0], 0.0);
    }
    return times(h, "unembed.W_U", 0, 1);
  }

 private:
  const Vector& weight(const std::string& name) const { return n_.leaves.values.at(name); }

  /// Row vector x times part `index` of `count` of a parameter.
  Vector times(const Vector& x, const std::string& name, int index, int count) const {
    const Vector& w = weight(name);
    const std::size_t size = w.size() / static_cast<std::size_t>(count), columns = size / x.size();
    Vector y(columns);
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t k = 0; k < columns; ++k)
        y[k] += x[i] * w[static_cast<std::size_t>(index) * size + i * columns + k];
    }
    return y;
  }

  /// What a head writes at the query.
  Vector written(const std::vector<Vector>& x, Attention& a) const {
    const auto projected = [&](const char* w, std::size_t t) {
      return times(x[t], fmt::format("blocks.{}.attn.{}", a.layer, w), a.head, static_cast<int>(n_.model.n_heads));
    };
    const Vector query = projected("W_Q", a.query);
    a.p.assign(a.query + 1, 0);
    double total = 0;
    for (std::size_t j = 0; j <= a.query; ++j) {
      const Vector key = projected("W_K", j);
      double score = 0;
      for (std::size_t k = 0; k < key.size(); ++k) score += key[k] * query[k];
      total += a.p[j] = std::exp(score);
    }
    for (double& p : a.p) p /= total;
    hand_(a);
    Vector out(x[0].size());
    for (std::size_t j = 0; j <= a.query; ++j) {
      Vector value = projected("W_V", j);
      for (double& v : value) v *= a.p[j];
      add(out, value);
    }
    return out;
  }

  static void add(Vector& to, const Vector& x) {
    for (std::size_t i = 0; i < x.size(); ++i) to[i] += x[i];
  }

  const Network& n_;
  Hand hand_;
};

}  // namespace saltus::tests
