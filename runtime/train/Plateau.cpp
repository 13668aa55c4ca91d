// ReduceLROnPlateau.
// In: a rule, what it has seen, a metric.  Out: the new state.
#include "runtime/train/Plateau.h"

#include <algorithm>

namespace rt {

bool observePlateau(const PlateauRule &rule, PlateauState &state, double metric) {
  const double edge = state.best * (rule.max ? 1 + rule.threshold : 1 - rule.threshold);
  const bool better = state.epochs == 0 || (rule.max ? metric > edge : metric < edge);
  ++state.epochs;
  if (better)
    state.best = metric;
  state.bad = better ? 0 : state.bad + 1;
  if (state.cooling) {
    --state.cooling;
    state.bad = 0;
  }
  if (state.bad <= rule.patience)
    return false;
  const double before = state.factor;
  state.factor = std::max(state.factor * rule.factor, rule.floor);
  state.cooling = rule.cooldown;
  state.bad = 0;
  return state.factor < before;
}

} // namespace rt
