// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <unordered_map>
#include <vector>

#include "libperf/backends/fault_proxy_link.hpp"

namespace perf::backends {

/// The listening end of a proxy and its links.
/// Thread safety: none; on the loop, but for construction and Tally. Lifetime: its links share it
/// until CloseAll, so CloseAll has to be called.
class FaultCore final : public FaultLinkOwner, public std::enable_shared_from_this<FaultCore> {
 public:
  /// Throws: as FaultProxy.
  FaultCore(EventLoop& the_loop, FaultProxyOptions the_options);
  ~FaultCore();

  const StreamAddress& Address() const noexcept { return address_; }
  /// Begins to accept.
  void Start();
  void Set(const Fault& fault);
  void Strike(Harm how);
  void Inject(std::size_t bytes);
  void CloseAll();
  void Gone(FaultLink& link) override;

 private:
  struct Door final : Poller::Watcher {
    FaultCore* core = nullptr;
    void OnEvents(std::uint32_t) override { core->AcceptAll(); }
  };

  void Listen();
  void StopListening();
  void Unwatch();
  void AcceptAll();
  std::vector<std::shared_ptr<FaultLink>> Links() const;

  StreamAddress address_;
  UniqueFd holder_;  // TCP: bound to the port for good, so that nobody else gets it meanwhile
  UniqueFd listener_;
  Door door_;
  boost::asio::steady_timer retry_;
  Fault fault_;
  Random random_;
  std::unordered_map<FaultLink*, std::shared_ptr<FaultLink>> links_;
  std::vector<char> memory_;
  bool watching_ = false;  // for connections: not while there is no descriptor for one
  bool closed_ = false;
};

}  // namespace perf::backends
