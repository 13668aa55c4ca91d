// Convolution as products of tiles: 16 pixels x pairs of channels times pairs of channels x 16 filters.
// In: GatherConv of pairs, buffers x, w, y.  Out: loops whose inner body loads two tiles of pixels and two of filters and multiplies each with each.
//
// Which pixels share a tile (Order): where there is no padding and no stride, neighbours in x itself. On small maps the same pixel of 16 images, in
// x too, beside a tile of the next pixel in the row: a tap that falls into the padding of one of the two is left to the other alone. Else a piece
// copies its rows of x, with the padding around them, into planes of its own: one for each residue of the stride, so that the pixels that a tap reads
// follow one another. A tile is a part of a row there; where rows are too short for that, tiles run on over their ends, and what they make of the
// pixels between rows is not stored.
//
// Split, x = hi + lo and w = hi + lo of bf16 each, and the sum is of lo hi, hi lo and hi hi: planes and filters are there twice, high parts first.
// What is left out of a product is at most 3 * 2^-18 of it.
#include "compiler/kernels/Amx.h"
#include "compiler/kernels/AmxPlanes.h"
#include "compiler/target/Tiles.h"

using namespace mlir;

namespace cnnc {
namespace {

constexpr int64_t rowTiles = 2, tileRows = rowTiles * Tiles::most;
constexpr int64_t planeBytes = 256 << 10; ///< at most, of a piece's planes: they lie on the stack and stay in the second-level cache

int64_t widestDivisor(int64_t n, int64_t most) {
  int64_t d = std::min(n, most);
  while (n % d)
    --d;
  return d;
}

/// Which pixels share a tile.
enum class Order {
  InPlace,   ///< neighbours in x, which is read as it is
  Samples,   ///< one pixel of 16 images, likewise
  Lines,     ///< neighbours in a row, of planes
  Positions, ///< neighbours in planes, over the ends of rows
};

/// How one kernel is cut.
struct Shape {
  Reach rows, columns;
  int64_t channels;    ///< of x, single ones
  int64_t pairs;       ///< of a tile
  int64_t lanes;       ///< filters of a tile
  int64_t lanesAtOnce; ///< 1 or 2 tiles of them
  Order order;
  bool copies;         ///< x goes through planes
  int64_t pixels;      ///< of a tile
  int64_t parts;       ///< of bf16 that make an element of x
  int64_t images, rowsPerPiece, imagePieces, rowPieces, blockPieces; ///< rowsPerPiece counts rows of a phase

  Shape(const GatherConv &c, const TargetInfo &target) : rows(Reach::of(c.rows, c.sourceStepH)), columns(Reach::of(c.columns, c.sourceStepW)) {
    channels = 2 * c.inChannels;
    pairs = widestDivisor(c.inChannels, Tiles::most);
    lanes = widestDivisor(c.block, Tiles::most);
    lanesAtOnce = c.block / lanes % 2 == 0 ? 2 : 1;
    const bool single = c.rows.size() == 1 && c.columns.size() == 1 && c.rows[0].taps.size() == 1 && c.columns[0].taps.size() == 1;
    parts = c.split ? 2 : 1;
    copies = !single || c.sourceStepH != 1 || c.sourceStepW != 1 || rows.lowest || columns.lowest || c.IH != c.OH || c.IW != c.OW ||
             c.N * c.OH * c.OW < tileRows;
    if (c.split && !copies) // x is taken apart on the way where a tile's rows find room
      copies = (std::max(tileRows, c.OW) + tileRows + 2 * c.OW) * channels * parts * 2 <= planeBytes;
    constexpr int64_t fewest = 12; // pixels that make use of a tile
    pixels = Tiles::most;
    if (!copies)
      order = Order::InPlace;
    else if (columns.count >= fewest)
      order = Order::Lines, pixels = evenSplit(columns.count, Tiles::most).front();
    else if (!c.split && c.N % Tiles::most == 0)
      order = Order::Samples, copies = false;
    else
      order = Order::Positions;
    constexpr double most = 3e7, least = 2e6, pieces = 8;
    const double goal = std::clamp(double(c.flops()) / pieces, least, most), filterBytes = double(c.outChannels) * channels * taps(c) * parts * 2;
    // A filter that does not stay in the cache is shared out, and each block reads the planes again.
    blockPieces = filterBytes > double(target.l2Bytes) / 2 ? c.outChannels / c.block : 1;
    const double imageWork = std::max(1.0, double(c.flops()) / c.N / blockPieces);
    images = cutImages(imageWork, goal, c.N).images;
    rowsPerPiece = rows.count;
    while (images < c.N && images * rows.count * width() < tileRows) // small images share tiles
      images *= 2;
    while (images > 1 && copies && bytes(c, images, rowsPerPiece) > planeBytes)
      images /= 2;
    if (images == 1) {
      const int64_t parts = std::clamp<int64_t>(int64_t(imageWork / goal), 1, rows.count);
      rowsPerPiece = (rows.count + parts - 1) / parts;
      while (rowsPerPiece > 1 && copies && bytes(c, 1, rowsPerPiece) > planeBytes)
        rowsPerPiece = (rowsPerPiece + 1) / 2;
    }
    if (order == Order::Samples) {
      constexpr int64_t enough = 8; // pieces for threads to share
      images = Tiles::most, rowsPerPiece = rows.count;
      blockPieces = filterBytes > double(target.l2Bytes) ? c.outChannels / c.block : 1; // many products for each number of the filter
      if (const int64_t ofImages = c.N / images; ofImages < enough) {
        blockPieces = c.outChannels / c.block;
        const int64_t runs = std::clamp<int64_t>(2 * enough / (ofImages * blockPieces), 1, rows.count);
        rowsPerPiece = (rows.count + runs - 1) / runs;
      }
    }
    imagePieces = (c.N + images - 1) / images, rowPieces = (rows.count + rowsPerPiece - 1) / rowsPerPiece;
  }

