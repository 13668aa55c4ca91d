// The filter's gradient where the filter covers one pixel: a product of two matrices, dw[o,c] = sum over pixels of dy[pixel,o] x[pixel,c].
// In: PointwiseFilterGrad, buffers x, dy, dw.  Out: loops whose inner body adds one pixel's outer product to a register tile of channels x outputs.
//
// Neighbouring pixels of a map of many channels stand a power of two apart, in few sets of the caches. So a piece copies what it reads of a block of pixels into
// panels, a register tile's channels or a chunk of outputs wide, and keeps its sums beside them in the second-level cache.
#include "compiler/kernels/Contractions.h"
#include "compiler/target/Tiles.h"

#include <numeric>

using namespace mlir;

namespace cnnc {
namespace {

constexpr int64_t unroll = 4; ///< pixels

class Grad {
public:
  Grad(KernelBuilder &k, const PointwiseFilterGrad &p, Type element, StoreLanes store)
      : k(k), p(p), f(p.f), store(store), element(element), lanes(k.lanes(element)), chunks(laneChunks(f.block, lanes)), x(k.buffer(0)), dy(k.buffer(1)) {
    const int64_t vectors = chunks.front().vectors;
    width = std::min({lanes, (k.target.registers - vectors - 2) / vectors, k.target.choice.of(Knob::GradCells, 12)});
  }

  void run() {
    const int64_t outputBlocks = p.outputBlocks();
    Value part = f.stripes ? k.piece : k.mod(k.piece, f.parts), block = f.stripes ? Value() : k.div(k.piece, f.parts);
    const int64_t images = p.images(), ofImage = f.OH * f.OW;
    Value firstImage = k.mul(part, images);
    firstPixel = k.mul(firstImage, ofImage), lastPixel = k.mul(k.min(k.add(firstImage, images), k.constant(f.N)), ofImage);
    target = k.mul(f.stripes ? k.div(firstImage, f.stripes.imagesOfStripe) : part, f.size());
    if (f.stripes)
      addsTo = k.less(k.constant(0), k.mod(firstImage, f.stripes.imagesOfStripe));

    xPanel = (p.pixels * width + lanes + 15) / 16 * 16, yPanel = p.pixels * chunks.front().vectors * lanes;
    xPanels = k.scratch(element, (p.channels + width - 1) / width * xPanel);
    yPanels = k.scratch(element, p.blocks * int64_t(chunks.size()) * yPanel);
    if (!isOneBlock())
      sums = k.scratch(element, p.blocks * sumsOfBlock());
    if (!f.stripes)
      return through(k.div(block, outputBlocks), k.mod(block, outputBlocks));
    k.loop(k.constant(0), k.constant(p.channelBlocks()), 1, [&](Value cb) {
      k.loop(k.constant(0), k.constant(outputBlocks), 1, [&](Value ob) { through(cb, ob); });
    });
  }

private:
  KernelBuilder &k;
  const PointwiseFilterGrad &p;
  const FilterGrad &f;
  StoreLanes store;
  Type element;
  int64_t lanes;
  std::vector<LaneChunk> chunks; ///< of a filter block
  int64_t width = 1; ///< channels of a panel and a register tile
  Value x, dy;
  Value xPanels, yPanels, sums;  ///< [channels/width][pixels][width], [blocks][chunks][pixels][lanes of a chunk], [blocks][channels][lanes of the chunks]
  Value firstPixel, lastPixel, target, addsTo;
  int64_t xPanel = 0, yPanel = 0;

  int64_t widthOfBlock() const { return (f.block + lanes - 1) / lanes * lanes; }
  int64_t sumsOfBlock() const { return p.channels * widthOfBlock(); }

