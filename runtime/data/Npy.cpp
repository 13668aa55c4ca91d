// The NumPy reader: images and labels as .npy files, or as the members x and y of one .npz archive.
// In: images of bytes (N,H,W), (N,H,W,C) or (N,C,H,W), or floats in 0..1; labels of whole numbers (N).  Out: a set; what is not compressed is mapped, and may be larger than memory.
#include "runtime/Failure.h"
#include "runtime/data/NpyArray.h"
#include "runtime/data/Readers.h"
#include "runtime/data/ZipArchive.h"
#include <cmath>
#include <cstring>

namespace rt {

static constexpr size_t largestNpy = size_t(1) << 36;

template <class T> static T element(const NpyArray &a, size_t i) {
  T value;
  std::memcpy(&value, a.data.data() + i * sizeof(T), sizeof(T));
  return value;
}

static int64_t whole(const NpyArray &a, size_t i) {
  const bool isSigned = a.kind == 'i';
  switch (a.bytes) {
  case 1: return isSigned ? element<int8_t>(a, i) : element<uint8_t>(a, i);
  case 2: return isSigned ? element<int16_t>(a, i) : element<uint16_t>(a, i);
  case 4: return isSigned ? int64_t(element<int32_t>(a, i)) : int64_t(element<uint32_t>(a, i));
  default: return element<int64_t>(a, i); // above 2^63 it is negative, and no class
  }
}

static uint8_t pixel(const NpyArray &a, size_t i, const std::string &path) {
  if (a.kind != 'f')
    return uint8_t(a.data[i]);
  const double v = a.bytes == 4 ? double(element<float>(a, i)) : element<double>(a, i);
  if (!(v >= 0 && v <= 1))
    fail(Exit::badData, "{}: element {} is {}; floats are to be in 0..1", printable(path), i, v);
  return uint8_t(std::floor(v * 255 + 0.5));
}

namespace {
/// Images that are made of the array's elements when they are asked for.
class NpyDataset : public Dataset {
public:
  NpyDataset(std::shared_ptr<const void> owner, const NpyArray &array, bool channelsFirst, const Description &d, std::vector<int32_t> labels, std::string path)
      : owner(std::move(owner)), array(array), channelsFirst(channelsFirst), C(size_t(d.channels)), area(size_t(d.height * d.width)), labels(std::move(labels)),
        path(std::move(path)) {}
  int64_t size() const override { return int64_t(labels.size()); }
  int32_t label(int64_t i) const override { return labels[size_t(i)]; }
  const uint8_t *image(int64_t i) const override {
    static thread_local std::vector<uint8_t> out;
    out.resize(C * area);
    const size_t first = size_t(i) * C * area;
    for (size_t k = 0; k < C * area; ++k) // channels last in memory
      out[k] = pixel(array, first + (channelsFirst ? (k % C) * area + k / C : k), path);
    return out.data();
  }

private:
  std::shared_ptr<const void> owner;
  NpyArray array;
  bool channelsFirst;
  size_t C, area;
  std::vector<int32_t> labels;
  std::string path;
};
} // namespace

static std::shared_ptr<const Dataset> imagesOf(std::shared_ptr<const void> owner, const NpyArray &a, const std::string &path, const Description &d,
                                               std::vector<int32_t> labels) {
  const bool bytes = a.bytes == 1 && a.kind == 'u';
  if (!bytes && a.kind != 'f')
    fail(Exit::badData, "{}: images are to be uint8, or floats in 0..1", printable(path));
  const std::vector<int64_t> &s = a.shape;
  const bool grey = s.size() == 3 && d.channels == 1 && s[1] == d.height && s[2] == d.width;
  const bool last = s.size() == 4 && s[1] == d.height && s[2] == d.width && s[3] == d.channels;
  const bool first = s.size() == 4 && s[1] == d.channels && s[2] == d.height && s[3] == d.width;
  if (!grey && !last && !first) {
    std::string shape;
    for (int64_t extent : s)
      shape += (shape.empty() ? "" : ",") + std::to_string(extent);
    fail(Exit::badData, "{} has the shape ({}), the network's input needs (N,{},{},{}) or (N,{},{},{})", printable(path), shape, d.height, d.width,
         d.channels, d.channels, d.height, d.width);
  }
  if (bytes && (grey || last))
    return std::make_shared<ViewDataset>(size_t(d.imageElements()), std::move(owner), reinterpret_cast<const uint8_t *>(a.data.data()), std::move(labels));
  for (size_t i = 0; !bytes && i < size_t(s[0] * d.imageElements()); ++i)
    pixel(a, i, path); // a float out of range is found now, not in the middle of an epoch
  return std::make_shared<NpyDataset>(std::move(owner), a, !grey && !last, d, std::move(labels), path);
}

std::shared_ptr<const Dataset> readNpy(const ReaderInput &input) {
  if (input.files.size() != 1 && input.files.size() != 2)
    fail(Exit::badData, "npy(...) needs images and labels, or one NPZ archive; found {} files", input.files.size());
  const std::string imagePath = pathBelow(input.root, input.files.front()), labelPath = pathBelow(input.root, input.files.back());
  NpyArray images, labels;
  std::shared_ptr<const void> imageOwner, labelOwner;
  auto mapped = [](const std::string &path, std::shared_ptr<const void> &owner) {
    auto file = std::make_shared<const MappedFile>(path, largestNpy);
    owner = file;
    return file->bytes();
  };
  if (input.files.size() == 1) {
    const auto archive = std::make_shared<const MappedFile>(imagePath, largestNpy);
    auto member = [&](const char *name, std::shared_ptr<const void> &owner) {
      ZipMember m = zipMember(archive, name, imagePath, cacheBytes(input.options));
      owner = std::move(m.owner);
      return parseNpy(m.bytes, imagePath);
    };
    labels = member("y.npy", labelOwner);
    images = member("x.npy", imageOwner);
  } else {
    labels = parseNpy(mapped(labelPath, labelOwner), labelPath); // the small file first
    images = parseNpy(mapped(imagePath, imageOwner), imagePath);
  }
  if (labels.shape.size() != 1 || (labels.kind != 'u' && labels.kind != 'i'))
    fail(Exit::badData, "{}: labels are to be whole numbers of one dimension", printable(labelPath));
  if (images.shape.empty() || images.shape[0] != labels.shape[0])
    fail(Exit::badData, "{} has {} images, {} has {} labels", printable(imagePath), images.shape.empty() ? 0 : images.shape[0], printable(labelPath),
         labels.shape[0]);
  std::vector<int32_t> numbers;
  for (size_t i = 0; i < size_t(labels.shape[0]); ++i) {
    const int64_t label = whole(labels, i);
    if (label < 0 || label >= input.description.classes)
      fail(Exit::badData, "{}: the label of sample {} is {}, the network has classes 0..{}", printable(labelPath), i, label, input.description.classes - 1);
    numbers.push_back(int32_t(label));
  }
  return imagesOf(std::move(imageOwner), images, imagePath, input.description, std::move(numbers));
}

} // namespace rt
