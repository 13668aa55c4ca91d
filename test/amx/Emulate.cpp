// AMX on processors that lack it: a library to preload into a program that a trainer's tests run.
// In: LD_PRELOAD; SIGILL at LDTILECFG, TILERELEASE, TILEZERO, TILELOADD, TILELOADDT1, TILESTORED, TDPBF16PS (Intel SDM vol. 2, VEX map 2).
// Out: their effect on tiles that each thread has of its own; the answer to the request for tile registers. Any other illegal instruction
// ends the program. AMX_EMULATE_REFUSE=1 refuses the request, as an old kernel does. AMX_EMULATE_COUNT=1 tells on stderr how many products were made.
#include <atomic>
#include <cerrno>
#include <cmath>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

namespace {

constexpr int tiles = 8, maxRows = 16, maxBytes = 64;

struct Tile {
  uint8_t data[maxRows][maxBytes];
};
/// Zero at first, as the registers are.
struct State {
  bool configured;
  uint8_t rows[tiles];
  uint16_t bytes[tiles];
  Tile tile[tiles];
};
thread_local State state;
std::atomic<uint64_t> products;

[[noreturn]] void refuse(const char *what) {
  char text[160];
  int n = std::snprintf(text, sizeof text, "amx emulation: %s\n", what);
  if (write(2, text, n) < 0)
    _exit(126);
  _exit(125);
}

void require(bool condition, const char *what) {
  if (!condition)
    refuse(what);
}

/// A VEX instruction of map 2 whose last byte is part of ModRM, SIB and displacement.
struct Instruction {
  uint8_t opcode, prefix, modrm;
  int reg, rm, vvvv;
  uint64_t address;   ///< of memory, without the index
  uint64_t index;     ///< scaled: the stride of a tile in memory
  bool inMemory;
  int length;
};

uint64_t registerOf(const ucontext_t &context, int number) {
  constexpr int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return context.uc_mcontext.gregs[places[number]];
}

int64_t displacement(const uint8_t *at, int bytes) {
  if (bytes == 1)
    return int8_t(*at);
  int32_t value;
  std::memcpy(&value, at, 4);
  return value;
}

bool decode(const ucontext_t &context, Instruction &i) {
  const uint64_t start = context.uc_mcontext.gregs[REG_RIP];
  const auto *p = reinterpret_cast<const uint8_t *>(start);
  if (p[0] != 0xc4 || (p[1] & 0x1f) != 2 || (p[2] & 0x84)) // three-byte VEX, map 0F38, W0, 128 bits
    return false;
  const int r = p[1] & 0x80 ? 0 : 8, x = p[1] & 0x40 ? 0 : 8, b = p[1] & 0x20 ? 0 : 8;
  i.vvvv = ~(p[2] >> 3) & 15;
  i.prefix = p[2] & 3; // none, 66, F3, F2
  i.opcode = p[3];
  i.modrm = p[4];
  const int mod = i.modrm >> 6, low = i.modrm & 7;
  i.reg = (i.modrm >> 3 & 7) + r, i.rm = low + b, i.inMemory = mod != 3;
  i.address = i.index = 0;
  const uint8_t *next = p + 5;
  if (i.inMemory) {
    int bytes = mod == 1 ? 1 : mod == 2 ? 4 : 0;
    if (low == 4) {
      const uint8_t sib = *next++;
      const int index = (sib >> 3 & 7) + x, base = (sib & 7) + b;
      if (index != 4)
        i.index = registerOf(context, index) << (sib >> 6);
      if ((sib & 7) == 5 && mod == 0)
        bytes = 4;
      else
        i.address = registerOf(context, base);
    } else if (low == 5 && mod == 0) { // relative to the next instruction
      i.address = uint64_t(next) + 4;
      bytes = 4;
    } else {
      i.address = registerOf(context, i.rm);
    }
    if (bytes)
      i.address += displacement(next, bytes);
    next += bytes;
  }
  i.length = int(next - p);
  return true;
}

void configure(const uint8_t *from) {
  require(from[0] == 1 || from[0] == 0, "LDTILECFG of an unknown palette");
  state = State();
  if (!from[0])
    return;
  state.configured = true;
  require(from[1] == 0, "LDTILECFG with a row to start at");
  for (int t = 0; t < tiles; ++t) {
    std::memcpy(&state.bytes[t], from + 16 + 2 * t, 2);
    state.rows[t] = from[48 + t];
    require(state.bytes[t] <= maxBytes && state.rows[t] <= maxRows && !state.bytes[t] == !state.rows[t], "LDTILECFG of a tile that is too large");
  }
}

Tile &used(int t) {
  require(state.configured && t < tiles && state.rows[t], "a tile that is not configured");
  return state.tile[t];
}

float flushed(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

float half(uint32_t pair, bool high) {
  const uint32_t bits = high ? pair & 0xffff0000u : pair << 16;
  float x;
  std::memcpy(&x, &bits, 4);
  return flushed(x);
}

/// The operation of TDPBF16PS: for each pair of rows k in order, the odd products are summed apart from the even ones, and both are added in the end.
/// Fused, rounded to nearest, with subnormals as zeros; MXCSR is not looked at.
void multiply(int c, int a, int b) {
  require(c != a && c != b && a != b, "TDPBF16PS of equal tiles");
  used(c), used(a), used(b);
  const int m = state.rows[c], n = state.bytes[c] / 4, k = state.bytes[a] / 4;
  require(state.bytes[c] % 4 == 0 && state.bytes[a] % 4 == 0 && state.rows[a] == m && state.bytes[b] == n * 4 && state.rows[b] == k,
          "TDPBF16PS of tiles that do not fit together");
  for (int i = 0; i < m; ++i) {
    float sums[2][maxBytes / 4] = {};
    for (int l = 0; l < k; ++l) {
      uint32_t x, y[maxBytes / 4];
      std::memcpy(&x, state.tile[a].data[i] + 4 * l, 4);
      std::memcpy(y, state.tile[b].data[l], 4 * n);
      for (int j = 0; j < n; ++j)
        for (int odd = 0; odd < 2; ++odd)
          sums[odd][j] = flushed(std::fma(half(x, odd), half(y[j], odd), sums[odd][j]));
    }
    for (int j = 0; j < n; ++j) {
      float old;
      std::memcpy(&old, state.tile[c].data[i] + 4 * j, 4);
      const float sum = flushed(flushed(old) + flushed(sums[0][j] + sums[1][j]));
      std::memcpy(state.tile[c].data[i] + 4 * j, &sum, 4);
    }
    std::memset(state.tile[c].data[i] + 4 * n, 0, maxBytes - 4 * n);
  }
  for (int i = m; i < maxRows; ++i)
    std::memset(state.tile[c].data[i], 0, maxBytes);
  products.fetch_add(1, std::memory_order_relaxed);
}

void move(const Instruction &i, bool load) {
  Tile &tile = used(i.reg);
  Tile loaded = {};
  for (int row = 0; row < state.rows[i.reg]; ++row) {
    void *memory = reinterpret_cast<void *>(i.address + row * i.index);
    if (load)
      std::memcpy(loaded.data[row], memory, state.bytes[i.reg]);
    else
      std::memcpy(memory, tile.data[row], state.bytes[i.reg]);
  }
  if (load)
    tile = loaded;
}

bool run(const Instruction &i) {
  enum { none, p66, pF3, pF2 };
  if (i.opcode == 0x49 && i.prefix == none && i.inMemory && i.reg == 0)
    configure(reinterpret_cast<const uint8_t *>(i.address));
  else if (i.opcode == 0x49 && i.prefix == none && i.modrm == 0xc0)
    state = State();
  else if (i.opcode == 0x49 && i.prefix == pF2 && !i.inMemory && i.rm == 0)
    used(i.reg) = Tile();
  else if (i.opcode == 0x4b && (i.prefix == pF2 || i.prefix == p66) && i.inMemory)
    move(i, /*load=*/true);
  else if (i.opcode == 0x4b && i.prefix == pF3 && i.inMemory)
    move(i, /*load=*/false);
  else if (i.opcode == 0x5c && i.prefix == pF3 && !i.inMemory)
    multiply(i.reg, i.rm, i.vvvv);
  else
    return false;
  return true;
}

void onIllegal(int, siginfo_t *, void *memory) {
  auto &context = *static_cast<ucontext_t *>(memory);
  Instruction i;
  if (!decode(context, i) || !run(i)) {
    char bytes[80];
    const auto *p = reinterpret_cast<const uint8_t *>(context.uc_mcontext.gregs[REG_RIP]);
    std::snprintf(bytes, sizeof bytes, "illegal instruction %02x %02x %02x %02x %02x %02x", p[0], p[1], p[2], p[3], p[4], p[5]);
    refuse(bytes);
  }
  context.uc_mcontext.gregs[REG_RIP] += i.length;
}

struct Installed {
  Installed() {
    struct sigaction action = {};
    action.sa_sigaction = onIllegal;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGILL, &action, nullptr);
  }
  ~Installed() {
    if (std::getenv("AMX_EMULATE_COUNT"))
      std::fprintf(stderr, "amx emulation: %llu products\n", static_cast<unsigned long long>(products.load()));
  }
} installed;

} // namespace

/// The request for tile registers is granted here; all other calls go on to the C library.
extern "C" long syscall(long number, ...) {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long &argument : a)
    argument = va_arg(list, long);
  va_end(list);
  constexpr long requestPermission = 0x1023, tileData = 18;
  if (number == SYS_arch_prctl && a[0] == requestPermission && a[1] == tileData) {
    if (!std::getenv("AMX_EMULATE_REFUSE"))
      return 0;
    errno = EINVAL;
    return -1;
  }
  using Call = long (*)(long, ...);
  static const Call next = reinterpret_cast<Call>(dlsym(RTLD_NEXT, "syscall"));
  return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
