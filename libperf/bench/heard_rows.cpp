// SPDX-License-Identifier: Apache-2.0
#include "libperf/bench/heard_rows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace perf::bench {
namespace {

/// What is the same of a stream and of all of them.
struct Figures {
  audio::ReceptionStats received;
  std::optional<audio::JitterBufferStats> played;
  std::uint64_t undecodable = 0;
  double interruption_ms = 0, played_ms = 0;

  void Merge(const Figures& other);
};

void Most(std::optional<double>& value, const std::optional<double>& other) {
  if (other && (!value || *other > *value)) value = other;
}

void Figures::Merge(const Figures& other) {
  using R = audio::ReceptionStats;
  using P = audio::JitterBufferStats;
  for (auto field : {&R::packets, &R::bytes, &R::lost, &R::reordered, &R::duplicates, &R::strays,
                     &R::restarts, &R::timestamp_jumps}) {
    received.*field += other.received.*field;
  }
  for (auto field : {&R::jitter_ms, &R::jitter_mean_ms, &R::jitter_max_ms}) {
    Most(received.*field, other.received.*field);
  }
  undecodable += other.undecodable;
  interruption_ms += other.interruption_ms;
  played_ms += other.played_ms;
  if (!other.played) return;
  if (!played) played.emplace();
  for (auto field :
       {&P::packets_discarded, &P::flushes, &P::resyncs, &P::total_samples, &P::concealed_samples,
        &P::silent_concealed_samples, &P::concealment_events, &P::interruption_count,
        &P::inserted_samples, &P::removed_samples, &P::dtx_samples, &P::jitter_buffer_delay_us,
        &P::jitter_buffer_emitted_count}) {
    *played.*field += *other.played.*field;
  }
  for (auto field : {&P::target_delay, &P::depth_max}) {
    *played.*field = std::max(*played.*field, *other.played.*field);
  }
}

Figures FiguresOf(const HeardStream& stream) {
  Figures figures{stream.Reception(), stream.Played(), stream.Undecodable()};
  if (figures.played) {
    const auto ms = [&](std::uint64_t frames) { return ToMs(stream.Format().TimeOf(frames)); };
    figures.interruption_ms = ms(figures.played->interruption_samples);
    figures.played_ms = ms(figures.played->total_samples);
  }
  return figures;
}

Json OrNull(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

Json Row(const std::string& name, const std::string& payload, const Figures& figures) {
  Json row = Json::MakeObject();
  const audio::ReceptionStats& received = figures.received;
  row["stream"] = name;
  row["payload"] = payload;
  row["packets"] = received.packets;
  row["lost"] = received.lost;
  row["reordered"] = received.reordered;
  row["duplicates"] = received.duplicates;
  row["jitter_max_ms"] = OrNull(received.jitter_max_ms);
  const auto played = [&](const char* field, std::uint64_t audio::JitterBufferStats::* value) {
    row[field] = figures.played ? Json(*figures.played.*value) : Json();
  };
  using P = audio::JitterBufferStats;
  played("concealed_samples", &P::concealed_samples);
  played("concealment_events", &P::concealment_events);
  played("interruption_count", &P::interruption_count);
  row["jitter_buffer_delay_ms"] =
      figures.played && figures.played->jitter_buffer_emitted_count > 0
          ? Json(static_cast<double>(figures.played->jitter_buffer_delay_us) / 1000 /
                 static_cast<double>(figures.played->jitter_buffer_emitted_count))
          : Json();
  row["undecodable"] = figures.undecodable;
  row["restarts"] = received.restarts;
  row["strays"] = received.strays;
  row["timestamp_jumps"] = received.timestamp_jumps;
  row["payload_bytes"] = received.bytes;
  row["jitter_mean_ms"] = OrNull(received.jitter_mean_ms);
  row["jitter_ms"] = OrNull(received.jitter_ms);
  row["drift_ppm"] = OrNull(received.drift_ppm);
  row["interruption_ms"] = figures.played ? Json(figures.interruption_ms) : Json();
  row["played_ms"] = figures.played ? Json(figures.played_ms) : Json();
  played("total_samples", &P::total_samples);
  played("silent_concealed_samples", &P::silent_concealed_samples);
  played("inserted_samples", &P::inserted_samples);
  played("removed_samples", &P::removed_samples);
  played("dtx_samples", &P::dtx_samples);
  played("packets_discarded", &P::packets_discarded);
  played("flushes", &P::flushes);
  played("resyncs", &P::resyncs);
  played("jitter_buffer_emitted_count", &P::jitter_buffer_emitted_count);
  row["target_delay_ms"] = figures.played ? Json(ToMs(figures.played->target_delay)) : Json();
  row["depth_max_ms"] = figures.played ? Json(ToMs(figures.played->depth_max)) : Json();
  return row;
}

Json StreamRow(const HeardStream& stream) {
  Json row = Row(fmt::format("{:08x}", stream.Key().ssrc), stream.Payload(), FiguresOf(stream));
  row["source"] = stream.Key().source.ToString();
  row["destination"] = stream.Key().destination.ToString();
  row["played_hash"] = stream.Played() ? Json(fmt::format("{:016x}", stream.Hash())) : Json();
  return row;
}

}  // namespace

std::vector<Json> HeardRows(std::span<const HeardStream* const> streams) {
  std::vector<Json> rows;
  Figures total;
  for (const HeardStream* stream : streams) {
    total.Merge(FiguresOf(*stream));
    if (rows.size() < kMostRows) rows.push_back(StreamRow(*stream));
  }
  if (streams.size() != 1) rows.insert(rows.begin(), Row("all", "", total));
  return rows;
}

void SayUndecodable(std::span<const HeardStream* const> streams, const Context& context) {
  std::array<std::uint64_t, 128> unplayed{};
  for (const HeardStream* stream : streams) {
    unplayed[stream->UndecodableType()] += stream->Undecodable();
  }
  for (std::size_t type = 0; type < unplayed.size(); ++type) {
    if (unplayed[type] == 0) continue;
    context.Phase(
        fmt::format("{} packets of payload type {} were counted, but not decoded; "
                    "decoded are PCMU, PCMA and L16, as in --pt {}=PCMU/8000/1",
                    unplayed[type], type, type));
  }
}

}  // namespace perf::bench
