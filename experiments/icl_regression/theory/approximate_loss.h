#pragma once
#include <Eigen/Core>

#include "experiments/icl_regression/theory/isotropic_task.h"

namespace saltus::icl_regression {

/// The two numbers that a head of the learned pattern comes down to: KQ = omega I, OV = mu. Both are [head].
struct Heads {
  Eigen::VectorXd omega, mu;
};

/// He et al. 2025's approximation of the risk of H softmax heads with that pattern, L-tilde:
///   query noise + b d (1 - 2 mu'omega + mu' (omega omega' + c exp(d omega omega')) mu),  exp entry by entry,
/// with c = (1 + sigma^2 / (b d)) / L. It replaces X' softmax(omega X x_q) by omega x_q and the inner product of two
/// heads' patterns by exp(d omega omega') / L: fit for d > log L and |omega| up to about sqrt(log(L) / d).
class ApproximateLoss {
 public:
  explicit ApproximateLoss(const IsotropicTask& task) : task_(task) {}
  const IsotropicTask& task() const { return task_; }

  double value(const Heads& heads) const;
  /// The same as a sum over powers, cut after `terms` of them:
  ///   query noise + b d ((1 - <mu,omega>)^2 + c sum_{k < terms} (d^k / k!) <mu, omega^k>^2).
  double series(const Heads& heads, int terms) const;

  /// d/d omega = 2 b d (-mu + (mu'omega) mu + d c (E o mu mu') omega), d/d mu = 2 b d (-omega + (omega omega' + c E)
  /// mu), E = exp(d omega omega'). Into vectors of the heads' number, without allocating.
  void gradient(const Eigen::Ref<const Eigen::VectorXd>& omega, const Eigen::Ref<const Eigen::VectorXd>& mu,
                Eigen::Ref<Eigen::VectorXd> d_omega, Eigen::Ref<Eigen::VectorXd> d_mu) const;
  Heads gradient(const Heads& heads) const;

  /// The mu that is best for given omega: (omega omega' + c E)^-1 omega; of least norm where heads share an omega.
  Eigen::VectorXd optimal_mu(const Eigen::VectorXd& omega) const;

  /// Two heads (omega, mu) and (-omega, -mu): query noise + b d (1 - 4 mu omega + 4 mu^2 (omega^2 + c sinh(d
  /// omega^2))).
  double two_heads(double omega, double mu) const;
  /// That with mu at its best: query noise + b d c s / (omega^2 + c s), s = sinh(d omega^2). Rises with |omega|; its
  /// limit at 0 is approximate_loss_limit().
  double two_heads_best(double omega) const;

  /// The minimum over one head: omega = 1 / sqrt(d), mu = sqrt(d) / (1 + c d e), each of size 1.
  Heads single_head() const;
  /// query noise + b d c d e / (1 + c d e)
  double single_head_loss() const;

 private:
  IsotropicTask task_;
};

}  // namespace saltus::icl_regression
