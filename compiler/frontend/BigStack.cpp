// A thread whose stack is large but only committed where it is touched.
// In: a function.  Out: it has run; exceptions travel to the caller.
#include "compiler/frontend/BigStack.h"

#include <exception>
#include <pthread.h>

namespace cnnc {
namespace {

constexpr size_t stackBytes = size_t(512) << 20; // address space; the limits of Parse.h need a tenth of it

struct Job {
  const std::function<void()> *work;
  std::exception_ptr thrown;
};

void *run(void *argument) {
  auto *job = static_cast<Job *>(argument);
  try {
    (*job->work)();
  } catch (...) {
    job->thrown = std::current_exception();
  }
  return nullptr;
}

} // namespace

void onBigStack(const std::function<void()> &work) {
  Job job{&work, nullptr};
  pthread_attr_t attributes;
  pthread_t thread;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stackBytes);
  bool started = pthread_create(&thread, &attributes, run, &job) == 0;
  pthread_attr_destroy(&attributes);
  if (started)
    pthread_join(thread, nullptr);
  else
    run(&job); // little address space: the ordinary stack must do
  if (job.thrown)
    std::rethrow_exception(job.thrown);
}

} // namespace cnnc
