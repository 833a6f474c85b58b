#include "experiments/icl_regression/theory/isotropic_task.h"

namespace saltus::icl_regression {

IsotropicTask IsotropicTask::with_length(int length) const {
  IsotropicTask other = *this;
  other.n_context = length;
  return other;
}

IsotropicTask isotropic_task(const LinearRegressionConfig& config, int task) {
  const double beta_std = config.coefficient_std(), noise_std = config.label_noise_std(task);
  return {.input_dim = static_cast<int>(config.support(task).size()),
          .n_context = static_cast<int>(config.n_context),
          .noise_variance = noise_std * noise_std,
          .beta_variance = beta_std * beta_std,
          .noisy_query = config.noisy_query};
}

}  // namespace saltus::icl_regression
