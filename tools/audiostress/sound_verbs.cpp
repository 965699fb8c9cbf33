// SPDX-License-Identifier: Apache-2.0
#include "audio_words.hpp"
#include "libperf/bench/audio_convert.hpp"
#include "tools/common/bench/words.hpp"
#include "verbs.hpp"

namespace perf::tool {
namespace {

class Convert final : public Verb {
 public:
  Convert() : Verb("convert", "turn a sound file into another format, rate or codec") {}
  void Declare(Flags& flags) override {
    flags.Positional(
        "in", options_.in, "IN",
        "the input, by its ending: .wav .flac .ogg .opus, raw .ulaw .alaw .s16le .s24le "
        ".s32le .f32le .raw .pcm, - is raw standard input");
    flags.Positional("out", options_.out, "OUT", "the output likewise; - is raw standard output");
    flags.Word("--from", from_, "FORMAT",
               "of raw input, such as s16:24000:1; of another what its header has to say");
    flags.Word("--to", to_, "FORMAT",
               "of the output (default: that of the input; .ulaw and .alaw: 8 kHz mono)");
    flags.Word("--quality", quality_, "N", "of resampling, 0 to 10 (default 5)");
  }
  Run Bind(std::optional<std::uint64_t>) override {
    bench::AudioConvertOptions options = options_;
    if (!from_.empty()) options.from = AudioFormatOf("--from", from_);
    if (!to_.empty()) options.to = AudioFormatOf("--to", to_);
    options.quality = static_cast<int>(NumberOf("--quality", quality_, 10));
    bench::CheckConvert(options);
    return
        [options](const bench::Context& context) { return bench::AudioConvert(options, context); };
  }
  bool TakesStdout() const override { return options_.out == "-"; }

 private:
  bench::AudioConvertOptions options_;
  std::string from_, to_, quality_ = "5";
};

}  // namespace

Verbs SoundVerbs() {
  Verbs verbs;
  verbs.push_back(std::make_unique<Convert>());
  return verbs;
}

}  // namespace perf::tool
