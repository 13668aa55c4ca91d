// Convolution of one image's small map, as a gather (ConvGather.cpp): a filter serves all pixels before the next one is read. There are few multiplications
// for each weight, which comes from memory once, so that what counts is to read at memory's speed all the time.
// In: GatherConv, buffers x, w, y.  Out: for each chunk of two vectors of lanes, loops over taps and input channels. A filter that is given as the forward
// convolution has it is transposed on the way, a block of channels of one tap at a time, in the first-level cache.
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/Epilogue.h"
#include "compiler/kernels/Products.h"
#include "compiler/target/Tiles.h"

using namespace mlir;

namespace cnnc {
namespace {

constexpr int64_t depth = 16; ///< channels after which other pixels have their turn, while the weights are near

class WholeMap {
public:
  WholeMap(KernelBuilder &k, const GatherConv &c, Type element, Value n, const LaneChunk &chunk)
      : k(k), c(c), element(element), lanes(k.lanes(element)), chunk(chunk), products(k, c.pairs, lanes), image(k.mul(n, c.IH * c.IW * c.inChannels)),
        sums(k.scratch(element, c.OH * c.OW * chunk.vectors * lanes)), w(c.sourceBlock ? k.scratch(element, c.sourceBlock * rowOf()) : k.buffer(1)) {}

  /// Weights at `filter`; results of the channels from `first` on, which begin at `out`.
  void run(Value filter, Value out, Value first, Results &results) {
    eachCell([&](int64_t pixel, int64_t v) { k.store(k.zeroVector(element, lanes), sums, cell(pixel, v), lanes); });
    if (!c.sourceBlock) {
      eachTap([&](const Tap &row, const Tap &column, ArrayRef<Pixel> reached) {
        Value from = k.add(filter, row.k * c.wRow + column.k * c.wColumn);
        tap({from, k.add(from, filtersAhead * c.wChannel)}, k.constant(0), c.inChannels, reached);
      });
    } else {
      // A block of channels and a tap have their rows side by side; the block's next tap has its own a constant distance behind them.
      const int64_t distance = c.outChannels * c.sourceBlock;
      k.loop(k.constant(0), k.constant(c.inChannels / c.sourceBlock), 1, [&](Value block) {
        eachTap([&](const Tap &row, const Tap &column, ArrayRef<Pixel> reached) {
          const int64_t number = (row.k * c.wRow + column.k * c.wColumn) / c.wColumn, taps = c.wBlock / c.wColumn;
          Value from = k.add(k.mul(k.add(k.mul(block, taps), number), distance), k.mul(first, c.sourceBlock));
          transposeRun(k, k.buffer(1), from, rowOf(), c.sourceBlock, w, k.constant(0), element);
          tap({k.constant(0), k.add(from, runsAhead * distance)}, k.mul(block, c.sourceBlock), c.sourceBlock, reached);
        });
      });
    }
    SmallVector<ChannelScope> of;
    for (int64_t v = 0; v < chunk.vectors; ++v)
      of.push_back(results.of(k.add(first, v * lanes), width(v)));
    eachCell([&](int64_t pixel, int64_t v) { results.store(of[v], k.load(sums, cell(pixel, v), lanes), k.add(out, pixel * c.outChannels + v * lanes)); });
  }

private:
  KernelBuilder &k;
  const GatherConv &c;
  Type element;
  int64_t lanes;
  LaneChunk chunk;
  Products products;
  Value image; ///< where it begins in x
  Value sums;  ///< scratch memory, [pixels][vectors]: more than there are registers for
  Value w;     ///< weights, rowOf() elements from channel to channel; scratch memory for a block of channels where they are transposed

  int64_t rowOf() const { return c.sourceBlock ? chunk.vectors * lanes : c.wChannel; }
  int64_t width(int64_t v) const { return std::min(lanes, chunk.width - v * lanes); }
  Value cell(int64_t pixel, int64_t v) { return k.constant((pixel * chunk.vectors + v) * lanes); }
  void eachCell(llvm::function_ref<void(int64_t, int64_t)> body) {
    for (int64_t pixel = 0; pixel < c.OH * c.OW; ++pixel)
      for (int64_t v = 0; v < chunk.vectors; ++v)
        body(pixel, v);
  }

  struct Pixel {
    int64_t output, input;
  };
  SmallVector<Pixel> reachedBy(const Tap &row, const Tap &column) const {
    SmallVector<Pixel> reached;
    for (int64_t i = 0; i < c.OH; ++i)
      for (int64_t j = 0; j < c.OW; ++j)
        if (int64_t r = i * c.sourceStepH + row.offset, q = j * c.sourceStepW + column.offset; r >= 0 && r < c.IH && q >= 0 && q < c.IW)
          reached.push_back({i * c.OW + j, r * c.IW + q});
    return reached;
  }

