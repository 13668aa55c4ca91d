// Checks of the readers that the hand-written model does not use: CIFAR records, folders of pictures, PNG and JPEG, good and bad.
// In: a directory to write to.  Out: 0, or the checks that failed.
#include "runtime/Failure.h"
#include "runtime/data/Image.h"
#include "runtime/data/Readers.h"
#include "runtime/params/AtomicFile.h"
#include <cstring>
#include <functional>
#include <turbojpeg.h>
#include <webp/encode.h>
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
static void refuses(const std::function<void()> &action, const std::string &words, Exit status = Exit::badData) {
  try {
    action();
    ++failures;
    fmt::print("not refused: {}\n", words);
  } catch (const Failure &failure) {
    if (failure.status != status || std::string(failure.what()).find(words) == std::string::npos) {
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
  put(dir + "/f/README.md", "no class");
  const auto set = readSource({"folder", {"f"}}, dir, d);
  CHECK(set->size() == 2 && set->label(0) == 0 && set->label(1) == 1);
  CHECK(set->image(0)[47] == 5 && std::abs(set->image(1)[0] - 77) <= 1);
  put(dir + "/f/dog/c.png", "noise");
  refuses([&] { readSource({"folder", {"f"}}, dir, d); }, "c.png is neither");
  makeDirectories(dir + "/f/bird");
  refuses([&] { readSource({"folder", {"f"}}, dir, d); }, "has 3 classes, the network has 2");
  refuses([&] { readSource({"folder", {"nowhere"}}, dir, d); }, "nowhere: No such file or directory");
}

/// A file as numpy.save writes it.
static std::string npy(const std::string &descr, const std::string &shape, const std::string &data, const char *fortran = "False") {
  std::string header = "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': (" + shape + "), }";
  header += std::string(64 - (10 + header.size()) % 64 - 1, ' ') + "\n";
  return std::string("\x93NUMPY\x01\0", 8) + char(header.size() & 255) + char(header.size() >> 8) + header + data;
}

/// As NumPy's savez (stored) and savez_compressed write them; with `wide` sizes and offsets stand in ZIP64 fields alone.
static std::string zip(const std::vector<std::pair<std::string, std::string>> &members, bool stored = false, bool wide = false) {
  auto word = [](uint64_t v, int n) {
    std::string s;
    for (int i = 0; i < n; ++i)
      s += char(v >> (8 * i));
    return s;
  };
  std::string out, directory;
  for (auto &[name, data] : members) {
    std::string packed(compressBound(data.size()), '\0');
    z_stream stream = {};
    deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    stream.next_in = reinterpret_cast<Bytef *>(const_cast<char *>(data.data())), stream.avail_in = uInt(data.size());
    stream.next_out = reinterpret_cast<Bytef *>(&packed[0]), stream.avail_out = uInt(packed.size());
    deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    if (stored)
      packed = data;
    const uint64_t narrow = 0xffffffff;
    const std::string extra = wide ? word(1, 2) + word(24, 2) + word(data.size(), 8) + word(packed.size(), 8) + word(out.size(), 8) : "";
    const std::string common = word(20, 2) + word(0, 2) + word(stored ? 0 : 8, 2) + word(0, 4) +
                               word(crc32_z(0, reinterpret_cast<const Bytef *>(data.data()), data.size()), 4) + word(wide ? narrow : packed.size(), 4) +
                               word(wide ? narrow : data.size(), 4) + word(name.size(), 2) + word(extra.size(), 2);
    directory += "PK\1\2" + word(20, 2) + common + word(0, 10) + word(wide ? narrow : out.size(), 4) + name + extra;
    out += "PK\3\4" + common + name + extra + packed;
  }
  if (wide) {
    const size_t at = out.size(), record = at + directory.size();
    return out + directory + "PK\6\6" + word(44, 8) + word(45, 2) + word(45, 2) + word(0, 8) + word(members.size(), 8) + word(members.size(), 8) + word(directory.size(), 8) +
           word(at, 8) + "PK\6\7" + word(0, 4) + word(record, 8) + word(1, 4) + "PK\5\6" + word(0, 4) + word(0xffff, 2) + word(0xffff, 2) + word(0xffffffff, 4) +
           word(0xffffffff, 4) + word(0, 2);
  }
  return out + directory + "PK\5\6" + word(0, 4) + word(members.size(), 2) + word(members.size(), 2) + word(directory.size(), 4) + word(out.size(), 4) +
         word(0, 2);
}

static void putGzip(const std::string &path, const std::string &bytes) {
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), unsigned(bytes.size()));
  gzclose(file);
}