  /// The gradient of the channels of block `cb` and the outputs of block `ob`.
  void through(Value cb, Value ob) {
    const int64_t channels = f.xChannels, blocks = f.yChannels / f.block;
    either(cb, p.channelBlocks(), p.channels, channels % p.channels, [&](int64_t ofChannels) {
      either(ob, p.outputBlocks(), p.blocks, blocks % p.blocks, [&](int64_t ofBlocks) {
        Value firstChannel = k.mul(cb, p.channels), firstBlock = k.mul(ob, p.blocks);
        k.loop(firstPixel, lastPixel, p.pixels, [&](Value pixel) {
          Value count = k.min(k.constant(p.pixels), k.sub(lastPixel, pixel));
          pack(pixel, count, firstChannel, ofChannels, firstBlock, ofBlocks);
          ahead = {k.add(pixel, p.pixels), firstChannel, firstBlock, ofChannels, ofBlocks};
          multiply(count, k.equal(pixel, firstPixel), ofChannels, ofBlocks);
        });
        if (!isOneBlock())
          end(firstChannel, ofChannels, firstBlock, ofBlocks);
      });
    });
  }
  /// body(`whole`), or where the last of so many blocks has less, body(`rest`) there.
  void either(Value number, int64_t count, int64_t whole, int64_t rest, llvm::function_ref<void(int64_t)> body) {
    if (rest == 0)
      return body(whole);
    if (count == 1)
      return body(rest);
    k.when(k.less(number, k.constant(count - 1)), [&] { body(whole); });
    k.when(k.equal(number, k.constant(count - 1)), [&] { body(rest); });
  }

  /// Where in x the pixel stands that the filter covers for this pixel of the output.
  Value inInput(Value pixel) {
    if (f.SH == 1 && f.SW == 1 && f.H == f.OH && f.W == f.OW)
      return k.mul(pixel, f.xChannels);
    Value row = k.div(pixel, f.OW), column = k.mod(pixel, f.OW), image = k.div(row, f.OH);
    row = k.add(k.mul(image, f.H), k.mul(k.mod(row, f.OH), f.SH));
    return k.mul(k.add(k.mul(row, f.W), k.mul(column, f.SW)), f.xChannels);
  }

  void pack(Value first, Value count, Value firstChannel, int64_t channels, Value firstBlock, int64_t blocks) {
    k.loop(k.constant(0), count, 1, [&](Value i) {
      Value pixel = k.add(first, i);
      Value from = k.add(inInput(pixel), firstChannel), to = k.mul(i, width);
      // What a vector has beyond a panel's channels is overwritten by the next pixel's.
      auto vector = [&](Value number, int64_t have) {
        k.store(k.load(x, k.add(from, k.mul(number, width)), lanes, have), xPanels, k.add(to, k.mul(number, xPanel)), lanes);
      };
      const int64_t whole = channels < lanes ? 0 : (channels - lanes) / width + 1; // panels that end before the channels do
      k.loop(k.constant(0), k.constant(whole), 1, [&](Value number) { vector(number, lanes); });
      for (int64_t number = whole; number * width < channels; ++number)
        vector(k.constant(number), std::min(lanes, channels - number * width));
      from = k.add(k.mul(pixel, f.yChannels), k.mul(firstBlock, f.block));
      k.loop(k.constant(0), k.constant(blocks), 1, [&](Value block) {
        for (auto [number, chunk] : llvm::enumerate(chunks))
          for (int64_t v = 0; v < chunk.vectors; ++v) {
            Value panel = k.mul(k.add(k.mul(block, int64_t(chunks.size())), int64_t(number)), yPanel);
            k.store(k.load(dy, k.add(k.add(from, k.mul(block, f.block)), chunk.start + v * lanes), lanes, widthOf(chunk, v)), yPanels,
                    k.add(k.add(panel, k.mul(i, chunk.vectors * lanes)), v * lanes), lanes);
          }
      });
    });
  }
  int64_t widthOf(const LaneChunk &chunk, int64_t v) const { return std::min(lanes, chunk.width - v * lanes); }

