#pragma once
#include <vector>

#include "experiments/icl_regression/measures.h"

namespace saltus::icl_regression {

// Models that answer N tasks at once, task n from the coordinates S_n (section 5 of He et al. 2025). omega^h [input] is
// the diagonal of head h's M, mu^h [task] that of ov's last N columns. Arrays are row-major.

/// S_n for every task, each rising.
using Supports = std::vector<std::vector<int>>;
Supports supports_of(const LinearRegressionConfig& task);

/// Effective weights w [task, input] = slope sum_h mu_n^h omega_j^h: to first order, what coordinate j of the context
/// has to say on task n. N separate descents have eta_n on S_n and 0 elsewhere, for any N.
std::vector<double> effective_weights(const Circuits& circuits, double slope = 1);

/// [task n, label m, input] = slope sum_h ov^h[n, d+m] omega_j^h: what the labels of task m say on task n. The blocks m
/// = n are the effective weights; He et al. expect the others to vanish (OV_22 diagonal), which holds when the tasks
/// have separate coefficients. With shared ones four heads gain from them: they beat N separate descents.
std::vector<double> label_weights(const Circuits& circuits, double slope = 1);
/// Norm of the label weights with m != n over the norm of all; 0 when all are zero.
double cross_label_share(const Circuits& circuits);

/// eta [task]: mean of task n's effective weights over S_n, the learning rate of its descent.
std::vector<double> effective_learning_rates(const std::vector<double>& effective_weights, const Supports& supports);

/// [head, task]: head h's share in task n's effective weights, sum_j |mu_n^h omega_j^h| over its sum over the heads.
/// Adds up to 1 over the heads; dedicated pairs show 1/2 twice in a task's column. All 0 for a task that no head
/// serves. The idea that each head picks its task is that of Chen, Sheen, Wang and Yang 2024 (arXiv 2402.19442); the
/// formula is ours.
std::vector<double> task_head_allocation(const Circuits& circuits);

/// |omega^h|_rms < 0.2 of the largest and max_n |mu_n^h| < 0.05 of the largest: dummy_heads with sizes of vectors,
/// since a head's mean omega may vanish while it works.
std::vector<bool> dummy_heads(const Circuits& circuits);

/// [task]: |sum_h mu_n^h| / sum_h |mu_n^h|; 0 where all are zero.
std::vector<double> zero_sum_residuals(const Circuits& circuits);

/// Coordinates that the same tasks read, each block rising; for two tasks S_1 \ S*, S*, S_2 \ S* and, where there are
/// any, those that no task reads. In the order of their first coordinate.
std::vector<std::vector<int>> support_blocks(const Supports& supports, std::int64_t input_dim);
/// How far omega^h is from constant on each block: its distance from the blocks' means over its norm, both over all
/// heads; 0 for omega = 0.
double block_constancy_residual(const Circuits& circuits, const std::vector<std::vector<int>>& blocks);

/// [task]: sine of the angle between task n's effective weights and the indicator of S_n, 0 for w_n constant on S_n and
/// 0 elsewhere, which is the superposition identity up to its scale; 1 for w_n = 0.
std::vector<double> support_residuals(const std::vector<double>& effective_weights, const Supports& supports);

/// Two tasks: omega_S* - omega_{S_1 \ S*} - omega_{S_2 \ S*} of each head, from the blocks' means. Where the heads are
/// three, the other identities make it one constant over the heads; more heads leave it free, except that sum_h mu_n^h
/// of it vanishes. Returns its standard deviation over the heads, over the root mean square of all block means; 0 when
/// these are all zero. Throws where !has_overlap_blocks(supports).
double overlap_residual(const Circuits& circuits, const Supports& supports);
/// Two tasks that share coordinates, and each of which has some of its own.
bool has_overlap_blocks(const Supports& supports);

/// CircuitProbe for models of several tasks.
class MultiTaskProbe : public CircuitProbe {
 public:
  MultiTaskProbe(const LinearRegressionConfig& task, std::int64_t n_heads, const Linearisation& linearisation = {},
                 std::vector<double> preconditioner = {});

 private:
  std::vector<Measured> of_weights(const Circuits& circuits) const override;

  Supports supports_;
};

}  // namespace saltus::icl_regression