static void arrays(const std::string &dir) {
  Description d;
  d.channels = 2, d.height = 1, d.width = 2, d.classes = 3;
  const std::string labels = npy("<i4", "2,", std::string("\1\0\0\0\2\0\0\0", 8)), x = npy("|u1", "2, 1, 2, 2", "abcdefgh");
  auto read = [&](const std::string &images, const std::string &y) {
    put(dir + "/x.npy", images), put(dir + "/y.npy", y);
    return readSource({"npy", {"x.npy", "y.npy"}}, dir, d);
  };
  auto set = read(x, labels);
  CHECK(set->size() == 2 && set->label(0) == 1 && set->label(1) == 2 && set->image(1)[0] == 'e');
  d.channels = 3; // (N,C,H,W)
  set = read(npy("|u1", "2, 3, 1, 2", "rRgGbB......"), labels);
  CHECK(set->image(0)[0] == 'r' && set->image(0)[1] == 'g' && set->image(0)[3] == 'R');
  d.channels = 2;
  const float half[] = {0.5f, 0, 1, 0.25f, 0, 0, 0, 0};
  CHECK(read(npy("<f4", "2,1,2,2", std::string(reinterpret_cast<const char *>(half), 32)), labels)->image(0)[0] == 128);
  refuses([&] { read(npy("<f4", "2,1,2,2", std::string(32, '\x7f')), labels); }, "floats are to be in 0..1");
  refuses([&] { read("noise", labels); }, "not an NPY file");
  refuses([&] { read(x.substr(0, x.size() - 1), labels); }, "truncated");
  refuses([&] { read(x + "x", labels); }, "too long");
  refuses([&] { read(x.substr(0, 40), labels); }, "header claims");
  refuses([&] { read(npy("|O", "2,1,2,2", "abcdefgh"), labels); }, "has the dtype '|O'");
  refuses([&] { read(npy(">u2", "2,1,2,2", "abcdefgh"), labels); }, "has the dtype '>u2'");
  refuses([&] { read(npy("|u1", "2,1,2,2", "abcdefgh", "True"), labels); }, "Fortran order");
  refuses([&] { read(npy("|u1", "9223372036854775807,9223372036854775807", ""), labels); }, "declares more than");
  refuses([&] { read(npy("|u1", "-1,2", ""), labels); }, "impossible shape");
  refuses([&] { read(npy("|u1", "2,2,2,1", "abcdefgh"), labels); }, "has the shape (2,2,2,1)");
  refuses([&] { read(npy("|u1", "1,1,2,2", "abcd"), labels); }, "has 1 images");
  refuses([&] { read(x, npy("<i4", "2,", std::string("\1\0\0\0\3\0\0\0", 8))); }, "the label of sample 1 is 3");
  refuses([&] { read(x, npy("<f8", "2,", std::string(16, '\0'))); }, "whole numbers of one dimension");
  ReadOptions options;
  auto archive = [&](const std::string &bytes) {
    put(dir + "/a.npz", bytes);
    return readSource({"npy", {"a.npz"}}, dir, d, options);
  };
  const std::string good = zip({{"x.npy", x}, {"y.npy", labels}});
  CHECK(archive(good)->image(1)[0] == 'e');
  refuses([&] { archive(zip({{"x.npy", x}})); }, "has no member y.npy; it has x.npy");
  refuses([&] { archive(good.substr(0, good.size() - 30)); }, "directory is missing");
  refuses([&] { archive("noise"); }, "no ZIP archive");
  std::string flipped = good;
  flipped[50] = char(flipped[50] ^ 1);
  refuses([&] { archive(flipped); }, "is damaged");
  const std::string stored = zip({{"x.npy", x}, {"y.npy", labels}}, true), wide = zip({{"x.npy", x}, {"y.npy", labels}}, true, true);
  CHECK(archive(stored)->image(1)[0] == 'e' && archive(wide)->image(1)[0] == 'e');
  flipped = stored;
  flipped[stored.find("efgh")] = 'E';
  refuses([&] { archive(flipped); }, "the checksum of x.npy is not the one that it states");
  refuses([&] { archive(stored.substr(40)); }, "no ZIP archive");
  flipped = wide;
  flipped[wide.rfind("PK\6\7") + 8] ^= 1;
  refuses([&] { archive(flipped); }, "its ZIP64 record does not stand where it is said to");
  // What is too large for memory is inflated into a file.
  options.cacheBytes = 1;
  CHECK(archive(good)->image(1)[0] == 'e');
  const std::string idx = std::string("\0\0\x08\3\0\0\0\2\0\0\0\1\0\0\0\2", 16) + "abcd", classes("\0\0\x08\1\0\0\0\2\0\1", 10);
  putGzip(dir + "/i.gz", idx), putGzip(dir + "/l.gz", classes);
  Description grey = d;
  grey.channels = 1;
  CHECK(readSource({"idx", {"i.gz", "l.gz"}}, dir, grey, options)->image(1)[0] == 'c');
  putGzip(dir + "/i.gz", idx.substr(0, 18));
  refuses([&] { readSource({"idx", {"i.gz", "l.gz"}}, dir, grey, options); }, "is truncated (the gzip stream ends early)");
  setenv("TMPDIR", "/nonexistent", 1);
  refuses([&] { archive(good); }, "1 MiB in /nonexistent: No such file or directory; set TMPDIR", Exit::io);
  unsetenv("TMPDIR");
}

