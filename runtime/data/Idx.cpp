// The IDX reader: images and labels as MNIST and its kin store them, plain or gzip (told apart by content).
// In: big-endian magic 00 00 type rank, `rank` extents, then the elements.  Out: a set; a plain file is mapped, and may be larger than memory; so is a large gzip file, once it is inflated into a file.
// Source: http://yann.lecun.com/exdb/mnist/
#include "runtime/Failure.h"
#include "runtime/data/MappedFile.h"
#include "runtime/data/Readers.h"
#include "runtime/data/TemporaryFile.h"
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

namespace rt {

static constexpr uint8_t unsignedByte = 0x08;
static constexpr uint64_t largestIdx = uint64_t(1) << 36;
static constexpr uint64_t deflateRatio = 1032; // deflate expands by at most this (zlib's technical notes)
static constexpr size_t chunk = size_t(1) << 26;

namespace {

struct IdxArray {
  std::vector<uint64_t> dims;
  std::shared_ptr<const void> owner; ///< of the data: the file itself, or what a gzip file holds
  const uint8_t *data = nullptr;
  size_t size = 0;
};

class IdxFile {
public:
  explicit IdxFile(const std::string &name);
  ~IdxFile() { gzclose_r(file); }
  IdxFile(const IdxFile &) = delete;
  /// `inMemory`: what a gzip file may hold and still go to memory, in bytes.
  IdxArray read(size_t rankExpected, uint64_t inMemory);

private:
  std::vector<uint64_t> readDims(size_t rankExpected);
  size_t readSome(void *out, size_t size);
  uint64_t inflateInto(IdxArray &array, uint64_t size, bool toMemory);
  [[noreturn]] void tooShort(uint64_t declared, uint64_t found);
  std::string name, path; ///< path: as it is printed
  uint64_t sizeOnDisk = 0;
  gzFile file = nullptr;
};

} // namespace

IdxFile::IdxFile(const std::string &name) : name(name), path(printable(name)) {
  const int fd = ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    fail(Exit::badData, "cannot open {}: {}", path, std::strerror(errno));
  struct stat status;
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
    const bool empty = S_ISREG(status.st_mode);
    ::close(fd);
    fail(Exit::badData, "{} is {}", path, empty ? "empty" : "not a regular file");
  }
  sizeOnDisk = uint64_t(status.st_size);
  file = gzdopen(fd, "rb");
  if (!file) {
    ::close(fd);
    fail(Exit::runFailed, "not enough memory to read {}", path);
  }
  gzbuffer(file, 1 << 17);
}

/// As much as there is, up to size; fails on a damaged gzip stream.  A truncated one reads as a short file.
size_t IdxFile::readSome(void *out, size_t size) {
  char *p = static_cast<char *>(out);
  size_t total = 0;
  while (total < size) {
    const int n = gzread(file, p + total, unsigned(std::min(size - total, chunk)));
    int code = Z_OK;
    const char *message = gzerror(file, &code);
    if (code == Z_BUF_ERROR)
      return total + size_t(std::max(n, 0));
    if (n < 0)
      fail(Exit::badData, "{} cannot be read: {}", path, code == Z_ERRNO ? std::strerror(errno) : message);
    if (n == 0)
      break;
    total += size_t(n);
  }
  return total;
}

void IdxFile::tooShort(uint64_t declared, uint64_t found) {
  const bool zipped = !gzdirect(file);
  fail(Exit::badData, "{} is truncated{}: its header declares {} bytes, {} are there", path, zipped ? " (the gzip stream ends early)" : "",
       declared, found);
}

std::vector<uint64_t> IdxFile::readDims(size_t rankExpected) {
  uint8_t magic[4];
  const size_t got = readSome(magic, sizeof magic);
  if (got < sizeof magic)
    tooShort(sizeof magic, got);
  if (magic[0] || magic[1] || magic[2] != unsignedByte || magic[3] != rankExpected)
    fail(Exit::badData, "{} is not an IDX file of {}: its magic number is 0x{:02x}{:02x}{:02x}{:02x}, expected 0x0000080{}", path,
         rankExpected == 1 ? "labels" : "images", magic[0], magic[1], magic[2], magic[3], rankExpected);
  std::vector<uint64_t> dims;
  for (size_t i = 0; i < rankExpected; ++i) {
    uint8_t word[4];
    const size_t read = readSome(word, sizeof word);
    if (read < sizeof word)
      tooShort(4 + 4 * rankExpected, 4 + 4 * i + read);
    dims.push_back(uint64_t(word[0]) << 24 | uint64_t(word[1]) << 16 | uint64_t(word[2]) << 8 | word[3]);
  }
  return dims;
}