  static int64_t taps(const GatherConv &c) {
    int64_t r = 0, l = 0;
    for (const Phase &p : c.rows)
      r += p.taps.size();
    for (const Phase &p : c.columns)
      l += p.taps.size();
    return r * l;
  }
  int64_t width() const { return columns.lines(columns.count); }
  int64_t height() const { return rows.lines(rowsPerPiece); }
  /// What a piece of so many images and rows of a phase copies.
  Planes planes(const GatherConv &c, int64_t ofImages, int64_t ofRows) const {
    Planes p;
    p.rows = rows, p.columns = columns, p.IH = c.IH, p.IW = c.IW, p.xChannels = p.channels = channels, p.images = ofImages, p.outRows = ofRows;
    p.width = width(), p.terms = parts;
    p.slack = tileRows + rows.line(rows.lowest + rows.span) * width() + width(); // what tiles read behind the last pixel
    return p;
  }
  int64_t bytes(const GatherConv &c, int64_t ofImages, int64_t ofRows) const { return planes(c, ofImages, ofRows).bytes(); }
};

class AmxConv {
public:
  AmxConv(KernelBuilder &k, const GatherConv &c)
      : k(k), c(c), s(c, k.target), copy(s.planes(c, s.images, s.rowsPerPiece)), tiles(k), x(k.buffer(0)), w(k.buffer(1)), y(k.buffer(2)) {}

  int64_t run() {
    Value rowPiece = k.mod(k.piece, s.rowPieces), rest = k.div(k.piece, s.rowPieces);
    Value imagePiece = k.mod(rest, s.imagePieces), blockPiece = k.div(rest, s.imagePieces);
    firstImage = k.mul(imagePiece, s.images);
    imageCount = k.min(k.constant(s.images), k.sub(k.constant(c.N), firstImage));
    firstRow = k.mul(rowPiece, s.rowsPerPiece);
    sums = k.scratch(k.b.getF32Type(), tileRows * tileRows);
    if (s.copies) {
      planes = k.scratch(k.b.getBF16Type(), copy.bytes() / 2);
      copy.fill(k, x, planes, firstImage, imageCount, firstRow);
    }
    auto block = [&](Value number) {
      const int64_t atOnce = s.lanes * s.lanesAtOnce;
      k.loop(k.constant(0), k.constant(c.block), atOnce, [&](Value lane) {
        Value filter = k.add(k.mul(number, c.wBlock), lane), channel = k.add(k.mul(number, c.block), lane);
        for (const Phase &rows : c.rows)
          for (const Phase &columns : c.columns)
            s.order == Order::Lines ? lines(rows, columns, filter, channel)
            : s.order == Order::Samples ? samples(rows, columns, filter, channel) : positions(rows, columns, filter, channel);
      });
    };
    if (s.blockPieces > 1)
      block(blockPiece);
    else
      k.loop(k.constant(0), k.constant(c.outChannels / c.block), 1, block);
    return s.rowPieces * s.imagePieces * s.blockPieces;
  }

private:
  KernelBuilder &k;
  const GatherConv &c;
  const Shape s;
  const Planes copy;
  Tiles tiles;
  Value x, w, y, planes, sums, firstImage, imageCount, firstRow;

