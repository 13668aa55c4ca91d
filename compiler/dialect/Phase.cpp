// Phases and layers in locations.
// In: a location.  Out: its parts (Phase.h).
#include "compiler/dialect/Phase.h"

#include "mlir/IR/BuiltinAttributes.h"

using namespace mlir;

static bool isPhase(StringRef name) {
  return name == cnnc::forwardPhase || name == cnnc::backwardPhase || name == cnnc::updatePhase;
}

/// The outermost name location of `loc`; of a fused location, the first part that has one.
static NameLoc nameOf(Location loc) {
  if (auto name = dyn_cast<NameLoc>(loc))
    return name;
  if (auto fused = dyn_cast<FusedLoc>(loc))
    for (Location part : fused.getLocations())
      if (NameLoc name = nameOf(part))
        return name;
  if (auto call = dyn_cast<CallSiteLoc>(loc))
    return nameOf(call.getCallee());
  return {};
}

Location cnnc::withPhase(Location loc, StringRef phase) {
  NameLoc name = nameOf(loc);
  Location child = !name ? loc : isPhase(name.getName()) ? name.getChildLoc() : Location(name);
  return NameLoc::get(StringAttr::get(loc.getContext(), phase), child);
}

StringRef cnnc::phaseOf(Location loc) {
  NameLoc name = nameOf(loc);
  return name && isPhase(name.getName()) ? name.getName().getValue() : StringRef();
}

StringRef cnnc::layerOf(Location loc) {
  NameLoc name = nameOf(loc);
  if (name && isPhase(name.getName()))
    name = dyn_cast<NameLoc>(name.getChildLoc());
  return name ? name.getName().getValue() : StringRef();
}
