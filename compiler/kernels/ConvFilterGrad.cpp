// The filter's gradient: register tiles of (tap column, input channel) x output channels, summed over pixels.
// In: FilterGrad, buffers x, dy, dw.  Out: loops whose inner body adds one pixel's outer product to the tile with vector.fma.
//
// Pixels are taken in blocks that stay in the first-level cache while all tiles pass over them; a tile's sums are kept in dw between blocks.
// Taps that fall into the padding are skipped: rows by loop bounds, columns by writing the edges out.
#include "compiler/kernels/Contractions.h"
#include "compiler/kernels/Products.h"
#include "compiler/target/Tiles.h"

using namespace mlir;

namespace cnnc {
namespace {

/// Blocks of dw are separate pieces where it is too large for partial sums.
bool cutByFilter(const FilterGrad &f) { return f.parts < 8 && !f.stripes; }

/// Pixels are taken in blocks of about `blockPixels`: images where they are small, else rows of one image.
struct PixelBlock {
  int64_t images, rows;
};
PixelBlock blockOf(const FilterGrad &f, const TargetInfo &target) {
  if (f.atOnce)
    return {(f.N + f.parts - 1) / f.parts, f.OH};
  const int64_t blockPixels = target.choice.of(Knob::GradPixels, 128);
  const int64_t imagesPerPart = f.stripes ? f.stripes.imagesOfPiece : (f.N + f.parts - 1) / f.parts;
  int64_t images = std::clamp<int64_t>(blockPixels / (f.OH * f.OW), 1, imagesPerPart);
  if (f.OH * f.OW == 1) // dense: the sums stay in registers over all images
    images = imagesPerPart;
  return {images, images > 1 ? f.OH : std::clamp<int64_t>(blockPixels / f.OW, 1, f.OH)};
}

class Grad {
public:
  Grad(KernelBuilder &k, const FilterGrad &f, Type element, StoreLanes store)
      : k(k), f(f), store(store), element(element), lanes(k.lanes(element)), products(k, f.pairs, lanes), x(k.buffer(0)), dy(k.buffer(1)), dw(k.buffer(2)) {}

  void run() {
    Value part = k.mod(k.piece, f.parts), cell = k.div(k.piece, f.parts);
    int64_t imagesPerPart = (f.N + f.parts - 1) / f.parts;
    Value firstImage = k.mul(part, imagesPerPart), sumsFrom = firstImage;
    if (f.stripes) {
      imagesPerPart = f.stripes.imagesOfPiece;
      firstImage = k.mul(k.piece, imagesPerPart), part = k.div(firstImage, f.stripes.imagesOfStripe);
      sumsFrom = k.mul(part, f.stripes.imagesOfStripe);
    }
    Value lastImage = k.min(k.add(firstImage, imagesPerPart), k.constant(f.N));
    Value out = k.mul(part, f.size());

    const auto [images, rows] = blockOf(f, k.target);
    blockRows = rows, blockImages = images;
    if (packsGradients(images * rows * f.OW))
      packed = k.scratch(element, images * rows * f.OW * f.block);

    auto cells = [&](Value n, Value lastN, Value firstRow, Value lastRow, Value isFirst) {
      auto tapRow = [&](Value ob, Value kh) { tapRowTiles(n, lastN, firstRow, lastRow, ob, kh, out, isFirst); };
      if (cutByFilter(f)) {
        pack(n, lastN, firstRow, lastRow, k.div(cell, f.KH));
        tapRow(k.div(cell, f.KH), k.mod(cell, f.KH));
      } else {
        k.loop(k.constant(0), k.constant(f.yChannels / f.block), 1, [&](Value ob) {
          pack(n, lastN, firstRow, lastRow, ob);
          k.loop(k.constant(0), k.constant(f.KH), 1, [&](Value kh) { tapRow(ob, kh); });
        });
      }
    };
    k.loop(firstImage, lastImage, images, [&](Value n) {
      Value lastN = images == 1 ? k.add(n, 1) : k.min(k.add(n, images), lastImage);
      k.loop(k.constant(0), k.constant(f.OH), rows, [&](Value r) {
        Value isFirst = arith::AndIOp::create(k.b, k.loc, k.equal(n, sumsFrom), k.equal(r, k.constant(0)));
        cells(n, lastN, r, k.min(k.add(r, rows), k.constant(f.OH)), isFirst);
      });
    });
  }

private:
  KernelBuilder &k;
  const FilterGrad &f;
  StoreLanes store;
  Type element;
  int64_t lanes;
  Products products;
  Value x, dy, dw;
  Value packed; ///< a block of pixels of dy, [images][rows][OW][block]; null where dy is read in place
  int64_t blockImages = 1, blockRows = 1;