  /// From the high parts of x, or its planes, to the low ones.
  int64_t partElements() const { return s.copies ? copy.termElements() : c.N * c.IH * c.IW * s.channels; }

  // The outputs of one phase that the piece makes, for the lanes from wBase (pairs) and outBase (channels) on.

  void lines(const Phase &rows, const Phase &columns, Value wBase, Value outBase) {
    const int64_t tilesOfLine = (columns.count + s.pixels - 1) / s.pixels;
    Value rowCount = rows.count % s.rowsPerPiece == 0 ? k.constant(s.rowsPerPiece) : k.min(k.constant(s.rowsPerPiece), k.sub(k.constant(rows.count), firstRow));
    Value count = k.mul(rowCount, tilesOfLine);
    k.loop(k.constant(0), imageCount, 1, [&](Value m) {
      k.loop(k.constant(0), count, rowTiles, [&](Value t) {
        SmallVector<Value> pixel, out, width;
        for (int64_t i = 0; i < rowTiles; ++i) { // an odd last tile is made twice
          Value number = i ? k.min(k.add(t, i), k.sub(count, k.constant(1))) : t;
          Value line = k.div(number, tilesOfLine), j = k.mul(k.mod(number, tilesOfLine), s.pixels);
          pixel.push_back(k.add(k.mul(k.add(k.mul(m, s.height()), line), s.width()), j));
          Value row = k.add(k.mul(k.add(firstRow, line), rows.step), rows.start), column = k.add(k.mul(j, columns.step), columns.start);
          out.push_back(k.add(k.mul(k.add(k.mul(k.add(firstImage, m), c.OH), row), c.OW), column));
          width.push_back(columns.count % s.pixels == 0 ? k.constant(s.pixels) : k.min(k.constant(s.pixels), k.sub(k.constant(columns.count), j)));
        }
        products(rows, columns, pixel, wBase);
        for (int64_t i = 0; i < rowTiles; ++i)
          storePixels(i, width[i], out[i], columns.step, outBase);
      });
    });
  }

  void samples(const Phase &rows, const Phase &columns, Value wBase, Value outBase) {
    Value lastRow = s.rowPieces == 1 ? k.constant(rows.count) : k.min(k.add(firstRow, s.rowsPerPiece), k.constant(rows.count));
    const int64_t inPairs = columns.count / rowTiles * rowTiles;
    k.loop(firstRow, lastRow, 1, [&](Value i) {
      k.loop(k.constant(0), k.constant(inPairs), rowTiles, [&](Value j) { samplesOf(rows, columns, i, {j, k.add(j, 1)}, wBase, outBase); });
      if (inPairs < columns.count)
        samplesOf(rows, columns, i, {k.constant(inPairs)}, wBase, outBase);
    });
  }

