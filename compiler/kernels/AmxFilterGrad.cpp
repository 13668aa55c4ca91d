// The filter's gradient as products of tiles: 16 channels x 32 pixels times 32 pixels x 16 filters.
// In: AmxFilterGrad, buffers x, dy, dw.  Out: loops that bring x and dy into the order of tiles and add up the products of two tiles with two.
//
// A sum over pixels needs the pixels side by side: x is transposed, to rows of one channel, and two pixels of dy are interleaved. Which 32 pixels
// share a product is free. By samples, they are the same pixel of 32 images: taps that fall into the padding are left out, and nothing is lost but
// where the images are no multiple of 32. Else they are neighbours in planes, where a tap is a shift, and the padding between rows is multiplied
// with zeros. What is shifted is dy, whose pairs are whole lines of the cache: twice, from pixels of even and of odd numbers. Where x has few
// channels, those of all taps make the rows of a tile together.
//
// What is brought in at once stays in the second-level cache, and the products along it are made in runs that stay in the first, for all tiles and
// taps in turn: between runs the sums wait in memory, and come back while the run before is multiplied.
#include "compiler/kernels/Amx.h"
#include "compiler/kernels/AmxPlanes.h"
#include "compiler/target/Tiles.h"

#include <cmath>

using namespace mlir;

namespace cnnc {
namespace {

constexpr int64_t tile = Tiles::most, depth = 2 * tile; ///< rows or lanes of a tile, pixels of a product
constexpr int64_t tileElements = tile * depth;          ///< of bf16
constexpr int64_t sumElements = tile * tile;
constexpr int64_t eighth = 8; ///< channels that are transposed at once: of 128 bits
constexpr int64_t runSteps = 40; ///< products along a run

int64_t ceilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t roundUp(int64_t a, int64_t b) { return ceilDiv(a, b) * b; }

Planes planesOf(const AmxFilterGrad &a) {
  const FilterGrad &f = a.f;
  Planes p;
  p.rows = Reach(-f.PT, (f.KH - 1) * f.DH, f.SH, f.OH), p.columns = Reach(-f.PL, (f.KW - 1) * f.DW, f.SW, f.OW);
  p.IH = f.H, p.IW = f.W, p.xChannels = f.xChannels;
  p.channels = a.gathers || a.rows % tile ? roundUp(f.xChannels, eighth) : std::min(a.panelRows * tile, f.xChannels);
  p.images = a.images, p.outRows = a.outRows, p.width = a.width, p.terms = a.split ? 2 : 1;
  return p;
}

/// The furthest that a tap shifts.
int64_t reachOf(const Planes &p) { return p.rows.line(p.rows.lowest + p.rows.span) * p.width + p.columns.line(p.columns.lowest + p.columns.span); }

/// Extents of the memory that a piece of planes has.
struct PlaneRows {
  Planes planes;
  int64_t steps;    ///< products along x: taps shift it against dy
  int64_t pitch;    ///< where rows of taps are gathered: elements from one channel's row to the next
  int64_t pairs;    ///< of dy, of one tile of filters, with zeros before and behind them
  int64_t copies;   ///< of dy: pairs that begin at even pixels, and at odd ones
  static constexpr int64_t before = tile, behind = 2 * tile;

  PlaneRows(const AmxFilterGrad &a) : planes(planesOf(a)) {
    const int64_t reach = reachOf(planes);
    steps = a.gathers ? a.steps : a.steps + ceilDiv(reach, depth);
    pitch = a.gathers ? roundUp(a.steps * depth + reach, depth) : 0;
    planes.slack = std::max<int64_t>(0, (a.gathers ? pitch : steps * depth) - planes.planePixels());
    pairs = before + std::max(a.steps * tile, planes.images * planes.height() * planes.width / 2) + behind;
    copies = 1;
    for (int64_t l = 0; l < a.f.KW && !a.gathers; ++l)
      copies = std::max(copies, 1 + l * a.f.DW / a.f.SW % 2);
  }
  int64_t residues() const { return planes.rows.residues * planes.columns.residues; }
  /// Elements of x in tiles, of each term.
  int64_t turned(const AmxFilterGrad &a) const { return (a.gathers ? 1 : residues()) * steps * a.panelRows * tileElements; }
  int64_t channelRows() const { return residues() * planes.channels * pitch; }
  int64_t paired(const AmxFilterGrad &a) const { return copies * a.panelLanes * pairs * depth; }
};

class Grad {
public:
  Grad(KernelBuilder &k, const AmxFilterGrad &a, StoreLanes store)
      : k(k), a(a), f(a.f), store(store), rows(a), tiles(k), terms(a.split ? 2 : 1), x(k.buffer(0)), dy(k.buffer(1)), dw(k.buffer(2)) {}

