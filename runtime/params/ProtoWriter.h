// Messages in the wire format of protocol buffers (protobuf.dev/programming-guides/encoding).
// In: fields by number.  Out: bytes. Small enough that a library for it would be the larger part of a trainer.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>

namespace rt {

class ProtoWriter {
public:
  void integer(int field, int64_t value) { key(field, 0), varint(uint64_t(value)); }
  void text(int field, const std::string &value) { key(field, 2), varint(value.size()), out += value; }
  void message(int field, const ProtoWriter &value) { text(field, value.out); }
  void real32(int field, float value) { key(field, 5), raw(&value, sizeof value); }
  void real64(int field, double value) { key(field, 1), raw(&value, sizeof value); }
  const std::string &bytes() const { return out; }

private:
  void key(int field, int wireType) { varint(uint64_t(field) << 3 | uint64_t(wireType)); }
  void raw(const void *value, size_t size) { out.append(static_cast<const char *>(value), size); } // little-endian, as x86 is
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      out += char(value | 0x80);
    out += char(value);
  }
  std::string out;
};

} // namespace rt
