// Arrays as NumPy stores them.
// In: bytes.  Out: an array, or a refusal that names the rule.
#include "runtime/data/NpyArray.h"
#include "runtime/Failure.h"
#include <charconv>
#include <cstring>

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

} // namespace rt
