// SPDX-License-Identifier: Apache-2.0
#include "libperf/backends/http_server.hpp"

#include "libperf/backends/http_session.hpp"
#include "libperf/base/error.hpp"

#include <fmt/format.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <exception>
#include <unordered_set>
#include <vector>

namespace perf::backends {

namespace asio = boost::asio;
using namespace std::chrono_literals;

struct HttpServer::Parts final : HttpSessionOwner {
  Parts(int listener, Handler serve, HttpServerLimits wanted)
      : context(1),
        acceptor(context),
        sweeper(context),
        retry(context),
        handler(std::move(serve)),
        limits(wanted) {
    boost::system::error_code error;
    acceptor.assign(asio::ip::tcp::v4(), listener, error);
    if (!error) acceptor.non_blocking(true, error);
    if (error) throw IoError(fmt::format("cannot serve HTTP: {}", error.message()));
  }

  void Handle(const ServedRequest& request, ServedReply& reply) override {
    ++counters.requests;
    try {
      handler(request, reply);
    } catch (const std::exception&) {
      reply = ServedReply();
      reply.status = 500;
    }
  }
  const HttpServerLimits& Limits() const noexcept override { return limits; }
  void CountBad() noexcept override { ++counters.bad; }
  void Left(HttpSession& session) noexcept override {
    sessions.erase(&session);
    --counters.open;
  }

  void Accept() {
    acceptor.async_wait(asio::socket_base::wait_read, [this](boost::system::error_code error) {
      if (error) return;
      if (AcceptAll()) return Accept();
      // Out of descriptors, most likely: looking again at once would only spin.
      retry.expires_after(50ms);
      retry.async_wait([this](boost::system::error_code late) {
        if (!late) Accept();
      });
    });
  }

  /// False where accepting failed for want of something.
  bool AcceptAll() {
    for (;;) {
      boost::system::error_code error;
      asio::ip::tcp::socket socket(context);
      acceptor.accept(socket, error);
      if (error == asio::error::would_block || error == asio::error::connection_aborted)
        return true;
      if (error) return false;
      ++counters.accepted;
      if (sessions.size() >= kMaxSessions) {
        ++counters.refused;
        continue;
      }
      ++counters.open;
      auto session = std::make_shared<HttpSession>(*this, std::move(socket));
      sessions.insert(session.get());
      session->Start();
    }
  }

  /// Once a second instead of a timer per request: limits of time need not be exact.
  void Sweep() {
    sweeper.expires_after(1s);
    sweeper.async_wait([this](boost::system::error_code error) {
      if (error) return;
      std::vector<std::shared_ptr<HttpSession>> expired;
      for (HttpSession* session : sessions)
        if (session->Expired(Clock::now())) expired.push_back(session->shared_from_this());
      for (const auto& session : expired) session->Close();
      counters.expired += expired.size();
      Sweep();
    });
  }

  void CloseAll() {
    std::vector<std::shared_ptr<HttpSession>> all;
    for (HttpSession* session : sessions) all.push_back(session->shared_from_this());
    for (const auto& session : all) session->Close();
  }

  // Before the context: sessions that its handlers still own say good-bye here.
  std::unordered_set<HttpSession*> sessions;
  HttpServerCounters counters;
  asio::io_context context;
  asio::ip::tcp::acceptor acceptor;
  asio::steady_timer sweeper;
  asio::steady_timer retry;
  Handler handler;
  HttpServerLimits limits;
};

HttpServer::HttpServer(int listener, Handler handler, HttpServerLimits limits)
    : parts_(std::make_unique<Parts>(listener, std::move(handler), limits)) {}

HttpServer::~HttpServer() {
  // Sessions live in the handlers of their context: run what Close posts, so that none outlives us.
  parts_->CloseAll();
  parts_->context.restart();
  parts_->acceptor.close();
  parts_->sweeper.cancel();
  parts_->retry.cancel();
  parts_->context.poll();
}

void HttpServer::Run() {
  parts_->Accept();
  parts_->Sweep();
  parts_->context.run();
  parts_->CloseAll();
}

void HttpServer::Stop() { parts_->context.stop(); }

const HttpServerCounters& HttpServer::Counters() const noexcept { return parts_->counters; }

}  // namespace perf::backends
