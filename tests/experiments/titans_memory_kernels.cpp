#include "experiments/titans/memory_kernels.h"
#include "experiments/titans_memory.h"

using namespace saltus;
using namespace saltus::tests;
using namespace saltus::titans;

namespace {

using Values = std::vector<double>;

/// Kernels of one chunk: written, read_M, read_S, written_M, written_S, kept_M, carried_M, carried_S.
std::vector<Values> kernels_of(const Values& theta, const Values& eta, const Values& alpha, bool before) {
  Graph g;
  const Shape gate = {1, static_cast<std::int64_t>(theta.size())};
  const ChunkKernels k = chunk_kernels(g.constant(theta, gate), g.constant(eta, gate), g.constant(alpha, gate), before);
  const std::vector<Var> all = {k.written,   k.read_M, k.read_S,    k.written_M,
                                k.written_S, k.kept_M, k.carried_M, k.carried_S};
  return evaluate<double>(g, all, {});
}

/// prod_{from < l <= to} factor_l
double product(const Values& factors, std::size_t from, std::size_t to) {
  double p = 1;
  for (std::size_t l = from + 1; l <= to; ++l) p *= factors[l];
  return p;
}

/// The same by their definitions: products term by term, sums over j <= k <= i.
std::vector<Values> by_definition(const Values& theta, const Values& eta, const Values& alpha, bool before) {
  const std::size_t n = theta.size();
  Values a, m(n), beta(n), f(n, 0.0), G(n * n, 0.0);  // G [j, i]
  for (double x : alpha) a.push_back(1 - x);
  for (std::size_t i = 0; i < n; ++i) {
    m[i] = eta[0] * product(eta, 0, i);
    beta[i] = a[0] * product(a, 0, i);
    for (std::size_t k = 0; k <= i; ++k) f[i] += product(a, k, i) * m[k];
    for (std::size_t j = 0; j <= i; ++j) {
      for (std::size_t k = j; k <= i; ++k) G[j * n + i] += theta[j] * product(a, k, i) * product(eta, j, k);
    }
  }
  Values written_M, written_S;
  for (std::size_t j = 0; j < n; ++j) {
    written_M.push_back(G[j * n + n - 1]);
    written_S.push_back(theta[j] * product(eta, j, n - 1));
  }
  const std::vector<Values> end = {written_M, written_S, {beta[n - 1]}, {f[n - 1]}, {m[n - 1]}};
  if (before) {  // query i reads what i - 1 left
    for (std::size_t i = n; i-- > 0;) {
      beta[i] = i > 0 ? beta[i - 1] : 1;
      f[i] = i > 0 ? f[i - 1] : 0;
      for (std::size_t j = 0; j < n; ++j) G[j * n + i] = i > 0 ? G[j * n + i - 1] : 0;
    }
  }
  return {G, beta, f, end[0], end[1], end[2], end[3], end[4]};
}

}  // namespace

TEST_CASE("the chunk's kernels, made by matrix products of exponentials, are their definitions term by term") {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> uniform;
  for (std::size_t n : {1u, 2u, 5u, 16u}) {
    Values theta(n), eta(n), alpha(n);
    for (Values* gate : {&theta, &eta, &alpha}) {
      for (double& x : *gate) x = uniform(random);
    }
    for (bool before : {false, true}) {
      CHECK(difference(by_definition(theta, eta, alpha, before), kernels_of(theta, eta, alpha, before)) < 1e-13);
    }
  }
}

TEST_CASE("the chunk's kernels hold at gates of 0 and 1, also where products of many small factors vanish") {
  const Values theta(12, 0.3), small(12, 1e-9), one(12, 1.0), zero(12, 0.0);
  const Values mixed = {0, 1, 0.5, 0, 0, 1, 1e-30, 0.9, 1, 0, 0.3, 1};
  for (const Values* eta : {&small, &one, &zero, &mixed}) {
    for (const Values* alpha : {&small, &one, &zero, &mixed}) {
      CHECK(difference(by_definition(theta, *eta, *alpha, false), kernels_of(theta, *eta, *alpha, false)) < 1e-11);
    }
  }
}

TEST_CASE("at gates of exactly 0 and 1 the chunked memory and its gradients are those of the sequential one") {
  for (std::size_t depth : {1u, 2u}) {
    for (double edge : {0.0, 1.0}) {
      for (const char* name : {"eta", "alpha", "both"}) {
        const auto run = [&](Statement statement) {
          MemoryCase c({.depth = depth, .length = 10});
          for (const char* gate : {"eta", "alpha"}) {
            // Some tokens at the edge, neighbours among them, and some inside.
            for (std::size_t t = 0;
                 t < c.values(gate).size() && (name == std::string("both") || name == std::string(gate)); ++t) {
              if (t % 5 != 3) c.values(gate)[t] = edge;
            }
          }
          const MemoryOutput o = statement(c.in, c.state, c.initial, {.chunk = 4});
          std::vector<Var> wanted = MemoryCase::all_of(o);
          for (Var g : grad(c.scalar(o), c.leaves_in_graph)) wanted.push_back(g);
          return c.evaluated(wanted);
        };
        INFO("depth " << depth << ", " << name << " = " << edge);
        CHECK(difference(run(memory_sequential), run(memory_chunked)) < 1e-10);
      }
    }
  }
}

TEST_CASE("in single precision gates at their edges leave values and gradients finite, and near the reference") {
  for (double eta : {0.0, 1.0}) {
    for (double alpha : {0.0, 1.0}) {
      MemoryCase c({.depth = 2, .length = 22, .d = 4, .hidden = 8});
      std::fill(c.values("eta").begin(), c.values("eta").end(), eta);
      std::fill(c.values("alpha").begin(), c.values("alpha").end(), alpha);
      for (double& x : c.values("theta")) x *= 0.02;
      const MemoryOutput o = memory_chunked(c.in, c.state, c.initial, {.chunk = 8});
      std::vector<Var> wanted = MemoryCase::all_of(o);
      for (Var g : grad(c.scalar(o), c.leaves_in_graph)) wanted.push_back(g);
      Leaves<float> leaves;
      for (const auto& [name, x] : c.leaves.values) leaves.values[name].assign(x.begin(), x.end());
      std::vector<Values> single;
      for (const auto& x : evaluate<float>(c.graph, wanted, leaves, Kernels::fast))
        single.emplace_back(x.begin(), x.end());
      INFO("eta " << eta << " alpha " << alpha);
      CHECK(difference(c.evaluated(wanted), single) < 1e-4);
    }
  }
}
