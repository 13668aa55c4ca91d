// safetensors files: tensors by name, and a table of strings.
// In: a path.  Out: entries whose sizes and offsets have been checked, and their bytes; or a file, written atomically.
// Source: https://github.com/huggingface/safetensors#format
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rt {

enum class Dtype { f64, f32, f16, bf16, i64, i32, i16, i8, u8, boolean };
size_t bytesOf(Dtype dtype);
const char *name(Dtype dtype);
/// The dtype of an ABI element kind.
Dtype dtypeOf(uint32_t elementKind);

struct SafetensorsEntry {
  std::string name;
  Dtype dtype = Dtype::f32;
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0; ///< within the data part
};

std::string shapeText(const std::vector<int64_t> &shape);

class SafetensorsFile {
public:
  /// Reads and checks the whole file; fails with Exit::badModel.
  explicit SafetensorsFile(const std::string &path);
  /// The same for bytes in memory; `origin` stands in messages.
  SafetensorsFile(std::string bytes, const std::string &origin);

  const std::string &path() const { return origin; }
  const std::vector<SafetensorsEntry> &entries() const { return table; } ///< in order of their offsets
  const std::map<std::string, std::string> &metadata() const { return strings; }
  const SafetensorsEntry *find(const std::string &name) const;
  const char *data(const SafetensorsEntry &entry) const { return bytes.data() + dataOffset + entry.begin; }
  /// CRC-32 of the data part.
  uint32_t checksum() const;

private:
  void readHeader();
  void checkOffsets();
  std::string bytes, origin;
  uint64_t dataOffset = 0;
  std::vector<SafetensorsEntry> table;
  std::map<std::string, std::string> strings;
};

/// What a file will hold: `data` is owned by the caller until writeSafetensors returns.
struct SafetensorsTensor {
  std::string name;
  Dtype dtype;
  std::vector<int64_t> shape;
  const void *data;
};

/// Writes atomically; fails with Exit::io.  The bytes depend on the arguments alone.  Adds "data_crc32" to the metadata, if there is any.
void writeSafetensors(const std::string &path, const std::vector<SafetensorsTensor> &tensors,
                      std::map<std::string, std::string> metadata);

} // namespace rt
