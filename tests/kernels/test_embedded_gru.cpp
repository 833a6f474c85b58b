#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/embedded_gru.h"
#include "kernels/gru.h"
#include "kernels/targets.h"

using namespace saltus;
using saltus::tests::on_every_target;

namespace {

using Floats = std::vector<float>;
constexpr float unwritten = std::numeric_limits<float>::quiet_NaN();

/// Sequences of the given lengths over a vocabulary, in batches of `steps` words, with weights of their own.
struct Texts {
  std::size_t rows, inputs, units, steps;
  std::vector<std::size_t> lengths;
  Floats table, mask, dy;
  std::vector<std::int32_t> ids;
  Floats weights[2][4];  // forwards, backwards: W, U, b, c

  Texts(std::size_t V, std::size_t E, std::size_t h, std::size_t T, std::vector<std::size_t> words)
      : rows(V), inputs(E), units(h), steps(T), lengths(std::move(words)) {
    std::mt19937 random(3);
    const auto draw = [&random](std::size_t n, double std) {
      std::normal_distribution<double> normal(0, std);
      Floats values(n);
      for (float& v : values) v = static_cast<float>(normal(random));
      return values;
    };
    const std::size_t B = lengths.size();
    table = draw(V * E, 1), dy = draw(B * T * 2 * h, 1);
    for (Floats* d : {weights[0], weights[1]}) {
      d[0] = draw(E * 3 * h, 1 / std::sqrt(static_cast<double>(E)));
      d[1] = draw(h * 3 * h, 1 / std::sqrt(static_cast<double>(h)));
      d[2] = draw(3 * h, 0.5), d[3] = draw(3 * h, 0.5);
    }
    mask.assign(B * T, 0);
    for (std::size_t i = 0; i < B * T; ++i) {
      mask[i] = i % T < lengths[i / T] ? 1.0f : 0.0f;
      // No word is one of the vocabulary there.
      ids.push_back(mask[i] == 0 ? -1 : static_cast<std::int32_t>(random() % V));
    }
  }
  std::size_t words() const { return ids.size(); }

  /// States [batch, T, 2h], gates, and the gradients: of the table, then of the weights.
  std::vector<Floats> embedded() const {
    const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
    kernels::EmbeddedGru g{size(lengths.size()), size(steps), size(rows), size(inputs), size(units), table.data(),
                           ids.data(),           mask.data(), {}};
    std::vector<Floats> out = {Floats(words() * 2 * units, unwritten), Floats(words() * 8 * units, unwritten),
                               Floats(table.size(), unwritten)};
    for (std::size_t way = 0; way < 2; ++way) {
      const Floats* w = weights[way];
      g.directions[way] = {w[0].data(), w[1].data(), w[2].data(), w[3].data()};
      for (std::size_t i = 0; i < 4; ++i) out.emplace_back(w[i].size(), unwritten);
    }
    const auto at = [&out](std::size_t i) { return out[i].data(); };
    kernels::embedded_gru(g, at(0), at(1));
    kernels::embedded_gru_grad(g, at(0), at(1), dy.data(),
                               {at(2), {{at(3), at(4), at(5), at(6)}, {at(7), at(8), at(9), at(10)}}});
    return out;
  }

