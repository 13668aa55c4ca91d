// The filter's gradient in Winograd's form: dU[p] = sum over tiles of (B^T d B)[p]^T (A dy A^T)[p], then dw = G^T dU G.
// In: WinogradFilterGrad, buffers x, dy.  Out: one or two kernels. A piece is a block of channels x outputs and a part of the tiles; its sums stay in the
// second-level cache while runs of tiles pass over them, one group of rows of cells after the other. A piece that has all tiles ends its block itself;
// else a second kernel adds the parts in order.
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/Products.h"
#include "compiler/kernels/WinogradTransforms.h"
#include "compiler/target/Tiles.h"

using namespace mlir;

namespace cnnc {
namespace {

/// What becomes of dw's lanes from output `lane` of a block on, at a tap.
using UseTap = llvm::function_ref<void(Value lane, int64_t tap, Value value)>;

/// dw of one input channel of a block: G^T (sum of the parts) G. `from`: where the block's sums begin.
void endChannel(KernelBuilder &k, const WinogradFilterGrad &f, WinogradTransforms &transforms, Value sums, Value from, Value channel, int64_t lanes, UseTap use) {
  const WinogradConv &c = f.conv;
  const int64_t cell = f.channels * f.outputs, blockSums = c.form.cells() * cell;
  // Cells in the order of their groups.
  SmallVector<int64_t> rowPlaces(c.form.side());
  int64_t place = 0;
  for (const auto &rows : c.form.rowGroups())
    for (int64_t row : rows)
      rowPlaces[row] = place++;
  k.loop(k.constant(0), k.constant(f.outputs), lanes, [&](Value lane) {
    Value first = k.add(k.add(from, k.mul(channel, f.outputs)), lane);
    SmallVector<Value> u;
    for (int64_t p = 0; p < c.form.cells(); ++p)
      u.push_back(k.load(sums, k.add(first, p * cell), lanes));
    u = k.loop(k.constant(1), k.constant(f.parts), 1, u, [&](Value part, ValueRange carried) {
      SmallVector<Value> next;
      Value at = k.add(first, k.mul(part, f.blocks() * blockSums));
      for (auto [p, sum] : llvm::enumerate(carried))
        next.push_back(arith::AddFOp::create(k.b, k.loc, sum, k.load(sums, k.add(at, p * cell), lanes)));
      return next;
    });
    transforms.filterAdjoint([&](int64_t i, int64_t j) { return u[rowPlaces[i] * c.form.side() + j]; }, [&](int64_t t, Value value) { use(lane, t, value); });
  });
}

/// Where in dw an output of a block stands, at the first tap.
Value placeOf(KernelBuilder &k, const WinogradFilterGrad &f, Value channelBlock, Value channel, Value outputBlock, Value output) {
  const WinogradConv &c = f.conv;
  Value o = k.add(k.mul(outputBlock, f.outputs), output);
  Value to = k.add(k.mul(k.div(o, c.block), f.taps() * c.C * c.block), k.add(k.mul(channelBlock, f.channels * c.block), k.mul(channel, c.block)));
  return k.add(to, k.mod(o, c.block));
}

class Grad {
public:
  Grad(KernelBuilder &k, const WinogradFilterGrad &f, Type element, StoreLanes store)
      : k(k), f(f), c(f.conv), store(store), element(element), lanes(k.lanes(element)), transforms(k, f.conv, element),
        products(k, c.pairs, lanes), x(k.buffer(0)), dy(k.buffer(1)) {}

