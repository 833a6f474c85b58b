#pragma once
#include <cstdint>
#include <span>
#include <vector>

/// What a memory does with a sequence, in numbers that can move before the accuracy does. Arrays are row-major, indices
/// 0-based.
namespace saltus::titans::measures {

/// One head of one sequence as its memory saw it.
struct Trace {
  std::int64_t n, d;                 // tokens, features
  const float *q, *k;                // [n, d]
  const float *theta, *eta, *alpha;  // [n]
};

/// Tokens after which decay alone has halved what was written: ln 2 over the mean of -ln(1 - alpha); infinite without
/// decay.
double decay_half_life(std::span<const float> alpha);

/// (2 - alpha)(1 + eta) - 2 theta, the least over the tokens. Writing to one unit key again and again converges while
/// it is positive: the mode [[1 - alpha - 2 theta, eta], [-2 theta, eta]] of (M, S) along the key then has both
/// eigenvalues inside the unit circle.
double stability_margin(const Trace& t);

/// What writing one unit key over and over, with the gates of one chunk of `chunk` tokens, does to (M, S) along it,
/// chunk by chunk: the largest spectral radius of [[beta_T - 2 sum_j G_Tj, f_T], [-2 sum_j n_j, m_T]] over the chunks,
/// to the power 1/T so that it counts a token. Above 1 repetition diverges. All gradients of a chunk being taken at its
/// first weights, it can for gates whose stability_margin is positive; with chunk = 1 the two agree.
double repetition_growth(const Trace& t, std::int64_t chunk);

/// Mean |k_i . k_j| over pairs i != j: how much one write disturbs another. About sqrt(2 / (pi d)) for random unit
/// keys.
double key_interference(const Trace& t);

/// What a write at token j still weighs in the memory after token i, G [n, n]: G_ij = theta_j sum_{j <= m <= i}
/// (prod_{m < l <= i} (1 - alpha_l)) (prod_{j < l <= m} eta_l), 0 for j > i. With it M_i = (decayed M_0) - sum_j G_ij
/// grad_j, whatever the chunks.
std::vector<double> influence(const Trace& t);

/// Of a query at token i, the share that the write at token j has in |q_i . k_m| G_im over all m <= i: the memory's
/// counterpart of attention's weight on the answer. 0 when nothing was written. `G` is influence(t).
/// It is of M_i: i's own write counts, even where read_before_write lets the query see M_{i-1} alone. What persistent
/// vectors wrote before the sequence is left out.
double implicit_attention(const Trace& t, std::span<const double> G, std::int64_t i, std::int64_t j);

/// cos(q_i, k_j), less the mean of cos(q_i, k_m) over the other m <= i. 0 when there are none.
double alignment(const Trace& t, std::int64_t i, std::int64_t j);

/// How fast what was written before token i shrinks at it: 2 theta_i / ((1 - eta_i) d) - ln(1 - alpha_i), the token's
/// own write and decay. A step of length theta lets 1 - 2 theta (k_i . k_j)^2 survive, 1 - 2 theta / d on the average
/// over random unit keys, and momentum makes steps 1 / (1 - eta) as long.
double shrink_rate(const Trace& t, std::int64_t i);

/// What should be left after token i of what was written at token j <= i: exp(-sum_{j < m <= i} shrink_rate(t, m)). Of
/// a linear memory read token by token; larger chunks leave a little less. i's own write counts, even where
/// read_before_write lets the token see M_{i-1} alone; persistent vectors come before all writes and do not matter.
double survival(const Trace& t, std::int64_t j, std::int64_t i);

/// |M|_F^2 / |M|_2^2 of a matrix [rows, columns]: between 1 and its rank; 0 for M = 0.
double stable_rank(const float* M, std::int64_t rows, std::int64_t columns);

/// exp(-sum p ln p), p the singular values over their sum (Roy and Vetterli 2007, "The effective rank"): between 1 and
/// the rank, and small directions count for more than in stable_rank; 0 for M = 0.
double effective_rank(const float* M, std::int64_t rows, std::int64_t columns);

}  // namespace saltus::titans::measures