  /// Whether a block of dy, whose pixels are so far apart that they share few sets of the first-level cache, is read by tiles enough to pay for a copy.
  bool packsGradients(int64_t pixels) const {
    constexpr int64_t apart = 512, mostBytes = 32 << 10, fewestCells = 32;
    const int64_t bytes = k.target.vectorBytes / lanes;
    return !f.pairs && f.KH * f.KW > 1 && f.yChannels > f.block && f.yChannels * bytes % apart == 0 && pixels * f.block * bytes <= mostBytes && f.block % lanes == 0 &&
           f.KW * (f.xChannels / f.groups) >= fewestCells;
  }

  void pack(Value n, Value lastN, Value firstRow, Value lastRow, Value ob) {
    if (!packed)
      return;
    k.loop(n, lastN, 1, [&](Value image) {
      k.loop(firstRow, lastRow, 1, [&](Value oh) {
        Value from = k.add(k.mul(k.add(k.mul(image, f.OH), oh), f.OW * f.yChannels), k.mul(ob, f.block));
        Value to = k.mul(k.add(k.mul(k.sub(image, n), blockRows), k.sub(oh, firstRow)), f.OW * f.block);
        k.loop(k.constant(0), k.constant(f.OW), 1, [&](Value ow) {
          for (int64_t lane = 0; lane < f.block; lane += lanes)
            k.store(k.load(dy, k.add(k.add(from, k.mul(ow, f.yChannels)), lane), lanes), packed, k.add(k.add(to, k.mul(ow, f.block)), lane), lanes);
        });
      });
    });
  }

  struct Cell {
    int64_t kw, channel;
  };

  /// Tiles read a few channels of each pixel, or every other pixel, so that no cache fetches ahead what the next ones read: every tile asks for its share of
  /// the pixels behind the block. A filter of one tap reads each map once; with more taps it pays where maps come from memory.
  struct Rows { ///< of a block in memory
    Value buffer, from;
    int64_t count, pixels, channels; ///< pixels of a row that are read
    int64_t row, pixel;              ///< elements from one to the next
    bool isWhole() const { return pixel == channels; }
    int64_t linesOfPixel(int64_t line) const { return (channels + line - 1) / line; }
    int64_t linesOfRow(int64_t line) const { return isWhole() ? (pixels * channels + line - 1) / line : pixels * linesOfPixel(line); }
    int64_t lines(int64_t line) const { return count * linesOfRow(line); }
  };
  struct Share {
    Rows rows;
    Value first;   ///< number of its first line
    int64_t lines; ///< of the caches
  };
  /// Rows of a map that follow each other in steps of `step`, pixels likewise.
  Rows rowsOf(Value buffer, Value from, int64_t count, int64_t width, int64_t channels, int64_t stepH, int64_t stepW) const {
    Rows r{buffer, from, count, (width + stepW - 1) / stepW, channels, stepH * width * channels, stepW * channels};
    if (r.isWhole() && stepH == 1) // one long row
      r.pixels *= r.count, r.count = 1;
    return r;
  }
  SmallVector<Share> sharesAhead(Value n, Value firstRow, Value ob, Value kh, Value firstChannel, ArrayRef<Cell> cells, const LaneChunk &chunk) {
    const int64_t bytes = k.target.vectorBytes / lanes, line = elementsOfLine(k.target, lanes), channels = f.xChannels;
    const bool readsOnce = f.KH * f.KW == 1 && f.SH == 1 && f.SW == 1;
    constexpr int64_t fewChannels = 4; // of a pixel: too few products between
    if (f.pairs || f.groups > 1 || f.OH * f.OW == 1 || (!readsOnce && channels <= fewChannels))
      return {};
    const bool ofImages = blockRows == f.OH; // a block is whole images
    const int64_t xRows = ofImages ? f.H : blockRows * f.SH, yRows = blockRows;
    auto isFar = [&](int64_t elements) { return readsOnce || elements * bytes > k.target.l2Bytes; };
    // Tiles in their order: blocks of outputs (of which a piece may have one alone, and one row of taps), rows of taps, chunks of lanes, columns of taps,
    // input channels.
    const bool alone = cutByFilter(f);
    const int64_t ofRow = f.KW * channels * f.block, all = alone ? ofRow : ofRow * f.KH * (f.yChannels / f.block), own = cells.size() * chunk.width;
    Value before = k.add(k.mul(firstChannel, chunk.width), (cells[0].kw * channels + cells[0].channel) * chunk.width + chunk.start * channels * f.KW);
    if (!alone)
      before = k.add(before, k.add(k.mul(ob, ofRow * f.KH), k.mul(kh, ofRow)));
    Value xFrom = k.mul(k.add(k.mul(n, f.H), k.mul(firstRow, f.SH)), f.W * f.xChannels), yFrom = k.mul(k.add(k.mul(n, f.OH), firstRow), f.OW * f.yChannels);
    const int64_t stepH = f.KH < f.SH ? f.SH : 1, stepW = f.KW < f.SW ? f.SW : 1;
    const Rows ofX = rowsOf(x, k.add(xFrom, blockImages * xRows * f.W * f.xChannels), blockImages * xRows / stepH, f.W, f.xChannels, stepH, stepW);
    const Rows ofY = rowsOf(dy, k.add(yFrom, blockImages * yRows * f.OW * f.yChannels), blockImages * yRows, f.OW, f.yChannels, 1, 1);
    if ((ofX.lines(line) + ofY.lines(line)) * TargetInfo::lineBytes > k.target.l2Bytes / 2)
      return {};
    SmallVector<Share> shares;
    auto share = [&](const Rows &rows) {
      const int64_t lines = rows.lines(line);
      shares.push_back({rows, k.div(k.mul(before, lines), all), (own * lines + all - 1) / all});
    };
    if (isFar(f.N * f.H * f.W * f.xChannels))
      share(ofX);
    if (!alone && isFar(f.N * f.OH * f.OW * f.yChannels))
      share(ofY);
    return shares;
  }