  int64_t run() {
    int64_t bytes = k.target.vectorBytes / lanes, blockSums = f.cells() * f.channels * f.outputs;
    int64_t perSlot = products.perUnit(); // tiles that share a slot of scratch memory
    int64_t tileBytes = f.cells() * (f.channels + f.outputs) * bytes / perSlot;
    constexpr int64_t fewest = 16;
    const int64_t most = k.target.choice.of(Knob::WinogradTiles, 64);
    const int64_t allSums = f.groups() * blockSums;
    const int64_t room = std::max(k.target.l2Bytes * 5 / 8 - (f.stripes ? blockSums : allSums) * bytes, k.target.l2Bytes / 4);
    int64_t T = std::clamp<int64_t>(room / tileBytes, fewest, most);
    const int64_t perPart = f.stripes ? c.tiles() / c.N * f.stripes.imagesOfPiece : (c.tiles() + f.parts - 1) / f.parts;
    T = (evenSplit(perPart, T).front() + perSlot - 1) / perSlot * perSlot;
    int64_t slots = T / perSlot;

    Type unit = c.pairs ? Type(k.b.getI32Type()) : element;
    int64_t unitBytes = unit.getIntOrFloatBitWidth() / 8;
    inputCell = WinogradTransforms::cellStride(slots * f.channels, unitBytes);
    gradCell = WinogradTransforms::cellStride(slots * f.outputs, unitBytes);
    inputs = k.scratch(unit, f.cells() * inputCell), grads = k.scratch(unit, f.cells() * gradCell);
    const bool ends = f.ends(bytes);
    sums = ends || f.stripes ? k.scratch(element, allSums) : k.buffer(2);
    atOnce = perPart <= T;

    const int64_t outputBlocks = c.O / f.outputs, channelBlocks = c.C / f.channels;
    if (f.stripes) {
      // All blocks of some images, each group of rows over all of them: its sums stay in the second-level cache.
      const Tiles tiles = tilesOf(k.piece, perPart);
      target = k.constant(0);
      k.loop(k.constant(0), k.constant(f.blocks()), 1, [&](Value block) {
        const Block at{k.div(block, outputBlocks), k.mod(block, outputBlocks)};
        clear(allSums);
        k.loop(k.constant(0), k.constant(f.groups()), 1, [&](Value group) {
          runsOf(tiles, T, [&](Value from, Value count) { addGroup(group, from, count, at, blockSums); });
        });
        endStripe(at);
      });
      return f.stripes.pieces(c.N);
    }
    Value rest = k.div(k.piece, outputBlocks);
    const Block at{k.mod(rest, channelBlocks), k.mod(k.piece, outputBlocks)};
    target = ends ? k.constant(0) : k.mul(k.piece, allSums);
    clear(allSums);
    runsOf(tilesOf(k.div(rest, channelBlocks), perPart), T, [&](Value from, Value count) {
      k.loop(k.constant(0), k.constant(f.groups()), 1, [&](Value group) { addGroup(group, from, count, at, blockSums); });
    });
    if (ends)
      end(at.channels, at.outputs);
    return f.parts * f.blocks();
  }

private:
  /// Numbers of a block of input channels and one of outputs.
  struct Block {
    Value channels, outputs;
  };
  struct Tiles {
    Value first, last;
  };

  KernelBuilder &k;
  const WinogradFilterGrad &f;
  const WinogradConv &c;
  StoreLanes store;
  Type element;
  int64_t lanes;
  WinogradTransforms transforms;
  Products products;
  Value x, dy, inputs, grads, sums, target; ///< target: where in sums the piece's own begin
  int64_t inputCell = 0, gradCell = 0;
  bool atOnce = false; ///< one run has all tiles of a piece

  Tiles tilesOf(Value part, int64_t perPart) {
    Value first = k.mul(part, perPart);
    return {first, k.min(k.add(first, perPart), k.constant(c.tiles()))};
  }
  void runsOf(const Tiles &tiles, int64_t T, llvm::function_ref<void(Value from, Value count)> use) {
    k.loop(tiles.first, tiles.last, T, [&](Value from) { use(from, k.min(k.constant(T), k.sub(tiles.last, from))); });
  }
  /// The sums of a block start from zero, unless they are made at once.
  void clear(int64_t allSums) {
    Value zero = k.zeroVector(element, lanes);
    if (!atOnce)
      k.loop(k.constant(0), k.constant(allSums), lanes, [&](Value i) { k.store(zero, sums, k.add(target, i), lanes); });
  }
  /// The group's cells of `count` tiles from number `from` on.
  void addGroup(Value group, Value from, Value count, const Block &at, int64_t blockSums) {
    Value used = k.ceilDiv(count, products.perUnit());
    const auto groups = c.form.rowGroups();
    for (auto [number, rows] : llvm::enumerate(groups)) {
      auto transforms = [&, rows = rows] { transform(from, count, used, at.channels, at.outputs, rows); };
      groups.size() == 1 ? transforms() : k.when(k.equal(group, k.constant(int64_t(number))), transforms);
    }
    k.loop(k.constant(0), k.constant(f.cells()), 1, [&](Value p) { product(p, k.add(target, k.mul(group, blockSums)), used); });
  }