  void eachTap(llvm::function_ref<void(const Tap &, const Tap &, ArrayRef<Pixel>)> body) {
    for (const Tap &row : c.rows.front().taps)
      for (const Tap &column : c.columns.front().taps)
        if (const auto reached = reachedBy(row, column); !reached.empty())
          body(row, column, reached);
  }

  /// Of a tap: where they begin in w, and what is asked for meanwhile, a row with each channel.
  struct Weights {
    Value from, ahead;
  };

  /// `count` input channels from `start` on. Register tiles of its pixels take turns where they are several.
  void tap(const Weights &weights, Value start, int64_t count, ArrayRef<Pixel> reached) {
    constexpr int64_t enough = 10; // pixels: with more, LLVM keeps sums on the stack
    const auto tiles = evenSplit(reached.size(), tilePixels(chunk.vectors, k.target, enough));
    const int64_t turn = tiles.size() > 1 ? depth : count, whole = count / turn * turn;
    auto channels = [&](Value first, int64_t ofTurn) {
      ArrayRef<Pixel> left = reached;
      for (int64_t pixels : tiles) {
        tile(weights, start, first, ofTurn, left.take_front(pixels), left.size() == reached.size());
        left = left.drop_front(pixels);
      }
    };
    k.loop(k.constant(0), k.constant(whole), turn, [&](Value first) { channels(first, turn); });
    if (whole < count)
      channels(k.constant(whole), count - whole);
  }

  /// `count` channels from `first` of those on that begin at `start`.
  void tile(const Weights &of, Value start, Value first, int64_t count, ArrayRef<Pixel> pixels, bool asksForFilters) {
    SmallVector<Value> acc;
    for (const Pixel &p : pixels)
      for (int64_t v = 0; v < chunk.vectors; ++v)
        acc.push_back(k.load(sums, cell(p.output, v), lanes));
    const int64_t unroll = count % 2 == 0 ? 2 : 1;
    acc = k.loop(first, k.add(first, count), unroll, acc, [&](Value channel, ValueRange carried) {
      SmallVector<Value> a(carried);
      for (int64_t u = 0; u < unroll; ++u) {
        Value row = k.mul(k.add(channel, u), rowOf()), at = k.add(of.from, row);
        SmallVector<Value> weights;
        for (int64_t v = 0; v < chunk.vectors && asksForFilters; v += vectorsOfLine(k.target))
          k.prefetch(k.buffer(1), k.mul(k.add(k.add(of.ahead, row), v * lanes), products.perUnit()), c.sourceBlock ? KernelBuilder::Second : KernelBuilder::First);
        for (int64_t v = 0; v < chunk.vectors; ++v)
          weights.push_back(products.load(w, k.add(at, v * lanes), width(v)));
        for (size_t r = 0; r < pixels.size(); ++r) {
          Value pixel = products.splat(k.buffer(0), k.add(k.add(image, k.add(start, channel)), pixels[r].input * c.inChannels + u));
          for (int64_t v = 0; v < chunk.vectors; ++v)
            a[r * chunk.vectors + v] = products.add(pixel, weights[v], a[r * chunk.vectors + v]);
        }
      }
      return a;
    });
    for (size_t r = 0; r < pixels.size(); ++r)
      for (int64_t v = 0; v < chunk.vectors; ++v)
        k.store(acc[r * chunk.vectors + v], sums, cell(pixels[r].output, v), lanes);
  }
};

} // namespace

bool takesWholeMap(const GatherConv &c, int64_t lanes) {
  constexpr int64_t shortRow = 6, fewPixels = 24;
  return c.N == 1 && !c.sums && c.groups == 1 && c.rows.size() == 1 && c.columns.size() == 1 && c.OH > 1 && c.OW <= shortRow &&
         c.OH * c.OW <= fewPixels && c.block >= lanes;
}

void wholeMap(KernelBuilder &k, const GatherConv &c, Type element, Value n, Value wBase, Value outBase, Results &results) {
  for (const LaneChunk &chunk : laneChunks(c.block, k.lanes(element)))
    WholeMap(k, c, element, n, chunk)
        .run(k.add(wBase, chunk.start), k.add(k.add(k.mul(n, c.OH * c.OW * c.outChannels), outBase), chunk.start), k.add(outBase, chunk.start), results);
}

} // namespace cnnc
