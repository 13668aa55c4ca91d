// Members of a ZIP archive.
// In: bytes from outside: every length and offset is checked before it is used.  Out: a member's bytes, or a refusal that names the rule.
#include "runtime/data/ZipArchive.h"
#include "runtime/Failure.h"
#include "runtime/data/TemporaryFile.h"
#include <functional>
#include <zlib.h>

namespace rt {

namespace {
constexpr size_t endRecord = 22, endRecord64 = 56, locator64 = 20, centralRecord = 46, localRecord = 30, longestComment = 65535;
constexpr uint64_t in64 = 0xffffffff; ///< a 32-bit field that says: see the ZIP64 record

struct Directory {
  uint64_t at, end, count;
};

struct Entry {
  std::string name;
  uint64_t flags, method, crc, packed, size, local;
};

uint64_t little(std::string_view bytes, size_t at, size_t n) {
  uint64_t value = 0;
  for (size_t i = n; i-- > 0;)
    value = value << 8 | uint8_t(bytes[at + i]);
  return value;
}

class Archive {
public:
  Archive(std::string_view bytes, const std::string &origin) : bytes(bytes), where(printable(origin)) {}
  Entry find(const std::string &wanted) const;
  /// The packed bytes of an entry.
  std::string_view packed(const Entry &e) const;
  /// Gives the inflated bytes away piece by piece.
  void inflate(const Entry &e, const std::function<void(const char *, size_t)> &give) const;
  void check(const Entry &e, uint64_t crc) const {
    if (crc != e.crc)
      fail(Exit::badData, "{} is damaged: the checksum of {} is not the one that it states", where, printable(e.name));
  }

private:
  Directory directory() const;
  Entry entry(Directory &d) const;
  void widen(Entry &e, std::string_view extra) const;
  std::string_view bytes;
  std::string where;
};

Directory Archive::directory() const {
  if (bytes.size() < endRecord || bytes.compare(0, 2, "PK") != 0)
    fail(Exit::badData, "{} is not an NPZ file: it is no ZIP archive", where);
  const size_t end = bytes.rfind(std::string("PK\5\6", 4));
  if (end == std::string::npos || end + endRecord > bytes.size() || bytes.size() - end > endRecord + longestComment)
    fail(Exit::badData, "{} is truncated: the archive's directory is missing", where);
  Directory d{little(bytes, end + 16, 4), end, little(bytes, end + 10, 2)};
  if (end >= locator64 && bytes.compare(end - locator64, 4, std::string("PK\6\7", 4)) == 0) {
    const uint64_t record = little(bytes, end - locator64 + 8, 8);
    if (end < endRecord64 || record > end - endRecord64 || bytes.compare(record, 4, std::string("PK\6\6", 4)) != 0)
      fail(Exit::badData, "{} is damaged: its ZIP64 record does not stand where it is said to", where);
    d = {little(bytes, record + 48, 8), record, little(bytes, record + 32, 8)};
  }
  return d;
}

/// The extra field 1 has, in this order, those of size, packed size and offset that do not fit into 32 bits.
void Archive::widen(Entry &e, std::string_view extra) const {
  for (size_t at = 0; at + 4 <= extra.size();) {
    const uint64_t id = little(extra, at, 2), length = little(extra, at + 2, 2);
    at += 4;
    if (length > extra.size() - at)
      break;
    size_t field = at;
    for (uint64_t *value : {&e.size, &e.packed, &e.local})
      if (id == 1 && *value == in64 && field + 8 <= at + length) {
        *value = little(extra, field, 8);
        field += 8;
      }
    at += length;
  }
}

/// The next entry; moves the directory's position behind it.
Entry Archive::entry(Directory &d) const {
  if (d.at > d.end || d.end - d.at < centralRecord || little(bytes, d.at, 4) != 0x02014b50)
    fail(Exit::badData, "{} is damaged: its directory does not hold {} members", where, d.count);
  const uint64_t at = d.at, nameLength = little(bytes, at + 28, 2), extraLength = little(bytes, at + 30, 2), rest = d.end - at - centralRecord;
  if (nameLength + extraLength > rest)
    fail(Exit::badData, "{} is damaged: a name leaves its directory", where);
  Entry e{std::string(bytes.substr(at + centralRecord, nameLength)),
          little(bytes, at + 8, 2), little(bytes, at + 10, 2), little(bytes, at + 16, 4), little(bytes, at + 20, 4), little(bytes, at + 24, 4), little(bytes, at + 42, 4)};
  widen(e, bytes.substr(at + centralRecord + nameLength, extraLength));
  d.at += centralRecord + nameLength + extraLength + little(bytes, at + 32, 2);
  return e;
}

Entry Archive::find(const std::string &wanted) const {
  Directory d = directory();
  std::string names;
  for (uint64_t i = 0; i < d.count; ++i) {
    Entry e = entry(d);
    if (e.name == wanted)
      return e;
    names += (names.empty() ? "" : ", ") + e.name;
  }
  fail(Exit::badData, "{} has no member {}; it has {}", where, printable(wanted), printable(names));
}

std::string_view Archive::packed(const Entry &e) const {
  if (e.flags & 1)
    fail(Exit::badData, "{}: {} is encrypted", where, printable(e.name));
  if (e.local > bytes.size() || bytes.size() - e.local < localRecord || little(bytes, e.local, 4) != 0x04034b50)
    fail(Exit::badData, "{} is damaged: {} does not stand where its directory says", where, printable(e.name));
  const uint64_t begin = e.local + localRecord + little(bytes, e.local + 26, 2) + little(bytes, e.local + 28, 2);
  if (begin > bytes.size() || e.packed > bytes.size() - begin)
    fail(Exit::badData, "{} is truncated: {} needs {} bytes", where, printable(e.name), e.packed);
  if (e.method != 0 && e.method != Z_DEFLATED)
    fail(Exit::badData, "{}: {} is packed by method {}, stored and deflate are read", where, printable(e.name), e.method);
  if (e.method == 0 && e.packed != e.size)
    fail(Exit::badData, "{} is damaged: {} has two sizes", where, printable(e.name));
  constexpr uint64_t deflateRatio = 1032; // deflate expands by at most this (zlib's technical notes)
  if (e.method != 0 && e.size / deflateRatio > e.packed)
    fail(Exit::badData, "{} is damaged: {} bytes of deflate cannot hold {}", where, e.packed, e.size);
  return bytes.substr(begin, e.packed);
}

void Archive::inflate(const Entry &e, const std::function<void(const char *, size_t)> &give) const {
  const std::string_view in = packed(e);
  struct Stream : z_stream {
    Stream() : z_stream{} {}
    ~Stream() { inflateEnd(this); }
  } stream;
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    fail(Exit::runFailed, "not enough memory to read {}", where);
  constexpr size_t piece = size_t(1) << 20;
  std::string out(piece, '\0');
  uint64_t taken = 0, done = 0, crc = 0;
  int status = Z_OK;
  while (status == Z_OK && done <= e.size) { // Z_BUF_ERROR where nothing is left
    if (stream.avail_in == 0 && taken < in.size()) {
      stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(in.data() + taken));
      stream.avail_in = uInt(std::min<uint64_t>(piece, in.size() - taken));
      taken += stream.avail_in;
    }
    stream.next_out = reinterpret_cast<Bytef *>(&out[0]), stream.avail_out = uInt(piece);
    status = ::inflate(&stream, Z_NO_FLUSH);
    const size_t size = piece - stream.avail_out;
    done += size;
    crc = crc32_z(crc, reinterpret_cast<const Bytef *>(out.data()), size);
    if (done <= e.size)
      give(out.data(), size);
  }
  if (status != Z_STREAM_END || done != e.size)
    fail(Exit::badData, "{} is damaged: its deflate stream does not give the {} bytes that the archive declares", where, e.size);
  check(e, crc);
}
} // namespace

ZipMember zipMember(std::shared_ptr<const MappedFile> file, const std::string &name, const std::string &origin, uint64_t inMemory) {
  const Archive archive(file->bytes(), origin);
  const Entry e = archive.find(name);
  const std::string_view packed = archive.packed(e);
  if (e.method == 0) {
    archive.check(e, crc32_z(0, reinterpret_cast<const Bytef *>(packed.data()), packed.size()));
    return {std::move(file), packed};
  }
  if (e.size > inMemory) {
    TemporaryFile room(e.size, fmt::format("{} of {}, inflated", printable(name), printable(origin)));
    archive.inflate(e, [&](const char *data, size_t size) { room.write(data, size); });
    auto mapped = room.map();
    const std::string_view bytes = mapped->bytes();
    return {std::move(mapped), bytes};
  }
  auto out = std::make_shared<std::string>();
  out->reserve(e.size);
  archive.inflate(e, [&](const char *data, size_t size) { out->append(data, size); });
  const std::string_view bytes = *out;
  return {std::move(out), bytes};
}

} // namespace rt