  /// All tiles of one tap row kh and one block of output channels.
  void tapRowTiles(Value n, Value lastN, Value firstRow, Value lastRow, Value ob, Value kh, Value out, Value isFirst) {
    int64_t channels = f.xChannels / f.groups;
    Value group = k.div(ob, f.yChannels / f.groups / f.block);
    Value inBase = f.groups == 1 ? k.constant(0) : k.mul(group, channels);
    Value target = k.add(out, k.add(k.mul(ob, f.wBlock), k.mul(kh, f.wRow)));
    for (const LaneChunk &chunk : laneChunks(f.block, lanes)) {
      int64_t most = k.target.choice.of(Knob::GradCells, 12);
      int64_t limit = std::max<int64_t>(1, std::min<int64_t>((k.target.registers - chunk.vectors - 2) / chunk.vectors, most));
      if (channels < 8) { // several tap columns share a tile
        SmallVector<Cell> rowCells;
        for (int64_t kw = 0; kw < f.KW; ++kw)
          for (int64_t ch = 0; ch < channels; ++ch)
            rowCells.push_back({kw, ch});
        int64_t first = 0;
        for (int64_t count : evenSplit(rowCells.size(), limit)) {
          tile(n, lastN, firstRow, lastRow, ob, kh, k.constant(0), inBase, ArrayRef<Cell>(rowCells).slice(first, count), chunk, target, isFirst);
          first += count;
        }
        continue;
      }
      int64_t size = channels % 8 == 0 && limit >= 8 && !k.target.choice.of(Knob::GradCells, 0) ? 8 : 0;
      for (int64_t kw = 0; kw < f.KW; ++kw) {
        auto channelTile = [&](Value firstChannel, int64_t count) {
          SmallVector<Cell> tileCells;
          for (int64_t ch = 0; ch < count; ++ch)
            tileCells.push_back({kw, ch});
          tile(n, lastN, firstRow, lastRow, ob, kh, firstChannel, inBase, tileCells, chunk, target, isFirst);
        };
        if (size) {
          k.loop(k.constant(0), k.constant(channels), size, [&](Value ch) { channelTile(ch, size); });
          continue;
        }
        // Runs of equal width as loops.
        auto widths = evenSplit(channels, limit);
        int64_t at = 0;
        for (size_t i = 0; i < widths.size();) {
          size_t same = i;
          while (same < widths.size() && widths[same] == widths[i])
            ++same;
          int64_t width = widths[i], end = at + width * int64_t(same - i);
          k.loop(k.constant(at), k.constant(end), width, [&](Value ch) { channelTile(ch, width); });
          at = end, i = same;
        }
      }
    }
  }