  /// The outputs of row i and one or two columns that follow one another, of all images of the piece.
  void samplesOf(const Phase &rows, const Phase &columns, Value i, ArrayRef<Value> pixels, Value wBase, Value outBase) {
    const int64_t image = c.IH * c.IW * s.channels;
    SmallVector<Value> acc;
    for (size_t t = 0; t < pixels.size() * s.lanesAtOnce; ++t)
      acc.push_back(tiles.zero(s.pixels, s.lanes));
    if (!rows.taps.empty() && !columns.taps.empty()) {
      const ReachedTaps r = reachedTaps(k, rows, c.sourceStepH, c.IH, i);
      SmallVector<ReachedTaps> l;
      for (Value j : pixels)
        l.push_back(reachedTaps(k, columns, c.sourceStepW, c.IW, j));
      acc = k.loop(r.lo, r.hi, 1, acc, [&](Value t, ValueRange ofRow) {
        Value row = k.add(k.mul(firstImage, c.IH), r.source(k, t)), filterRow = k.add(wBase, k.mul(r.cell(k, t), c.wRow));
        SmallVector<Value> sums(ofRow);
        /// The taps lo .. hi of the tiles of `count` columns from `first` on.
        auto taps = [&](size_t first, size_t count, Value lo, Value hi) {
          const size_t from = first * s.lanesAtOnce, ofColumns = count * s.lanesAtOnce;
          auto added = k.loop(lo, hi, 1, ArrayRef(sums).slice(from, ofColumns), [&](Value u, ValueRange ofTap) {
            Value filter = k.add(filterRow, k.mul(l[first].cell(k, u), c.wColumn));
            SmallVector<Value> source;
            for (size_t m = first; m < first + count; ++m)
              source.push_back(k.mul(k.add(k.mul(row, c.IW), l[m].source(k, u)), s.channels));
            return k.loop(k.constant(0), k.constant(c.inChannels), s.pairs, ofTap, [&](Value pair, ValueRange carried) {
              SmallVector<Value> x;
              for (Value start : source)
                x.push_back(k.add(start, k.mul(pair, 2)));
              return addProducts(SmallVector<Value>(carried), x, image, k.add(filter, k.mul(pair, c.wChannel)));
            });
          });
          std::copy(added.begin(), added.end(), sums.begin() + from);
        };
        if (pixels.size() == 1) {
          taps(0, 1, l[0].lo, l[0].hi);
        } else { // offsets ascend: the second column reaches less on its right, and more on its left
          taps(1, 1, l[1].lo, k.min(l[0].lo, l[1].hi));
          taps(0, 2, l[0].lo, l[1].hi);
          taps(0, 1, k.max(l[0].lo, l[1].hi), l[0].hi);
        }
        return sums;
      });
    }
    storeSums(acc);
    Value row = k.add(k.mul(i, rows.step), rows.start);
    for (size_t t = 0; t < pixels.size(); ++t) {
      Value column = k.add(k.mul(pixels[t], columns.step), columns.start);
      storePixels(t, k.constant(Tiles::most), k.add(k.mul(k.add(k.mul(firstImage, c.OH), row), c.OW), column), c.OH * c.OW, outBase);
    }
  }

  void positions(const Phase &rows, const Phase &columns, Value wBase, Value outBase) {
    Value rowCount = k.min(k.constant(s.rowsPerPiece), k.sub(k.constant(rows.count), firstRow));
    const int64_t width = s.width();
    // The last pixel that counts ends the piece; of several images, those between them are walked over.
    Value lines = s.copies ? k.add(k.mul(k.sub(imageCount, k.constant(1)), s.height()), rowCount) : k.mul(imageCount, s.rowsPerPiece);
    if (!s.copies && s.rowPieces > 1)
      lines = rowCount;
    Value pixels = k.mul(lines, width);
    Value source = k.add(k.mul(firstImage, c.IH), firstRow);
    source = k.mul(source, c.IW); // of x, where it is read itself
    k.loop(k.constant(0), pixels, tileRows, [&](Value p) {
      // A tile that would end behind x begins earlier, and what it makes twice is not stored.
      Value start = s.copies ? p : k.min(p, k.sub(k.constant(c.N * c.IH * c.IW - tileRows), source));
      Value first = s.copies ? start : k.add(source, start);
      products(rows, columns, {first, k.add(first, Tiles::most)}, wBase);
      if (!s.copies) {
        Value from = k.sub(p, start), end = k.min(k.constant(tileRows), k.sub(pixels, start));
        for (int64_t i = 0; i < rowTiles; ++i) {
          Value before = k.constant(i * Tiles::most);
          storePixels(i, k.min(k.constant(Tiles::most), k.sub(end, before)), k.add(first, before), 1, outBase, k.max(k.constant(0), k.sub(from, before)));
        }
        return;
      }
      k.loop(k.constant(0), k.constant(tileRows), 1, [&](Value r) {
        Value pixel = k.add(start, r);
        Value j = k.mod(pixel, width), line = k.div(pixel, width), m = k.div(line, s.height()), i = k.mod(line, s.height());
        auto both = [&](Value a, Value b) { return arith::AndIOp::create(k.b, k.loc, a, b); };
        Value counts = both(both(k.less(pixel, pixels), k.less(i, rowCount)), k.less(j, k.constant(columns.count)));
        Value outRow = k.add(k.mul(k.add(firstRow, i), rows.step), rows.start), outColumn = k.add(k.mul(j, columns.step), columns.start);
        Value out = k.add(k.mul(k.add(k.mul(k.add(firstImage, m), c.OH), outRow), c.OW), outColumn);
        k.when(counts, [&] { storePixel(r, out, outBase); });
      });
    });
  }

