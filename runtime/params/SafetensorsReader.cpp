// Reads safetensors files, trusting nothing in them.
// In: bytes.  Out: a table of entries that exactly covers the data part, or a failure that names the rule.
#include "runtime/Failure.h"
#include "runtime/params/AtomicFile.h"
#include "runtime/params/Safetensors.h"
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>
#include <zlib.h>

namespace rt {

static constexpr uint64_t maxHeader = 100000000;       // the reference implementation's limit
static constexpr size_t maxEntries = 100000, maxRank = 8;
static constexpr size_t maxFile = size_t(1) << 38;

static const std::pair<const char *, Dtype> dtypes[] = {
    {"F64", Dtype::f64}, {"F32", Dtype::f32}, {"F16", Dtype::f16}, {"BF16", Dtype::bf16}, {"I64", Dtype::i64},
    {"I32", Dtype::i32}, {"I16", Dtype::i16}, {"I8", Dtype::i8},   {"U8", Dtype::u8},     {"BOOL", Dtype::boolean}};

size_t bytesOf(Dtype dtype) {
  switch (dtype) {
  case Dtype::f64: case Dtype::i64: return 8;
  case Dtype::f32: case Dtype::i32: return 4;
  case Dtype::f16: case Dtype::bf16: case Dtype::i16: return 2;
  default: return 1;
  }
}

const char *name(Dtype dtype) {
  for (auto &[text, d] : dtypes)
    if (d == dtype)
      return text;
  return "?";
}

std::string shapeText(const std::vector<int64_t> &shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? "," : "") + std::to_string(shape[i]);
  return text + ")";
}

namespace {

/// Walks the header's JSON: {"__metadata__": {string: string}, NAME: {"dtype", "shape", "data_offsets"}}.  Anything else is refused,
/// duplicate keys too, which a tree of values would hide.
struct HeaderWalk {
  using number_integer_t = int64_t;
  using number_unsigned_t = uint64_t;
  using number_float_t = double;
  using string_t = std::string;
  using binary_t = nlohmann::ordered_json::binary_t;
  enum Where { outside, top, inMetadata, inTensor, inShape, inOffsets };

  std::vector<SafetensorsEntry> &table;
  std::map<std::string, std::string> &strings;
  std::string problem;
  Where where = outside;
  std::string field;
  std::set<std::string> names, fields;
  std::vector<uint64_t> numbers;

  bool refuse(const std::string &why) {
    problem = why;
    return false;
  }
  std::string current() const { return table.empty() ? "" : "'" + printable(table.back().name) + "'"; }

  bool start_object(size_t) {
    switch (where) {
    case outside: where = top; return true;
    case top: where = field == "__metadata__" ? inMetadata : inTensor; return true;
    default: return refuse("an object stands where a value belongs");
    }
  }
  bool key(std::string &text) {
    field = text;
    if (where == top) {
      if (!names.insert(text).second)
        return refuse("the key '" + printable(text) + "' occurs twice");
      if (text == "__metadata__")
        return true;
      if (table.size() >= maxEntries)
        return refuse("it has more than 100000 tensors");
      table.emplace_back();
      table.back().name = text;
      fields.clear();
      return true;
    }
    if (where == inMetadata)
      return strings.count(text) ? refuse("the metadata key '" + printable(text) + "' occurs twice") : true;
    if (!fields.insert(text).second)
      return refuse("tensor " + current() + " has '" + printable(text) + "' twice");
    if (text != "dtype" && text != "shape" && text != "data_offsets")
      return refuse("tensor " + current() + " has the unknown field '" + printable(text) + "'");
    return true;
  }
  bool end_object() {
    if (where == inTensor && fields.size() != 3)
      return refuse("tensor " + current() + " lacks dtype, shape or data_offsets");
    where = where == top ? outside : top;
    return true;
  }
  bool start_array(size_t) {
    if (where != inTensor || (field != "shape" && field != "data_offsets"))
      return refuse("a list stands where none belongs");
    where = field == "shape" ? inShape : inOffsets;
    numbers.clear();
    return true;
  }
  bool end_array() {
    SafetensorsEntry &entry = table.back();
    if (where == inShape)
      entry.shape.assign(numbers.begin(), numbers.end());
    else if (numbers.size() != 2 || numbers[0] > numbers[1])
      return refuse("tensor " + current() + " needs two offsets in order");
    else
      entry.begin = numbers[0], entry.end = numbers[1];
    where = inTensor;
    return true;
  }
  bool number_unsigned(uint64_t value) {
    if ((where != inShape && where != inOffsets) || value > uint64_t(INT64_MAX))
      return refuse("a number stands where none belongs, or is too large");
    numbers.push_back(value);
    return where == inShape && numbers.size() > maxRank ? refuse("tensor " + current() + " has more than 8 dimensions") : true;
  }
  bool string(std::string &text) {
    if (where == inMetadata) {
      strings[field] = text;
      return true;
    }
    if (where != inTensor || field != "dtype")
      return refuse("a string stands where none belongs");
    for (auto &[known, dtype] : dtypes)
      if (text == known) {
        table.back().dtype = dtype;
        return true;
      }
    return refuse("tensor " + current() + " has the unknown dtype '" + printable(text) + "'");
  }
  bool number_integer(int64_t) { return refuse("a negative number stands in the header"); }
  bool number_float(double, const std::string &) { return refuse("a fraction stands in the header"); }
  bool null() { return refuse("a null stands in the header"); }
  bool boolean(bool) { return refuse("a boolean stands in the header"); }
  bool binary(binary_t &) { return refuse("binary data stands in the header"); }
  bool parse_error(size_t at, const std::string &, const nlohmann::ordered_json::exception &) {
    return refuse("its header is not JSON (at byte " + std::to_string(at + 8) + ")");
  }
};

} // namespace