  /// What the next block of pixels will be copied from.
  struct Ahead {
    Value pixel, firstChannel, firstBlock;
    int64_t channels, blocks;
  } ahead;
  /// Asks for a tile's share of it, with each few pixels: no cache fetches by itself short runs that stand far apart. `number`: of the tile, of `tiles`.
  void ask(Value number, int64_t tiles, Value pixel) {
    const int64_t line = elementsOfLine(k.target, lanes), steps = p.pixels / unroll;
    Value step = k.div(pixel, unroll);
    auto share = [&](int64_t elements, llvm::function_ref<void(Value pixel, Value element)> use) {
      const int64_t ofPixel = (elements + line - 1) / line, ofTile = (ofPixel * p.pixels + tiles - 1) / tiles; // lines
      shareOfStep(k, ofTile, step, steps, [&](Value inTile) {
        Value at = k.add(k.mul(number, ofTile), inTile);
        use(k.add(ahead.pixel, k.div(at, ofPixel)), k.mul(k.mod(at, ofPixel), line));
      });
    };
    share(ahead.channels, [&](Value of, Value element) { k.prefetch(x, k.add(k.add(inInput(of), ahead.firstChannel), element)); });
    share(ahead.blocks * f.block, [&](Value of, Value element) {
      k.prefetch(dy, k.add(k.add(k.mul(of, f.yChannels), k.mul(ahead.firstBlock, f.block)), element));
    });
  }

  void multiply(Value count, Value isFirst, int64_t channels, int64_t blocks) {
    k.loop(k.constant(0), k.constant(blocks), 1, [&](Value block) {
      for (auto [number, chunk] : llvm::enumerate(chunks)) {
        Value panel = k.mul(k.add(k.mul(block, int64_t(chunks.size())), int64_t(number)), yPanel);
        const int64_t whole = channels / width * width;
        k.loop(k.constant(0), k.constant(whole), width, [&](Value channel) { tile(count, isFirst, block, number, channels, chunk, panel, channel, width); });
        if (whole < channels)
          tile(count, isFirst, block, number, channels, chunk, panel, k.constant(whole), channels - whole);
      }
    });
  }
  Value sumAt(Value block, Value channel, const LaneChunk &chunk) {
    return k.add(k.add(k.mul(block, sumsOfBlock()), k.mul(channel, widthOfBlock())), chunk.start);
  }

  void tile(Value count, Value isFirst, Value block, size_t chunkNumber, int64_t channels, const LaneChunk &chunk, Value panel, Value channel, int64_t cells) {
    const int64_t vectors = chunk.vectors;
    Value at = sumAt(block, channel, chunk);
    const SmallVector<Value> zeros(cells * vectors, k.zeroVector(element, lanes));
    SmallVector<Value> start = isOneBlock() ? zeros : k.choose(isFirst, ValueRange(zeros).getTypes(), [&] { return zeros; }, [&] {
      SmallVector<Value> loaded;
      for (int64_t i = 0; i < cells; ++i)
        for (int64_t v = 0; v < vectors; ++v)
          loaded.push_back(k.load(sums, k.add(at, i * widthOfBlock() + v * lanes), lanes));
      return loaded;
    });
    Value xFrom = k.mul(k.div(channel, width), xPanel);
    auto step = [&](Value pixel, SmallVector<Value> a) {
      SmallVector<Value> grads;
      for (int64_t v = 0; v < vectors; ++v)
        grads.push_back(k.load(yPanels, k.add(k.add(panel, k.mul(pixel, vectors * lanes)), v * lanes), lanes));
      for (int64_t i = 0; i < cells; ++i) {
        Value value = k.splat(k.loadScalar(xPanels, k.add(k.add(xFrom, k.mul(pixel, width)), i)), lanes);
        for (int64_t v = 0; v < vectors; ++v)
          a[i * vectors + v] = k.fma(value, grads[v], a[i * vectors + v]);
      }
      return a;
    };
    const int64_t ofChunk = (channels + width - 1) / width; // tiles
    Value tileNumber = k.add(k.mul(k.add(k.mul(block, int64_t(chunks.size())), int64_t(chunkNumber)), ofChunk), k.div(channel, width));
    Value whole = k.mul(k.div(count, unroll), unroll);
    SmallVector<Value> total = k.loop(k.constant(0), whole, unroll, start, [&](Value pixel, ValueRange carried) {
      SmallVector<Value> a(carried);
      ask(tileNumber, ofChunk * int64_t(chunks.size()) * ahead.blocks, pixel);
      for (int64_t u = 0; u < unroll; ++u)
        a = step(k.add(pixel, u), a);
      return a;
    });
    total = k.loop(whole, count, 1, total, [&](Value pixel, ValueRange carried) { return step(pixel, SmallVector<Value>(carried)); });
    Value place = isOneBlock() ? placeOf(k.add(ahead.firstBlock, block), k.add(ahead.firstChannel, channel), chunk) : Value();
    for (int64_t i = 0; i < cells; ++i)
      for (int64_t v = 0; v < vectors; ++v) {
        if (isOneBlock())
          finish(total[i * vectors + v], k.add(place, i * f.wChannel + v * lanes), widthOf(chunk, v));
        else
          k.store(total[i * vectors + v], sums, k.add(at, i * widthOfBlock() + v * lanes), lanes);
      }
  }

