// Arrays as NumPy stores them.
// In: bytes.  Out: an array, or a refusal that names the rule.
#include "runtime/data/NpyArray.h"
#include "runtime/Failure.h"
#include <charconv>
#include <cstring>
#include <zlib.h>

namespace rt {

static constexpr uint64_t largestArray = uint64_t(1) << 36;

namespace {
/// The header is a Python dictionary of three known keys; this reads that much of Python and no more.
class HeaderText {
public:
  HeaderText(std::string_view text, const std::string &origin) : text(text), origin(origin) {}
  void parse(NpyArray &array) {
    bool seen[3] = {};
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      const int index = key == "descr" ? 0 : key == "fortran_order" ? 1 : key == "shape" ? 2 : -1;
      if (index < 0 || seen[index])
        refuse("has the key '" + printable(key) + "' where descr, fortran_order and shape stand once each");
      seen[index] = true;
      index == 0 ? descr(array) : index == 1 ? order() : shape(array);
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    if (!seen[0] || !seen[1] || !seen[2])
      refuse("lacks descr, fortran_order or shape");
    skip();
    if (at != text.size())
      refuse("goes on after its dictionary");
  }

private:
  [[noreturn]] void refuse(const std::string &what) { fail(Exit::badData, "{}: its NPY header {}", printable(origin), what); }
  void skip() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n'))
      ++at;
  }
  bool accept(char c) {
    skip();
    return at < text.size() && text[at] == c ? ++at, true : false;
  }
  void expect(char c) {
    if (!accept(c))
      refuse(fmt::format("is damaged at byte {}: '{}' is missing", at, c));
  }
  std::string quoted() {
    skip();
    const char mark = at < text.size() ? text[at] : 0;
    if (mark != '\'' && mark != '"')
      refuse(fmt::format("is damaged at byte {}: a string is missing", at));
    const size_t end = text.find(mark, ++at);
    if (end == std::string_view::npos)
      refuse("has a string without end");
    std::string out(text.substr(at, end - at));
    at = end + 1;
    return out;
  }
  void descr(NpyArray &array) {
    const std::string dtype = quoted();
    static const char *known[] = {"|u1", "|i1", "|b1", "<u1", "<i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8"};
    for (const char *k : known)
      if (dtype == k) {
        array.kind = k[1];
        array.bytes = size_t(k[2] - '0');
        return;
      }
    refuse("has the dtype '" + printable(dtype) + "'; whole numbers and floats in little-endian order are read");
  }
  void order() {
    skip();
    if (text.compare(at, 4, "True") == 0)
      refuse("says Fortran order; save with numpy.ascontiguousarray");
    if (text.compare(at, 5, "False") != 0)
      refuse("has no truth value for fortran_order");
    at += 5;
  }
  void shape(NpyArray &array) {
    constexpr size_t deepest = 8;
    expect('(');
    while (!accept(')')) {
      skip();
      int64_t extent = -1;
      auto [end, error] = std::from_chars(text.data() + at, text.data() + text.size(), extent);
      if (error != std::errc() || extent < 0 || array.shape.size() == deepest)
        refuse("has an impossible shape");
      at = size_t(end - text.data());
      array.shape.push_back(extent);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
  }
  std::string_view text;
  const std::string &origin;
  size_t at = 0;
};
} // namespace

static uint64_t little(std::string_view bytes, size_t at, size_t n) {
  uint64_t value = 0;
  for (size_t i = n; i-- > 0;)
    value = value << 8 | uint8_t(bytes[at + i]);
  return value;
}

NpyArray parseNpy(std::string_view bytes, const std::string &origin) {
  const std::string where = printable(origin);
  if (bytes.size() < 10 || bytes.compare(0, 6, "\x93NUMPY") != 0)
    fail(Exit::badData, "{} is not an NPY file: it does not begin with \\x93NUMPY", where);
  const int version = uint8_t(bytes[6]);
  if (version < 1 || version > 3)
    fail(Exit::badData, "{} has NPY version {}, versions 1 to 3 are known", where, version);
  const size_t lengthBytes = version == 1 ? 2 : 4, begin = 8 + lengthBytes;
  constexpr uint64_t longestHeader = 65536;
  if (bytes.size() < begin)
    fail(Exit::badData, "{} is truncated in its NPY header", where);
  const uint64_t length = little(bytes, 8, lengthBytes);
  if (length > std::min<uint64_t>(longestHeader, bytes.size() - begin))
    fail(Exit::badData, "{} is truncated: its NPY header claims {} bytes", where, length);
  NpyArray array;
  HeaderText(bytes.substr(begin, length), origin).parse(array);
  uint64_t size = array.bytes;
  for (int64_t extent : array.shape)
    if (__builtin_mul_overflow(size, uint64_t(extent), &size) || size > largestArray)
      fail(Exit::badData, "{} declares more than {} bytes", where, largestArray);
  if (size != bytes.size() - begin - length)
    fail(Exit::badData, "{} is {}: its shape needs {} bytes, {} are there", where, size > bytes.size() - begin - length ? "truncated" : "too long",
         size, bytes.size() - begin - length);
  array.data = bytes.substr(begin + length);
  return array;
}

static std::string inflated(std::string_view bytes, size_t at, uint64_t packed, uint64_t size, const std::string &where) {
  constexpr uint64_t deflateRatio = 1032; // deflate expands by at most this (zlib's technical notes)
  if (size / deflateRatio > packed)
    fail(Exit::badData, "{} is damaged: {} bytes of deflate cannot hold {}", where, packed, size);
  std::string out(size, '\0');
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
    fail(Exit::runFailed, "not enough memory to read {}", where);
  constexpr uint64_t piece = uint64_t(1) << 30;
  uint64_t in = 0, done = 0;
  int status = Z_OK;
  while (status == Z_OK) { // Z_BUF_ERROR where nothing is left
    if (stream.avail_in == 0 && in < packed) {
      stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(bytes.data() + at + in));
      stream.avail_in = uInt(std::min(piece, packed - in));
      in += stream.avail_in;
    }
    Bytef extra; // one byte more than declared is one too many
    const uInt room = done < size ? uInt(std::min(piece, size - done)) : 1;
    stream.next_out = done < size ? reinterpret_cast<Bytef *>(&out[done]) : &extra;
    stream.avail_out = room;
    status = inflate(&stream, Z_NO_FLUSH);
    done += room - stream.avail_out;
    if (done > size)
      break;
  }
  inflateEnd(&stream);
  if (status != Z_STREAM_END || done != size)
    fail(Exit::badData, "{} is damaged: its deflate stream does not give the {} bytes that the archive declares", where, size);
  return out;
}