static void csv(const std::string &dir) {
  Description d;
  d.channels = 1, d.height = d.width = 1, d.classes = 2;
  d.data.emplace();
  d.data->classNames = {"cat", "big, dog"};
  makeDirectories(dir + "/p");
  put(dir + "/p/a.png", png(1, 1, 8, 0, std::string("\0\x05", 2)));
  put(dir + "/p/b \"c\".png", png(1, 1, 8, 0, std::string("\0\x06", 2)));
  auto read = [&](const std::string &text, int64_t maxBad = 0) {
    put(dir + "/list.csv", text);
    ReadOptions options;
    options.maxBad = maxBad;
    return readSource({"csv", {"list.csv"}}, dir, d, options);
  };
  const auto set = read("path,label\r\np/a.png,cat\r\n\n\"p/b \"\"c\"\".png\",\"big, dog\"\np/a.png,1");
  CHECK(set->size() == 3 && set->label(0) == 0 && set->label(1) == 1 && set->label(2) == 1 && set->image(1)[0] == 6);
  refuses([&] { read("p/a.png,bird\n"); }, "list.csv:1: the line has the label 'bird'");
  refuses([&] { read("p/a.png,cat\np/a.png,2\n"); }, "list.csv:2");
  refuses([&] { read("p/a.png\n"); }, "has 1 fields");
  refuses([&] { read("\"p/a.png,cat\n"); }, "has 0 fields");
  refuses([&] { read(",cat\n"); }, "has no path");
  refuses([&] { read("p/none.png,cat\n"); }, "cannot open");
  refuses([&] { read(""); }, "");
  CHECK(read("p/a.png,bird\np/a.png,cat\np/none.png,cat\n", 2)->size() == 1);
  // Beyond the cache pictures are decoded when they are asked for, with the same bytes.
  ReadOptions small;
  small.cacheBytes = 1;
  put(dir + "/list.csv", "p/a.png,cat\np/b \"c\".png,1\n");
  const auto streamed = readSource({"csv", {"list.csv"}}, dir, d, small);
  CHECK(!streamed->inMemory() && streamed->image(0)[0] == 5 && streamed->image(1)[0] == 6);
}

static void webp(const std::string &dir) {
  put(dir + "/w.webp", "RIFF");
  refuses([&] { readImage(dir + "/w.webp"); }, "neither a PNG");
  put(dir + "/w.webp", std::string("RIFF\x14\0\0\0WEBPVP8L\x08\0\0\0noise...", 28));
  refuses([&] { readImage(dir + "/w.webp"); }, "is not a good WebP file");
  const uint8_t pixels[] = {1, 2, 3, 200, 100, 50};
  uint8_t *out = nullptr;
  const size_t size = WebPEncodeLosslessRGB(pixels, 2, 1, 6, &out);
  const std::string good(reinterpret_cast<char *>(out), size);
  WebPFree(out);
  put(dir + "/w.webp", good);
  CHECK((readImage(dir + "/w.webp").pixels == std::vector<uint8_t>{1, 2, 3, 200, 100, 50}));
  put(dir + "/w.webp", good.substr(0, good.size() - 6));
  refuses([&] { readImage(dir + "/w.webp"); }, "is not a good WebP file");
}

/// Inputs/cmyk.py: what Pillow makes of pictures in CMYK and YCCK, bit for bit.
static void cmyk(const std::string &inputs) {
  for (const char *name : {"cmyk", "ycck", "plain"}) {
    const Image image = readImage(inputs + "/" + name + ".jpg");
    std::string expected(image.pixels.size() + 1, 0);
    FILE *file = std::fopen((inputs + "/" + name + ".rgb").c_str(), "rb");
    CHECK(file && std::fread(expected.data(), 1, expected.size(), file) == image.pixels.size());
    std::fclose(file);
    CHECK(image.width == 20 && image.height == 13 && image.channels == 3 && std::memcmp(image.pixels.data(), expected.data(), image.pixels.size()) == 0);
  }
}

int main(int argc, char **argv) {
  const std::string dir = argc > 1 ? argv[1] : ".";
  makeDirectories(dir);
  pictures(dir);
  cifar(dir);
  folder(dir);
  arrays(dir);
  csv(dir);
  webp(dir);
  cmyk(argc > 2 ? argv[2] : dir);
  fmt::print("{} failures\n", failures);
  return failures != 0;
}