  void run() {
    const int64_t lanePanels = ceilDiv(a.laneTiles, a.panelLanes), rowPanels = ceilDiv(a.rowTiles, a.panelRows);
    Value part = k.div(k.piece, lanePanels * rowPanels);
    firstLaneTile = k.mul(k.mod(k.piece, lanePanels), a.panelLanes);
    firstRowTile = k.mul(k.mod(k.div(k.piece, lanePanels), rowPanels), a.panelRows);
    laneTiles = lanePanels == 1 ? k.constant(a.laneTiles) : k.min(k.constant(a.panelLanes), k.sub(k.constant(a.laneTiles), firstLaneTile));
    rowTiles = rowPanels == 1 ? k.constant(a.rowTiles) : k.min(k.constant(a.panelRows), k.sub(k.constant(a.rowTiles), firstRowTile));
    int64_t imagesOfPart = ceilDiv(f.N / a.perImage, f.parts) * a.perImage;
    firstImage = k.mul(part, imagesOfPart);
    if (f.stripes) {
      imagesOfPart = f.stripes.imagesOfPiece * a.perImage;
      firstImage = k.mul(part, imagesOfPart), part = k.div(k.mul(part, f.stripes.imagesOfPiece), f.stripes.imagesOfStripe);
      isFirst = k.equal(k.mod(firstImage, f.stripes.imagesOfStripe * a.perImage), k.constant(0));
    }
    lastImage = f.N == imagesOfPart ? k.constant(f.N) : k.min(k.add(firstImage, imagesOfPart), k.constant(f.N));
    out = f.parts == 1 && !f.stripes ? k.constant(0) : k.mul(part, f.size());

    allocate();
    if (a.inPlace)
      k.when(isFirst, [&] { clear(dw, out, f.size()); });
    else if (!a.once)
      clear(sums, k.constant(0), a.panelRows * a.panelLanes * a.taps * sumElements);
    if (a.bySamples) {
      k.loop(firstImage, lastImage, a.groups * depth, [&](Value n) {
        Value count = k.min(k.constant(a.groups), k.ceilDiv(k.sub(lastImage, n), depth));
        k.loop(k.constant(0), count, 1, [&](Value group) { bringSamples(k.add(n, k.mul(group, depth)), group, imagesOfPart); });
        sampleProducts(count);
      });
    } else {
      k.loop(firstImage, lastImage, a.images, [&](Value n) {
        Value count = a.images == 1 ? k.constant(1) : k.min(k.constant(a.images), k.sub(lastImage, n));
        k.loop(k.constant(0), k.constant(f.OH), a.outRows, [&](Value row) { bringAndMultiplyPlanes(n, count, row); });
      });
    }
    if (!a.once && !a.inPlace)
      end();
  }

private:
  KernelBuilder &k;
  const AmxFilterGrad &a;
  const FilterGrad &f;
  StoreLanes store;
  const PlaneRows rows;
  Tiles tiles;
  const int64_t terms;
  Value x, dy, dw;
  Value firstLaneTile, firstRowTile, laneTiles, rowTiles, firstImage, lastImage, out, isFirst;
  Value planes, channelRows, turned, paired, sums;

  int64_t turnedTerm() const { return a.bySamples ? a.groups * f.H * f.W * a.panelRows * tileElements : rows.turned(a); }
  int64_t pairedTerm() const { return a.bySamples ? a.groups * f.OH * f.OW * a.panelLanes * tileElements : rows.paired(a); }

  void allocate() {
    Type narrow = k.b.getBF16Type();
    turned = k.scratch(narrow, terms * turnedTerm()), paired = k.scratch(narrow, terms * pairedTerm());
    sums = k.scratch(k.b.getF32Type(), a.once ? 4 * sumElements : a.inPlace ? tile : a.panelRows * a.panelLanes * a.taps * sumElements);
    if (a.bySamples)
      return;
    planes = k.scratch(narrow, rows.planes.bytes() / 2);
    if (a.gathers)
      channelRows = k.scratch(narrow, terms * rows.channelRows());
    k.loop(k.constant(0), k.constant(terms * rows.copies * a.panelLanes), 1, [&](Value number) {
      k.loop(k.constant(0), k.constant(rows.before), 1, [&](Value pair) { storeBits(zeros(depth), paired, k.mul(k.add(k.mul(number, rows.pairs), pair), depth)); });
    });
    // What is read beside what is brought in must be finite: it is multiplied with zeros.
    const bool always = f.N % a.images == 0 && (!f.stripes || f.stripes.imagesOfPiece % a.images == 0) && ceilDiv(f.N, f.parts) % a.images == 0;
    if (!always || rows.planes.slack)
      rows.planes.clear(k, planes, always ? rows.planes.pixels() - rows.planes.slack : 0);
  }

  void clear(Value buffer, Value from, int64_t elements) {
    const int64_t whole = elements / tile * tile;
    Value zero = k.zeroVector(k.b.getF32Type(), tile);
    k.loop(k.constant(0), k.constant(whole), tile, [&](Value i) { k.store(zero, buffer, k.add(from, i), tile); });
    if (whole < elements)
      k.store(zero, buffer, k.add(from, whole), elements - whole);
  }

  // ---- x and dy in the order of tiles ----