  /// Asks for what goes with `count` pixels of the tile's block from (image, row, column) on.
  void announce(ArrayRef<Share> shares, Value image, Value row, Value column, int64_t count) {
    const int64_t pixels = blockImages * blockRows * f.OW, line = elementsOfLine(k.target, lanes);
    for (const Share &s : shares) {
      Value pixel = k.add(k.mul(k.add(k.mul(image, blockRows), row), f.OW), column);
      Value first = k.add(s.first, k.div(k.mul(pixel, s.lines), pixels));
      const int64_t ofRow = s.rows.linesOfRow(line), ofPixel = s.rows.linesOfPixel(line);
      for (int64_t i = 0; i < (s.lines * count + pixels - 1) / pixels; ++i) {
        Value number = k.add(first, i), inRow = s.rows.count > 1 ? k.mod(number, ofRow) : number, at = k.mul(inRow, line);
        if (!s.rows.isWhole())
          at = k.add(k.mul(k.div(inRow, ofPixel), s.rows.pixel), k.mul(k.mod(inRow, ofPixel), line));
        if (s.rows.count > 1)
          at = k.add(at, k.mul(k.div(number, ofRow), s.rows.row));
        k.prefetch(s.rows.buffer, k.add(s.rows.from, at));
      }
    }
  }

  /// Columns first <= ow < first + count, all reached by the same cells of the tile.
  struct Segment {
    int64_t first, count;
    SmallVector<unsigned> cells;
  };
  SmallVector<Segment> segmentsOf(ArrayRef<Cell> cells) {
    SmallVector<Segment> segments;
    for (int64_t ow = 0; ow < f.OW; ++ow) {
      SmallVector<unsigned> reached;
      for (auto [i, c] : llvm::enumerate(cells)) {
        int64_t column = ow * f.SW + c.kw * f.DW - f.PL;
        if (column >= 0 && column < f.W)
          reached.push_back(i);
      }
      if (!segments.empty() && segments.back().cells == reached)
        ++segments.back().count;
      else
        segments.push_back({ow, 1, reached});
    }
    return segments;
  }