/// Returns how many bytes there were.
uint64_t IdxFile::inflateInto(IdxArray &array, uint64_t size, bool toMemory) {
  if (toMemory) {
    auto bytes = std::make_shared<std::vector<uint8_t>>(size);
    array.data = bytes->data();
    array.owner = bytes;
    return readSome(bytes->data(), size);
  }
  TemporaryFile room(size, path + ", inflated");
  std::vector<char> piece(size_t(1) << 20);
  uint64_t got = 0;
  for (size_t n; got < size && (n = readSome(piece.data(), size_t(std::min<uint64_t>(piece.size(), size - got)))) > 0; got += n)
    room.write(piece.data(), n);
  auto mapped = room.map();
  array.data = reinterpret_cast<const uint8_t *>(mapped->bytes().data());
  array.owner = mapped;
  return got;
}

IdxArray IdxFile::read(size_t rankExpected, uint64_t inMemory) {
  IdxArray array;
  array.dims = readDims(rankExpected);
  uint64_t size = 1;
  for (uint64_t extent : array.dims)
    if (__builtin_mul_overflow(size, extent, &size) || size > largestIdx)
      fail(Exit::badData, "{} declares more than {} bytes", path, largestIdx);
  const uint64_t header = 4 + 4 * rankExpected;
  // Before any memory is taken: can a file of this size hold so much?
  if (gzdirect(file) && header + size > sizeOnDisk)
    tooShort(header + size, sizeOnDisk);
  if (size / deflateRatio > sizeOnDisk)
    fail(Exit::badData, "{} is truncated: its header declares {} bytes, which {} bytes of gzip cannot hold", path, header + size, sizeOnDisk);
  array.size = size;
  if (gzdirect(file) && header + size == sizeOnDisk && size > 0) {
    auto mapped = std::make_shared<const MappedFile>(name, header + largestIdx);
    if (mapped->bytes().size() != sizeOnDisk)
      fail(Exit::badData, "{} has changed while it was read", path);
    array.data = reinterpret_cast<const uint8_t *>(mapped->bytes().data()) + header;
    array.owner = mapped;
    return array;
  }
  const uint64_t got = inflateInto(array, size, size <= inMemory);
  if (got < size)
    tooShort(header + size, header + got);
  uint8_t extra;
  if (readSome(&extra, 1) != 0)
    fail(Exit::badData, "{} is longer than the {} bytes that its header declares", path, header + size);
  int code = Z_OK;
  gzerror(file, &code); // reading past the end has checked the gzip trailer
  if (code == Z_BUF_ERROR)
    fail(Exit::badData, "{} is truncated (the gzip stream ends early)", path);
  return array;
}

std::shared_ptr<const Dataset> readIdx(const ReaderInput &input) {
  const Description &d = input.description;
  if (input.files.size() != 2)
    fail(Exit::badData, "idx(...) needs two files, images and labels; found {}", input.files.size());
  if (d.channels != 1)
    fail(Exit::badData, "idx images have 1 channel, the network's input has {}", d.channels);
  const std::string imagePath = pathBelow(input.root, input.files[0]), labelPath = pathBelow(input.root, input.files[1]);
  IdxArray labels = IdxFile(labelPath).read(1, cacheBytes(input.options)); // the small file first: a wrong path shows at once
  IdxArray images = IdxFile(imagePath).read(3, cacheBytes(input.options));
  if (images.dims[0] != labels.dims[0])
    fail(Exit::badData, "{} has {} images, {} has {} labels", printable(imagePath), images.dims[0], printable(labelPath), labels.dims[0]);
  if (int64_t(images.dims[1]) != d.height || int64_t(images.dims[2]) != d.width)
    fail(Exit::badData, "{} has images of {}x{}, the network's input is {}x{}", printable(imagePath), images.dims[1], images.dims[2],
         d.height, d.width);
  std::vector<int32_t> numbers(labels.data, labels.data + labels.size);
  return std::make_shared<ViewDataset>(size_t(d.imageElements()), std::move(images.owner), images.data, std::move(numbers));
}

} // namespace rt