  /// Adds the block's gradient to what the stripe's pieces before have left in the third buffer.
  void endStripe(const Block &at) {
    Value image = k.mul(k.piece, f.stripes.imagesOfPiece), stripe = k.div(image, f.stripes.imagesOfStripe);
    Value isFirst = k.equal(k.mod(image, f.stripes.imagesOfStripe), k.constant(0)), out = k.mul(stripe, f.dwSize());
    k.loop(k.constant(0), k.constant(f.channels), 1, [&](Value channel) {
      endChannel(k, f, transforms, sums, target, channel, lanes, [&](Value lane, int64_t tap, Value value) {
        Value place = k.add(k.add(out, placeOf(k, f, at.channels, channel, at.outputs, lane)), tap * c.C * c.block);
        Value sum = arith::AddFOp::create(k.b, k.loc, k.load(k.buffer(2), place, lanes), value);
        k.store(arith::SelectOp::create(k.b, k.loc, isFirst, value, sum), k.buffer(2), place, lanes);
      });
    });
  }

  void end(Value channelBlock, Value outputBlock) {
    const int64_t cell = f.channels * f.outputs, tapStride = c.C * c.block;
    k.loop(k.constant(0), k.constant(f.channels), 1, [&](Value channel) {
      endChannel(k, f, transforms, sums, target, channel, lanes, [&](Value lane, int64_t tap, Value value) {
        if (store.reads())
          k.store(value, sums, k.add(k.add(target, k.add(k.mul(channel, f.outputs), lane)), tap * cell), lanes);
        else
          store(value, k.add(placeOf(k, f, channelBlock, channel, outputBlock, lane), tap * tapStride), lanes);
      });
    });
    if (!store.reads())
      return;
    // Taps have taken the place of cells that they are made of; they leave in long rows: side by side, they are often a power of two apart, all in the
    // same sets of the caches.
    constexpr int64_t ahead = 8; // channels
    k.loop(k.constant(0), k.constant(f.taps()), 1, [&](Value tap) {
      k.loop(k.constant(0), k.constant(f.outputs), c.block, [&](Value output) {
        k.loop(k.constant(0), k.constant(f.channels), 1, [&](Value channel) {
          Value from = k.add(k.add(target, k.mul(tap, cell)), k.add(k.mul(channel, f.outputs), output));
          Value to = k.add(placeOf(k, f, channelBlock, channel, outputBlock, output), k.mul(tap, tapStride));
          for (int64_t lane = 0; lane < c.block; lane += lanes)
            store.soon(k.add(to, ahead * c.block + lane));
          for (int64_t lane = 0; lane < c.block; lane += lanes)
            store(k.load(sums, k.add(from, lane), lanes), k.add(to, lane), lanes);
        });
      });
    });
  }

  /// These rows of cells of the `count` tiles from number `from` on, in `used` slots.
  void transform(Value from, Value count, Value used, Value channelBlock, Value outputBlock, const std::vector<int64_t> &rows) {
    using Place = WinogradTransforms::Place;
    k.loop(k.constant(0), used, 1, [&](Value slot) {
      auto put = [&](Value number, Place::Half half) {
        auto tile = transforms.tileAt(k.add(from, number));
        transforms.transformInput(x, tile, k.mul(channelBlock, f.channels), rows, {inputs, k.mul(slot, f.channels), inputCell, f.channels, half});
        transforms.transformOutputGrad(dy, tile, k.mul(outputBlock, f.outputs), rows, {grads, k.mul(slot, f.outputs), gradCell, f.outputs, half});
      };
      if (!c.pairs)
        return put(slot, Place::Whole);
      Value number = k.mul(slot, 2), next = k.add(number, 1);
      put(number, Place::Low);
      k.when(k.less(next, count), [&] { put(next, Place::High); });
    });
  }

