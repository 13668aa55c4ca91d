// Two models in one program, trained at the same time, each on a thread of its own.
// In: the macros A and B, the networks' names (or one name twice), and their headers by -include.
// Out: exit status 0 where both end with the bytes that they end with alone.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#define JOIN(a, b) a##_##b
#define NAME(a, b) JOIN(a, b)
#define HANDLE(a) NAME(a, model)

#define TRAIN(function, net) \
  static bool function(uint64_t seed, const std::string &path) { \
    int64_t sizes[5]; /* channels, height, width, classes, batch */ \
    NAME(net, sizes)(sizes); \
    const int64_t batch = sizes[4], classes = sizes[3]; \
    std::vector<float> x(size_t(batch * sizes[0] * sizes[1] * sizes[2])), probabilities(size_t(batch * classes)); \
    std::vector<int32_t> labels; \
    for (int64_t i = 0; i < batch; ++i) \
      labels.push_back(int32_t((uint64_t(i) + seed) % uint64_t(classes))); \
    for (size_t i = 0; i < x.size(); ++i) \
      x[i] = float((i * 31 + seed * 7) % 100) / 100; \
    HANDLE(net) *m = nullptr; \
    bool good = NAME(net, create)(&m, 2, seed) == 0; \
    for (int s = 0; good && s < 40; ++s) { \
      double loss = 0; \
      good = NAME(net, train_step)(m, x.data(), labels.data(), 0.05, &loss) == 0 && NAME(net, predict)(m, x.data(), batch, probabilities.data()) == 0; \
    } \
    good = good && NAME(net, save)(m, path.c_str()) == 0; \
    NAME(net, destroy)(m); \
    return good; \
  }
TRAIN(trainA, A)
TRAIN(trainB, B)

static std::string bytes(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

int main() {
  if (!trainA(1, "alone-a") || !trainB(2, "alone-b"))
    return 2;
  bool good[2] = {};
  std::thread a([&] { good[0] = trainA(1, "together-a"); }), b([&] { good[1] = trainB(2, "together-b"); });
  a.join(), b.join();
  const bool same = bytes("alone-a") == bytes("together-a") && bytes("alone-b") == bytes("together-b") && bytes("alone-a") != bytes("alone-b");
  std::printf("%s\n", good[0] && good[1] && same ? "the same bytes" : "other bytes");
  return !(good[0] && good[1] && same);
}
