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
#include "compiler/kernels/AmxOperands.h"

using namespace mlir;

namespace cnnc {
using namespace amx;
namespace {

class Grad : AmxOperands {
public:
  Grad(KernelBuilder &k, const AmxFilterGrad &a, StoreLanes store)
      : AmxOperands(k, a), store(store), tiles(k), dw(k.buffer(2)), runSteps(std::max<int64_t>(1, k.target.choice.of(Knob::GradPixels, 512) / depth)) {}

  void run() {
    const int64_t lanePanels = ceilDiv(a.laneTiles, a.panelLanes), rowPanels = ceilDiv(a.rowTiles, a.panelRows);
    Value part = k.div(k.piece, lanePanels * rowPanels);
    firstLaneTile = k.mul(k.mod(k.piece, lanePanels), a.panelLanes);
    firstRowTile = k.mul(k.mod(k.div(k.piece, lanePanels), rowPanels), a.panelRows);
    laneTiles = lanePanels == 1 ? k.constant(a.laneTiles) : k.min(k.constant(a.panelLanes), k.sub(k.constant(a.laneTiles), firstLaneTile));
    rowTiles = rowPanels == 1 ? k.constant(a.rowTiles) : k.min(k.constant(a.panelRows), k.sub(k.constant(a.rowTiles), firstRowTile));
    imagesOfPart = ceilDiv(f.N / a.perImage, f.parts) * a.perImage;
    firstImage = k.mul(part, imagesOfPart);
    if (f.stripes) {
      imagesOfPart = f.stripes.imagesOfPiece * a.perImage;
      firstImage = k.mul(part, imagesOfPart), part = k.div(k.mul(part, f.stripes.imagesOfPiece), f.stripes.imagesOfStripe);
      isFirst = k.equal(k.mod(firstImage, f.stripes.imagesOfStripe * a.perImage), k.constant(0));
    }
    lastImage = f.N == imagesOfPart ? k.constant(f.N) : k.min(k.add(firstImage, imagesOfPart), k.constant(f.N));
    out = f.parts == 1 && !f.stripes ? k.constant(0) : k.mul(part, f.size());

    allocateOperands();
    sums = k.scratch(k.b.getF32Type(), a.sumElements());
    if (a.inPlace)
      k.when(isFirst, [&] { clear(dw, out, f.size()); });
    else if (!a.once)
      clear(sums, k.constant(0), a.sumElements());
    if (a.bySamples) {
      k.loop(firstImage, lastImage, a.groups * depth, [&](Value n) {
        Value count = k.min(k.constant(a.groups), k.ceilDiv(k.sub(lastImage, n), depth));
        k.loop(k.constant(0), count, 1, [&](Value group) { bringSamples(k.add(n, k.mul(group, depth)), group); });
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
  StoreLanes store;
  Tiles tiles;
  Value dw, out, isFirst, sums;
  const int64_t runSteps; ///< products along a run

  void clear(Value buffer, Value from, int64_t elements) {
    const int64_t whole = elements / tile * tile;
    Value zero = k.zeroVector(k.b.getF32Type(), tile);
    k.loop(k.constant(0), k.constant(whole), tile, [&](Value i) { k.store(zero, buffer, k.add(from, i), tile); });
    if (whole < elements)
      k.store(zero, buffer, k.add(from, whole), elements - whole);
  }

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
  using Products = llvm::function_ref<SmallVector<Value>(SmallVector<Value>, Ahead)>;
  void addToSums(Value rt, int64_t nr, Value lt, int64_t nl, Value tap, Value next, Products products) {
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
          k.prefetch(a.inPlace ? dw : sums, k.add(place, k.mul(k.add(row, r), sumPitch())), KernelBuilder::First);
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
    const int64_t ofTile = a.bySamples ? tileElements : rows.pairs * depth;
    auto loadX = [&](int64_t i, Tiles::Part part) { return tiles.load(turned, k.add(xAt, i * tileElements + part * turnedTerm()), depth, tile, tile); };
    auto loadY = [&](int64_t v, Tiles::Part part) { return tiles.load(paired, k.add(yAt, v * ofTile + part * pairedTerm()), depth, tile, tile); };
    return tiles.multiplyAll(values, nr, nl, a.split, loadX, loadY, tile, tile, tile);
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
                    return multiply(SmallVector<Value>(carried), nr, nl, tileOf(xPixel, k.mul(rt, tile)), pairedTile(yPixel, lt));
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

int64_t buildAmxFilterGrad(KernelBuilder &k, const AmxFilterGrad &a, StoreLanes store) {
  Grad(k, a, store).run();
  k.finish();
  return a.pieces();
}

} // namespace cnnc
