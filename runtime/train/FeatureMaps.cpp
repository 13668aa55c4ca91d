// Maps out of the launches of one inference; Score-CAM.
// In: a picture.  Out: copies of the buffers that kernels wrote; weights of channels by masked inference.
#include "runtime/train/FeatureMaps.h"
#include "runtime/device/Element.h"
#include "runtime/train/Metrics.h"
#include <algorithm>
#include <cmath>
#include <numeric>

namespace rt {

namespace {
class MapObserver : public LaunchObserver {
public:
  explicit MapObserver(const Description &d) : d(d) {}
  void launched(const cnn_kernel &kernel, void *const *buffers, double, std::chrono::steady_clock::time_point) override {
    const auto named = std::find_if(d.layers.begin(), d.layers.end(), [&](const LayerInfo &l) { return l.name == kernel.layer; });
    if (named == d.layers.end())
      return;
    for (uint32_t i = 0; i < kernel.n_buffers; ++i) {
      const cnn_buffer_info &info = kernel.buffer_infos[i];
      if (!info.is_output || (info.element_kind != CNN_F32 && info.element_kind != CNN_F64 && info.element_kind != CNN_BF16))
        continue;
      const LayerInfo *layer = whose(size_t(named - d.layers.begin()), int64_t(info.elements));
      if (!layer)
        continue;
      FeatureMap map{layer->name, layer->output[0], layer->output[1], layer->output[2], std::vector<double>(info.elements)};
      convertElements(buffers[i], info.element_kind, map.values.data(), CNN_F64, int64_t(info.elements));
      if (!maps.empty() && maps.back().layer == map.layer) // written in two steps
        maps.back() = std::move(map);
      else
        maps.push_back(std::move(map));
    }
  }
  std::vector<FeatureMap> maps;

private:
  const Description &d;

  /// From the named layer on, the last of a chain of layers that work on each element and give so many: what is fused into its kernel.
  const LayerInfo *whose(size_t from, int64_t elements) const {
    const LayerInfo *found = nullptr;
    for (size_t j = from; j < d.layers.size(); ++j) {
      const LayerInfo &l = d.layers[j];
      const bool next = j == from || (l.inputs.size() == 1 && l.inputs[0] == j - 1 && elementwise(l));
      if (!next || l.flat || l.output.size() != 3)
        break;
      if (l.output[1] * l.output[2] > 1 && l.output[0] * l.output[1] * l.output[2] == elements)
        found = &l;
    }
    return found;
  }
  static bool elementwise(const LayerInfo &l) {
    return l.kind == "batchnorm" || l.kind == "dropout" || l.attributes.find("\"op\":\"activation\"") != std::string::npos;
  }
};
} // namespace

std::vector<FeatureMap> featureMaps(Program &program, const void *x) {
  MapObserver observer(program.description);
  program.observeInference(observer, x);
  return std::move(observer.maps);
}

/// One channel, bilinear, at the input's size, scaled to 0..1; all 0 where it is flat.
static std::vector<double> enlarged(const FeatureMap &m, int64_t c, int64_t H, int64_t W) {
  std::vector<double> out(size_t(H * W));
  auto at = [&](int64_t h, int64_t w) { return m.values[size_t((h * m.width + w) * m.channels + c)]; };
  for (int64_t h = 0; h < H; ++h)
    for (int64_t w = 0; w < W; ++w) {
      const double y = std::clamp((double(h) + 0.5) * double(m.height) / double(H) - 0.5, 0.0, double(m.height - 1));
      const double x = std::clamp((double(w) + 0.5) * double(m.width) / double(W) - 0.5, 0.0, double(m.width - 1));
      const int64_t top = int64_t(y), left = int64_t(x), bottom = std::min(top + 1, m.height - 1), right = std::min(left + 1, m.width - 1);
      const double v = y - double(top), u = x - double(left);
      out[size_t(h * W + w)] = (1 - v) * ((1 - u) * at(top, left) + u * at(top, right)) + v * ((1 - u) * at(bottom, left) + u * at(bottom, right));
    }
  const auto [low, high] = std::minmax_element(out.begin(), out.end());
  const double least = *low, range = *high - *low;
  for (double &value : out)
    value = range > 0 ? (value - least) / range : 0;
  return out;
}

/// The channels that vary most over the map, at most so many.
static std::vector<int64_t> liveliest(const FeatureMap &m, size_t most) {
  std::vector<double> range(size_t(m.channels));
  for (int64_t c = 0; c < m.channels; ++c) {
    double low = HUGE_VAL, high = -HUGE_VAL;
    for (int64_t p = 0; p < m.height * m.width; ++p) {
      const double v = m.values[size_t(p * m.channels + c)];
      low = std::min(low, v), high = std::max(high, v);
    }
    range[size_t(c)] = high - low;
  }
  std::vector<int64_t> order(range.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return range[size_t(a)] > range[size_t(b)]; });
  order.resize(std::min(order.size(), most));
  order.erase(std::remove_if(order.begin(), order.end(), [&](int64_t c) { return !(range[size_t(c)] > 0); }), order.end());
  return order;
}

std::vector<double> classActivation(Program &program, const void *x, int64_t classIndex) {
  constexpr size_t mostChannels = 512;
  const Description &d = program.description;
  const int64_t H = d.height, W = d.width, C = d.channels, K = d.classes;
  const uint32_t kind = program.elementKind();
  const std::vector<FeatureMap> maps = featureMaps(program, x);
  if (maps.empty())
    fail(Exit::usage, "{} has no layer with a map: there is nothing to explain a class by", d.name);
  const FeatureMap &last = maps.back();
  const std::vector<int64_t> channels = liveliest(last, mostChannels);
  const int64_t n = int64_t(channels.size()), image = H * W * C;
  AlignedBuffer masked(size_t(n * image) * elementBytes(kind)), logits(size_t(n * K) * elementBytes(kind));
  std::vector<std::vector<double>> masks;
  withElement(kind, [&](auto zero) {
    using T = decltype(zero);
    for (int64_t i = 0; i < n; ++i) {
      masks.push_back(enlarged(last, channels[size_t(i)], H, W));
      for (int64_t p = 0; p < image; ++p)
        masked.as<T>()[i * image + p] = T(masks.back()[size_t(p / C)] * double(static_cast<const T *>(x)[p]));
    }
  });
  program.infer(masked.data(), n, logits.data());
  std::vector<double> p(size_t(n * K)), heat(size_t(H * W));
  convertElements(logits.data(), kind, p.data(), CNN_F64, n * K);
  for (int64_t i = 0; i < n; ++i)
    softmax(&p[size_t(i * K)], K);
  double worst = n ? 1 : 0;
  for (int64_t i = 0; i < n; ++i)
    worst = std::min(worst, p[size_t(i * K + classIndex)]);
  for (int64_t i = 0; i < n; ++i)
    for (size_t at = 0; at < heat.size(); ++at)
      heat[at] += (p[size_t(i * K + classIndex)] - worst) * masks[size_t(i)][at];
  const auto [low, high] = std::minmax_element(heat.begin(), heat.end());
  const double least = *low, range = *high - *low;
  for (double &value : heat)
    value = range > 0 ? (value - least) / range : 0;
  return heat;
}

} // namespace rt