std::string npzMember(std::string_view bytes, const std::string &member, const std::string &origin) {
  const std::string wanted = member + ".npy", where = printable(origin);
  constexpr size_t endRecord = 22, centralRecord = 46, localRecord = 30, longestComment = 65535;
  if (bytes.size() < endRecord || bytes.compare(0, 2, "PK") != 0)
    fail(Exit::badData, "{} is not an NPZ file: it is no ZIP archive", where);
  const size_t end = bytes.rfind(std::string("PK\5\6", 4));
  if (end == std::string::npos || end + endRecord > bytes.size() || bytes.size() - end > endRecord + longestComment)
    fail(Exit::badData, "{} is truncated: the archive's directory is missing", where);
  uint64_t at = little(bytes, end + 16, 4);
  const uint64_t count = little(bytes, end + 10, 2);
  std::string names;
  for (uint64_t i = 0; i < count; ++i) {
    if (at + centralRecord > end || little(bytes, at, 4) != 0x02014b50)
      fail(Exit::badData, "{} is damaged: its directory does not hold {} members (archives of 4 GiB and more are not read)", where, count);
    const uint64_t flags = little(bytes, at + 8, 2), method = little(bytes, at + 10, 2), crc = little(bytes, at + 16, 4),
                   packed = little(bytes, at + 20, 4), size = little(bytes, at + 24, 4), nameLength = little(bytes, at + 28, 2), local = little(bytes, at + 42, 4);
    if (at + centralRecord + nameLength > end)
      fail(Exit::badData, "{} is damaged: a name leaves its directory", where);
    const std::string name(bytes.substr(at + centralRecord, nameLength));
    at += centralRecord + nameLength + little(bytes, at + 30, 2) + little(bytes, at + 32, 2);
    names += (names.empty() ? "" : ", ") + name;
    if (name != wanted)
      continue;
    if (flags & 1)
      fail(Exit::badData, "{}: {} is encrypted", where, printable(name));
    if (local + localRecord > bytes.size() || little(bytes, local, 4) != 0x04034b50)
      fail(Exit::badData, "{} is damaged: {} does not stand where its directory says", where, printable(name));
    const uint64_t begin = local + localRecord + little(bytes, local + 26, 2) + little(bytes, local + 28, 2);
    if (begin > bytes.size() || packed > bytes.size() - begin)
      fail(Exit::badData, "{} is truncated: {} needs {} bytes", where, printable(name), packed);
    if (method != 0 && method != 8)
      fail(Exit::badData, "{}: {} is packed by method {}, stored and deflate are read", where, printable(name), method);
    if (method == 0 && packed != size)
      fail(Exit::badData, "{} is damaged: {} has two sizes", where, printable(name));
    std::string out = method == 0 ? std::string(bytes.substr(begin, size)) : inflated(bytes, begin, packed, size, where);
    if (crc32_z(0, reinterpret_cast<const Bytef *>(out.data()), out.size()) != crc)
      fail(Exit::badData, "{} is damaged: the checksum of {} is not the one that it states", where, printable(name));
    return out;
  }
  fail(Exit::badData, "{} has no member {}; it has {}", where, printable(wanted), printable(names));
}

} // namespace rt
