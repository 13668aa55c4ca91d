// Batch normalisation folded into the layers before it.
// In: names.  Out: tensors changed in place.
#include "runtime/params/Fold.h"
#include "runtime/Failure.h"
#include "runtime/device/Element.h"
#include <cmath>

namespace rt {

static size_t indexOf(const TensorStore &store, const std::string &name) {
  for (size_t i = 0; i < store.infos().size(); ++i)
    if (store.infos()[i].name == name)
      return i;
  fail(Exit::badModel, "the model folds a tensor {} that it does not have", name);
}

static std::vector<double> valuesOf(const TensorStore &store, size_t i) {
  std::vector<char> raw(store.bytes(i));
  std::vector<double> values(size_t(store.infos()[i].elements));
  store.readLogical(i, raw.data());
  convertElements(raw.data(), store.elementKind(), values.data(), CNN_F64, int64_t(values.size()));
  return values;
}

void foldNormalization(const std::vector<FoldInfo> &folded, TensorStore &store) {
  for (const FoldInfo &f : folded) {
    const size_t filterAt = indexOf(store, f.filter), shiftAt = indexOf(store, f.shift);
    std::vector<double> filter = valuesOf(store, filterAt), shift = valuesOf(store, shiftAt);
    const std::vector<double> scale = valuesOf(store, indexOf(store, f.scale)), mean = valuesOf(store, indexOf(store, f.mean)),
                              variance = valuesOf(store, indexOf(store, f.variance));
    const std::vector<double> bias = f.bias.empty() ? std::vector<double>(shift.size()) : valuesOf(store, indexOf(store, f.bias));
    const size_t outputs = shift.size(), inputs = filter.size() / outputs;
    for (size_t o = 0; o < outputs; ++o) {
      const double factor = scale[o] / std::sqrt(variance[o] + f.eps);
      for (size_t i = 0; i < inputs; ++i)
        filter[o * inputs + i] *= factor;
      shift[o] += (bias[o] - mean[o]) * factor;
    }
    store.writeLogical(filterAt, filter.data(), CNN_F64);
    store.writeLogical(shiftAt, shift.data(), CNN_F64);
  }
}

} // namespace rt
