// SPDX-License-Identifier: Apache-2.0
#include "libperf/load/player.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <coroutine>
#include <utility>

#include "libperf/base/error.hpp"

namespace perf::load {
namespace {

// So many streams are filled in a row, then others on the loop have their turn.
constexpr std::size_t kInTurn = 128;
// How often within what a stream buffers it is filled up again.
constexpr int kFeeds = 4;
constexpr Duration kSoonest = std::chrono::milliseconds(1);
constexpr Duration kLatest = std::chrono::milliseconds(100);

/// Goes on in the loop's next turn.
struct NextTurn {
  backends::EventLoop& loop;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) const { loop.Schedule(handle); }
  void await_resume() const noexcept {}
};

}  // namespace

Player::Player(backends::EventLoop& loop, AudioSet& set, std::size_t index)
    : loop_(loop), set_(set), pacer_(set.PacerOf(index)) {
  if (!loop_.Sockets().Add(ended_.Descriptor(), EPOLLIN, *this)) {
    throw IoError("the loop cannot watch its ended streams");
  }
}

Player::~Player() {
  loop_.Sockets().Remove(ended_.Descriptor(), *this);
  std::vector<audio::Paced*> all;
  for (const auto& voice : voices_) all.push_back(voice.get());
  pacer_.Remove(all);
}

void Player::RecordInto(Interval* interval) {
  if (interval_ != nullptr) {
    for (const Playing& playing : playing_) Count(*playing.voice);
  }
  interval_ = interval;
}

void Player::Count(Voice& voice) {
  PlayRecord unrecorded;
  const Voice::Place& where = voice.Where();
  voice.Collect(where.recorded ? interval_->loads[where.load].requests[where.request].play
                               : unrecorded);
}

Voice* Player::Start(const audio::StreamOptions& options, Voice::Matter matter,
                     const Voice::Place& where, Wait wait, std::string& refusal) {
  audio::Opened opened = set_.Streams().Open(options);
  if (!opened) {
    refusal = std::move(opened.refusal);
    return nullptr;
  }
  Voice& voice = TakeVoice(options.period);
  voice.Begin(std::move(opened.stream), std::move(matter), where);
  playing_.push_back({&voice, std::move(wait)});
  if (!std::exchange(feeding_, true)) loop_.Spawn(Feed());
  return &voice;
}

Voice& Player::TakeVoice(Duration period) {
  std::vector<Voice*>& spare = spare_[period];
  if (!spare.empty()) {
    Voice& voice = *spare.back();
    spare.pop_back();
    return voice;
  }
  Voice& voice = *voices_.emplace_back(std::make_unique<Voice>(ended_));
  audio::Paced* const paced = &voice;
  pacer_.Add({&paced, 1}, period);
  return voice;
}

void Player::Stop(Voice& voice) noexcept {
  voice.Stop();
  for (Playing& playing : playing_) {
    if (playing.voice == &voice) playing.wait = nullptr;
  }
}

void Player::OnEvents(std::uint32_t) {
  for (Voice* voice = ended_.TakeAll(); voice != nullptr;) {
    Voice* const next = voice->Next();
    const auto found = std::find_if(playing_.begin(), playing_.end(),
                                    [&](const Playing& p) { return p.voice == voice; });
    Count(*voice);
    const TimePoint at = voice->Finish();
    spare_[voice->Period()].push_back(voice);
    if (found->wait) found->wait->Give(at);
    *found = std::move(playing_.back());
    playing_.pop_back();
    voice = next;
  }
}

/// Lives while anything is played.
Task<void> Player::Feed() {
  const Duration pause = std::clamp(set_.Spec().buffer / kFeeds, kSoonest, kLatest);
  TimePoint next = Clock::now() + pause;
  while (!playing_.empty()) {
    co_await loop_.SleepUntil(next);
    if (loop_.Cancelled()) break;
    // Those that end meanwhile make others change their places; whoever is passed over has what was
    // buffered, and is met at the next round.
    for (std::size_t at = 0; at < playing_.size(); ++at) {
      playing_[at].voice->Fill(scratch_);
      Count(*playing_[at].voice);
      if (at % kInTurn != kInTurn - 1) continue;
      NextTurn turn{loop_};
      co_await turn;
    }
    next = std::max(next + pause, Clock::now());
  }
  feeding_ = false;
}

}  // namespace perf::load