  /// Whether a piece has one block of pixels alone: its tiles' sums go where they are to be at once.
  bool isOneBlock() const { return p.images() * f.OH * f.OW <= p.pixels; }
  Value placeOf(Value block, Value channel, const LaneChunk &chunk) {
    return k.add(k.add(target, k.add(k.mul(block, f.wBlock), k.mul(channel, f.wChannel))), chunk.start);
  }
  void finish(Value sum, Value place, int64_t used) {
    if (addsTo)
      sum = k.select(addsTo, arith::AddFOp::create(k.b, k.loc, k.load(k.buffer(2), place, lanes, used), sum), sum);
    store(sum, place, used);
  }

  /// Brings the sums to where they are to be.
  void end(Value firstChannel, int64_t channels, Value firstBlock, int64_t blocks) {
    constexpr int64_t soon = 8; // channels
    k.loop(k.constant(0), k.constant(blocks), 1, [&](Value block) {
      k.loop(k.constant(0), k.constant(channels), 1, [&](Value channel) {
        for (const LaneChunk &chunk : chunks) {
          Value place = placeOf(k.add(firstBlock, block), k.add(firstChannel, channel), chunk);
          for (int64_t v = 0; v < chunk.vectors; ++v) {
            store.soon(k.add(place, soon * f.wChannel + v * lanes));
            finish(k.load(sums, k.add(sumAt(block, channel, chunk), v * lanes), lanes), k.add(place, v * lanes), widthOf(chunk, v));
          }
        }
      });
    });
  }
};

} // namespace

bool PointwiseFilterGrad::pays(const FilterGrad &f, int64_t elementBytes) {
  const bool padded = f.PT || f.PL || (f.OH - 1) * f.SH >= f.H || (f.OW - 1) * f.SW >= f.W; // at any of the four sides
  if (f.KH * f.KW > 1 || padded || f.groups > 1 || f.pairs || f.OH * f.OW == 1)
    return false;
  constexpr int64_t far = TargetInfo::aliasBytes / 4; // bytes: pixels so far apart share four places of a first-level cache, or fewer
  auto conflicts = [&](int64_t elements) { return std::gcd(elements * elementBytes, TargetInfo::aliasBytes) >= far; };
  return conflicts(f.SW * f.xChannels) && conflicts(f.yChannels);
}

PointwiseFilterGrad PointwiseFilterGrad::of(const FilterGrad &f) {
  PointwiseFilterGrad p{f};
  constexpr int64_t mostPixels = 128, fewPieces = 8; // which would leave threads idle
  for (int64_t most = 256; most >= 64 && (most == 256 || (!f.stripes && p.pieces() < fewPieces)); most /= 2) {
    p.channels = evenSplit(f.xChannels, most).front();
    p.blocks = evenSplit(f.yChannels / f.block, std::max<int64_t>(1, most / f.block)).front();
  }
  p.pixels = (evenSplit(p.images() * f.OH * f.OW, mostPixels).front() + unroll - 1) / unroll * unroll;
  return p;
}

void buildPointwiseFilterGrad(KernelBuilder &k, const PointwiseFilterGrad &p, Type element, StoreLanes store) {
  Grad(k, p, element, store).run();
  k.finish();
}

} // namespace cnnc
