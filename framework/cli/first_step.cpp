#include "cli/first_step.h"

#include <filesystem>
#include <fstream>
#include <memory>

#include "core/check.h"
#include "data/owned_batch.h"
#include "train/train_step.h"

namespace saltus::cli {
namespace {

/// A row-major array in NumPy's file format 1.0.
void write_npy(const std::string& path, const Shape& shape, DType dtype, const void* data) {
  std::string tuple;
  for (std::int64_t n : shape.dims()) tuple += fmt::format("{},", n);
  std::string header =
      fmt::format("{{'descr': '<{}4', 'fortran_order': False, 'shape': ({})}}", dtype == DType::i32 ? 'i' : 'f', tuple);
  constexpr std::size_t preamble =
      10;  // magic, version and the header's length as two bytes; the data start at a multiple of 64
  header.resize(aligned(preamble + header.size() + 1) - preamble - 1, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  file << "\x93NUMPY\x01" << '\0' << static_cast<char>(header.size() & 255) << static_cast<char>(header.size() >> 8)
       << header;
  file.write(static_cast<const char*>(data), static_cast<std::streamsize>(shape.size() * 4));
  file.close();
  check(file.good(), "cannot write {}", path);
}

/// The training batch of step 0.
void write_batch(const Task& task, std::int64_t batch_size, const std::string& folder) {
  const std::vector<SampleField> fields = task.bucket_fields(task.train_bucket(0));
  const OwnedBatch samples(fields, static_cast<int>(batch_size));
  task.sample_train(0, 0, samples.batch());
  for (int i = 0; const SampleField& field : fields) {
    const Shape shape = field.shape.inserted(0, batch_size);
    if (field.dtype == DType::i32) write_npy(folder + "/batch." + field.name + ".npy", shape, field.dtype, samples.batch().i32(i));
    if (field.dtype == DType::f32) write_npy(folder + "/batch." + field.name + ".npy", shape, field.dtype, samples.batch().f32(i));
    ++i;
  }
}

/// A block of the parameters' layout, one file a parameter.
void write_block(const ParamStore& params, float* block, const std::string& prefix) {
  for (const ParamSpec& spec : params.specs()) {
    write_npy(prefix + spec.name + ".npy", spec.shape, DType::f32, params.in_block(spec.name, block));
  }
}

}  // namespace

void write_first_step(const TrainConfig& config, const std::string& folder) {
  std::filesystem::create_directories(folder);
  const std::unique_ptr<Experiment> experiment = build_experiment(config);
  ParamStore& params = experiment->params;
  ThreadPool pool(1);
  TrainStep train_step(*experiment, config, pool);
  Optimizer optimizer(config.optimizer, static_cast<std::size_t>(params.block_size()));

  write_batch(*experiment->task, config.batch_size, folder);
  write_block(params, params.values(), folder + "/before.");
  const auto loss = static_cast<float>(train_step.run(0));
  write_npy(folder + "/loss.npy", {}, DType::f32, &loss);
  const AlignedBlock gradient(static_cast<std::size_t>(params.block_size()) * sizeof(float));
  for (const float* part : train_step.gradients()) {
    for (std::int64_t i = 0; i < params.block_size(); ++i)
      gradient.floats()[i] += part[i] * static_cast<float>(train_step.scale());
  }
  write_block(params, gradient.floats(), folder + "/gradient.");
  train_step.update(optimizer, 0, config.steps);
  write_block(params, params.values(), folder + "/after.");
}

}  // namespace saltus::cli
