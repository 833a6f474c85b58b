#pragma once
#include <span>
#include <vector>

#include "experiments/icl_regression/theory/approximate_loss.h"
#include "study/ode.h"

namespace saltus::icl_regression {

/// A recorded solution of the reduced flow; one entry a time.
struct ReducedFlow {
  std::vector<double> times;
  std::vector<Heads> heads;
  std::vector<double> loss;
};

/// He et al. 2025's reduced dynamics: d(omega, mu)/dt = -gradient of ApproximateLoss from `start` (their code follows
/// half the gradient, so its time is twice ours). Recorded at `times`, the first of which is the start's. Two opposite
/// heads end on the solution manifold and creep along it, mu ~ t^(1/6) and omega ~ t^(-1/6), without end; heads that
/// all grow with one sign stop at omega = 1 / sqrt(d), the single head's loss.
ReducedFlow reduced_flow(const ApproximateLoss& loss, const Heads& start, std::span<const double> times,
                         const OdeTolerance& tolerance = {});

/// The first recorded time from which on a property of the pattern holds to the end; NaN where it does not hold at the
/// end. The properties are those of measures.h, which leaves dummy heads out of sign matching and homogeneity.
struct FlowStages {
  double signs_match;  // stage I: sign_match is 1
  double zero_sum;     // stage I: zero_sum_residual is below .05
  double homogeneous;  // stage II: homogeneity, the spread of |omega|, is below .05
  double omega_peak;   // when mean |omega| is largest: it rises in stage I and falls afterwards
};
FlowStages flow_stages(const ReducedFlow& flow);

}  // namespace saltus::icl_regression