SafetensorsFile::SafetensorsFile(const std::string &path) : SafetensorsFile(readFile(path, maxFile, Exit::badModel), path) {}

SafetensorsFile::SafetensorsFile(std::string content, const std::string &origin) : bytes(std::move(content)), origin(origin) {
  readHeader();
  checkOffsets();
}

void SafetensorsFile::readHeader() {
  const std::string where = printable(origin);
  if (bytes.size() < 8)
    fail(Exit::badModel, "{} is not a safetensors file: it has {} bytes", where, bytes.size());
  if (bytes.compare(0, 4, "PK\x03\x04") == 0)
    fail(Exit::badModel, "{} is not a safetensors file but a zip archive, as torch.save writes it; in Python, safetensors.torch.save_file(model.state_dict(), FILE) "
                         "makes one that is read here",
         where);
  uint64_t length = 0;
  for (int i = 7; i >= 0; --i)
    length = length << 8 | uint8_t(bytes[i]);
  if (length > std::min<uint64_t>(maxHeader, bytes.size() - 8))
    fail(Exit::badModel, "{} is truncated or not a safetensors file: its header claims {} bytes, {} are there", where, length,
         bytes.size() - 8);
  if (length < 2 || bytes[8] != '{')
    fail(Exit::badModel, "{} is not a safetensors file: its header does not begin with '{{'", where);
  dataOffset = 8 + length;
  HeaderWalk walk{table, strings, "", HeaderWalk::outside, "", {}, {}, {}};
  const char *begin = bytes.data() + 8;
  if (!nlohmann::ordered_json::sax_parse(begin, begin + length, &walk))
    fail(Exit::badModel, "{} is damaged: {}", where, walk.problem);
}

void SafetensorsFile::checkOffsets() {
  const std::string where = printable(origin);
  for (const SafetensorsEntry &entry : table) {
    uint64_t size = bytesOf(entry.dtype);
    for (int64_t extent : entry.shape)
      if (__builtin_mul_overflow(size, uint64_t(extent), &size))
        fail(Exit::badModel, "{} is damaged: the shape {} of '{}' overflows", where, shapeText(entry.shape), printable(entry.name));
    if (entry.end - entry.begin != size)
      fail(Exit::badModel, "{} is damaged: '{}' of shape {} needs {} bytes, its offsets span {}", where, printable(entry.name),
           shapeText(entry.shape), size, entry.end - entry.begin);
  }
  std::sort(table.begin(), table.end(), [](const SafetensorsEntry &a, const SafetensorsEntry &b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
  });
  uint64_t at = 0;
  for (const SafetensorsEntry &entry : table) {
    if (entry.begin != at)
      fail(Exit::badModel, "{} is damaged: {} before the tensor '{}' at offset {}", where, entry.begin < at ? "an overlap" : "a hole",
           printable(entry.name), entry.begin);
    at = entry.end;
  }
  if (at != bytes.size() - dataOffset)
    fail(Exit::badModel, "{} is {}: its tensors need {} bytes, {} are there", where, at > bytes.size() - dataOffset ? "truncated" : "too long",
         at, bytes.size() - dataOffset);
}

const SafetensorsEntry *SafetensorsFile::find(const std::string &wanted) const {
  for (const SafetensorsEntry &entry : table)
    if (entry.name == wanted)
      return &entry;
  return nullptr;
}

uint32_t SafetensorsFile::checksum() const {
  return uint32_t(crc32_z(0, reinterpret_cast<const Bytef *>(bytes.data() + dataOffset), bytes.size() - dataOffset));
}

} // namespace rt