  /// Lanes of bf16 as they are multiplied, in one term or two.
  SmallVector<Value> narrowed(Value buffer, Value index, int64_t lanes, int64_t width) {
    if (terms == 2) {
      auto [high, low] = k.split(k.load(buffer, index, lanes, width));
      return {bits(high), bits(low)};
    }
    if (!cast<MemRefType>(buffer.getType()).getElementType().isBF16())
      return {bits(k.load(buffer, index, lanes, width))};
    auto type = VectorType::get(lanes, k.b.getBF16Type());
    if (width == lanes)
      return {bits(vector::LoadOp::create(k.b, k.loc, type, buffer, index))};
    Value zero = arith::ConstantOp::create(k.b, k.loc, type, k.b.getZeroAttr(type));
    Value mask = vector::ConstantMaskOp::create(k.b, k.loc, VectorType::get(lanes, k.b.getI1Type()), ArrayRef<int64_t>{width});
    return {bits(vector::MaskedLoadOp::create(k.b, k.loc, type, buffer, index, mask, zero))};
  }
  /// bf16 as i16; f32 is rounded first.
  Value bits(Value v) {
    auto type = cast<VectorType>(v.getType());
    if (!type.getElementType().isBF16())
      v = arith::TruncFOp::create(k.b, k.loc, type.clone(k.b.getBF16Type()), v);
    return vector::BitCastOp::create(k.b, k.loc, type.clone(k.b.getI16Type()), v);
  }
  Value zeros(int64_t lanes) {
    auto type = VectorType::get(lanes, k.b.getI16Type());
    return arith::ConstantOp::create(k.b, k.loc, type, k.b.getZeroAttr(type));
  }
  void storeBits(Value v, Value buffer, Value index) {
    auto type = VectorType::get(depth, k.b.getBF16Type());
    vector::StoreOp::create(k.b, k.loc, vector::BitCastOp::create(k.b, k.loc, type, v), buffer, index);
  }

  /// target[to + c * pitch + s] = source(s)[c] for 8 channels c and 32 pixels s.
  void turn(llvm::function_ref<Value(int64_t)> source, Value target, Value to, int64_t pitch) {
    SmallVector<Value> vectors;
    for (int64_t r = 0; r < eighth; ++r) {
      Value v = zeros(depth);
      for (int64_t l = 0; l < depth; l += eighth)
        v = vector::InsertStridedSliceOp::create(k.b, k.loc, source(l + r), v, l, 1);
      vectors.push_back(v);
    }
    vectors = transposedQuarters(k, vectors);
    for (int64_t c = 0; c < eighth; ++c)
      storeBits(vectors[c], target, k.add(to, c * pitch));
  }

  /// Pairs of the lanes of two pixels.
  void storePair(Value low, Value high, Value index) {
    auto words = VectorType::get(tile, k.b.getI32Type());
    Value pair = arith::ExtUIOp::create(k.b, k.loc, words, low);
    if (high) {
      Value half = arith::ConstantOp::create(k.b, k.loc, words, DenseElementsAttr::get(words, k.b.getI32IntegerAttr(16)));
      pair = arith::OrIOp::create(k.b, k.loc, pair, arith::ShLIOp::create(k.b, k.loc, arith::ExtUIOp::create(k.b, k.loc, words, high), half));
    }
    storeBits(vector::BitCastOp::create(k.b, k.loc, VectorType::get(depth, k.b.getI16Type()), pair), paired, index);
  }

  /// A tile of filters: its number in the piece, its first filter's place in dy, and in a row of dw, how many it has.
  using LaneTile = llvm::function_ref<void(Value number, Value filter, Value inRow, int64_t width)>;
  void laneTile(Value number, LaneTile body) {
    Value global = k.add(firstLaneTile, number);
    if (a.laneTilesOfBlock == 1) {
      Value filter = k.mul(global, std::min(tile, f.block));
      return body(number, filter, k.add(k.mul(k.div(filter, f.block), f.wBlock), k.mod(filter, f.block)), std::min(tile, f.block));
    }
    Value block = k.div(global, a.laneTilesOfBlock), inBlock = k.mod(global, a.laneTilesOfBlock);
    for (int64_t t = 0; t < a.laneTilesOfBlock; ++t)
      k.when(k.equal(inBlock, k.constant(t)), [&] {
        body(number, k.add(k.mul(block, f.block), t * tile), k.add(k.mul(block, f.wBlock), t * tile), std::min(tile, f.block - t * tile));
      });
  }
  void eachLaneTile(LaneTile body) {
    k.loop(k.constant(0), laneTiles, 1, [&](Value number) { laneTile(number, body); });
  }

  /// Eighths of the channels that the piece has: body(first channel in the piece, in the map, how many).
  void eachEighth(llvm::function_ref<void(Value, Value, int64_t)> body) {
    const int64_t rest = f.xChannels % eighth;
    Value first = k.mul(firstRowTile, tile), count = k.min(k.mul(rowTiles, tile), k.sub(k.constant(f.xChannels), first));
    k.loop(k.constant(0), k.mul(k.div(count, eighth), eighth), eighth, [&](Value c) { body(c, k.add(first, c), eighth); });
    if (rest)
      k.when(k.equal(k.add(first, count), k.constant(f.xChannels)), [&] {
        Value c = k.sub(count, k.constant(rest));
        body(c, k.add(first, c), rest);
      });
  }

