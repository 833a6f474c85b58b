#pragma once
#include <cmath>

#include "experiments/lama_model.h"

/// LAMA and its rivals a second time, in plain loops over one text.
namespace saltus::tests {

using Row = std::vector<double>;
using Rows = std::vector<Row>;

struct WrittenLama {
  const RecordedLama& r;
  std::size_t text, T, d, h, m;

  WrittenLama(const RecordedLama& recorded, std::size_t b)
      : r(recorded),
        text(b),
        T(static_cast<std::size_t>(recorded.lengths[b])),
        d(static_cast<std::size_t>(recorded.model.d_model())),
        h(static_cast<std::size_t>(recorded.model.d_hidden)),
        m(static_cast<std::size_t>(recorded.model.n_heads)) {}

  const Row& w(const std::string& name) const { return r.leaves.values.at(name); }
  /// Row i of a parameter whose rows are n long.
  Row row(const std::string& name, std::size_t i, std::size_t n) const {
    const auto from = w(name).begin() + static_cast<std::ptrdiff_t>(i * n);
    return {from, from + static_cast<std::ptrdiff_t>(n)};
  }

  Row times(const Row& x, const std::string& W, const std::string& b = "") const {
    const std::size_t n = w(W).size() / x.size();
    Row y = b.empty() ? Row(n) : w(b);
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t j = 0; j < n; ++j) y[j] += x[i] * w(W)[i * n + j];
    }
    return y;
  }
  static double dot(const Row& a, const Row& b) {
    double total = 0;
    for (std::size_t i = 0; i < a.size(); ++i) total += a[i] * b[i];
    return total;
  }
  static Row tanh_of(Row x) {
    for (double& v : x) v = std::tanh(v);
    return x;
  }
  static Row relu_of(Row x) {
    for (double& v : x) v = std::max(v, 0.0);
    return x;
  }
  static Row softmax_of(Row x) {
    double total = 0;
    for (double& v : x) total += v = std::exp(v);
    for (double& v : x) v /= total;
    return x;
  }

  Row embedding(std::size_t t) const {
    const std::size_t at = text * static_cast<std::size_t>(r.length) + t;
    return row("embed.W_E", static_cast<std::size_t>(r.leaves.indices.at("tokens")[at]),
               static_cast<std::size_t>(r.model.d_embed));
  }

  Row gru_step(const std::string& way, const Row& e, const Row& before) const {
    const Row a = times(e, way + "W_input", way + "b_input"), c = times(before, way + "W_hidden", way + "b_hidden");
    const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
    Row state(h);
    for (std::size_t i = 0; i < h; ++i) {
      const double reset = sigmoid(a[i] + c[i]), update = sigmoid(a[h + i] + c[h + i]);
      const double candidate = std::tanh(a[2 * h + i] + reset * c[2 * h + i]);
      state[i] = (1 - update) * candidate + update * before[i];
    }
    return state;
  }

  /// h_t of the text's words.
  Rows encoded() const {
    Rows H(T, Row(d));
    if (r.model.encoder == "positions") {
      for (std::size_t t = 0; t < T; ++t) {
        H[t] = times(embedding(t), "encoder.W", "encoder.b");
        for (std::size_t i = 0; 2 * i < d; ++i) {
          const double angle =
              static_cast<double>(t) / std::pow(10000.0, 2.0 * static_cast<double>(i) / static_cast<double>(d));
          H[t][2 * i] += std::sin(angle);
          H[t][2 * i + 1] += std::cos(angle);
        }
      }
      return H;
    }
    Row state(h);
    for (std::size_t t = 0; t < T; ++t) {
      state = gru_step("encoder.forward.", embedding(t), state);
      std::copy(state.begin(), state.end(), H[t].begin());
    }
    state.assign(h, 0);
    for (std::size_t t = T; t-- > 0;) {
      state = gru_step("encoder.backward.", embedding(t), state);
      std::copy(state.begin(), state.end(), H[t].begin() + static_cast<std::ptrdiff_t>(h));
    }
    return H;
  }

  Row mean_of(const Rows& H) const {
    Row c(d);
    for (const Row& x : H) {
      for (std::size_t i = 0; i < d; ++i) c[i] += x[i] / static_cast<double>(T);
    }
    return c;
  }

  Row word(const Row& x) const { return r.model.has_word_mlp() ? tanh_of(times(x, "word_mlp.W", "word_mlp.b")) : x; }

  /// c' P_j Q_j' u, or c' W_j u.
  double affinity(const Row& c, const Row& u, std::size_t head) const {
    const auto k = static_cast<std::size_t>(r.model.rank);
    double z = 0;
    if (r.model.pooling == "bilinear") {
      for (std::size_t i = 0; i < d; ++i) z += c[i] * dot(row("blocks.0.attn.W", head * d + i, d), u);
      return z;
    }
    for (std::size_t column = head * k; column < (head + 1) * k; ++column) {
      double cP = 0, uQ = 0;
      for (std::size_t i = 0; i < d; ++i) {
        cP += c[i] * w("blocks.0.attn.P")[i * m * k + column];
        uQ += u[i] * w("blocks.0.attn.Q")[i * m * k + column];
      }
      z += cP * uQ;
    }
    return z;
  }

  /// f [word][head]
  Rows scores(const Rows& H) const {
    Rows f;
    const Row c = r.model.pooling == "lama" ? w("blocks.0.attn.context") : mean_of(H);
    for (const Row& x : H) {
      const Row u = word(x);
      if (r.model.pooling == "structured") {
        f.push_back(times(tanh_of(times(x, "blocks.0.attn.W_s1")), "blocks.0.attn.W_s2"));
      } else if (r.model.pooling == "han") {
        f.push_back({dot(u, w("blocks.0.attn.context"))});
      } else {
        Row z(m);
        for (std::size_t j = 0; j < m; ++j) z[j] = std::tanh(affinity(c, u, j));
        const double norm = m > 1 ? std::sqrt(dot(z, z)) + 1e-8 : 1;
        for (double& v : z) v /= norm * r.model.temperature;
        f.push_back(z);
      }
    }
    return f;
  }

  /// A [head][word]
  Rows attention(const Rows& H) const {
    const Rows f = scores(H);
    Rows A;
    for (std::size_t j = 0; j < f[0].size(); ++j) {
      Row column;
      for (const Row& at_word : f) column.push_back(at_word[j]);
      A.push_back(softmax_of(column));
    }
    return A;
  }

  Row layer_normed(Row x, const std::string& name) const {
    double mean = 0, variance = 0;
    for (double v : x) mean += v / static_cast<double>(d);
    for (double v : x) variance += (v - mean) * (v - mean) / static_cast<double>(d);
    for (std::size_t i = 0; i < d; ++i) {
      x[i] = (x[i] - mean) / std::sqrt(variance + 1e-5) * w(name + ".gain")[i] + w(name + ".bias")[i];
    }
    return x;
  }

  Rows transformer(const Rows& X) const {
    const std::string block = "blocks.0.", attn = block + "attn.", mlp = block + "mlp.";
    const std::size_t n = d / m;
    Rows Q, K, V, out;
    for (const Row& x : X) {
      Q.push_back(times(x, attn + "W_Q", attn + "b_Q"));
      K.push_back(times(x, attn + "W_K", attn + "b_K"));
      V.push_back(times(x, attn + "W_V", attn + "b_V"));
    }
    for (std::size_t t = 0; t < T; ++t) {
      Row mixed(d);
      for (std::size_t j = 0; j < m; ++j) {
        Row s(T);
        for (std::size_t key = 0; key < T; ++key) {
          for (std::size_t i = j * n; i < (j + 1) * n; ++i)
            s[key] += Q[t][i] * K[key][i] / std::sqrt(static_cast<double>(n));
        }
        s = softmax_of(s);
        for (std::size_t key = 0; key < T; ++key) {
          for (std::size_t i = j * n; i < (j + 1) * n; ++i) mixed[i] += s[key] * V[key][i];
        }
      }
      Row y = times(mixed, attn + "W_O", attn + "b_O");
      for (std::size_t i = 0; i < d; ++i) y[i] += X[t][i];
      y = layer_normed(y, block + "norm_attn");
      Row z = times(relu_of(times(y, mlp + "W_in", mlp + "b_in")), mlp + "W_out", mlp + "b_out");
      for (std::size_t i = 0; i < d; ++i) z[i] += y[i];
      out.push_back(layer_normed(z, block + "norm_mlp"));
    }
    return out;
  }

  /// The rows of S one after the other.
  Row pooled() const {
    const Rows H = encoded();
    if (r.model.pooling == "mean") return mean_of(H);
    if (r.model.pooling == "transformer") return mean_of(transformer(H));
    if (r.model.pooling == "max") {
      Row s = H[0];
      for (const Row& x : H) {
        for (std::size_t i = 0; i < d; ++i) s[i] = std::max(s[i], x[i]);
      }
      return s;
    }
    Row S;
    for (const Row& weights : attention(H)) {
      for (std::size_t i = 0; i < d; ++i) {
        S.push_back(0);
        for (std::size_t t = 0; t < T; ++t) S.back() += weights[t] * H[t][i];
      }
    }
    return S;
  }

  Row logits() const {
    return times(relu_of(times(pooled(), "classifier.W_1", "classifier.b_1")), "classifier.W_2", "classifier.b_2");
  }

  /// |A A' - I|^2
  double overlap() const {
    const Rows A = attention(encoded());
    double total = 0;
    for (std::size_t i = 0; i < A.size(); ++i) {
      for (std::size_t j = 0; j < A.size(); ++j) total += std::pow(dot(A[i], A[j]) - (i == j ? 1 : 0), 2);
    }
    return total;
  }
};

}  // namespace saltus::tests
