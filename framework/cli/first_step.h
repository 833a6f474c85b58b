#pragma once
#include <string>

#include "train/config.h"

namespace saltus::cli {

/// Takes a config's first training step and writes it into `folder` (made if missing) as NumPy files, for another
/// implementation to check itself against: batch.<field>.npy, loss.npy (the batch's mean), gradient.<parameter>.npy (of
/// that mean), and the parameters as before.<parameter>.npy and after.<parameter>.npy. Throws Error when a file cannot
/// be written.
void write_first_step(const TrainConfig& config, const std::string& folder);

}  // namespace saltus::cli
