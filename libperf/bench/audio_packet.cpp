// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/audio_packet.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "libperf/base/error.hpp"
#include "libperf/base/random.hpp"

namespace perf::bench {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);
constexpr std::size_t kNoiseWords = 8192;

struct Head {
  std::uint32_t stream;
  std::uint32_t check;
  std::uint64_t number;
};
static_assert(sizeof(Head) == 2 * kWord);

/// Two words at a time: with them a packet costs little more than a copy, in every compiler.
using Pair = std::uint64_t __attribute__((vector_size(16)));

Pair Load(const void* from) noexcept {
  Pair pair;
  std::memcpy(&pair, from, sizeof(pair));
  return pair;
}

/// SplitMix64's finalizer.
std::uint64_t Mix(std::uint64_t bits) noexcept {
  bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9u;
  bits = (bits ^ (bits >> 27)) * 0x94d049bb133111ebu;
  return bits ^ (bits >> 31);
}

std::uint64_t KeyOf(std::uint32_t stream, std::uint64_t number) noexcept {
  return Mix(number * 0x9e3779b97f4a7c15u + stream);
}

std::uint32_t Fold(std::uint64_t sum) noexcept {
  const std::uint64_t mixed = Mix(sum);
  return static_cast<std::uint32_t>(mixed ^ (mixed >> 32));
}

}  // namespace

TestPackets::TestPackets(std::size_t packet_bytes, std::span<const std::byte> sound)
    : bytes_(packet_bytes) {
  if (packet_bytes < kLeast) {
    throw UsageError(fmt::format(
        "a period of {} bytes has no room for what a test packet tells, which takes {} of them",
        packet_bytes, kLeast));
  }
  words_ = (bytes_ - sizeof(Head)) / kWord;
  Random random(0x5eed);
  for (std::size_t i = 0; i < words_; ++i) salt_.push_back(random.Next());
  const std::size_t least = words_ + 1;
  if (sound.empty()) {
    for (std::size_t i = 0; i < std::max(kNoiseWords, least); ++i) sound_.push_back(random.Next());
  } else {
    sound_.resize(std::max(sound.size() / kWord, least));
    for (std::size_t at = 0; at < sound_.size() * kWord;) {
      const std::size_t size = std::min(sound.size(), sound_.size() * kWord - at);
      std::memcpy(reinterpret_cast<std::byte*>(sound_.data()) + at, sound.data(), size);
      at += size;
    }
  }
  starts_ = sound_.size() - words_;
}

const std::byte* TestPackets::SoundAt(std::uint32_t stream, std::uint64_t number) const noexcept {
  const std::uint64_t start = (std::uint64_t{stream} * 977 + number * words_) % starts_;
  return reinterpret_cast<const std::byte*>(sound_.data() + start);
}

void TestPackets::Fill(std::byte* packet, std::uint32_t stream,
                       std::uint64_t number) const noexcept {
  const std::uint64_t key = KeyOf(stream, number);
  const std::byte* const sound = SoundAt(stream, number);
  std::byte* const body = packet + sizeof(Head);
  const Pair keys = {key, key};
  Pair sums = {};
  std::size_t i = 0;
  for (; i + 2 <= words_; i += 2) {
    const Pair words = Load(sound + i * kWord) + keys;
    std::memcpy(body + i * kWord, &words, sizeof(words));
    sums += words ^ Load(&salt_[i]);
  }
  std::uint64_t sum = key + sums[0] + sums[1];
  if (i < words_) {
    std::uint64_t word = 0;
    std::memcpy(&word, sound + i * kWord, kWord);
    word += key;
    std::memcpy(body + i * kWord, &word, kWord);
    sum += word ^ salt_[i];
  }
  for (std::size_t at = sizeof(Head) + words_ * kWord; at < bytes_; ++at) packet[at] = std::byte{};
  const Head head{stream, Fold(sum), number};
  std::memcpy(packet, &head, sizeof(head));
}

TestPackets::Seen TestPackets::Look(const std::byte* packet) const noexcept {
  Head head;
  std::memcpy(&head, packet, sizeof(head));
  const std::byte* const body = packet + sizeof(Head);
  Pair sums = {};
  std::size_t i = 0;
  for (; i + 2 <= words_; i += 2) sums += Load(body + i * kWord) ^ Load(&salt_[i]);
  std::uint64_t sum = KeyOf(head.stream, head.number) + sums[0] + sums[1];
  if (i < words_) {
    std::uint64_t word = 0;
    std::memcpy(&word, body + i * kWord, kWord);
    sum += word ^ salt_[i];
  }
  std::byte rest{};
  for (std::size_t at = sizeof(Head) + words_ * kWord; at < bytes_; ++at) rest |= packet[at];
  return {Fold(sum) == head.check && rest == std::byte{}, head.stream, head.number};
}

}  // namespace perf::bench