  /// The same of two grus whose inputs are the words' rows.
  std::vector<Floats> looked_up() const {
    Floats x(words() * inputs);
    for (std::size_t i = 0; i < words(); ++i) {
      if (ids[i] >= 0) std::copy_n(&table[static_cast<std::size_t>(ids[i]) * inputs], inputs, &x[i * inputs]);
    }
    std::vector<Floats> out = {Floats(words() * 2 * units), Floats(), Floats(table.size(), 0.0f)};
    for (std::size_t way = 0; way < 2; ++way) {
      const Floats* w = weights[way];
      const auto size = [](std::size_t n) { return static_cast<std::int64_t>(n); };
      const kernels::Gru g{way == 1,    size(lengths.size()), size(steps), size(inputs), size(units), x.data(),
                           w[0].data(), w[1].data(),          w[2].data(), w[3].data(),  mask.data()};
      Floats y(words() * units), gates(words() * 4 * units), half(y.size()), dx(x.size());
      kernels::gru(g, y.data(), gates.data());
      for (std::size_t i = 0; i < words(); ++i) {
        std::copy_n(&y[i * units], units, &out[0][(2 * i + way) * units]);
        std::copy_n(&dy[(2 * i + way) * units], units, &half[i * units]);
      }
      out[1].insert(out[1].end(), gates.begin(), gates.end());
      Floats d[4];
      for (std::size_t i = 0; i < 4; ++i) d[i].resize(w[i].size());
      kernels::gru_grad(g, y.data(), gates.data(), half.data(),
                        {dx.data(), d[0].data(), d[1].data(), d[2].data(), d[3].data()});
      for (std::size_t i = 0; i < x.size(); ++i) {
        if (ids[i / inputs] >= 0) out[2][static_cast<std::size_t>(ids[i / inputs]) * inputs + i % inputs] += dx[i];
      }
      for (const Floats& of_weight : d) out.push_back(of_weight);
    }
    return out;
  }
};

void check_case(const Texts& texts) {
  INFO("units " << texts.units << ", batch " << texts.lengths.size());
  on_every_target([&] {
    const std::vector<Floats> ours = texts.embedded(), theirs = texts.looked_up();
    CHECK(ours[0] == theirs[0]);  // bit by bit: only gradients are summed in another order
    CHECK(ours[1] == theirs[1]);
    for (std::size_t i = 2; i < ours.size(); ++i) {
      float scale = 1e-3f;
      for (float v : theirs[i]) scale = std::max(scale, std::abs(v));
      for (std::size_t e = 0; e < ours[i].size(); ++e) {
        INFO("array " << i << " element " << e);
        REQUIRE(std::abs(ours[i][e] - theirs[i][e]) <= 4e-6f * scale);
      }
    }
  });
}

}  // namespace

TEST_CASE("the embedded gru is two grus on rows of the table, for every kind of width, batch and length") {
  check_case(Texts(1, 1, 1, 1, {1}));
  check_case(Texts(4, 3, 5, 6, {6, 0, 2}));                           // few words, often
  check_case(Texts(50, 2, 16, 5, {1, 5, 0, 3, 3}));                   // one vector of AVX-512; many words, once
  check_case(Texts(9, 7, 19, 6, {2, 6, 1, 4, 6, 3, 5, 6, 2, 1, 6}));  // tiles and what is left of them
  check_case(Texts(9, 4, 53, 3, {3, 1, 2, 3, 3, 3, 3, 3, 3}));        // a group of three vectors and one
  check_case(Texts(3, 2, 4, 2, {0, 0}));                              // no word at all
  check_case(Texts(70, 2, 3, 17, std::vector<std::size_t>(70, 15)));  // several chunks
}

TEST_CASE("words that a batch does not have get no gradient, whatever the batch before it had") {
  on_every_target([] {
    CHECK(Texts(40, 2, 3, 30, {30, 30, 30}).embedded()[2][0] != 0);
    Texts texts(40, 2, 3, 3, {2});
    texts.ids = {7, 7, -1};
    const Floats d = texts.embedded()[2];
    for (std::size_t i = 0; i < d.size(); ++i) CHECK((d[i] != 0) == (i / 2 == 7));
  });
}

TEST_CASE("a text's states have the same bits whatever other texts are in the batch") {
  on_every_target([] {
    Texts many(9, 3, 5, 6, {2, 6, 4, 3, 5, 1, 6, 6, 2}), alone(9, 3, 5, 6, {4});
    std::copy_n(many.ids.begin() + 2 * 6, 6, alone.ids.begin());
    std::copy_n(many.weights[0], 4, alone.weights[0]), std::copy_n(many.weights[1], 4, alone.weights[1]);
    alone.table = many.table;
    const Floats y = many.embedded()[0];
    CHECK(alone.embedded()[0] == Floats(y.begin() + 2 * 60, y.begin() + 3 * 60));
  });
}

TEST_CASE("what the cotangent holds in the padding is not read, and the padding's states are 0") {
  on_every_target([] {
    Texts texts(9, 3, 5, 6, {4, 6, 2});
    const std::vector<Floats> before = texts.embedded();
    std::fill_n(texts.dy.begin() + 4 * 10, 2 * 10, unwritten);
    CHECK(texts.embedded() == before);
    CHECK(std::count(before[0].begin() + 4 * 10, before[0].begin() + 6 * 10, 0.0f) == 2 * 10);
  });
}