  void bringSamples(Value n, Value group, int64_t imagesOfPart) {
    auto bring = [&](bool whole) {
      auto image = [&](int64_t s) { return whole ? k.add(n, s) : k.min(k.add(n, s), k.sub(lastImage, k.constant(1))); };
      k.loop(k.constant(0), k.constant(f.H * f.W), 1, [&](Value pixel) {
        eachEighth([&](Value inPiece, Value channel, int64_t width) {
          Value from = k.add(k.mul(pixel, f.xChannels), channel);
          Value to = k.mul(k.add(k.mul(group, f.H * f.W), pixel), a.panelRows * tile);
          to = k.mul(k.add(to, inPiece), depth);
          SmallVector<SmallVector<Value>> samples;
          for (int64_t s = 0; s < depth; ++s)
            samples.push_back(narrowed(x, k.add(k.mul(image(s), f.H * f.W * f.xChannels), from), eighth, width));
          for (int64_t term = 0; term < terms; ++term)
            turn([&](int64_t s) { return samples[s][term]; }, turned, k.add(to, term * turnedTerm()), depth);
        });
      });
      k.loop(k.constant(0), k.constant(f.OH * f.OW), 1, [&](Value pixel) {
        eachLaneTile([&](Value number, Value filter, Value, int64_t width) {
          Value from = k.add(k.mul(pixel, f.yChannels), filter);
          Value to = k.mul(k.add(k.mul(k.add(k.mul(group, f.OH * f.OW), pixel), a.panelLanes), number), tileElements);
          auto sample = [&](int64_t s) {
            auto values = narrowed(dy, k.add(k.mul(image(s), f.OH * f.OW * f.yChannels), from), tile, width);
            if (!whole)
              for (Value &v : values)
                v = arith::SelectOp::create(k.b, k.loc, k.less(k.add(n, s), lastImage), v, zeros(tile));
            return values;
          };
          for (int64_t pair = 0; pair < tile; ++pair) {
            auto low = sample(2 * pair), high = sample(2 * pair + 1);
            for (int64_t term = 0; term < terms; ++term)
              storePair(low[term], high[term], k.add(to, term * pairedTerm() + pair * depth));
          }
        });
      });
    };
    if (f.N % depth == 0 && imagesOfPart % depth == 0)
      return bring(true);
    Value isWhole = k.less(k.add(n, depth - 1), lastImage);
    auto branch = scf::IfOp::create(k.b, k.loc, isWhole, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(k.b);
    k.b.setInsertionPointToStart(&branch.getThenRegion().front());
    bring(true);
    k.b.setInsertionPointToStart(&branch.getElseRegion().front());
    bring(false);
  }

  void bringPlanes(Value n, Value count, Value firstRow, Value rowCount, Value pixelCount) {
    const Planes &p = rows.planes;
    if (p.channels < f.xChannels) {
      Value first = k.mul(firstRowTile, tile);
      p.fill(k, x, planes, n, count, firstRow, first, k.min(k.constant(p.channels), k.sub(k.constant(f.xChannels), first)));
    } else {
      p.fill(k, x, planes, n, count, firstRow);
    }
    k.loop(k.constant(0), k.constant(rows.residues()), 1, [&](Value residue) {
      k.loop(k.constant(0), k.constant(a.gathers ? rows.pitch / depth : rows.steps), 1, [&](Value step) {
        k.loop(k.constant(0), k.constant(p.channels), eighth, [&](Value c) {
          Value from = k.add(k.mul(k.add(k.mul(residue, p.planePixels()), k.mul(step, depth)), p.channels), c);
          Value toRow = k.add(k.mul(k.add(k.mul(residue, p.channels), c), rows.pitch), k.mul(step, depth));
          Value toTile = tileOf(k.add(k.mul(residue, rows.steps), step), c);
          for (int64_t term = 0; term < terms; ++term)
            turn([&](int64_t s) {
              auto type = VectorType::get(eighth, k.b.getBF16Type());
              return bits(vector::LoadOp::create(k.b, k.loc, type, planes, k.add(from, s * p.channels + term * p.termElements())));
            }, a.gathers ? channelRows : turned, k.add(a.gathers ? toRow : toTile, term * (a.gathers ? rows.channelRows() : turnedTerm())), a.gathers ? rows.pitch : depth);
        });
      });
    });
    if (a.gathers)
      gather();
    const int64_t pairsOfRow = p.width / 2;
    /// The first element of a pair, counted from the first that is no zero, of one copy.
    auto place = [&](int64_t copy, Value number, Value pair, int64_t term) {
      return k.add(k.mul(k.add(k.add(k.mul(number, rows.pairs), pair), rows.before), depth), copy * a.panelLanes * rows.pairs * depth + term * pairedTerm());
    };
    auto clearPairs = [&](int64_t copy, Value number, Value from, Value to) {
      k.loop(from, to, 1, [&](Value pair) {
        for (int64_t term = 0; term < terms; ++term)
          storeBits(zeros(depth), paired, place(copy, number, pair, term));
      });
    };
    k.loop(k.constant(0), count, 1, [&](Value m) {
      k.loop(k.constant(0), rowCount, 1, [&](Value i) {
        Value from = k.mul(k.add(k.mul(k.add(n, m), f.OH), k.add(firstRow, i)), f.OW), first = k.mul(k.add(k.mul(m, p.height()), i), pairsOfRow);
        eachLaneTile([&](Value number, Value filter, Value, int64_t width) {
          for (int64_t copy = 0; copy < rows.copies; ++copy) {
            auto pair = [&](Value j, bool hasLow, bool hasHigh) {
              Value at = k.add(k.mul(k.add(k.add(from, k.mul(j, 2)), -copy), f.yChannels), filter);
              auto low = hasLow ? narrowed(dy, at, tile, width) : SmallVector<Value>(terms, zeros(tile));
              auto high = hasHigh ? narrowed(dy, k.add(at, f.yChannels), tile, width) : SmallVector<Value>(terms);
              for (int64_t term = 0; term < terms; ++term)
                storePair(low[term], high[term], place(copy, number, k.add(first, j), term));
            };
            // Pairs j have pixels 2j - copy and 2j - copy + 1.
            const int64_t whole = (f.OW + copy) / 2, all = (f.OW + copy + 1) / 2;
            if (copy)
              pair(k.constant(0), false, true);
            k.loop(k.constant(copy), k.constant(whole), 1, [&](Value j) { pair(j, true, true); });
            if (whole < all && whole >= copy)
              pair(k.constant(whole), true, false);
            clearPairs(copy, number, k.add(first, all), k.add(first, pairsOfRow));
          }
        });
      });
      if (a.images > 1)
        eachLaneTile([&](Value number, Value, Value, int64_t) {
          for (int64_t copy = 0; copy < rows.copies; ++copy)
            clearPairs(copy, number, k.mul(k.add(k.mul(m, p.height()), f.OH), pairsOfRow), k.mul(k.mul(k.add(m, 1), p.height()), pairsOfRow));
        });
    });
    eachLaneTile([&](Value number, Value, Value, int64_t) {
      Value end = k.div(pixelCount, 2);
      for (int64_t copy = 0; copy < rows.copies; ++copy)
        clearPairs(copy, number, end, k.add(end, tile + 1));
    });
  }

  /// The first element of the row of channel `c` in the tiles of 32 pixels `number`.
  Value tileOf(Value number, Value c) { return k.mul(k.add(k.mul(number, a.panelRows * tile), c), depth); }

  /// Rows of all taps, each the row of a channel from its tap's shift on.
  void gather() {
    const Planes &p = rows.planes;
    k.loop(k.constant(0), k.constant(a.steps), 1, [&](Value step) {
      for (int64_t row = 0; row < a.rows; ++row) {
        const int64_t channel = row % f.xChannels, tap = row / f.xChannels, r = tap / f.KW * f.DH, l = tap % f.KW * f.DW;
        const int64_t residue = r % f.SH * p.columns.residues + l % f.SW, shift = r / f.SH * p.width + l / f.SW;
        for (int64_t term = 0; term < terms; ++term) {
          Value from = k.add(k.mul(step, depth), (residue * p.channels + channel) * rows.pitch + shift + term * rows.channelRows());
          Value values = vector::LoadOp::create(k.b, k.loc, VectorType::get(depth, k.b.getBF16Type()), channelRows, from);
          vector::StoreOp::create(k.b, k.loc, values, turned, k.add(tileOf(step, k.constant(row)), term * turnedTerm()));
        }
      }
    });
  }

  // ---- products ----

  /// Two tiles at a time, the last alone where their number is odd: body(first, how many).
  void inPairs(Value count, int64_t most, bool alwaysEven, llvm::function_ref<void(Value, int64_t)> body) {
    if (alwaysEven)
      return k.loop(k.constant(0), count, 2, [&](Value at) { body(at, 2); });
    Value even = k.mul(k.div(count, 2), 2);
    if (most > 1)
      k.loop(k.constant(0), even, 2, [&](Value at) { body(at, 2); });
    k.when(k.less(even, count), [&] { body(even, 1); });
  }
  void eachCell(llvm::function_ref<void(Value rt, int64_t, Value lt, int64_t)> body) {
    inPairs(laneTiles, a.panelLanes, a.laneTiles % 2 == 0 && a.panelLanes % 2 == 0, [&](Value lt, int64_t nl) {
      inPairs(rowTiles, a.panelRows, a.rowTiles % 2 == 0 && a.panelRows % 2 == 0, [&](Value rt, int64_t nr) { body(rt, nr, lt, nl); });
    });
  }

  /// Where a tile's sums are kept.
  Value sumAt(Value rt, Value lt, Value tap) {
    if (!a.inPlace)
      return k.mul(k.add(k.mul(k.add(k.mul(lt, a.taps), tap), a.panelRows), rt), sumElements);
    Value filter = k.mul(lt, tile), at = k.add(k.mul(k.div(filter, f.block), f.wBlock), k.mod(filter, f.block));
    return k.add(out, k.add(k.add(at, k.mul(tap, f.wColumn)), k.mul(k.mul(rt, tile), f.wChannel)));
  }
  int64_t sumPitch() const { return a.inPlace ? f.wChannel : tile; }

  /// The cell's sums, and what `products` adds to them, of one tap. With each of its products it calls `ahead` with the number of products
  /// before, so that the sums of tap `next` come closer.
  using Ahead = llvm::function_ref<void(Value)>;
  void addToSums(Value rt, int64_t nr, Value lt, int64_t nl, Value tap, Value next, llvm::function_ref<SmallVector<Value>(SmallVector<Value>, Ahead)> products) {
    SmallVector<Value> places, values, nexts;
    for (int64_t i = 0; i < nr; ++i)
      for (int64_t v = 0; v < nl; ++v) {
        places.push_back(a.once ? k.constant((i * nl + v) * sumElements) : sumAt(k.add(rt, i), k.add(lt, v), tap));
        if (!a.once)
          nexts.push_back(sumAt(k.add(rt, i), k.add(lt, v), next));
        values.push_back(a.once ? tiles.zero(tile, tile) : tiles.load(a.inPlace ? dw : sums, places.back(), sumPitch(), tile, tile));
      }
    auto ahead = [&](Value step) {
      if (a.once)
        return;
      constexpr int64_t linesOfStep = tile / 4; // of each tile
      Value row = k.mul(k.mod(step, 4), linesOfStep);
      for (Value place : nexts)
        for (int64_t r = 0; r < linesOfStep; ++r)
          memref::PrefetchOp::create(k.b, k.loc, a.inPlace ? dw : sums, k.add(place, k.mul(k.add(row, r), sumPitch())), /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
    };
    values = products(values, ahead);
    for (auto [value, place] : llvm::zip(values, places))
      tiles.store(value, a.inPlace ? dw : sums, place, sumPitch(), tile, tile);
    if (a.once)
      for (int64_t v = 0; v < nl; ++v)
        laneTile(k.add(lt, v), [&](Value, Value, Value inRow, int64_t width) {
          k.loop(k.constant(0), k.constant(nr * tile), 1, [&](Value r) {
            Value source = k.add(k.mul(k.div(r, tile), nl * sumElements), k.add(k.mul(k.mod(r, tile), tile), v * sumElements));
            endRow(k.add(k.mul(rt, tile), r), tap, inRow, k.load(sums, source, tile, width), width);
          });
        });
  }

  /// A row of a tile's sums goes where it belongs, if the filter has it.
  void endRow(Value inPiece, Value tap, Value inRow, Value values, int64_t width) {
    Value row = k.add(k.mul(firstRowTile, tile), inPiece);
    Value index = k.add(k.add(k.add(out, inRow), k.mul(tap, f.wColumn)), k.mul(row, f.wChannel));
    auto put = [&] {
      if (!f.stripes)
        return store(values, index, width);
      Value before = k.load(dw, index, tile, width);
      before = arith::SelectOp::create(k.b, k.loc, isFirst, k.zeroVector(k.b.getF32Type(), tile), before);
      k.store(arith::AddFOp::create(k.b, k.loc, before, values), dw, index, width);
    };
    constexpr int64_t ahead = 8;
    store.soon(k.add(index, ahead * f.wChannel));
    if (a.rows % tile == 0)
      put();
    else
      k.when(k.less(row, k.constant(a.rows)), put);
  }
  void end() {
    eachLaneTile([&](Value number, Value, Value inRow, int64_t width) {
      k.loop(k.constant(0), k.constant(a.taps), 1, [&](Value tap) {
        k.loop(k.constant(0), k.mul(rowTiles, tile), 1, [&](Value r) {
          Value at = k.add(sumAt(k.constant(0), number, tap), k.mul(r, tile));
          endRow(r, tap, inRow, k.load(sums, at, tile, width), width);
        });
      });
    });
  }

  /// The sums and the products of one run of 32 pixels: x from the element xAt of its tiles on, dy from yAt.
  SmallVector<Value> multiply(SmallVector<Value> values, int64_t nr, int64_t nl, Value xAt, Value yAt) {
    enum Term { high, low };
    SmallVector<Value> xs(nr), ys(nl);
    auto loadX = [&](int64_t i, Term term) {
      xs[i] = tiles.load(turned, k.add(xAt, i * tileElements + term * turnedTerm()), depth, tile, tile);
    };
    auto loadY = [&](int64_t v, Term term) {
      const int64_t ofTile = a.bySamples ? tileElements : rows.pairs * depth;
      ys[v] = tiles.load(paired, k.add(yAt, v * ofTile + term * pairedTerm()), depth, tile, tile);
    };
    auto product = [&](int64_t i, int64_t v) {
      Value &sum = values[i * nl + v];
      sum = tiles.multiply(sum, xs[i], ys[v], tile, tile, tile);
    };
    for (int64_t i = 0; i < nr; ++i)
      loadX(i, high);
    for (int64_t v = 0; v < nl; ++v)
      loadY(v, a.split ? low : high);
    for (int64_t i = 0; i < nr; ++i)
      for (int64_t v = 0; v < nl; ++v)
        product(i, v);
    if (!a.split)
      return values;
    for (int64_t v = 0; v < nl; ++v) {
      loadY(v, high);
      for (int64_t i = 0; i < nr; ++i)
        product(i, v);
    }
    for (int64_t i = 0; i < nr; ++i) {
      loadX(i, low);
      for (int64_t v = 0; v < nl; ++v)
        product(i, v);
    }
    return values;
  }

  void sampleProducts(Value count) {
    // Rows of outputs whose products make a run: those of a tap row share x and dy in the first-level cache.
    const int64_t rowsOfRun = a.once ? f.OH : std::max<int64_t>(1, runSteps / f.OW);
    /// Outputs lo <= i < hi of first .. last whose tap falls into the map.
    auto reached = [&](Value tap, int64_t D, int64_t S, int64_t P, int64_t extent, int64_t outputs, int64_t K, Value first, Value last) {
      Value shift = k.add(k.mul(tap, D), -P), lo = first, hi = last;
      if (P > 0)
        lo = k.max(lo, k.ceilDiv(k.sub(k.constant(0), shift), S));
      if ((outputs - 1) * S + (K - 1) * D - P >= extent)
        hi = k.min(hi, k.add(k.floorDiv(k.sub(k.constant(extent - 1), shift), S), 1));
      return std::make_tuple(shift, lo, hi);
    };
    eachCell([&](Value rt, int64_t nr, Value lt, int64_t nl) {
      k.loop(k.constant(0), k.constant(f.OH), rowsOfRun, [&](Value firstRow) {
        Value lastRow = f.OH % rowsOfRun == 0 ? k.add(firstRow, rowsOfRun) : k.min(k.add(firstRow, rowsOfRun), k.constant(f.OH));
        k.loop(k.constant(0), k.constant(f.KH), 1, [&](Value kh) {
          auto [rowShift, rowLo, rowHi] = reached(kh, f.DH, f.SH, f.PT, f.H, f.OH, f.KH, firstRow, lastRow);
          k.loop(k.constant(0), k.constant(f.KW), 1, [&, rowShift = rowShift, rowLo = rowLo, rowHi = rowHi](Value kw) {
            auto [shift, lo, hi] = reached(kw, f.DW, f.SW, f.PL, f.W, f.OW, f.KW, k.constant(0), k.constant(f.OW));
            Value tap = k.add(k.mul(kh, f.KW), kw);
            addToSums(rt, nr, lt, nl, tap, k.add(tap, 1), [&, shift = shift, lo = lo, hi = hi](SmallVector<Value> values, Ahead ahead) {
              return k.loop(k.constant(0), count, 1, values, [&](Value group, ValueRange ofGroup) {
                return k.loop(rowLo, rowHi, 1, ofGroup, [&](Value i, ValueRange ofRow) {
                  Value xRow = k.mul(k.add(k.mul(group, f.H), k.add(k.mul(i, f.SH), rowShift)), f.W);
                  Value yRow = k.mul(k.add(k.mul(group, f.OH), i), f.OW);
                  return k.loop(lo, hi, 1, ofRow, [&](Value j, ValueRange carried) {
                    Value xPixel = k.add(xRow, k.add(k.mul(j, f.SW), shift)), yPixel = k.add(yRow, j);
                    ahead(f.OW > 1 ? j : group);
                    return multiply(SmallVector<Value>(carried), nr, nl, k.mul(k.add(k.mul(xPixel, a.panelRows), rt), tileElements),
                                    k.mul(k.add(k.mul(yPixel, a.panelLanes), lt), tileElements));
                  });
                });
              });
            });
          });
        });
      });
    });
  }

  void bringAndMultiplyPlanes(Value n, Value count, Value firstRow) {
    const Planes &p = rows.planes;
    Value rowCount = f.OH % a.outRows == 0 ? k.constant(a.outRows) : k.min(k.constant(a.outRows), k.sub(k.constant(f.OH), firstRow));
    Value pixels = k.mul(k.add(k.mul(k.sub(count, k.constant(1)), p.height()), rowCount), p.width);
    bringPlanes(n, count, firstRow, rowCount, pixels);
    const int64_t runs = ceilDiv(rows.steps, runSteps), ofRun = ceilDiv(rows.steps, runs);
    k.loop(k.constant(0), k.constant(rows.steps), ofRun, [&](Value firstStep) {
      Value lastStep = k.add(firstStep, ofRun);
      eachCell([&](Value rt, int64_t nr, Value lt, int64_t nl) {
        auto tap = [&](Value number, Value next, Value residue, Value shift, int64_t copy) {
          // Products whose pixels of x, from the shift on, meet one of dy.
          Value lo = k.max(firstStep, k.div(shift, depth)), hi = k.min(lastStep, k.ceilDiv(k.add(shift, pixels), depth));
          addToSums(rt, nr, lt, nl, number, next, [&](SmallVector<Value> values, Ahead ahead) {
            return k.loop(lo, hi, 1, values, [&](Value step, ValueRange carried) {
              ahead(step);
              Value pair = k.div(k.add(k.sub(k.add(k.mul(step, depth), 2 * rows.before), shift), copy), 2); // never below zero
              Value y = k.mul(k.add(k.mul(lt, rows.pairs), pair), depth);
              return multiply(SmallVector<Value>(carried), nr, nl, tileOf(k.add(k.mul(residue, rows.steps), step), k.mul(rt, tile)),
                              k.add(y, copy * a.panelLanes * rows.pairs * depth));
            });
          });
        };
        if (a.gathers)
          return tap(k.constant(0), k.constant(0), k.constant(0), k.constant(0), 0);
        for (int64_t copy = 0; copy < rows.copies; ++copy)
          for (int64_t kw = 0; kw < f.KW; ++kw)
            if (const int64_t l = kw * f.DW; l / f.SW % 2 == copy)
              k.loop(k.constant(0), k.constant(f.KH), 1, [&](Value kh) {
                Value r = k.mul(kh, f.DH), residue = k.add(k.mul(k.mod(r, f.SH), p.columns.residues), l % f.SW);
                Value number = k.add(k.mul(kh, f.KW), kw);
                tap(number, k.add(number, f.KW), residue, k.add(k.mul(k.div(r, f.SH), p.width), l / f.SW), copy);
              });
      });
    });
  }
};

} // namespace

int64_t AmxFilterGrad::bytes() const {
  const int64_t terms = split ? 2 : 1;
  int64_t all = once ? 4 * sumElements * 4 : inPlace ? 64 : panelRows * panelLanes * taps * sumElements * 4;
  if (bySamples)
    return all + 2 * terms * tileElements * groups * (panelRows * f.H * f.W + panelLanes * f.OH * f.OW);
  const PlaneRows r(*this);
  return all + r.planes.bytes() + 2 * terms * (r.turned(*this) + r.paired(*this) + r.channelRows());
}

int64_t AmxFilterGrad::pieces() const { return panels() * (f.stripes ? f.stripes.pieces(f.N / perImage) : f.parts); }

AmxFilterGrad AmxFilterGrad::of(const FilterGrad &grad, bool split) {
  AmxFilterGrad a;
  a.f = grad, a.split = split;
  FilterGrad &f = a.f;
  const bool pointwise = f.KH == 1 && f.KW == 1 && f.SH == 1 && f.SW == 1 && !f.PT && !f.PL && f.H == f.OH && f.W == f.OW;
  if (pointwise) {
    a.perImage = f.H * f.W;
    f.N *= a.perImage, f.H = f.W = f.OH = f.OW = 1;
  }
  a.taps = f.KH * f.KW, a.rows = f.xChannels;
  constexpr int64_t fewChannels = 16;
  if (a.taps > 1 && f.xChannels < fewChannels)
    a.gathers = true, a.rows *= a.taps, a.taps = 1;
  a.rowTiles = ceilDiv(a.rows, tile);
  a.laneTilesOfBlock = f.block % tile == 0 ? 1 : ceilDiv(f.block, tile);
  a.laneTiles = f.block % tile == 0 ? f.yChannels / tile : f.yChannels / f.block * a.laneTilesOfBlock;
  const int64_t samples = (f.stripes ? f.stripes.imagesOfPiece : ceilDiv(f.N / a.perImage, f.parts)) * a.perImage; // of a piece

  constexpr int64_t roomBytes = 5 << 18, planeBytes = 5 << 17, fewestPieces = 8, mostGroups = 16;
  auto waste = [&](int64_t positions) { return double(positions) / double(f.OH * f.OW); };
  auto reached = [](int64_t K, int64_t D, int64_t S, int64_t P, int64_t in, int64_t outputs) {
    int64_t n = 0;
    for (int64_t t = 0; t < K; ++t)
      for (int64_t i = 0; i < outputs; ++i)
        n += i * S + t * D - P >= 0 && i * S + t * D - P < in;
    return double(n) / double(K * outputs);
  };
  // Planes: as many images as share tiles well, or as many rows of one as find room.
  auto setPlanes = [&] {
    a.bySamples = false, a.groups = 1;
    a.width = roundUp(f.OW + (f.KW - 1) * f.DW / f.SW, 2), a.images = 1, a.outRows = f.OH;
    auto count = [&] {
      const Planes p = planesOf(a);
      a.steps = ceilDiv((a.images - 1) * p.height() * a.width + a.outRows * a.width, depth);
    };
    auto inCaches = [&] {
      AmxFilterGrad alone = a;
      alone.once = true; // without the sums
      return alone.bytes() <= planeBytes;
    };
    count();
    while (a.images * 2 <= samples && a.steps < 2 * runSteps) {
      a.images *= 2, count();
      if (!inCaches()) {
        a.images /= 2, count();
        break;
      }
    }
    while (a.outRows > 1 && !inCaches())
      a.outRows = (a.outRows + 1) / 2, count();
  };
  auto setSamples = [&] {
    a.bySamples = true, a.images = a.outRows = 1;
    const int64_t all = ceilDiv(samples, depth);
    a.groups = f.H * f.W > 1 ? 1 : all <= mostGroups ? all : runSteps;
  };
  auto setPanels = [&](int64_t panelRows, int64_t panelLanes) {
    a.panelRows = panelRows, a.panelLanes = panelLanes;
    a.once = a.bySamples && !f.stripes && ceilDiv(samples, depth) <= a.groups;
    a.inPlace = bool(f.stripes) && !a.gathers && a.rows % tile == 0 && a.laneTilesOfBlock == 1 && f.block % tile == 0;
  };
  setPanels(a.rowTiles, a.laneTiles);
  auto setOrder = [&] {
    if (pointwise)
      return setSamples();
    setPlanes();
    if (a.gathers || f.stripes || samples < depth / 2)
      return;
    const double byPlanes = waste(a.steps * depth) / double(a.images);
    const double bySamples = double(roundUp(samples, depth)) / double(samples) * reached(f.KH, f.DH, f.SH, f.PT, f.H, f.OH) * reached(f.KW, f.DW, f.SW, f.PL, f.W, f.OW);
    constexpr int64_t mostPixels = 100;
    if (bySamples < byPlanes && f.H * f.W <= mostPixels)
      setSamples();
  };
  if (f.stripes) {
    setOrder();
    return a;
  }
  // Panels: what is brought in serves many products, and a piece's memory stays in the cache.
  AmxFilterGrad best;
  double least = 0;
  auto sizes = [](int64_t all) {
    SmallVector<int64_t> s{all};
    for (int64_t n = 2; n < all; n += 2)
      s.push_back(n);
    return s;
  };
  for (int64_t panelRows : a.gathers || (!pointwise && a.rows % tile) ? SmallVector<int64_t>{a.rowTiles} : sizes(a.rowTiles))
    for (int64_t panelLanes : a.laneTilesOfBlock > 1 ? SmallVector<int64_t>{a.laneTiles} : sizes(a.laneTiles)) {
      setPanels(panelRows, panelLanes);
      setOrder();
      setPanels(panelRows, panelLanes);
      constexpr double product = 20, rowTileFill = 80, laneTileFill = 40; // cycles, of 32 pixels
      const double cells = double(ceilDiv(a.rowTiles, panelRows) * panelRows * ceilDiv(a.laneTiles, panelLanes) * panelLanes);
      const double cost = cells * (product * double(a.taps) + rowTileFill / double(panelLanes) + laneTileFill / double(panelRows));
      const double tooFew = std::max(1.0, double(std::min(fewestPieces, a.rowTiles * a.laneTiles / 4)) / double(a.panels() * f.parts));
      const double tooLarge = std::max(1.0, double(a.bytes()) / double(roomBytes));
      const double all = cost * std::sqrt(tooFew) * tooLarge * tooLarge;
      if (least == 0 || all < least)
        least = all, best = a;
    }
  return best;
}

int64_t buildAmxFilterGrad(KernelBuilder &k, const AmxFilterGrad &a, StoreLanes store) {
  Grad(k, a, store).run();
  k.finish();
  return a.pieces();
}

} // namespace cnnc
