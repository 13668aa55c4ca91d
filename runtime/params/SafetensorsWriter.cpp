// Writes safetensors files.
// In: tensors in the order in which they are to stand, and a table of strings.  Out: a file that appears whole or not at all.
#include "runtime/Failure.h"
#include "runtime/abi.h"
#include "runtime/params/AtomicFile.h"
#include "runtime/params/Safetensors.h"
#include <nlohmann/json.hpp>
#include <zlib.h>

namespace rt {

Dtype dtypeOf(uint32_t elementKind) {
  switch (elementKind) {
  case CNN_F32: return Dtype::f32;
  case CNN_F64: return Dtype::f64;
  case CNN_BF16: return Dtype::bf16;
  case CNN_I8: return Dtype::i8;
  case CNN_I16: return Dtype::i16;
  default: return Dtype::i32;
  }
}

static uint64_t sizeOf(const SafetensorsTensor &tensor) {
  uint64_t size = bytesOf(tensor.dtype);
  for (int64_t extent : tensor.shape)
    size *= uint64_t(extent);
  return size;
}

void writeSafetensors(const std::string &path, const std::vector<SafetensorsTensor> &tensors,
                      std::map<std::string, std::string> metadata) {
  nlohmann::ordered_json header;
  if (!metadata.empty()) {
    uLong crc = crc32_z(0, nullptr, 0);
    for (const SafetensorsTensor &tensor : tensors)
      crc = crc32_z(crc, static_cast<const Bytef *>(tensor.data), sizeOf(tensor));
    metadata["data_crc32"] = fmt::format("{:08x}", crc);
    header["__metadata__"] = metadata;
  }
  uint64_t offset = 0;
  for (const SafetensorsTensor &tensor : tensors) {
    const uint64_t end = offset + sizeOf(tensor);
    header[tensor.name] = {{"dtype", name(tensor.dtype)}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  // Names and source text from outside may hold bytes that are not UTF-8: they are replaced, the file stays readable.
  std::string text = header.empty() ? "{}" : header.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' '); // the data part begins at a multiple of 8
  char length[8];
  for (int i = 0; i < 8; ++i)
    length[i] = char(uint64_t(text.size()) >> (8 * i));

  AtomicFile file(path);
  file.write(length, sizeof length);
  file.write(text.data(), text.size());
  for (const SafetensorsTensor &tensor : tensors)
    file.write(tensor.data, sizeOf(tensor));
  file.commit();
}

} // namespace rt
