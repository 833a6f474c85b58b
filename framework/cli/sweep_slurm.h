#pragma once
#include <string>

#include "cli/verbs.h"

/// What `saltus sweep` can do on a Slurm cluster.
namespace saltus::cli {

Action add_submit(CLI::App& sweep);
Action add_cancel(CLI::App& sweep);

/// One line on a sweep's workers in Slurm, with its line break; empty when none were ever submitted.
std::string slurm_line(const std::string& folder);

}  // namespace saltus::cli
