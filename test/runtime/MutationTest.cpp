// Damages good files at random and feeds them to the readers: each is read or refused, and nothing else happens.
// In: a directory, seconds, a seed.  Out: 0, and the counts; a crash or an exception of another kind is the failure.
#include "runtime/Failure.h"
#include "runtime/data/Image.h"
#include "runtime/data/NpyArray.h"
#include "runtime/data/Readers.h"
#include "runtime/params/AtomicFile.h"
#include "runtime/params/Safetensors.h"
#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <unistd.h>
#include <zlib.h>

using namespace rt;

static std::string put(const std::string &path, const std::string &bytes) {
  FILE *file = std::fopen(path.c_str(), "wb");
  std::fwrite(bytes.data(), 1, bytes.size(), file);
  std::fclose(file);
  return path;
}

/// A ZIP archive of stored members.
static std::string zip(const std::vector<std::pair<std::string, std::string>> &members) {
  auto word = [](uint64_t v, int n) { return std::string(reinterpret_cast<const char *>(&v), size_t(n)); };
  std::string out, directory;
  for (auto &[name, data] : members) {
    const std::string common = word(20, 2) + word(0, 8) + word(crc32_z(0, reinterpret_cast<const Bytef *>(data.data()), data.size()), 4) + word(data.size(), 4) +
                               word(data.size(), 4) + word(name.size(), 2) + word(0, 2);
    directory += "PK\1\2" + word(20, 2) + common + word(0, 8) + word(0, 2) + word(out.size(), 4) + name;
    out += "PK\3\4" + common + name + data;
  }
  return out + directory + "PK\5\6" + word(0, 4) + word(members.size(), 2) + word(members.size(), 2) + word(directory.size(), 4) + word(out.size(), 4) + word(0, 2);
}

/// One to four changes: a byte, a run of bytes, a large number, a cut, a doubled piece.
static std::string mutated(std::string s, std::mt19937_64 &rng) {
  static const char *numbers[] = {"0", "-1", "4294967296", "9223372036854775807", "18446744073709551615", "1e9", "\"", "{", "]"};
  for (uint64_t n = 1 + rng() % 4; n > 0 && !s.empty(); --n) {
    const size_t at = rng() % s.size();
    switch (rng() % 7) {
    case 0: s[at] = char(rng()); break;
    case 1: s[at] = char(s[at] ^ (1 << rng() % 8)); break;
    case 2: std::memset(&s[at], rng() % 2 ? 0xff : 0, std::min<size_t>(s.size() - at, 1 + rng() % 8)); break;
    case 3: s.replace(at, 1, numbers[rng() % std::size(numbers)]); break;
    case 4: s.resize(at); break;
    case 5: s.insert(at, s.substr(rng() % s.size(), rng() % 32)); break;
    default: s.erase(at, 1 + rng() % 8);
    }
  }
  return s;
}

int main(int argc, char **argv) {
  const std::string dir = argc > 1 ? argv[1] : ".";
  const double seconds = argc > 2 ? std::atof(argv[2]) : 3;
  makeDirectories(dir);
  std::mt19937_64 rng(argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1);
  Description d;
  d.channels = 1, d.height = d.width = 2, d.classes = 2;
  const std::string labels = std::string("\0\0\x08\1\0\0\0\2\0\1", 10), images = std::string("\0\0\x08\3\0\0\0\2\0\0\0\2\0\0\0\2", 16) + "abcdefgh";
  const std::string npyHeader = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 2), }           \n";
  const std::string npy = std::string("\x93NUMPY\1\0", 8) + char(npyHeader.size()) + '\0' + npyHeader + "abcdefgh";
  const std::string numberHeader = "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }";
  const std::string npz = zip({{"x.npy", npy}, {"y.npy", std::string("\x93NUMPY\1\0", 8) + char(numberHeader.size()) + '\0' + numberHeader + std::string("\0\1", 2)}});
  const float weights[] = {1, 2, 3, 4};
  writeSafetensors(dir + "/w", {{"a", Dtype::f32, {2, 2}, weights}, {"b", Dtype::f32, {}, weights}, {"c", Dtype::i64, {0}, weights}}, {{"epoch", "1"}});
  const std::string safetensors = readFile(dir + "/w", 1 << 20, Exit::io);
  Image picture{6, 5, 3, {}};
  for (int i = 0; i < 90; ++i)
    picture.pixels.push_back(uint8_t(i * 29));
  writePng(dir + "/p.png", picture);
  const std::string png = readFile(dir + "/p.png", 1 << 20, Exit::io);
  put(dir + "/labels", labels);
  const std::pair<const char *, std::function<void()>> readers[] = {
      {"safetensors", [&] { SafetensorsFile(mutated(safetensors, rng), "mutated"); }},
      {"idx", [&] { put(dir + "/images", mutated(images, rng)), readSource({"idx", {"images", "labels"}}, dir, d); }},
      {"npy", [&] { parseNpy(mutated(npy, rng), "mutated"); }},
      {"npz", [&] { put(dir + "/a.npz", mutated(npz, rng)), readSource({"npy", {"a.npz"}}, dir, d); }},
      {"png", [&] { decodePng(mutated(png, rng), "mutated"); }}};
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  int64_t read[5] = {}, refused[5] = {};
  for (size_t i = 0; std::chrono::steady_clock::now() < end; i = (i + 1) % 5) {
    try {
      readers[i].second();
      ++read[i];
    } catch (const Failure &) {
      ++refused[i];
    }
  }
  for (size_t i = 0; i < 5; ++i)
    fmt::print("{}: {} read, {} refused\n", readers[i].first, read[i], refused[i]);
  return 0;
}
