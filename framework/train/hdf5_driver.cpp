#include "train/hdf5_driver.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace saltus::hdf5 {

/// What the driver knows of the file, for as long as the file exists. HDF5 may open and close the driver's file several
/// times.
struct DriverFile {
  /// Bytes that did not get to the disk.
  struct Kept {
    haddr_t begin;
    std::vector<char> bytes;
  };

  int fd;
  int error = 0;  // errno of the first failure
  std::vector<Kept> kept = {};

  void write(haddr_t at, const char* bytes, std::size_t size) {
    while (error == 0 && size > 0) {
      const ssize_t n = ::pwrite(fd, bytes, size, static_cast<off_t>(at));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) {
        error = errno;
        break;
      }
      at += static_cast<haddr_t>(n);
      bytes += n;
      size -= static_cast<std::size_t>(n);
    }
    if (size > 0) kept.push_back({at, {bytes, bytes + size}});
  }

  /// Places that were never written read as zeros.
  void read(haddr_t at, char* bytes, std::size_t size) const {
    std::memset(bytes, 0, size);
    for (std::size_t done = 0; done < size;) {
      const ssize_t n = ::pread(fd, bytes + done, size - done, static_cast<off_t>(at + done));
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) break;
      done += static_cast<std::size_t>(n);
    }
    for (const Kept& k : kept) {
      const haddr_t begin = std::max(at, k.begin), end = std::min<haddr_t>(at + size, k.begin + k.bytes.size());
      if (begin < end) std::memcpy(bytes + (begin - at), k.bytes.data() + (begin - k.begin), end - begin);
    }
  }

  void truncate(haddr_t size) {
    if (error == 0 && ::ftruncate(fd, static_cast<off_t>(size)) != 0) error = errno;
  }
};

namespace {

/// What HDF5 holds for one opening of the file: its own part, ours behind it.
struct Opened : H5FD_t {
  DriverFile* driver;
  haddr_t allocated = 0;  // HDF5's "end of allocation", which it sets, and
  haddr_t end = 0;        // "end of file", which it asks for
};

/// The callbacks, in HDF5's own terms. None of them fails.
struct Callbacks {
  static Opened* mine(H5FD_t* f) { return static_cast<Opened*>(f); }
  static const Opened* mine(const H5FD_t* f) { return static_cast<const Opened*>(f); }

  static H5FD_t* open(const char*, unsigned, hid_t access, haddr_t) {
    auto* file = new Opened();
    file->driver = *static_cast<DriverFile* const*>(H5Pget_driver_info(access));
    return file;
  }
  static herr_t close(H5FD_t* f) {
    delete mine(f);
    return 0;
  }
  static herr_t query(const H5FD_t*, unsigned long* features) {
    *features = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
                H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DEFAULT_VFD_COMPATIBLE;
    return 0;
  }
  static haddr_t get_eoa(const H5FD_t* f, H5FD_mem_t) { return mine(f)->allocated; }
  static herr_t set_eoa(H5FD_t* f, H5FD_mem_t, haddr_t at) {
    mine(f)->allocated = at;
    return 0;
  }
  static haddr_t get_eof(const H5FD_t* f, H5FD_mem_t) { return mine(f)->end; }
  static herr_t read(H5FD_t* f, H5FD_mem_t, hid_t, haddr_t at, std::size_t size, void* bytes) {
    mine(f)->driver->read(at, static_cast<char*>(bytes), size);
    return 0;
  }
  static herr_t write(H5FD_t* f, H5FD_mem_t, hid_t, haddr_t at, std::size_t size, const void* bytes) {
    mine(f)->driver->write(at, static_cast<const char*>(bytes), size);
    mine(f)->end = std::max(mine(f)->end, at + size);
    return 0;
  }
  static herr_t truncate(H5FD_t* f, hid_t, hbool_t) {
    mine(f)->driver->truncate(mine(f)->allocated);
    mine(f)->end = mine(f)->allocated;
    return 0;
  }

  static Handle registered() {
    H5FD_class_t c{};
    c.name = "saltus";
    c.maxaddr = HADDR_MAX;
    c.fc_degree = H5F_CLOSE_WEAK;
    c.fapl_size = sizeof(DriverFile*);
    c.open = open;
    c.close = close;
    c.query = query;
    c.get_eoa = get_eoa;
    c.set_eoa = set_eoa;
    c.get_eof = get_eof;
    c.read = read;
    c.write = write;
    c.truncate = truncate;
    const H5FD_mem_t one_free_list_each[] = H5FD_FLMAP_DICHOTOMY;
    std::copy(std::begin(one_free_list_each), std::end(one_free_list_each), std::begin(c.fl_map));
    return Handle(H5FDregister(&c), "register a file driver");
  }
};

}  // namespace

NewFile::NewFile(const std::string& path)
    : path_(path),
      fd_(posix::open("create", path, O_RDWR | O_CREAT | O_TRUNC)),
      driver_(new DriverFile{.fd = fd_.get()}),
      registered_(std::make_unique<Handle>(Callbacks::registered())) {
  const Handle access(H5Pcreate(H5P_FILE_ACCESS), "make a property list");
  DriverFile* const address = driver_.get();
  ensure(H5Pset_driver(access.get(), registered_->get(), &address), "choose a file driver");
  handle_ = std::make_unique<Handle>(create_file(path, access));
}

NewFile::~NewFile() = default;

void NewFile::check() const {
  if (driver_->error == 0) return;
  errno = driver_->error;
  posix::fail("write", path_);
}

void NewFile::close() {
  handle_->close("close " + path_);
  check();
}

}  // namespace saltus::hdf5
