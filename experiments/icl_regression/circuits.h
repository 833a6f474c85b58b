#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "probes/probe.h"

namespace saltus::icl_regression {

/// One head of a layer that reads Z [feature = d+N, position], a view into Circuits, row-major:
///   kq [feature(key), feature(query)]  score of position l: z_l' kq z_q
///   ov [task = N, feature]             with attention p over the positions the head adds ov Z p to the answers
/// The query's own labels are zero, so kq's last N columns do nothing and training leaves them where they began: no
/// function below reads them. The N rows of ov are the ones that reach the answers (section 2 of He et al. 2025), and
/// all of their entries count.
struct HeadCircuits {
  std::span<const double> kq, ov;
  std::int64_t input_dim = 0, n_tasks = 1;  // d, N

  std::int64_t n_features() const { return input_dim + n_tasks; }
  double kq_at(std::int64_t key, std::int64_t query) const {
    return kq[static_cast<std::size_t>(key * n_features() + query)];
  }
  double ov_at(std::int64_t task, std::int64_t feature) const {
    return ov[static_cast<std::size_t>(task * n_features() + feature)];
  }
};

/// The circuits of all heads, in double.
struct Circuits {
  std::int64_t n_heads = 0, input_dim = 0, n_tasks = 1;
  std::vector<double> kq, ov;  // [head, feature, feature], [head, task, feature]

  /// All zero.
  Circuits(std::int64_t heads, std::int64_t inputs, std::int64_t tasks);
  HeadCircuits head(std::int64_t h) const;
};

/// From the taps blocks.0.attn.KQ [head, d+N, d+N] and blocks.0.attn.OV [head, N, d+N].
Circuits circuits_of(const TapValue& kq, const TapValue& ov);

// One head. M stands for kq's first d rows and columns.

std::vector<double> kq_block(const HeadCircuits& head);      ///< M [d, d]
std::vector<double> kq_diagonal(const HeadCircuits& head);   ///< diag M
std::vector<double> ov_diagonal(const HeadCircuits& head);   ///< ov[n, d+n] for every task n
double omega(const HeadCircuits& head);                      ///< mean of diag M
double mu(const HeadCircuits& head, std::int64_t task = 0);  ///< ov[task, d+task]
double kq_off_diagonal_sup(const HeadCircuits& head);        ///< max |M_ij|, i != j
double kq21_norm(const HeadCircuits& head);  ///< Frobenius norm of kq[d.., ..d]: what a key's labels score

/// ||diag M|| / ||M||_F, 1 for a diagonal M ("KQ diag ratio" of the authors' code); 0 for M = 0.
double kq_diagonal_ratio(const HeadCircuits& head);
/// Population variance of diag M over its squared mean ("KQ diag variance"; the few 1e-6 of the authors' table are of
/// the size of the variance before the division); 0 for diag M = 0, infinite where only the mean is 0.
double kq_diagonal_variance(const HeadCircuits& head);
/// ||(ov[n, d+n])_n|| / ||ov||_F: with one task |last entry| / ||ov|| ("OV last-entry ratio"); 0 for ov = 0.
double ov_last_ratio(const HeadCircuits& head);

// Two arrays of equal length, for a head's M and the preconditioner Omega* that theory expects.

/// <a, b> / (|a| |b|), 0 when either is zero.
double cosine(std::span<const double> a, std::span<const double> b);
/// |a / |a| - b / |b||, with 0 / 0 = 0: between 0 and 2, and 1 when one of the two is zero.
double normalised_distance(std::span<const double> a, std::span<const double> b);

}  // namespace saltus::icl_regression
