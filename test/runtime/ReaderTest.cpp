// Checks of the readers that the hand-written model does not use: CIFAR records, folders of pictures, PNG and JPEG, good and bad.
// In: a directory to write to.  Out: 0, or the checks that failed.
#include "runtime/Failure.h"
#include "runtime/data/Image.h"
#include "runtime/data/Readers.h"
#include "runtime/params/AtomicFile.h"
#include <cstring>
#include <functional>
#include <turbojpeg.h>
#include <zlib.h>

using namespace rt;

static int failures = 0;
#define CHECK(condition)                                                                                                                         \
  ((condition) ? (void)0 : (++failures, (void)fmt::print("{}:{}: {}\n", __FILE__, __LINE__, #condition)))

static void put(const std::string &path, const std::string &bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

/// The action ends with Exit::badData and a message that has the words in it.
static void refuses(const std::function<void()> &action, const std::string &words) {
  try {
    action();
    ++failures;
    fmt::print("not refused: {}\n", words);
  } catch (const Failure &failure) {
    if (failure.status != Exit::badData || std::string(failure.what()).find(words) == std::string::npos) {
      ++failures;
      fmt::print("refused with '{}' instead of '{}'\n", failure.what(), words);
    }
  }
}

static std::string chunk(std::string kind, const std::string &data) {
  auto word = [](uint32_t v) { return std::string{char(v >> 24), char(v >> 16), char(v >> 8), char(v)}; };
  const std::string body = kind + data;
  return word(uint32_t(data.size())) + body + word(uint32_t(crc32_z(0, reinterpret_cast<const Bytef *>(body.data()), body.size())));
}

static std::string png(uint32_t width, uint32_t height, char depth, char colour, const std::string &rows) {
  std::string packed(compressBound(rows.size()), '\0');
  uLongf size = packed.size();
  compress(reinterpret_cast<Bytef *>(&packed[0]), &size, reinterpret_cast<const Bytef *>(rows.data()), rows.size());
  packed.resize(size);
  std::string header;
  for (uint32_t v : {width, height})
    header += std::string{char(v >> 24), char(v >> 16), char(v >> 8), char(v)};
  return "\x89PNG\r\n\x1a\n" + chunk("IHDR", header + depth + colour + std::string(3, '\0')) + chunk("IDAT", packed) + chunk("IEND", "");
}

static std::string jpeg(int width, int height, int format, unsigned char value) {
  tjhandle handle = tjInitCompress();
  std::vector<unsigned char> pixels(size_t(width * height * tjPixelSize[format]), value);
  unsigned char *out = nullptr;
  unsigned long size = 0;
  tjCompress2(handle, pixels.data(), width, 0, height, format, &out, &size, format == TJPF_GRAY ? TJSAMP_GRAY : TJSAMP_444, 95, 0);
  std::string bytes(reinterpret_cast<char *>(out), size);
  tjFree(out);
  tjDestroy(handle);
  return bytes;
}

static void pictures(const std::string &dir) {
  const std::string path = dir + "/picture";
  using Bytes = std::vector<uint8_t>;
  put(path, png(2, 1, 8, 0, std::string("\0\x0a\x14", 3)));
  CHECK((readImage(path).pixels == Bytes{10, 20}));
  put(path, png(1, 1, 8, 2, std::string("\0\x01\x02\x03", 4)));
  CHECK((readImage(path).pixels == Bytes{1, 2, 3} && readImage(path).channels == 3));
  put(path, png(1, 1, 8, 6, std::string("\0\x01\x02\x03\x80", 5))); // alpha is dropped
  CHECK((readImage(path).pixels == Bytes{1, 2, 3}));
  put(path, png(1, 1, 16, 0, std::string("\0\x09\xff", 3)));
  CHECK((readImage(path).pixels == Bytes{9}));
  put(path, png(8, 1, 1, 0, std::string("\0\xa0", 2)));
  CHECK((readImage(path).pixels == Bytes{255, 0, 255, 0, 0, 0, 0, 0}));
  const std::string good = png(64, 64, 8, 0, std::string(64 * 65, '\0'));
  for (size_t cut : {size_t(9), size_t(30), good.size() / 2, good.size() - 20}) {
    put(path, good.substr(0, cut));
    refuses([&] { readImage(path); }, "is not a good PNG file");
  }
  put(path, png(1000000, 1000000, 8, 0, "x"));
  refuses([&] { readImage(path); }, "is not a good PNG file");
  put(path, png(16000, 16000, 8, 0, "x"));
  refuses([&] { readImage(path); }, "too many pixels");
  put(path, jpeg(9, 7, TJPF_GRAY, 77));
  const Image grey = readImage(path);
  CHECK(grey.height == 7 && grey.width == 9 && grey.channels == 1 && std::abs(grey.pixels[30] - 77) <= 1);
  put(path, jpeg(9, 7, TJPF_RGB, 77));
  CHECK(readImage(path).channels == 3);
  put(path, jpeg(64, 64, TJPF_RGB, 77).substr(0, 640));
  refuses([&] { readImage(path); }, "is not a good JPEG file");
  put(path, std::string("\xff\xd8\xff", 3) + "noise");
  refuses([&] { readImage(path); }, "is not a good JPEG file");
  put(path, "GIF89a");
  refuses([&] { readImage(path); }, "neither a PNG, a JPEG nor a WebP");
  refuses([&] { readImage(dir); }, "is not a regular file");
}

static void cifar(const std::string &dir) {
  Description d;
  d.channels = 3, d.height = d.width = 32, d.classes = 10;
  std::string record(1 + 3072, '\0');
  record[0] = 7;
  record[1] = 1;        // red of the first pixel
  record[1 + 1024] = 2; // green
  record[1 + 2049] = 3; // blue of the second
  put(dir + "/batch.bin", record + record);
  const auto set = readSource({"cifar10", {"batch.bin", "batch.bin"}}, dir, d);
  CHECK(set->size() == 4 && set->label(3) == 7);
  CHECK(set->image(2)[0] == 1 && set->image(2)[1] == 2 && set->image(2)[5] == 3);
  put(dir + "/batch.bin", record + "x");
  refuses([&] { readSource({"cifar10", {"batch.bin"}}, dir, d); }, "no multiple of a record's 3073");
  record[0] = 10;
  put(dir + "/batch.bin", record);
  refuses([&] { readSource({"cifar10", {"batch.bin"}}, dir, d); }, "the label of sample 0 is 10");
  refuses([&] { readSource({"tfrecord", {"batch.bin"}}, dir, d); }, "has no reader 'tfrecord'");
}

static void folder(const std::string &dir) {
  Description d;
  d.channels = 3, d.height = d.width = 4, d.classes = 2;
  for (const char *name : {"/f/cat", "/f/dog"})
    makeDirectories(dir + name);
  put(dir + "/f/cat/a.png", png(1, 1, 8, 0, std::string("\0\x05", 2)));
  put(dir + "/f/dog/b.JPG", jpeg(9, 9, TJPF_RGB, 77));
  put(dir + "/f/dog/notes.txt", "not a picture");
  const auto set = readSource({"folder", {"f"}}, dir, d);
  CHECK(set->size() == 2 && set->label(0) == 0 && set->label(1) == 1);
  CHECK(set->image(0)[47] == 5 && std::abs(set->image(1)[0] - 77) <= 1);
  put(dir + "/f/dog/c.png", "noise");
  refuses([&] { readSource({"folder", {"f"}}, dir, d); }, "c.png is neither");
  makeDirectories(dir + "/f/bird");
  refuses([&] { readSource({"folder", {"f"}}, dir, d); }, "has 3 classes, the network has 2");
  refuses([&] { readSource({"folder", {"nowhere"}}, dir, d); }, "is not a directory");
}

int main(int argc, char **argv) {
  const std::string dir = argc > 1 ? argv[1] : ".";
  makeDirectories(dir);
  pictures(dir);
  cifar(dir);
  folder(dir);
  fmt::print("{} failures\n", failures);
  return failures != 0;
}
