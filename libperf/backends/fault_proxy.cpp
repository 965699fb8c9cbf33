// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/fault_proxy.hpp"

#include <exception>
#include <future>
#include <thread>
#include <utility>

#include "libperf/backends/fault_proxy_core.hpp"
#include "libperf/base/error.hpp"
#include "libperf/base/log.hpp"

namespace perf::backends {
namespace {

// The loop does what it is told between two turns of microseconds; on a frozen machine, later.
constexpr Duration kPatience = std::chrono::seconds(10);
constexpr Duration kUnwind = std::chrono::seconds(5);

}  // namespace

struct FaultProxy::Own {
  void Start() {
    thread = std::jthread([this] {
      try {
        loop.Run();
      } catch (const std::exception& error) {
        Log(LogLevel::kError, "a fault proxy has ended: {}", error.what());
      }
    });
  }
  EventLoop loop;
  std::jthread thread;
};

FaultProxy::FaultProxy(FaultProxyOptions options) : own_(std::make_unique<Own>()) {
  core_ = std::make_shared<FaultCore>(own_->loop, std::move(options));
  core_->Start();
  own_->Start();
}

FaultProxy::FaultProxy(EventLoop& loop, FaultProxyOptions options)
    : core_(std::make_shared<FaultCore>(loop, std::move(options))) {
  core_->Start();
}

FaultProxy::~FaultProxy() {
  if (own_) {
    own_->loop.Stop();
    own_->thread.join();
    own_->loop.CancelAll();
  }
  core_->CloseAll();
  // What still dials for a link that is closed ends at once, now that nothing waits any more.
  if (own_) own_->loop.Drain(Deadline::After(Clock::now(), kUnwind));
  core_.reset();
}

const StreamAddress& FaultProxy::Address() const noexcept { return core_->Address(); }

void FaultProxy::Do(std::function<void()> work) {
  if (!own_) return work();
  const auto done = std::make_shared<std::promise<void>>();
  std::future<void> result = done->get_future();
  own_->loop.Post([work = std::move(work), done] {
    try {
      work();
      done->set_value();
    } catch (...) {
      done->set_exception(std::current_exception());
    }
  });
  if (result.wait_for(kPatience) != std::future_status::ready) {
    throw IoError("a fault proxy does not answer");
  }
  result.get();
}

void FaultProxy::Set(const Fault& fault) {
  Do([core = core_, fault] { core->Set(fault); });
}

void FaultProxy::Strike(Harm how) {
  Do([core = core_, how] { core->Strike(how); });
}

void FaultProxy::Inject(std::size_t bytes) {
  Do([core = core_, bytes] { core->Inject(bytes); });
}

FaultCounters FaultProxy::Counters() const { return core_->tally.Snapshot(); }

}  // namespace perf::backends