  void tile(Value n, Value lastN, Value firstRow, Value lastRow, Value ob, Value kh, Value firstChannel, Value inBase, ArrayRef<Cell> cells,
            const LaneChunk &chunk, Value target, Value isFirst) {
    auto laneWidth = [&](int64_t v) { return std::min(lanes, chunk.width - v * lanes); };
    auto address = [&](unsigned i, int64_t v) {
      Value a = k.add(target, k.mul(firstChannel, f.wChannel));
      return k.add(a, cells[i].kw * f.wColumn + cells[i].channel * f.wChannel + chunk.start + v * lanes);
    };
    // The first block starts from zero, the others from the sums so far.
    const SmallVector<Value> zeros(cells.size() * chunk.vectors, k.zeroVector(element, lanes));
    SmallVector<Value> start = k.choose(isFirst, ValueRange(zeros).getTypes(), [&] { return zeros; }, [&] {
      SmallVector<Value> sums;
      for (unsigned i = 0; i < cells.size(); ++i)
        for (int64_t v = 0; v < chunk.vectors; ++v)
          sums.push_back(k.load(dw, address(i, v), lanes, laneWidth(v)));
      return sums;
    });

    // Rows oh with 0 <= oh*SH + kh*DH - PT < H.
    Value shift = k.add(k.mul(kh, f.DH), -f.PT);
    Value lo = firstRow, hi = lastRow;
    if (f.PT > 0)
      lo = k.max(lo, k.ceilDiv(k.sub(k.constant(0), shift), f.SH));
    if ((f.OH - 1) * f.SH + (f.KH - 1) * f.DH - f.PT >= f.H)
      hi = k.min(hi, k.add(k.floorDiv(k.sub(k.constant(f.H - 1), shift), f.SH), 1));
    auto segments = segmentsOf(cells);
    const auto ahead = sharesAhead(n, firstRow, ob, kh, firstChannel, cells, chunk);
    for (unsigned i = 0; i < cells.size(); ++i) // of the next tile
      for (int64_t v = 0; v < chunk.vectors; ++v)
        store.soon(k.add(address(i, v), int64_t(cells.size()) * f.wChannel));

    SmallVector<Value> sums = k.loop(n, lastN, 1, start, [&](Value image, ValueRange outer) -> SmallVector<Value> {
      return k.loop(lo, hi, 1, outer, [&](Value oh, ValueRange carried) -> SmallVector<Value> {
        Value xRow = k.mul(k.add(k.mul(image, f.H), k.add(k.mul(oh, f.SH), shift)), f.W * f.xChannels);
        xRow = k.add(k.add(xRow, inBase), firstChannel);
        Value yRow = k.add(k.mul(k.add(k.mul(image, f.OH), oh), f.OW * f.yChannels), k.add(k.mul(ob, f.block), chunk.start));
        if (packed)
          yRow = k.add(k.mul(k.add(k.mul(k.sub(image, n), blockRows), k.sub(oh, firstRow)), f.OW * f.block), chunk.start);
        SmallVector<Value> a(carried);
        for (const Segment &segment : segments) {
          if (segment.cells.empty())
            continue;
          auto pixel = [&](Value ow, SmallVector<Value> s) {
            Value yAt = k.add(yRow, k.mul(ow, packed ? f.block : f.yChannels)), xAt = k.add(xRow, k.mul(ow, f.SW * f.xChannels));
            SmallVector<Value> grads;
            for (int64_t v = 0; v < chunk.vectors; ++v)
              grads.push_back(products.load(packed ? packed : dy, k.add(yAt, v * lanes), laneWidth(v)));
            for (unsigned i : segment.cells) {
              int64_t offset = (cells[i].kw * f.DW - f.PL) * f.xChannels + cells[i].channel;
              Value value = products.splat(x, k.add(xAt, offset));
              for (int64_t v = 0; v < chunk.vectors; ++v)
                s[i * chunk.vectors + v] = products.add(value, grads[v], s[i * chunk.vectors + v]);
            }
            return s;
          };
          int64_t unroll = segment.count % 4 == 0 ? 4 : segment.count % 2 == 0 ? 2 : segment.count <= 3 ? segment.count : 1;
          int64_t whole = segment.count / unroll * unroll;
          if (segment.count > 8 && unroll == 1)
            unroll = 4, whole = segment.count / 4 * 4;
          a = k.loop(k.constant(segment.first), k.constant(segment.first + whole), unroll, a,
                     [&](Value ow, ValueRange inner) -> SmallVector<Value> {
                       SmallVector<Value> s(inner);
                       announce(ahead, k.sub(image, n), k.sub(oh, firstRow), ow, unroll);
                       for (int64_t u = 0; u < unroll; ++u)
                         s = pixel(k.add(ow, u), s);
                       return s;
                     });
          for (int64_t rest = whole; rest < segment.count; ++rest)
            a = pixel(k.constant(segment.first + rest), a);
        }
        return a;
      });
    });
    for (unsigned i = 0; i < cells.size(); ++i)
      for (int64_t v = 0; v < chunk.vectors; ++v)
        store(sums[i * chunk.vectors + v], address(i, v), laneWidth(v));
  }
};

} // namespace

FilterGrad FilterGrad::of(const WindowGeometry &g) {
  FilterGrad f;
  f.N = g.N, f.H = g.H, f.W = g.W, f.xChannels = g.C, f.OH = g.OH, f.OW = g.OW, f.yChannels = g.O;
  f.KH = g.KH, f.KW = g.KW, f.SH = g.SH, f.SW = g.SW, f.DH = g.DH, f.DW = g.DW, f.PT = g.PT, f.PL = g.PL;
  f.groups = g.G, f.block = g.block;
  f.wChannel = g.block;
  f.wColumn = f.wChannel * (g.C / g.G);
  f.wRow = f.wColumn * g.KW;
  f.wBlock = f.wRow * g.KH;
  // Where the filter covers a pixel alone, a small image is one row.
  constexpr int64_t small = 256;
  if (g.KH * g.KW == 1 && g.SH == 1 && g.SW == 1 && g.H == g.OH && g.W == g.OW && g.OH * g.OW <= small)
    f.W *= f.H, f.OW *= f.OH, f.H = f.OH = 1;
  return f;
}

/// The maps of a convolution as the packing takes them: one row an image where the filter covers a pixel alone, and images that are one
/// pixel two by two.
struct PixelRows {
  int64_t groups, rows; ///< of the input map
  int64_t outGroups, outRows;
  bool ofImages; ///< a pair is of two images

