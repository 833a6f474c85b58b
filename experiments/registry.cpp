#include "experiments/registry.h"

#include "experiments/icl_classification/system.h"

namespace saltus {

SystemTable systems() {
  static constexpr SystemEntry table[] = {
      {"icl_classification", "abrupt learning of an induction head in a two-layer attention-only network (Reddy 2024)", icl_classification::system},
  };
  return table;
}

}  // namespace saltus
