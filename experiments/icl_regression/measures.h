#pragma once
#include <span>
#include <string>
#include <vector>

#include "data/linear_regression.h"
#include "experiments/icl_regression/circuits.h"
#include "experiments/icl_regression/descent.h"
#include "probes/probe.h"

namespace saltus::icl_regression {

// All heads of a model with one task: omega and mu hold one number a head. Sources: section 3 of He et al. 2025 and its
// authors' code.

/// A head that does nothing: |omega_h| < 0.2 max |omega| and |mu_h| < 0.05 max |mu|. Where all omega are zero, that
/// half of the test holds for every head, and likewise for mu.
std::vector<bool> dummy_heads(std::span<const double> omega, std::span<const double> mu);

/// Share of the non-dummy heads with omega_h mu_h > 0; 0 when all are dummy.
double sign_match(std::span<const double> omega, std::span<const double> mu);
/// |sum mu| / sum |mu|, 1 when all mu have one sign; 0 when all are zero.
double zero_sum_residual(std::span<const double> mu);
/// Standard deviation over mean of |omega_h| over the non-dummy heads; 0 when all are dummy.
double homogeneity(std::span<const double> omega, std::span<const double> mu);
/// <mu, omega^k> with the power taken entry by entry. The approximate loss asks the even ones to vanish.
double moment(std::span<const double> omega, std::span<const double> mu, int k);
/// The same-sign trap: two or more heads, one at least not a dummy, and all that are not share the sign of omega. Such
/// a model predicts as a single head does.
bool same_sign_trap(std::span<const double> omega, std::span<const double> mu);
/// eta = slope <mu, omega>: the learning rate of the gradient step that the heads make together (2 gamma mu_gamma for a
/// pair of heads +-gamma, +-mu_gamma). `slope` is C_f of Linearisation.
double effective_learning_rate(std::span<const double> omega, std::span<const double> mu, double slope = 1);

/// What a model with one layer has become, from the taps blocks.0.attn.KQ, blocks.0.attn.OV and prediction [batch,
/// task]: the measures of the weights, then how far the predictions are from gradient descent's.
///
/// Two descents are compared, E sum_n (yhat_n - yhat_GD,n)^2 / N over the batch:
/// - distance_to_dgd, the one that theory expects: W_nn = eta_n Omega*_n, with the multiple eta_n of Omega*_n that is
///   nearest to slope sum_h mu_n^h M_h. With Omega* = c I this is DGD(eta_eff), eta_eff = slope sum_h mu_h omega_h,
///   whatever c.
/// - distance_to_own_dgd, the model's own linearisation (descent.h). It needs no theory: it tells whether the model
///   is a preconditioned descent at all, on covariates of any covariance.
/// Without centring (linear attention) they are distance_to_gd and distance_to_own_gd. Divide by prediction_power,
/// E sum_n yhat_n^2 / N, for a relative error: a ratio of means, which a mean over samples cannot be.
class CircuitProbe : public Probe {
 public:
  /// `preconditioner`: Omega*_n for each task [task, d, d]; empty: the identity on the coordinates S_n that task n
  /// reads.
  CircuitProbe(const LinearRegressionConfig& task, std::int64_t n_heads, const Linearisation& linearisation = {},
               std::vector<double> preconditioner = {});
  std::vector<std::string> taps() const override;
  std::vector<Measure> measures() const override;
  void accumulate(const Batch& batch, const std::function<TapValue(const std::string&)>& tap,
                  std::span<double> sums) const override;

 protected:
  /// A measure of the weights with its value.
  struct Measured {
    Measure measure;
    std::vector<double> values;
  };
  virtual std::vector<Measured> of_weights(const Circuits& circuits) const;
  /// Those that do not depend on the number of tasks: shape of each head's circuits.
  std::vector<Measured> of_each_head(const Circuits& circuits) const;
  Measured per_head(const std::string& name, const std::string& long_name, const Circuits& circuits,
                    double (*of)(const HeadCircuits&)) const;
  /// Of each task: the multiple of Omega*_n nearest to slope sum_h mu_n^h M_h; 1 at the minimum of theory.
  Measured preconditioner_multiples(const Circuits& circuits) const;
  std::span<const double> preconditioner(std::int64_t task) const;

  LinearRegressionConfig task_;
  std::int64_t n_heads_;
  Linearisation linearisation_;

 private:
  std::vector<double> preconditioner_;
};

}  // namespace saltus::icl_regression
