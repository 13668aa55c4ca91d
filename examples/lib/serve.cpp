// One model for several threads, in C++: requests of different sizes, answered in turn.
// Build: cnnc examples/lib/tiny.cnn --emit=lib -o libtiny
//        c++ -std=c++17 examples/lib/serve.cpp -I. libtiny.a -lpthread -o serve
// In: a checkpoint.  Out: exit status 0 where every thread has got the same answers as a single one.
#include "tiny.h"
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

class Tiny {
public:
  explicit Tiny(const std::string &checkpoint) {
    tiny_model *made = nullptr;
    const int status = tiny_create(&made, 0, 1);
    model.reset(made);
    check(status);
    check(tiny_load(made, checkpoint.c_str()));
  }
  std::vector<float> predict(const std::vector<float> &x) {
    const size_t n = x.size() / (TINY_CHANNELS * TINY_HEIGHT * TINY_WIDTH);
    std::vector<float> probabilities(n * TINY_CLASSES);
    check(tiny_predict(model.get(), x.data(), int64_t(n), probabilities.data()));
    return probabilities;
  }

private:
  void check(int status) {
    if (status == TINY_OK)
      return;
    std::string text(tiny_last_error(model.get(), nullptr, 0), ' ');
    tiny_last_error(model.get(), text.data(), text.size() + 1);
    throw std::runtime_error(text);
  }
  struct Destroy {
    void operator()(tiny_model *m) const { tiny_destroy(m); }
  };
  std::unique_ptr<tiny_model, Destroy> model;
};

int main(int argc, char **argv) {
  constexpr int clients = 4, requests = 50;
  const size_t image = TINY_CHANNELS * TINY_HEIGHT * TINY_WIDTH;
  try {
    Tiny model(argc > 1 ? argv[1] : "tiny.safetensors");
    std::vector<std::vector<float>> pictures, expected;
    for (int c = 0; c < clients; ++c) {
      std::vector<float> x(image * size_t(1 + 9 * c));
      for (size_t i = 0; i < x.size(); ++i)
        x[i] = float((i * 31 + size_t(c)) % 100) / 100;
      pictures.push_back(x);
      expected.push_back(model.predict(x));
    }
    std::vector<std::thread> threads;
    std::vector<int> wrong(clients);
    for (int c = 0; c < clients; ++c)
      threads.emplace_back([&, c] {
        for (int r = 0; r < requests; ++r)
          wrong[size_t(c)] += model.predict(pictures[size_t(c)]) != expected[size_t(c)];
      });
    int sum = 0;
    for (int c = 0; c < clients; ++c) {
      threads[size_t(c)].join();
      sum += wrong[size_t(c)];
    }
    std::printf("%d answers, %d wrong\n", clients * requests, sum);
    try {
      Tiny("/nonexistent");
    } catch (const std::runtime_error &e) {
      std::printf("refused: %s\n", e.what());
    }
    return sum != 0;
  } catch (const std::exception &e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
