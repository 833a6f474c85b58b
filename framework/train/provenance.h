#pragma once
#include <string>

#include "train/attributes.h"

namespace saltus {

/// Where a run's numbers come from, as root attributes of run.h5:
///   git_sha, git_dirty (1: the tree had changes; "unknown" and absent outside git), compiler, compile_flags: of this
///   build; binary_sha256 (hex), hdf5_version, onednn_version: of this program as it runs; hostname, cpu_model, isa
///   (the widest instruction set that the kernels may use here): of this machine; rng (the generator behind every
///   random number), created (UTC, ISO 8601).
/// Takes some milliseconds, nearly all for the hash. What cannot be found out is "unknown"; nothing throws.
Attributes provenance();

/// The time, in UTC and ISO 8601.
std::string utc_now();

/// SHA-256 of a file in hex, "unknown" when it cannot be read.
std::string file_sha256(const std::string& path);
/// SHA-256 of a text in hex.
std::string text_sha256(const std::string& text);

}  // namespace saltus
