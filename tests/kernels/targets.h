#pragma once
#include <hwy/targets.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

namespace saltus::tests {

/// Runs `body` once for each instruction set that this machine has and that kernels are built for, and leaves the choice as it was.
template <class Body>
void on_every_target(const Body& body) {
  const std::vector<std::int64_t> targets = hwy::SupportedAndGeneratedTargets();
  for (std::int64_t target : targets) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    INFO("target " << hwy::TargetName(target));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace saltus::tests