  explicit PixelRows(const WindowGeometry &g) {
    bool pointwise = g.KH == 1 && g.KW == 1 && g.SH == 1 && g.SW == 1 && !g.PT && !g.PL && !g.PB && !g.PR;
    ofImages = pointwise && g.H * g.W == 1;
    groups = ofImages ? 1 : pointwise ? g.N : g.N * g.H, rows = ofImages ? g.N : pointwise ? g.H * g.W : g.W;
    outGroups = ofImages ? 1 : pointwise ? g.N : g.N * g.OH, outRows = ofImages ? g.N : pointwise ? g.OH * g.OW : g.OW;
  }
};

FilterGrad FilterGrad::ofPairs(const WindowGeometry &g) {
  PixelRows maps(g);
  FilterGrad f = of(g);
  f.pairs = true;
  if (maps.ofImages)
    f.N = (g.N + 1) / 2;
  else if (maps.rows != g.W)
    f.H = f.OH = 1, f.W = maps.rows, f.OW = maps.outRows;
  if (!maps.ofImages)
    f.W = packX(g).count, f.OW = packDy(g).count, f.PL = 0, f.SW = g.KW == 1 ? 1 : 2 * g.SW;
  return f;
}

PairPacking packDy(const WindowGeometry &g) {
  PixelRows maps(g);
  PairPacking p = PairPacking::neighbours(maps.outGroups, maps.outRows, g.O);
  p.images = maps.ofImages ? 0 : g.N;
  return p;
}

PairPacking packX(const WindowGeometry &g) {
  PixelRows maps(g);
  if (maps.ofImages)
    return PairPacking::neighbours(1, g.N, g.C);
  PairPacking p{maps.groups, maps.rows, g.C};
  p.count = (maps.outRows + 1) / 2, p.first = -g.PL, p.step = 2 * g.SW, p.second = g.SW, p.images = g.N;
  if (g.KW > 1) { // a pair begins at each column that a tap of an even output may read
    const int64_t last = ((maps.outRows + 1) / 2 - 1) * 2 * g.SW + (g.KW - 1) * g.DW;
    p.count = last + 1, p.step = 1;
  }
  return p;
}

GradStripes GradStripes::of(int64_t N, int64_t work, int64_t leastWork) {
  constexpr int64_t enough = 12, fewest = 8; // stripes
  GradStripes s{1, 1};
  while (s.imagesOfPiece * work < leastWork)
    s.imagesOfPiece *= 2;
  s.imagesOfStripe = s.imagesOfPiece;
  while ((N + 2 * s.imagesOfStripe - 1) / (2 * s.imagesOfStripe) >= enough)
    s.imagesOfStripe *= 2;
  return s.count(N) < fewest ? GradStripes() : s;
}

int64_t FilterGrad::pieces() const {
  if (stripes)
    return stripes.pieces(N);
  return parts * (cutByFilter(*this) ? yChannels / block * KH : 1);
}

int64_t filterGradParts(const FilterGrad &f, int64_t elementBytes) {
  constexpr int64_t partialBytes = 4 << 20, most = 16;
  // A part has enough pixels to pay for adding its sums up.
  int64_t byWork = std::max<int64_t>(1, f.N * f.OH * f.OW / 512);
  int64_t parts = std::clamp<int64_t>(std::min(partialBytes / (f.size() * elementBytes), byWork), 1, std::min(most, f.N));
  int64_t images = (f.N + parts - 1) / parts;
  return (f.N + images - 1) / images; // no part is empty
}

bool FilterGrad::mayBeAtOnce(const TargetInfo &target) const {
  const auto [images, rows] = blockOf(*this, target);
  return images >= (N + parts - 1) / parts && rows >= OH;
}

void buildFilterGrad(KernelBuilder &k, const FilterGrad &f, Type element, StoreLanes store) {
  Grad(k, f, element, store).run();
  k.finish();
}

} // namespace cnnc
