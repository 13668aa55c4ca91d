// How a filter's gradient is cut into products of AMX tiles.
// In: FilterGrad, whether it is split.  Out: AmxFilterGrad: which 32 pixels share a product, what is brought in at once, and which tiles a piece has.
#include "compiler/kernels/AmxOperands.h"

#include <cmath>

using namespace mlir;

namespace cnnc {
using namespace amx;

int64_t AmxFilterGrad::sumElements() const { return once ? 4 * amx::sumElements : inPlace ? tile : panelRows * panelLanes * taps * amx::sumElements; }

int64_t AmxFilterGrad::bytes() const {
  const int64_t terms = split ? 2 : 1, all = sumElements() * 4;
  if (bySamples)
    return all + 2 * terms * tileElements * groups * (roundUp(panelRows, 2) * f.H * f.W + roundUp(panelLanes, 2) * f.OH * f.OW);
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

  constexpr int64_t roomBytes = 5 << 18, planeBytes = 5 << 17, fewestPieces = 8, mostGroups = 16, enoughSteps = 16;
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
    a.bySamples = a.once = false, a.groups = 1;
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
    while (a.images * 2 <= samples && a.steps < enoughSteps) {
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
    a.groups = f.H * f.W > 1 ? 1 : all <= mostGroups ? all : enoughSteps;
    a.once = !f.stripes && all <= a.groups;
  };
  a.inPlace = bool(f.stripes) && !a.gathers && a.rows % tile == 0 && f.block % tile == 0;
  auto setOrder = [&](int64_t panelRows, int64_t panelLanes) {
    a.panelRows = panelRows, a.panelLanes = panelLanes;
    if (pointwise)
      return setSamples();
    setPlanes();
    if (a.gathers || f.stripes || samples < depth / 2)
      return;
    const double byPlanes = waste(a.steps * depth) / double(a.images);
    const double bySamples = double(roundUp(samples, depth)) / double(samples) * reached(f.KH, f.DH, f.SH, f.PT, f.H, f.OH) *
                             reached(f.KW, f.DW, f.SW, f.PL, f.W, f.OW);
    constexpr int64_t mostPixels = 100;
    if (bySamples < byPlanes && f.H * f.W <= mostPixels)
      setSamples();
  };
  if (f.stripes) {
    setOrder(a.rowTiles, a.laneTiles);
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
      setOrder(panelRows, panelLanes);
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

} // namespace cnnc