  /// sums[p] += inputs[p]^T grads[p] over the first `count` of all slots; `target` is where the group's sums begin.
  void product(Value p, Value target, Value count) {
    for (const LaneChunk &chunk : laneChunks(f.outputs, lanes)) {
      int64_t limit = (k.target.registers - chunk.vectors - 2) / chunk.vectors;
      int64_t height = 1; // channels of a register tile
      constexpr int64_t enough = 8;
      while (height * 2 <= std::min(limit, enough) && f.channels % (height * 2) == 0)
        height *= 2;
      k.loop(k.constant(0), k.constant(f.channels), height, [&](Value ch) {
        auto address = [&](int64_t i, int64_t v) {
          Value at = k.add(target, k.mul(k.add(k.mul(p, f.channels), k.add(ch, i)), f.outputs));
          return k.add(at, chunk.start + v * lanes);
        };
        SmallVector<Value> start;
        for (int64_t i = 0; i < height; ++i)
          for (int64_t v = 0; v < chunk.vectors; ++v)
            start.push_back(atOnce ? k.zeroVector(element, lanes) : k.load(sums, address(i, v), lanes));
        auto step = [&](Value t, SmallVector<Value> a) {
          Value xAt = k.add(k.add(k.mul(p, inputCell), k.mul(t, f.channels)), ch);
          Value yAt = k.add(k.add(k.mul(p, gradCell), k.mul(t, f.outputs)), chunk.start);
          SmallVector<Value> values;
          for (int64_t v = 0; v < chunk.vectors; ++v)
            values.push_back(products.load(grads, k.add(yAt, v * lanes), lanes));
          for (int64_t i = 0; i < height; ++i) {
            Value value = products.splat(inputs, k.add(xAt, i));
            for (int64_t v = 0; v < chunk.vectors; ++v)
              a[i * chunk.vectors + v] = products.add(value, values[v], a[i * chunk.vectors + v]);
          }
          return a;
        };
        constexpr int64_t unroll = 4;
        Value whole = k.mul(k.div(count, unroll), unroll);
        SmallVector<Value> a = k.loop(k.constant(0), whole, unroll, start, [&](Value t, ValueRange carried) {
          SmallVector<Value> s(carried);
          for (int64_t u = 0; u < unroll; ++u)
            s = step(k.add(t, u), s);
          return s;
        });
        a = k.loop(whole, count, 1, a, [&](Value t, ValueRange carried) { return step(t, SmallVector<Value>(carried)); });
        for (int64_t i = 0; i < height; ++i)
          for (int64_t v = 0; v < chunk.vectors; ++v)
            k.store(a[i * chunk.vectors + v], sums, address(i, v), lanes);
      });
    }
  }
};

/// The widest part of `extent` of at most `limit` that is a whole number of `unit` and divides it.
int64_t divisor(int64_t extent, int64_t unit, int64_t limit) {
  int64_t best = unit;
  for (int64_t d = unit; d <= std::min(extent, limit); d += unit)
    if (extent % d == 0)
      best = d;
  return best;
}

} // namespace

WinogradFilterGrad WinogradFilterGrad::of(const WinogradConv &c, int64_t lanes) {
  WinogradFilterGrad f;
  f.conv = c;
  constexpr int64_t widest = 64, pieces = 16, tilesOfPart = 64;
  f.channels = divisor(c.C, lanes, widest);
  f.outputs = divisor(c.O, c.block, widest);
  f.parts = std::clamp<int64_t>(pieces / f.blocks(), 1, std::max<int64_t>(1, c.tiles() / tilesOfPart));
  int64_t perPart = (c.tiles() + f.parts - 1) / f.parts;
  f.parts = (c.tiles() + perPart - 1) / perPart; // no part is empty
  return f;
}

int64_t buildWinogradFilterGrad(KernelBuilder &k, const WinogradFilterGrad &f, Type element, StoreLanes store) {
  int64_t pieces = Grad(k, f, element, store).run();
  k.finish();
  return pieces;
}

int64_t buildWinogradFilterGradEnd(KernelBuilder &k, const WinogradFilterGrad &f, Type element, StoreLanes store) {
  const WinogradConv &c = f.conv;
  WinogradTransforms transforms(k, c, element);
  const int64_t blockSums = c.form.cells() * f.channels * f.outputs;
  // A piece is one input channel.
  Value channelBlock = k.div(k.piece, f.channels), channel = k.mod(k.piece, f.channels);
  k.loop(k.constant(0), k.constant(c.O / f.outputs), 1, [&](Value outputBlock) {
    Value from = k.mul(k.add(k.mul(channelBlock, c.O / f.outputs), outputBlock), blockSums);
    endChannel(k, f, transforms, k.buffer(0), from, channel, k.lanes(element), [&](Value lane, int64_t tap, Value value) {
      store(value, k.add(placeOf(k, f, channelBlock, channel, outputBlock, lane), tap * c.C * c.block), k.lanes(element));
    });
  });
  k.finish();
  return c.C;
}

} // namespace cnnc