  /// Sums, and where they go: row r of all pixels' rows to the output pixel `out`.
  void storeSums(ArrayRef<Value> acc) {
    for (int64_t i = 0; i < int64_t(acc.size()) / s.lanesAtOnce; ++i)
      for (int64_t v = 0; v < s.lanesAtOnce; ++v)
        tiles.store(acc[i * s.lanesAtOnce + v], sums, k.constant(i * Tiles::most * tileRows + v * Tiles::most), tileRows, s.pixels, s.lanes);
  }
  void storePixel(Value r, Value out, Value outBase) {
    Value to = k.add(k.mul(out, c.outChannels), outBase), from = k.mul(r, tileRows);
    if (s.lanes == Tiles::most && s.lanesAtOnce == 2)
      return k.store(k.load(sums, from, tileRows), y, to, tileRows);
    for (int64_t v = 0; v < s.lanesAtOnce; ++v)
      k.store(k.load(sums, k.add(from, v * Tiles::most), Tiles::most, s.lanes), y, k.add(to, v * s.lanes), s.lanes);
  }
  /// The rows `from` .. `count` of tile i, which go to `out` and what stands `step` pixels further each.
  void storePixels(int64_t i, Value count, Value out, int64_t step, Value outBase, Value from = {}) {
    k.loop(from ? from : k.constant(0), count, 1, [&](Value r) { storePixel(k.add(r, i * Tiles::most), k.add(out, k.mul(r, step)), outBase); });
  }

  /// The sums and what one run of channels adds: x in tiles from the elements `from` on, whose rows stand `pitch` apart, w from the pair `filter` on.
  SmallVector<Value> addProducts(SmallVector<Value> sums, ArrayRef<Value> from, int64_t pitch, Value filter) {
    const int64_t filterPart = cast<MemRefType>(w.getType()).getNumElements() / 2;
    auto loadX = [&](int64_t i, Tiles::Part part) {
      return tiles.load(s.copies ? planes : x, k.add(from[i], part * partElements()), pitch, s.pixels, s.pairs);
    };
    auto loadW = [&](int64_t v, Tiles::Part part) {
      return tiles.load(w, k.add(k.mul(k.add(filter, v * s.lanes), 2), part * filterPart), 2 * c.wChannel, s.pairs, s.lanes);
    };
    return tiles.multiplyAll(sums, int64_t(from.size()), s.lanesAtOnce, c.split, loadX, loadW, s.pixels, s.lanes, s.pairs);
  }

  /// sums = the products of all taps for tiles of neighbours, from `pixel` on.
  void products(const Phase &rows, const Phase &columns, ArrayRef<Value> pixel, Value wBase) {
    SmallVector<Value> acc;
    for (int64_t t = 0; t < rowTiles * s.lanesAtOnce; ++t)
      acc.push_back(tiles.zero(s.pixels, s.lanes));
    for (const Tap &row : rows.taps)
      for (const Tap &column : columns.taps) {
        const int64_t plane = s.rows.residue(row.offset) * s.columns.residues + s.columns.residue(column.offset);
        const int64_t offset = plane * copy.planePixels() + s.rows.line(row.offset) * s.width() + s.columns.line(column.offset);
        Value filter = k.add(wBase, row.k * c.wRow + column.k * c.wColumn);
        acc = k.loop(k.constant(0), k.constant(c.inChannels), s.pairs, acc, [&](Value pair, ValueRange carried) {
          SmallVector<Value> from;
          for (Value p : pixel)
            from.push_back(k.add(k.mul(k.add(p, s.copies ? offset : 0), s.channels), k.mul(pair, 2)));
          return addProducts(SmallVector<Value>(carried), from, s.channels, k.add(filter, k.mul(pair, c.wChannel)));
        });
      }
    storeSums(acc);
  }
};

} // namespace

bool amxTakes(const GatherConv &c, const TargetInfo &target) {
  if (!target.amx || !c.pairs || c.groups != 1)
    return false;
  constexpr int64_t enough = 8; // half a tile
  const Shape s(c, target);
  return s.pairs >= enough && s.lanes >= enough && (!s.copies || s.bytes(c, s.images, s.rowsPerPiece) <= planeBytes);
}

bool amxReadsInPlace(const GatherConv &c, const TargetInfo &target) { return !Shape(c, target).copies; }

bool amxIsByImage(const GatherConv &c, const TargetInfo &target) {
  const Shape s(c, target);
  return s.blockPieces == 1 && (s.images == 1 || s.rowPieces == 1);
}

int64_t buildAmxConv(KernelBuilder &k, const GatherConv &c) {
  int64_t pieces = AmxConv(k, c).run();
  k.finish();
  return pieces;
}

} // namespace cnnc
