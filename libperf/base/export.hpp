// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Marks what libperfkit.so promises; everything else is hidden (see meson.build).
#define PERF_EXPORT __attribute__((visibility("default")))
