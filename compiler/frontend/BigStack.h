// Runs a function on a thread with a large stack: recursive descent over text within the limits never overflows it.
// In: a function.  Out: it has run.
#pragma once

#include <functional>

namespace cnnc {

void onBigStack(const std::function<void()> &work);

} // namespace cnnc
