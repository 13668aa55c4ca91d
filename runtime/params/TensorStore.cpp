// The memory of every tensor of a model.
// In: tensors in logical order.  Out: the same in storage layout, and back.
#include "runtime/params/TensorStore.h"
#include "runtime/device/Element.h"
#include "runtime/device/FiniteCheck.h"
#include "runtime/params/Initialise.h"
#include "runtime/params/StorageLayout.h"
#include <algorithm>

namespace rt {

TensorStore::TensorStore(const std::vector<TensorInfo> &tensors, uint32_t elementKind) : tensors(tensors), kind(elementKind) {
  constexpr size_t line = 64;
  auto rounded = [&](size_t i) { return (bytes(i) + line - 1) / line * line; };
  size_t all = 0;
  for (size_t i = 0; i < tensors.size(); ++i)
    all += rounded(i);
  memory = AlignedBuffer(all); // in one: on huge pages where it is large
  size_t at = 0;
  for (size_t i = 0; i < tensors.size(); at += rounded(i++))
    addresses.push_back(memory.bytes() + at);
}

size_t TensorStore::bytes(size_t i) const { return size_t(tensors[i].elements) * elementBytes(kind); }

size_t TensorStore::totalBytes() const {
  size_t total = 0;
  for (size_t i = 0; i < tensors.size(); ++i)
    total += bytes(i);
  return total;
}

size_t TensorStore::modelBytes() const {
  size_t total = 0;
  for (size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].kind != TensorKind::state)
      total += bytes(i);
  return total;
}

void TensorStore::initialise(uint64_t seed, ThreadPool &pool) {
  struct Part {
    size_t tensor;
    int64_t first;
  };
  constexpr int64_t most = 8192; // even; elements of a part
  std::vector<Part> parts;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!madeInParts(tensors[i])) {
      writeLogical(i, initialValues(tensors[i], seed, i).data(), CNN_F64);
      continue;
    }
    initialValues(tensors[i], seed, i, 0, 0, nullptr); // an unknown rule fails here, not in a thread of the pool
    for (int64_t first = 0; first < tensors[i].elements; first += most)
      parts.push_back({i, first});
  }
  pool.parallelFor(int64_t(parts.size()), [&](int64_t p) {
    const auto [i, first] = parts[size_t(p)];
    const int64_t n = std::min(most, tensors[i].elements - first);
    double values[most];
    initialValues(tensors[i], seed, i, first, n, values);
    alignas(64) char converted[most * sizeof(double)];
    convertElements(values, CNN_F64, converted, kind, n);
    toStored(tensors[i], elementBytes(kind), first, n, converted, addresses[i]);
  });
  changed();
}

void TensorStore::readLogical(size_t i, void *out) const { toLogical(tensors[i], elementBytes(kind), addresses[i], out); }

void TensorStore::writeLogical(size_t i, const void *values, uint32_t fromKind) {
  AlignedBuffer converted;
  if (fromKind != kind) {
    converted = AlignedBuffer(bytes(i));
    convertElements(values, fromKind, converted.data(), kind, tensors[i].elements);
    values = converted.data();
  }
  toStored(tensors[i], elementBytes(kind), values, addresses[i]);
  changed();
}

int64_t TensorStore::firstNonFiniteTensor() const {
  for (size_t i = 0; i < tensors.size(); ++i)
    if (firstNonFinite(addresses[i], uint64_t(tensors[i].elements), kind) >= 0)
      return int64_t(i);
  return -1;
}

void convertElements(const void *from, uint32_t fromKind, void *to, uint32_t toKind, int64_t n) {
  if (fromKind == CNN_BF16) {
    std::vector<float> wide(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i)
      wide[size_t(i)] = fromBf16(static_cast<const uint16_t *>(from)[i]);
    return convertElements(wide.data(), CNN_F32, to, toKind, n);
  }
  withElement(fromKind, [&](auto f) {
    withElement(toKind, [&](auto t) {
      auto *source = static_cast<const decltype(f) *>(from);
      auto *target = static_cast<decltype(t) *>(to);
      for (int64_t i = 0; i < n; ++i)
        target[i] = decltype(t)(source[i]);
    });
  });
}

} // namespace rt
