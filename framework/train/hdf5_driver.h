#pragma once
#include <memory>
#include <string>

#include "train/hdf5.h"
#include "train/posix.h"

namespace saltus::hdf5 {

struct DriverFile;

/// A new file that HDF5 writes through a driver of ours, which never fails. HDF5 (1.10) cannot close what it cannot
/// write: it leaks the file, tries again when the process exits, and crashes there. So once a write has failed, for a
/// full disk most likely, the driver remembers why, keeps what HDF5 goes on writing in memory (a few kilobytes, if the
/// writer calls check() often), and HDF5 closes the file in peace. The driver also takes no locks: there is one writer,
/// and readers never see an unfinished file.
class NewFile {
 public:
  /// Creates `path`, replacing what was there. Throws Error when that fails.
  explicit NewFile(const std::string& path);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  const Handle& handle() const { return *handle_; }

  /// Throws Error with the system's words when a write has failed.
  void check() const;

  /// Closes the file, then does as check(). All other handles of the file must be closed.
  void close();

 private:
  std::string path_;
  posix::Fd fd_;
  std::unique_ptr<DriverFile> driver_;
  /// Outlives the file: HDF5 (1.10.8) gives up a file's hold on its driver before it calls the driver to close the file, and would call what
  /// it has freed.
  std::unique_ptr<Handle> registered_;
  std::unique_ptr<Handle> handle_;
};

}  // namespace saltus::hdf5
